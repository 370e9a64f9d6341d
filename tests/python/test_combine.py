"""Frames combined on the server against pandas, which is the oracle.

Cases are drawn with a seed; `SHOOTS_COMBINE_CASES` draws more of each kind, `SHOOTS_COMBINE_SEED` others.
What differs from pandas on purpose is undone in one place (`as_pandas`), or checked by a test of its own.
"""

import json
import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import OPTIONS, Peer, refused

CASES = int(os.environ.get("SHOOTS_COMBINE_CASES", "60"))
SEED = int(os.environ.get("SHOOTS_COMBINE_SEED", "7"))

ON_TYPES = {
    "int8": pa.int8(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "ns": pa.timestamp("ns"),
    "us": pa.timestamp("us"),
    "zoned": pa.timestamp("ns", "Europe/Berlin"),
}
BY_TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "symbol": (pa.string(), ["a", "b", "c", None]),
    "number": (pa.int32(), [1, 2, 3]),
    "place": (pa.large_string(), ["x", "yy", ""]),
}


def on_values(draw: random.Random, kind: str, rows: int) -> pa.Array:
    """Values with many duplicates, in any order."""
    values = [draw.randrange(0, 40) for _ in range(rows)]
    if kind.startswith("float"):
        return pa.array([value / 4 for value in values], ON_TYPES[kind])
    if kind in ("ns", "us", "zoned"):
        # Near the change from summer time.
        start = 1_729_990_000
        unit = 10**6 if kind == "us" else 10**9
        values = [(start + 60 * value) * unit for value in values]
        return pa.array(values, pa.int64()).cast(ON_TYPES[kind])
    return pa.array(values, ON_TYPES[kind])


def frame(draw: random.Random, kind: str, by: list[str], payload: str) -> pa.Table:
    rows = draw.choice([0, 1, 3, 20, 60])
    columns = {"on": on_values(draw, kind, rows)}
    for name in by:
        of, values = BY_TYPES[name]
        columns[name] = pa.array([draw.choice(values) for _ in range(rows)], of)
    columns["value"] = pa.array([draw.choice([None, 1.5, 2.5, 3.5]) for _ in range(rows)], pa.float64())
    columns[payload] = pa.array([f"{payload}{row}" for row in range(rows)], pa.string())
    return pa.table(columns)


def with_odd_keys(table: pa.Table, odd: pa.Array) -> pa.Table:
    """The table with its first rows once more, under other keys."""
    rows = table.slice(0, len(odd))
    return pa.concat_tables([table, rows.set_column(0, "on", odd.slice(0, rows.num_rows))])


def put(peer: Peer, draw: random.Random, name: str, table: pa.Table, indexed: str | None = None) -> None:
    """Puts a table in one or several commits, so that frames have several segments."""
    fields: dict[str, Any] = {"mode": "replace"}
    if indexed is not None and draw.random() < 0.5:
        fields["index"] = [indexed]
        table = table.sort_by(indexed) if table.num_rows > 0 and draw.random() < 0.5 else table
    cut = draw.randrange(0, table.num_rows + 1)
    peer.put(name, table.slice(0, cut), **fields)
    peer.put(name, table.slice(cut), mode="append")


def as_pandas(table: pa.Table) -> pd.DataFrame:
    """The rows as pandas has them: nulls as objects, so that integers stay integers where some miss."""
    return pd.DataFrame({name: plain(table.column(name)) for name in table.column_names})


def side(peer: Peer, name: str) -> pd.DataFrame:
    """A frame for pandas, which cannot merge two empty columns of its own strings."""
    frame = peer.get(name).to_pandas()
    texts = [column for column in frame if pd.api.types.is_string_dtype(frame[column])]
    return frame.astype(dict.fromkeys(texts, object))


def plain(column: pa.ChunkedArray) -> pd.Series:
    values = column.to_pylist()
    return pd.Series([None if isinstance(v, float) and np.isnan(v) else v for v in values], dtype=object)


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    """A result of pandas in the same form."""
    return as_pandas(pa.Table.from_pandas(frame, preserve_index=False))


def assert_same(got: pa.Table, frame: pd.DataFrame, case: Any) -> None:
    want = expected(frame)
    assert got.column_names == list(want.columns), case
    have = as_pandas(got)
    for name in want.columns:
        assert have[name].tolist() == want[name].tolist(), (case, name, got.to_pandas(), frame)


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    return str(value) if isinstance(value, int | float) else f"'{value}'"


