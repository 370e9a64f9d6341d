"""How frames, times and lengths of time can be said, and what comes of it."""

import datetime as dt
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from shoots_client import DataFusionError, InvalidRequestError, NotFoundError, SchemaError, ShootsClient
from shoots_client.values import duration

HOURS = pd.date_range("2024-01-01", periods=48, freq="h", name="time")
FRAME = pd.DataFrame({"n": range(48), "key": list("ab") * 24}, index=HOURS)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        ("5min", "5min"),
        (dt.timedelta(minutes=5), "5min"),
        (dt.timedelta(days=1, microseconds=1), "86400000001us"),
        (pd.Timedelta("1D"), "24h"),
        (pd.Timedelta(7, "ns"), "7ns"),
        (-pd.Timedelta("90min"), "-90min"),
        (np.timedelta64(250, "ms"), "250ms"),
        (pd.offsets.Hour(2), pd.offsets.Hour(2).freqstr),
        (pd.offsets.Week(weekday=4), "W-FRI"),
        (5, 5),
    ],
)
def test_lengths_of_time_are_said_in_every_way(length: object, text: object) -> None:
    assert duration(length) == text


def test_an_offset_without_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="give a text such as 'D'"):
        duration(pd.DateOffset(days=1, hours=1))


@pytest.mark.parametrize("rule", ["6h", dt.timedelta(hours=6), pd.Timedelta("6h"), pd.offsets.Hour(6)])
def test_bins_are_asked_for_by_their_length(client: ShootsClient, rule: object) -> None:
    client.put("hours", FRAME)
    got = client.get("hours", columns=None, resample=rule, aggregation_func={"n": "sum"})
    assert got["n"].tolist() == FRAME["n"].resample("6h").sum().tolist()
    said = client.get("hours", resample={"rule": rule, "offset": pd.Timedelta("1h"), "aggregation_func": {"n": "sum"}})
    assert said["n"].tolist() == FRAME["n"].resample("6h", offset="1h").sum().tolist()
    client.resample("hours", "sums", rule, aggregation_func={"n": "sum"}, offset=pd.Timedelta("1h"))
    assert client.get("sums")["n"].tolist() == said["n"].tolist()


def test_bins_need_a_length_and_a_function(client: ShootsClient) -> None:
    with pytest.raises(ValueError, match='aggregation_func="mean"'):
        client.get("hours", resample="D")
    with pytest.raises(ValueError, match='resample="D"'):
        client.get("hours", aggregation_func="mean")


@pytest.mark.parametrize("tolerance", ["30min", pd.Timedelta("30min"), dt.timedelta(minutes=30), pd.offsets.Minute(30)])
def test_tolerances_are_lengths_of_time(client: ShootsClient, tolerance: object) -> None:
    client.put("hours", FRAME[["n"]])
    late = pd.DataFrame({"time": HOURS[:2] + pd.to_timedelta(["10min", "40min"]), "x": [1, 2]})
    client.put("late", late)
    got = client.asof_join("late", "hours", "time", tolerance=tolerance)
    assert got["n"].isna().tolist() == [False, True]
    client.combine("asof", ["late", "hours"], "joined", on="time", tolerance=tolerance)
    assert client.get("joined")["n"].isna().tolist() == [False, True]


def test_a_frame_in_a_bucket_is_named_with_it_everywhere(client: ShootsClient) -> None:
    client.put("plant/hours", FRAME)
    assert client.list() == []
    assert [frame["name"] for frame in client.list("plant")] == ["hours"]
    assert_frame_equal(client.get("plant/hours"), client.get("hours", bucket="plant"))
    assert client.get("plant/hours", "select max(n) as n from hours")["n"].item() == 47
    assert client.describe("plant/hours")["rows"] == 48
    client.put("plant/hours", FRAME[:1], "append")
    assert len(client.log("plant/hours")) == 2
    assert client.tag("plant/hours", "first", as_of=1)["version"] == 1
    assert client.diff_rows("plant/hours", "first").shape[0] == 1
    assert client.snapshot("all", ["plant/hours"])["frames"][0]["bucket"] == "plant"
    assert client.copy("plant/hours", "lab/hours")["bucket"] == "lab"
    assert client.rename("lab/hours", "days")["bucket"] == "lab"
    client.resample("plant/hours", "lab/sums", "D", aggregation_func={"n": "sum"})
    client.combine("concat", ["plant/hours", {"name": "plant/hours", "as_of": 1}], "lab/both")
    assert client.describe("lab/both")["rows"] == 97
    assert len(client.asof_join("plant/hours", "lab/days", "time")) == 49
    assert list(client.get_many(["plant/hours", "lab/days"])) == ["plant/hours", "lab/days"]
    assert client.lazy("plant/hours").collect().height == 49
    assert client.set_retention({"keep_versions": 3}, "plant/hours")["effective"]["keep_versions"] == 3
    client.delete("lab/days")
    assert not client.exists("lab/days")
    client.undelete("lab/days")
    assert client.exists("lab/days")
    with pytest.raises(InvalidRequestError, match="/"):
        client.get("plant/hours", bucket="lab")


