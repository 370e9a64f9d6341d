"""Dataframes of pandas and Polars: out of the server comes the frame that went in."""

import datetime as dt
import decimal
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

from flight_peer import Peer

DAYS = pd.date_range("2024-03-08", periods=4, freq="D")


def categoricals() -> pd.DataFrame:
    sizes = pd.CategoricalDtype(["small", "medium", "large", "unused"], ordered=True)
    return pd.DataFrame(
        {
            "size": pd.Series(["large", "small", None, "small"], dtype=sizes),
            "colour": pd.Categorical(["red", None, "blue", "red"], ["green", "red", "blue"]),
            "number": pd.Categorical([3, 1, 2, 1]),
            "day": pd.Categorical(DAYS),
            "empty": pd.Categorical([None] * 4, categories=["never"]),
        }
    )


def nullable() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Int8": pd.array([1, None, -128, 127], dtype="Int8"),
            "Int64": pd.array([2**63 - 1, None, 0, 1], dtype="Int64"),
            "UInt64": pd.array([2**64 - 1, None, 0, 1], dtype="UInt64"),
            "Float32": pd.array([1.5, None, 0.0, -1.0], dtype="Float32"),
            "boolean": pd.array([True, None, False, True], dtype="boolean"),
            "string": pd.array(["a", None, "", "é"], dtype="string"),
            "arrow": pd.array([1, None, 2, 3], dtype=pd.ArrowDtype(pa.int16())),
        }
    )


def times() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "nanoseconds": pd.to_datetime([1, 2**62, None, -1], unit="ns"),
            "seconds": DAYS.as_unit("s"),
            "berlin": DAYS.tz_localize("Europe/Berlin"),
            "new york": pd.date_range("2024-11-03", periods=4, freq="h", tz="America/New_York"),
            "utc": DAYS.tz_localize("UTC").as_unit("ns"),
            "offset": DAYS.tz_localize(dt.timezone(dt.timedelta(hours=5, minutes=30))),
            "duration": pd.to_timedelta([1, None, -1, 10**18], unit="ns"),
            "date": [dt.date(1, 1, 1), None, dt.date(2024, 2, 29), dt.date(9999, 12, 31)],
            "time": [dt.time(0), None, dt.time(23, 59, 59, 999_999), dt.time(12)],
        }
    )


def plain_values() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "float": [np.nan, np.inf, -0.0, 1.5],
            "half": np.array([np.nan, 1, 2, 65504], np.float16),
            "int": np.array([-(2**63), 2**63 - 1, 0, 1]),
            "uint": np.array([0, 2**64 - 1, 1, 2], np.uint64),
            "bool": [True, False, True, False],
            "text": ["", None, "é🐘", "x" * 10_000],
            "bytes": [b"", None, b"\xff\x00", b"x"],
            "decimal": [
                decimal.Decimal("1.10"),
                None,
                decimal.Decimal("-99.99"),
                decimal.Decimal(0),
            ],
            "list": [[1, 2], None, [], [3]],
            "mixed nulls": [None, None, None, None],
        }
    )


INDEXES: dict[str, Callable[[], pd.Index]] = {
    "range": lambda: pd.RangeIndex(10, 18, 2),
    "named": lambda: pd.Index([4, 3, 2, 1], name="id"),
    "text": lambda: pd.Index(["d", "c", "b", "a"], name="key"),
    "times": lambda: pd.DatetimeIndex(DAYS.tz_localize("UTC"), name="when"),
    "categories": lambda: pd.CategoricalIndex(["x", "y", "x", "y"], name="kind"),
    "two levels": lambda: pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["one", "two"]),
    "unnamed levels": lambda: pd.MultiIndex.from_product([["a", "b"], DAYS[:2]]),
    "repeated": lambda: pd.Index([1, 1, 1, 1]),
}


