"""What a group of work is: prepared once, then the same for every rival in every round."""

from pathlib import Path
from typing import ClassVar

import pyarrow as pa

import frames
import rivals
from crew import Player
from measurements import Measurements


class Group:
    """Frames to work with, and what is measured."""

    # Who takes part, if not everybody.
    titles: ClassVar[list[str]] = list(rivals.ROSTER)

    def __init__(self, measurements: Measurements, folder: Path) -> None:
        self.measurements = measurements
        self.plan = measurements.plan
        self.folder = folder
        self.tables: dict[str, pa.Table] = {}

    def make(self) -> dict[str, pa.Table]:
        """The rows that rivals hold before they begin, by key."""
        raise NotImplementedError

    def prepare(self, player: Player) -> None:
        """What comes before the first round, unmeasured."""

    def round(self, player: Player, turn: int) -> None:
        """One round of one rival."""
        raise NotImplementedError

    def write(self) -> None:
        """Puts the rows into files, from which the workers take them."""
        self.tables = self.make()
        for key, table in self.tables.items():
            frames.save(table, self.file(key))

    def file(self, key: str) -> Path:
        return self.folder / f"{key}.arrow"

    def hand_out(self, player: Player) -> None:
        for key in self.tables:
            player.hold(key, self.file(key))
