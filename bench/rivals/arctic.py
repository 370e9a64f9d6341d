"""ArcticDB on LMDB, in the caller's process, with pandas dataframes indexed by time."""

from typing import Any

import arcticdb
import pandas as pd
import pyarrow as pa

from frames import MEANS

from .rival import Rival

MAP_BYTES = "64GB"


class Arctic(Rival):
    """A library with a symbol for each frame."""

    environment = "arctic"

    def start(self) -> None:
        arctic = arcticdb.Arctic(f"lmdb://{self.folder}?map_size={MAP_BYTES}")
        self.library = arctic.get_library("bench", create_if_missing=True)

    def stop(self) -> None:
        del self.library

    def native(self, table: pa.Table) -> pd.DataFrame:
        return table.to_pandas().set_index("time")

    def arrow(self, result: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(result.reset_index(), preserve_index=False)

    def put(self, name: str, key: str) -> None:
        self.library.write(name, self.held[key])

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        self.library.append(name, self.held[key].iloc[first : first + rows])

    def get(self, name: str) -> pd.DataFrame:
        return self.library.read(name).data

    def pandas(self, name: str) -> pd.DataFrame:
        return self.get(name)

    def range(self, name: str, start: str, stop: str) -> pd.DataFrame:
        # Both ends belong to its ranges.
        last = pd.Timestamp(stop) - pd.Timedelta(1, "ns")
        return self.library.read(name, date_range=(pd.Timestamp(start), last)).data

    def columns(self, name: str, columns: list[str]) -> pd.DataFrame:
        return self.library.read(name, columns=columns).data

    def query(self, name: str, query: Any) -> pd.DataFrame:
        return self.library.read(name, query_builder=query).data

    def group(self, name: str) -> pd.DataFrame:
        sums = {"bid": "mean", "size": "sum"}
        return self.query(name, arcticdb.QueryBuilder().groupby("symbol").agg(sums))

    def resample(self, name: str) -> pd.DataFrame:
        means = dict.fromkeys(MEANS, "mean")
        return self.query(name, arcticdb.QueryBuilder().resample("1min").agg(means))

    def resample_into(self, name: str, target: str) -> None:
        self.library.write(target, self.resample(name))

    def listed(self) -> int:
        return len(self.library.list_symbols())
