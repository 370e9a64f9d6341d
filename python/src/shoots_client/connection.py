"""A connection to a server: calls with the right headers and time limits, repeated where that is safe.

Reads are repeated when nobody answers, and so are changes that carry a `request_id`: the server does such a change
once, however often it is asked. Everything else is asked once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as fl

from . import shm
from .address import Address
from .errors import OutcomeUnknownError, UnavailableError, translated
from .values import given

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
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout must be more than 0 seconds (got {timeout})")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more (got {retries})")
        self.address = address
        self.timeout = timeout
        self.retries = retries
        self.shares_memory = shm.is_possible(address.host, shared_memory)
        self._headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
        certificates = {"tls_root_certs": root_cert, "cert_chain": client_cert, "private_key": client_key}
        self.flight = fl.FlightClient(address.url, generic_options=RECONNECTING, **given(certificates))

    def options(self, timeout: float | None) -> fl.FlightCallOptions:
        """What a call says about itself."""
        seconds = self.timeout if timeout is None else timeout
        return fl.FlightCallOptions(timeout=seconds, headers=self._headers)

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
        with translated(self.address.url):
            for answer in self.flight.do_action(fl.Action(action, body), self.options(timeout)):
                yield answer.body.to_pybytes()

    def act(self, action: str, fields: Mapping[str, Any], timeout: float | None = None, *, safe: bool = False) -> Any:
        """Does an action and gives its one answer."""
        return json.loads(self.text(action, fields, timeout, safe=safe))

    def text(self, action: str, fields: Mapping[str, Any], timeout: float | None = None, *, safe: bool = False) -> str:
        """Does an action and gives its answer as it came."""
        body = json.dumps(fields).encode() if action != "ping" else b""
        change = "request_id" in fields

        def attempt() -> str:
            return b"\n".join(self.answers(action, body, timeout)).decode()

        return self.repeated(attempt, safe=safe or change, change=change)

    def read(self, ticket: bytes, timeout: float | None, *, again: bool = True) -> fl.FlightStreamReader:
        """Begins to read what a ticket is for. What nobody answers is asked `again`."""

        def attempt() -> fl.FlightStreamReader:
            with translated(self.address.url):
                reader = self.flight.do_get(fl.Ticket(ticket), self.options(timeout))
                # The call fails here at the latest if the server refuses it.
                _ = reader.schema
                return reader

        return self.repeated(attempt, safe=again)

    def schema(self, ticket: bytes, timeout: float | None) -> pa.Schema:
        """The schema of what a ticket is for."""

        def attempt() -> pa.Schema:
            with translated(self.address.url):
                descriptor = fl.FlightDescriptor.for_command(ticket)
                return self.flight.get_schema(descriptor, self.options(timeout)).schema

        return self.repeated(attempt, safe=True)

    def info(self, ticket: bytes, timeout: float | None) -> fl.FlightInfo:
        """What is known beforehand of what a ticket is for."""

        def attempt() -> fl.FlightInfo:
            with translated(self.address.url):
                descriptor = fl.FlightDescriptor.for_command(ticket)
                return self.flight.get_flight_info(descriptor, self.options(timeout))

        return self.repeated(attempt, safe=True)

    def flights(self, criteria: Mapping[str, Any], timeout: float | None) -> list[fl.FlightInfo]:
        """The frames that criteria choose."""

        def attempt() -> list[fl.FlightInfo]:
            with translated(self.address.url):
                return list(self.flight.list_flights(json.dumps(criteria).encode(), self.options(timeout)))

        return self.repeated(attempt, safe=True)

    def close(self) -> None:
        """Closes the connection; a second time does nothing."""
        self.flight.close()
