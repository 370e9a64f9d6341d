"""Where a server is, and how its certificate is checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 8081


@dataclass(frozen=True)
class Address:
    """The address of a server.

    >>> Address("localhost", 8081, tls=False).url
    'grpc://localhost:8081'
    >>> Address.parse("grpc+tls://frames.example").url
    'grpc+tls://frames.example:8081'
    """

    host: str
    port: int
    tls: bool

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise ValueError(f"host must be the name or address of a machine (got {self.host!r})")
        if "/" in self.host:
            raise ValueError(
                f"host is a URL ({self.host!r}); give it to ShootsClient.from_url, or name the machine alone"
            )
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValueError(f"port must be a number from 1 to 65535 (got {self.port!r})")

    @property
    def url(self) -> str:
        """The address as pyarrow takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'grpc+tls' if self.tls else 'grpc'}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads `grpc://host:port` or `grpc+tls://host:port`; without a port it is 8081."""
        known = "use grpc://host:port or grpc+tls://host:port"
        parts = urlsplit(url)
        if parts.scheme not in ("grpc", "grpc+tcp", "grpc+tls"):
            problem = f"the scheme {parts.scheme}:// is not known" if parts.scheme else "the URL has no scheme"
            raise ValueError(f"{problem}; {known}")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"the URL holds credentials, which end up in logs; give a `token`, and {known}")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"the URL must end after the port; {known}")
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"the port is no number from 1 to 65535; {known}") from None
        port = DEFAULT_PORT if port is None else port
        return cls(parts.hostname or "", port, tls=parts.scheme == "grpc+tls")


def pem(name: str, value: str | bytes | Path | None) -> bytes | None:
    """A certificate or key: PEM as text, or the path of a file with it."""
    if value is None:
        return None
    content = value.read_bytes() if isinstance(value, Path) else value
    content = content.encode() if isinstance(content, str) else content
    if b"-----BEGIN " not in content:
        raise ValueError(f"{name} must be PEM (-----BEGIN …), or the `Path` of a file with it")
    return content
