"""What this server is to reach, each as a check that says so with its figure. Nothing fails by it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from measurements import Measurements
from report import ratio

ARCTIC, DUCK, OURS = "ArcticDB", "DuckDB", "shoots"
CPP, RUST = "C++ in memory", "Rust in memory"
LARGE = ["large", "wide", "texts"]
QUERIES = ["group by symbol", "resample to minutes, got", "as-of join"]


@dataclass(frozen=True)
class Goal:
    """A figure that is to be at most, or at least, so much."""

    title: str
    figure: Callable[[Measurements], float | None]
    bound: float
    at_least: bool
    unit: str = ""

    def line(self, measured: Measurements) -> str:
        figure = self.figure(measured)
        wanted = f"{'at least' if self.at_least else 'at most'} {self.bound:g}{self.unit}"
        if figure is None:
            return f"| {self.title} | {wanted} |  | not measured |"
        reached = figure >= self.bound if self.at_least else figure <= self.bound
        return (
            f"| {self.title} | {wanted} | {figure:,.2f}{self.unit} | {'reached' if reached else 'MISSED'} |"
        )


def over(work: str, above: str, below: str) -> Callable[[Measurements], float | None]:
    """One rival's time over another's for the same work."""
    return lambda measured: ratio(measured, work, above, below)


def works(work: str, title: str, other: str, other_title: str) -> Callable[[Measurements], float | None]:
    """The time of one work over that of another."""

    def figure(measured: Measurements) -> float | None:
        pair = measured.median(work, title), measured.median(other, other_title)
        return None if pair[0] is None or pair[1] is None else pair[0] / pair[1]

    return figure


def crowded(measured: Measurements, title: str) -> float | None:
    """What many clients get together, against the most that one gets: of the same frame."""
    clients = measured.plan.clients
    return works(f"1 client: {title}, for each", OURS, f"{clients} clients: {title}, for each", OURS)(
        measured
    )


def fairness(measured: Measurements) -> float | None:
    """The least fair of what many clients did."""
    found = [figure for work, figure in measured.figures.items() if "of the first client" in work]
    return min(found, default=None)


def milliseconds(work: str) -> Callable[[Measurements], float | None]:
    def figure(measured: Measurements) -> float | None:
        seconds = measured.median(work, OURS)
        return None if seconds is None else seconds * 1e3

    return figure


def megabytes(moment: str) -> Callable[[Measurements], float | None]:
    def figure(measured: Measurements) -> float | None:
        held = measured.memory.get(moment, {}).get(OURS)
        return None if held is None else held / 1e6

    return figure


def stream_goals() -> Iterator[Goal]:
    for frame in LARGE:
        get, first = f"{frame}: get", f"{frame}: first get"
        yield Goal(f"{get}: throughput over Rust in memory", over(get, RUST, OURS), 0.9, True)
        yield Goal(f"{first}: throughput over Rust in memory", works(get, RUST, first, OURS), 0.7, True)
        yield Goal(f"{frame}: put over ArcticDB's", over(f"{frame}: put", OURS, ARCTIC), 1.3, False)
        yield Goal(f"{frame}: older server's put over it", over(f"{frame}: put", "older", OURS), 3, True)


def shared_goals() -> Iterator[Goal]:
    """The frame is of 1 GB only with more rows than a run has by itself: the time does not depend on it."""
    opened = "large: opened in shared memory"
    yield Goal(f"{opened}: ArcticDB's get over it", works("large: get", ARCTIC, opened, OURS), 50, True)
    yield Goal(opened, milliseconds(opened), 5, False, " ms")


def small_goals() -> Iterator[Goal]:
    put, get = "small: put of a new frame", "small: get"
    yield Goal(f"{put}, durable, over ArcticDB's", over(put, OURS, ARCTIC), 1, False)
    yield Goal(f"{get} over C++ in memory", over(get, OURS, CPP), 1.3, False)
    yield Goal(f"{get} over Rust in memory", over(get, OURS, RUST), 1.3, False)


def part_goals() -> Iterator[Goal]:
    appended, short = "large: 100 rows appended to it", "large: 100 rows appended to 1 % of it"
    yield Goal(f"{appended}, over ArcticDB's", over(appended, OURS, ARCTIC), 1, False)
    yield Goal(f"{appended}, over an append to 1 % of it", works(appended, OURS, short, OURS), 1.1, False)
    ranged = "large: range of 1 %"
    yield Goal(f"{ranged} over ArcticDB's", over(ranged, OURS, ARCTIC), 1, False)
    for title in QUERIES:
        work = f"queries: {title}"
        yield Goal(f"{work}, over DuckDB on a Parquet file", over(work, OURS, DUCK), 1, False)
        if title != "as-of join":
            yield Goal(f"{work}, over ArcticDB", over(work, OURS, ARCTIC), 1, False)
    chosen = "wide: 2 of 500 columns"
    yield Goal(f"{chosen} over ArcticDB's", over(chosen, OURS, ARCTIC), 1, False)
    yield Goal("wide: get over 2 of 500 columns", works("wide: get", OURS, chosen, OURS), 20, True)


def other_goals(measured: Measurements) -> Iterator[Goal]:
    listing = f"listing {measured.plan.listed_frames:,} frames: again"
    yield Goal(listing, milliseconds(listing), 100, False, " ms")
    yield Goal(
        "memory, put of a 4 GB frame, 256 MB of row cache", megabytes("put of 4 GB"), 600, False, " MB"
    )
    yield Goal(
        "memory, get of a 4 GB frame, 256 MB of row cache", megabytes("get of 4 GB"), 600, False, " MB"
    )
    yield Goal("memory, idle", megabytes("idle"), 60, False, " MB")
    clients = measured.plan.clients
    title = "get of 100,000 rows"
    yield Goal(
        f"{clients} clients: {title}: throughput over one client's",
        lambda measured: crowded(measured, title),
        0.9,
        True,
    )
    yield Goal(f"{clients} clients: time of the first to end over the last's", fairness, 0.5, True)


def table(measured: Measurements) -> str:
    """Every goal with its figure."""
    goals = [*stream_goals(), *shared_goals(), *small_goals(), *part_goals(), *other_goals(measured)]
    lines = ["| what to reach | wanted | figure | |", "|---|---|---:|---|"]
    return "\n".join([*lines, *(goal.line(measured) for goal in goals)])