def plain_values_by(index: Callable[[], pd.Index]) -> pd.DataFrame:
    return plain_values().drop(columns="list").set_axis(index())


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "categoricals": categoricals,
    "nullable types": nullable,
    "times": times,
    "plain values": plain_values,
    "no rows": lambda: plain_values().iloc[:0],
    "columns that are numbers": lambda: pd.DataFrame([[1, 2], [3, 4]], columns=[2020, 2021]),
    "two levels of columns": lambda: pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    ),
    "a slice of rows": lambda: categoricals().iloc[1:3],
    **{f"index: {title}": partial(plain_values_by, make) for title, make in INDEXES.items()},
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES.keys())
def test_a_pandas_frame_comes_back(peer: Peer, make: Callable[[], pd.DataFrame]) -> None:
    # What arrow itself makes of the frame, which only differs where arrow has a type of its own.
    expected = pa.Table.from_pandas(make())
    peer.put("frame", expected)
    got = peer.get("frame").to_pandas()
    assert_frame_equal(got, expected.to_pandas())
    if "list" not in got and "mixed nulls" not in got:
        assert_frame_equal(got, make(), check_freq=False)


def test_categories_keep_their_order_when_frames_are_appended(peer: Peer) -> None:
    whole = categoricals()
    for part in [whole.iloc[:1], whole.iloc[1:3], whole.iloc[3:]]:
        peer.put("frame", pa.Table.from_pandas(part), mode="append")
    got = peer.get("frame").to_pandas().reset_index(drop=True)
    assert_frame_equal(got, whole, check_freq=False)
    assert got["size"].cat.ordered
    assert list(got["size"].cat.categories) == ["small", "medium", "large", "unused"]
    assert (got["size"] > "small").tolist() == [True, False, False, False]


def test_frame_attributes_come_back(peer: Peer) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"source": "sensor 7", "levels": [1, 2]}
    peer.put("frame", pa.Table.from_pandas(frame))
    assert peer.get("frame").to_pandas().attrs == frame.attrs


def test_a_polars_frame_comes_back(peer: Peer) -> None:
    frame = pl.DataFrame(
        {
            "text": ["a", None, ""],
            "number": pl.Series([1, None, 255], dtype=pl.UInt8),
            "value": [1.5, None, float("nan")],
            "list": [[1, 2], [], None],
            "nested": [{"x": 1, "y": ["a"]}, {"x": None, "y": []}, None],
            "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int16, 2)),
            "category": pl.Series(["b", None, "a"], dtype=pl.Categorical()),
            "enum": pl.Series(["high", "low", None], dtype=pl.Enum(["low", "high", "unused"])),
            "time": [
                dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
                None,
                dt.datetime.max.replace(tzinfo=dt.UTC),
            ],
            "date": [dt.date(2024, 2, 29), None, dt.date(1, 1, 1)],
            "duration": [dt.timedelta(microseconds=1), None, dt.timedelta(days=-1)],
            "clock": [dt.time(23, 59, 59, 999_999), None, dt.time(0)],
            "binary": [b"\xff", None, b""],
            "decimal": pl.Series(["1.10", None, "-9.99"]).cast(pl.Decimal(10, 2)),
            "null": [None, None, None],
        }
    )
    peer.put("frame", frame.to_arrow())
    got = pl.from_arrow(peer.get("frame"))
    assert isinstance(got, pl.DataFrame)
    assert_polars_equal(got, frame)
    peer.put("newest", frame.to_arrow(compat_level=pl.CompatLevel.newest()))
    got = pl.from_arrow(peer.get("newest"))
    assert isinstance(got, pl.DataFrame)
    assert_polars_equal(got, frame)


def test_polars_and_pandas_append_to_one_frame(peer: Peer) -> None:
    """Their strings differ: large strings and views there, large strings or strings here."""
    columns: dict[str, list[object]] = {"text": ["a", None], "number": [1, 2]}
    peer.put("frame", pa.Table.from_pandas(pd.DataFrame(columns)))
    newest = pl.CompatLevel.newest()
    peer.put("frame", pl.DataFrame(columns).to_arrow(compat_level=newest), mode="append")
    got = peer.get("frame").to_pandas()
    twice = pd.DataFrame({name: values * 2 for name, values in columns.items()})
    assert_frame_equal(got, twice)
