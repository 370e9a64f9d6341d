"""Writing rows: puts of every mode, of one frame and of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any, Literal

import pyarrow as pa

from ..conversion import Outgoing, outgoing
from ..conversion.outgoing import Dataframe, with_whole_numbers
from ..errors import InvalidRequestError, ManyFramesError, NotFoundError, SchemaError
from ..modes import PutMode
from ..notices import ColumnsAddedWarning, tell_of_columns, told_together
from ..progress import Watch
from ..results import PutResult
from ..transfer import send
from ..values import IndexValue, as_json, given, mapping, names, plain
from .base import Bucket, Calls, Metadata, located, new_request_id
from .reading import Closed, several

Scope = Literal["range", "keys"]
MOST_ROWS = 2**63 - 1
"""How many rows pyarrow can count."""


def rows_of_a_batch(size: int) -> int:
    """A number of rows of Python's or NumPy's integers, if a batch can have as many."""
    if not (isinstance(size, Integral) and 0 < size <= MOST_ROWS):
        raise InvalidRequestError(f"batch_size must be a whole number of rows, 1 or more (got {size!r})")
    return int(size)


class Writing(Calls):
    """Calls that write rows."""

    def put(
        self,
        name: str,
        dataframe: Dataframe,
        mode: PutMode | str = PutMode.ERROR,
        bucket: Bucket = None,
        batch_size: int | None = None,
        *,
        index: str | Sequence[str] | bool | None = None,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        scope: Scope | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> PutResult:
        """Puts a dataframe, as one commit: all of it, or nothing.

        `dataframe` is one of pandas, Polars (also lazy) or Arrow, a `pyarrow.RecordBatchReader`, or an iterable of such
        dataframes, which is sent part by part. `mode` says what happens to rows that are there; a missing `bucket` is
        created.

        `index` names the columns that the frame's rows are sorted by, which lets it be read and corrected by range. If
        it is not said, a pandas index is taken: one of times, or with names, that is in ascending order (and else the
        rows would move). `True` takes any pandas index, and sorts by it; `False` takes none. A frame keeps its index;
        only `PutMode.REPLACE` sets another one.

        `start`, `stop`, `closed` and `scope` are for `PutMode.UPDATE`; see `update`. `message`, `author` and `metadata`
        stay with the commit. A put whose answer got lost is sent again, and is not applied twice: `request_id` is its
        name, which is drawn if it is not given. `batch_size` is the greatest number of rows that are sent in a piece.

        >>> client.put("closes", prices[["close"]], mode=PutMode.REPLACE, message="first week")["rows"]
        5
        >>> client.describe("closes")["index"][0]["name"]
        'time'

        pandas makes floats of integers among which some are missing. Where the frame has integers, they go back as
        such.

        Raises `FrameExistsError` (a `FileExistsError`) if the frame exists and the mode is `PutMode.ERROR`, and
        `SchemaError` if the rows do not go with those of the frame.
        """
        mode = PutMode(mode)
        if name is None:
            raise InvalidRequestError("name is missing: which frame are the rows for?")
        if batch_size is not None:
            batch_size = rows_of_a_batch(batch_size)
        rows = outgoing(dataframe)
        fields = {
            "name": name,
            "bucket": bucket,
            "mode": str(mode),
            "index": self._index(name, bucket, rows, mode, index),
            "start": plain(start),
            "stop": plain(stop),
            "closed": closed,
            "scope": scope,
            "batch_size": batch_size,
            "message": message,
            "author": author,
            "metadata": mapping("metadata", metadata),
            "request_id": request_id or new_request_id(),
        }
        command = located(given(fields))

        def attempt(rows: Outgoing) -> PutResult:
            return send(self._connection, command, rows, batch_size=batch_size, timeout=timeout, progress=progress)

        try:
            done = attempt(rows)
        except SchemaError:
            joins = mode not in (PutMode.ERROR, PutMode.REPLACE)
            whole_again = self._with_whole_numbers(dataframe, rows, command, timeout) if joins else None
            if whole_again is None:
                raise
            done = attempt(whole_again)
        tell_of_columns(name, done, done)
        return done

    def _with_whole_numbers(
        self, dataframe: Dataframe, rows: Outgoing, command: Mapping[str, Any], timeout: float | None
    ) -> Outgoing | None:
        """The rows as the frame that they join has them, if it has integers in the place of pandas' floats."""
        try:
            return with_whole_numbers(dataframe, rows, lambda: self._schema(command, timeout))
        except NotFoundError:
            # It is not the frame that the rows do not fit.
            return None

    def _schema(self, command: Mapping[str, Any], timeout: float | None) -> pa.Schema:
        """The schema of the frame that rows are put into."""
        ticket = given({"name": command["name"], "bucket": command.get("bucket")})
        return self._connection.schema(as_json(ticket), timeout)

    def _index(
        self, name: str, bucket: Bucket, rows: Outgoing, mode: PutMode, index: str | Sequence[str] | bool | None
    ) -> list[str] | None:
        """The index that a put says."""
        if index is False:
            return None
        if index is True:
            if not rows.levels:
                raise ValueError("index is True, but the dataframe has no pandas index to take; name the columns")
            return rows.levels
        if index is not None:
            return names(index)
        if rows.index is None or mode in (PutMode.ERROR, PutMode.REPLACE):
            return rows.index
        # A frame that exists has its index already, or none.
        try:
            self._act("describe", safe=True, name=name, bucket=bucket)
        except NotFoundError:
            return rows.index
        return None

    def update(
        self,
        name: str,
        dataframe: Dataframe,
        bucket: Bucket = None,
        *,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        scope: Scope | None = None,
        index: str | Sequence[str] | bool | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> PutResult:
        """Replaces the rows in a range of the index by those of a dataframe.

        The range is what the dataframe covers, both ends included, or from `start` to `stop`. With an index of several
        columns, `scope="keys"` replaces only rows whose other keys occur in the dataframe.

        >>> corrected = prices.loc["2024-01-02":"2024-01-03"].assign(close=[9.0, 9.5])
        >>> client.update("prices", corrected, message="late correction")["version"]
        2
        >>> client.get("prices")["close"].to_list()
        [10.0, 9.0, 9.5, 10.5, 12.0]
        """
        return self.put(
            name,
            dataframe,
            PutMode.UPDATE,
            bucket,
            start=start,
            stop=stop,
            closed=closed,
            scope=scope,
            index=index,
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id,
            timeout=timeout,
            progress=progress,
        )

    def upsert(
        self,
        name: str,
        dataframe: Dataframe,
        bucket: Bucket = None,
        *,
        index: str | Sequence[str] | bool | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> PutResult:
        """Replaces rows by their key in the index, and adds those whose key is new.

        Columns that the dataframe does not have keep what they have. New columns are added, and a `ColumnsAddedWarning`
        names them once that is done; where warnings are errors, its `result` is what this gives.

        >>> _ = client.upsert("prices", prices[["volume"]].iloc[[0]] + 1)
        >>> client.get("prices", limit=1)
                    close  volume
        time
        2024-01-01   10.0     101
        """
        return self.put(
            name,
            dataframe,
            PutMode.UPSERT,
            bucket,
            index=index,
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id,
            timeout=timeout,
            progress=progress,
        )

    def put_many(
        self,
        frames: Mapping[str, Dataframe],
        mode: PutMode | str = PutMode.ERROR,
        bucket: Bucket = None,
        *,
        at_once: int = 4,
        index: str | Sequence[str] | bool | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        timeout: float | None = None,
    ) -> dict[str, PutResult]:
        """Puts several frames in one call, `at_once` of them at a time. Each is a commit of its own.

        >>> done = client.put_many({"one": prices, "two": prices}, bucket="copies")
        >>> {name: put["rows"] for name, put in done.items()}
        {'one': 5, 'two': 5}

        Raises `ManyFramesError` if some fail; the others have been put.
        """

        def put(name: str) -> PutResult:
            told_together.set(True)
            return self.put(
                name,
                frames[name],
                mode,
                bucket,
                index=index,
                message=message,
                author=author,
                metadata=metadata,
                timeout=timeout,
                progress=False,
            )

        def tell(done: Mapping[str, Any]) -> None:
            for name, put in done.items():
                tell_of_columns(name, put, done)

        try:
            done = several({name: lambda name=name: put(name) for name in mapping("frames", frames) or {}}, at_once)
        except ManyFramesError as failed:
            # An error made of a warning must not hide the one that says what failed.
            with suppress(ColumnsAddedWarning):
                tell(failed.results)
            raise
        tell(done)
        return done
