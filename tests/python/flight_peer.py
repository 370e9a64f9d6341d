"""The wire contract over plain pyarrow, as a program without any Shoots package speaks it."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pyarrow as pa
import pyarrow.flight as fl
import pytest

OPTIONS = fl.FlightCallOptions(timeout=60)


class Peer:
    """A connection to a server; close it, or use it as a context."""

    def __init__(self, address: str) -> None:
        self.client = fl.connect(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def put(self, name: str, table: pa.Table, **fields: Any) -> dict[str, Any]:
        """Puts a table as the batches it consists of, and gives the result's metadata."""
        return self.put_batches({"name": name, **fields}, table.schema, table.to_batches())

    def put_batches(
        self, command: dict[str, Any], schema: pa.Schema, batches: Iterable[pa.RecordBatch]
    ) -> dict[str, Any]:
        """Puts batches with exactly this command."""
        descriptor = fl.FlightDescriptor.for_command(json.dumps(command))
        writer, reader = self.client.do_put(descriptor, schema, OPTIONS)
        with writer:
            for batch in batches:
                writer.write_batch(batch)
            writer.done_writing()
            # Nothing comes if the put failed; leaving the context then says why.
            answer = reader.read()
            assert reader.read() is None
        result: dict[str, Any] = json.loads(answer.to_pybytes())
        return result

    def get(self, name: str, **fields: Any) -> pa.Table:
        return self.get_ticket(json.dumps({"name": name, **fields}))

    def read(self, name: str, **fields: Any) -> fl.FlightStreamReader:
        """The batches of a get as they come."""
        return self.client.do_get(fl.Ticket(json.dumps({"name": name, **fields})), OPTIONS)

    def get_ticket(self, ticket: str | bytes) -> pa.Table:
        return self.client.do_get(fl.Ticket(ticket), OPTIONS).read_all()

    def sql(self, name: str, sql: str, **fields: Any) -> pa.Table:
        return self.get(name, sql=sql, **fields)

    def schema(self, name: str) -> pa.Schema:
        """The schema that a frame announces, by its path."""
        return self.client.get_schema(fl.FlightDescriptor.for_path(name), OPTIONS).schema

    def listing(self, **criteria: Any) -> list[fl.FlightInfo]:
        """The frames that match criteria; those of every bucket without criteria."""
        expression = json.dumps(criteria).encode() if criteria else b""
        return list(self.client.list_flights(expression, OPTIONS))

    def paths(self, **criteria: Any) -> list[list[str]]:
        """The descriptor paths of a listing."""
        infos = self.listing(**criteria)
        return [[part.decode() for part in info.descriptor.path] for info in infos]

    def act(self, action: str, body: Any = None) -> Any:
        """Does an action and gives its one answer."""
        sent = b"" if body is None else json.dumps(body).encode()
        answers = list(self.client.do_action(fl.Action(action, sent), OPTIONS))
        assert len(answers) == 1
        return json.loads(answers[0].body.to_pybytes())

    def delete(self, name: str, bucket: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.act("delete", {"name": name, "bucket": bucket})
        return answer


@contextmanager
def refused(kind: str, *fragments: str) -> Iterator[None]:
    """Expects a domain error of this kind with these texts in its message."""
    with pytest.raises(fl.FlightServerError) as caught:
        yield
    body = json.loads(caught.value.extra_info)
    assert body.keys() == {"type", "message"}
    assert body["type"] == kind, body
    for fragment in fragments:
        assert fragment in body["message"], body
