"""Fixtures: one real server for a run, emptied before each test, and servers of their own for tests that need one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server_process import ServerProcess
from shoots_client import BucketDeleteMode, ShootsClient

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
    with ShootsClient(shared_server.host, shared_server.port, timeout=60) as client:
        yield client


@pytest.fixture
def client(shared_client: ShootsClient) -> ShootsClient:
    """A client of an empty server."""
    empty(shared_client)
    return shared_client


def empty(client: ShootsClient) -> None:
    """Takes away what other tests left behind."""
    for frame in client.list():
        client.purge(frame["name"])
    for bucket in client.buckets():
        for frame in client.list(bucket):
            client.purge(frame["name"], bucket)
        client.delete_bucket(bucket, BucketDeleteMode.DELETE_CONTENTS)
    for remote in client.remotes():
        client.remove_remote(remote["remote"])


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
