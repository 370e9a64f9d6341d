"""What is made of frames: groups, bins of time, an as-of join."""

import pyarrow as pa

import frames
import rivals
from crew import Player

from .group import Group


class Queries(Group):
    """The same frames for everybody, read again in every round."""

    def make(self) -> dict[str, pa.Table]:
        ticks = frames.ticks(self.plan.rows)
        # The older server cannot make means of a frame with strings.
        numbers = ticks.select(["time", *frames.MEANS])
        tables = {"ticks": ticks, "numbers": numbers, "trades": frames.trades(self.plan.rows // 10)}
        self.groups = frames.grouped(ticks)
        self.bins = frames.minutes(ticks)
        self.joined = frames.with_last_bid(tables["trades"], ticks)
        return tables

    def prepare(self, player: Player) -> None:
        if player.title in rivals.CEILINGS:
            return
        for key in self.tables:
            player.call("load", key, key)
            player.drop(key)

    def round(self, player: Player, turn: int) -> None:
        self.ask(player, "group by symbol", self.groups, "group", "ticks")
        self.ask(player, "resample to minutes, got", self.bins, "resample", "numbers")
        self.store(player, f"minutes{turn}")
        self.ask(player, "as-of join", self.joined, "asof", "trades", "ticks")

    def ask(self, player: Player, title: str, expected: pa.Table, method: str, *arguments: str) -> None:
        work = f"queries: {title}"
        with self.measurements.attempt(work, player):
            seconds, got = player.read(method, *arguments)
            self.measurements.check(expected, got, exact=False)
            self.measurements.note(work, player, seconds)

    def store(self, player: Player, target: str) -> None:
        work = "queries: resample to minutes, stored"
        with self.measurements.attempt(work, player):
            seconds = player.call("resample_into", "numbers", target)
            got = player.read("get", target)[1]
            self.measurements.check(self.bins, got, exact=False)
            self.measurements.note(work, player, seconds)
