"""Reading: frames, parts of them, queries, columns of many frames, and frames that Polars reads lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, overload

import pyarrow as pa

from ..conversion import As, form, without_copies
from ..errors import ManyFramesError
from ..progress import Tracker, Watch
from ..transfer import receive, receive_all
from ..values import AsOf, Duration, IndexValue, Parameters, as_json, duration, given, names, parameters, plain, state
from ..waiting import GLANCE, given_up_together
from .base import Bucket, Calls, located

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Aggregation: TypeAlias = "str | Sequence[str] | Mapping[str, str | Sequence[str]]"
"""A function for all columns, several of them, or one or several for each column."""
Closed = Literal["left", "right", "both", "neither"]
Bins: TypeAlias = "Duration | Mapping[str, Any]"
"""How long bins of time are, or all that `ShootsClient.resample` takes about them."""


class Selection(TypedDict, total=False):
    """Which rows and columns of which state of a frame; `get` says what each means."""

    columns: Sequence[str] | None
    start: IndexValue
    stop: IndexValue
    closed: Closed | None
    limit: int | None
    offset: int | None
    tail: int | None
    as_of: AsOf | None
    allow_stale: bool
    resample: Bins | None
    aggregation_func: Aggregation | None
    parameters: Parameters | None
    timeout: float | None
    progress: Watch


class QueryOptions(TypedDict, total=False):
    """What a query reads, and which part of its result is wanted; `sql` says what each means."""

    parameters: Parameters | None
    limit: int | None
    offset: int | None
    as_of: IndexValue
    timeout: float | None
    progress: Watch


class ColumnOptions(TypedDict, total=False):
    """Which rows of which frames; `columns` says what each means."""

    frames: Sequence[str] | None
    start: IndexValue
    stop: IndexValue
    closed: Closed | None
    limit: int | None
    offset: int | None
    as_of: AsOf | None
    timeout: float | None
    progress: Watch


def ticket_of(name: str, sql: str | None = None, bucket: Bucket = None, **selection: Any) -> dict[str, Any]:
    """The ticket for a part of a frame."""
    unknown = sorted(selection.keys() - Selection.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; use {', '.join(Selection.__annotations__)}")
    fields = {"name": name, "bucket": bucket, "sql": sql, **selection}
    said = {
        "columns": names(fields.get("columns")),
        "start": plain(fields.get("start")),
        "stop": plain(fields.get("stop")),
        "as_of": state(fields.get("as_of")),
        "parameters": parameters(fields.get("parameters")),
        "allow_stale": fields.get("allow_stale") or None,
        "resample": resampling(fields.get("resample"), fields.pop("aggregation_func", None)),
    }
    return located(given({**fields, **said}))


def resampling(bins: Bins | None, function: Aggregation | None) -> dict[str, Any] | None:
    """How bins are made, with functions and columns of any iterable as lists."""
    if bins is None:
        if function is not None:
            raise ValueError('aggregation_func goes with resample, the length of bins; give that, too: resample="D"')
        return None
    said = dict(bins) if isinstance(bins, Mapping) else {"rule": bins}
    if function is not None:
        said["aggregation_func"] = function
    if said.get("aggregation_func") is None:
        raise ValueError('resample needs what is made of the rows of a bin, such as aggregation_func="mean"')
    lengths = {field: duration(said[field]) for field in ("rule", "offset") if field in said}
    return {field: listed(value) for field, value in (said | lengths).items()}


def listed(value: Any) -> Any:
    """Tuples as lists, times as text."""
    if isinstance(value, Mapping):
        return {str(key): listed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [listed(inner) for inner in value]
    return plain(value)


class Reading(Calls):
    """Calls that read rows."""

    @overload
    def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["pandas"] = "pandas",
        **selection: Unpack[Selection],
    ) -> pd.DataFrame: ...
    @overload
    def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["polars"],
        **selection: Unpack[Selection],
    ) -> pl.DataFrame: ...
    @overload
    def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["arrow"],
        **selection: Unpack[Selection],
    ) -> pa.Table: ...
    @overload
    def get(
        self, name: str, sql: str | None = None, bucket: Bucket = None, *, as_: As, **selection: Unpack[Selection]
    ) -> Any: ...
    def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        columns: Sequence[str] | None = None,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        limit: int | None = None,
        offset: int | None = None,
        tail: int | None = None,
        as_of: AsOf | None = None,
        allow_stale: bool = False,
        resample: Bins | None = None,
        aggregation_func: Aggregation | None = None,
        parameters: Parameters | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> Any:
        """Gets a frame, a part of it, or what a query makes of it.

        `sql` names the frame as a table; `parameters` are values for its `$1`, `$2` (a list) or `$name` (a dictionary).
        `columns` are the columns to get, in this order. `start` and `stop` choose a range of the index, of its first
        column if it has several. `start` belongs to the range and `stop` does not, as in `range` and unlike pandas'
        `loc`, unless `closed` says otherwise: `"left"` (if not said), `"right"`, `"both"` or `"neither"`. `limit` and
        `offset` count rows from the first, `tail` from the last.

        `as_of` is an older state: a version (`-1` is the newest), a tag, a time, or the beginning of a commit's id.
        `allow_stale` takes what the server has at hand when the storage behind it is away.

        `resample` makes bins of time: it is how long they are (`"D"`, `"5min"`, a `timedelta`, an offset of pandas),
        and `aggregation_func` what is made of their rows. A dictionary says more: `{"rule": "D", "by": ["symbol"]}`.

        `as_` says what comes: `"pandas"`, `"polars"` or `"arrow"`. `timeout` is for the whole call, in seconds.

        >>> client.get("prices", start="2024-01-04")
                    close  volume
        time
        2024-01-04   10.5     400
        2024-01-05   12.0     500
        >>> client.get("prices", sql="select max(close) as highest from prices where volume < $1", parameters=[500])
           highest
        0     11.0
        >>> client.get("prices", columns=["close"], tail=1, as_="polars")["close"].item()
        12.0

        Where the server is on this machine, and shares memory, rows as they are stored are not sent but mapped: Arrow
        tables and Polars' frames then use that memory as it is, and it is kept for as long as any of them lives.

        Raises `NotFoundError` (a `FileNotFoundError`) if there is no such frame or state, and `DataFusionError` if the
        query cannot be run.
        """
        ticket = ticket_of(
            name,
            sql,
            bucket,
            columns=columns,
            start=start,
            stop=stop,
            closed=closed,
            limit=limit,
            offset=offset,
            tail=tail,
            as_of=as_of,
            allow_stale=allow_stale,
            resample=resample,
            aggregation_func=aggregation_func,
            parameters=parameters,
        )
        return self._collect(ticket, f"get {name}", as_, timeout, progress)

    @overload
    def sql(
        self, query: str, bucket: Bucket = None, *, as_: Literal["pandas"] = "pandas", **options: Unpack[QueryOptions]
    ) -> pd.DataFrame: ...
    @overload
    def sql(
        self, query: str, bucket: Bucket = None, *, as_: Literal["polars"], **options: Unpack[QueryOptions]
    ) -> pl.DataFrame: ...
    @overload
    def sql(
        self, query: str, bucket: Bucket = None, *, as_: Literal["arrow"], **options: Unpack[QueryOptions]
    ) -> pa.Table: ...
    @overload
    def sql(self, query: str, bucket: Bucket = None, *, as_: As, **options: Unpack[QueryOptions]) -> Any: ...
    def sql(
        self,
        query: str,
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        parameters: Parameters | None = None,
        limit: int | None = None,
        offset: int | None = None,
        as_of: IndexValue = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> Any:
        """Asks in SQL. Frames are tables, and `bucket` is where those are that the query names without one.

        What comes has the columns that the query selects, in their order. In pandas, too, the index of a frame is a
        column like others here, and the rows are numbered; `get` with `sql` makes it the index again.

        `as_of` is a time, which then holds for every frame of the query.

        >>> client.sql("select count(*) as days, sum(volume) as volume from prices")
           days  volume
        0     5    1500
        >>> client.sql("select version, operation from history('prices')", as_="polars").rows()
        [(1, 'create')]
        """
        said = sql_ticket(query, bucket, parameters, limit, offset, as_of)
        return self._collect(said, "sql", as_, timeout, progress, index=False)

    @overload
    def columns(
        self,
        columns: Sequence[str],
        bucket: Bucket = None,
        *,
        as_: Literal["pandas"] = "pandas",
        **options: Unpack[ColumnOptions],
    ) -> pd.DataFrame: ...
    @overload
    def columns(
        self, columns: Sequence[str], bucket: Bucket = None, *, as_: Literal["polars"], **options: Unpack[ColumnOptions]
    ) -> pl.DataFrame: ...
    @overload
    def columns(
        self, columns: Sequence[str], bucket: Bucket = None, *, as_: Literal["arrow"], **options: Unpack[ColumnOptions]
    ) -> pa.Table: ...
    @overload
    def columns(
        self, columns: Sequence[str], bucket: Bucket = None, *, as_: As, **options: Unpack[ColumnOptions]
    ) -> Any: ...
    def columns(
        self,
        columns: Sequence[str],
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        frames: Sequence[str] | None = None,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        limit: int | None = None,
        offset: int | None = None,
        as_of: AsOf | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> Any:
        """Gets columns of several frames side by side, aligned on the index that the frames share.

        A column is `column` if one of the frames has it, else `frame.column` or `bucket.frame.column`; `frame.*` is all
        of a frame. `frames` says where to look, with `*` for any text in a name.

        >>> _ = client.put("dividends", prices[["close"]].iloc[1:3] / 100)
        >>> client.columns(["volume", "dividends.close"], as_="arrow").num_rows
        5
        """
        said = given(
            {
                "columns": names(columns),
                "bucket": bucket,
                "frames": names(frames),
                "start": plain(start),
                "stop": plain(stop),
                "closed": closed,
                "limit": limit,
                "offset": offset,
                "as_of": state(as_of),
            }
        )
        return self._collect(said, "columns", as_, timeout, progress)

    def iter_batches(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: As = "arrow",
        **selection: Unpack[Selection],
    ) -> Iterator[Any]:
        """Gets a frame piece by piece, for those that are larger than memory. It takes what `get` takes.

        Each piece is a `pyarrow.RecordBatch`, or a dataframe of the kind that `as_` says. To stop early, close the
        iterator, or leave the loop: the work ends on both sides.

        >>> sum(piece.num_rows for piece in client.iter_batches("prices"))
        5
        """
        timeout, progress = selection.pop("timeout", None), selection.pop("progress", None)
        make = form(as_)
        ticket = ticket_of(name, sql, bucket, **selection)
        return self._pieces(ticket, name, make if as_ != "arrow" else None, timeout, progress)

    def _pieces(
        self, ticket: Mapping[str, Any], name: str, make: Any, timeout: float | None, progress: Watch
    ) -> Iterator[Any]:
        sent = as_json(ticket)
        with self._tracker(sent, f"get {name}", timeout, progress) as tracker:
            reader = self._connection.read(sent, timeout)
            schema = reader.schema
            for batch in receive(reader, self._connection.address.url, tracker):
                yield batch if make is None else make(pa.Table.from_batches([batch], schema))

    def get_many(
        self,
        frames: Sequence[str],
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        at_once: int = 4,
        **selection: Unpack[Selection],
    ) -> dict[str, Any]:
        """Gets several frames in one call, `at_once` of them at a time. What else it takes is for each of them.

        With `as_of={"snapshot": …}` all of them are of one moment.

        >>> _ = client.put("volumes", prices[["volume"]])
        >>> {name: len(frame) for name, frame in client.get_many(["prices", "volumes"], limit=2).items()}
        {'prices': 2, 'volumes': 2}

        Raises `ManyFramesError`, which has the others, if some cannot be got.
        """
        selection.setdefault("progress", False)
        wanted = names(frames) or []
        return several(
            {name: lambda name=name: self.get(name, None, bucket, as_=as_, **selection) for name in wanted}, at_once
        )

    def lazy(self, name: str, bucket: Bucket = None, *, as_of: AsOf | None = None) -> pl.LazyFrame:
        """A frame as a Polars `LazyFrame`: columns and conditions that Polars needs are asked of the server.

        Conditions that the server cannot judge exactly as Polars does are left to Polars.

        >>> late = client.lazy("prices").filter(pl.col("volume") >= 400).select("close")
        >>> late.collect()["close"].to_list()
        [10.5, 12.0]
        """
        from ..lazy import scan

        return scan(self._connection, name, bucket, as_of)

    def _collect(
        self,
        ticket: Mapping[str, Any],
        what: str,
        as_: str,
        timeout: float | None,
        progress: Watch,
        *,
        index: bool = True,
    ) -> Any:
        make = form(as_, index=index)
        sent = as_json(ticket)

        def attempt() -> tuple[pa.Table, bool]:
            with self._tracker(sent, what, timeout, progress) as tracker:
                return receive_all(self._connection, ticket, timeout, tracker)

        # Nothing of it has been handed on, so a stream that breaks is read once more from its beginning.
        table, shared = self._connection.repeated(attempt, safe=True)
        return without_copies(table) if shared and as_ == "polars" else make(table)

    def _tracker(self, ticket: bytes, what: str, timeout: float | None, progress: Watch) -> Tracker:
        """Follows a get; only who asks for it outright pays for knowing the number of rows beforehand."""
        total = None
        if progress is True or callable(progress):
            total = self._connection.info(ticket, timeout).total_records
        return Tracker(what, progress, total if total is not None and total >= 0 else None)


def sql_ticket(
    query: str, bucket: Bucket, values: Parameters | None, limit: int | None, offset: int | None, as_of: Any
) -> dict[str, Any]:
    """The ticket for a query."""
    said = as_of if isinstance(as_of, Mapping) or as_of is None else {"time": plain(as_of)}
    fields = {
        "sql": query,
        "bucket": bucket,
        "parameters": parameters(values),
        "limit": limit,
        "offset": offset,
        "as_of": state(said),
    }
    return given(fields)


def several(calls: Mapping[str, Any], at_once: int) -> dict[str, Any]:
    """What each of several calls gives, by name."""
    results: dict[str, Any] = {}
    errors: dict[str, Exception] = {}
    with ThreadPoolExecutor(max(1, at_once)) as threads, given_up_together() as context:
        running = {name: threads.submit(context.copy().run, call) for name, call in calls.items()}
        while wait(running.values(), GLANCE).not_done:
            pass
    for name, call in running.items():
        error = call.exception()
        if error is None:
            results[name] = call.result()
        elif isinstance(error, Exception):
            errors[name] = error
        else:
            raise error
    if errors:
        raise ManyFramesError(results, errors)
    return results
