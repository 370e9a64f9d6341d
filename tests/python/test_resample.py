"""Resampling by time, compared with pandas bin by bin over drawn cases, and what is refused."""

import os
import warnings
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import Peer, refused
from resample_oracle import Case, difference, draw, table_of

CASES = int(os.environ.get("SHOOTS_RESAMPLE_CASES", "300"))
FIRST = int(os.environ.get("SHOOTS_RESAMPLE_SEED", "0"))


def put(peer: Peer, case: Case) -> None:
    table = table_of(case)
    fields = {"index": ["t"]} if case.indexed else {}
    rows = -(-table.num_rows // case.puts)
    for start in range(0, table.num_rows, rows):
        mode = "append" if start else "replace"
        peer.put("drawn", table.slice(start, rows), mode=mode, **(fields if not start else {}))


def as_sql(case: Case) -> str:
    """The same as a call in a query."""

    def constant(value: object) -> str:
        if isinstance(value, str):
            return "'" + value + "'"
        if isinstance(value, list):
            return "[" + ", ".join(constant(one) for one in value) + "]"
        return str(value).lower()

    functions = case.functions
    if isinstance(functions, dict):
        functions = [
            [column, *([given] if isinstance(given, str) else given)] for column, given in functions.items()
        ]
    options = "".join(f", {key} => {constant(value)}" for key, value in case.options.items())
    call = f"resample('drawn', '{case.rule}', {constant(functions)}, time_col => 't'{options})"
    return f"select * from {call}"


def resampled(peer: Peer, case: Case) -> pa.Table:
    lists = isinstance(case.functions, dict) and any(
        isinstance(given, list) and len(given) == 1 for given in case.functions.values()
    )
    if case.seed % 3 == 0 and not lists:
        return peer.sql("drawn", as_sql(case))
    return peer.get("drawn", resample=case.request)


def test_drawn_cases_are_as_pandas_has_them(peer: Peer) -> None:
    impossible: list[str] = []
    failures: list[str] = []
    for seed in range(FIRST, FIRST + CASES):
        case = draw(seed)
        put(peer, case)
        try:
            got = resampled(peer, case)
        except fl.FlightError as error:
            failures.append(f"{error}\n{case}")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = difference(case, got)
            except (ValueError, OverflowError) as error:
                # Midnights that do not exist or exist twice: pandas gives up on some, the server on none.
                impossible.append(f"{error}: {case.request} {case.frame['t'].dt.tz}")
                continue
        if found is not None:
            failures.append(f"{found}\n{case}")
    print(f"{CASES} cases, {len(impossible)} of which pandas cannot do, {len(failures)} differences")
    assert not failures, f"{len(failures)} differences, the first:\n" + "\n\n".join(failures[:5])
    assert len(impossible) < CASES / 20, impossible


def minutes(count: int, start: int = 0, **columns: pa.Array) -> pa.Table:
    """A row for each minute of 2024 from `start` on."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    times = pa.array([first.timestamp() + 60 * (start + at) for at in range(count)]).cast(pa.int64())
    return pa.table(
        {
            "time": times.cast(pa.timestamp("s", "UTC")),
            "n": pa.array(range(start, start + count), pa.int64()),
            **columns,
        }
    )


def act(peer: Peer, **fields: object) -> dict[str, object]:
    request = {"source": "readings", "target": "hourly", "rule": "h", "aggregation_func": "sum", **fields}
    answer: dict[str, object] = peer.act("resample", request)
    return answer


def index(peer: Peer) -> list[str]:
    return [column["name"] for column in peer.act("describe", {"name": "hourly"})["index"]]


def test_a_target_gets_the_time_as_its_index(peer: Peer) -> None:
    peer.put("readings", minutes(180), index=["time"])
    answer = act(peer, message="by the hour", author="ada")
    assert (answer["source_rows"], answer["target_rows"], answer["version"]) == (180, 3, 1)
    assert index(peer) == ["time"]
    assert peer.get("hourly")["n"].to_pylist() == [sum(range(at, at + 60)) for at in [0, 60, 120]]
    log = peer.act("log", {"name": "hourly"})["commits"]
    assert (log[0]["message"], log[0]["author"]) == ("by the hour", "ada")


def test_every_mode_of_a_put_is_a_mode_of_resampling(peer: Peer) -> None:
    peer.put("readings", minutes(120), index=["time"])
    act(peer, mode="error")
    with refused("FileExistsError", "hourly"):
        act(peer, mode="error")
    act(peer)
    assert peer.get("hourly").num_rows == 4
    act(peer, mode="replace")
    act(peer, mode="upsert")
    peer.put("readings", minutes(60, 120), mode="append")
    answer = act(peer, mode="update", start="2024-01-01T01:00:00Z")
    assert answer["source_rows"] == 120
    assert peer.get("hourly")["n"].to_pylist() == [sum(range(at, at + 60)) for at in [0, 60, 120]]


def test_the_same_request_id_takes_effect_once(peer: Peer) -> None:
    peer.put("readings", minutes(120), index=["time"])
    first = act(peer, request_id="nightly")
    again = act(peer, request_id="nightly")
    assert (again["version"], again["target_rows"]) == (first["version"], 2)
    assert peer.get("hourly").num_rows == 2


def test_a_frame_can_be_resampled_into_itself(peer: Peer) -> None:
    peer.put("readings", minutes(120), index=["time"])
    act(peer, target="readings", mode="replace")
    assert peer.get("readings").num_rows == 2
    sql = "select time, n + 1 as n from readings"
    peer.act("resample", {"source": "readings", "target": "readings", "sql": sql, "mode": "append"})
    assert peer.get("readings").num_rows == 4


def test_a_query_that_fails_halfway_leaves_the_target_as_it_was(peer: Peer) -> None:
    peer.put("readings", minutes(50_000), index=["time"])
    peer.put("target", minutes(3))
    sql = "select time, 1 / (n - 49999) as n from readings"
    request = {"source": "readings", "target": "target", "sql": sql, "mode": "replace"}
    with refused("DataFusionError", "ivide by zero"):
        peer.act("resample", request)
    assert peer.get("target").equals(minutes(3))
    assert len(peer.act("log", {"name": "target"})["commits"]) == 1


def test_groups_have_bins_of_their_own_and_an_index_with_them(peer: Peer) -> None:
    symbols = pa.array(["b", "a", None] * 60)
    peer.put("readings", minutes(180, symbol=symbols), index=["time"])
    act(peer, by=["symbol"], aggregation_func="count")
    got = peer.get("hourly")
    assert got.column_names == ["time", "symbol", "n"]
    assert got["symbol"].to_pylist() == ["a", "b"] * 3
    assert got["n"].to_pylist() == [20] * 6
    assert index(peer) == ["time", "symbol"]


def test_ranges_columns_and_limits_of_a_get_apply(peer: Peer) -> None:
    peer.put("readings", minutes(180, m=pa.array([1.0] * 180)), index=["time"])
    bins = {"rule": "h", "aggregation_func": "sum"}
    got = peer.get("readings", resample=bins, start="2024-01-01T01:30:00Z", columns=["m", "time"], limit=1)
    assert got.column_names == ["m", "time"]
    assert got["m"].to_pylist() == [30.0]
    older = peer.get("readings", resample=bins, as_of=1)
    assert older.num_rows == 3
    with refused("InvalidRequestError", "tail", "resample"):
        peer.get("readings", resample=bins, tail=1)
    with refused("InvalidRequestError", "resample", "sql"):
        peer.get("readings", resample=bins, sql="select 1")


def test_a_range_of_a_frame_without_index_is_a_range_of_its_time(peer: Peer) -> None:
    table = minutes(180)
    peer.put("readings", table.take(list(reversed(range(180)))))
    bins = {"rule": "h", "aggregation_func": "count", "time_col": "time"}
    got = peer.get("readings", resample=bins, start="2024-01-01T00:30:00Z", stop="2024-01-01T02:00:00Z")
    assert got["n"].to_pylist() == [30, 60]
    exact = peer.get(
        "readings", resample=bins, start="2024-01-01T02:59:00Z", stop="2024-01-01T02:59:00Z", closed="both"
    )
    assert exact["n"].to_pylist() == [1]


def test_a_zone_makes_days_of_a_place(peer: Peer) -> None:
    peer.put("readings", minutes(24 * 60), index=["time"])
    bins = {"rule": "D", "aggregation_func": "count", "time_zone": "America/New_York"}
    got = peer.get("readings", resample=bins)
    assert got["n"].to_pylist() == [5 * 60, 19 * 60]
    assert got.schema.field("time").type == pa.timestamp("s", "America/New_York")


def test_an_empty_frame_has_no_bins_and_the_same_columns(peer: Peer) -> None:
    peer.put("readings", minutes(0), index=["time"])
    got = peer.get("readings", resample={"rule": "h", "aggregation_func": ["mean", "count"]})
    assert got.num_rows == 0
    assert got.column_names == ["time", "n_mean", "n_count"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rule": "5 parsecs"}, ["rule", "5 parsecs", "the rules are ns, us, ms"]),
        ({"rule": "-5min"}, ["rule", "must be positive"]),
        ({"rule": "5ms"}, ["rule", "no whole number of the column's unit"]),
        ({"aggregation_func": "average"}, ["aggregation_func", "average", "the functions are mean, sum"]),
        ({"aggregation_func": {"m": "mean"}}, ["aggregation_func", "no column `m`", "time, n, text, flag"]),
        ({"aggregation_func": {"time": "max"}}, ["aggregation_func", "`time`"]),
        ({"aggregation_func": "mean"}, ["aggregation_func", "`text` (string, mean)", "numeric_only"]),
        ({"aggregation_func": ["mean", "std"]}, ["`text` (string, mean)", "`text` (string, std)"]),
        ({"time_col": "n"}, ["time_col", "int64", "timestamps"]),
        ({"time_col": "when"}, ["time_col", "no column `when`"]),
        ({"by": ["time"]}, ["by", "`time`"]),
        ({"by": ["sector"]}, ["by", "no column `sector`"]),
        ({"columns": ["x"]}, ["columns", "no column `x`"]),
        ({"closed": "both"}, ["closed", "`left` or `right`"]),
        ({"origin": "noon"}, ["origin", "start_day", "noon"]),
        ({"origin": "end", "rule": "ME"}, ["origin", "fixed length"]),
        ({"offset": "1 week"}, ["offset", "15min"]),
        ({"time_zone": "Mars/Olympus"}, ["time_zone", "Europe/Berlin"]),
        ({"fill": "upwards"}, ["fill", "n", "forward"]),
        ({"fill": "linear", "aggregation_func": {"n": "max"}}, ["fill", "linear", "n"]),
        ({"quantile": 2}, ["quantile", "0 to 1"]),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_field_and_what_is_known(
    peer: Peer, fields: dict[str, object], words: list[str]
) -> None:
    table = minutes(60, text=pa.array(["x"] * 60), flag=pa.array([True] * 60))
    peer.put("readings", table, index=["time"])
    request = {"aggregation_func": "max", **fields}
    with refused("InvalidRequestError", *words):
        act(peer, **request)
    with refused("InvalidRequestError", *words):
        peer.get("readings", resample={"rule": "h", **request})


def test_numeric_only_leaves_out_what_is_no_number(peer: Peer) -> None:
    table = minutes(60, text=pa.array(["x"] * 60), flag=pa.array([True, False] * 30))
    peer.put("readings", table, index=["time"])
    got = peer.get("readings", resample={"rule": "h", "aggregation_func": "mean", "numeric_only": True})
    assert got.column_names == ["time", "n", "flag"]
    assert got["flag"].to_pylist() == [0.5]
    with refused("DataFusionError", "resample", "`text` (string, mean)", "resample('frame', '5min', 'mean'"):
        peer.sql("readings", "select * from resample('readings', 'h', 'mean')")


def test_a_query_reads_only_the_columns_of_the_results_that_it_names(peer: Peer) -> None:
    peer.put("readings", minutes(60, m=pa.array([2.0] * 60)), index=["time"])
    sql = "select m from resample('readings', 'h', 'mean') where m > 1"
    assert peer.sql("readings", sql)["m"].to_pylist() == [2.0]
    plan = peer.sql("readings", "explain " + sql)["plan"].to_pylist()
    assert any("ResampleExec: frame=readings, columns=2, order=by time" in text for text in plan), plan


def test_bins_can_be_joined_with_other_frames(peer: Peer) -> None:
    peer.put("readings", minutes(60), index=["time"])
    joined = peer.sql(
        "readings",
        "select r.n, b.n as total from readings r join resample('readings', 'h', 'sum') b on r.time = b.time",
    )
    assert joined.to_pydict() == {"n": [0], "total": [sum(range(60))]}
