"""Frames of many rows: put, the first get after a start, gets, and parts of them."""

from collections.abc import Callable

import pyarrow as pa

import frames
from crew import Player

from .group import Group

APPENDED = 100
# Besides the one that is checked, in each round.
FURTHER_GETS = 2
# Of what takes milliseconds; one alone would be that of whatever else the machine does.
FURTHER_PARTS = 10
APPENDS = 6


class Whole(Group):
    """Puts a frame of its own in each round, and gets it: cold, again, and as pandas."""

    title = ""
    key = ""

    def round(self, player: Player, turn: int) -> None:
        name = f"{self.key}{turn}"
        self.put(player, name)
        self.first_get(player, name)
        self.get(player, name)
        self.more(player, name)
        self.pandas(player, name)

    def hand_out(self, player: Player) -> None:
        """Each holds the rows while it puts them only: all together may have no room for them."""

    def put(self, player: Player, name: str) -> None:
        player.hold(self.key, self.file(self.key))
        self.measured_put(player, name)
        player.drop(self.key)

    def measured_put(self, player: Player, name: str) -> None:
        work = f"{self.title}: put"
        with self.measurements.attempt(work, player):
            self.measurements.note(work, player, player.call("put", name, self.key))
            return
        player.call("load", name, self.key)

    def first_get(self, player: Player, name: str) -> None:
        """Whoever starts anew finds the files in the operating system's cache."""
        work = f"{self.title}: first get"
        with self.measurements.attempt(work, player):
            player.call("restart")
            self.read(work, player, self.tables[self.key], "get", name)

    def get(self, player: Player, name: str) -> None:
        work = f"{self.title}: get"
        with self.measurements.attempt(work, player):
            self.read(work, player, self.tables[self.key], "get", name)
            for _ in range(FURTHER_GETS):
                self.measurements.note(work, player, player.call("get", name))

    def more(self, player: Player, name: str) -> None:
        """What only this frame is for."""

    def pandas(self, player: Player, name: str) -> None:
        work = f"{self.title}: get as pandas"
        with self.measurements.attempt(work, player):
            self.read(work, player, self.tables[self.key], "pandas", name)

    def read(self, work: str, player: Player, expected: pa.Table, method: str, *arguments: object) -> None:
        """A measured read; its rows are checked before it counts."""
        seconds, got = player.read(method, *arguments)
        self.measurements.check(expected, got)
        self.measurements.note(work, player, seconds)


class Large(Whole):
    """Six columns: a time, three floats, an integer, a symbol."""

    title = "large"
    key = "ticks"

    def make(self) -> dict[str, pa.Table]:
        everything = frames.ticks(self.plan.rows + APPENDS * APPENDED)
        ticks = everything.slice(0, self.plan.rows)
        short = ticks.slice(self.plan.rows - self.plan.rows // 100)
        return {"ticks": ticks, "short": short, "tail": everything.slice(self.plan.rows)}

    def hand_out(self, player: Player) -> None:
        player.hold("tail", self.file("tail"))

    def more(self, player: Player, name: str) -> None:
        ticks = self.tables["ticks"]
        self.opened(player, name)
        parts: list[tuple[str, Callable[[pa.Table], frames.Range]]] = [
            ("range of 1 %", frames.hundredth),
            ("range of one day", frames.one_day),
        ]
        for title, part_of in parts:
            part = part_of(ticks)
            work = f"{self.title}: {title}"
            with self.measurements.attempt(work, player):
                seconds, got = player.read("range", name, part.start, part.stop)
                self.measurements.check(part.of(ticks), got)
                again = (player.call("range", name, part.start, part.stop) for _ in range(FURTHER_PARTS))
                self.measurements.note_each(work, player, [seconds, *again])

    def opened(self, player: Player, name: str) -> None:
        """Whoever asks first waits until the rows are written; whoever asks then has them."""
        work = f"{self.title}: opened in shared memory"
        with self.measurements.attempt(work, player):
            first, _ = player.read("opened", name)
            self.measurements.note(f"{work}, first", player, first)
            self.read(work, player, self.tables[self.key], "opened", name)
            for _ in range(FURTHER_GETS):
                self.measurements.note(work, player, player.call("opened", name))

    def pandas(self, player: Player, name: str) -> None:
        super().pandas(player, name)
        self.append(player, name, f"{APPENDED} rows appended to it", "ticks")
        player.hold("short", self.file("short"))
        player.call("load", f"short_{name}", "short")
        player.drop("short")
        self.append(player, f"short_{name}", f"{APPENDED} rows appended to 1 % of it", "short")

    def append(self, player: Player, name: str, title: str, key: str) -> None:
        work = f"{self.title}: {title}"
        with self.measurements.attempt(work, player):
            turns = [at * APPENDED for at in range(APPENDS)]
            each = [player.call("append", name, "tail", first, APPENDED) for first in turns]
            expected = pa.concat_tables([self.tables[key], self.tables["tail"]])
            self.measurements.check(expected, player.read("get", name)[1])
            self.measurements.note_each(work, player, each)


class Wide(Whole):
    """A time and 500 columns of floats."""

    title = "wide"
    key = "wide"

    def make(self) -> dict[str, pa.Table]:
        return {"wide": frames.wide(self.plan.wide_rows)}

    def more(self, player: Player, name: str) -> None:
        chosen = ["c007", "c411"]
        work = f"{self.title}: 2 of 500 columns"
        with self.measurements.attempt(work, player):
            self.read(work, player, self.tables["wide"].select(chosen), "columns", name, chosen)


class Texts(Whole):
    """A time and four columns of strings."""

    title = "texts"
    key = "texts"

    def make(self) -> dict[str, pa.Table]:
        return {"texts": frames.texts(self.plan.text_rows)}