def check_asof_joins(peer: Peer, number: int) -> None:
    draw = random.Random(SEED * 1_000_003 + number)
    kind = draw.choice(list(ON_TYPES))
    by = draw.sample(list(BY_TYPES), draw.choice([0, 0, 1, 1, 2]))
    left, right = frame(draw, kind, by, "l"), frame(draw, kind, by, "r")
    put(peer, draw, "left_side", left, "on")
    put(peer, draw, "right_side", right, "on")
    options: dict[str, Any] = {
        "direction": draw.choice(["backward", "forward", "nearest"]),
        "allow_exact_matches": draw.choice([True, False]),
    }
    tolerance = draw.choice([None, 0, 1, 3])
    oracle = dict(options)
    if tolerance is not None and kind in ("ns", "us", "zoned"):
        options["tolerance"] = f"{tolerance}min"
        oracle["tolerance"] = pd.Timedelta(minutes=tolerance)
    elif tolerance is not None:
        options["tolerance"] = tolerance / 4 if kind.startswith("float") else tolerance
        oracle["tolerance"] = options["tolerance"]
    if by:
        oracle["by"] = by
    stable = [side(peer, name).sort_values("on", kind="stable") for name in ("left_side", "right_side")]
    want = pd.merge_asof(*stable, on="on", **oracle)
    arguments = [f"{name} => {literal(value)}" for name, value in {"by": by, **options}.items()]
    sql = f"select * from asof_join('left_side', 'right_side', 'on', {', '.join(arguments)})"
    case = (number, kind, by, options)
    got = peer.sql("left_side", sql)
    assert_same(got, want, case)
    request = {
        "how": "asof",
        "sources": ["left_side", "right_side"],
        "target": "joined",
        "mode": "replace",
        "on": "on",
        "by": by,
        **options,
    }
    answer = peer.act("combine", request)
    assert answer["target_rows"] == len(want)
    assert peer.get("joined").equals(got), case


def check_joins(peer: Peer, number: int) -> None:
    draw = random.Random(SEED * 2_000_003 + number)
    kinds = ["int64", "float64", "ns"]
    for how in ["inner", "left", "right", "outer"]:
        kind = draw.choice(kinds)
        by = draw.sample(list(BY_TYPES), draw.choice([0, 1, 2]))
        left, right = frame(draw, kind, by, "l"), frame(draw, kind, by, "r")
        keys = [*by, "on"] if draw.random() < 0.6 or not by else by
        if kind == "float64" and draw.random() < 0.5:
            zero = pa.array([None, -0.0, float("nan")], pa.float64())
            left, right = (with_odd_keys(table, zero) for table in (left, right))
            put(peer, draw, "left_side", left)
            put(peer, draw, "right_side", right)
        else:
            put(peer, draw, "left_side", left, keys[0] if keys[0] != "symbol" else None)
            put(peer, draw, "right_side", right, keys[0] if keys[0] != "symbol" else None)
        sides = [side(peer, name) for name in ("left_side", "right_side")]
        want = pd.merge(*sides, on=keys, how=how)
        got = peer.sql("left_side", f"select * from {how}_join('left_side', 'right_side', {literal(keys)})")
        assert_same(got, want, (number, how, kind, keys))


def check_concatenations(peer: Peer, number: int) -> None:
    draw = random.Random(SEED * 3_000_017 + number)
    kind = draw.choice(list(ON_TYPES))
    names = []
    for part in range(draw.choice([1, 2, 3])):
        by = draw.sample(list(BY_TYPES), draw.choice([0, 1]))
        put(peer, draw, f"part{part}", frame(draw, kind, by, draw.choice(["l", "r"])))
        names.append(f"part{part}")
    want = pd.concat([peer.get(name).to_pandas().astype(object) for name in names])
    got = peer.sql(names[0], f"select * from concat({literal(names)[1:-1]})")
    assert got.column_names == list(want.columns)
    have = as_pandas(got)
    for name in want.columns:
        values = [None if pd.isna(value) else value for value in want[name]]
        assert have[name].tolist() == values, (number, name)


@pytest.mark.parametrize("check", [check_asof_joins, check_joins, check_concatenations])
def test_drawn_combinations_are_those_of_pandas(peer: Peer, check: Callable[[Peer, int], None]) -> None:
    for number in range(CASES):
        check(peer, number)


