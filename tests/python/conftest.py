"""Fixtures: real servers on free ports, each with a directory of its own, and clients for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flight_peer import Peer
from server_process import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def bucket_dir(tmp_path: Path) -> Path:
    """Where the servers of a test keep their frames."""
    return tmp_path / "buckets"


@pytest.fixture
def start_server(tmp_path: Path, bucket_dir: Path) -> Iterator[StartServer]:
    """Starts servers on `bucket_dir`. What still runs at the end must stop when it is asked to."""
    started: list[ServerProcess] = []

    def start(*flags: str, settings: dict[str, str] | None = None) -> ServerProcess:
        log = tmp_path / f"server-{len(started)}.log"
        process = ServerProcess.start(bucket_dir, *flags, log=log, settings=settings)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_running():
            assert process.stop() == 0, process.log()
        process.close()
        print(process.log())
        assert "panicked" not in process.log()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    """A server with an empty store."""
    return start_server()


@pytest.fixture
def peer(server: ServerProcess) -> Iterator[Peer]:
    """A pyarrow client of `server`."""
    with Peer(server.address) as peer:
        yield peer
