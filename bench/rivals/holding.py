"""The ceilings: Flight servers in C++ and in Rust that hand out the batches they were given."""

import contextlib
import json
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.flight as fl

import targets
from frames import BATCH_ROWS

from .rival import NotOfferedError, Rival


class HoldingCpp(Rival):
    """pyarrow's own Flight server, by plain pyarrow."""

    ceiling = True

    def __init__(self, folder: Path, binary: Path | None) -> None:
        super().__init__(folder, binary)
        self.running = contextlib.ExitStack()

    def start(self) -> None:
        self.server = self.running.enter_context(self.serving())
        self.connect()

    def serving(self) -> contextlib.AbstractContextManager[targets.Target]:
        return targets.in_memory()

    def connect(self) -> None:
        self.flight = self.running.enter_context(fl.connect(self.server.address))

    def stop(self) -> None:
        self.running.close()

    def restart(self) -> None:
        raise NotOfferedError("keeps nothing")

    def another(self) -> Self:
        other = type(self)(self.folder, self.binary)
        other.server = self.server
        other.held = self.held
        other.connect()
        return other

    def process(self) -> int:
        return self.server.process

    def send(self, name: str, table: pa.Table, mode: str) -> None:
        command = json.dumps({"name": name, "mode": mode})
        writer, _ = self.flight.do_put(fl.FlightDescriptor.for_command(command), table.schema)
        with writer:
            writer.write_table(table, BATCH_ROWS)

    def put(self, name: str, key: str) -> None:
        self.send(name, self.held[key], "replace")

    def append(self, name: str, key: str, first: int, rows: int) -> None:
        self.send(name, self.held[key].slice(first, rows), "append")

    def get(self, name: str) -> pa.Table:
        return self.flight.do_get(fl.Ticket(json.dumps({"name": name}))).read_all()


class HoldingRust(HoldingCpp):
    """arrow-rs's Flight messages on tonic: `server/examples/holding.rs`, beside the server's binary."""

    def serving(self) -> contextlib.AbstractContextManager[targets.Target]:
        assert self.binary is not None
        return targets.in_memory_rust(self.binary)
