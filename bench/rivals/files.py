"""One Parquet file for each frame, which pyarrow writes; and who reads it: pyarrow, DuckDB and Polars.

They run in their caller's process, so nothing is sent anywhere.
"""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from frames import MEANS

from .rival import NotOfferedError, Rival

# Ten years in nanoseconds, backwards.
LONG_AGO = -10 * 366 * 86_400 * 1_000_000_000


class ParquetFile(Rival):
    """pyarrow alone."""

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def load(self, name: str, key: str) -> None:
        pq.write_table(self.held[key], self.file(name))

    def put(self, name: str, key: str) -> None:
        self.load(name, key)

    def get(self, name: str) -> pa.Table:
        return pq.read_table(self.file(name))

    def range(self, name: str, start: str, stop: str) -> pa.Table:
        first, last = pd.Timestamp(start), pd.Timestamp(stop)
        return pq.read_table(self.file(name), filters=[("time", ">=", first), ("time", "<", last)])

    def columns(self, name: str, columns: list[str]) -> pa.Table:
        return pq.read_table(self.file(name), columns=columns)

    def group(self, name: str) -> pa.Table:
        rows = pq.read_table(self.file(name), columns=["symbol", "bid", "size"])
        groups = rows.group_by("symbol").aggregate([("bid", "mean"), ("size", "sum")])
        return groups.rename_columns({"bid_mean": "bid", "size_sum": "size"})

    def resample(self, name: str) -> pa.Table:
        rows = pq.read_table(self.file(name), columns=["time", *MEANS])
        binned = rows.set_column(0, "time", pc.floor_temporal(rows["time"], unit="minute"))
        bins = binned.group_by("time").aggregate([(column, "mean") for column in MEANS])
        return bins.rename_columns({f"{column}_mean": column for column in MEANS})

    def resample_into(self, name: str, target: str) -> None:
        pq.write_table(self.resample(name), self.file(target))

    def asof(self, left: str, right: str) -> pa.Table:
        quotes = pq.read_table(self.file(right), columns=["time", "symbol", "bid"])
        return self.get(left).join_asof(quotes, on="time", by="symbol", tolerance=LONG_AGO)


class DuckDB(ParquetFile):
    """DuckDB on the file, its results as Arrow tables."""

    def start(self) -> None:
        self.database = duckdb.connect()

    def stop(self) -> None:
        self.database.close()

    def another(self) -> "DuckDB":
        other = type(self)(self.folder, self.binary)
        other.database = self.database.cursor()
        return other

    def query(self, text: str) -> pa.Table:
        return self.database.sql(text).to_arrow_table()

    def put(self, name: str, key: str) -> None:
        raise NotOfferedError("reads the file that pyarrow writes")

    def get(self, name: str) -> pa.Table:
        return self.query(f"from '{self.file(name)}'")

    def range(self, name: str, start: str, stop: str) -> pa.Table:
        return self.query(f"from '{self.file(name)}' where time >= '{start}' and time < '{stop}'")

    def columns(self, name: str, columns: list[str]) -> pa.Table:
        return self.query(f"select {', '.join(columns)} from '{self.file(name)}'")

    def group(self, name: str) -> pa.Table:
        file = self.file(name)
        return self.query(f"select symbol, avg(bid) as bid, sum(size) as size from '{file}' group by symbol")

    def bins(self, name: str) -> str:
        means = ", ".join(f"avg({column}) as {column}" for column in MEANS)
        file = self.file(name)
        return f"select date_trunc('minute', time) as time, {means} from '{file}' group by all order by time"

    def resample(self, name: str) -> pa.Table:
        return self.query(self.bins(name))

    def resample_into(self, name: str, target: str) -> None:
        self.database.execute(f"copy ({self.bins(name)}) to '{self.file(target)}' (format parquet)")

    def asof(self, left: str, right: str) -> pa.Table:
        return self.query(
            f"select l.time, l.symbol, l.amount, r.bid from '{self.file(left)}' l "
            f"asof left join '{self.file(right)}' r on l.symbol = r.symbol and l.time >= r.time"
        )


class Polars(ParquetFile):
    """Polars on the file."""

    def arrow(self, result: pl.DataFrame) -> pa.Table:
        return result.to_arrow() if isinstance(result, pl.DataFrame) else super().arrow(result)

    def put(self, name: str, key: str) -> None:
        raise NotOfferedError("reads the file that pyarrow writes")

    def scan(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.file(name))

    def get(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.file(name))

    def range(self, name: str, start: str, stop: str) -> pl.DataFrame:
        first, last = (pl.lit(end).str.to_datetime(time_unit="ns") for end in (start, stop))
        return self.scan(name).filter((pl.col("time") >= first) & (pl.col("time") < last)).collect()

    def columns(self, name: str, columns: list[str]) -> pl.DataFrame:
        return self.scan(name).select(columns).collect()

    def group(self, name: str) -> pl.DataFrame:
        sums = [pl.col("bid").mean(), pl.col("size").sum()]
        return self.scan(name).group_by("symbol").agg(sums).collect()

    def resample(self, name: str) -> pl.DataFrame:
        minutes = self.scan(name).set_sorted("time").group_by_dynamic("time", every="1m")
        return minutes.agg(pl.col(MEANS).mean()).collect()

    def resample_into(self, name: str, target: str) -> None:
        self.resample(name).write_parquet(self.file(target))

    def asof(self, left: str, right: str) -> pl.DataFrame:
        quotes = self.scan(right).select("time", "symbol", "bid").set_sorted("time")
        return self.scan(left).set_sorted("time").join_asof(quotes, on="time", by="symbol").collect()
