"""The client for asyncio."""

import asyncio
import inspect
from collections.abc import Iterator

import pyarrow as pa
import pytest

from server_process import SECONDS, ServerProcess
from shoots_client import AsyncShootsClient, NotFoundError, ShootsClient

TABLE = pa.table({"a": range(1000)})


def connect(server: ServerProcess) -> AsyncShootsClient:
    return AsyncShootsClient(server.host, server.port, timeout=SECONDS)


def test_calls_run_at_the_same_time(server: ServerProcess) -> None:
    async def run() -> list[int]:
        async with connect(server) as client:
            await asyncio.gather(*(client.put(f"frame {n}", TABLE.slice(n)) for n in range(5)))
            assert len(await client.list()) == 5
            frames = await asyncio.gather(*(client.get(f"frame {n}", as_="arrow") for n in range(5)))
            counts = await client.sql('select count(*) as c from "frame 1"')
            assert counts["c"].item() == 999
            with pytest.raises(NotFoundError):
                await client.describe("absent")
            return [frame.num_rows for frame in frames]

    assert asyncio.run(run()) == [1000, 999, 998, 997, 996]


def test_a_frame_is_streamed(server: ServerProcess, client: ShootsClient) -> None:
    client.put("frame", TABLE)

    async def run() -> int:
        async with connect(server) as client:
            return sum([piece.num_rows async for piece in client.iter_batches("frame", limit=700)])

    assert asyncio.run(run()) == 700


def test_a_put_that_is_cancelled_changes_nothing(server: ServerProcess, client: ShootsClient) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()

        def endless() -> Iterator[pa.Table]:
            for _ in range(1_000_000):
                loop.call_soon_threadsafe(begun.set)
                yield TABLE

        async with connect(server) as client:
            put = asyncio.create_task(client.put("frame", endless()))
            await asyncio.wait_for(begun.wait(), SECONDS)
            put.cancel()
            with pytest.raises(asyncio.CancelledError):
                await put

    asyncio.run(run())
    assert not client.exists("frame")


def test_its_calls_have_the_signatures_of_the_others() -> None:
    for name in ("put", "update", "log", "restore", "resample", "pull", "usage"):
        ours, theirs = getattr(AsyncShootsClient, name), getattr(ShootsClient, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == theirs.__doc__
        assert inspect.iscoroutinefunction(ours)


def test_it_tells_where_it_leads() -> None:
    assert repr(AsyncShootsClient.from_url("grpc://h")) == "AsyncShootsClient.from_url('grpc://h:8081')"