def test_a_query_gives_the_columns_that_it_selects_and_get_the_frame(client: ShootsClient) -> None:
    client.put("hours", FRAME)
    client.put("levels", FRAME.set_index("key", append=True))
    got = client.sql("select n, time, key from hours order by n")
    assert got.columns.tolist() == ["n", "time", "key"]
    assert isinstance(got.index, pd.RangeIndex)
    assert_frame_equal(got.set_index("time"), FRAME, check_freq=False)
    assert client.sql("select time, n from levels").columns.tolist() == ["time", "n"]
    assert client.sql("select key, n, time from levels").columns.tolist() == ["key", "n", "time"]
    assert_frame_equal(client.get("hours", "select n, time, key from hours"), FRAME, check_freq=False)


@pytest.mark.parametrize("labels", [["n", "m"], [0, 1], pd.MultiIndex.from_tuples([("n", 1), ("m", 2)])])
def test_levels_without_a_name_have_that_of_their_column_in_a_query(client: ShootsClient, labels: object) -> None:
    levels = pd.MultiIndex.from_arrays([[5, 7], ["x", "y"]])
    client.put("frame", pd.DataFrame([[1, 2], [3, 4]], index=levels, columns=labels))
    got = client.sql("select * from frame")
    assert got.columns.tolist() == client.schema("frame").names
    assert got["__index_level_0__"].tolist() == [5, 7]
    assert got["__index_level_1__"].tolist() == ["x", "y"]


def test_columns_keep_their_dtypes_in_a_query(client: ShootsClient) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None], dtype="Int64"),
            "kind": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True),
        },
        index=pd.Index(["a", "b"], name="key"),
    )
    client.put("frame", frame)
    got = client.sql("select whole, key, kind from frame order by key")
    assert got.dtypes["whole"] == frame.dtypes["whole"]
    assert got.dtypes["kind"] == frame.dtypes["kind"]
    assert got["key"].tolist() == ["a", "b"]


def test_ranges_of_several_levels_are_of_the_first(client: ShootsClient) -> None:
    levels = FRAME.set_index("key", append=True)
    client.put("levels", levels)
    got = client.get("levels", start="2024-01-01T02:00", stop="2024-01-01T04:00")
    assert got["n"].tolist() == [2, 3]
    both = client.get("levels", start="2024-01-01T02:00", stop="2024-01-01T04:00", closed="both")
    assert both["n"].tolist() == [2, 3, 4]


def test_times_of_any_zone_choose_of_any_index(client: ShootsClient) -> None:
    berlin = FRAME.tz_localize("Europe/Berlin")
    client.put("berlin", berlin)
    client.put("plain", FRAME)
    noon = pd.Timestamp("2024-01-01 12:00", tz="Europe/Berlin")
    for same in (
        noon,
        noon.tz_convert("America/New_York"),
        noon.to_pydatetime(),
        noon.tz_convert("UTC").tz_localize(None),
    ):
        assert client.get("berlin", start=same, limit=1)["n"].item() == 12
        assert client.get("plain", start=same, limit=1)["n"].item() == 11


def test_what_libraries_refuse_is_an_error_of_ours_with_theirs_as_its_cause(client: ShootsClient) -> None:
    with pytest.raises(NotFoundError, match="no such frame"):
        client.schema("absent")
    with pytest.raises(SchemaError, match="one type that Arrow has") as mixed:
        client.put("mixed", pd.DataFrame({"a": [1, "x"]}))
    assert isinstance(mixed.value.__cause__, pa.ArrowException)
    client.put("far", pa.table({"a": pa.array([4_000_000], pa.date32())}))
    with pytest.raises(SchemaError, match='get them with as_="arrow"') as far:
        client.get("far")
    assert far.value.__cause__ is not None
    assert client.get("far", as_="arrow").num_rows == 1


def test_a_number_is_no_time(client: ShootsClient) -> None:
    client.put("hours", FRAME)
    with pytest.raises(InvalidRequestError, match=r'start: 20240101 is no value of column time .* "2024-01-31"'):
        client.get("hours", start=20240101)
    with pytest.raises(DataFusionError, match="tolerance"):
        client.asof_join("hours", "hours", "time", tolerance=5)


def test_numbers_of_numpy_are_numbers_wherever_a_request_has_one(client: ShootsClient) -> None:
    numbers: dict[str, Any] = {"limit": np.int64(2), "offset": np.int8(1)}
    path: Any = PurePosixPath("frame")
    client.put("frame", pd.DataFrame({"a": range(5)}), metadata={"run": np.int64(7), "share": np.float64(0.5)})
    assert client.get("frame", **numbers)["a"].to_list() == [1, 2]
    assert client.log("frame")[0]["metadata"] == {"run": 7, "share": 0.5}
    with pytest.raises(TypeError, match="of type PurePosixPath cannot be sent; give a number, a text"):
        client.get(path)
