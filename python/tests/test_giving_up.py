"""Calls that nobody waits for any more: Ctrl-C, and tasks that are cancelled, end them on both sides."""

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import polars as pl
import pyarrow as pa
import pytest
from conftest import StartServer
from relay import Relay

from server_process import SECONDS, ServerProcess
from shoots_client import AsyncShootsClient, CancelledError, ShootsClient
from shoots_client.calls.reading import several
from shoots_client.waiting import IDLE, Call

# It would work for hours, and has nothing to send before it has compared every row with every other.
ENDLESS = "select count(*) as n from numbers a, numbers b where abs(a.n - b.n) < 0"


@pytest.fixture
def busy(start_server: StartServer) -> Iterator[ServerProcess]:
    """A server that works on one query at a time, with what queries can be long about."""
    server = start_server("--queries-at-once", "1", "--metrics-port", "0")
    with connect(server) as client:
        client.put("numbers", pa.table({"n": range(200_000)}))
    yield server
    # A query that still works would have the only place.
    with connect(server) as client:
        assert client.sql("select 1 as one")["one"].item() == 1


def connect(server: ServerProcess) -> ShootsClient:
    return ShootsClient(server.host, server.port, timeout=SECONDS)


def wait_for_a_query(server: ServerProcess) -> None:
    """Waits until the server works on a query."""
    address = re.search(r"http://\S+:\d+", server.log())
    assert address is not None, server.log()
    deadline = time.monotonic() + SECONDS
    while "\nshoots_queries_running 1.0\n" not in urlopen(f"{address[0]}/metrics").read().decode():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def ctrl_c(when: Callable[[], None]) -> Iterator[None]:
    """Presses Ctrl-C, which interrupts what is called within."""

    def press() -> None:
        when()
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    pressing.join(SECONDS)


CALLS: dict[str, Callable[[ShootsClient], object]] = {
    "sql": lambda client: client.sql(ENDLESS),
    "get": lambda client: client.get("numbers", ENDLESS),
    "iter_batches": lambda client: list(client.iter_batches("numbers", ENDLESS)),
    "several": lambda client: several({n: lambda: client.get("numbers", ENDLESS) for n in "ab"}, 2),
    "resample": lambda client: client.resample("numbers", "less", sql=ENDLESS),
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_ends_a_call_before_it_has_anything_to_send(busy: ServerProcess, name: str) -> None:
    with connect(busy) as client:
        with ctrl_c(lambda: wait_for_a_query(busy)):
            CALLS[name](client)
        assert client.list() == [] or [frame["name"] for frame in client.list()] == ["numbers"]


async def every_batch(client: AsyncShootsClient) -> None:
    async for _ in client.iter_batches("numbers", ENDLESS):
        pass


AWAITED: dict[str, Callable[[AsyncShootsClient], Coroutine[Any, Any, object]]] = {
    "sql": lambda client: client.sql(ENDLESS),
    "iter_batches": every_batch,
    "resample": lambda client: client.resample("numbers", "less", sql=ENDLESS),
}


@pytest.mark.parametrize("name", AWAITED)
def test_a_task_that_is_cancelled_ends_its_call(busy: ServerProcess, name: str) -> None:
    async def run() -> None:
        async with AsyncShootsClient(busy.host, busy.port, timeout=SECONDS) as client:
            task = asyncio.create_task(AWAITED[name](client))
            await asyncio.to_thread(wait_for_a_query, busy)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def test_an_error_in_its_context_ends_the_calls_that_run(busy: ServerProcess) -> None:
    async def fail(calls: list[asyncio.Task[Any]]) -> None:
        async with AsyncShootsClient(busy.host, busy.port) as client:
            calls.append(asyncio.create_task(client.sql(ENDLESS)))
            await asyncio.to_thread(wait_for_a_query, busy)
            raise KeyError("mine")

    async def run() -> None:
        calls: list[asyncio.Task[Any]] = []
        with pytest.raises(KeyError, match="mine"):
            await fail(calls)
        with pytest.raises(CancelledError):
            await calls[0]

    asyncio.run(asyncio.wait_for(run(), SECONDS))


def test_ctrl_c_ends_a_put_in_the_middle_of_its_rows(busy: ServerProcess) -> None:
    started = threading.Event()

    def parts() -> Iterator[pl.DataFrame]:
        # In the thread that puts, as everything that belongs to the caller.
        assert threading.current_thread() is threading.main_thread()
        while True:
            yield pl.DataFrame({"n": range(10_000)})
            started.set()

    with connect(busy) as client:
        with ctrl_c(lambda: assert_set(started)):
            client.put("never", parts())
        assert not client.exists("never")


def assert_set(event: threading.Event) -> None:
    assert event.wait(SECONDS)


@pytest.mark.parametrize("call", ["get", "put", "describe"])
def test_ctrl_c_leaves_a_server_that_says_nothing_any_more(server: ServerProcess, call: str) -> None:
    rows = pa.table({"n": [1]})
    calls: dict[str, Callable[[ShootsClient], object]] = {
        "get": lambda client: client.get("frame"),
        "put": lambda client: client.put("frame", rows, "append"),
        "describe": lambda client: client.describe("frame"),
    }
    with Relay(server) as relay, ShootsClient("127.0.0.1", relay.port, timeout=SECONDS) as client:
        client.put("frame", rows)
        relay.swallow_answers()
        with ctrl_c(lambda: time.sleep(0.5)):
            calls[call](client)
        relay.cut()


def test_another_thread_waits_itself_and_the_main_thread_lets_always_the_same_wait() -> None:
    names: list[str] = []

    def step() -> str:
        return threading.current_thread().name

    for _ in range(10):
        names.append(Call(lambda _: True).wait(step))
        assert len(IDLE) == 1
    assert set(names) == {"shoots-wait"}
    other = threading.Thread(target=lambda: names.append(Call(lambda _: True).wait(step)), name="other")
    other.start()
    other.join()
    assert names[-1] == "other"


def test_a_call_that_does_not_end_is_left_to_itself() -> None:
    told: list[str] = []
    begun, ends = threading.Event(), threading.Event()

    def end(name: str) -> bool:
        told.append(name)
        return True

    def step() -> bool:
        begun.set()
        return ends.wait(SECONDS)

    call = Call(end)
    with ctrl_c(lambda: assert_set(begun)):
        call.wait(step)
    assert told == [call.name]
    with pytest.raises(CancelledError, match="has not ended yet"):
        call.wait(lambda: None)
    ends.set()
