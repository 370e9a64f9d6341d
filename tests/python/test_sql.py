"""SQL over frames: it keeps types and metadata, finds frames by their names, and only reads."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flight_peer import Peer, refused
from sample_columns import EVERYTHING, assert_same


def files(folder: Path) -> dict[Path, int]:
    """Every file below a folder with its size, without hints, which are written after a put was answered,
    and files that become hints."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "latest")
    return {path: path.stat().st_size for path in paths if path.parent.name != "_tmp"}


def test_columns_that_pass_through_keep_type_order_and_metadata(peer: Peer) -> None:
    columns = {title: make().slice(0, 2) for title, make in EVERYTHING.items()}
    fields = [pa.field(title, column.type, metadata={"title": title}) for title, column in columns.items()]
    put = pa.table(list(columns.values()), pa.schema(fields, {"source": "everything"}))
    peer.put("everything", put)
    assert_same(peer.sql("everything", "select * from everything"), put)
    chosen = ["uint64", "categories in order", "duration[ns]", "large_string", "uuid"]
    text = ", ".join(f'"{name}"' for name in chosen)
    got = peer.sql("everything", f"select {text} from everything order by uint64 limit 1")
    assert_same(got, put.select(chosen).slice(0, 1))


def test_pandas_metadata_is_reduced_to_the_columns_that_remain(peer: Peer) -> None:
    index = pd.Index([10, 20, 30], name="id")
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": ["x", "y", "z"]}, index=index)
    peer.put("frame", pa.Table.from_pandas(frame))
    kept = peer.sql("frame", "select id, b from frame where a > 2").to_pandas()
    pd.testing.assert_frame_equal(kept, frame.loc[[20, 30], ["b"]])
    for got in [peer.sql("frame", "select b, a from frame"), peer.get("frame", columns=["b", "a"])]:
        metadata = json.loads(got.schema.metadata[b"pandas"])
        assert sorted(column["name"] for column in metadata["columns"]) == ["a", "b"]
        pd.testing.assert_frame_equal(got.to_pandas(), frame[["b", "a"]].reset_index(drop=True))
    counted = peer.sql("frame", "select count(*) as n from frame").to_pandas()
    pd.testing.assert_frame_equal(counted, pd.DataFrame({"n": [3]}))


def test_questions_are_answered(peer: Peer) -> None:
    peer.put("left", pa.table({"k": [1, 2, 3], "x": [1.0, None, float("nan")]}))
    peer.put("right", pa.table({"k": [2, 3, 4], "y": ["b", "c", "d"]}), bucket="other")
    joined = 'select l.k, r.y from left_frame l join other."right" r on l.k = r.k order by l.k'
    joined = joined.replace("left_frame", '"left"')
    assert peer.sql("left", joined).to_pydict() == {"k": [2, 3], "y": ["b", "c"]}
    for sql, answer in [
        ('select count(x) from "left"', 2),
        ('select count(*) from "left" where x is null', 1),
        ('select sum(k) over (order by k) from "left" order by k desc limit 1', 6),
        ('with t as (select k from "left") select max(k) from t', 3),
        ('select k from "left" union all select 9 order by 1 desc limit 1', 9),
        ("select 1 + 1", 2),
    ]:
        assert peer.sql("left", sql).column(0).to_pylist() == [answer], sql


def test_a_result_can_be_cut_and_columns_chosen(peer: Peer) -> None:
    peer.put("frame", pa.table({"number": range(100)}))
    sql = "select number, number * 2 as twice from frame order by number desc"
    got = peer.sql("frame", sql, limit=2, offset=1, columns=["twice"])
    assert got.to_pydict() == {"twice": [196, 194]}
    with refused("DataFusionError", "thrice"):
        peer.sql("frame", sql, columns=["thrice"])


def test_values_take_the_places_of_parameters(peer: Peer) -> None:
    peer.put("frame", pa.table({"number": range(10), "word": list("abcdefghij")}))
    for sql, parameters, answer in [
        ("select number from frame where number > $1 and word < $2", [3, "f"], [4]),
        ("select number from frame where word = ? or number = ? order by 1", ["b", 7], [1, 7]),
        ("select number from frame where word = $word", {"word": "c"}, [2]),
        ("select number from frame where word = $1", ["' or 1 = 1 --"], []),
        ("select number from frame where number = $1", [None], []),
    ]:
        got = peer.sql("frame", sql, parameters=parameters)
        assert got["number"].to_pylist() == answer, sql
    with refused("DataFusionError", "2 parameters", "1 value"):
        peer.sql("frame", "select $1, $2", parameters=[1])
    with refused("InvalidRequestError", "parameters[0]"):
        peer.sql("frame", "select $1", parameters=[[1]])
    with refused("InvalidRequestError", "parameters"):
        peer.get("frame", parameters=[1])


