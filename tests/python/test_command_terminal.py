"""The `shoots` command on a terminal: its prompt, its questions, tables that fit, and colours."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE = 60.0


def command() -> str:
    """The binary, which is built together with the server's."""
    binary = Path(os.environ["SHOOTS_SERVER"]).with_name("shoots")
    assert binary.exists(), f"{binary} is missing: cargo test --workspace --tests --no-run"
    return str(binary)


class Terminal:
    """The command on a terminal of its own."""

    def __init__(
        self, folder: Path, *arguments: str, columns: int = 100, variables: Mapping[str, str] | None = None
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SHOOTS_", "XDG_"))}
        kept.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [command(), "--store", str(folder / "store"), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, "HOME": str(folder), "TERM": "xterm-256color", **(variables or {})},
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""
        self.read = 0

    def _more(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 0.1)
        if not ready:
            return True
        try:
            said = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += said.decode(errors="replace")
        return bool(said)

    def until(self, text: str) -> str:
        """What is said up to a text, without escapes. What follows is left to be waited for."""
        started = time.monotonic()
        while True:
            plain = ESCAPE.sub("", self.raw)[self.read :]
            found = plain.find(text)
            if found >= 0:
                said = plain[: found + len(text)]
                self.read += len(said)
                return said
            assert time.monotonic() - started < PATIENCE, f"gave up waiting for {text!r}: {plain!r}"
            assert self._more(), f"it ended without {text!r}: {plain!r}"

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> tuple[int, str]:
        """The exit code, and what else was said."""
        started = time.monotonic()
        while self._more():
            assert time.monotonic() - started < PATIENCE, f"it does not end: {self.raw!r}"
            if self.process.poll() is not None and not select.select([self.master], [], [], 0.1)[0]:
                break
        code = self.process.wait(PATIENCE)
        return code, ESCAPE.sub("", self.raw)[self.read :]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in ("airlines", "weather"):
        put = [command(), "--store", str(tmp_path / "store"), "put", str(DATA / f"{file}.csv"), "--quiet"]
        subprocess.run(put, check=True, stdout=subprocess.DEVNULL, env={"HOME": str(tmp_path)})
    return tmp_path


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_the_prompt_asks_completes_remembers_and_survives_mistakes(
    folder: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal(folder, "sql")
    terminals.append(terminal)
    terminal.until("shoots> ")
    terminal.type("select count(*) as n\r")
    terminal.until("...> ")
    terminal.type("from airl\t;\r")
    said = terminal.until("1 row, 1 column")
    assert "airlines" in said
    assert "16" in said
    terminal.until("shoots> ")

    terminal.type("select nonsense from airlines;\r")
    terminal.until("error: ")
    terminal.until("shoots> ")
    terminal.type("\\d airlines\r")
    terminal.until("carrier")
    terminal.until("shoots> ")
    terminal.type("\\d\r")
    terminal.until("weather")
    terminal.until("shoots> ")

    terminal.type("garbage\x03")
    terminal.until("shoots> ")
    # The query before `\d`, `\d airlines` and the mistake.
    terminal.type("\x1b[A\x1b[A\x1b[A\x1b[A\r")
    assert "16" in terminal.until("1 row, 1 column")
    terminal.until("shoots> ")
    terminal.type("\x04")
    code, _ = terminal.end()
    assert code == 0

    again = Terminal(folder, "sql")
    terminals.append(again)
    again.until("shoots> ")
    again.type("\x1b[A\r")
    assert "16" in again.until("1 row, 1 column")
    again.until("shoots> ")
    again.type("exit\r")
    assert again.end()[0] == 0
    history = folder / ".local/state/shoots/history"
    assert history.stat().st_mode & 0o077 == 0


def test_lines_that_are_typed_while_a_query_runs_are_questions_too(
    folder: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal(folder, "sql")
    terminals.append(terminal)
    terminal.until("shoots> ")
    terminal.type("select count(*) as slow from generate_series(1, 20000000) where value % 7 = 3;\r")
    while not termios.tcgetattr(terminal.master)[3] & termios.ICANON:
        time.sleep(0.001)
    terminal.type("select 11 + 11 as one;\rselect 22 +\r22 as two;\rselect 33 + 3")
    assert "2857143" in terminal.until("1 row, 1 column")
    for prompt, answer in (("shoots> select 11 + 11 as one;", "22"), ("...> 22 as two;", "44")):
        terminal.until(prompt)
        assert answer in terminal.until("1 row, 1 column")
    terminal.until("shoots> ")
    terminal.type("0 as three;\r")
    assert "63" in terminal.until("1 row, 1 column")
    terminal.until("shoots> ")
    terminal.type("\x04")
    assert terminal.end()[0] == 0


def test_what_loses_something_is_asked_first(folder: Path, terminals: list[Terminal]) -> None:
    for answer, code, left in (("n", 1, True), ("y", 0, False)):
        terminal = Terminal(folder, "rm", "airlines")
        terminals.append(terminal)
        terminal.until("delete airlines? [y/N] ")
        terminal.type(answer + "\r")
        assert terminal.end()[0] == code
        listed = Terminal(folder, "ls")
        terminals.append(listed)
        assert ("airlines" in listed.end()[1]) == left
    stopped = Terminal(folder, "rm", "weather")
    terminals.append(stopped)
    stopped.until("delete weather? [y/N] ")
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.end()[0] == 130
    sure = Terminal(folder, "rm", "weather", "--yes")
    terminals.append(sure)
    code, said = sure.end()
    assert code == 0
    assert "[y/N]" not in said


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_tables_fit_the_terminal(folder: Path, terminals: list[Terminal], columns: int) -> None:
    terminal = Terminal(folder, "head", "weather", columns=columns)
    terminals.append(terminal)
    code, said = terminal.end()
    lines = [line for line in said.replace("\r", "").splitlines() if line.startswith(("│", "┌", "└"))]
    assert code == 0
    assert len(lines) == 14
    assert max(map(len, lines)) <= columns
    assert "origin" in said
    assert "time_hour" in said


def test_colours_are_left_out_where_that_is_asked_for(folder: Path, terminals: list[Terminal]) -> None:
    cases: list[tuple[dict[str, str], bool]] = [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ]
    for variables, colored in cases:
        terminal = Terminal(folder, "ls", variables=variables)
        terminals.append(terminal)
        terminal.end()
        assert ("\x1b[1m" in terminal.raw) == colored, variables


def test_rows_without_a_word_are_a_table_of_the_first_ones(folder: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(folder, "get", "weather", "--columns", "temp")
    terminals.append(terminal)
    code, said = terminal.end()
    assert code == 0
    assert "40 of 6,463 rows, 1 column" in said
