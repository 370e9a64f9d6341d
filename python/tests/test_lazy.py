"""Lazy frames of Polars: what comes is what Polars itself would find, and less of it is sent."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from relay import Relay

from server_process import SECONDS, ServerProcess
from shoots_client import PutMode, ShootsClient
from shoots_client.predicate import condition

START = dt.datetime(2024, 1, 1)
FLOATS = [float("nan"), -float("nan"), 0.0, -0.0, 1.5, -1.5, float("inf"), None]
FRAME = pl.DataFrame(
    {
        "time": [START + dt.timedelta(hours=n) for n in range(64)],
        "zone": pl.Series([START + dt.timedelta(days=n) for n in range(64)]).dt.replace_time_zone("Europe/Berlin"),
        "day": [dt.date(2024, 1, 1 + n % 30) for n in range(64)],
        "n": [n % 7 if n % 5 else None for n in range(64)],
        "small": pl.Series([n % 11 for n in range(64)], dtype=pl.UInt8),
        "x": [FLOATS[n % 8] for n in range(64)],
        "text": [["a", "b", "it's", "", None][n % 5] for n in range(64)],
        "kind": pl.Series([["b", "a", "c"][n % 3] for n in range(64)], dtype=pl.Enum(["b", "a", "c"])),
        "cat": pl.Series([["x", "y"][n % 2] for n in range(64)], dtype=pl.Categorical),
        "flag": [[True, False, None][n % 3] for n in range(64)],
    }
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "time": st.integers(-2, 66).map(lambda n: START + dt.timedelta(hours=n)),
    "zone": st.integers(0, 63).map(lambda n: FRAME["zone"][n]),
    "day": st.integers(0, 40).map(lambda n: dt.date(2024, 1, 1) + dt.timedelta(n)),
    "n": st.integers(-1, 8) | st.floats(-1, 8),
    "small": st.integers(0, 12),
    "x": st.sampled_from([0.0, -0.0, 1.5, -1.5, float("inf"), float("nan"), 1.0]),
    "text": st.sampled_from(["a", "b", "it's", "", "z", "\u00e9"]),
    "kind": st.sampled_from(["a", "b", "c"]),
    "cat": st.sampled_from(["x", "y"]),
}


ENDS: st.SearchStrategy[Literal["both", "left", "right", "none"]] = st.sampled_from(["both", "left", "right", "none"])


def comparisons() -> st.SearchStrategy[pl.Expr]:
    def of(column: str) -> st.SearchStrategy[pl.Expr]:
        value, name = VALUES[column], pl.col(column)
        literal = value.map(
            lambda v: pl.lit(v, dtype=FRAME.schema[column]) if column in ("kind", "zone") else pl.lit(v)
        )
        return st.one_of(
            literal.map(lambda v: name == v),
            literal.map(lambda v: name != v),
            literal.map(lambda v: name < v),
            literal.map(lambda v: name <= v),
            literal.map(lambda v: name > v),
            literal.map(lambda v: name >= v),
            st.tuples(literal, literal, ENDS).map(lambda drawn: name.is_between(drawn[0], drawn[1], drawn[2])),
            st.lists(value, min_size=1, max_size=3).map(
                lambda v: name.is_in(pl.Series(v, dtype=FRAME.schema[column], strict=False).implode())
            ),
            st.sampled_from([name.is_null(), name.is_not_null()]),
        )

    flags = st.sampled_from([pl.col("flag"), ~pl.col("flag"), pl.col("text").str.starts_with("i"), pl.col("n") + 1 > 3])
    return st.sampled_from(sorted(VALUES)).flatmap(of) | flags


CONDITIONS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda sides: sides[0] & sides[1]),
        st.tuples(inner, inner).map(lambda sides: sides[0] | sides[1]),
        inner.map(lambda side: ~side),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def lazy(shared_client: ShootsClient) -> pl.LazyFrame:
    shared_client.put("lazy", FRAME, mode=PutMode.REPLACE, index="time")
    return shared_client.lazy("lazy")


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(CONDITIONS, st.lists(st.sampled_from(FRAME.columns), max_size=3, unique=True), st.none() | st.integers(0, 9))
def test_conditions_find_what_polars_finds(
    lazy: pl.LazyFrame, predicate: pl.Expr, columns: list[str], head: int | None
) -> None:
    def asked(frame: pl.LazyFrame) -> pl.DataFrame:
        frame = frame.filter(predicate)
        frame = frame.select(columns) if columns else frame
        return (frame if head is None else frame.head(head)).collect()

    assert_frame_equal(asked(lazy), asked(FRAME.lazy()), check_exact=True)


@pytest.mark.parametrize(
    ("predicate", "sql"),
    [
        (pl.col("n") > 3, '"n" > 3'),
        (pl.col("text") == "it's", "\"text\" = 'it''s'"),
        (pl.col("day").is_null() | pl.col("flag"), '("day" is null or "flag")'),
        (pl.col("time") >= START, "\"time\" >= '2024-01-01T00:00:00.000000000'"),
        (pl.col("small").is_in([1, 2]), '"small" in (1, 2)'),
        (pl.col("text").str.starts_with("i") & (pl.col("small") < 5), '"small" < 5'),
        (pl.col("text").str.starts_with("i") | (pl.col("small") < 5), None),
        (pl.col("kind") > pl.lit("a", dtype=FRAME.schema["kind"]), None),
        (pl.col("n") + 1 > 3, None),
    ],
)
def test_conditions_are_said_in_sql_where_both_mean_the_same(predicate: pl.Expr, sql: str | None) -> None:
    pushed: list[pl.Expr | None] = []

    def source(_columns: Any, condition: pl.Expr | None, _rows: Any, _batch: Any) -> Iterator[pl.DataFrame]:
        pushed.append(condition)
        yield FRAME

    frame = pl.io.plugins.register_io_source(source, schema=FRAME.schema)
    frame.filter(predicate).collect()
    assert pushed[0] is not None
    assert condition(pushed[0], FRAME.schema) == sql


def test_only_the_columns_and_rows_that_are_needed_are_sent(server: ServerProcess, client: ShootsClient) -> None:
    rows = 200_000
    times = pl.datetime_range(START, START + dt.timedelta(seconds=rows - 1), "1s", eager=True)
    wide = pl.DataFrame({"time": times, **{f"c{n}": pl.Series(range(rows)) for n in range(5)}})
    client.put("wide", wide, index="time")

    def sent(ask: Any) -> int:
        with Relay(server) as relay, ShootsClient("127.0.0.1", relay.port, timeout=SECONDS) as client:
            ask(client.lazy("wide")).collect()
            return relay.received

    everything = sent(lambda frame: frame)
    assert everything > rows * 6 * 8
    assert sent(lambda frame: frame.select("c1")) < everything / 5
    assert sent(lambda frame: frame.filter(pl.col("time") < START + dt.timedelta(minutes=1))) < everything / 100
    assert sent(lambda frame: frame.filter(pl.col("c2") == 77).select("c3")) < everything / 100
    assert sent(lambda frame: frame.head(10)) < everything / 50
    assert sent(lambda frame: frame.select(pl.len())) < everything / 5


def test_a_lazy_frame_stays_at_its_state(client: ShootsClient) -> None:
    client.put("frame", FRAME)
    lazy = client.lazy("frame")
    client.delete_rows("frame", "small > 0")
    assert lazy.select(pl.len()).collect().item() == 64
    assert client.lazy("frame").select(pl.len()).collect().item() == 6
    assert client.lazy("frame", as_of=1).collect().equals(FRAME)


def test_a_lazy_frame_is_read_from_another_bucket(client: ShootsClient) -> None:
    client.put('od"d na me', FRAME, bucket="plant")
    found = client.lazy('od"d na me', "plant").filter(pl.col("small") == 10).select("small").collect()
    assert found["small"].to_list() == [10] * 5
