"""Puts: of which dataframes, with which index, in parts, and what remains of those that fail."""

import datetime as dt
import re
import warnings
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from shoots_client import (
    CancelledError,
    ColumnsAddedWarning,
    InvalidRequestError,
    ManyFramesError,
    PutMode,
    SchemaError,
    ShootsClient,
)
from shoots_client.conversion.outgoing import holds_objects

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = pd.date_range("2024-01-01", periods=4, name="day")
FRAME = pd.DataFrame({"a": [1, 2, 3, 4]}, index=DAYS)


def index_of(client: ShootsClient, name: str) -> list[str]:
    return [column["name"] for column in client.describe(name)["index"]]


def test_an_index_of_pandas_becomes_that_of_the_frame_if_no_row_moves(client: ShootsClient) -> None:
    taken = {
        "times": FRAME,
        "times without a name": FRAME.rename_axis(None),
        "zone": FRAME.tz_localize("Europe/Berlin"),
        "numbers": FRAME.set_axis(pd.Index([1, 2, 2, 5], name="id")),
        "text": FRAME.set_axis(pd.Index(["a", "b", "c", "d"], name="key")),
        "two levels": FRAME.set_axis(pd.MultiIndex.from_product([DAYS[:2], ["x", "y"]], names=["day", "key"])),
    }
    left = {
        "row numbers": FRAME.reset_index(drop=True),
        "what a filter left": FRAME.reset_index(drop=True)[1:],
        "descending": FRAME[::-1],
        "categories": FRAME.set_axis(pd.CategoricalIndex(["b", "b", "a", "a"], ["b", "a"], name="kind")),
        "missing": FRAME.set_axis(pd.DatetimeIndex([*DAYS[:3], pd.NaT], name="day")),
        "floats": FRAME.set_axis(pd.Index([0.5, 1.5, 2.5, 3.5], name="x")),
    }
    client.put_many({**taken, **left})
    assert all(index_of(client, name) for name in taken)
    assert not any(index_of(client, name) for name in left)
    assert index_of(client, "two levels") == ["day", "key"]
    for name, frame in {**taken, **left}.items():
        assert_frame_equal(client.get(name), frame)


def test_an_index_can_be_chosen_and_declined(client: ShootsClient) -> None:
    client.put("declined", FRAME, index=False)
    client.put("forced", FRAME[::-1], index=True)
    client.put("named", FRAME.reset_index(), index="a")
    assert [index_of(client, name) for name in ("declined", "forced", "named")] == [[], ["day"], ["a"]]
    assert client.get("forced").index.is_monotonic_increasing
    with pytest.raises(ValueError, match="no pandas index"):
        client.put("none", pl.DataFrame({"a": [1]}), index=True)


def test_rows_are_added_to_frames_with_and_without_an_index(client: ShootsClient) -> None:
    client.put("without", FRAME, index=False)
    for name in ("with", "without"):
        client.put(name, FRAME[2:], PutMode.APPEND)
        client.put(name, FRAME[:2], PutMode.APPEND)
    assert client.get("with")["a"].tolist() == [1, 2, 3, 4]
    assert client.get("without")["a"].tolist() == [1, 2, 3, 4, 3, 4, 1, 2]


def test_a_range_is_corrected_and_rows_are_replaced_by_key(client: ShootsClient) -> None:
    client.put("frame", FRAME)
    client.update("frame", FRAME[:1] * 10, start="2024-01-01", stop="2024-01-03")
    assert client.get("frame")["a"].tolist() == [10, 3, 4]
    late = pd.DataFrame({"a": [30, 50]}, index=pd.DatetimeIndex(["2024-01-03", "2024-01-05"], name="day"))
    assert client.upsert("frame", late)["version"] == 3
    assert client.get("frame")["a"].tolist() == [10, 30, 4, 50]
    assert client.get("frame", as_of=1)["a"].tolist() == [1, 2, 3, 4]


