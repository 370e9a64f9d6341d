"""What every rival does, each in its own way. Whatever one cannot do, it says so instead."""

from collections.abc import Sequence
from os import getpid
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
import pyarrow as pa


class NotOfferedError(Exception):
    """A rival cannot do this, and why."""


class Rival:
    """One way to keep frames, used as its users use it.

    Frames are called by name; the rows to put were held before under a key, in the form that the rival
    takes, so that no time is spent on conversions that its users do not make.
    """

    # In which environment of `requirements` it runs.
    environment: ClassVar[str] = "main"
    # Whether it keeps nothing and answers nothing: as fast as a server can be.
    ceiling: ClassVar[bool] = False

    def __init__(self, folder: Path, binary: Path | None) -> None:
        self.folder = folder
        self.binary = binary
        self.held: dict[str, Any] = {}

    def start(self) -> None:
        """Makes it ready for its first call."""

    def stop(self) -> None:
        """Ends what was started."""

    def restart(self) -> None:
        """Forgets everything that is in memory; what the operating system holds of files stays."""
        self.stop()
        self.start()

    def another(self) -> Self:
        """A further client of the same frames; libraries are shared by threads as they are."""
        return self

    def process(self) -> int:
        """The process that does the work."""
        return getpid()

    def hold(self, key: str, table: pa.Table) -> None:
        self.held[key] = self.native(table)

    def native(self, table: pa.Table) -> Any:
        """Rows in the form that is put."""
        return table

    def arrow(self, result: Any) -> pa.Table:
        """Rows in the form that is got, as Arrow."""
        if isinstance(result, pd.DataFrame):
            return pa.Table.from_pandas(result, preserve_index=False)
        return result

    def load(self, name: str, key: str) -> None:
        """Makes a frame that is only read; not measured."""
        self.put(name, key)

    def load_many(self, names: Sequence[str], key: str) -> None:
        """Makes many such frames."""
        for name in names:
            self.load(name, key)

    def put(self, name: str, key: str) -> None:
        raise NotOfferedError("reads files that others write")

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        """Appends a slice of the rows held."""
        raise NotOfferedError("a file that is written takes no more rows")

    def get(self, name: str) -> Any:
        raise NotImplementedError

    def opened(self, name: str) -> Any:
        """All of a frame, in memory that is shared with whoever keeps it."""
        raise NotOfferedError("shares no memory with those who read")

    def pandas(self, name: str) -> pd.DataFrame:
        """All of a frame for users of pandas."""
        return self.get(name).to_pandas()

    def range(self, name: str, start: str, stop: str) -> Any:
        raise NotOfferedError("only gives out whole frames")

    def columns(self, name: str, columns: list[str]) -> Any:
        raise NotOfferedError("only gives out whole frames")

    def group(self, name: str) -> Any:
        """The mean of `bid` and the sum of `size` for each `symbol`."""
        raise NotOfferedError("does not group")

    def resample(self, name: str) -> Any:
        """The means of each minute, got."""
        raise NotOfferedError("gives out no bins of time")

    def resample_into(self, name: str, target: str) -> None:
        """The means of each minute, as another frame."""
        raise NotOfferedError("stores no bins of time")

    def asof(self, left: str, right: str) -> Any:
        """Each row of `left` with the last `bid` of its symbol in `right`."""
        raise NotOfferedError("has no as-of join")

    def listed(self) -> int:
        """How many frames there are, by listing them."""
        raise NotOfferedError("has no listing of frames")
