"""Clients that die in the middle of a put. (Servers that are killed are for `tests/e2e/torture`.)"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from flight_peer import Peer
from sample_columns import assert_same
from server_process import ServerProcess

TABLE = pa.table({"number": [1, 2]})

DYING_WRITER = """
import json, sys
import pyarrow as pa, pyarrow.flight as fl

address, mode = sys.argv[1:]
batch = pa.record_batch({"number": pa.array(range(50_000))})
command = json.dumps({"name": "frame", "mode": mode}).encode()
writer, _ = fl.connect(address).do_put(fl.FlightDescriptor.for_command(command), batch.schema)
for _ in range(4):
    writer.write_batch(batch)
print("written", flush=True)
sys.stdin.read()
"""


# How long a server is watched for showing what it must not show.
WATCHED_SECONDS = 0.3


@pytest.fixture
def dying_writer(server: ServerProcess) -> Iterator[Callable[[str], None]]:
    """Starts a process that puts, and kills it while the server has part of its rows."""
    processes: list[subprocess.Popen[str]] = []

    def die(mode: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", DYING_WRITER, server.address, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()

    yield die
    for process in processes:
        process.communicate()


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_client_that_dies_in_the_middle_changes_nothing(
    peer: Peer, dying_writer: Callable[[str], None], mode: str
) -> None:
    dying_writer(mode)
    watched = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < watched:
        assert peer.listing() == []
    peer.put("frame", TABLE)
    dying_writer(mode)
    watched = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < watched:
        assert_same(peer.get("frame"), TABLE)
    assert peer.put("frame", TABLE, mode="append")["version"] == 2
