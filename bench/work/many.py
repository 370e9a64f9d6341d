"""Many frames in one listing, and a frame of many appends."""

from typing import ClassVar

import pyarrow as pa

import frames
from crew import Player

from .group import Group

ROWS = 100


class Listing(Group):
    """Lists frames of 100 rows: after a restart, and again."""

    titles: ClassVar[list[str]] = ["shoots", "older", "ArcticDB", "Lakota"]

    def make(self) -> dict[str, pa.Table]:
        return {"small": frames.ticks(ROWS)}

    def prepare(self, player: Player) -> None:
        names = [f"frame{number}" for number in range(self.plan.listed_frames)]
        player.call("load_many", names, "small")

    def round(self, player: Player, turn: int) -> None:
        title = f"listing {self.plan.listed_frames:,} frames"
        with self.measurements.attempt(title, player):
            player.call("restart")
            for work in (f"{title}: first", f"{title}: again"):
                seconds, count = player.count("listed")
                if count != self.plan.listed_frames:
                    raise AssertionError(f"{count:,} frames were listed")
                self.measurements.note(work, player, seconds)


class Appends(Group):
    """Appends 100 rows at a time to one frame, and reads it: at once, and again in every round."""

    def make(self) -> dict[str, pa.Table]:
        everything = frames.ticks(ROWS * (self.plan.appends + 1))
        return {"first": everything.slice(0, ROWS), "tail": everything.slice(ROWS), "all": everything}

    def prepare(self, player: Player) -> None:
        work = f"{self.plan.appends:,} appends: the last tenth, for each"
        with self.measurements.attempt(work, player):
            player.call("load", "frame", "first")
            places = [["frame", "tail", number * ROWS, ROWS] for number in range(self.plan.appends)]
            each = player.repeat("append", places, self.plan.budget)
            if len(each) < self.plan.appends:
                message = f"made {len(each):,} of {self.plan.appends:,} appends in {self.plan.budget:.0f} s"
                self.measurements.reasons[work][player.title] = message
                return
            self.measurements.note_each(work, player, each[-max(1, len(each) // 10) :])
        player.call("load", "at_once", "all")

    def round(self, player: Player, turn: int) -> None:
        title = f"{self.plan.appends:,} appends"
        made = f"{title}: the last tenth, for each"
        if self.measurements.median(made, player.title) is None:
            return
        for work, name in [
            (f"{title}: get", "frame"),
            (f"{title}: get of the same rows from one put", "at_once"),
        ]:
            with self.measurements.attempt(work, player):
                seconds, got = player.read("get", name)
                self.measurements.check(self.tables["all"], got)
                self.measurements.note(work, player, seconds)