def test_integers_that_pandas_made_floats_of_go_back_as_integers(client: ShootsClient) -> None:
    days = pa.array(DAYS.to_numpy())
    client.put("frame", pa.table({"day": days, "n": pa.array([1, None, 3, 2**53], pa.int64())}), index="day")
    rows = client.get("frame")
    assert rows["n"].dtype == "float64"
    assert client.update("frame", rows[:3].assign(n=[5, None, 7]))["rows"] == 3
    assert client.upsert("frame", rows[:1].assign(n=6.0))["rows"] == 1
    assert client.get("frame", as_="arrow")["n"].to_pylist() == [6, None, 7, 2**53]
    assert client.schema("frame").field("n").type == pa.int64()
    for wrong in (0.5, 1e300, float("inf")):
        with pytest.raises(SchemaError, match="`n` is double, the frame has int64"):
            client.upsert("frame", rows[:1].assign(n=wrong))
    with pytest.raises(SchemaError):
        client.upsert("frame", pl.DataFrame({"day": DAYS[:1], "n": [1.0]}))
    assert client.describe("frame")["version"] == 3


def test_every_kind_of_dataframe_is_put(client: ShootsClient) -> None:
    table = pa.table({"a": pa.array([1, 2, 3], pa.int64())})
    kinds = {
        "table": table,
        "batch": table.to_batches()[0],
        "reader": pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1)),
        "polars": pl.DataFrame({"a": [1, 2, 3]}),
        "lazy": pl.LazyFrame({"a": [1, 2, 3]}),
        "pandas": pd.DataFrame({"a": [1, 2, 3]}),
        "parts": (pd.DataFrame({"a": [n]}) for n in (1, 2, 3)),
        "list": [pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [3]})],
    }
    for name, frame in kinds.items():
        assert client.put(name, frame)["rows"] == 3
        assert client.get(name)["a"].tolist() == [1, 2, 3], name
        assert client.get(name).index.equals(pd.RangeIndex(3)), name


@pytest.mark.parametrize(
    "nothing", ["text", 5, {"a": [1]}, pd.Series([1]), pl.Series([1]), pa.chunked_array([[1]]), None]
)
def test_what_is_no_dataframe_is_refused(client: ShootsClient, nothing: object) -> None:
    with pytest.raises(TypeError, match="cannot put a"):
        client.put("frame", nothing)
    assert not client.exists("frame")


def test_frames_that_arrow_cannot_hold_are_refused_with_advice(client: ShootsClient) -> None:
    with pytest.raises(ValueError, match="several columns are called a"):
        client.put("frame", pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(SchemaError, match=r"column 'a': .*give it values of one type") as mixed:
        client.put("frame", pd.DataFrame({"a": [1, "x"]}))
    assert isinstance(mixed.value.__cause__, pa.ArrowException)
    with pytest.raises(ValueError, match="nothing to put"):
        client.put("frame", iter([]))
    for values in ([2**70], [{"of a part": 2**70}], [1, 1j], ["half of a pair \ud800"]):
        with pytest.raises(SchemaError, match=r"column 'a': .*give it values of one type"):
            client.put("frame", pd.DataFrame({"b": range(len(values)), "a": pd.Series(values, dtype=object)}))
    with pytest.raises(SchemaError, match="the index: "):
        client.put("frame", pd.DataFrame({"a": [1]}, index=[2**80]))
    with pytest.raises(SchemaError, match=r"'far' .Int128.; cast it"):
        client.put("frame", pl.DataFrame({"near": [1], "far": [2**100]}, schema={"near": pl.Int64, "far": pl.Int128}))


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ([dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 5)], "datetime.datetime(2024, 1, 1, 5, 0)"),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=BERLIN)], "datetime.datetime(2024, 1, 1, 0, 0, tz"),
        ([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, tzinfo=BERLIN)], "Berlin"),
        ([pd.Timestamp(1)], "Timestamp('1970-01-01 00:00:00.000000001')"),
        ([pd.Timedelta(1)], "Timedelta('0 days 00:00:00.000000001')"),
        ([[], [pd.Timestamp(1)]], "[Timestamp("),
        ([{"at": pd.Timestamp(1)}, None], "{'at': Timestamp("),
        ([dt.time(1, tzinfo=dt.UTC)], "datetime.time(1, 0, tzinfo="),
        ([b"a", "b"], "'b'"),
    ],
)
def test_objects_that_would_come_back_as_others_are_refused(
    client: ShootsClient, values: list[object], changed: str
) -> None:
    objects = pd.Series(values, dtype=object)
    with pytest.raises(
        SchemaError, match=rf"column 'a': .*{re.escape(changed)}.* would become .*make them of one type"
    ):
        client.put("frame", pd.DataFrame({"b": range(len(values)), "a": objects}))
    if not isinstance(values[0], list | dict):
        with pytest.raises(SchemaError, match=r"the index: .* would become "):
            client.put("frame", pd.DataFrame({"b": range(len(values))}, index=pd.Index(objects, dtype=object)))
    assert not client.exists("frame")


