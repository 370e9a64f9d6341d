"""Dataframes drawn at random, of everything that pandas and Polars have and Arrow can hold."""

import datetime as dt
import decimal
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
# pandas 2 makes zones of pytz of those that come from Arrow.
ZONE_OBJECTS = [zoneinfo.ZoneInfo("Europe/Paris")] if int(pd.__version__.split(".")[0]) > 2 else []
UNITS = ["s", "ms", "us", "ns"]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
NANOSECONDS = st.integers(-(2**61), 2**61)
FREQUENCIES = ["h", "D", "B", "W-SUN", "MS", "15min", "2D", "QS-FEB"]


def column(rows: int) -> st.SearchStrategy[pd.Series]:
    """A column of pandas with so many rows."""
    return st.one_of([kind(rows) for kind in COLUMNS])


def values(rows: int, of: st.SearchStrategy[Any], missing: Any = ...) -> st.SearchStrategy[list[Any]]:
    """So many values, some of them missing if that can be said."""
    of = of if missing is ... else st.one_of(of, st.just(missing))
    return st.lists(of, min_size=rows, max_size=rows)


def integers(rows: int) -> st.SearchStrategy[pd.Series]:
    def of(name: str) -> st.SearchStrategy[pd.Series]:
        info = np.iinfo(name)
        return values(rows, st.integers(int(info.min), int(info.max))).map(lambda v: pd.Series(v, dtype=name))

    return st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]).flatmap(of)


def floats(rows: int) -> st.SearchStrategy[pd.Series]:
    widths = {"float16": 16, "float32": 32, "float64": 64}
    return st.sampled_from(sorted(widths)).flatmap(
        lambda name: values(rows, st.floats(width=widths[name])).map(lambda v: pd.Series(v, dtype=name))  # type: ignore[arg-type]
    )


def booleans(rows: int) -> st.SearchStrategy[pd.Series]:
    return values(rows, st.booleans()).map(lambda v: pd.Series(v, dtype=bool))


def masked(rows: int) -> st.SearchStrategy[pd.Series]:
    return st.one_of(
        values(rows, st.integers(-(2**63), 2**63 - 1), None).map(lambda v: pd.Series(v, dtype="Int64")),
        values(rows, st.integers(0, 255), None).map(lambda v: pd.Series(v, dtype="UInt8")),
        values(rows, st.floats(width=32, allow_nan=False), None).map(lambda v: pd.Series(v, dtype="Float32")),
        values(rows, st.booleans(), None).map(lambda v: pd.Series(v, dtype="boolean")),
        values(rows, TEXT, None).map(lambda v: pd.Series(v, dtype="string")),
        values(rows, TEXT, None).map(lambda v: pd.Series(v, dtype="string[python]")),
        values(rows, TEXT, None).map(lambda v: pd.Series(v, dtype="string[pyarrow]")),
    )


def of_arrow(rows: int) -> st.SearchStrategy[pd.Series]:
    kinds: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
        (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
        (pa.string(), TEXT),
        (pa.large_string(), TEXT),
        (pa.float64(), st.floats(allow_nan=False)),
        (pa.bool_(), st.booleans()),
        (pa.date32(), st.dates()),
        (pa.timestamp("us", "Europe/Berlin"), st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2030, 1, 1))),
        (pa.decimal128(10, 2), st.decimals(-1000, 1000, places=2)),
        (pa.list_(pa.int8()), st.lists(st.integers(-5, 5), max_size=3)),
        (pa.struct({"a": pa.int8(), "b": pa.string()}), st.fixed_dictionaries({"a": st.integers(-5, 5), "b": TEXT})),
    ]

    def of(kind: tuple[pa.DataType, st.SearchStrategy[Any]]) -> st.SearchStrategy[pd.Series]:
        made = values(rows, kind[1], None)
        return made.map(lambda v: pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(v, kind[0])]))))

    return st.sampled_from(kinds).flatmap(of)


def times(rows: int) -> st.SearchStrategy[pd.Series]:
    def of(unit: str) -> st.SearchStrategy[pd.Series]:
        naive = values(rows, NANOSECONDS, None).map(lambda v: pd.Series(pd.to_datetime(v, unit="ns")).dt.as_unit(unit))
        zones = st.sampled_from([*ZONES, *ZONE_OBJECTS, dt.timezone(dt.timedelta(hours=5.5)), None])
        return st.builds(
            lambda times, zone: times if zone is None else times.dt.tz_localize("UTC").dt.tz_convert(zone), naive, zones
        )

    return st.sampled_from(UNITS).flatmap(of)