@pytest.mark.parametrize("index", [None, ["time"], ["symbol", "time"], ["time", "symbol"]])
def test_the_newest_row_of_each_key_is_found(peer: Peer, index: list[str] | None) -> None:
    draw = random.Random(SEED)
    rows = 3000
    table = pa.table(
        {
            "time": [draw.randrange(500) for _ in range(rows)],
            "symbol": [f"s{draw.randrange(40)}" for _ in range(rows)],
            "number": list(range(rows)),
        }
    )
    for start in range(0, rows, 500):
        peer.put("ticks", table.slice(start, 500), mode="append", **({"index": index} if index else {}))
    frame = peer.get("ticks").to_pandas()
    want = frame.groupby("symbol").tail(1)
    got = peer.sql("ticks", "select * from latest('ticks', 'symbol')")
    assert got.to_pydict() == want.to_dict("list")
    both = peer.sql("ticks", "select number from latest('ticks', ['symbol', 'time'])")
    assert both["number"].to_pylist() == frame.groupby(["symbol", "time"]).tail(1)["number"].tolist()
    assert peer.sql("ticks", "select count(*) from latest('ticks', 'number')").column(0).to_pylist() == [rows]
    if index == ["time"]:
        recent = peer.sql("ticks", "select number from latest('ticks', 'symbol', start => 490)")
        newest = frame[frame.time >= 490].groupby("symbol").tail(1)
        assert recent["number"].to_pylist() == newest["number"].tolist()


def daily(draw: random.Random, columns: list[str]) -> pa.Table:
    keys = sorted({(draw.randrange(10), draw.choice("abc")) for _ in range(15)})
    data: dict[str, Any] = {"date": [date for date, _ in keys], "symbol": [symbol for _, symbol in keys]}
    data.update({name: [draw.randrange(100) for _ in keys] for name in columns})
    return pa.table(data)


def columns_of(peer: Peer, **ticket: Any) -> pa.Table:
    return peer.get_ticket(json.dumps(ticket))


@pytest.mark.parametrize("number", range(10))
def test_columns_of_several_frames_are_aligned(peer: Peer, number: int) -> None:
    draw = random.Random(SEED + number)
    tables = {"prices": ["open", "close"], "volumes": ["total", "close"], "ratings": ["grade"]}
    frames = {}
    for name, columns in tables.items():
        peer.put(name, daily(draw, columns), index=["date", "symbol"], bucket="daily")
        frames[name] = peer.get(name, bucket="daily").to_pandas().set_index(["date", "symbol"])
    asked = ["grade", "volumes.close", "daily.prices.close", "open"]
    series = [frames["ratings"].grade, frames["volumes"].close, frames["prices"].close, frames["prices"].open]
    want = pd.concat(series, axis=1, keys=asked).sort_index().reset_index()
    want = want.astype(dict.fromkeys(asked, "Int64"))
    got = columns_of(peer, columns=asked, bucket="daily")
    assert_same(got, want, number)
    part = columns_of(peer, columns=asked, bucket="daily", start=3, stop=7)
    assert_same(part, want[(want.date >= 3) & (want.date < 7)], number)
    descriptor = fl.FlightDescriptor.for_command(json.dumps({"columns": asked, "bucket": "daily"}))
    assert peer.client.get_schema(descriptor, OPTIONS).schema.equals(got.schema)
    info = peer.client.get_flight_info(descriptor, OPTIONS)
    assert peer.client.do_get(info.endpoints[0].ticket, OPTIONS).read_all().equals(got)


def test_thousands_of_columns_of_many_frames_are_aligned(peer: Peer) -> None:
    for number in range(20):
        columns = {f"c{number}_{column}": [number + column] * 2 for column in range(100)}
        peer.put(f"f{number}", pa.table({"date": [number, number + 1], **columns}), index=["date"])
    got = columns_of(peer, columns=["*"])
    assert (got.num_rows, got.num_columns) == (21, 2001)
    assert got["f3.c3_7"].to_pylist() == [None] * 3 + [10, 10] + [None] * 16
    some = columns_of(peer, columns=["f1.*", "c2_5"], limit=2)
    assert some.column_names == ["date", *(f"f1.c1_{column}" for column in range(100)), "c2_5"]
    assert columns_of(peer, columns=["*"], frames=["f1*"]).num_columns == 1 + 11 * 100


