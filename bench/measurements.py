"""What was measured: the seconds of every round, and what was not offered, by work and by rival."""

import statistics
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

import frames
from crew import NotOfferedError, Player


@dataclass
class Plan:
    """How much of everything."""

    rows: int
    rounds: int
    wide_rows: int
    text_rows: int
    small_calls: int
    clients: int
    listed_frames: int
    appends: int
    budget: float
    megabytes: int
    binary: Path


@dataclass
class Measurements:
    """Everything that is known at the end of a run."""

    plan: Plan
    # Of every round, by work and rival.
    seconds: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    # Bytes of memory, by moment and rival.
    memory: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    # Other figures: ratios, and what belongs to one rival only.
    figures: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    failures: list[str] = field(default_factory=list)
    checked: int = 0

    def note(self, work: str, player: Player, seconds: float) -> None:
        self.seconds[work][player.title].append(seconds)

    def note_each(self, work: str, player: Player, each: list[float]) -> None:
        """Many calls of one round count as one measurement: their median."""
        self.note(work, player, statistics.median(each))

    def check(self, expected: pa.Table, got: pa.Table, exact: bool = True) -> None:
        frames.check(expected, got, exact)
        self.checked += 1

    def median(self, work: str, title: str) -> float | None:
        times = self.seconds.get(work, {}).get(title)
        return statistics.median(times) if times else None

    @contextmanager
    def attempt(self, work: str, player: Player) -> Iterator[None]:
        """Goes on where a rival cannot do something, or fails; the table has an empty cell then."""
        try:
            yield
        except NotOfferedError as reason:
            self.reasons[work][player.title] = str(reason)
        except Exception as problem:
            self.fail(work, player.title, problem)

    def fail(self, work: str, title: str, problem: Exception) -> None:
        """Notes that something did not work, or gave other rows."""
        said = "".join(traceback.format_exception_only(problem)).strip()
        self.reasons[work][title] = "FAILED: " + said.splitlines()[-1]
        # The measured time of something wrong is no time.
        self.seconds[work].pop(title, None)
        self.failures.append(f"{title}: {work}")
        print(f"{title}: {work}: {said}", file=sys.stderr, flush=True)

    def as_json(self) -> dict[str, Any]:
        plan = {name: value for name, value in vars(self.plan).items() if name != "binary"}
        return {
            "plan": plan,
            "seconds": self.seconds,
            "memory": self.memory,
            "figures": self.figures,
            "not offered": self.reasons,
            "failures": self.failures,
            "checked": self.checked,
        }