def durations(rows: int) -> st.SearchStrategy[pd.Series]:
    return st.builds(
        lambda v, unit: pd.Series(pd.to_timedelta(v, unit="ns")).dt.as_unit(unit),
        values(rows, NANOSECONDS, None),
        st.sampled_from(UNITS),
    )


def objects(rows: int) -> st.SearchStrategy[pd.Series]:
    missing = st.sampled_from([None, np.nan])
    kinds = st.sampled_from(
        [
            TEXT,
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
            st.binary(max_size=4),
            st.dates(),
            st.times(),
            st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)),
            st.decimals(-1000, 1000, places=2),
            st.lists(st.integers(-5, 5), max_size=3),
            st.lists(TEXT, max_size=2),
            st.fixed_dictionaries({"x": st.integers(-5, 5), "y": TEXT}),
        ]
    )
    return st.builds(lambda of, absent: (of, absent), kinds, missing).flatmap(
        lambda drawn: values(rows, *drawn).map(lambda v: pd.Series(v, dtype=object))
    )


def categories(rows: int) -> st.SearchStrategy[pd.Series]:
    labels = st.sampled_from(
        [
            pd.Index(["b", "a", "c"]),
            pd.Index(["b", "a", "c"], dtype=object),
            pd.Index([3, 1, 2]),
            pd.Index([3, 1, 2], dtype="int8"),
            pd.Index([1.5, -1.0, 0.0]),
            pd.DatetimeIndex(["2024-01-03", "2024-01-01", "2024-01-02"]),
            pd.DatetimeIndex(["2024-01-03", "2024-01-01", "2024-01-02"], tz="Europe/Berlin"),
            pd.interval_range(0, 3),
            pd.Index([True, False]),
        ]
    )

    def of(labels: pd.Index) -> st.SearchStrategy[pd.Series]:
        codes = values(rows, st.integers(-1, len(labels) - 1))
        return st.builds(
            lambda codes, ordered: pd.Series(pd.Categorical.from_codes(codes, labels, ordered=ordered)),
            codes,
            st.booleans(),
        )

    return labels.flatmap(of)


def others(rows: int) -> st.SearchStrategy[pd.Series]:
    numbers = values(rows, st.integers(-100, 100))
    return st.one_of(
        numbers.map(lambda v: pd.Series([pd.Period(ordinal=n, freq="M") for n in v], dtype="period[M]")),
        numbers.map(lambda v: pd.Series(pd.arrays.IntervalArray.from_arrays(v, [n + 1 for n in v]))),
        numbers.map(lambda v: pd.Series(pd.arrays.SparseArray(v, fill_value=0))),
    )


COLUMNS: list[Callable[[int], st.SearchStrategy[pd.Series]]] = [
    integers, floats, booleans, masked, of_arrow, times, durations, objects, categories, others,
]  # fmt: skip

NAMES = st.one_of(st.none(), TEXT, st.integers(-9, 9))


def level(rows: int) -> st.SearchStrategy[pd.Index]:
    """One level of an index."""
    return st.one_of(
        [kind(rows) for kind in (integers, times, durations, objects_of_text, categories, booleans, masked)]
    ).map(pd.Index)


def objects_of_text(rows: int) -> st.SearchStrategy[pd.Series]:
    return values(rows, TEXT).map(lambda v: pd.Series(v, dtype=object))


def regular(rows: int) -> st.SearchStrategy[pd.Index]:
    """An index with a frequency."""
    return st.builds(
        lambda freq, zone: pd.date_range("2024-03-01", periods=rows, freq=freq, tz=zone),
        st.sampled_from(FREQUENCIES),
        st.sampled_from([None, *ZONES]),
    ) | st.builds(lambda freq: pd.timedelta_range("1h", periods=rows, freq=freq), st.sampled_from(["h", "90min", "D"]))


