"""Fixtures: real servers of a test's own, and one for all tests that replace what they put."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server_process import SECONDS, ServerProcess
from shoots_client import ShootsClient

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    process = ServerProcess.start(folder / "buckets", log=folder / "server.log")
    yield process
    if process.is_running():
        assert process.stop() == 0, process.log()
    assert "panicked" not in process.log()


@pytest.fixture(scope="session")
def shared_client(shared_server: ServerProcess) -> Iterator[ShootsClient]:
    with ShootsClient(shared_server.host, shared_server.port, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers, each on a folder of its own."""
    started: list[ServerProcess] = []

    def start(*flags: str, settings: dict[str, str] | None = None) -> ServerProcess:
        number = len(started)
        folder, log = tmp_path / f"buckets-{number}", tmp_path / f"server-{number}.log"
        process = ServerProcess.start(folder, *flags, log=log, settings=settings)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_running():
            assert process.stop() == 0, process.log()
        process.close()
        assert "panicked" not in process.log()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    """A server with an empty store."""
    return start_server()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[ShootsClient]:
    """A client of `server`."""
    with ShootsClient(server.host, server.port, timeout=SECONDS) as client:
        yield client
