"""Python's values in the words of the wire: times, states of frames, parameters."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from .errors import InvalidRequestError

IndexValue: TypeAlias = "str | int | float | bool | dt.date | dt.datetime | Any"
"""A place on an index: a number, a text, or a time of `datetime`, pandas or NumPy. Times without a zone are UTC, and a
number is no time."""

AsOf: TypeAlias = "int | str | dt.datetime | Mapping[str, Any]"
"""A state of a frame: a version (`-1` is the newest), a time, a tag, the beginning of a commit's id, or outright
`{"version": 3}`, `{"time": …}`, `{"tag": …}`, `{"commit": …}`, `{"snapshot": …}`."""

Duration: TypeAlias = "str | int | float | dt.timedelta | Any"
"""How long something is: a text such as `"5min"` or `"W-FRI"`, a `timedelta` of `datetime`, pandas or NumPy, or an
offset of pandas."""

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


def as_json(fields: Mapping[str, Any]) -> bytes:
    """The fields of a request as they are sent, with numbers of NumPy as numbers."""
    try:
        return json.dumps(fields, default=plain, allow_nan=False).encode()
    except ValueError as error:
        # JSON has neither NaN nor infinity, and no loops.
        odd = ", ".join(name for name, value in fields.items() if not is_json(value))
        raise InvalidRequestError(f"{odd} cannot be sent as JSON ({error}); give other values") from error


def is_json(value: Any) -> bool:
    """Whether a value can be sent."""
    try:
        json.dumps(value, default=plain, allow_nan=False)
    except ValueError:
        return False
    return True


def of_numpy(value: Any) -> Any:
    """A scalar of NumPy."""
    if value.dtype.kind == "M":
        return str(value)
    if value.dtype.kind == "m":
        raise TypeError(f"{value!r} cannot be sent; give a number or a time")
    return plain(value.item())


UNITS = [("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)]
"""Units of time, and how many nanoseconds each has. A day is not among them: with a zone, not every day is as long."""


def duration(value: Any) -> Any:
    """How long something is, as text; a number stays one.

    >>> duration(dt.timedelta(minutes=90)), duration(dt.timedelta(days=1)), duration("W-FRI")
    ('90min', '24h', 'W-FRI')
    """
    if isinstance(value, dt.timedelta) or getattr(getattr(value, "dtype", None), "kind", "") == "m":
        return in_words(nanoseconds(value))
    if hasattr(value, "freqstr") and hasattr(value, "is_on_offset"):
        if value.freqstr.startswith("<"):
            raise TypeError(f"{value.freqstr} has no name; give a text such as 'D', 'W-FRI' or 'ME'")
        return value.freqstr
    return plain(value)


def nanoseconds(value: Any) -> int:
    """The length of a `timedelta` of Python, pandas or NumPy."""
    if hasattr(value, "to_timedelta64"):
        value = value.to_timedelta64()
    if isinstance(value, dt.timedelta):
        return (value // dt.timedelta(microseconds=1)) * 1000
    return int(value.astype("timedelta64[ns]").astype("int64"))


def in_words(length: int) -> str:
    """So many nanoseconds in the largest unit in which they are a whole number."""
    name, size = next((name, size) for name, size in UNITS if length % size == 0)
    return f"{length // size}{name}"


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


def mapping(field: str, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is said under names."""
    if values is None or isinstance(values, Mapping):
        return None if values is None else dict(values)
    raise TypeError(f"{field} must be a dictionary (got {values!r})")


def names(columns: str | Sequence[str] | None) -> list[str] | None:
    """Names of columns, or the name of one."""
    if columns is None:
        return None
    if isinstance(columns, str):
        return [columns]
    if not isinstance(columns, Iterable):
        raise TypeError(f"{columns!r} is no name, and no list of names")
    return [str(column) for column in columns]


def identifier(name: str) -> str:
    """A name in SQL, exactly as it is."""
    return '"' + name.replace('"', '""') + '"'


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that say anything."""
    return {name: value for name, value in fields.items() if value is not None}
