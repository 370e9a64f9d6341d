"""Python's values in the words of the wire: times, states of frames, parameters."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

IndexValue: TypeAlias = "str | int | float | bool | dt.date | dt.datetime | Any"
"""A place on an index: a number, a text, or a time of `datetime`, pandas or NumPy. Times without a zone are UTC."""

AsOf: TypeAlias = "int | str | dt.datetime | Mapping[str, Any]"
"""A state of a frame: a version (`-1` is the newest), a time, a tag, the beginning of a commit's id, or outright
`{"version": 3}`, `{"time": …}`, `{"tag": …}`, `{"commit": …}`, `{"snapshot": …}`."""

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"
"""Values for the `$1`, `$2` or `$name` of a query."""


def plain(value: Any) -> Any:
    """A value as JSON can say it: times as RFC 3339 to the nanosecond, decimals as text.

    >>> plain(dt.datetime(2024, 1, 31, 9, 30))
    '2024-01-31T09:30:00'
    >>> plain(dt.date(2024, 1, 31))
    '2024-01-31'
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ValueError(f"{value} cannot be sent; give a finite number")
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if hasattr(value, "dtype") and hasattr(value, "item"):
        return of_numpy(value)
    kinds = "a number, a text, a boolean, a date or time"
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be sent; give {kinds}")


def of_numpy(value: Any) -> Any:
    """A scalar of NumPy."""
    if value.dtype.kind == "M":
        return str(value)
    if value.dtype.kind == "m":
        raise TypeError(f"{value!r} cannot be sent; give a number or a time")
    return plain(value.item())


def state(as_of: AsOf | None) -> Any:
    """A state of a frame."""
    if isinstance(as_of, Mapping):
        return {kind: plain(value) for kind, value in as_of.items()}
    return plain(as_of)


def parameters(values: Parameters | None) -> Any:
    """Values for the parameters of a query."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        return {str(name): plain(value) for name, value in values.items()}
    if isinstance(values, str):
        raise TypeError("parameters is a text; give a list of values, or a dictionary")
    return [plain(value) for value in values]


def names(columns: str | Sequence[str] | None) -> list[str] | None:
    """Names of columns, or the name of one."""
    if columns is None:
        return None
    return [columns] if isinstance(columns, str) else [str(column) for column in columns]


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that say anything."""
    return {name: value for name, value in fields.items() if value is not None}
