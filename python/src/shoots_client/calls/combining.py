"""Frames made of others: bins of time, joins, and frames that follow their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from ..conversion import As
from ..modes import PutMode
from ..progress import Watch
from ..results import FollowingFrame, ResampleResult
from ..values import AsOf, Duration, IndexValue, duration, given, identifier, names, plain, state
from .base import Bucket, Calls, Metadata, located, new_request_id
from .reading import Aggregation, Reading, listed

How = Literal["inner", "left", "right", "outer", "asof", "concat"]
Source: TypeAlias = "str | Mapping[str, Any]"
"""A frame by its name (`"bucket/name"` in another bucket), or `{"name": …, "bucket": …, "as_of": …}`."""


class Combining(Reading, Calls):
    """Calls that make frames of frames. No row passes the client, unless it asks for it."""

    def resample(
        self,
        source: str,
        target: str,
        rule: Duration | None = None,
        time_col: str | None = None,
        aggregation_func: Aggregation | None = None,
        sql: str | None = None,
        mode: PutMode | str = PutMode.APPEND,
        source_bucket: Bucket = None,
        target_bucket: Bucket = None,
        *,
        by: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        closed: Literal["left", "right"] | None = None,
        label: Literal["left", "right"] | None = None,
        origin: Any = None,
        offset: Duration | None = None,
        time_zone: str | None = None,
        fill: Any = None,
        numeric_only: bool = False,
        quantile: float | None = None,
        start: IndexValue = None,
        stop: IndexValue = None,
        continuous: bool = False,
        index: str | Sequence[str] | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ResampleResult:
        """Puts bins of time of one frame, or what a query makes of it, into another.

        By time, `rule` is how long a bin is (`"5min"`, `"D"`, `"W-FRI"`, `"ME"`, a `timedelta`, an offset of pandas),
        and `aggregation_func` what is made of its rows, as pandas does it; `time_col` is the column of times, if it is
        not the first of the index. `by`, `columns`, `closed`, `label`, `origin`, `offset`, `time_zone`, `fill`,
        `numeric_only` and `quantile` are explained in Shoots' page on resampling. With `continuous`, the target follows
        its source from then on.

        `mode` is what happens to rows that the target has. As with the older client, bins are added to them if nothing
        is said: who resamples once more says `PutMode.REPLACE`, or has every bin twice.

        To get bins without storing them: `get(…, resample="D", aggregation_func="mean")`.

        >>> client.resample("prices", "weekly", "W", aggregation_func={"close": "last", "volume": "sum"})["target_rows"]
        1
        >>> client.get("weekly")
                time  close  volume
        0 2024-01-07   12.0    1500
        """
        if sql is None and (rule is None or aggregation_func is None):
            raise ValueError("rule and aggregation_func are required if sql is not given")
        answer = self._act(
            "resample",
            timeout,
            source=source,
            source_bucket=source_bucket,
            target=target,
            target_bucket=target_bucket,
            mode=str(PutMode(mode)),
            sql=sql,
            rule=duration(rule) if sql is None else None,
            time_col=time_col if sql is None else None,
            aggregation_func=listed(aggregation_func) if sql is None else None,
            by=names(by),
            columns=names(columns),
            closed=closed,
            label=label,
            origin=plain(origin),
            offset=duration(offset),
            time_zone=time_zone,
            fill=plain(fill),
            numeric_only=numeric_only or None,
            quantile=quantile,
            start=plain(start),
            stop=plain(stop),
            continuous=continuous or None,
            index=names(index),
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(ResampleResult, answer)

    def continuous(self, name: str | None = None, bucket: Bucket = None, *, stop: bool = False) -> list[FollowingFrame]:
        """The frames of a bucket that follow others, and how far they have come; `stop` ends it for one."""
        answer = self._act("continuous", name=name, bucket=bucket, stop=stop or None, safe=not stop)
        return cast(list[FollowingFrame], answer["frames"])

    def combine(
        self,
        how: How,
        sources: Sequence[Source],
        target: str,
        target_bucket: Bucket = None,
        mode: PutMode | str = PutMode.ERROR,
        *,
        on: str | Sequence[str] | None = None,
        left_on: str | Sequence[str] | None = None,
        right_on: str | Sequence[str] | None = None,
        by: str | Sequence[str] | None = None,
        left_by: str | Sequence[str] | None = None,
        right_by: str | Sequence[str] | None = None,
        tolerance: Duration | None = None,
        direction: Literal["backward", "forward", "nearest"] | None = None,
        allow_exact_matches: bool | None = None,
        suffixes: tuple[str, str] | None = None,
        sorted: bool = False,  # noqa: A002
        index: str | Sequence[str] | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ResampleResult:
        """Joins two frames, or puts several one after the other (`"concat"`), into another frame.

        `"asof"` gives each row of the first frame the last row of the second that is not after it, of the same `by`, at
        most `tolerance` (`"5min"`, or a `timedelta`) away.

        >>> client.combine("inner", ["prices", {"name": "prices", "as_of": 1}], "both", on="time")["target_rows"]
        5
        """
        answer = self._act(
            "combine",
            timeout,
            how=how,
            sources=[source_of(source) for source in sources],
            target=target,
            target_bucket=target_bucket,
            mode=str(PutMode(mode)),
            on=names(on),
            left_on=names(left_on),
            right_on=names(right_on),
            by=names(by),
            left_by=names(left_by),
            right_by=names(right_by),
            tolerance=duration(tolerance),
            direction=direction,
            allow_exact_matches=allow_exact_matches,
            suffixes=None if suffixes is None else list(suffixes),
            sorted=sorted or None,
            index=names(index),
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(ResampleResult, answer)

    def asof_join(
        self,
        left: str,
        right: str,
        on: str,
        bucket: Bucket = None,
        *,
        by: str | Sequence[str] | None = None,
        tolerance: Duration | None = None,
        direction: Literal["backward", "forward", "nearest"] | None = None,
        allow_exact_matches: bool | None = None,
        suffixes: tuple[str, str] | None = None,
        as_: As = "pandas",
        timeout: float | None = None,
        progress: Watch = None,
    ) -> Any:
        """Gets each row of one frame with the last row of another that is not after it, without storing them.

        >>> _ = client.put("trades", pd.DataFrame({"time": pd.to_datetime(["2024-01-02 15:00"]), "size": [10]}))
        >>> client.asof_join("trades", "prices", on="time", tolerance="1d")
                         time  size  close  volume
        0 2024-01-02 15:00:00    10   10.0     200
        """
        options = given(
            {
                "by": names(by),
                "tolerance": duration(tolerance),
                "direction": direction,
                "allow_exact_matches": allow_exact_matches,
                "suffixes": None if suffixes is None else list(suffixes),
            }
        )
        named = "".join(f", {option} => {literal(value)}" for option, value in options.items())
        query = f"select * from asof_join({literal(table(left))}, {literal(table(right))}, {literal(on)}{named})"
        return self.sql(query, bucket, as_=as_, timeout=timeout, progress=progress)


def source_of(source: Source) -> Any:
    """A frame that is read."""
    said = located({"name": source} if isinstance(source, str) else source)
    if "as_of" in said:
        said["as_of"] = state(cast(AsOf, said["as_of"]))
    return said["name"] if said.keys() == {"name"} else said


def table(frame: str) -> str:
    """A frame as SQL names it.

    >>> table("prices"), table("market/daily prices")
    ('prices', '"market"."daily prices"')
    """
    bucket, slash, name = frame.partition("/")
    return f"{identifier(bucket)}.{identifier(name)}" if slash else frame


def literal(value: Any) -> str:
    """A value in SQL.

    >>> literal("it's"), literal(["a", "b"]), literal(True), literal(5)
    ("'it''s'", "['a', 'b']", 'true', '5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(inner) for inner in value)}]"
    return str(value)
