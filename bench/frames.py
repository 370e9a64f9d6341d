"""The frames that everybody gets, and what is expected of everybody.

Times are whole microseconds, held in nanoseconds: the longest that all rivals can keep.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SYMBOLS = ["AAPL", "AMZN", "GOOG", "META", "MSFT", "NFLX", "NVDA", "TSLA"]
START = 1_704_067_200_000_000
BATCH_ROWS = 100_000
MEANS = ["bid", "ask", "signal"]
WIDE_COLUMNS = 500


def rising_times(random: np.random.Generator, rows: int, gap_microseconds: float) -> np.ndarray:
    """Times that never repeat, a second apart in the mean if the gap is a million."""
    gaps = 1 + random.exponential(gap_microseconds, rows).astype("int64")
    return (1000 * (START + np.cumsum(gaps))).astype("datetime64[ns]")


def ticks(rows: int) -> pa.Table:
    """Quotes as an exchange reports them: a rising time, three floats, an integer, a symbol."""
    random = np.random.default_rng(20240101)
    return pa.table(
        {
            "time": rising_times(random, rows, 1e6),
            "bid": np.round(100 + np.cumsum(random.normal(0, 0.01, rows)), 2),
            "ask": np.round(100 + np.cumsum(random.normal(0, 0.01, rows)), 2),
            "signal": random.standard_normal(rows),
            "size": random.integers(1, 10_000, rows),
            "symbol": random.choice(SYMBOLS, rows),
        }
    )


def trades(rows: int) -> pa.Table:
    """Trades over the time of ten times as many ticks; no trade is at the time of a tick."""
    random = np.random.default_rng(7)
    times = rising_times(random, rows, 1e7)
    return pa.table(
        {"time": times, "symbol": random.choice(SYMBOLS, rows), "amount": random.integers(1, 1000, rows)}
    )


def wide(rows: int) -> pa.Table:
    """A time and 500 columns of floats."""
    random = np.random.default_rng(500)
    columns = {f"c{number:03}": random.standard_normal(rows) for number in range(WIDE_COLUMNS)}
    return pa.table({"time": rising_times(random, rows, 1e6), **columns})


def texts(rows: int) -> pa.Table:
    """A time and strings: few different ones, many, all different, and long ones."""
    random = np.random.default_rng(26)
    numbers = random.integers(0, 2**62, rows)
    words = np.array([f"word{number}" for number in range(50_000)])
    return pa.table(
        {
            "time": rising_times(random, rows, 1e6),
            "venue": random.choice(["NASDAQ", "NYSE", "LSE", "XETRA"], rows),
            "word": random.choice(words, rows),
            "order": [f"{number:016x}" for number in numbers],
            "note": [f"filled {number % 997} at the price of order {number:x}" for number in numbers],
        }
    )


def save(table: pa.Table, file: Path) -> None:
    """Writes a table for the workers."""
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, BATCH_ROWS)


def load(file: Path) -> pa.Table:
    """Reads a table into memory."""
    with pa.OSFile(str(file), "rb") as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


@dataclass(frozen=True)
class Range:
    """A part of a frame by its time; the stop is not in it. As text, for requests."""

    start: str
    stop: str

    def of(self, table: pa.Table) -> pa.Table:
        times = table["time"]
        first, last = (pa.scalar(pd.Timestamp(end), times.type) for end in (self.start, self.stop))
        return table.filter(pc.and_(pc.greater_equal(times, first), pc.less(times, last)))


def hundredth(table: pa.Table) -> Range:
    """One percent of the rows, from the middle."""
    rows = table.num_rows
    first = rows // 2
    ends = [table["time"][row].as_py() for row in (first, first + rows // 100)]
    return Range(*(end.isoformat() for end in ends))


def one_day(table: pa.Table) -> Range:
    """A day that the frame has, from the middle."""
    day = pd.Timestamp(table["time"][table.num_rows // 2].as_py()).floor("D")
    return Range(day.isoformat(), (day + pd.Timedelta(days=1)).isoformat())


def grouped(table: pa.Table) -> pa.Table:
    """The mean bid and the sum of sizes of each symbol."""
    groups = table.to_pandas().groupby("symbol", as_index=False).agg({"bid": "mean", "size": "sum"})
    return pa.Table.from_pandas(groups, preserve_index=False)


def minutes(table: pa.Table) -> pa.Table:
    """The means of each minute."""
    bins = table.select(["time", *MEANS]).to_pandas().set_index("time").resample("1min").mean()
    return pa.Table.from_pandas(bins.reset_index(), preserve_index=False)


def with_last_bid(left: pa.Table, right: pa.Table) -> pa.Table:
    """Trades with the last bid before them of the same symbol."""
    quotes = right.select(["time", "symbol", "bid"]).to_pandas()
    joined = pd.merge_asof(left.to_pandas(), quotes, on="time", by="symbol")
    return pa.Table.from_pandas(joined, preserve_index=False)


def check(expected: pa.Table, got: pa.Table, exact: bool = True) -> None:
    """Raises if two tables have not the same rows, in the order of their first column.

    What a rival keeps in another type (longer strings, coarser times, integers as floats) is converted.
    Means are rounded in another order by everybody, so those are compared nearly.
    """
    missing = set(expected.column_names) - set(got.column_names)
    if missing:
        raise AssertionError(f"columns {sorted(missing)} are missing")
    alike = got.select(expected.column_names).cast(expected.schema.remove_metadata())
    first = expected.column_names[0]
    alike = alike.sort_by(first)
    wanted = expected.replace_schema_metadata().sort_by(first)
    if alike.num_rows != wanted.num_rows:
        raise AssertionError(f"{alike.num_rows:,} rows came, not {wanted.num_rows:,}")
    if exact and not alike.equals(wanted):
        raise AssertionError("other rows came than were put")
    if not exact:
        pd.testing.assert_frame_equal(alike.to_pandas(), wanted.to_pandas(), rtol=1e-9)
