"""Puts a frame larger than the server may use memory for, gets it back, and watches the server's memory.

Batches are made one after the other and compared by sums, so the whole frame is nowhere in memory: not in
this client, and, which is the point, not in the server.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl

import targets

# A row of five numbers and a symbol, as Arrow holds it in memory.
ROW_BYTES = 5 * 8 + 4 + 4
MEGABYTE = 1_000_000
SAMPLE_SECONDS = 0.02
# Distinct batches; frames are longer than this, random numbers are slow to make.
TEMPLATES = 16


def templates(batch_rows: int) -> list[pa.RecordBatch]:
    """Batches that differ from each other and do not compress well."""
    random = np.random.default_rng(7)
    return [
        pa.record_batch(
            {
                "time": pa.array(np.arange(batch_rows) * 1_000_003, pa.timestamp("ns", "UTC")),
                "a": random.standard_normal(batch_rows),
                "b": random.standard_normal(batch_rows),
                "c": random.standard_normal(batch_rows),
                "count": random.integers(0, 2**62, batch_rows),
                "symbol": random.choice([f"S{number:03}" for number in range(1000)], batch_rows),
            }
        )
        for _ in range(TEMPLATES)
    ]


def batches(kinds: list[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    """As many batches, each with a time of its own, so that no two parts of the frame are equal."""
    rows = kinds[0].num_rows
    for number in range(count):
        kind = kinds[number % len(kinds)]
        shift = pa.scalar(number * rows * 1_000_003, pa.duration("ns"))
        yield kind.set_column(0, "time", pc.add(kind["time"], shift))


@dataclass
class Checksum:
    """Sums over the columns of a frame that do not depend on how its rows are cut into batches."""

    rows: int = 0
    sums: dict[str, int] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        places = np.arange(self.rows, self.rows + batch.num_rows, dtype=np.uint64)
        self.rows += batch.num_rows
        for name in batch.schema.names:
            column = batch.column(name)
            if pa.types.is_string(column.type):
                # The characters, and where each text ends within them.
                offsets = np.frombuffer(column.buffers()[1], np.int32)
                offsets = offsets[column.offset : column.offset + len(column) + 1]
                lengths = np.diff(offsets).astype(np.uint64)
                characters = np.frombuffer(column.buffers()[2], np.uint8)
                characters = characters[offsets[0] : offsets[-1]].astype(np.uint64)
                value = weighted(lengths, places) + int(
                    np.sum(np.repeat(places, lengths.astype(np.int64)) * characters)
                )
            else:
                value = weighted(bits(column), places)
            self.sums[name] = (self.sums.get(name, 0) + value) % 2**64


def bits(column: pa.Array) -> np.ndarray:
    """The 64 bits of each value."""
    values: np.ndarray = column.view(pa.int64()).to_numpy(zero_copy_only=True)
    return values.view(np.uint64)


def weighted(values: np.ndarray, places: np.ndarray) -> int:
    """A sum in which every value counts by its place, so that exchanged rows change it."""
    return int(np.sum(values * (2 * places + 1)))


class Watch:
    """Samples how much memory a process holds; the kernel's own peak is read at the end."""

    def __init__(self, process: int) -> None:
        self.status = Path(f"/proc/{process}/status")
        self.clear = Path(f"/proc/{process}/clear_refs")
        self.sampled = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def __enter__(self) -> "Watch":
        # 5 sets the kernel's peak back to what is held at this moment.
        self.clear.write_text("5")
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def sample(self) -> None:
        while not self.stopped.wait(SAMPLE_SECONDS):
            self.sampled = max(self.sampled, self.kilobytes("VmRSS"))

    def kilobytes(self, name: str) -> int:
        for line in self.status.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise RuntimeError(f"{self.status} has no {name}")

    def peak_megabytes(self) -> float:
        return max(self.sampled, self.kilobytes("VmHWM")) * 1024 / MEGABYTE


def put(client: fl.FlightClient, kinds: list[pa.RecordBatch], count: int) -> Checksum:
    sent = Checksum()
    descriptor = fl.FlightDescriptor.for_command(json.dumps({"name": "large"}))
    writer, reader = client.do_put(descriptor, kinds[0].schema)
    with writer:
        for batch in batches(kinds, count):
            sent.add(batch)
            writer.write_batch(batch)
        writer.done_writing()
        result = json.loads(reader.read().to_pybytes())
    assert result["rows"] == sent.rows
    return sent


def get(client: fl.FlightClient) -> Checksum:
    got = Checksum()
    for chunk in client.do_get(fl.Ticket(b'{"name":"large"}')):
        got.add(chunk.data)
    return got


def put_and_get(
    server: targets.Target, client: fl.FlightClient, megabytes: int, batch_rows: int = 100_000
) -> tuple[dict[str, Checksum], dict[str, float]]:
    """Sums over the rows that were put and got, and the most megabytes that the server held meanwhile."""
    kinds = templates(batch_rows)
    count = -(-megabytes * MEGABYTE // (batch_rows * ROW_BYTES))
    print(
        f"a frame of {count * kinds[0].nbytes / MEGABYTE:,.0f} MB in {count:,} batches "
        f"of {kinds[0].nbytes / MEGABYTE:.1f} MB"
    )
    peaks = {}
    checksums = {}
    for what in ["put", "get"]:
        started = time.perf_counter()
        with Watch(server.process) as watch:
            checksums[what] = put(client, kinds, count) if what == "put" else get(client)
            peaks[what] = watch.peak_megabytes()
        seconds = time.perf_counter() - started
        print(f"{what}: {seconds:.1f} s, the server's memory reached {peaks[what]:,.0f} MB", flush=True)
    return checksums, peaks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, default=targets.release_binary())
    parser.add_argument("--megabytes", type=int, default=4000, help="size of the frame")
    parser.add_argument("--batch-rows", type=int, default=100_000)
    parser.add_argument("--row-cache-bytes", type=int, help="the server's, if not its default")
    parser.add_argument("--limit", type=int, default=800, help="megabytes the server may use")
    parser.add_argument("--folder", type=Path, help="where the server keeps its frames")
    arguments = parser.parse_args()

    flags = []
    if arguments.row_cache_bytes is not None:
        flags.append(f"--row-cache-bytes={arguments.row_cache_bytes}")
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        targets.shoots(arguments.server, Path(folder), *flags) as server,
        fl.connect(server.address) as client,
    ):
        checksums, peaks = put_and_get(server, client, arguments.megabytes, arguments.batch_rows)
        stored = sum(file.stat().st_size for file in Path(folder).rglob("*.parquet"))
    print(f"{stored / MEGABYTE:,.0f} MB on disk")
    if checksums["get"] != checksums["put"]:
        print(f"what came back is not what was put: {checksums}", file=sys.stderr)
        return 1
    print(f"{checksums['put'].rows:,} rows came back as they were")
    if max(peaks.values()) > arguments.limit:
        print(f"more than {arguments.limit} MB of memory", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
