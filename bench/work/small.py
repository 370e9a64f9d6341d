"""Frames of 100 rows, and appends of 100 rows, many times; by one client, and by several at the same time."""

import pyarrow as pa

import frames
from crew import Player

from .group import Group

ROWS = 100
MEDIUM_ROWS = 100_000
GETS_OF_MEDIUM = 4

# The fastest client's time over the slowest's is near 1 where nobody starves.
FAIRNESS = "time of the first client to end / of the last"


class Small(Group):
    """Puts of new frames, appends to one, gets; each by one client and by many."""

    def make(self) -> dict[str, pa.Table]:
        rows = ROWS * (self.plan.rounds * self.plan.small_calls + 1)
        everything = frames.ticks(rows)
        return {
            "small": everything.slice(0, ROWS),
            "tail": everything.slice(ROWS),
            "medium": frames.ticks(min(MEDIUM_ROWS, self.plan.rows)),
        }

    def prepare(self, player: Player) -> None:
        player.call("load", "medium", "medium")
        player.call("load", "growing", "small")

    def round(self, player: Player, turn: int) -> None:
        names = [f"small{turn}x{number}" for number in range(self.plan.small_calls)]
        self.puts(player, names)
        self.gets(player, names)
        self.appends(player, turn)
        self.crowds(player, turn, names)

    def puts(self, player: Player, names: list[str]) -> None:
        work = "small: put of a new frame"
        with self.measurements.attempt(work, player):
            each = player.repeat("put", [[name, "small"] for name in names])
            self.measurements.note_each(work, player, each)
            return
        player.repeat("load", [[name, "small"] for name in names])

    def gets(self, player: Player, names: list[str]) -> None:
        work = "small: get"
        with self.measurements.attempt(work, player):
            each = player.repeat("get", [[name] for name in names])
            for name in (names[0], names[-1]):
                self.measurements.check(self.tables["small"], player.read("get", name)[1])
            self.measurements.note_each(work, player, each)

    def appends(self, player: Player, turn: int) -> None:
        work = "small: append to a frame"
        calls = self.plan.small_calls
        with self.measurements.attempt(work, player):
            places = [ROWS * (turn * calls + number) for number in range(calls)]
            each = player.repeat("append", [["growing", "tail", place, ROWS] for place in places])
            appended = self.tables["tail"].slice(0, ROWS * (turn + 1) * calls)
            expected = pa.concat_tables([self.tables["small"], appended])
            self.measurements.check(expected, player.read("get", "growing")[1])
            self.measurements.note_each(work, player, each)

    def crowds(self, player: Player, turn: int, names: list[str]) -> None:
        """What one client does, and many do together; seconds for each call, all clients counted."""
        clients = self.plan.clients
        calls = max(1, self.plan.small_calls // clients)
        fresh = [
            [[f"crowd{turn}x{client}x{call}", "small"] for call in range(calls)] for client in range(clients)
        ]
        known = [[[name] for name in names[:calls]] for _ in range(clients)]
        medium = [[["medium"]] * GETS_OF_MEDIUM for _ in range(clients)]
        self.crowd(player, "put of a new frame", "put", fresh)
        self.crowd(player, "get", "get", known)
        self.crowd(player, "get of 100,000 rows", "get", medium)
        work = "1 client: get of 100,000 rows, for each"
        with self.measurements.attempt(work, player):
            alone = player.crowd("get", [[["medium"]] * (GETS_OF_MEDIUM * clients)])
            self.measurements.note(work, player, alone[0] / (GETS_OF_MEDIUM * clients))

    def crowd(self, player: Player, title: str, method: str, clients: list[list[list[str]]]) -> None:
        work = f"{len(clients)} clients: {title}, for each"
        with self.measurements.attempt(work, player):
            each = player.crowd(method, clients)
            calls = sum(len(client) for client in clients)
            self.measurements.note(work, player, max(each) / calls)
            if player.title == "shoots" and title != "put of a new frame":
                self.measurements.figures[f"{work}: {FAIRNESS}"] = min(each) / max(each)
            if method == "put":
                last = clients[-1][-1][0]
                self.measurements.check(self.tables["small"], player.read("get", last)[1])
