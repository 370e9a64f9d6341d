"""What is put comes back as it was, whatever it is: drawn dataframes, compared by pandas' and Polars' own means."""

import os
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from drawn_frames import frames, polars_frames
from hypothesis import HealthCheck, given, settings
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

from shoots_client import PutMode, SchemaError, ShootsClient
from shoots_client.conversion.pandas import from_arrow, to_arrow

CASES = int(os.environ.get("SHOOTS_PYTHON_CASES", "60"))
drawn = settings(
    max_examples=CASES, deadline=None, derandomize="SHOOTS_PYTHON_CASES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def same(got: pd.DataFrame, put: pd.DataFrame) -> None:
    """Two frames are equal in everything that pandas looks at, and in the types of their index and labels."""
    assert_frame_equal(got, put, check_freq=True, check_column_type=True, check_index_type=True, check_exact=True)
    assert type(got.index) is type(put.index)
    assert type(got.columns) is type(put.columns)
    assert [(type(n), n) for n in got.index.names] == [(type(n), n) for n in put.index.names]
    assert list(map(str, got.dtypes)) == list(map(str, put.dtypes))


@settings(drawn, max_examples=5 * CASES)
@given(frames())
def test_a_pandas_frame_survives_arrow(frame: pd.DataFrame) -> None:
    same(from_arrow(to_arrow(frame)), frame)


@settings(drawn)
@given(frames())
def test_a_pandas_frame_comes_back_from_the_server(shared_client: ShootsClient, frame: pd.DataFrame) -> None:
    shared_client.put("frame", frame, mode=PutMode.REPLACE)
    same(shared_client.get("frame"), frame)


@settings(drawn)
@given(polars_frames())
def test_a_polars_frame_comes_back_from_the_server(shared_client: ShootsClient, frame: pl.DataFrame) -> None:
    shared_client.put("frame", frame, mode=PutMode.REPLACE)
    got = shared_client.get("frame", as_="polars")
    assert got.schema == frame.schema
    assert_polars_equal(got, frame, check_exact=True)


def test_categories_that_are_periods_come_back(client: ShootsClient) -> None:
    months = pd.Categorical(pd.PeriodIndex(["2024-02", None, "2024-01"], freq="M"), ordered=True)
    client.put("frame", pd.DataFrame({"month": months}, index=pd.CategoricalIndex(months, name="key")))
    same(client.get("frame"), pd.DataFrame({"month": months}, index=pd.CategoricalIndex(months, name="key")))


def test_categories_of_polars_are_categories_of_pandas(client: ShootsClient) -> None:
    kinds: dict[str, Any] = {"drawn": pl.Categorical, "said": pl.Enum(["z", "x", "y"])}
    client.put("frame", pl.DataFrame({name: ["x", None, "y"] for name in kinds}, schema=kinds))
    got = client.get("frame")
    assert all(isinstance(dtype, pd.CategoricalDtype) for dtype in got.dtypes)
    assert got["said"].cat.categories.tolist() == ["z", "x", "y"]
    assert got["drawn"].astype(object).where(got["drawn"].notna(), None).tolist() == ["x", None, "y"]


def test_what_polars_panics_over_is_an_error_of_ours(client: ShootsClient) -> None:
    client.put("frame", pa.table({"a": pa.array([1], pa.decimal256(60, 2))}))
    for read in (lambda: client.get("frame", as_="polars"), lambda: client.lazy("frame")):
        with pytest.raises(SchemaError, match=r'polars has no form for these rows .*; get them with as_="arrow"'):
            read()
    assert client.get("frame", as_="arrow").num_rows == 1


def test_an_arrow_table_comes_back_with_its_metadata(client: ShootsClient) -> None:
    fields = [pa.field("a", pa.int8(), metadata={"unit": "m"}), pa.field("b", pa.list_(pa.string()))]
    table = pa.table({"a": [1, None], "b": [["x"], None]}, pa.schema(fields, {"source": "feed"}))
    client.put("table", table)
    assert client.get("table", as_="arrow").equals(table, check_metadata=True)
