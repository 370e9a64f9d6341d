"""Moving rows: batches to the server, and from it.

A put is one commit, and a stream that breaks changes nothing. But a writer of pyarrow always ends its stream *well*,
also when the program has failed, or is being interrupted, in the middle of it. So every put is sealed: its last message
says how many rows there were, and the server takes nothing that ends without.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, cast

import pyarrow as pa
import pyarrow.flight as fl

from . import shm
from .connection import Connection, Stream
from .conversion import Outgoing
from .errors import OutcomeUnknownError, translated
from .progress import Tracker, Watch
from .results import PutResult
from .values import as_json
from .waiting import Call


def send(
    connection: Connection,
    command: Mapping[str, Any],
    rows: Outgoing,
    *,
    batch_size: int | None,
    timeout: float | None,
    progress: Watch,
) -> PutResult:
    """Puts rows, and gives what the server says once they are durable."""

    def attempt() -> PutResult:
        with Tracker(f"put {command['name']}", progress, rows.rows) as tracker:
            return send_once(connection, command, rows, batch_size, timeout, tracker)

    return connection.repeated(attempt, safe=rows.repeatable and "request_id" in command, change=True)


def send_once(
    connection: Connection,
    command: Mapping[str, Any],
    rows: Outgoing,
    batch_size: int | None,
    timeout: float | None,
    tracker: Tracker,
) -> PutResult:
    """Puts rows in one call."""
    descriptor = fl.FlightDescriptor.for_command(as_json({**command, "sealed": True}))
    call = connection.begin()
    options = connection.options(call, timeout)
    sent = 0
    with translated(connection.address.url):
        writer, reader = call.wait(lambda: connection.flight.do_put(descriptor, rows.schema, options))
        try:
            for batch in rows.batches(batch_size):
                write(call, writer, batch)
                sent += batch.num_rows
                tracker.moved(batch.num_rows, batch.nbytes)
            answer = call.wait(lambda: sealed(writer, reader, sent))
        except BaseException:
            # The server's complaint about the missing seal is of no interest.
            with suppress(Exception):
                call.wait(writer.close)
            raise
    if answer is None:
        raise OutcomeUnknownError("the server ended the put without saying what it did; look at the frame's log")
    return cast(PutResult, json.loads(answer.to_pybytes()))


def write(call: Call, writer: fl.FlightStreamWriter, batch: pa.RecordBatch) -> None:
    """Sends a batch."""
    try:
        call.wait(lambda: writer.write_batch(batch))
    except (fl.FlightError, pa.ArrowException, OSError):
        # The server has ended the call; closing tells why.
        call.wait(writer.close)
        raise


def sealed(writer: fl.FlightStreamWriter, reader: fl.FlightMetadataReader, sent: int) -> pa.Buffer | None:
    """What the server answers to the last message of a put."""
    writer.write_metadata(json.dumps({"rows": sent}).encode())
    writer.done_writing()
    answer = reader.read()
    writer.close()
    return answer


def receive_all(
    connection: Connection, ticket: Mapping[str, Any], timeout: float | None, tracker: Tracker
) -> tuple[pa.Table, bool]:
    """All rows that a ticket is for, and whether they lie in memory that is shared with the server."""
    if connection.shares_memory and shm.may_be_shared(ticket):
        table, said = receive_once(connection, {**ticket, "shm": True}, timeout, tracker)
        if not said:
            return table, False
        try:
            table = shm.mapped(said[-1])
        except shm.GoneError:
            pass
        except shm.OutOfReachError:
            connection.shares_memory = False
        else:
            tracker.moved(table.num_rows, table.nbytes)
            return table, True
    table, _ = receive_once(connection, ticket, timeout, tracker)
    return table, False


def receive_once(
    connection: Connection, ticket: Mapping[str, Any], timeout: float | None, tracker: Tracker
) -> tuple[pa.Table, list[bytes]]:
    """The rows that a server sends for a ticket, and what it says in their place."""
    stream = connection.read(as_json(ticket), timeout, whole=True)
    batches = list(receive(stream, connection.address.url, tracker))
    return pa.Table.from_batches(batches, stream.schema), stream.said


def receive(stream: Stream, address: str, tracker: Tracker | None = None) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a get as they come. Closing the generator stops the work on both sides."""
    ended = False
    try:
        with translated(address):
            while (batch := stream.read()) is not None:
                if tracker is not None:
                    tracker.moved(batch.num_rows, batch.nbytes)
                yield batch
        ended = True
    finally:
        if not ended:
            stream.cancel()