def index(rows: int) -> st.SearchStrategy[pd.Index]:
    """An index of pandas of any kind."""
    several = st.lists(level(rows), min_size=2, max_size=3).flatmap(
        lambda levels: st.lists(NAMES, min_size=len(levels), max_size=len(levels)).map(
            lambda names: pd.MultiIndex.from_arrays(levels, names=names)
        )
    )
    ranges = st.builds(
        lambda start, step: pd.RangeIndex(start, start + rows * step, step),
        st.integers(-9, 9),
        st.sampled_from([1, 2, -3]),
    )
    single = st.one_of(ranges, regular(rows), level(rows))
    return several | st.builds(lambda index, name: index.rename(name), single, NAMES)


def labels(count: int) -> st.SearchStrategy[pd.Index]:
    """Labels for so many columns."""

    def distinct(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(of, min_size=count, max_size=count, unique_by=str)

    kinds = st.one_of(
        distinct(TEXT).map(lambda v: pd.Index(v, dtype=object) if not v else pd.Index(v)),
        distinct(TEXT).map(lambda v: pd.Index(v, dtype=object)),
        distinct(st.integers(-99, 99)).map(lambda v: pd.Index(v, dtype="int64")),
        distinct(TEXT).map(lambda v: pd.CategoricalIndex(v)),
        st.just(pd.RangeIndex(count)),
        st.just(pd.date_range("2024-01-01", periods=count)),
        st.just(pd.date_range("2024-01-01", periods=count, tz="UTC")),
    )
    pairs = distinct(st.tuples(TEXT, st.integers(0, 3))).map(
        lambda v: pd.MultiIndex.from_tuples(v, names=["one", None]) if v else pd.Index([])
    )
    return st.builds(lambda index, name: index.rename(name), kinds, NAMES) | pairs


def frames() -> st.SearchStrategy[pd.DataFrame]:
    """Dataframes of pandas."""

    def of(shape: tuple[int, int]) -> st.SearchStrategy[pd.DataFrame]:
        rows, count = shape
        columns = st.lists(column(rows), min_size=count, max_size=count)
        return st.builds(assembled, columns, labels(count), index(rows))

    return st.tuples(st.integers(0, 6), st.integers(1, 4)).flatmap(of)


def assembled(columns: list[pd.Series], labels: pd.Index, index: pd.Index) -> pd.DataFrame:
    frame = pd.concat([column.reset_index(drop=True) for column in columns], axis=1)
    frame.columns = labels
    frame.index = index
    return frame


def polars_frames() -> st.SearchStrategy[pl.DataFrame]:
    """Dataframes of Polars."""
    kinds: list[tuple[Any, st.SearchStrategy[Any]]] = [
        (pl.Int8, st.integers(-128, 127)),
        (pl.UInt64, st.integers(0, 2**64 - 1)),
        (pl.Float32, st.floats(width=32)),
        (pl.Float64, st.floats()),
        (pl.Boolean, st.booleans()),
        (pl.String, TEXT),
        (pl.Binary, st.binary(max_size=4)),
        (pl.Date, st.dates()),
        (pl.Time, st.times()),
        (pl.Datetime("ms"), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))),
        (
            pl.Datetime("us", "Europe/Berlin"),
            st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)),
        ),
        (pl.Datetime("ns"), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))),
        (pl.Duration("us"), st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000))),
        (pl.Duration("ns"), st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000))),
        (pl.Categorical, TEXT),
        (pl.Enum(["b", "a", "c"]), st.sampled_from("abc")),
        (pl.Decimal(20, 3), st.decimals(-1000, 1000, places=3).map(lambda v: decimal.Decimal(v))),
        (pl.List(pl.Int64), st.lists(st.integers(-5, 5), max_size=3)),
        (pl.List(pl.String), st.lists(TEXT, max_size=2)),
        (pl.Array(pl.Int16, 2), st.lists(st.integers(-5, 5), min_size=2, max_size=2)),
        (
            pl.Struct({"a": pl.Int64, "b": pl.List(pl.String)}),
            st.fixed_dictionaries({"a": st.integers(-5, 5), "b": st.lists(TEXT, max_size=2)}),
        ),
        (pl.Null, st.none()),
    ]

    def of(rows: int) -> st.SearchStrategy[pl.DataFrame]:
        one = st.sampled_from(kinds).flatmap(
            lambda kind: values(rows, kind[1], None).map(lambda v: pl.Series(v, dtype=kind[0]))
        )
        return st.dictionaries(TEXT, one, min_size=1, max_size=4).map(pl.DataFrame)

    return st.integers(0, 5).flatmap(of)
