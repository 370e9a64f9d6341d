"""The older Python server, and its client: against its own server, and against this project's."""

import contextlib
import warnings
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as pa

import targets
from frames import MEANS

from .rival import Rival

with warnings.catch_warnings():
    # The older client is written for an earlier pydantic.
    warnings.simplefilter("ignore")
    from shoots import PutMode, ShootsClient


class OlderShoots(Rival):
    """The older server and its client, with the 5,000 rows a batch that it sends by default."""

    def __init__(self, folder: Path, binary: Path | None) -> None:
        super().__init__(folder, binary)
        self.running = contextlib.ExitStack()

    def start(self) -> None:
        self.server = self.running.enter_context(self.serving())
        self.connect()

    def serving(self) -> contextlib.AbstractContextManager[targets.Target]:
        return targets.older(self.folder)

    def connect(self) -> None:
        self.client = ShootsClient("localhost", self.server.port)
        self.running.callback(self.client.client.close)

    def stop(self) -> None:
        self.running.close()

    def another(self) -> Self:
        other = type(self)(self.folder, self.binary)
        other.server = self.server
        other.held = self.held
        other.connect()
        return other

    def process(self) -> int:
        return self.server.process

    def native(self, table: pa.Table) -> pd.DataFrame:
        return table.to_pandas()

    def arrow(self, result: pd.DataFrame) -> pa.Table:
        """The older server keeps the times of bins as an index."""
        return super().arrow(result if result.index.name is None else result.reset_index())

    def put(self, name: str, key: str) -> None:
        self.client.put(name, self.held[key], mode=PutMode.ERROR)

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        part = self.held[key].iloc[first : first + rows].reset_index(drop=True)
        self.client.put(name, part, mode=PutMode.APPEND)

    def get(self, name: str) -> pd.DataFrame:
        return self.client.get(name)

    def pandas(self, name: str) -> pd.DataFrame:
        return self.get(name)

    def sql(self, name: str, query: str) -> pd.DataFrame:
        return self.client.get(name, sql=query)

    def range(self, name: str, start: str, stop: str) -> pd.DataFrame:
        times = f"time >= timestamp '{start}' and time < timestamp '{stop}'"
        return self.sql(name, f"select * from {name} where {times}")

    def columns(self, name: str, columns: list[str]) -> pd.DataFrame:
        return self.sql(name, f"select {', '.join(columns)} from {name}")

    def group(self, name: str) -> pd.DataFrame:
        return self.sql(
            name, f"select symbol, avg(bid) as bid, sum(size) as size from {name} group by symbol"
        )

    def resample(self, name: str) -> pd.DataFrame:
        means = ", ".join(f"avg({column}) as {column}" for column in MEANS)
        return self.sql(name, f"select date_trunc('minute', time) as time, {means} from {name} group by 1")

    def resample_into(self, name: str, target: str) -> None:
        self.client.resample(name, target, "1min", "time", "mean", mode=PutMode.REPLACE)

    def listed(self) -> int:
        return len(self.client.list())


class OlderClient(OlderShoots):
    """The older client against this project's server: programs that were not changed."""

    def serving(self) -> contextlib.AbstractContextManager[targets.Target]:
        assert self.binary is not None
        return targets.shoots(self.binary, self.folder)
