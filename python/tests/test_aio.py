"""The client for asyncio."""

import asyncio
import inspect
import threading
import warnings
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest

from server_process import SECONDS, ServerProcess
from shoots_client import AsyncShootsClient, InvalidRequestError, NotFoundError, ShootsClient
from shoots_client.aio import AT_ONCE

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


def test_many_long_calls_keep_no_short_one_waiting(server: ServerProcess, client: ShootsClient) -> None:
    async def run() -> str:
        end = threading.Event()
        started = threading.Semaphore(0)

        def waits() -> Iterator[pa.Table]:
            started.release()
            assert end.wait(SECONDS)
            yield TABLE

        async with connect(server) as client:
            puts = [asyncio.create_task(client.put(f"long {n}", waits())) for n in range(AT_ONCE - 1)]
            try:
                for _ in puts:
                    while not started.acquire(blocking=False):
                        await asyncio.sleep(0.01)
                return await asyncio.wait_for(client.ping(), SECONDS)
            finally:
                end.set()
                await asyncio.gather(*puts)

    assert asyncio.run(asyncio.wait_for(run(), 2 * SECONDS)) == "pong"
    assert len(client.list()) == AT_ONCE - 1


def test_what_is_closed_says_so(server: ServerProcess) -> None:
    async def run() -> None:
        client = connect(server)
        await client.close()
        with pytest.raises(InvalidRequestError, match="is closed; make another one"):
            await client.ping()

    asyncio.run(run())
    with pytest.raises(ValueError, match="at_once must be 1 or more"):
        AsyncShootsClient(server.host, server.port, at_once=0)


def test_its_calls_have_the_signatures_of_the_others() -> None:
    for name in ("put", "update", "log", "restore", "resample", "pull", "usage"):
        ours, theirs = getattr(AsyncShootsClient, name), getattr(ShootsClient, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == theirs.__doc__
        assert inspect.iscoroutinefunction(ours)


def test_it_tells_where_it_leads() -> None:
    assert repr(AsyncShootsClient.from_url("grpc://h")) == "AsyncShootsClient.from_url('grpc://h:8081')"


def test_an_upsert_warns_at_the_line_that_made_the_call_and_never_within_asyncio(server: ServerProcess) -> None:
    async def run() -> tuple[int, list[tuple[str, int]]]:
        async with connect(server) as client:
            frame = pd.DataFrame({"a": [1]}, index=pd.Index([1], name="k"))
            await client.upsert("frame", frame)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                first = inspect.stack()[0].lineno + 1
                await client.upsert("frame", frame.assign(b=1))
                await client.put_many({"frame": frame.assign(c=1)}, "upsert")
                await asyncio.gather(client.upsert("frame", frame.assign(d=1)))
            return first, [(warning.filename, warning.lineno) for warning in caught]

    first, told = asyncio.run(run())
    assert told[:2] == [(__file__, first), (__file__, first + 1)]
    assert [file for file, _ in told] == [__file__] * 3
