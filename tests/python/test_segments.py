"""Frames as files: segments that any Parquet reader opens, and Parquet files that are frames."""

import datetime as dt
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
import pytest
import shoots
from pandas.testing import assert_frame_equal

from conftest import StartServer
from flight_peer import Peer, refused
from sample_columns import assert_same
from server_process import ServerProcess

ROWS = 5000


def readings() -> pa.Table:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return pa.table(
        {
            "time": pa.array(
                [start + dt.timedelta(seconds=row) for row in range(ROWS)],
                pa.timestamp("ns", "UTC"),
            ),
            "value": [None if row % 7 == 0 else row / 3 for row in range(ROWS)],
            "count": pa.array([row * 2**50 for row in range(ROWS)], pa.uint64()),
            "sensor": [f"sensor {row % 5}" for row in range(ROWS)],
            "day": pa.array([dt.date(2024, 1, 1 + row % 28) for row in range(ROWS)]),
            "on": [row % 2 == 0 for row in range(ROWS)],
        }
    )


def segments(bucket_dir: Path) -> list[Path]:
    return sorted(bucket_dir.rglob("segments/*.parquet"))


def test_a_segment_is_plain_parquet_for_pyarrow_and_duckdb(peer: Peer, bucket_dir: Path) -> None:
    put = readings()
    peer.put("readings", put)
    (segment,) = segments(bucket_dir)
    assert pq.read_table(segment).equals(put)
    duck = duckdb.connect()
    duck.execute("set timezone = 'UTC'")
    got = duck.sql("select * from read_parquet($1)", params=[str(segment)]).to_arrow_table()
    # DuckDB's instants with a zone are in microseconds.
    times = put["time"].cast(pa.timestamp("us", "UTC"))
    assert got.to_pylist() == put.set_column(0, "time", times).to_pylist()
    summed = duck.execute(
        "select sensor, count(value), sum(count)::double from read_parquet($1) group by 1 order by 1",
        [str(segment)],
    ).fetchall()
    own = peer.sql(
        "readings",
        "select sensor, count(value) as a, sum(cast(count as double)) as b "
        "from readings group by sensor order by sensor",
    )
    assert summed == [tuple(row.values()) for row in own.to_pylist()]


def test_categories_are_text_to_other_readers(peer: Peer, bucket_dir: Path) -> None:
    frame = pd.DataFrame({"kind": pd.Categorical(["b", "a", None], ["c", "b", "a"], ordered=True)})
    peer.put("kinds", pa.Table.from_pandas(frame))
    (segment,) = segments(bucket_dir)
    rows = duckdb.execute("select kind from read_parquet($1)", [str(segment)]).fetchall()
    assert rows == [("b",), ("a",), (None,)]


def test_every_append_adds_a_segment_and_changes_no_other(peer: Peer, bucket_dir: Path) -> None:
    put = readings()
    peer.put("readings", put.slice(0, 1000), mode="append")
    first = {path: path.read_bytes() for path in segments(bucket_dir)}
    peer.put("readings", put.slice(1000), mode="append")
    after = segments(bucket_dir)
    assert len(after) == 2
    assert all(path.read_bytes() == content for path, content in first.items())
    new = set(after) - first.keys()
    parts = [pq.read_table(path) for path in [*first, *new]]
    assert_same(peer.get("readings"), put)
    assert pa.concat_tables(parts).equals(put)


def test_nothing_temporary_is_left_behind(peer: Peer, bucket_dir: Path) -> None:
    peer.put("readings", readings(), bucket="plant")
    peer.put("readings", readings(), bucket="plant", mode="replace")
    with refused("FileExistsError"):
        peer.put("readings", readings(), bucket="plant")
    assert [path for path in bucket_dir.glob("_tmp/**/*") if path.is_file()] == []


@pytest.fixture
def plain(bucket_dir: Path) -> pa.Table:
    """Files as people put them into the folder, at the top and in a bucket."""
    table = readings().slice(0, 100).replace_schema_metadata({"by": "hand"})
    (bucket_dir / "plant").mkdir(parents=True)
    pq.write_table(table, bucket_dir / "outside.parquet")
    pq.write_table(table, bucket_dir / "plant" / "inside here.parquet")
    (bucket_dir / "broken.parquet").write_bytes(b"PAR1 this is not Parquet PAR1")
    (bucket_dir / "empty.parquet").touch()
    (bucket_dir / "notes.txt").write_text("not a frame")
    return table


