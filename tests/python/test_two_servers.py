"""Two server processes on one directory: both write, and each sees what the other did."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from conftest import StartServer
from flight_peer import Peer, refused
from sample_columns import assert_same
from server_process import ServerProcess

FRAMES = ["first", "second"]
WRITERS_EACH = 3
PUTS = 8
ROWS = 50


@pytest.fixture
def servers(start_server: StartServer) -> list[ServerProcess]:
    # Compactions would be versions, too.
    return [start_server("--compaction=false"), start_server("--compaction=false")]


@pytest.fixture
def peers(servers: list[ServerProcess]) -> Iterator[list[Peer]]:
    peers = [Peer(server.address) for server in servers]
    yield peers
    for peer in peers:
        peer.client.close()


def rows_of(server: int, writer: int, put: int) -> pa.Table:
    return pa.table(
        {
            "server": [server] * ROWS,
            "writer": [writer] * ROWS,
            "put": [put] * ROWS,
            "row": range(ROWS),
        }
    )


def test_writers_of_both_lose_nothing(servers: list[ServerProcess], peers: list[Peer]) -> None:
    def write(server: int, writer: int) -> list[tuple[str, int]]:
        with Peer(servers[server].address) as peer:
            return [
                (name, peer.put(name, rows_of(server, writer, put), mode="append")["version"])
                for put in range(PUTS)
                for name in FRAMES
            ]

    jobs = list(product(range(2), range(WRITERS_EACH)))
    with ThreadPoolExecutor(len(jobs)) as threads:
        published = [job for jobs in threads.map(lambda job: write(*job), jobs) for job in jobs]

    for name in FRAMES:
        versions = [version for frame, version in published if frame == name]
        assert sorted(versions) == list(range(1, len(jobs) * PUTS + 1))
        first, second = (peer.get(name) for peer in peers)
        assert_same(first, second)
        puts = [tuple(row.values()) for row in first.select(["server", "writer", "put"]).to_pylist()]
        expected = {(server, writer, put): ROWS for server, writer in jobs for put in range(PUTS)}
        assert Counter(puts) == expected
        # The rows of each put lie together, and each writer's puts follow each other.
        order = puts[::ROWS]
        assert first["row"].to_pylist() == list(range(ROWS)) * len(order)
        for job in jobs:
            assert [put for *writer, put in order if tuple(writer) == job] == list(range(PUTS))


def test_each_sees_at_once_what_the_other_acknowledged(peers: list[Peer]) -> None:
    path = fl.FlightDescriptor.for_path("shared")
    table = rows_of(0, 0, 0)
    for turn in range(10):
        writing, reading = peers[turn % 2], peers[(turn + 1) % 2]
        version = writing.put("shared", table, mode="append")["version"]
        assert version == turn + 1
        summary = json.loads(reading.client.get_flight_info(path).app_metadata)
        assert (summary["version"], summary["rows"]) == (version, ROWS * version)
        assert reading.get("shared").num_rows == ROWS * version
        counted = reading.sql("shared", "select count(*) as n from shared")
        assert counted["n"].to_pylist() == [ROWS * version]


def test_replacing_deleting_and_creating_are_seen_too(peers: list[Peer]) -> None:
    here, there = peers
    here.put("shared", rows_of(0, 0, 0), bucket="bucket")
    with refused("FileExistsError", "shared"):
        there.put("shared", rows_of(1, 0, 0), bucket="bucket")
    other = pa.table({"other": ["x"]})
    there.put("shared", other, bucket="bucket", mode="replace")
    assert_same(here.get("shared", bucket="bucket"), other)
    with refused("SchemaError", "server"):
        here.put("shared", rows_of(0, 0, 1), bucket="bucket", mode="append")
    here.delete("shared", "bucket")
    with refused("FileNotFoundError", "shared"):
        there.get("shared", bucket="bucket")
    assert there.put("shared", other, bucket="bucket")["version"] == 4
    assert here.paths() == [["shared", "bucket"]]


def test_of_creators_at_both_a_single_one_succeeds(servers: list[ServerProcess], peers: list[Peer]) -> None:
    def create(writer: int) -> bool:
        with Peer(servers[writer % 2].address) as peer:
            try:
                peer.put("contested", rows_of(writer % 2, writer, 0))
            except fl.FlightServerError as error:
                assert json.loads(error.extra_info)["type"] == "FileExistsError"  # noqa: PT017
                return False
            return True

    with ThreadPoolExecutor(6) as threads:
        created = list(threads.map(create, range(6)))
    assert created.count(True) == 1
    winner = created.index(True)
    for peer in peers:
        assert_same(peer.get("contested"), rows_of(winner % 2, winner, 0))
