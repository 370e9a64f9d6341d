"""A stage on which the examples of a page are run, in their order.

- `console`: lines after `$ ` go to a shell on a terminal, which remembers what was exported; what follows is
  what they answer. A line that runs a server starts one on a free port instead of the one that it shows.
- `pycon`: a Python session, one for the page.
- `wire`: a call after `> `, with its JSON; what comes back is after `< `. A put sends rows of the weather.
- `text`: lines that a server has logged. `toml`: a file that can be read. `rust`: lines that stand in an
  example that the Rust tests run.
"""

import doctest
import os
import re
import shutil
import socket
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from flight_peer import Peer
from page import Block, Run, fits, lasting, line_fits
from server_process import ServerProcess, binary, environment, run
from terminal import on_terminal
from wire_call import DATA, calls, exchange, wire_fits

ROOT = Path(__file__).parent.parent.parent
PROGRAM = r"(?:cargo run --release --bin shoots-server(?: --(?= ))?|shoots-server)"
SERVER = re.compile(PROGRAM + r"(?P<flags>(?: --[a-z-]+(?:[ =][^-\s]\S*)?)*)")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ONLY_SCRIPTS = shutil.ignore_patterns("*.pem", "*.key")
# What is shown for a reader to do once, and has been done where the tests run.
DONE_BEFORE = ("cargo build ", "tour/bin/pip install ")


class Stage:
    """A folder with the tests' data, servers, a shell and a Python session. Use it as a context."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.servers: dict[str, ServerProcess] = {}
        self.ports: dict[str, str] = {}
        self.session: dict[str, Any] = {"__name__": "__main__"}
        self.exported = folder / ".exported"
        self.exported.write_text("")
        shutil.copytree(ROOT / "certs-example", folder / "certs-example", ignore=ONLY_SCRIPTS)
        (folder / "tests").mkdir()
        (folder / "tests/data").symlink_to(DATA)
        for file in DATA.glob("*.csv"):
            (folder / file.name).symlink_to(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for value in self.session.values():
            if hasattr(type(value), "close"):
                value.close()
        codes = [server.stop() for server in self.servers.values()]
        logs = [server.log() for server in self.servers.values()]
        assert not any(codes), logs
        assert not any("panicked" in log for log in logs), logs

    def serve(self, flags: str = "") -> str:
        """Starts a server as a page does, and gives what it says, with the page's ports."""
        words = flags.split()
        shown = taken(words, "--port") or "8081"
        bucket_dir = self.folder / (taken(words, "--bucket-dir") or "buckets").lstrip("/")
        if (port := taken(words, "--metrics-port")) is not None:
            self.ports[port] = free_port()
            words += ["--metrics-port", self.ports[port]]
        words = [self.real(word) for word in words]
        if shown in self.servers:
            port = self.ports[shown]
            done = run("--port", port, "--bucket-dir", str(bucket_dir), *words, "--log-level", "off")
            return self.shown(done.stdout + done.stderr)
        log = self.folder / f"server-{shown}.log"
        server = ServerProcess.start(bucket_dir, *words, log=log)
        self.servers[shown] = server
        self.ports[shown] = str(server.port)
        return self.shown(server.ready_line)

    def real(self, text: str) -> str:
        """A text of the page with the ports and folders that servers really have."""
        for shown, port in self.ports.items():
            text = re.sub(rf"\b{shown}\b", port, text)
        return text.replace("file:///", f"file://{self.folder}/")

    def shown(self, text: str) -> str:
        """A text of a run as the page shows it."""
        for shown, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", shown, text)
        return text.replace(f"file://{self.folder}/", "file:///").replace(str(self.folder), "…")

    def shell(self, line: str) -> str:
        """What a line answers that is typed into the shell."""
        if line.startswith(DONE_BEFORE):
            return ""
        if line.startswith("python3 -m venv "):
            (self.folder / line.rpartition(" ")[2]).mkdir()
            return ""
        if server := SERVER.fullmatch(line):
            return self.serve(server["flags"])
        path = f"{Path(binary()).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        script = f'. "{self.exported}"\n{{ {self.real(line)}\n}} 2>&1\nexport -p > "{self.exported}"\n'
        variables = {"PATH": path, "HOME": str(self.folder), "TERM": "dumb", "NO_COLOR": "1"}
        variables["SHOOTS_URL"] = self.real("grpc://localhost:8081")
        said = self.shown(on_terminal(["sh", "-c", script], self.folder, environment(variables)))
        # A server that is started again has another port.
        ours = f"export SHOOTS_URL='{variables['SHOOTS_URL']}'\n"
        self.exported.write_text(self.exported.read_text().replace(ours, ""))
        if line == "shoots shutdown":
            stopped = self.servers.pop("8081")
            assert stopped.wait() == 0, stopped.log()
        return said

    def run(self, block: Block) -> Run:
        """Runs a block, line by line."""
        match block.language:
            case "console":
                return console(block, self.shell)
            case "pycon":
                return self.python(block)
            case "wire":
                return self.wire(block)
            case "toml":
                tomllib.loads(block.text)
            case "text":
                logs = [log.read_text() for log in self.folder.glob("server-*.log")]
                logged = [line for log in logs for line in log.splitlines()]
                shown = block.text.splitlines()
                missing = [line for line in shown if not any(line_fits(line, told) for told in logged)]
                return Run(block.text, [f"no server has logged {line!r}" for line in missing])
            case "rust":
                code = [line.strip() for line in block.text.splitlines() if line.strip()]
                missing = [line for line in code if line not in rust_examples()]
                return Run(block.text, [f"no example has {line!r}" for line in missing])
        return Run(block.text, [])

    def python(self, block: Block) -> Run:
        """Runs a Python session on."""
        examples = doctest.DocTestParser().get_examples(self.real(block.text), self.name)
        test = doctest.DocTest(examples, self.session, self.name, self.name, None, None)
        test.globs = self.session
        runner = Recorder(self.shown)
        runner.run(test, out=lambda _: None, clear_globs=False)
        return Run("".join(runner.written), runner.problems)

    def wire(self, block: Block) -> Run:
        """Makes the calls of a block."""
        written, problems = [], []
        with Peer(f"grpc://localhost:{self.ports['8081']}") as peer:
            for call, shown in calls(block.text):
                said = list(exchange(peer, call))
                if wire_fits(shown, said):
                    said = shown
                else:
                    problems.append(f"> {call}\nshown: {shown}\nsaid: {said}")
                written += [f"> {call}\n", *(f"< {answer}\n" for answer in said)]
        return Run("".join(written), problems)


