"""The history of frames: what happened, what it changed, names for states, and going back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import pyarrow as pa

from ..conversion import As
from ..progress import Watch
from ..results import Commit, CommitResult, Diff, Snapshot, TagResult
from ..values import AsOf, given, state
from .base import Bucket, Calls, Metadata, located, new_request_id
from .reading import Reading

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class History(Reading, Calls):
    """Calls about versions."""

    def log(
        self,
        name: str,
        bucket: Bucket = None,
        *,
        limit: int | None = None,
        since: AsOf | None = None,
        all: bool = False,  # noqa: A002
    ) -> list[Commit]:
        """The commits of a frame, newest first: the last 100, or `limit` of them, or those newer than `since`.

        `all` tells, too, the commits that merges brought: each merge has them as `brings`.

        >>> _ = client.put("prices", prices.iloc[:0], mode="append", message="nothing new")
        >>> [(commit["version"], commit["operation"], commit.get("message")) for commit in client.log("prices")]
        [(2, 'append', 'nothing new'), (1, 'create', None)]
        """
        answer = self._act("log", safe=True, name=name, bucket=bucket, limit=limit, since=state(since), all=all or None)
        return cast(list[Commit], answer["commits"])

    def diff(self, name: str, from_: AsOf, to: AsOf | None = None, bucket: Bucket = None) -> Diff:
        """What leads from one state of a frame to another, or to the newest, in numbers of rows and columns.

        >>> _ = client.delete_rows("prices", "volume < 250")
        >>> client.diff("prices", 1)["rows_removed"]
        2
        """
        answer = self._act("diff", safe=True, name=name, bucket=bucket, **{"from": state(from_)}, to=state(to))
        return cast(Diff, answer)

    @overload
    def diff_rows(
        self,
        name: str,
        from_: AsOf,
        to: AsOf | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["pandas"] = "pandas",
        limit: int | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> pd.DataFrame: ...
    @overload
    def diff_rows(
        self,
        name: str,
        from_: AsOf,
        to: AsOf | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["polars"],
        limit: int | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> pl.DataFrame: ...
    @overload
    def diff_rows(
        self,
        name: str,
        from_: AsOf,
        to: AsOf | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["arrow"],
        limit: int | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> pa.Table: ...
    def diff_rows(
        self,
        name: str,
        from_: AsOf,
        to: AsOf | None = None,
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        limit: int | None = None,
        timeout: float | None = None,
        progress: Watch = None,
    ) -> Any:
        """The rows by which two states differ, with a column `_change` that is `added` or `removed`.

        >>> _ = client.update("prices", prices.iloc[[2]].assign(close=9.0))
        >>> client.diff_rows("prices", 1, as_="polars").select("close", "_change").rows()
        [(11.0, 'removed'), (9.0, 'added')]
        """
        states = {"from": state(from_)} if to is None else {"from": state(from_), "to": state(to)}
        ticket = located(given({"name": name, "bucket": bucket, "diff": states, "limit": limit}))
        return self._collect(ticket, f"diff {name}", as_, timeout, progress)

    def restore(
        self,
        name: str,
        as_of: AsOf,
        bucket: Bucket = None,
        *,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
    ) -> CommitResult:
        """Makes an older state the newest, as one more version.

        >>> _ = client.delete_rows("prices", "volume > 0")
        >>> client.restore("prices", 1, message="not all of them")
        {'version': 3, 'commit': '...', 'rows': 5}
        """
        answer = self._act(
            "restore",
            name=name,
            bucket=bucket,
            as_of=state(as_of),
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(CommitResult, answer)

    def tag(
        self,
        name: str,
        tag: str,
        bucket: Bucket = None,
        *,
        as_of: AsOf | None = None,
        replace: bool = False,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
    ) -> TagResult:
        """Gives a version a name, the newest one if `as_of` says no other. What has a tag is kept.

        `replace` moves a tag that there is already.

        >>> client.tag("prices", "as delivered")["version"]
        1
        >>> len(client.get("prices", as_of="as delivered"))
        5
        """
        answer = self._act(
            "tag",
            name=name,
            bucket=bucket,
            tag=tag,
            as_of=state(as_of),
            replace=replace or None,
            message=message,
            author=author,
            metadata=metadata,
        )
        return cast(TagResult, answer)

    def untag(
        self,
        name: str,
        tag: str,
        bucket: Bucket = None,
        *,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
    ) -> TagResult:
        """Takes a tag away. Its version stays as long as something else keeps it."""
        answer = self._act(
            "untag", name=name, bucket=bucket, tag=tag, message=message, author=author, metadata=metadata
        )
        return cast(TagResult, answer)

    def tags(self, name: str, bucket: Bucket = None) -> list[TagResult]:
        """The tags of a frame.

        >>> _ = client.tag("prices", "checked")
        >>> [(tag["tag"], tag["version"]) for tag in client.tags("prices")]
        [('checked', 1)]
        """
        return cast(list[TagResult], self._act("tags", safe=True, name=name, bucket=bucket)["tags"])

    def snapshot(
        self,
        snapshot: str,
        frames: Iterable[str | tuple[str | None, str]] | None = None,
        *,
        buckets: Iterable[Bucket] | None = None,
        message: str | None = None,
    ) -> Snapshot:
        """Names the state of many frames at once.

        `frames` are names of frames (`"bucket/name"` outside of the default bucket), or pairs of bucket and name;
        `buckets` stand for all that is in them, `None` for the default bucket.

        >>> [frame["name"] for frame in client.snapshot("year end", ["prices"])["frames"]]
        ['prices']
        >>> len(client.get("prices", as_of={"snapshot": "year end"}))
        5
        >>> client.drop_snapshot("year end")
        1
        """
        named = None if frames is None else [reference(frame) for frame in frames]
        all_of = None if buckets is None else list(buckets)
        answer = self._act("snapshot", snapshot=snapshot, frames=named, buckets=all_of, message=message)
        return cast(Snapshot, answer)

    def snapshots(self) -> list[Snapshot]:
        """All snapshots."""
        return cast(list[Snapshot], self._act("snapshots", safe=True)["snapshots"])

    def drop_snapshot(self, snapshot: str) -> int:
        """Takes a snapshot away, and gives the number of frames that it held."""
        return cast(int, self._act("drop_snapshot", snapshot=snapshot)["frames"])


def reference(frame: str | tuple[str | None, str]) -> dict[str, str]:
    """A frame of a snapshot."""
    bucket, name = (None, frame) if isinstance(frame, str) else frame
    return located(given({"name": name, "bucket": bucket}))
