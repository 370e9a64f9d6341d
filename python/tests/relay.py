"""A relay between a client and a server, which counts bytes and can be told to behave badly."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from server_process import ServerProcess

CHUNK = 65536


class Relay:
    """Passes connections on to a server, until it is closed."""

    def __init__(self, server: ServerProcess) -> None:
        self.received = 0
        """How many bytes have come from the server."""
        self.refused = 0
        """How many connections have been refused."""
        self._refuse = 0
        self._swallow = False
        self._limit: int | None = None
        self._server = (server.host, server.port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def refuse(self, connections: int) -> None:
        """Closes so many of the next connections at once."""
        self._refuse = connections

    def swallow_answers(self) -> None:
        """Lets nothing that the server says through any more."""
        self._swallow = True

    def stop_after(self, size: int) -> None:
        """Lets no more than about so many further bytes of answers through."""
        self._limit = self.received + size

    def cut(self) -> None:
        """Cuts all connections, and lets what comes on new ones through."""
        self._swallow = False
        self._limit = None
        sockets, self._sockets = self._sockets, []
        for end in sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refused < self._refuse:
                self.refused += 1
                client.close()
                continue
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(CHUNK):
                if is_answer and (self._swallow or (self._limit is not None and self.received >= self._limit)):
                    continue
                self.received += len(content) if is_answer else 0
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
