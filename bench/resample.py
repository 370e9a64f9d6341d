"""Resampling 1 second to 1 minute with the mean of six columns, against rivals, in one run.

Two things are measured: resampling into what stays (a frame of the server, or a Parquet file), and getting
the bins. Every round measures everyone, in another order each time; the result is the median over the rounds.
Everyone's bins are compared with those of pandas.
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
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq

import targets
from targets import Target

with warnings.catch_warnings():
    # The older client is written for an earlier pydantic.
    warnings.simplefilter("ignore")
    from shoots import PutMode, ShootsClient

COLUMNS = ["a", "b", "c", "d", "e", "f"]
PUT_ROWS = 1_000_000
STORED = "into a frame or file"
GOT = "got as Arrow"


def seconds_of_data(rows: int) -> pd.DataFrame:
    """A row for each second, and six columns of floats."""
    random = np.random.default_rng(20240101)
    times = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "s")
    columns = {column: np.round(100 + random.standard_normal(rows), 3) for column in COLUMNS}
    return pd.DataFrame({"time": times, **columns})


def pandas_bins(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("time").resample("1min").mean().reset_index()


def check(expected: pd.DataFrame, got: pa.Table, who: str) -> None:
    """Compares bins with those of pandas; sums are rounded in another order."""
    found = got.select(["time", *COLUMNS]).sort_by("time").to_pandas()
    found["time"] = found["time"].astype("datetime64[ns]")
    try:
        pd.testing.assert_frame_equal(found, expected, rtol=1e-12)
    except AssertionError as error:
        raise AssertionError(f"{who} gave other bins than pandas") from error


def put(target: Target, frame: pd.DataFrame) -> None:
    """Puts the rows as a frame; with its index, where a server knows one."""
    if target.name == "older":
        client = ShootsClient("localhost", target.port)
        client.put("seconds", frame, mode=PutMode.REPLACE, batch_size=PUT_ROWS)
        client.client.close()
        return
    table = pa.Table.from_pandas(frame, preserve_index=False)
    command = {"name": "seconds", "mode": "replace", "index": ["time"]}
    with fl.connect(target.address) as flight:
        writer, _ = flight.do_put(fl.FlightDescriptor.for_command(json.dumps(command)), table.schema)
        with writer:
            writer.write_table(table, PUT_ROWS)


def store_bins(flight: fl.FlightClient) -> None:
    request = {
        "source": "seconds",
        "target": "minutes",
        "rule": "1min",
        "time_col": "time",
        "aggregation_func": "mean",
        "mode": "replace",
        "source_bucket": None,
        "target_bucket": None,
    }
    list(flight.do_action(fl.Action("resample", json.dumps(request).encode())))


def get_bins(flight: fl.FlightClient) -> pa.Table:
    ticket = {"name": "seconds", "resample": {"rule": "1min", "aggregation_func": "mean"}}
    return flight.do_get(fl.Ticket(json.dumps(ticket))).read_all()


def stored_bins(flight: fl.FlightClient, _: object) -> pa.Table:
    table = flight.do_get(fl.Ticket(json.dumps({"name": "minutes", "bucket": None}))).read_all()
    # The older server keeps the time as pandas' index only.
    return table.rename_columns(
        ["time" if name.startswith("__index") else name for name in table.column_names]
    )


class Rivals:
    """Who does it, and what each does."""

    def __init__(self, folder: Path, file: Path, servers: list[Target], stack: contextlib.ExitStack) -> None:
        means = ", ".join(f"avg({column}) as {column}" for column in COLUMNS)
        query = f"select date_trunc('minute', time) as time, {means} from '{file}' group by all order by time"
        copied = folder / "minutes.parquet"
        self.work: dict[tuple[str, str], Callable[[], object]] = {}
        self.result: dict[tuple[str, str], Callable[[Any], pa.Table]] = {}
        for server in servers:
            flight = stack.enter_context(fl.connect(server.address))
            self.add(STORED, server.name, partial(store_bins, flight), partial(stored_bins, flight))
            if server.name == "shoots":
                self.add(GOT, server.name, partial(get_bins, flight), lambda got: got)
        duck = stack.enter_context(duckdb.connect())
        self.add(
            STORED,
            "DuckDB",
            lambda: duck.execute(f"copy ({query}) to '{copied}' (format parquet)"),
            lambda _: pq.read_table(copied),
        )
        self.add(GOT, "DuckDB", lambda: duck.sql(query).to_arrow_table(), lambda got: got)
        bins = (
            pl.scan_parquet(file)
            .set_sorted("time")
            .group_by_dynamic("time", every="1m")
            .agg(pl.col(COLUMNS).mean())
        )
        self.add(
            STORED, "Polars", lambda: bins.collect().write_parquet(copied), lambda _: pq.read_table(copied)
        )
        self.add(GOT, "Polars", lambda: bins.collect().to_arrow(), lambda got: got)

    def add(self, what: str, who: str, work: Callable[[], object], result: Callable[[Any], pa.Table]) -> None:
        self.work[what, who] = work
        self.result[what, who] = result


def report(seconds: dict[str, dict[str, list[float]]]) -> str:
    columns = ["shoots", "older", "DuckDB", "Polars"]
    ratios = [f"{who} / shoots" for who in columns[1:]]
    lines = [
        f"| median milliseconds | {' | '.join([*columns, *ratios])} |",
        f"|---|{'---:|' * (len(columns) + len(ratios))}",
    ]
    for what, by_rival in seconds.items():
        medians = {who: statistics.median(times) for who, times in by_rival.items()}
        cells = [f"{medians[who] * 1e3:,.0f}" if who in medians else "" for who in columns]
        cells += [f"{medians[who] / medians['shoots']:.1f}" if who in medians else "" for who in columns[1:]]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(seconds: dict[str, dict[str, list[float]]]) -> str:
    """From the fastest to the slowest round, and the ratio to the older server in each."""
    lines = []
    for what, by_rival in seconds.items():
        for who, times in by_rival.items():
            lines.append(f"{what}, {who}: {min(times) * 1e3:,.0f} to {max(times) * 1e3:,.0f} ms")
        if "older" in by_rival:
            pairs = zip(by_rival["older"], by_rival["shoots"], strict=True)
            ratios = ", ".join(f"{older / shoots:.1f}" for older, shoots in pairs)
            lines.append(f"{what}, older / shoots round by round: {ratios}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, default=targets.release_binary())
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every measured second")
    parser.add_argument("--folder", type=Path, help="where the servers keep their frames")
    arguments = parser.parse_args()

    frame = seconds_of_data(arguments.rows)
    expected = pandas_bins(frame)
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        file = folder / "seconds.parquet"
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)
        servers = [
            stack.enter_context(targets.shoots(arguments.server, folder / "shoots")),
            stack.enter_context(targets.older(folder / "older")),
        ]
        for server in servers:
            put(server, frame)
        rivals = Rivals(folder, file, servers, stack)
        turns = list(rivals.work)
        for turn in range(arguments.rounds):
            shift = turn * 3 % len(turns)
            for what, who in turns[shift:] + turns[:shift]:
                started = time.perf_counter()
                made = rivals.work[what, who]()
                seconds[what][who].append(time.perf_counter() - started)
                check(expected, rivals.result[what, who](made), who)
            print(f"round {turn + 1} of {arguments.rounds} is done", flush=True)

    print(
        f"\n{arguments.rows:,} rows, {arguments.rounds} rounds, DuckDB {duckdb.__version__}, "
        f"Polars {pl.__version__}, pandas {pd.__version__}, Python {platform.python_version()}\n"
    )
    print(report(seconds))
    print(f"\n{spread(seconds)}")
    if arguments.json:
        result = {"rows": arguments.rows, "seconds": seconds}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
