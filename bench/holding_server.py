"""A Flight server that holds what is put into it, and nothing else: the ceiling of the benchmark."""

import json

import pyarrow as pa
import pyarrow.flight as fl


class HoldingServer(fl.FlightServerBase):  # type: ignore[misc]
    """Keeps the newest table of each name; appends where it is asked to."""

    def __init__(self) -> None:
        super().__init__("grpc://localhost:0")
        self.tables: dict[str, pa.Table] = {}

    def do_put(
        self,
        _context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        _writer: fl.FlightMetadataWriter,
    ) -> None:
        command = json.loads(descriptor.command)
        table = reader.read_all()
        held = self.tables.get(command["name"])
        if held is not None and command["mode"] == "append":
            table = pa.concat_tables([held, table])
        self.tables[command["name"]] = table

    def do_get(self, _context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.RecordBatchStream:
        return fl.RecordBatchStream(self.tables[json.loads(ticket.ticket)["name"]])

    def do_action(self, _context: fl.ServerCallContext, action: fl.Action) -> list[fl.Result]:
        del self.tables[json.loads(action.body.to_pybytes())["name"]]
        return [fl.Result(b"{}")]


def main() -> None:
    with HoldingServer() as server:
        print(f"holding batches on port :{server.port}", flush=True)
        server.serve()


if __name__ == "__main__":
    main()
