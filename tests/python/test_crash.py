"""Crashes: clients that die in the middle of a put, servers that are killed while they write."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from conftest import StartServer
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


ROUNDS = 4
WRITERS = 4
FRAMES = ["first", "second", "third"]
MOST_ROWS = 300

# One put: the round and the writer that sent it, and a number that the writer gave it.
Put = tuple[int, int, int]


@dataclass
class Record:
    """What writers know about the puts that they sent to one frame."""

    sent: dict[Put, int] = field(default_factory=dict)
    """Rows of each put that may have taken effect."""
    acknowledged: dict[Put, int] = field(default_factory=dict)
    """Version of each put that must have taken effect."""


def rows_of(put: Put, rows: int) -> pa.Table:
    (turn, writer, number) = put
    return pa.table(
        {
            "round": pa.array([turn] * rows, pa.int16()),
            "writer": pa.array([writer] * rows, pa.int16()),
            "put": pa.array([number] * rows, pa.int64()),
            "row": pa.array(range(rows), pa.int64()),
            "text": [f"{put} {row}" for row in range(rows)],
        }
    )


def write_until_killed(address: str, turn: int, writer: int, seed: str, records: dict[str, Record]) -> None:
    """Appends to random frames, each put in a few batches, until the server is gone."""
    chance = random.Random(seed)
    with Peer(address) as peer:
        number = 0
        while True:
            number += 1
            put, rows = (turn, writer, number), chance.randint(1, MOST_ROWS)
            record = records[chance.choice(FRAMES)]
            name = next(name for name, other in records.items() if other is record)
            table = rows_of(put, rows)
            record.sent[put] = rows
            command = {"name": name, "mode": "append"}
            batches = table.to_batches(max_chunksize=chance.randint(1, MOST_ROWS))
            try:
                result = peer.put_batches(command, table.schema, batches)
            except (fl.FlightError, pa.ArrowException, OSError):
                return
            record.acknowledged[put] = result["version"]


def check(peer: Peer, name: str, record: Record) -> int:
    """Compares a frame with what its writers know; gives the number of puts in it."""
    table = peer.get(name)
    found = table.select(["round", "writer", "put"]).to_pylist()
    order = list(dict.fromkeys((row["round"], row["writer"], row["put"]) for row in found))
    counts = Counter((row["round"], row["writer"], row["put"]) for row in found)

    assert not set(record.acknowledged) - set(order), "an acknowledged put is lost"
    assert not set(order) - set(record.sent), "rows that nobody sent"
    assert all(count == record.sent[put] for put, count in counts.items()), "part of a put"
    assert_same(table, pa.concat_tables([rows_of(put, record.sent[put]) for put in order]))

    # Every put is one version, in the order of the rows, without gaps.
    for put, version in record.acknowledged.items():
        assert order.index(put) + 1 == version
    info = peer.client.get_flight_info(fl.FlightDescriptor.for_path(name))
    assert json.loads(info.app_metadata)["version"] == len(order)
    middle = len(order) // 2
    if middle:
        rows = sum(record.sent[put] for put in order[:middle])
        assert_same(peer.get(name, as_of=middle), table.slice(0, rows))
    return len(order)


def test_killed_servers_lose_no_acknowledged_put_and_show_no_broken_one(
    start_server: StartServer, bucket_dir: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    records = {name: Record() for name in FRAMES}
    for turn in range(ROUNDS):
        # Compactions would be versions, too.
        server = start_server("--compaction=false")
        writers = [
            threading.Thread(
                target=write_until_killed,
                args=(server.address, turn, writer, f"{seed} {turn} {writer}", records),
            )
            for writer in range(WRITERS)
        ]
        for thread in writers:
            thread.start()
        time.sleep(chance.uniform(0.3, 0.9))
        server.kill()
        for thread in writers:
            thread.join()

        with Peer(start_server("--compaction=false").address) as peer:
            puts = sum(check(peer, name, record) for name, record in records.items())
            acknowledged = sum(len(record.acknowledged) for record in records.values())
            print(f"round {turn}: {acknowledged} puts acknowledged, {puts} found")
            # Beyond those, at most the one that each writer was waiting for when the server died.
            assert acknowledged <= puts <= acknowledged + WRITERS * (turn + 1)
            assert acknowledged > 0
    for log in bucket_dir.rglob("log"):
        entries = sorted(int(entry.stem) for entry in log.glob("*.jsonl"))
        assert entries == list(range(1, len(entries) + 1))