@pytest.mark.parametrize(
    "values",
    [
        [dt.date(2024, 1, 1), None, dt.date(1, 1, 1)],
        [dt.datetime(2024, 1, 1, 5), None],
        [dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1)],
        [dt.timedelta(microseconds=1), None],
        [dt.time(1, 2, 3, 4), None],
        [b"a", None, b""],
        [[dt.date(2024, 1, 1), None], None, []],
        [{"at": dt.datetime(2024, 1, 1), "raw": b"a"}, None],
    ],
)
def test_objects_of_one_type_come_back(client: ShootsClient, values: list[object]) -> None:
    client.put("frame", pd.DataFrame({"a": pd.Series(values, dtype=object)}))
    got = client.get("frame")["a"].tolist()
    assert [in_utc(value) for value in got] == [in_utc(value) for value in values]
    assert [type(value) for value in got] == [type(value) for value in values]


def in_utc(value: object) -> object:
    """A time with a zone as others of its moment: Python calls it equal to none of another zone where it was twice."""
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value


def test_what_pandas_could_not_make_again_is_refused(client: ShootsClient) -> None:
    for values in (pd.Categorical([(1, 2), (3, 4)]), pd.interval_range(pd.Timestamp("2024", tz="UTC"), periods=2)):
        with pytest.raises(SchemaError, match="column 'a': "):
            client.put("frame", pd.DataFrame({"a": values}))


def test_python_objects_of_polars_are_refused_as_they_would_be_stored_as_addresses(client: ShootsClient) -> None:
    frame = pl.DataFrame({"n": [1], "thing": pl.Series([object()], dtype=pl.Object)})
    for dataframe in (frame, frame.lazy(), [frame]):
        with pytest.raises(SchemaError, match=r"column 'thing' holds Python objects .Object.*String"):
            client.put("frame", dataframe)
    assert not client.exists("frame")


def test_python_objects_are_found_within_types_of_polars() -> None:
    within = [pl.List(pl.Object), pl.Array(pl.Object, 2), pl.Struct({"a": pl.Int64, "b": pl.List(pl.Object)})]
    assert [holds_objects(dtype) for dtype in within] == [True, True, True]
    assert not holds_objects(pl.Struct({"a": pl.List(pl.Int64)}))


def test_a_whole_number_of_numpy_says_how_many_rows_a_batch_has(client: ShootsClient) -> None:
    assert client.put("frame", FRAME, batch_size=np.int64(2))["rows"] == len(FRAME)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", PutMode)
def test_a_frame_without_columns_is_refused_as_such(client: ShootsClient, mode: PutMode) -> None:
    with pytest.raises(SchemaError, match="at least one column"):
        client.put("frame", pd.DataFrame(), mode)


def test_an_upsert_that_adds_columns_warns_of_them_where_it_is_called(client: ShootsClient) -> None:
    client.upsert("frame", FRAME)
    with pytest.warns(ColumnsAddedWarning, match="added columns to frame: 'b', 'c'; ") as caught:
        done = client.upsert("frame", FRAME.assign(b=1, c=2))
    assert (done["columns_added"], [warning.filename for warning in caught]) == (["b", "c"], [__file__])
    assert "columns_added" not in client.upsert("frame", FRAME.assign(b=3))
    with pytest.warns(ColumnsAddedWarning, match="'d'"):
        client.put("frame", FRAME.assign(d=1), PutMode.UPSERT)


@pytest.mark.filterwarnings("error")
def test_an_upsert_whose_warning_is_an_error_says_that_it_was_applied_and_keeps_its_result(
    client: ShootsClient,
) -> None:
    client.upsert("frame", FRAME)
    with pytest.raises(ColumnsAddedWarning, match=r"was applied, as version 2,.*`restore` version 1") as raised:
        client.upsert("frame", FRAME.assign(b=1))
    assert (raised.value.result["version"], raised.value.result["columns_added"]) == (2, ["b"])
    with pytest.raises(ColumnsAddedWarning) as raised:
        client.put_many({"frame": FRAME.assign(c=1), "other": FRAME}, PutMode.UPSERT)
    assert {name: put["version"] for name, put in raised.value.result.items()} == {"frame": 3, "other": 1}


