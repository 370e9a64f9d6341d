"""What goes wrong, as exceptions: one for each kind of error that a server tells.

Each is a `ShootsError`. Where Python has a name for the same thing, it is that, too: a frame that is missing is a
`FileNotFoundError`, a call that took too long a `TimeoutError`. So programs can catch what they always caught.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.flight as fl


class ShootsError(Exception):
    """A call that failed. The message says what to do about it."""


class FrameExistsError(ShootsError, FileExistsError):
    """The frame exists, and the mode does not allow for that: use another mode or name."""


class NotFoundError(ShootsError, FileNotFoundError):
    """There is no such frame, bucket, version, tag, snapshot or remote: check the name."""


class BucketNotEmptyError(ShootsError):
    """The bucket still holds frames: delete them, or use `BucketDeleteMode.DELETE_CONTENTS`."""


class DataFusionError(ShootsError):
    """The SQL cannot be planned or run: change the query."""


class ShootsIOError(ShootsError, OSError):
    """The storage below the server failed: try again, or see to the disk or object store."""


class InvalidRequestError(ShootsError, ValueError):
    """The request itself is wrong, as the message says: change it."""


class SchemaError(ShootsError, ValueError):
    """Types that cannot be stored, or that do not go with the frame's: change the data."""


class ConflictError(ShootsError):
    """Somebody else's change came first, too often: try again."""


class DivergedError(ShootsError):
    """The other side of a push has changes that this side does not: pull first."""


class MergeConflictError(ShootsError):
    """Two histories cannot be merged by themselves: settle it with `favour`."""


class PromisedError(ShootsError):
    """Rows that this takes were left at a remote when a part of the frame was cloned: `fetch` it."""


class OutcomeUnknownError(ShootsError):
    """The change may or may not have happened: look, or repeat it with the same `request_id`."""


class ReadOnlyError(ShootsError):
    """This server or store takes no changes."""


class LimitError(ShootsError):
    """A limit on memory, time, size or concurrency was reached: ask for less, or later."""


class NoSpaceError(ShootsError, OSError):
    """The storage below is nearly full: free space there, or let old versions expire."""


class DamagedError(ShootsError, OSError):
    """Stored bytes are not what was written: restore them from a copy."""


class UnavailableError(ShootsError, ConnectionError):
    """Nobody answers at the address, or the server is stopping: try again later."""


class CancelledError(ShootsError):
    """The call was ended before it was done, by the caller or by the server."""


class InternalError(ShootsError):
    """A defect of the server, or an error that this version does not know: report it."""


class UnauthenticatedError(ShootsError, PermissionError):
    """The server does not know who calls: give a `token`, or one that is valid."""


class ForbiddenError(ShootsError, PermissionError):
    """The token does not allow this call: use one that does."""


class CallTimeoutError(ShootsError, TimeoutError):
    """The call took longer than its `timeout`: allow more seconds, or ask for less."""


class ManyFramesError(ShootsError):
    """Some of several calls failed. `results` has what the others gave, `errors` why each failed, by name."""

    def __init__(self, results: dict[str, object], errors: dict[str, Exception]) -> None:
        self.results = results
        self.errors = errors
        told = "; ".join(f"{name}: {error}" for name, error in errors.items())
        super().__init__(f"{len(errors)} of {len(results) + len(errors)} frames failed: {told}")


KINDS: dict[str, type[ShootsError]] = {
    "FileExistsError": FrameExistsError,
    "FileNotFoundError": NotFoundError,
    "BucketNotEmptyError": BucketNotEmptyError,
    "DataFusionError": DataFusionError,
    "ShootsIOError": ShootsIOError,
    "InvalidRequestError": InvalidRequestError,
    "SchemaError": SchemaError,
    "ConflictError": ConflictError,
    "DivergedError": DivergedError,
    "MergeConflictError": MergeConflictError,
    "PromisedError": PromisedError,
    "OutcomeUnknownError": OutcomeUnknownError,
    "ReadOnlyError": ReadOnlyError,
    "LimitError": LimitError,
    "NoSpaceError": NoSpaceError,
    "DamagedError": DamagedError,
    "UnavailableError": UnavailableError,
    "CallTimeoutError": CallTimeoutError,
    "CancelledError": CancelledError,
    "InternalError": InternalError,
    "UnauthenticatedError": UnauthenticatedError,
    "InvalidSignatureError": UnauthenticatedError,
    "PermissionDeniedError": ForbiddenError,
}
"""The exception for each kind on the wire."""

CLASSES: tuple[tuple[type[Exception], type[ShootsError]], ...] = (
    (fl.FlightUnavailableError, UnavailableError),
    (fl.FlightTimedOutError, CallTimeoutError),
    (fl.FlightUnauthenticatedError, UnauthenticatedError),
    (fl.FlightUnauthorizedError, ForbiddenError),
    (fl.FlightCancelledError, CancelledError),
    (fl.FlightError, InternalError),
)
"""The exception for each class of Flight error that comes without a kind."""


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raises the errors of Flight calls to `address` as what they mean."""
    try:
        yield
    except fl.FlightError as error:
        raise of_flight(error, address) from error
    except pa.ArrowException as error:
        # Some codes of gRPC become errors of Arrow, and bring the server's words all the same.
        told = body(error)
        if told is None:
            told = SchemaError(f"pyarrow cannot move these rows ({error}); give each column a type that Arrow can send")
        raise told from error


def of_flight(error: Exception, address: str) -> ShootsError:
    """What an error of a Flight call to `address` means."""
    told = body(error)
    if told is not None:
        return told
    kind = next(ours for theirs, ours in CLASSES if isinstance(error, theirs))
    text = str(error).split(". gRPC client debug context", 1)[0]
    if kind is UnavailableError:
        return kind(f"no server answers at {address}; check the address, and that it runs ({text})")
    if kind is CallTimeoutError:
        return kind(f"{address} did not answer in time; allow a longer `timeout`, or ask for less ({text})")
    return kind(text)


def body(error: Exception) -> ShootsError | None:
    """What the server says in an error's details, if it says anything there."""
    try:
        told = json.loads(getattr(error, "extra_info", b""))
        kind, message = told["type"], str(told["message"])
    except (ValueError, TypeError, KeyError):
        return None
    return of_kind(kind, message)


def of_kind(kind: str, message: str) -> ShootsError:
    """The exception for a kind on the wire."""
    known = KINDS.get(kind)
    return InternalError(f"{kind}: {message}") if known is None else known(message)
