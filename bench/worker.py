"""A process that plays one rival and measures itself: requests and answers are lines of JSON.

Times are taken around the rival's own call; neither the pipe nor the check of the rows is in them.
"""

import gc
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import frames
import rivals
from memory import Watch
from rivals.rival import NotOfferedError, Rival

Answer = dict[str, Any]


class Worker:
    """The rival, and what can be asked about it."""

    def __init__(self, rival: Rival) -> None:
        self.rival = rival

    def hold(self, key: str, file: str) -> Answer:
        self.rival.hold(key, frames.load(Path(file)))
        return {}

    def drop(self, key: str) -> Answer:
        del self.rival.held[key]
        return {}

    def call(self, method: str, arguments: list[Any], result: str | None) -> Answer:
        """One call; its rows are kept in a file, if one is named."""
        gc.collect()
        work = getattr(self.rival, method)
        started = time.perf_counter()
        got = work(*arguments)
        seconds = time.perf_counter() - started
        if result is not None:
            frames.save(self.rival.arrow(got).combine_chunks(), Path(result))
        return {"seconds": seconds, "value": got if isinstance(got, int) else None}

    def repeat(self, method: str, many: list[list[Any]], budget: float) -> Answer:
        """One call after the other, as far as the seconds last."""
        work = getattr(self.rival, method)
        each: list[float] = []
        begin = time.perf_counter()
        for arguments in many:
            started = time.perf_counter()
            work(*arguments)
            ended = time.perf_counter()
            each.append(ended - started)
            if ended - begin > budget:
                break
        return {"each": each}

    def crowd(self, method: str, clients: list[list[list[Any]]]) -> Answer:
        """Several clients at the same time, each with its calls; seconds until each was ready."""
        gate = threading.Barrier(len(clients) + 1)
        ready: list[float] = []
        problems: list[BaseException] = []

        def play(rival: Rival, many: list[list[Any]]) -> None:
            gate.wait()
            try:
                for arguments in many:
                    getattr(rival, method)(*arguments)
            except Exception as problem:
                problems.append(problem)
            ready.append(time.perf_counter())

        others = [self.rival.another() for _ in clients]
        threads = [
            threading.Thread(target=play, args=pair, daemon=True)
            for pair in zip(others, clients, strict=True)
        ]
        for thread in threads:
            thread.start()
        started = time.perf_counter()
        gate.wait()
        for thread in threads:
            thread.join()
        for other in others:
            if other is not self.rival and hasattr(other, "running"):
                other.stop()
        if problems:
            raise problems[0]
        return {"each": [end - started for end in ready]}

    def memory(self) -> Answer:
        watch = Watch(self.rival.process())
        return {
            "peak": watch.kilobytes("VmHWM") * 1024,
            "now": watch.kilobytes("VmRSS") * 1024,
            "own process": self.rival.process() != os.getpid(),
        }


def answers(worker: Worker, requests: TextIO, replies: TextIO) -> None:
    for line in requests:
        request = json.loads(line)
        try:
            answer = getattr(worker, request["do"])(**request["with"])
        except NotOfferedError as reason:
            answer = {"not offered": str(reason)}
        except Exception:
            answer = {"problem": traceback.format_exc()}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


def main() -> None:
    title, folder, binary = sys.argv[1:]
    # Whatever packages print goes elsewhere.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    rival = rivals.class_of(title)(Path(folder), Path(binary))
    rival.start()
    try:
        answers(Worker(rival), sys.stdin, replies)
    finally:
        rival.stop()


if __name__ == "__main__":
    main()
