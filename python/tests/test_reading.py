"""Gets: parts of frames, older states, queries, columns of many frames, streams."""

import datetime as dt
import decimal
import io
import math
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from shoots_client import ManyFramesError, NotFoundError, Progress, ShootsClient, progress

HOURS = pd.date_range("2024-01-01", periods=48, freq="h", name="time")
FRAME = pd.DataFrame({"n": range(48), "half": [n / 2 for n in range(48)], "key": list("ab") * 24}, index=HOURS)


@pytest.fixture
def filled(client: ShootsClient) -> ShootsClient:
    client.put("hours", FRAME)
    return client


@pytest.mark.parametrize(
    "noon",
    [
        "2024-01-01T12:00",
        dt.datetime(2024, 1, 1, 12),
        dt.datetime(2024, 1, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        pd.Timestamp("2024-01-01 12:00:00"),
        np.datetime64("2024-01-01T12:00:00.000000000"),
    ],
)
def test_ranges_are_of_any_kind_of_time_and_keep_the_frequency(filled: ShootsClient, noon: object) -> None:
    got = filled.get("hours", start=noon, stop=dt.date(2024, 1, 2))
    assert_frame_equal(got, FRAME["2024-01-01 12:00":"2024-01-01 23:59"])
    assert got.index.freqstr == HOURS.freqstr


def test_parts_are_what_was_asked_for(filled: ShootsClient) -> None:
    assert_frame_equal(filled.get("hours", tail=3), FRAME[-3:])
    assert_frame_equal(filled.get("hours", limit=2, offset=5), FRAME[5:7])
    assert filled.get("hours", columns=["key", "n"]).columns.tolist() == ["key", "n"]
    both = filled.get("hours", start="2024-01-01T01:00", stop="2024-01-01T03:00", closed="both")
    assert both["n"].tolist() == [1, 2, 3]


def test_rows_that_do_not_follow_the_frequency_lose_it(filled: ShootsClient) -> None:
    got = filled.get("hours", sql="select * from hours where key = 'a' or n = 1")
    assert got["n"].tolist()[:3] == [0, 1, 2]
    assert got.index.name == "time"
    assert got.index.freq is None


def test_older_states_are_named_in_every_way(filled: ShootsClient) -> None:
    before = pd.Timestamp(filled.log("hours")[0]["published"])
    commit = filled.log("hours")[0]["commit"]
    filled.tag("hours", "first")
    filled.delete_rows("hours", "n > 0")
    filled.snapshot("one row", ["hours"])
    for state in (1, -3, "first", commit[:12], before, {"tag": "first"}, {"version": 1}, {"time": before}):
        assert len(filled.get("hours", as_of=state)) == 48, state
    assert len(filled.get("hours", as_of={"snapshot": "one row"})) == 1
    with pytest.raises(NotFoundError):
        filled.get("hours", as_of=99)
    assert filled.exists("hours", as_of="first")
    assert not filled.exists("hours", as_of={"tag": "second"})


def test_queries_take_parameters_of_any_kind(filled: ShootsClient) -> None:
    named = filled.get(
        "hours", sql="select n from hours where key = $key and n < $most", parameters={"key": "b", "most": 4}
    )
    assert named["n"].tolist() == [1, 3]
    values = [dt.datetime(2024, 1, 2, 20), np.int64(46), decimal.Decimal("23.5"), True]
    listed = filled.sql(
        "select n from hours where time >= $1 and n >= $2 and half <= $3 and $4", parameters=values, as_="arrow"
    )
    assert listed["n"].to_pylist() == [46, 47]


def test_queries_without_a_frame_see_all_buckets_and_a_time(filled: ShootsClient) -> None:
    filled.put("hours", FRAME[:1], bucket="plant")
    both = "select count(*) as c from hours union all select count(*) from plant.hours order by c"
    assert filled.sql(both, as_="polars")["c"].to_list() == [1, 48]
    assert filled.sql("select count(*) as c from hours", "plant")["c"].item() == 1
    before = pd.Timestamp(filled.log("hours")[0]["published"])
    filled.delete_rows("hours", "n > 0")
    assert filled.sql("select count(*) as c from hours")["c"].item() == 1
    assert filled.sql("select count(*) as c from hours", as_of=before)["c"].item() == 48
    assert len(filled.sql("select * from as_of('hours', 1)", limit=5, offset=46)) == 2
    with pytest.raises(ValueError, match="must be a time"):
        filled.sql("select 1", as_of={"version": 1})


def test_every_form_is_given(filled: ShootsClient) -> None:
    assert isinstance(filled.get("hours"), pd.DataFrame)
    assert isinstance(filled.get("hours", as_="polars"), pl.DataFrame)
    assert isinstance(filled.get("hours", as_="arrow"), pa.Table)
    assert filled.schema("hours").names == ["n", "half", "key", "time"]
    assert filled.schema("hours", sql="select n as m from hours").names == ["m"]


def test_columns_of_many_frames_are_aligned(filled: ShootsClient) -> None:
    filled.put("days", pd.DataFrame({"d": [1, 2]}, index=pd.DatetimeIndex(HOURS[::24], name="time")))
    got = filled.columns(["n", "days.d"], start=dt.date(2024, 1, 2), limit=2, as_="polars")
    assert got.rows() == [(dt.datetime(2024, 1, 2), 24, 2), (dt.datetime(2024, 1, 2, 1), 25, None)]
    with pytest.raises(ManyFramesError, match="absent"):
        filled.get_many(["days", "absent"])


def test_a_frame_is_streamed_and_can_be_left_early(filled: ShootsClient) -> None:
    for _ in range(20):
        filled.put("many", FRAME.reset_index(), "append")
    pieces = filled.iter_batches("many", columns=["n"])
    assert next(pieces).num_rows > 0
    pieces.close()  # type: ignore[attr-defined]
    assert sum(len(piece) for piece in filled.iter_batches("many", as_="pandas")) == 20 * 48
    assert sum(piece.height for piece in filled.iter_batches("many", as_="polars", limit=100)) == 100
    with pytest.raises(NotFoundError):
        next(filled.iter_batches("absent"))


def test_bins_of_time_are_got_without_being_stored(filled: ShootsClient) -> None:
    bins = {"rule": "D", "aggregation_func": {"n": ("min", "max")}, "by": ("key",)}
    got = filled.get("hours", resample=bins, as_="polars")
    assert got.select("key", "n_min", "n_max").rows() == [("a", 0, 22), ("b", 1, 23), ("a", 24, 46), ("b", 25, 47)]


def test_progress_is_told_to_a_function(client: ShootsClient) -> None:
    told: list[Progress] = []
    client.put("frame", pa.table({"a": range(100)}), batch_size=30, progress=told.append)
    assert [(step.done, step.total) for step in told] == [(30, 100), (60, 100), (90, 100), (100, 100)]
    assert told[-1].what == "put frame"
    told.clear()
    client.get("frame", progress=told.append)
    assert (told[-1].done, told[-1].total) == (100, 100)
    assert told[-1].bytes >= 800


def test_a_bar_is_shown_when_it_is_asked_for(client: ShootsClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.put("frame", pa.table({"a": range(100)}), progress=True)
    assert "put frame: 100%" in capsys.readouterr().err
    client.get("frame")
    assert capsys.readouterr().err == ""


def test_what_takes_long_shows_a_bar_by_itself_on_a_terminal(
    client: ShootsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown, piped = Terminal(), io.StringIO()
    rows = pa.table({"a": range(100)})
    for place, patience in [(shown, math.inf), (shown, 0.0), (piped, 0.0)]:
        monkeypatch.setattr(sys, "stderr", place)
        monkeypatch.setattr(progress, "PATIENCE", patience)
        client.put("frame", rows, mode="replace", batch_size=30)
        assert ("put frame" in shown.getvalue()) == (patience == 0.0)
    assert piped.getvalue() == ""


def test_words_that_nobody_knows_are_refused_with_those_that_are(client: ShootsClient) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'batch_size'; use columns, start, stop"):
        client.iter_batches("frame", batch_size=10)  # type: ignore[call-arg]
