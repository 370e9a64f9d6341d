"""The client for asyncio: the same calls, each to be awaited.

Calls run in threads, so that the event loop goes on. Cancelling a task ends its call, here and at the server; a put
that is cut short this way changes nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar, Unpack, overload

from .calls.base import Bucket
from .calls.reading import ColumnOptions, QueryOptions, Selection
from .client import ShootsClient
from .conversion import As
from .errors import InvalidRequestError
from .notices import Line, caller, line_of_caller
from .waiting import PATIENCE, Cancellation, given_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

AT_ONCE = 64
"""How many calls of a client run at once, unless it is said: long ones must not keep short ones waiting."""

P = ParamSpec("P")
R = TypeVar("R")


def awaited(
    call: Callable[Concatenate[ShootsClient, P], R],
) -> Callable[Concatenate[AsyncShootsClient, P], Coroutine[Any, Any, R]]:
    """The call as one to be awaited."""

    @wraps(call)
    async def coroutine(self: AsyncShootsClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._run(partial(call, self._client, *args, **kwargs), line_of_caller())

    return coroutine


class AsyncShootsClient:
    """A client of a Shoots server for asyncio. It takes what `ShootsClient` takes, and has the same calls.

    >>> async def ask():
    ...     async with AsyncShootsClient("localhost", port) as client:
    ...         one, other = await asyncio.gather(client.get("prices"), client.describe("prices"))
    ...         return len(one), other["rows"]
    >>> asyncio.run(ask())
    (5, 5)
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: bool = False,
        root_cert: str | bytes | Path | None = None,
        token: str | None = None,
        *,
        client_cert: str | bytes | Path | None = None,
        client_key: str | bytes | Path | None = None,
        timeout: float | None = None,
        retries: int = 3,
        allow_insecure_token: bool = False,
        shared_memory: bool | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        """Connects to the server at `host` and `port`; see `ShootsClient`.

        As many calls run `at_once`, each in a thread of this client's own; others wait until one has ended.
        """
        self._begin(
            ShootsClient(
                host,
                port,
                tls,
                root_cert,
                token,
                client_cert=client_cert,
                client_key=client_key,
                timeout=timeout,
                retries=retries,
                allow_insecure_token=allow_insecure_token,
                shared_memory=shared_memory,
            ),
            at_once,
        )

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        root_cert: str | bytes | Path | None = None,
        token: str | None = None,
        client_cert: str | bytes | Path | None = None,
        client_key: str | bytes | Path | None = None,
        timeout: float | None = None,
        retries: int = 3,
        allow_insecure_token: bool = False,
        shared_memory: bool | None = None,
        at_once: int = AT_ONCE,
    ) -> Self:
        """Connects to `grpc://host:port`, or encrypted to `grpc+tls://host:port`."""
        client = cls.__new__(cls)
        client._begin(
            ShootsClient.from_url(
                url,
                root_cert=root_cert,
                token=token,
                client_cert=client_cert,
                client_key=client_key,
                timeout=timeout,
                retries=retries,
                allow_insecure_token=allow_insecure_token,
                shared_memory=shared_memory,
            ),
            at_once,
        )
        return client

    def _begin(self, client: ShootsClient, at_once: int) -> None:
        if at_once < 1:
            raise ValueError(f"at_once must be 1 or more (got {at_once})")
        self._client = client
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="shoots")
        self._running: dict[Future[Any], Cancellation] = {}
        self._closed = False

    async def _run(self, call: Callable[[], R], line: Line | None = None) -> R:
        """What a call gives, made in a thread. It is told, and ends, when nobody waits for it any more.

        `line` is where it was made, if it may have something to warn of.
        """
        if self._closed:
            raise InvalidRequestError(f"this client of {self.url} is closed; make another one")
        cancellation = Cancellation()
        context = contextvars.copy_context()
        context.run(given_up.set, cancellation)
        context.run(caller.set, line)
        begun = self._threads.submit(context.run, call)
        self._running[begun] = cancellation
        begun.add_done_callback(lambda ended: self._running.pop(ended, None))
        running = asyncio.wrap_future(begun)
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            cancellation.cancel()
            # Nobody wants to know how it ends.
            running.add_done_callback(lambda ended: ended.exception())
            await asyncio.wait({running}, timeout=PATIENCE)
            raise
        return await running

    @overload
    async def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["pandas"] = "pandas",
        **selection: Unpack[Selection],
    ) -> pd.DataFrame: ...
    @overload
    async def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["polars"],
        **selection: Unpack[Selection],
    ) -> pl.DataFrame: ...
    @overload
    async def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: Literal["arrow"],
        **selection: Unpack[Selection],
    ) -> pa.Table: ...
    async def get(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: As = "pandas",
        **selection: Unpack[Selection],
    ) -> Any:
        """Gets a frame, a part of it, or what a query makes of it; see `ShootsClient.get`."""
        return await self._run(partial(self._client.get, name, sql, bucket, as_=as_, **selection))

    async def sql(
        self, query: str, bucket: Bucket = None, *, as_: As = "pandas", **options: Unpack[QueryOptions]
    ) -> Any:
        """Asks in SQL; see `ShootsClient.sql`."""
        return await self._run(partial(self._client.sql, query, bucket, as_=as_, **options))

    async def columns(
        self, columns: Sequence[str], bucket: Bucket = None, *, as_: As = "pandas", **options: Unpack[ColumnOptions]
    ) -> Any:
        """Gets columns of several frames side by side; see `ShootsClient.columns`."""
        return await self._run(partial(self._client.columns, columns, bucket, as_=as_, **options))

    async def iter_batches(
        self,
        name: str,
        sql: str | None = None,
        bucket: Bucket = None,
        *,
        as_: As = "arrow",
        **selection: Unpack[Selection],
    ) -> AsyncIterator[Any]:
        """Gets a frame piece by piece; see `ShootsClient.iter_batches`."""
        pieces: Iterator[Any] = self._client.iter_batches(name, sql, bucket, as_=as_, **selection)
        end = object()
        try:
            while (piece := await self._run(partial(next, pieces, end))) is not end:
                yield piece
        finally:
            if not self._closed:
                await self._run(getattr(pieces, "close", lambda: None))

    put = awaited(ShootsClient.put)
    update = awaited(ShootsClient.update)
    upsert = awaited(ShootsClient.upsert)
    put_many = awaited(ShootsClient.put_many)
    get_many = awaited(ShootsClient.get_many)
    lazy = awaited(ShootsClient.lazy)
    delete_rows = awaited(ShootsClient.delete_rows)
    alter = awaited(ShootsClient.alter)
    list = awaited(ShootsClient.list)
    exists = awaited(ShootsClient.exists)
    describe = awaited(ShootsClient.describe)
    schema = awaited(ShootsClient.schema)
    files = awaited(ShootsClient.files)
    delete = awaited(ShootsClient.delete)
    undelete = awaited(ShootsClient.undelete)
    rename = awaited(ShootsClient.rename)
    copy = awaited(ShootsClient.copy)
    log = awaited(ShootsClient.log)
    diff = awaited(ShootsClient.diff)
    diff_rows = awaited(ShootsClient.diff_rows)
    restore = awaited(ShootsClient.restore)
    tag = awaited(ShootsClient.tag)
    untag = awaited(ShootsClient.untag)
    tags = awaited(ShootsClient.tags)
    snapshot = awaited(ShootsClient.snapshot)
    snapshots = awaited(ShootsClient.snapshots)
    drop_snapshot = awaited(ShootsClient.drop_snapshot)
    resample = awaited(ShootsClient.resample)
    continuous = awaited(ShootsClient.continuous)
    combine = awaited(ShootsClient.combine)
    asof_join = awaited(ShootsClient.asof_join)
    buckets = awaited(ShootsClient.buckets)
    delete_bucket = awaited(ShootsClient.delete_bucket)
    ping = awaited(ShootsClient.ping)
    shutdown = awaited(ShootsClient.shutdown)
    add_remote = awaited(ShootsClient.add_remote)
    remove_remote = awaited(ShootsClient.remove_remote)
    remotes = awaited(ShootsClient.remotes)
    clone = awaited(ShootsClient.clone)
    fetch = awaited(ShootsClient.fetch)
    pull = awaited(ShootsClient.pull)
    push = awaited(ShootsClient.push)
    merge = awaited(ShootsClient.merge)
    compact = awaited(ShootsClient.compact)
    retention = awaited(ShootsClient.retention)
    set_retention = awaited(ShootsClient.set_retention)
    expire = awaited(ShootsClient.expire)
    forget = awaited(ShootsClient.forget)
    sweep = awaited(ShootsClient.sweep)
    purge = awaited(ShootsClient.purge)
    verify = awaited(ShootsClient.verify)
    usage = awaited(ShootsClient.usage)

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._client.url

    async def close(self) -> None:
        """Closes the connection, once the calls that run have ended."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def _give_up(self) -> None:
        """Ends the calls that run, and closes the connection."""
        self._closed = True
        given_up_here = list(self._running.items())
        for _, cancellation in given_up_here:
            cancellation.cancel()
        ends = [asyncio.wrap_future(call) for call, _ in given_up_here]
        for end in ends:
            # Nobody wants to know how it ends.
            end.add_done_callback(lambda ended: ended.exception())
        if ends:
            await asyncio.wait(ends, timeout=PATIENCE)
        self._threads.shutdown(wait=False)
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection. After an error nobody waits for the calls that run; they are ended."""
        await (self.close() if error is None else self._give_up())

    def __repr__(self) -> str:
        return repr(self._client).replace("ShootsClient", "AsyncShootsClient", 1)