def taken(words: list[str], flag: str) -> str | None:
    """The value of a flag, which is taken out of the words of a command."""
    if flag not in words:
        return None
    at = words.index(flag)
    _, value = words[at : at + 2]
    del words[at : at + 2]
    return value


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.create_server(("localhost", 0)) as listening:
        return str(listening.getsockname()[1])


def console(block: Block, shell: Callable[[str], str]) -> Run:
    """Types the commands of a block into a shell."""
    written, problems = [], []
    for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE):
        command, _, shown = re.sub(r"\\\n", "\\\0", part).partition("\n")
        if not command:
            continue
        command = command.replace("\0", "\n")
        said = shell(command.removeprefix("$ ").replace("\\\n", ""))
        if fits(shown, said):
            said = shown
        else:
            problems.append(f"{command}\nshown:\n{shown}\nsaid:\n{said}")
        written.append(f"{command}\n{lasting(said) if said != shown else said}")
    return Run("".join(written), problems)


class Recorder(doctest.DocTestRunner):
    """Runs examples, and writes them anew with what they answer."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        super().__init__(verbose=False, optionflags=FLAGS)
        self.shown = shown
        self.written: list[str] = []
        self.problems: list[str] = []

    def write(self, example: doctest.Example, answer: str) -> None:
        first, *more = self.shown(example.source).splitlines()
        lines = [f">>> {first}", *(f"... {line}".rstrip() for line in more)]
        if more and first.endswith(":"):
            lines.append("...")
        self.written.append("\n".join(lines) + "\n" + answer)

    def report_start(self, *_: Any) -> None:
        pass

    def report_success(self, _out: Any, _test: Any, example: doctest.Example, _got: str) -> None:
        self.write(example, self.shown(example.want))

    def report_failure(self, _out: Any, _test: Any, example: doctest.Example, got: str) -> None:
        self.problems.append(f">>> {example.source}shown:\n{example.want}said:\n{got}")
        self.write(example, "".join(f"{line.rstrip()}\n" for line in self.shown(got).splitlines()))

    def report_unexpected_exception(
        self, _out: Any, _test: Any, example: doctest.Example, exc_info: Any
    ) -> None:
        kind, error, _ = exc_info
        said = re.sub(r"\(call [^)]*\)", "(call ...)", f"{kind.__module__}.{kind.__name__}: {error}")
        self.problems.append(f">>> {example.source}shown:\n{example.want}said:\n{said}")
        self.write(example, f"Traceback (most recent call last):\n  ...\n{self.shown(said)}\n")


def rust_examples() -> set[str]:
    """The lines of the Rust examples that tests run: those in the documentation of the client."""
    files = (ROOT / "client/src").rglob("*.rs")
    commented = [re.findall(r"^\s*//[/!] ?(.*)$", file.read_text(), re.MULTILINE) for file in files]
    return {line.strip() for lines in commented for line in lines}
