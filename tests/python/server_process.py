"""The real server binary as a process: started on a free port, stopped as an operator would."""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

READY = re.compile(
    r"shoots-server listening on (?P<scheme>grpc|grpc\+tls)://(?P<host>[^\s:]+):(?P<port>\d+)\n"
)

# Generous: what takes this long has failed, and a slow machine is no failure.
SECONDS = 60.0


def binary() -> str:
    """The path of the server binary under test."""
    path = os.environ.get("SHOOTS_SERVER")
    if not path:
        message = "SHOOTS_SERVER must be the path of the server binary; `cargo xtask python` sets it"
        raise RuntimeError(message)
    return path


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of the server except those given."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHOOTS_")}
    return inherited | dict(settings or {})


class ServerProcess:
    """A running server. Made by `start`; ended by `stop` or `kill`."""

    def __init__(self, process: subprocess.Popen[str], log: Path, ready: re.Match[str]) -> None:
        self.process = process
        self.log_file = log
        self.ready_line = ready[0]
        self.scheme = ready["scheme"]
        self.host = ready["host"]
        self.port = int(ready["port"])

    @classmethod
    def start(
        cls,
        bucket_dir: Path | str,
        *flags: str,
        log: Path,
        settings: Mapping[str, str] | None = None,
    ) -> "ServerProcess":
        """Starts a server on a free port and waits until it says that it is ready."""
        command = [binary(), "--port", "0", "--bucket-dir", str(bucket_dir), *flags]
        with log.open("a") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(settings),
            )
        ready = READY.fullmatch(first_line(process))
        if ready is None:
            process.kill()
            process.communicate()
            raise RuntimeError(f"the server did not become ready: {log.read_text()}")
        return cls(process, log, ready)

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def log(self) -> str:
        """What the server has written to its standard error so far."""
        return self.log_file.read_text()

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Waits until the log contains a text this many times."""
        deadline = time.monotonic() + SECONDS
        while self.log().count(text) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in the log:\n{self.log()}")
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Waits for the end of the process, and gives its exit code."""
        code = self.process.wait(SECONDS)
        self.close()
        return code

    def stop(self) -> int:
        """Asks the server to stop, and gives its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends the process at once, as a crash or a power cut would."""
        self.process.kill()
        self.process.wait(SECONDS)
        self.close()

    def is_running(self) -> bool:
        return self.process.poll() is None

    def remaining_output(self) -> str:
        """What came on standard output after the ready line, up to its end."""
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line on a process's standard output; what there is of it if the process ends."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(SECONDS):
            return ""
    return process.stdout.readline()


def run(*flags: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the binary to its end, for what it prints and how it exits."""
    return subprocess.run(
        [binary(), *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(settings),
    )
