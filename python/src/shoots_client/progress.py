"""How far a transfer has come: told to a function, or shown as a bar."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self, TypeAlias

PATIENCE = 1.0
"""After how many seconds a bar appears by itself."""


@dataclass(frozen=True)
class Progress:
    """How far a transfer has come."""

    what: str
    """What is being moved, such as `put prices`."""
    done: int
    """How many rows have been moved; of histories, how many bytes."""
    total: int | None
    """How many there are, as far as is known."""
    bytes: int
    """How many bytes have been moved."""


Watch: TypeAlias = "bool | Callable[[Progress], object] | None"
"""How progress is told: `None` shows a bar on a terminal when a transfer takes longer than a second and `tqdm` is
installed, `True` shows one at once, `False` none, and a function is called with each `Progress`."""


class Tracker:
    """Follows one transfer."""

    def __init__(self, what: str, watch: Watch, total: int | None = None, unit: str = "rows") -> None:
        self._what = what
        self._done = 0
        self._bytes = 0
        self._total = total
        self._unit = unit
        self._tell = watch if callable(watch) else None
        self._bar = bar(what, True, total, unit) if watch is True else None
        # Making a bar takes a tenth of a small get, so only what takes long gets one.
        self._shows_from = time.monotonic() + PATIENCE if watch is None else math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def moved(self, count: int, size: int) -> None:
        """So many more rows have been moved."""
        self.reached(self._done + count, self._bytes + size, self._total)

    def reached(self, done: int, size: int, total: int | None) -> None:
        """It has come so far."""
        step = done - self._done
        if time.monotonic() >= self._shows_from:
            self._shows_from = math.inf
            self._bar = bar(self._what, False, total, self._unit, self._done)
        self._done, self._bytes, self._total = done, size, total
        if self._tell is not None:
            self._tell(Progress(self._what, done, total, size))
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(step)


@cache
def has_tqdm() -> bool:
    """Whether `tqdm` is installed. Looking for what is not there takes longer than a small get, so it is done once."""
    return find_spec("tqdm") is not None


def bar(what: str, at_once: bool, total: int | None, unit: str, done: int = 0) -> Any:
    """A bar of tqdm; `None` where it is not installed and not asked for outright."""
    if not at_once and not has_tqdm():
        return None
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        error.add_note('tqdm shows the progress: pip install "shoots-client[progress]"')
        raise
    # tqdm takes `None` to mean that it shows nothing where there is no terminal.
    hidden = False if at_once else None
    return tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, disable=hidden, leave=at_once, initial=done)
