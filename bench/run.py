"""Puts and gets against this project's server, the older Python server and two ceilings, in one run.

Every round measures every target, in another order each time, so that what else the machine does falls on
all of them; the result is the median over the rounds. Everything that is got is compared with what was put.
"""

import argparse
import contextlib
import json
import platform
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq

import targets
from targets import Target

with warnings.catch_warnings():
    # The older client is written for an earlier pydantic.
    warnings.simplefilter("ignore")
    from shoots import PutMode, ShootsClient

SMALL_ROWS = 100
SMALL_REPEATS = 20
PYARROW_BATCH_ROWS = 100_000
LARGE_BATCH_ROWS = 1_000_000
SYMBOLS = ["AAPL", "AMZN", "GOOG", "META", "MSFT", "NFLX", "NVDA", "TSLA"]

# Seconds of every round, by measurement and then by target.
Seconds = dict[str, dict[str, list[float]]]


def ticks(rows: int) -> pd.DataFrame:
    """Trades as an exchange reports them: a rising time, three floats, an integer, a symbol."""
    random = np.random.default_rng(20240101)
    gaps = random.exponential(2e8, rows).astype("int64")
    return pd.DataFrame(
        {
            "time": pd.to_datetime(1_704_067_200_000_000_000 + np.cumsum(gaps), unit="ns"),
            "bid": np.round(100 + np.cumsum(random.normal(0, 0.01, rows)), 2),
            "ask": np.round(100 + np.cumsum(random.normal(0, 0.01, rows)), 2),
            "signal": random.standard_normal(rows),
            "size": random.integers(1, 10_000, rows),
            "symbol": random.choice(SYMBOLS, rows),
        }
    )


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Measurement:
    """The same work against any target, timed and checked."""

    def __init__(self, rows: int) -> None:
        self.frame = ticks(rows)
        self.table = pa.Table.from_pandas(self.frame)
        self.small = self.table.slice(0, SMALL_ROWS)
        self.seconds: Seconds = defaultdict(lambda: defaultdict(list))

    def note(self, what: str, target: str, seconds: float) -> None:
        self.seconds[what][target].append(seconds)

    def measure(self, target: Target, turn: int) -> None:
        client = ShootsClient("localhost", target.port)
        for title, batch_size in [("5,000", 5000), ("1,000,000", LARGE_BATCH_ROWS)]:
            self.older_client(target, client, f"older client, batches of {title}", batch_size, turn)
        with fl.connect(target.address) as flight:
            self.pyarrow_client(target, flight, turn)
            self.small_frames(target, flight, turn)
        client.client.close()

    def older_client(
        self, target: Target, client: ShootsClient, title: str, batch_size: int, turn: int
    ) -> None:
        name = f"frame{turn}"
        put = timed(lambda: client.put(name, self.frame, mode=PutMode.REPLACE, batch_size=batch_size))
        self.note(f"{title}: put", target.name, put)
        got: list[pd.DataFrame] = []
        self.note(f"{title}: get", target.name, timed(lambda: got.append(client.get(name))))
        pd.testing.assert_frame_equal(got[0], self.frame)
        client.delete(name)

    def pyarrow_client(self, target: Target, flight: fl.FlightClient, turn: int) -> None:
        name = f"frame{turn}"
        title = "pyarrow, batches of 100,000"
        put = timed(lambda: put_table(flight, name, self.table, "replace"))
        self.note(f"{title}: put", target.name, put)
        got: list[pa.Table] = []
        self.note(f"{title}: get", target.name, timed(lambda: got.append(get_table(flight, name))))
        assert got[0].equals(self.table), f"{target.name} gave other rows than were put"

        append = timed(lambda: put_table(flight, name, self.small, "append"))
        self.note("100 rows appended to all of these", target.name, append)
        grown = get_table(flight, name)
        # The older server puts appended rows first.
        assert grown.num_rows == self.table.num_rows + SMALL_ROWS
        delete(flight, name)

    def small_frames(self, target: Target, flight: fl.FlightClient, turn: int) -> None:
        names = [f"small{turn}_{number}" for number in range(SMALL_REPEATS)]
        for name in names:
            put = timed(partial(put_table, flight, name, self.small, "error"))
            self.note("100 rows put as a frame of their own", target.name, put)
        for name in names:
            self.note("100 rows got", target.name, timed(partial(get_table, flight, name)))
            assert get_table(flight, name).equals(self.small)
        for _ in names:
            append = timed(lambda: put_table(flight, names[0], self.small, "append"))
            self.note("100 rows appended to a small frame", target.name, append)
        assert get_table(flight, names[0]).num_rows == (SMALL_REPEATS + 1) * SMALL_ROWS
        for name in names:
            delete(flight, name)

    def parquet_file(self, folder: Path) -> None:
        """A plain file, written and read in this process: what encoding alone costs pyarrow."""
        file = folder / "plain.parquet"
        put = timed(lambda: pq.write_table(self.table, file))
        self.note("pyarrow, batches of 100,000: put", "parquet file", put)
        got: list[pa.Table] = []
        get = timed(lambda: got.append(pq.read_table(file)))
        self.note("pyarrow, batches of 100,000: get", "parquet file", get)
        assert got[0].equals(self.table)
        file.unlink()


