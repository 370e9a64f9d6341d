"""What is told besides an answer: as warnings of Python, at the line that made the call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence


class ColumnsAddedWarning(UserWarning):
    """An upsert brought columns that the frame did not have: look whether a name is misspelt."""


def tell_of_columns(frame: str, added: Sequence[str]) -> None:
    """Warns of columns that an upsert added to a frame."""
    names = ", ".join(map(repr, added))
    text = f"the upsert added columns to {frame}: {names}; if that was a slip, `restore` the version before it"
    warnings.warn(text, ColumnsAddedWarning, stacklevel=level_of_caller())


def level_of_caller() -> int:
    """How far up from who asks the first function is that is not of this package."""
    package = __name__.partition(".")[0]
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
        level += 1
    return level