def test_columns_that_cannot_be_aligned_are_refused(peer: Peer) -> None:
    rows = pa.table({"date": [1, 2], "symbol": ["a", "b"], "close": [1.0, 2.0], "own": [1, 2]})
    peer.put("prices", rows, index=["date", "symbol"])
    peer.put("others", rows.drop_columns("own"), index=["date", "symbol"])
    peer.put("daily", rows.rename_columns(["date", "symbol", "last", "x"]), index=["date"])
    peer.put("plain", rows.rename_columns(["date", "symbol", "first", "y"]))
    with refused("DataFusionError", "`close` is in several frames", "prices.close", "others.close"):
        columns_of(peer, columns=["close"])
    with refused("DataFusionError", "several", "prices (date int64, symbol string)", "daily (date int64)"):
        columns_of(peer, columns=["own", "last"])
    with refused("DataFusionError", "no index: plain"):
        columns_of(peer, columns=["own", "first"])
    with refused("DataFusionError", "there is no `nothing`"):
        columns_of(peer, columns=["nothing"])
    with refused("InvalidRequestError", "colour"):
        columns_of(peer, columns=["own"], colour="red")
    with refused("InvalidRequestError", "as_of"):
        columns_of(peer, columns=["own"], as_of=3)


def test_what_cannot_be_combined_is_refused_with_what_is_wrong(peer: Peer) -> None:
    peer.put("a", pa.table({"t": [1, 2], "k": ["x", "y"], "big": [2**60, 1], "v": [1, None]}))
    peer.put("b", pa.table({"t": ["1", "2"], "k": ["x", "y"], "big": [0.5, 1.0], "v": [1, 2]}))
    for sql, words in [
        ("asof_join('a', 'b', 't')", ["on: column `t`", "int64", "string"]),
        ("asof_join('a', 'b', 'missing')", ["frame a has no column `missing`", "t, k, big, v"]),
        ("asof_join('a', 'b', 'v')", ["column `v` of frame a has nulls"]),
        ("asof_join('a', 'b', 'v', direction => 'sideways')", ["direction", "sideways"]),
        ("asof_join('a', 'b', 'v', tolerance => -1)", ["tolerance", "negative"]),
        ("asof_join('a', 'b')", ["on must be one column"]),
        ("asof_join('a', 'b', 'v', colour => 1)", ["no argument colour"]),
        ("inner_join('a', 'b', ['k', 'big'])", ["column `big` of frame a (int64)", "double"]),
        ("inner_join('a', 'b')", ["on: is missing"]),
        ("concat('a', 'b')", ["`t` is int64 in a, string in b", "`big`"]),
        ("concat('a', 'nothing')", ["nothing"]),
        ("latest('a', 'missing')", ["no column `missing`"]),
    ]:
        with refused("DataFusionError" if "nothing" not in sql else "FileNotFoundError", *words):
            peer.sql("a", f"select * from {sql}")
    changes: list[tuple[dict[str, Any], list[str]]] = [
        ({"sources": ["a"]}, ["sources", "two frames"]),
        ({"sources": ["a", "b", "a"]}, ["sources", "two frames"]),
        ({"on": None}, ["on: is missing"]),
        ({"tolerance": 1}, ["tolerance", "does not go with"]),
        ({"colour": "red"}, ["colour"]),
        ({"how": "sideways"}, ["how", "sideways"]),
    ]
    for change, words in changes:
        request = {"how": "inner", "sources": ["a", "b"], "target": "c", "on": "k", **change}
        with refused("InvalidRequestError", *words):
            peer.act("combine", request)
    assert ["c"] not in peer.paths()


def test_combining_into_a_frame_is_a_commit_like_others(peer: Peer) -> None:
    peer.put("a", pa.table({"t": [1, 3], "x": [1, 2]}), index=["t"])
    peer.put("a", pa.table({"t": [9], "x": [9]}), mode="append")
    peer.put("b", pa.table({"t": [2], "y": ["z"]}), index=["t"], bucket="other")
    request = {
        "how": "concat",
        "sources": [{"name": "a", "as_of": 1}, {"name": "b", "bucket": "other"}],
        "target": "both",
        "target_bucket": "made",
        "sorted": True,
        "index": ["t"],
        "message": "both of them",
        "request_id": "once",
    }
    first = peer.act("combine", request)
    assert first["target_rows"] == 3
    assert first["version"] == 1
    got = peer.get("both", bucket="made")
    assert got.to_pydict() == {"t": [1, 2, 3], "x": [1, None, 2], "y": [None, "z", None]}
    commits = peer.act("log", {"name": "both", "bucket": "made"})["commits"]
    assert [commit["message"] for commit in commits] == ["both of them"]
    with refused("FileExistsError"):
        peer.act("combine", {**request, "request_id": "twice"})


