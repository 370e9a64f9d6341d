"""What many frames cost: starting the server on them, and listing them, on local disk and on S3.

The frames lie in one bucket. Every start is a new process, so its first listing finds nothing in the
server's memory; the ones after it do. All times are a client's, from the start of the process or of the
call to the end of the answer.

The S3 is the one of the tests (moto in one Python process, which answers one request at a time): each
request costs it milliseconds, and a provider's would answer hundreds at once. What counts there is how many
requests a frame takes.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl

import targets

ROOT = Path(__file__).parent.parent
BUCKET = "many"
WRITERS = 16
START = "start of the server to its first answered ping"
FIRST = "first listing"
AGAIN = "listing again"
PUT = f"putting one of the frames, {WRITERS} at the same time"


@dataclass(frozen=True)
class Place:
    """Where the frames are."""

    name: str
    bucket_dir: str
    settings: dict[str, str]
    # Requests that the storage has answered so far, if it counts them.
    requests: Callable[[], int | None]


class Measurement:
    """Seconds of every repetition, and requests of the last, by what was done."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.requests: dict[str, int] = {}

    @contextlib.contextmanager
    def of(self, what: str, parts: int = 1) -> Iterator[None]:
        before = self.place.requests()
        started = time.perf_counter()
        yield
        self.seconds[what].append((time.perf_counter() - started) / parts)
        after = self.place.requests()
        if before is not None and after is not None:
            self.requests[what] = after - before

    def rows(self, frames: int) -> Iterator[str]:
        for what, seconds in self.seconds.items():
            requests = f"{self.requests[what] / frames:.2f}" if what in self.requests else ""
            milliseconds = f"{statistics.median(seconds) * 1e3:,.1f}"
            yield f"| {self.place.name}: {what} | {milliseconds} | {requests} |"


def fill(target: targets.Target, frames: int) -> None:
    """Puts the frames, some at the same time."""
    table = pa.table(
        {"time": pa.array(range(100), pa.timestamp("ns")), "price": [float(n) for n in range(100)]}
    )

    def put(numbers: range) -> None:
        with fl.connect(target.address) as flight:
            for number in numbers:
                command = json.dumps({"name": f"frame {number}", "bucket": BUCKET})
                writer, _ = flight.do_put(fl.FlightDescriptor.for_command(command), table.schema)
                with writer:
                    writer.write_table(table)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put, [range(first, frames, WRITERS) for first in range(WRITERS)]))


def measure(place: Place, server: Path, frames: int, starts: int, listings: int) -> Measurement:
    result = Measurement(place)

    def running() -> contextlib.AbstractContextManager[targets.Target]:
        return targets.shoots(server, place.bucket_dir, settings=place.settings)

    def listing(flight: fl.FlightClient) -> None:
        found = list(flight.list_flights(json.dumps({"bucket": BUCKET}).encode()))
        assert len(found) == frames, f"{len(found)} of {frames} frames were listed"

    with running() as target, result.of(PUT, frames):
        fill(target, frames)
    for _ in range(starts):
        with contextlib.ExitStack() as stack:
            with result.of(START):
                target = stack.enter_context(running())
                flight = stack.enter_context(fl.connect(target.address))
                list(flight.do_action(fl.Action("ping", b"")))
            with result.of(FIRST):
                listing(flight)
            for _ in range(listings):
                with result.of(AGAIN):
                    listing(flight)
    return result


@contextlib.contextmanager
def disk(folder: Path | None) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(dir=folder) as root:
        yield Place("disk", root, {}, lambda: None)


@contextlib.contextmanager
def s3(python: Path) -> Iterator[Place]:
    """The S3 of the tests, for as long as this is used."""
    command = [str(python), str(ROOT / "tests/s3/server.py"), "bench"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout
        settings = {
            "AWS_ENDPOINT_URL": answers.readline().strip(),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }

        def requests() -> int:
            asked.write("\n")
            asked.flush()
            return sum(json.loads(answers.readline()).values())

        yield Place("S3", "s3://bench", settings, requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, default=targets.release_binary())
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--listings", type=int, default=3, help="further listings after each start")
    parser.add_argument("--folder", type=Path, help="where the frames on disk are kept")
    parser.add_argument("--places", choices=["disk", "s3"], nargs="+", default=["disk", "s3"])
    parser.add_argument("--s3-python", type=Path, default=ROOT / ".venv-s3/bin/python")
    arguments = parser.parse_args()

    print(f"| {arguments.frames:,} frames | median milliseconds | requests for each frame |\n|---|---:|---:|")
    for name in arguments.places:
        with disk(arguments.folder) if name == "disk" else s3(arguments.s3_python) as place:
            result = measure(place, arguments.server, arguments.frames, arguments.starts, arguments.listings)
        print("\n".join(result.rows(arguments.frames)), flush=True)


if __name__ == "__main__":
    main()
