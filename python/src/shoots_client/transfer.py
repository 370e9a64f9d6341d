"""Moving rows: batches to the server, and from it.

A put is one commit, and a stream that breaks changes nothing. But a writer of pyarrow always ends its stream *well*,
also when the program has failed, or is being interrupted, in the middle of it. So every put is sealed: its last message
says how many rows there were, and the server takes nothing that ends without.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from threading import Event
from typing import Any, cast

import pyarrow as pa
import pyarrow.flight as fl

from . import shm
from .connection import Connection
from .conversion import Outgoing
from .errors import CancelledError, OutcomeUnknownError, translated
from .progress import Tracker, Watch
from .results import PutResult

given_up: ContextVar[Event | None] = ContextVar("given_up", default=None)
"""Set when nobody waits for the transfers of this context any more."""


def stop_if_given_up() -> None:
    """Ends the transfer if nobody waits for it."""
    event = given_up.get()
    if event is not None and event.is_set():
        raise CancelledError("the call was given up while rows were moved")


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
    descriptor = fl.FlightDescriptor.for_command(json.dumps({**command, "sealed": True}).encode())
    with translated(connection.address.url):
        writer, reader = connection.flight.do_put(descriptor, rows.schema, connection.options(timeout))
        sent = 0
        try:
            for batch in rows.batches(batch_size):
                stop_if_given_up()
                write(writer, batch)
                sent += batch.num_rows
                tracker.moved(batch.num_rows, batch.nbytes)
            stop_if_given_up()
            writer.write_metadata(json.dumps({"rows": sent}).encode())
            writer.done_writing()
            answer = reader.read()
        except BaseException:
            # The server's complaint about the missing seal is of no interest.
            with suppress(Exception):
                writer.close()
            raise
        writer.close()
    if answer is None:
        raise OutcomeUnknownError("the server ended the put without saying what it did; look at the frame's log")
    return cast(PutResult, json.loads(answer.to_pybytes()))


def write(writer: fl.FlightStreamWriter, batch: pa.RecordBatch) -> None:
    """Sends a batch."""
    try:
        writer.write_batch(batch)
    except (fl.FlightError, pa.ArrowException, OSError):
        # The server has ended the call; closing tells why.
        writer.close()
        raise


def receive_all(
    connection: Connection, ticket: Mapping[str, Any], timeout: float | None, tracker: Tracker
) -> tuple[pa.Table, bool]:
    """All rows that a ticket is for, and whether they lie in memory that is shared with the server."""
    if connection.shares_memory and shm.may_be_shared(ticket):
        places: list[bytes] = []
        table = receive_once(connection, {**ticket, "shm": True}, timeout, tracker, places)
        if not places:
            return table, False
        try:
            table = shm.mapped(places[-1])
        except shm.GoneError:
            pass
        except shm.OutOfReachError:
            connection.shares_memory = False
        else:
            tracker.moved(table.num_rows, table.nbytes)
            return table, True
    return receive_once(connection, ticket, timeout, tracker), False


def receive_once(
    connection: Connection,
    ticket: Mapping[str, Any],
    timeout: float | None,
    tracker: Tracker,
    places: list[bytes] | None = None,
) -> pa.Table:
    """The rows that a server sends for a ticket."""
    reader = connection.read(json.dumps(ticket).encode(), timeout, again=False)
    batches = list(receive(reader, connection.address.url, tracker, places))
    return pa.Table.from_batches(batches, reader.schema)


def receive(
    reader: fl.FlightStreamReader,
    address: str,
    tracker: Tracker | None = None,
    places: list[bytes] | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a get as they come. Closing the generator stops the work on both sides.

    What the server says in the place of batches goes to `places`.
    """
    ended = False
    try:
        with translated(address):
            for chunk in chunks(reader):
                stop_if_given_up()
                if chunk.data is None:
                    if places is not None and chunk.app_metadata is not None:
                        places.append(chunk.app_metadata.to_pybytes())
                    continue
                if tracker is not None:
                    tracker.moved(chunk.data.num_rows, chunk.data.nbytes)
                yield chunk.data
        ended = True
    finally:
        if not ended:
            with suppress(Exception):
                reader.cancel()


def chunks(reader: fl.FlightStreamReader) -> Iterator[fl.FlightStreamChunk]:
    """The messages of a stream."""
    while True:
        try:
            yield reader.read_chunk()
        except StopIteration:
            return
