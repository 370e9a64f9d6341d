"""A connection to a server: calls with the right headers and time limits, repeated where that is safe.

Reads are repeated when nobody answers, and so are changes that carry a `request_id`: the server does such a change
once, however often it is asked. Everything else is asked once.

Whoever waits for a call can give up, also by Ctrl-C: see `waiting`.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any, TypeVar
from weakref import WeakSet

import pyarrow as pa
import pyarrow.flight as fl

from . import shm
from .address import Address
from .errors import InvalidRequestError, OutcomeUnknownError, UnavailableError, translated
from .values import as_json, given
from .waiting import Call

CALL_NAME = b"x-shoots-call-name"
"""The header with the name by which a call can be ended."""
CANCELLING = 2.0
"""How many seconds the server may take to end a call."""
AHEAD = 0.02
"""For how many seconds rows are read in one step when all of them are wanted; steps have their price."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0

RECONNECTING = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]
"""How soon a connection that broke is made anew; gRPC alone waits longer than calls are repeated here."""

T = TypeVar("T")


class Connection:
    """A connection to one server. Threads can share it."""

    def __init__(
        self,
        address: Address,
        *,
        root_cert: bytes | None = None,
        client_cert: bytes | None = None,
        client_key: bytes | None = None,
        token: str | None = None,
        timeout: float | None = None,
        retries: int = 3,
        shared_memory: bool | None = None,
    ) -> None:
        check_process()
        check_timeout(timeout)
        if retries < 0:
            raise ValueError(f"retries must be 0 or more (got {retries})")
        self.address = address
        self.timeout = timeout
        self.retries = retries
        self.shares_memory = shm.is_possible(address.host, shared_memory)
        self._headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
        certificates = {"tls_root_certs": root_cert, "cert_chain": client_cert, "private_key": client_key}
        self.flight = fl.FlightClient(address.url, generic_options=RECONNECTING, **given(certificates))
        self._closed = False
        OPEN.add(self)

    def begin(self) -> Call:
        """A call that is about to be made."""
        check_process()
        if self._closed:
            raise InvalidRequestError(f"this client of {self.address.url} is closed; make another one")
        return Call(self._cancel)

    def options(self, call: Call, timeout: float | None) -> fl.FlightCallOptions:
        """What a call says about itself."""
        check_timeout(timeout)
        seconds = self.timeout if timeout is None else timeout
        return fl.FlightCallOptions(timeout=seconds, headers=[*self._headers, (CALL_NAME, call.name.encode())])

    def _cancel(self, name: str) -> bool:
        """Ends a call at the server; false if it does not know such a call."""
        action = fl.Action("cancel", json.dumps({"call": name}).encode())
        options = fl.FlightCallOptions(timeout=CANCELLING, headers=self._headers)
        (answer,) = self.flight.do_action(action, options)
        return bool(json.loads(answer.body.to_pybytes())["cancelled"])

    def repeated(self, attempt: Callable[[], T], *, safe: bool, change: bool = False) -> T:
        """What `attempt` gives; it is made again after a pause while nobody answers, if that is `safe`.

        A `change` whose outcome got lost is made again, too: its `request_id` keeps it from being done twice.
        """
        pause = FIRST_PAUSE
        for _ in range(self.retries if safe else 0):
            try:
                return attempt()
            except UnavailableError:
                pass
            except OutcomeUnknownError:
                if not change:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return attempt()

    def answers(self, action: str, body: bytes, timeout: float | None) -> Iterator[bytes]:
        """The answers of an action as they come."""
        call = self.begin()
        with translated(self.address.url):
            answers = self._asked(call, action, body, timeout)
            while (answer := call.wait(lambda: next(answers, None))) is not None:
                yield answer

    def _asked(self, call: Call, action: str, body: bytes, timeout: float | None) -> Iterator[bytes]:
        """The answers of an action, for the thread that makes the call's steps."""
        answers = self.flight.do_action(fl.Action(action, body), self.options(call, timeout))
        return (answer.body.to_pybytes() for answer in answers)

    def act(self, action: str, fields: Mapping[str, Any], timeout: float | None = None, *, safe: bool = False) -> Any:
        """Does an action and gives its one answer."""
        return json.loads(self.text(action, fields, timeout, safe=safe))

    def text(self, action: str, fields: Mapping[str, Any], timeout: float | None = None, *, safe: bool = False) -> str:
        """Does an action and gives its answer as it came."""
        body = as_json(fields) if action != "ping" else b""
        change = "request_id" in fields

        def attempt() -> str:
            call = self.begin()
            with translated(self.address.url):
                answers = call.wait(lambda: list(self._asked(call, action, body, timeout)))
            return b"\n".join(answers).decode()

        return self.repeated(attempt, safe=safe or change, change=change)

    def read(self, ticket: bytes, timeout: float | None, *, whole: bool = False) -> Stream:
        """Begins to read what a ticket is for, some ahead if the `whole` is wanted before anything is done with it.

        What nobody answers is asked again, except for the whole: who wants that has to begin again anyway.
        """

        def attempt() -> Stream:
            call = self.begin()

            def begun() -> Stream:
                reader = self.flight.do_get(fl.Ticket(ticket), self.options(call, timeout))
                return Stream(reader, call, AHEAD if whole else 0)

            with translated(self.address.url):
                return call.wait(begun)

        return self.repeated(attempt, safe=not whole)

    def schema(self, ticket: bytes, timeout: float | None) -> pa.Schema:
        """The schema of what a ticket is for."""
        # What pyarrow raises of `get_schema` does not say what kind of error it is.
        return self.info(ticket, timeout).schema

    def info(self, ticket: bytes, timeout: float | None) -> fl.FlightInfo:
        """What is known beforehand of what a ticket is for."""

        def attempt() -> fl.FlightInfo:
            call = self.begin()
            with translated(self.address.url):
                descriptor = fl.FlightDescriptor.for_command(ticket)
                options = self.options(call, timeout)
                return call.wait(lambda: self.flight.get_flight_info(descriptor, options))

        return self.repeated(attempt, safe=True)

    def flights(self, criteria: Mapping[str, Any], timeout: float | None) -> list[fl.FlightInfo]:
        """The frames that criteria choose."""

        def attempt() -> list[fl.FlightInfo]:
            call = self.begin()
            with translated(self.address.url):
                options = self.options(call, timeout)
                return call.wait(lambda: list(self.flight.list_flights(as_json(criteria), options)))

        return self.repeated(attempt, safe=True)

    def close(self) -> None:
        """Closes the connection; a second time does nothing."""
        self._closed = True
        OPEN.discard(self)
        self.flight.close()


