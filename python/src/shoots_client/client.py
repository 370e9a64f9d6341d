"""The client: a connection to a server, and everything that can be asked of it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from .address import Address, pem
from .calls import Buckets, Combining, Frames, History, Reading, Remotes, Rows, Upkeep, Writing
from .connection import Connection


class ShootsClient(Frames, Writing, Rows, History, Combining, Remotes, Buckets, Upkeep, Reading):
    """A client of a Shoots server. Threads can share it; close it, or use it as a context.

    >>> with ShootsClient("localhost", port) as client:
    ...     client.ping()
    'pong'
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: bool = False,
        root_cert: str | bytes | Path | None = None,
        token: str | None = None,
        *,
        client_cert: str | bytes | Path | None = None,
        client_key: str | bytes | Path | None = None,
        timeout: float | None = None,
        retries: int = 3,
        allow_insecure_token: bool = False,
        shared_memory: bool | None = None,
    ) -> None:
        """Connects to the server at `host` and `port`; the first call shows whether it is there.

        With `tls` the connection is encrypted. `root_cert` is the certificate of the authority that signed the
        server's, if the system does not know it; `client_cert` and `client_key` are for servers that ask for one. Each
        is PEM as text, or the `Path` of a file with it. A `token` is not sent over an unencrypted connection, unless
        `allow_insecure_token` says so.

        `timeout` is how many seconds a call may take, if it does not say itself. Calls that nobody answers are made up
        to `retries` times more, if that is safe.

        A server on this machine may share memory with its clients; `shared_memory=False` has rows sent all the same,
        and so has `SHOOTS_SHARED_MEMORY=0` in the environment.
        """
        self._set_up(
            Address(host, port, tls=bool(tls)),
            root_cert,
            token,
            client_cert,
            client_key,
            timeout,
            retries,
            allow_insecure_token,
            shared_memory,
        )

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        root_cert: str | bytes | Path | None = None,
        token: str | None = None,
        client_cert: str | bytes | Path | None = None,
        client_key: str | bytes | Path | None = None,
        timeout: float | None = None,
        retries: int = 3,
        allow_insecure_token: bool = False,
        shared_memory: bool | None = None,
    ) -> Self:
        """Connects to `grpc://host:port`, or encrypted to `grpc+tls://host:port`. Without a port it is 8081.

        >>> ShootsClient.from_url("grpc+tls://frames.example")
        ShootsClient.from_url('grpc+tls://frames.example:8081')
        """
        client = cls.__new__(cls)
        client._set_up(
            Address.parse(url),
            root_cert,
            token,
            client_cert,
            client_key,
            timeout,
            retries,
            allow_insecure_token,
            shared_memory,
        )
        return client

    def _set_up(
        self,
        address: Address,
        root_cert: str | bytes | Path | None,
        token: str | None,
        client_cert: str | bytes | Path | None,
        client_key: str | bytes | Path | None,
        timeout: float | None,
        retries: int,
        allow_insecure_token: bool,
        shared_memory: bool | None,
    ) -> None:
        if not address.tls:
            certificates = {"root_cert": root_cert, "client_cert": client_cert, "client_key": client_key}
            useless = [name for name, value in certificates.items() if value is not None]
            if useless:
                raise ValueError(f"{useless[0]} is for encrypted connections; set tls=True, or use grpc+tls://")
            if token is not None and not allow_insecure_token:
                raise ValueError(
                    "the token would travel unencrypted; set tls=True (grpc+tls://), or allow_insecure_token=True"
                )
        if (client_cert is None) != (client_key is None):
            raise ValueError("client_cert and client_key go together; give both or none")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token has characters that no header can hold, such as the end of a line; strip them")
        self._has_token = token is not None
        self._connection = Connection(
            address,
            root_cert=pem("root_cert", root_cert),
            client_cert=pem("client_cert", client_cert),
            client_key=pem("client_key", client_key),
            token=token,
            timeout=timeout,
            retries=retries,
            shared_memory=shared_memory,
        )

    @property
    def url(self) -> str:
        """The address of the server."""
        return self._connection.address.url

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        said = [repr(self.url)]
        if self._has_token:
            said.append("token='…'")
        if self._connection.timeout is not None:
            said.append(f"timeout={self._connection.timeout}")
        return f"ShootsClient.from_url({', '.join(said)})"
