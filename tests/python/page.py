"""A page of the documentation: its blocks of examples, and whether what they show is what was said.

`…` stands for what is another text each time; in JSON, the key `"…"` for fields that are not shown.
"""

import re
from dataclasses import dataclass
from typing import Any

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Texts that are others each time: commits, times of today, sizes, calls.
CHANGING = [
    r"\b[0-9a-f]{12}\b",
    r"\b20(?:2[5-9]|[3-9]\d)-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?",
    r"\b[\d.]+ [kM]?B\b",
    r"(?<=\(call )[0-9a-z-]+",
]


@dataclass
class Block:
    """A block of examples: its language, its lines, and where they stand in the page."""

    language: str
    text: str
    start: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(match["language"], match["text"], match.start("text")) for match in BLOCK.finditer(page)]


@dataclass
class Run:
    """What a run of a block led to: the block with what its lines answer, and where it said otherwise."""

    text: str
    problems: list[str]


def fits(shown: str, said: str) -> bool:
    """Whether a text is what is shown, where `…` stands for anything on its line."""
    lines, expected = [[line.rstrip() for line in text.splitlines()] for text in (said, shown)]
    return len(lines) == len(expected) and all(map(line_fits, expected, lines))


def line_fits(shown: str, line: str) -> bool:
    # The spaces about it are those that keep columns in line.
    pattern = ".* *".join(re.escape(part) for part in re.split(" *… *", shown))
    return shown == line or re.fullmatch(pattern, line, re.DOTALL) is not None


def json_fits(shown: Any, said: Any) -> bool:
    """Whether JSON is what is shown, where `…` stands for text that is left out, or for other fields."""
    match shown, said:
        case str(), str():
            return line_fits(shown, said)
        case "…", _:
            return True
        case dict(), dict():
            named = {key: value for key, value in shown.items() if key != "…"}
            complete = "…" in shown or named.keys() == said.keys()
            return complete and all(
                key in said and json_fits(value, said[key]) for key, value in named.items()
            )
        case list(), list():
            return len(shown) == len(said) and all(map(json_fits, shown, said))
        case _:
            return bool(shown == said)


def lasting(said: str) -> str:
    """A text with `…` for what is another one each time."""
    for pattern in CHANGING:
        said = re.sub(rf"(?:{pattern})(?P<column>(?=  ))?", ellipsis, said)
    return said


def ellipsis(text: re.Match[str]) -> str:
    """What stands for a text: as long as it, if it is in a column."""
    width = len(text[0]) if text["column"] is not None else 1
    return "…".rjust(width) if text[0].endswith("B") else "…".ljust(width)
