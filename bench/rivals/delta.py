"""Delta tables on local disk, by the package `deltalake` and Arrow tables, in the caller's process."""

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from frames import MEANS

from .rival import Rival


class Delta(Rival):
    """A table for each frame. It knows no nanoseconds: times are put as microseconds."""

    def place(self, name: str) -> str:
        return str(self.folder / name)

    def native(self, table: pa.Table) -> pa.Table:
        return table.set_column(0, "time", table["time"].cast(pa.timestamp("us")))

    def put(self, name: str, key: str) -> None:
        write_deltalake(self.place(name), self.held[key])

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        write_deltalake(self.place(name), self.held[key].slice(first, rows), mode="append")

    def get(self, name: str) -> pa.Table:
        return DeltaTable(self.place(name)).to_pyarrow_table()

    def range(self, name: str, start: str, stop: str) -> pa.Table:
        ends = [pa.scalar(pd.Timestamp(end), pa.timestamp("us")) for end in (start, stop)]
        times = (ds.field("time") >= ends[0]) & (ds.field("time") < ends[1])
        return DeltaTable(self.place(name)).to_pyarrow_dataset().to_table(filter=times)

    def columns(self, name: str, columns: list[str]) -> pa.Table:
        return DeltaTable(self.place(name)).to_pyarrow_table(columns=columns)

    def query(self, name: str, text: str) -> pa.Table:
        return pa.table(QueryBuilder().register(name, DeltaTable(self.place(name))).execute(text).read_all())

    def group(self, name: str) -> pa.Table:
        return self.query(
            name, f"select symbol, avg(bid) as bid, sum(size) as size from {name} group by symbol"
        )

    def resample(self, name: str) -> pa.Table:
        means = ", ".join(f"avg({column}) as {column}" for column in MEANS)
        return self.query(name, f"select date_trunc('minute', time) as time, {means} from {name} group by 1")

    def resample_into(self, name: str, target: str) -> None:
        write_deltalake(self.place(target), self.resample(name), mode="overwrite")
