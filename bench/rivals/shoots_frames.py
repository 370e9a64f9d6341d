"""This project's server with its default settings, by its Python package and Arrow tables.

It shares memory in all of the work, but only `opened` asks for it: everything else comes over the connection.
"""

import contextlib
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
from shoots_client import ShootsClient

import targets
from frames import MEANS

from .rival import Rival

BINS = {"rule": "1min", "aggregation_func": dict.fromkeys(MEANS, "mean")}


# Room for the frames of a round, which default settings give to the smaller ones only.
SHARING = ["--shm-dir=/dev/shm", f"--shm-bytes={6 << 30}"]


class Shoots(Rival):
    """A server on loopback, and one client of it."""

    def __init__(self, folder: Path, binary: Path | None) -> None:
        super().__init__(folder, binary)
        self.running = contextlib.ExitStack()

    def start(self) -> None:
        assert self.binary is not None
        self.server = self.running.enter_context(targets.shoots(self.binary, self.folder, *SHARING))
        self.connect()

    def connect(self) -> None:
        self.client = self.running.enter_context(self.connected(shared_memory=False))
        self.near = self.running.enter_context(self.connected(shared_memory=True))
        self.client.ping()
        self.near.ping()

    def connected(self, shared_memory: bool) -> ShootsClient:
        return ShootsClient("localhost", self.server.port, shared_memory=shared_memory)

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

    def put(self, name: str, key: str) -> None:
        self.client.put(name, self.held[key], index="time")

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        self.client.put(name, self.held[key].slice(first, rows), "append")

    def get(self, name: str) -> pa.Table:
        return self.client.get(name, as_="arrow")

    def opened(self, name: str) -> pa.Table:
        return self.near.get(name, as_="arrow")

    def pandas(self, name: str) -> pd.DataFrame:
        return self.client.get(name)

    def range(self, name: str, start: str, stop: str) -> pa.Table:
        return self.client.get(name, start=start, stop=stop, as_="arrow")

    def columns(self, name: str, columns: list[str]) -> pa.Table:
        return self.client.get(name, columns=columns, as_="arrow")

    def group(self, name: str) -> pa.Table:
        query = f"select symbol, avg(bid) as bid, sum(size) as size from {name} group by symbol"
        return self.client.sql(query, as_="arrow")

    def resample(self, name: str) -> pa.Table:
        return self.client.get(name, resample=BINS, as_="arrow")

    def resample_into(self, name: str, target: str) -> None:
        means: Any = BINS["aggregation_func"]
        self.client.resample(name, target, "1min", aggregation_func=means, mode="replace")

    def asof(self, left: str, right: str) -> pa.Table:
        query = (
            f"select time, symbol, amount, bid from asof_join('{left}', '{right}', 'time', by => 'symbol')"
        )
        return self.client.sql(query, as_="arrow")

    def listed(self) -> int:
        return len(self.client.list())
