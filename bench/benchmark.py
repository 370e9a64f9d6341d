"""A run: every group of work, by everybody, in turns; then the tables."""

import argparse
import contextlib
import json
import os
import platform
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl

import crew
import goals
import memory
import report
import rivals
import targets
from crew import Player
from measurements import Measurements, Plan
from work import GROUPS
from work.group import Group

MEMORY = "memory"
# Bytes of decoded rows that the server may keep while memory is watched: what the goal says.
ROW_CACHE_BYTES = 256 * 1024 * 1024


def plan_of(arguments: argparse.Namespace) -> Plan:
    return Plan(
        rows=arguments.rows,
        rounds=arguments.rounds,
        wide_rows=arguments.wide_rows,
        text_rows=arguments.text_rows,
        small_calls=max(1, arguments.small_calls // arguments.rounds),
        clients=arguments.clients,
        listed_frames=arguments.listed_frames,
        appends=arguments.appends,
        budget=arguments.budget,
        megabytes=arguments.megabytes,
        binary=(arguments.server or targets.release_binary()).absolute(),
    )


def chosen_titles(arguments: argparse.Namespace, plan: Plan) -> list[str]:
    """Who takes part, in the order of the tables."""
    # The older client measures changes of this project's server only.
    wanted = arguments.rivals or [title for title in rivals.ROSTER if title != "older client"]
    unknown = set(wanted) - set(rivals.ROSTER)
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: not among {', '.join(rivals.ROSTER)}")
    titles = [title for title in rivals.ROSTER if title == rivals.OURS or title in wanted]
    if "Rust in memory" in titles and not targets.holding_binary(plan.binary).exists():
        print("without the ceiling in Rust: cargo build --release -p shoots-server --example holding")
        titles.remove("Rust in memory")
    return titles


def measure(
    group: Group, titles: list[str], measurements: Measurements, arguments: argparse.Namespace, name: str
) -> None:
    """One group of work: everybody is prepared, then takes turns."""
    group.write()
    with contextlib.ExitStack() as stack:
        players = []
        for title in titles:
            player = stack.enter_context(
                crew.player(title, group.plan.binary, arguments.environments, group.folder)
            )
            with measurements.attempt(f"{name}: preparation", player):
                note_memory(measurements, "idle", player, "now")
                group.hand_out(player)
                group.prepare(player)
                players.append(player)
        for turn in range(group.plan.rounds):
            shift = turn % max(1, len(players))
            for player in players[shift:] + players[:shift]:
                with measurements.attempt(f"{name}: rest of a round", player):
                    group.round(player, turn)
            print(f"{name}: round {turn + 1} of {group.plan.rounds} is done", flush=True)
        for player in players:
            with measurements.attempt(f"{name}: memory", player):
                note_memory(measurements, f"peak of {name}", player, "peak")


def note_memory(measurements: Measurements, moment: str, player: Player, which: str) -> None:
    """Memory of a server; a library in its caller's process shares it with the rows to put."""
    answer = player.ask("memory")
    if answer["own process"]:
        measurements.memory[moment].setdefault(player.title, answer[which])


def watch_memory(measurements: Measurements, folder: Path) -> None:
    """Puts and gets a frame of several gigabytes, batch by batch, with the row cache that the goal says."""
    plan = measurements.plan
    flag = f"--row-cache-bytes={ROW_CACHE_BYTES}"
    with (
        targets.shoots(plan.binary, folder / "memory", flag) as server,
        fl.connect(server.address) as client,
    ):
        sums, peaks = memory.put_and_get(server, client, plan.megabytes)
    if sums["put"] != sums["get"]:
        measurements.failures.append("memory: what came back is not what was put")
    measurements.checked += 1
    size = f"{plan.megabytes / 1000:g} GB"
    for what, peak in peaks.items():
        measurements.memory[f"{what} of {size}"][rivals.OURS] = round(peak * 1e6)


def title_of(measurements: Measurements, arguments: argparse.Namespace) -> str:
    rows, rounds = f"{arguments.rows:,} rows", f"{arguments.rounds} rounds"
    versions = f"pyarrow {pa.__version__}, Python {platform.python_version()}"
    return f"{rows}, {rounds}, {measurements.checked} results compared, {versions}, {os.cpu_count()} cores"


def show(measurements: Measurements, titles: list[str], arguments: argparse.Namespace) -> None:
    print(f"\n{title_of(measurements, arguments)}\n")
    for part in (report.times, report.ratios, report.memory):
        print(f"{part(measurements, titles)}\n")
    print(f"{goals.table(measurements)}\n\nNot offered:\n\n{report.reasons(measurements)}")
    if measurements.failures:
        print(f"\nFailed: {', '.join(measurements.failures)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements.as_json(), indent=2) + "\n")


def run(arguments: argparse.Namespace) -> int:
    """The exit code: 1 if something failed, or did not come back as it was put."""
    measurements = Measurements(plan_of(arguments))
    titles = chosen_titles(arguments, measurements.plan)
    names = arguments.only or [*GROUPS, MEMORY]
    unknown = set(names) - {*GROUPS, MEMORY}
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: not among {', '.join([*GROUPS, MEMORY])}")
    # Nothing is removed before the end: ext4 makes new files slowly for minutes after many were removed.
    with tempfile.TemporaryDirectory(dir=arguments.folder) as root:
        for name in names:
            folder = Path(root, name)
            folder.mkdir()
            if name == MEMORY:
                watch_memory(measurements, folder)
                continue
            group = GROUPS[name](measurements, folder)
            measure(group, [t for t in titles if t in group.titles], measurements, arguments, name)
            if arguments.json:
                arguments.json.write_text(json.dumps(measurements.as_json(), indent=2) + "\n")
    show(measurements, titles, arguments)
    return 1 if measurements.failures else 0