def test_names_are_found_as_written_then_without_regard_to_case(peer: Peer) -> None:
    peer.put("MyFrame", pa.table({"Value": [1], "value": [2], "Only": [3]}))
    for sql, answer in [
        ("select Value from MyFrame", 1),
        ("select value from MyFrame", 2),
        ("select only from myframe", 3),
        ("select ONLY from MYFRAME", 3),
        ('select "Value" from "MyFrame"', 1),
    ]:
        assert peer.sql("MyFrame", sql).column(0).to_pylist() == [answer], sql
    peer.put("myframe", pa.table({"Value": [7]}))
    assert peer.sql("MyFrame", "select Value from MyFrame").column(0).to_pylist() == [1]
    assert peer.sql("MyFrame", "select Value from myframe").column(0).to_pylist() == [7]
    with refused("DataFusionError", "MYFRAME"):
        peer.sql("MyFrame", "select * from MYFRAME")
    with refused("DataFusionError", "only"):
        peer.sql("MyFrame", 'select "only" from "MyFrame"')


ESCAPES = [
    "create table x as select 1",
    "create view x as select * from frame",
    "create external table x stored as parquet location '{outside}'",
    "create schema x",
    "create function f() returns int return 1",
    "insert into frame values (9)",
    "insert into frame select * from frame",
    "update frame set number = 9",
    "delete from frame",
    "truncate table frame",
    "drop table frame",
    "alter table frame rename to other",
    "copy frame to '{target}'",
    "copy (select * from frame) to '{target}' stored as csv",
    "set datafusion.execution.batch_size = 1",
    "reset datafusion.execution.batch_size",
    "show functions",
    "show all",
    "explain copy frame to '{target}'",
    "explain analyze insert into frame values (9)",
    "with t as (select 1) insert into frame select * from t",
    "prepare p as select * from frame",
    "begin transaction",
    "grant select on frame to public",
    "select 1; drop table frame",
    "select * from frame into outfile '{target}'",
    "select * from '{outside}'",
    "select * from '{outside_url}'",
    'select * from "{outside}"',
    'select * from "{outside_url}"',
    "select * from read_parquet('{outside}')",
    "select * from parquet_scan('{outside}')",
    "select * from read_csv('/etc/passwd')",
    "select pg_read_file('/etc/passwd')",
    "select * from information_schema.df_settings",
    "select * from pg_catalog.pg_class",
]


def test_nothing_but_frames_can_be_read_and_nothing_written(
    peer: Peer, bucket_dir: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    kept = pa.table({"number": [1, 2]})
    peer.put("frame", kept)
    outside, target = tmp_path / "outside.parquet", tmp_path / "target"
    pq.write_table(pa.table({"secret": [42]}), outside)
    before = files(bucket_dir)
    for escape in ESCAPES:
        with subtests.test(escape):
            sql = escape.format(outside=outside, outside_url=outside.as_uri(), target=target)
            with refused("DataFusionError"):
                peer.sql("frame", sql)
    assert files(bucket_dir) == before
    assert not target.exists()
    assert_same(peer.get("frame"), kept)
    assert peer.paths() == [["frame"]]


def test_explaining_a_question_is_allowed_and_shows_no_paths(peer: Peer, bucket_dir: Path) -> None:
    peer.put("frame", pa.table({"number": [1, 2]}))
    for sql in ["explain select sum(number) from frame", "explain analyze select * from frame"]:
        text = str(peer.sql("frame", sql).to_pydict())
        assert "frame" in text
        assert str(bucket_dir) not in text


def test_a_question_without_end_stops_when_its_reader_leaves(peer: Peer) -> None:
    peer.put("frame", pa.table({"number": range(2000)}))
    sql = "select a.number from frame a, frame b, frame c where a.number + b.number > c.number"
    for _ in range(3):
        reader = peer.read("frame", sql=sql)
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()
    assert peer.sql("frame", "select count(*) as n from frame")["n"].to_pylist() == [2000]
