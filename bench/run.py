"""This project's server against its rivals and against ceilings: the same work, in turns, on one machine.

Makes the environments that it needs, starts everybody for each group of work, and measures in rounds, each
in another order, so that what else the machine does falls on all of them. Results are medians over the
rounds. Rows that are got are compared with those that were put.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def arguments_of(line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, help="the server's binary (or SHOOTS_SERVER)")
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the large frame")
    parser.add_argument("--wide-rows", type=int, default=50_000, help="rows of the frame of 500 columns")
    parser.add_argument("--text-rows", type=int, default=1_000_000, help="rows of the frame of strings")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--small-calls", type=int, default=1000, help="puts and gets of 100 rows in all rounds"
    )
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--listed-frames", type=int, default=10_000)
    parser.add_argument("--appends", type=int, default=10_000)
    parser.add_argument("--budget", type=float, default=120, help="seconds for one rival's appends")
    parser.add_argument(
        "--megabytes", type=int, default=4000, help="of the frame that memory is watched with"
    )
    parser.add_argument("--only", nargs="+", help="groups of work: large, wide, texts, small, …, memory")
    parser.add_argument("--rivals", nargs="+", help="who takes part besides this project's server")
    parser.add_argument("--environments", type=Path, default=HERE / ".environments", help="kept between runs")
    parser.add_argument("--folder", type=Path, help="where everybody keeps frames, on the disk to measure")
    parser.add_argument("--json", type=Path, help="where to write everything that was measured")
    return parser.parse_args(line)


def main() -> int:
    arguments = arguments_of()
    if "SHOOTS_BENCH" in os.environ:
        import benchmark

        return benchmark.run(arguments)
    import environments

    python = environments.python_of("main", arguments.environments)
    package = str(HERE.parent / "python" / "src")
    variables = {**os.environ, "SHOOTS_BENCH": "1", "PYTHONPATH": package}
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.run([str(python), *sys.argv], env=variables, check=False).returncode
    return 1


if __name__ == "__main__":
    sys.exit(main())