def combined(peer: Peer, how: str, sources: list[str], **fields: Any) -> pd.DataFrame:
    """What combining puts into a frame, as pandas reads it."""
    request = {"how": how, "sources": sources, "target": "made", "mode": "replace", **fields}
    peer.act("combine", request)
    return peer.get("made").to_pandas()


def test_frames_of_pandas_that_are_combined_are_still_frames_of_pandas(peer: Peer) -> None:
    times = pd.date_range("2024-03-08", periods=4, freq="h", name="time")
    trades = pd.DataFrame(
        {
            "symbol": pd.Categorical(["a", "b", None, "a"], ["b", "a"], ordered=True),
            "size": pd.array([1, None, 3, 4], dtype="Int64"),
        },
        index=times,
    )
    quotes = pd.DataFrame({"bid": [0.5, 1.5, 2.5]}, index=times[:3] + pd.Timedelta("30min"))
    for name, frame_of_pandas in [("trades", trades), ("quotes", quotes)]:
        peer.put(name, pa.Table.from_pandas(frame_of_pandas), index=["time"])
    got = combined(peer, "asof", ["trades", "quotes"], on="time")
    want = pd.merge_asof(trades, quotes, left_index=True, right_index=True)
    pd.testing.assert_frame_equal(got, want, check_freq=False)
    got = combined(peer, "concat", ["trades", "trades"])
    pd.testing.assert_frame_equal(got, pd.concat([trades, trades]), check_freq=False)
    got = combined(peer, "outer", ["trades", "quotes"], on="time")
    want = trades.join(quotes, how="outer")
    pd.testing.assert_frame_equal(got, want, check_freq=False)


def test_what_pandas_says_of_columns_that_are_gone_is_not_said_of_combined_frames(peer: Peer) -> None:
    unnamed = pd.DataFrame({"k": [1, 2], "v": [1.0, 2.0]}, index=["x", "y"])
    levels = pd.MultiIndex.from_tuples([(1, "p"), (2, "q")], names=["k", "place"])
    several = pd.DataFrame({"v": [3.0, 4.0]}, index=levels)
    labels = pd.DataFrame({0: [1, 2], 1: [3, 4]})
    pairs = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    plain = pd.DataFrame({"k": [1, 2], "0": [1, 2], "w": ["one", "two"]})
    frames = {"unnamed": unnamed, "several": several, "labels": labels, "pairs": pairs, "plain": plain}
    for name, frame_of_pandas in frames.items():
        peer.put(name, pa.Table.from_pandas(frame_of_pandas))

    # Both have an index without a name, which are two columns then.
    got = combined(peer, "inner", ["unnamed", "unnamed"], on="k")
    assert isinstance(got.index, pd.RangeIndex)
    assert got["v_x"].tolist() == [1.0, 2.0]
    # One level of the index is compared and stays; of the other there are two.
    got = combined(peer, "inner", ["several", "several"], on="k")
    assert got.index.names == ["k"]
    assert list(got.columns) == ["v_x", "place_x", "v_y", "place_y"]
    got = combined(peer, "left", ["several", "plain"], on="k")
    assert got.index.names == ["k", "place"]
    assert got["w"].tolist() == ["one", "two"]
    # Names of columns that are no numbers do not go with labels that are.
    got = combined(peer, "inner", ["labels", "plain"], on="0")
    assert list(got.columns) == ["0", "1", "k", "w"]
    assert list(combined(peer, "concat", ["labels", "labels"]).columns) == [0, 1]
    assert combined(peer, "concat", ["pairs", "plain"]).shape == (3, 5)
    sql = peer.sql("labels", "select *, 'new' as new from labels")
    assert list(sql.to_pandas().columns) == ["0", "1", "new"]
    # What one frame has and another lacks.
    got = combined(peer, "concat", ["plain", "unnamed"])
    assert got["w"].isna().tolist() == [False, False, True, True]
    got = combined(peer, "concat", ["unnamed", "plain"])
    assert got.index[:2].tolist() == ["x", "y"]
    assert got.index[2:].isna().all()
