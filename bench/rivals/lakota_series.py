"""Lakota on local disk, in the caller's process, with columns as numpy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from lakota import Repo, Schema

from frames import MEANS

from .rival import Rival

KINDS = {"time": "M8[ns]*", "int64": "int", "double": "float", "string": "str"}


class Lakota(Rival):
    """A collection for each layout of columns, and a series in it for each frame."""

    environment = "lakota"

    def start(self) -> None:
        self.repo = Repo(str(self.folder))
        self.places: dict[str, str] = {}

    def restart(self) -> None:
        self.repo = Repo(str(self.folder))

    def native(self, table: pa.Table) -> dict[str, Any]:
        kinds = {
            field.name: KINDS["time" if field.name == "time" else str(field.type)] for field in table.schema
        }
        label = "-".join(kinds) if len(kinds) < 10 else f"{len(kinds)}-columns"
        self.repo.create_collection(Schema(**kinds), label, raise_if_exists=False)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return {"label": label, "columns": columns}

    def arrow(self, result: Any) -> pa.Table:
        columns = {name: np.asarray(result[name]) for name in result}
        for name, values in columns.items():
            if values.dtype.kind == "U":
                columns[name] = values.astype("O")
            if values.dtype.kind == "M":
                columns[name] = values.astype("M8[ns]")
        return pa.table(columns)

    def series(self, name: str) -> Any:
        return (self.repo / self.places[name]).series(name)

    def put(self, name: str, key: str) -> None:
        self.places[name] = self.held[key]["label"]
        self.series(name).write(self.held[key]["columns"])

    def load_many(self, names: Sequence[str], key: str) -> None:
        collection = self.repo / self.held[key]["label"]
        with collection.multi():
            for name in names:
                collection.series(name).write(self.held[key]["columns"])

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        columns = self.held[key]["columns"]
        self.series(name).write({column: columns[column][first : first + rows] for column in columns})

    def get(self, name: str) -> Any:
        return self.series(name).frame()

    def pandas(self, name: str) -> pd.DataFrame:
        return self.series(name).df()

    def range(self, name: str, start: str, stop: str) -> Any:
        return self.series(name).frame(start=np.datetime64(start, "ns"), stop=np.datetime64(stop, "ns"))

    def columns(self, name: str, columns: list[str]) -> Any:
        return self.series(name).frame(select=columns)

    def group(self, name: str) -> Any:
        rows = self.series(name).frame(select=["symbol", "bid", "size"])
        return rows.reduce("symbol", bid="(mean self.bid)", size="(sum self.size)")

    def resample(self, name: str) -> Any:
        rows = self.series(name).frame(select=["time", *MEANS])
        means = {column: f"(mean self.{column})" for column in MEANS}
        return rows.reduce(time='(floor self.time "m")', **means)

    def listed(self) -> int:
        return sum(len(collection.ls()) for collection in self.repo)
