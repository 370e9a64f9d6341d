"""The runner's side of the workers: one process for each rival, started for one group of work."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

import environments
import frames
import rivals

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "python" / "src"


class NotOfferedError(Exception):
    """A rival cannot do this, and why."""


class Player:
    """A rival in its process."""

    def __init__(self, title: str, process: subprocess.Popen[str], folder: Path) -> None:
        self.title = title
        self.process = process
        self.result = folder / "result.arrow"

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, "with": arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.title} has ended during {what}")
        answer: dict[str, Any] = json.loads(line)
        if "not offered" in answer:
            raise NotOfferedError(answer["not offered"])
        if "problem" in answer:
            raise RuntimeError(f"{self.title}: {what} {str(arguments)[:200]}\n{answer['problem']}")
        return answer

    def hold(self, key: str, file: Path) -> None:
        self.ask("hold", key=key, file=str(file))

    def drop(self, key: str) -> None:
        """Lets rows go, so that only one rival at a time has them in memory."""
        self.ask("drop", key=key)

    def call(self, method: str, *arguments: Any) -> float:
        seconds: float = self.ask("call", method=method, arguments=arguments, result=None)["seconds"]
        return seconds

    def count(self, method: str, *arguments: Any) -> tuple[float, int]:
        answer = self.ask("call", method=method, arguments=arguments, result=None)
        return answer["seconds"], answer["value"]

    def read(self, method: str, *arguments: Any) -> tuple[float, pa.Table]:
        answer = self.ask("call", method=method, arguments=arguments, result=str(self.result))
        return answer["seconds"], frames.load(self.result)

    def repeat(self, method: str, many: list[list[Any]], budget: float = 600) -> list[float]:
        each: list[float] = self.ask("repeat", method=method, many=many, budget=budget)["each"]
        return each

    def crowd(self, method: str, clients: list[list[list[Any]]]) -> list[float]:
        each: list[float] = self.ask("crowd", method=method, clients=clients)["each"]
        return each


@contextlib.contextmanager
def player(title: str, binary: Path, environment_folder: Path, folder: Path) -> Iterator[Player]:
    """Starts a rival on a folder of its own, and ends it."""
    python = environments.python_of(rivals.ENVIRONMENTS.get(title, "main"), environment_folder)
    place = folder / title.replace(" ", "-")
    store = place / "frames"
    store.mkdir(parents=True)
    command = [str(python), str(HERE / "worker.py"), title, str(store), str(binary)]
    variables = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
    )
    try:
        yield Player(title, process, place)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