def test_columns_that_many_upserts_add_are_told_where_they_are_called(client: ShootsClient) -> None:
    client.put_many({"one": FRAME, "two": FRAME}, PutMode.UPSERT)
    with pytest.warns(ColumnsAddedWarning) as caught:
        client.put_many({"one": FRAME.assign(b=1), "two": FRAME.assign(b=1)}, PutMode.UPSERT)
    assert [warning.filename for warning in caught] == [__file__, __file__]
    misfit = {"one": FRAME.assign(c=1), "two": FRAME.assign(c=1), "bad/name/": FRAME}
    with pytest.warns(ColumnsAddedWarning) as caught, pytest.raises(ManyFramesError):
        client.put_many(misfit, PutMode.UPSERT)
    assert len(caught) == 2


def test_puts_in_threads_leave_the_filters_of_warnings_as_they_are(client: ShootsClient) -> None:
    # Labels of several types, and attributes that are no JSON, are what pyarrow warns of.
    odd = pd.DataFrame({"a": [1], 2: [2]})
    odd.attrs = {"no JSON": object()}
    before = list(warnings.filters)
    for mode in (PutMode.REPLACE, PutMode.UPSERT):
        index = "a" if mode is PutMode.REPLACE else None
        client.put_many({f"odd {number}": odd for number in range(16)}, mode, at_once=16, index=index)
        assert warnings.filters == before
    assert_frame_equal(client.get("odd 0"), odd)


@pytest.mark.parametrize("size", [0, -1, 1.5, "10", 2**70])
def test_a_batch_has_a_whole_number_of_rows(client: ShootsClient, size: object) -> None:
    with pytest.raises(InvalidRequestError, match="batch_size must be a whole number of rows, 1 or more"):
        client.put("frame", pd.DataFrame({"a": [1]}), batch_size=size)  # type: ignore[arg-type]


def test_a_mode_in_capitals_is_told_how_it_is_written(client: ShootsClient) -> None:
    with pytest.raises(ValueError, match="'Append' is not a valid PutMode; did you mean 'append'"):
        client.put("frame", pd.DataFrame({"a": [1]}), "Append")


def test_a_source_that_breaks_changes_nothing(client: ShootsClient) -> None:
    def broken() -> Iterator[pa.Table]:
        yield pa.table({"a": range(1000)})
        yield pa.table({"a": range(1000)})
        raise RuntimeError("the source broke")

    client.put("old", pa.table({"a": [1]}))
    for name, mode in [("new", PutMode.ERROR), ("old", PutMode.APPEND)]:
        with pytest.raises(RuntimeError, match="the source broke"):
            client.put(name, broken(), mode)
    assert not client.exists("new")
    assert client.describe("old")["rows"] == 1


def test_an_interrupt_changes_nothing(client: ShootsClient) -> None:
    def interrupted() -> Iterator[pa.Table]:
        yield pa.table({"a": range(1000)})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.put("frame", interrupted())
    assert not client.exists("frame")
    assert issubclass(CancelledError, Exception)


def test_parts_of_other_types_are_refused(client: ShootsClient) -> None:
    with pytest.raises(SchemaError, match="part 2 has other types than the first one"):
        client.put("frame", iter([pa.table({"a": [1]}), pa.table({"a": ["x"]})]))
    with pytest.raises(SchemaError, match=r"part 2 has the columns \['b'\]"):
        client.put("frame", iter([pa.table({"a": [1]}), pa.table({"b": [1]})]))
    assert not client.exists("frame")


def test_of_many_puts_those_that_fail_are_told_and_the_others_stay(client: ShootsClient) -> None:
    client.put("there", FRAME)
    with pytest.raises(ManyFramesError, match="1 of 2 frames failed: there") as failed:
        client.put_many({"there": FRAME, "new": FRAME})
    assert list(failed.value.results) == ["new"]
    assert isinstance(failed.value.errors["there"], FileExistsError)
    assert client.exists("new")


def test_what_a_commit_says_about_itself_is_kept(client: ShootsClient) -> None:
    client.put("frame", FRAME, message="first", author="ada", metadata={"feed": 7})
    (commit,) = client.log("frame")
    assert (commit["message"], commit["author"], commit["metadata"]) == ("first", "ada", {"feed": 7})
