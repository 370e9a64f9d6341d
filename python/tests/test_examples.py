"""The examples in the package's documentation and in the pages about it, run against a real server."""

import asyncio
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import shoots_client
from server_process import ServerProcess
from shoots_client import AsyncShootsClient, ShootsClient

ROOT = Path(__file__).parent.parent.parent
PAGES = ["python/README.md", "docs/python.md"]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples() -> list[doctest.DocTest]:
    """Every docstring of the package that has examples."""
    names = [module.name for module in pkgutil.walk_packages(shoots_client.__path__, "shoots_client.")]
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in names for test in finder.find(importlib.import_module(name))]
    return [test for test in found if test.examples]


def prices() -> pd.DataFrame:
    """What the examples are about."""
    days = pd.date_range("2024-01-01", periods=5, name="time")
    return pd.DataFrame({"close": [10.0, 10.0, 11.0, 10.5, 12.0], "volume": range(100, 600, 100)}, index=days)


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_an_example_comes_out_as_it_is_written(
    test: doctest.DocTest, client: ShootsClient, server: ServerProcess
) -> None:
    client.put("prices", prices())
    test.globs |= {
        "AsyncShootsClient": AsyncShootsClient,
        "ShootsClient": ShootsClient,
        "asyncio": asyncio,
        "client": client,
        "pa": pa,
        "pd": pd,
        "pl": pl,
        "port": server.port,
        "prices": prices(),
    }
    reported: list[str] = []
    results = doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=reported.append)
    assert results.failed == 0, "".join(reported)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.skipif(pd.__version__ < "3", reason="pages show what the newest pandas prints")
def test_a_page_comes_out_as_it_is_written(page: str, server: ServerProcess) -> None:
    text = (ROOT / page).read_text().replace('"localhost", 8081', f'"{server.host}", {server.port}')
    sessions = re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    typed = doctest.DocTestParser().get_examples("".join(sessions), page)
    assert len(typed) > 5
    reported: list[str] = []
    test = doctest.DocTest(typed, {}, page, page, None, None)
    results = doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=reported.append)
    assert results.failed == 0, "".join(reported)


def test_every_call_is_documented() -> None:
    public = [name for name in dir(ShootsClient) if not name.startswith("_")]
    assert len(public) > 50
    assert [name for name in public if not getattr(ShootsClient, name).__doc__] == []


def test_the_client_for_asyncio_has_every_call() -> None:
    missing = [name for name in dir(ShootsClient) if not name.startswith("_") and not hasattr(AsyncShootsClient, name)]
    assert missing == []
