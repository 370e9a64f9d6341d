"""What is measured: this project's server, the older Python server, and a server that only remembers.

Each runs as a process of its own on the loopback interface, so that all of them pay the same for it.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl

HERE = Path(__file__).parent
START_SECONDS = 60.0


@dataclass(frozen=True)
class Target:
    """A server under measurement, listening on this machine."""

    name: str
    port: int
    process: int

    @property
    def address(self) -> str:
        return f"grpc://localhost:{self.port}"


def release_binary() -> Path:
    """Where `cargo build --release` leaves the server, unless SHOOTS_SERVER names another."""
    given = os.environ.get("SHOOTS_SERVER")
    if given:
        return Path(given)
    folder = os.environ.get("CARGO_TARGET_DIR", str(HERE.parent / "target"))
    return Path(folder) / "release" / "shoots-server"


@contextlib.contextmanager
def shoots(
    binary: Path, bucket_dir: Path | str, *flags: str, settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """This project's server."""
    if not binary.exists():
        message = f"{binary} does not exist: run `cargo build --release -p shoots-server`"
        raise FileNotFoundError(message)
    command = [str(binary), "--port=0", f"--bucket-dir={bucket_dir}", "--log-level=warn", *flags]
    with running(command, settings) as process:
        yield Target("shoots", announced_port(process), process.pid)


@contextlib.contextmanager
def older(bucket_dir: Path) -> Iterator[Target]:
    """The older Python server, as its own command line starts it."""
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    command = [
        *[sys.executable, "-m", "shoots.shoots_server"],
        *["--port", str(port), "--bucket_dir", str(bucket_dir)],
    ]
    with running(command) as process:
        target = Target("older", port, process.pid)
        wait_until_it_answers(target)
        yield target


@contextlib.contextmanager
def in_memory() -> Iterator[Target]:
    """A Flight server that keeps batches in memory as they came: what transport alone costs."""
    with running([sys.executable, str(HERE / "holding_server.py")]) as process:
        yield Target("in memory", announced_port(process), process.pid)


@contextlib.contextmanager
def in_memory_rust(binary: Path) -> Iterator[Target]:
    """The same in Rust: the example `holding`, which cargo puts into a folder beside the server's binary."""
    holding = holding_binary(binary)
    if not holding.exists():
        message = f"{holding} does not exist: run `cargo build --release -p shoots-server --example holding`"
        raise FileNotFoundError(message)
    with running([str(holding)]) as process:
        yield Target("in memory, Rust", announced_port(process), process.pid)


def holding_binary(binary: Path) -> Path:
    """Where cargo leaves the ceiling in Rust."""
    return binary.parent / "examples" / "holding"


@contextlib.contextmanager
def running(command: list[str], settings: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = {key: text for key, text in os.environ.items() if not key.startswith("SHOOTS_")}
    # The older server warns about its own dependencies.
    environment["PYTHONWARNINGS"] = "ignore"
    environment |= settings or {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def announced_port(process: subprocess.Popen[str]) -> int:
    """The port in the line that a server prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r":(\d+)\s*$", line)
    if found is None:
        raise RuntimeError(f"the server did not become ready: {line!r}")
    return int(found[1])


def wait_until_it_answers(target: Target) -> None:
    """Waits for a server that does not say by itself when it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(fl.FlightUnavailableError, pa.ArrowException):
            with fl.connect(target.address) as client:
                list(client.do_action(fl.Action("ping", b"")))
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{target.name} does not answer")
        time.sleep(0.1)
