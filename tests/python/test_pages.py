"""The README and the pages about Shoots, typed in: what they show is what happens.

With `SHOOTS_WRITE_PAGES=1` a page is written anew with what its examples answer, to be looked at.
"""

import ast
import os
import re
import shutil
from inspect import signature
from pathlib import Path

import pytest
from shoots_client import ShootsClient

from flight_peer import OPTIONS, Peer
from page import blocks, fits, json_fits
from stage import ROOT, Stage

# Run by the tests of the command (`tests/cli`) and of the package (`python/tests/test_examples.py`).
ELSEWHERE = {"docs/command.md", "docs/python.md"}
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]
RUN = {"console", "pycon", "wire", "text", "toml", "rust"}
# What is there to be read: recipes for a machine of one's own or a cloud, differences of programs.
READ = {"sh", "ini", "diff"}


def text(page: str) -> str:
    return (ROOT / page).read_text()


@pytest.mark.parametrize("name", [page for page in PAGES if page not in ELSEWHERE])
def test_a_page_comes_out_as_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = text(name)
    if "$ openssl" in page and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHOOTS_URL", raising=False)
    problems: list[str] = []
    with Stage(tmp_path, name) as stage:
        if "127.0.0.1:8081" not in page and "grpc+tls://127" not in page:
            stage.serve()
        written, end = "", 0
        for block in blocks(page):
            assert block.language in RUN | READ, block.language
            run = stage.run(block)
            problems += run.problems
            written += page[end : block.start] + run.text
            end = block.start + len(block.text)
        written += page[end:]
    if os.environ.get("SHOOTS_WRITE_PAGES"):
        (ROOT / name).write_text(written)
        return
    assert problems == [], "\n\n".join(problems)


FALSE = """
```console
$ echo one
two
$ shoots ping
pong after … ms
```
```pycon
>>> 1 + 1
3
>>> 1 / 0
Traceback (most recent call last):
  ...
ValueError: no
```
```wire
> DoAction buckets {}
< ["nyc"]
> DoGet {"name": "wether"}
< error {"type": "FileExistsError", "message": "…"}
```
```text
a server that sings
```
```rust
client.sing().await?;
```
"""


def test_what_a_page_shows_wrongly_is_found(tmp_path: Path) -> None:
    with Stage(tmp_path, "a page") as stage:
        stage.serve()
        runs = [stage.run(block) for block in blocks(FALSE)]
    assert [len(run.problems) for run in runs] == [1, 2, 2, 1, 1]
    assert runs[0].text == "$ echo one\none\n$ shoots ping\npong after … ms\n"
    assert runs[1].text.startswith(">>> 1 + 1\n2\n>>> 1 / 0\nTraceback")
    assert runs[2].text.startswith("> DoAction buckets {}\n< []\n")


def test_the_profiles_that_the_page_about_the_command_shows_are_read(tmp_path: Path) -> None:
    (example,) = [block for block in blocks(text("docs/command.md")) if block.language == "toml"]
    config = tmp_path / "config.toml"
    config.write_text(example.text)
    with Stage(tmp_path, "profiles") as stage:
        said = stage.shell("LAB_TOKEN=x shoots --config config.toml --profile lab --ca ca.pem ping")
        assert "ca.pem" in said, said
        config.write_text(example.text.replace("server =", "severs ="))
        assert "severs" in stage.shell("shoots --config config.toml --profile lab ping")


def test_every_page_is_linked_from_the_readme() -> None:
    readme = text("README.md")
    assert [page for page in PAGES[1:] if f"({page})" not in readme] == []


def test_every_action_stands_in_the_wire_contract(peer: Peer) -> None:
    page = text("docs/wire.md")
    actions = [action.type for action in peer.client.list_actions(OPTIONS)]
    ours = [action for action in actions if action.islower()]
    assert len(ours) > 40
    assert [action for action in ours if f"`{action}`" not in page] == []


def test_calls_of_the_package_that_pages_name_exist() -> None:
    named = {(page, call) for page in PAGES for call in re.findall(r"\bclient\.([a-z_]+)", text(page))}
    assert len(named) > 50
    assert [(page, call) for page, call in sorted(named) if not hasattr(ShootsClient, call)] == []


def test_calls_in_the_text_of_pages_are_calls_that_the_package_takes() -> None:
    said = {call for page in PAGES for call in re.findall(r"`(client\.\w+\(.*?\))`", text(page))}
    assert len(said) > 15
    for line in said:
        call = ast.parse(line.replace("…", "..."), mode="eval").body
        assert isinstance(call, ast.Call), line
        assert isinstance(call.func, ast.Attribute), line
        keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
        signature(getattr(ShootsClient, call.func.attr)).bind(None, *call.args, **keywords)


def test_every_block_says_its_language() -> None:
    for page in PAGES:
        fences = [line for line in text(page).splitlines() if line.startswith("```")]
        assert all(fence != "```" for fence in fences[::2]), page


def test_an_ellipsis_stands_for_anything_on_its_line() -> None:
    assert fits("a … c\n", "a b c\n")
    assert fits("a …\n", "a b c\n")
    assert not fits("a … c\n", "a b d\n")
    assert not fits("a\n", "a\nb\n")


def test_fields_that_are_not_shown_may_be_there_only_where_an_ellipsis_says_so() -> None:
    assert json_fits({"a": 1, "b": "…"}, {"a": 1, "b": 3})
    assert json_fits({"a": 1, "…": "…"}, {"a": 1, "b": 3})
    assert not json_fits({"a": 1}, {"a": 1, "b": 3})
    assert not json_fits({"a": 1, "b": "…"}, {"a": 1})
    assert not json_fits([{"a": 1}], [{"a": 2}])
