"""Waiting for the server in a way that can be given up.

pyarrow waits inside of C++, where neither Ctrl-C nor another thread reaches it: a query that works for a minute before
it has a row would have to be waited for. So each call has a name, by which another call ends it at the server. Its
steps are made where they do not keep anybody from giving up:

- The main thread, the only one that Ctrl-C interrupts, lets another thread make a step, and waits for that.
- Other threads make their steps themselves. What started them for somebody, as the client for asyncio does, tells them
  with a `Cancellation` when nobody waits any more.

Only steps are handed to the other thread, which are pyarrow's. What belongs to the caller, such as the dataframes of an
iterable or a function that is told progress, runs in the caller's own.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import Context, ContextVar, copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from .errors import CancelledError

PATIENCE = 1.0
"""How many seconds a call that is given up may take to end, before it is left to itself."""
ATTEMPTS = 20
"""How often the server is asked to end a call that it does not know yet."""
GLANCE = 0.1
"""How often it is looked whether it has ended; a signal that came to another thread, or on Windows, is noticed then."""

T = TypeVar("T")


class Cancellation:
    """Tells calls that nobody waits for them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._told: set[Callable[[], None]] = set()

    @contextmanager
    def tells(self, end: Callable[[], None]) -> Iterator[None]:
        """Calls `end` if it is cancelled meanwhile."""
        with self._lock:
            self.check()
            self._told.add(end)
        try:
            yield
        finally:
            with self._lock:
                self._told.discard(end)

    def check(self) -> None:
        """Raises if it is cancelled."""
        if self._cancelled:
            raise CancelledError("the call was given up before it was done")

    def cancel(self) -> None:
        """Cancels it, without waiting until the calls have ended."""
        with self._lock:
            self._cancelled = True
            told = list(self._told)
        for end in told:
            end()


given_up: ContextVar[Cancellation | None] = ContextVar("given_up", default=None)
"""What tells the calls of this context that nobody waits for them any more."""


def stop_if_given_up() -> None:
    """Ends the call if nobody waits for it."""
    cancellation = given_up.get()
    if cancellation is not None:
        cancellation.check()


@contextmanager
def given_up_together() -> Iterator[Context]:
    """A context for calls that are given up as soon as this is left by an exception, or is given up itself."""
    cancellation = Cancellation()
    context = copy_context()
    context.run(given_up.set, cancellation)
    outer = given_up.get()
    try:
        with nullcontext() if outer is None else outer.tells(cancellation.cancel):
            yield context
    except BaseException:
        cancellation.cancel()
        raise


class Call:
    """A call of Flight, which may take several steps."""

    def __init__(self, end: Callable[[str], bool]) -> None:
        self.name = uuid.uuid4().hex
        """What the call is called at the server."""
        self.end_here: Callable[[], None] | None = None
        """Ends the call from here, once it has come so far that pyarrow can."""
        self._end = end
        self._waits = False

    def wait(self, step: Callable[[], T]) -> T:
        """What a step of the call gives. Whoever waits for it can give up."""
        stop_if_given_up()
        if self._waits:
            raise CancelledError("the call was given up, and has not ended yet")
        # From here on there is something to end, also before the step is begun.
        self._waits = True
        if threading.current_thread() is threading.main_thread():
            return self._wait_for_another_thread(step)
        cancellation = given_up.get()
        with nullcontext() if cancellation is None else cancellation.tells(self.end):
            return self._step(step)

    def end(self) -> None:
        """Ends the call on both sides, without waiting for that."""
        if self.end_here is not None:
            with suppress(Exception):
                self.end_here()
        else:
            threading.Thread(target=self._end_there, name="shoots-cancel", daemon=True).start()

    def _step(self, step: Callable[[], T]) -> T:
        try:
            return step()
        finally:
            self._waits = False

    def _wait_for_another_thread(self, step: Callable[[], T]) -> T:
        made = Step(lambda: self._step(step))
        try:
            made.begin()
            while not made.is_done(GLANCE):
                pass
        except BaseException:
            self.end()
            made.is_done(PATIENCE)
            raise
        return made.result()

    def _end_there(self) -> None:
        # The call may not have arrived yet when it is ended.
        for _ in range(ATTEMPTS):
            if not self._waits:
                return
            with suppress(Exception):
                if self._end(self.name):
                    return
            time.sleep(GLANCE)


class Step(Generic[T]):
    """Something that another thread does."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: T | None = None
        self._error: BaseException | None = None
        self._undone = threading.Lock()
        self._undone.acquire()

    def begin(self) -> None:
        """Lets a thread that has nothing to do make the step."""
        try:
            worker = IDLE.pop()
        except IndexError:
            try:
                worker = Worker()
            except RuntimeError:
                # The interpreter is ending, and starts no more threads.
                self.make()
                self.end()
                return
        worker.steps.put(self)

    def make(self) -> None:
        """Makes the step."""
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error

    def end(self) -> None:
        """Tells who waits that the step is made."""
        self._undone.release()

    def is_done(self, seconds: float) -> bool:
        """Whether it is made, after waiting no longer than some seconds. A signal interrupts it."""
        return self._undone.acquire(timeout=seconds)

    def result(self) -> T:
        """What it gave."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The error's traceback leads here, and would keep itself alive.
                self._error = None
        return self._value  # type: ignore[return-value]


class Worker:
    """A thread that makes steps for the main thread, one after the other."""

    def __init__(self) -> None:
        self.steps: SimpleQueue[Step[Any]] = SimpleQueue()
        threading.Thread(target=self._run, name="shoots-wait", daemon=True).start()

    def _run(self) -> None:
        while True:
            step = self.steps.get()
            step.make()
            # Before anybody is told, so that the next step finds it.
            IDLE.append(self)
            step.end()
            del step


IDLE: list[Worker] = []
"""Threads that have nothing to do. There are more than one only where a call that was given up did not end."""

if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads.
    os.register_at_fork(after_in_child=IDLE.clear)