def check_timeout(timeout: float | None) -> None:
    """Refuses what is no time that a call may take."""
    if timeout is not None and not (isinstance(timeout, Real) and timeout > 0):
        raise InvalidRequestError(f"timeout must be more than 0 seconds (got {timeout!r})")


OPEN: WeakSet[Connection] = WeakSet()
"""The connections of this process."""
INHERITED: list[str] = []
"""Where the process that this one was forked from was connected to."""


def check_process() -> None:
    """Refuses calls that would wait for ever: gRPC's threads are not in a child of the process that has them."""
    if INHERITED:
        raise InvalidRequestError(
            f"this process was forked from one with a connection to {INHERITED[0]}, and gRPC does not work in it; "
            'start processes with multiprocessing.get_context("spawn"), or close all clients before'
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: INHERITED.extend(connection.address.url for connection in OPEN))


class Stream:
    """Rows that come from the server."""

    def __init__(self, reader: fl.FlightStreamReader, call: Call, ahead: float) -> None:
        # The call fails here at the latest if the server refuses it.
        self.schema: pa.Schema = reader.schema
        # What the server says in the place of batches.
        self.said: list[bytes] = []
        self._reader = reader
        self._call = call
        self._ahead = ahead
        self._came: deque[pa.RecordBatch | None] = deque()
        call.end_here = reader.cancel
        if ahead:
            self._read()

    def read(self) -> pa.RecordBatch | None:
        """The next rows; `None` after the last."""
        if not self._came:
            self._call.wait(self._read)
        return self._came.popleft()

    def cancel(self) -> None:
        """Stops the work on both sides."""
        self._call.end()

    def _read(self) -> None:
        """Reads at least one batch, and those that come within the seconds that may be read `ahead`."""
        deadline = time.monotonic() + self._ahead
        while True:
            batch = self._next()
            self._came.append(batch)
            if batch is None or time.monotonic() >= deadline:
                return

    def _next(self) -> pa.RecordBatch | None:
        try:
            while (chunk := self._reader.read_chunk()).data is None:
                if chunk.app_metadata is not None:
                    self.said.append(chunk.app_metadata.to_pybytes())
        except StopIteration:
            return None
        return chunk.data