def test_plain_files_are_frames_where_they_lie(plain: pa.Table, peer: Peer, bucket_dir: Path) -> None:
    assert peer.paths() == [["outside"], ["inside here", "plant"]]
    assert peer.act("buckets") == ["plant"]
    assert_same(peer.get("outside"), plain)
    assert_same(peer.get("inside here", bucket="plant"), plain)
    assert_same(peer.get("outside", columns=["on"], offset=99), plain.select(["on"]).slice(99))
    counted = peer.sql("outside", "select count(*) as n from outside where on")
    assert counted["n"].to_pylist() == [50]
    with refused("FileExistsError", "outside"):
        peer.put("outside", plain)
    assert segments(bucket_dir) == []


def test_a_file_that_is_not_parquet_is_an_error_of_its_own_only(plain: pa.Table, peer: Peer) -> None:
    assert_same(peer.get("outside"), plain)
    for name in ["broken", "empty"]:
        with refused("DamagedError", name):
            peer.get(name)
    with refused("FileNotFoundError", "notes"):
        peer.get("notes")


def test_the_first_write_adopts_a_plain_file(plain: pa.Table, peer: Peer, bucket_dir: Path) -> None:
    assert peer.put("outside", plain, mode="append")["version"] == 2
    assert_same(peer.get("outside"), pa.concat_tables([plain, plain]))
    assert_same(peer.get("outside", as_of=1), plain)
    (bucket_dir / "outside.parquet").unlink()
    assert_same(peer.get("outside"), pa.concat_tables([plain, plain]))


def test_an_adopted_file_does_not_come_back_after_a_delete(plain: pa.Table, peer: Peer) -> None:
    peer.delete("outside")
    with refused("FileNotFoundError", "outside"):
        peer.get("outside")
    assert peer.paths() == [["inside here", "plant"]]
    fresh = pa.table({"fresh": [1]})
    peer.put("outside", fresh)
    assert_same(peer.get("outside"), fresh)
    peer.put("inside here", fresh, bucket="plant", mode="replace")
    assert_same(peer.get("inside here", bucket="plant"), fresh)
    assert plain.num_rows == 100


def test_a_bucket_of_plain_files_is_deleted_like_any_other(plain: pa.Table, peer: Peer) -> None:
    assert plain.num_rows == 100
    with refused("BucketNotEmptyError", "plant"):
        peer.act("delete_bucket", {"name": "plant", "mode": "error"})
    peer.act("delete_bucket", {"name": "plant", "mode": "delete"})
    with refused("FileNotFoundError", "inside here"):
        peer.get("inside here", bucket="plant")
    assert peer.paths() == [["outside"]]


@pytest.fixture
def older_directory(bucket_dir: Path) -> pd.DataFrame:
    """A directory that the older server has filled through its own client."""
    frame = readings().to_pandas()
    older = shoots.ShootsServer(fl.Location.for_grpc_tcp("localhost", 0), str(bucket_dir))
    serving = threading.Thread(target=older.serve)
    serving.start()
    client = shoots.ShootsClient("localhost", older.port)
    client.put("readings", frame)
    client.put("readings", frame.iloc[:10], bucket="Plant 7")
    client.put("empty soon", frame.iloc[:1], bucket="office")
    client.delete("empty soon", bucket="office")
    client.shutdown()
    client.client.close()
    serving.join()
    return frame


def test_the_older_servers_directory_is_served(
    older_directory: pd.DataFrame, start_server: StartServer
) -> None:
    server: ServerProcess = start_server()
    client = shoots.ShootsClient(server.host, server.port)
    assert [frame["name"] for frame in client.list()] == ["readings"]
    assert_frame_equal(client.get("readings"), older_directory)
    assert_frame_equal(client.get("readings", bucket="Plant 7"), older_directory.iloc[:10])
    assert "Plant 7" in client.buckets()
    client.put("readings", older_directory.iloc[:5], mode=shoots.PutMode.APPEND, bucket="Plant 7")
    assert len(client.get("readings", bucket="Plant 7")) == 15
    client.delete("readings")
    with pytest.raises(FileNotFoundError):
        client.get("readings")
    client.client.close()
