"""Columns of Python objects, of which Arrow makes values of one type.

`pyarrow` does so without a word where that cuts something off: the nanoseconds of a `Timestamp`, the time of day of a
`datetime` among dates, the zone of one among those without. Such columns are refused.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa

ADVICE = "make them of one type, times with pandas.to_datetime or pandas.to_timedelta"
WHOLE = {dt.date, dt.timedelta, bytes}
"""Types of objects that come back whole where they are the only ones."""


def change(column: pa.ChunkedArray, values: pd.Series[Any] | pd.Index[Any]) -> str | None:
    """What of a column's objects would come back as something else, in words; `None` if all stay what they are."""
    if not pd.api.types.is_object_dtype(values.dtype) or not may_change(column.type):
        return None
    present = values[values.notna()]
    kinds = set(map(type, present))
    if len(kinds) <= 1 and kinds <= WHOLE:
        return None
    for value, kept in zip(values, column.to_pylist(), strict=True):
        if not is_same(value, kept):
            return f"{value!r} would become {kept!r}"
    return None


def may_change(kind: pa.DataType) -> bool:
    """Whether objects of several types become one such type, at whatever depth."""
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return may_change(kind.value_type)
    if types.is_struct(kind):
        return any(may_change(kind.field(position).type) for position in range(kind.num_fields))
    return bool(types.is_temporal(kind) or types.is_binary(kind) or types.is_large_binary(kind))


def is_same(value: Any, kept: Any) -> bool:
    """Whether a value is what Arrow made of it. Missing ones are, and so are lists that were tuples or sets."""
    if kept is None:
        return True
    if isinstance(kept, list):
        return all(map(is_same, value, kept))
    if isinstance(kept, dict):
        return all(is_same(value.get(name), part) for name, part in kept.items())
    if isinstance(value, dt.datetime) and isinstance(kept, dt.datetime) and value.tzinfo and kept.tzinfo:
        # In the hour that clocks pass twice, times of different zones are never equal.
        return value.utcoffset() == kept.utcoffset() and in_utc(value) == in_utc(kept)
    return bool(value == kept)


def in_utc(value: dt.datetime) -> dt.datetime:
    """The time in UTC."""
    return value.astimezone(dt.UTC)