def put_table(flight: fl.FlightClient, name: str, table: pa.Table, mode: str) -> None:
    command = {"name": name, "mode": mode, "bucket": None, "batch_size": PYARROW_BATCH_ROWS}
    descriptor = fl.FlightDescriptor.for_command(json.dumps(command))
    writer, _ = flight.do_put(descriptor, table.schema)
    with writer:
        writer.write_table(table, PYARROW_BATCH_ROWS)


def get_table(flight: fl.FlightClient, name: str) -> pa.Table:
    ticket = fl.Ticket(json.dumps({"name": name, "bucket": None}))
    return flight.do_get(ticket).read_all()


def delete(flight: fl.FlightClient, name: str) -> None:
    body = json.dumps({"name": name, "bucket": None}).encode()
    list(flight.do_action(fl.Action("delete", body)))


def report(seconds: Seconds) -> str:
    """A table of medians in milliseconds, and of ratios to this project's server."""
    columns = ["shoots", "older", "in memory", "parquet file"]
    lines = [
        f"| median milliseconds | {' | '.join(columns)} | older / shoots | shoots / in memory |",
        f"|---|{'---:|' * (len(columns) + 2)}",
    ]
    for what, by_target in seconds.items():
        medians = {name: statistics.median(times) for name, times in by_target.items()}
        cells = [f"{medians[name] * 1e3:,.1f}" if name in medians else "" for name in columns]
        cells.append(f"{medians['older'] / medians['shoots']:.1f}")
        cells.append(f"{medians['shoots'] / medians['in memory']:.1f}")
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, default=targets.release_binary())
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every measured second")
    parser.add_argument("--folder", type=Path, help="where the servers keep their frames")
    arguments = parser.parse_args()

    measurement = Measurement(arguments.rows)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        servers = [
            stack.enter_context(targets.shoots(arguments.server, folder / "shoots")),
            stack.enter_context(targets.older(folder / "older")),
            stack.enter_context(targets.in_memory()),
        ]
        for turn in range(arguments.rounds):
            shift = turn % len(servers)
            for target in servers[shift:] + servers[:shift]:
                measurement.measure(target, turn)
            measurement.parquet_file(folder)
            print(f"round {turn + 1} of {arguments.rounds} is done", flush=True)

    print(
        f"\n{arguments.rows:,} rows, {measurement.table.nbytes / 1e6:,.0f} MB, "
        f"{arguments.rounds} rounds, pyarrow {pa.__version__}, Python {platform.python_version()}\n"
    )
    print(report(measurement.seconds))
    result = {"rows": arguments.rows, "seconds": measurement.seconds}
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    else:
        print(f"\n{json.dumps(result)}")


if __name__ == "__main__":
    main()
