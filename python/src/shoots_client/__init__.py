"""Shoots keeps dataframes: a pandas, Polars or Arrow table goes under a name, and comes back exactly as it was.

    from shoots_client import PutMode, ShootsClient

    with ShootsClient("localhost", 8081) as client:
        client.put("prices", frame, mode=PutMode.REPLACE)
        client.get("prices", start="2024-01-01")
        client.sql("select symbol, avg(close) from prices group by symbol")

In the examples of this package, `client` is a client of a server that has one frame, `prices`, whose rows are also at
hand as the pandas dataframe `prices`.
"""

from .aio import AsyncShootsClient
from .client import ShootsClient
from .errors import (
    BucketNotEmptyError,
    CallTimeoutError,
    CancelledError,
    ConflictError,
    DamagedError,
    DataFusionError,
    DivergedError,
    ForbiddenError,
    FrameExistsError,
    InternalError,
    InvalidRequestError,
    LimitError,
    ManyFramesError,
    MergeConflictError,
    NoSpaceError,
    NotFoundError,
    OutcomeUnknownError,
    PromisedError,
    ReadOnlyError,
    SchemaError,
    ShootsError,
    ShootsIOError,
    UnauthenticatedError,
    UnavailableError,
)
from .modes import BucketDeleteMode, PutMode
from .notices import ColumnsAddedWarning
from .progress import Progress

__all__ = [
    "AsyncShootsClient",
    "BucketDeleteMode",
    "BucketNotEmptyError",
    "CallTimeoutError",
    "CancelledError",
    "ColumnsAddedWarning",
    "ConflictError",
    "DamagedError",
    "DataFusionError",
    "DivergedError",
    "ForbiddenError",
    "FrameExistsError",
    "InternalError",
    "InvalidRequestError",
    "LimitError",
    "ManyFramesError",
    "MergeConflictError",
    "NoSpaceError",
    "NotFoundError",
    "OutcomeUnknownError",
    "Progress",
    "PromisedError",
    "PutMode",
    "ReadOnlyError",
    "SchemaError",
    "ShootsClient",
    "ShootsError",
    "ShootsIOError",
    "UnauthenticatedError",
    "UnavailableError",
]
