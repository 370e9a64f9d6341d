"""What is told besides an answer: as warnings of Python, at the line that made the call.

Calls may run in other threads than the one that made them, as those of the client for asyncio do. Where that is, the
`caller` of their context tells.
"""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .results import PutResult


class ColumnsAddedWarning(UserWarning):
    """An upsert brought columns that the frame did not have: look whether a name is misspelt.

    It comes after the upsert, which stays. Where warnings are made errors, `result` has what the call would have given.
    """

    def __init__(self, text: str, result: Any = None) -> None:
        super().__init__(text)
        self.result = result


@dataclass(frozen=True)
class Line:
    """A line of somebody's program, as `warnings` takes it."""

    file: str
    number: int
    module: str
    registry: dict[Any, Any]


PASSED_OVER = {__name__.partition(".")[0], "asyncio"}
"""Packages that stand between a call and the line that made it."""

caller: ContextVar[Line | None] = ContextVar("caller", default=None)
"""The line that made the calls of this context, if another thread makes them."""


told_together: ContextVar[bool] = ContextVar("told_together", default=False)
"""Whether what calls of this context have to tell is told once all of them have ended."""


def tell_of_columns(frame: str, put: PutResult, result: Any) -> None:
    """Warns of the columns that an upsert added to a frame, if it did. `result` is what the call gives."""
    added = put.get("columns_added")
    if not added or told_together.get():
        return
    names = ", ".join(map(repr, added))
    version = put["version"]
    text = (
        f"the upsert was applied, as version {version}, and added columns to {frame}: {names}; "
        f"if that was a slip, `restore` version {version - 1}"
    )
    line = caller.get() or line_of_caller()
    warnings.warn_explicit(
        ColumnsAddedWarning(text, result), ColumnsAddedWarning, line.file, line.number, line.module, line.registry
    )


def line_of_caller() -> Line:
    """The line that made a call: the nearest one outside of this package.

    A task that is nothing but a call has no such line. Then it is the line that runs the event loop.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER:
        frame = frame.f_back
    names = frame.f_globals
    registry = names.setdefault("__warningregistry__", {})
    return Line(frame.f_code.co_filename, frame.f_lineno, names.get("__name__", "<unknown>"), registry)
