"""Deleting rows, and changing columns without rewriting rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pyarrow as pa

from ..results import AlterResult, DeleteRowsResult
from ..values import IndexValue, names, plain
from .base import Bucket, Calls, Metadata, new_request_id
from .reading import Closed


class Rows(Calls):
    """Calls that change parts of a frame."""

    def delete_rows(
        self,
        name: str,
        where: str | None = None,
        bucket: Bucket = None,
        *,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
    ) -> DeleteRowsResult:
        """Deletes the rows in a range of the index, those that fulfil a condition in SQL, or those that do both.

        >>> client.delete_rows("prices", "close > 11.5", message="no such price")["rows_removed"]
        1
        """
        answer = self._act(
            "delete_rows",
            name=name,
            bucket=bucket,
            where=where,
            start=plain(start),
            stop=plain(stop),
            closed=closed,
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(DeleteRowsResult, answer)

    def alter(
        self,
        name: str,
        bucket: Bucket = None,
        *,
        add: Mapping[str, str | pa.DataType] | None = None,
        drop: str | Sequence[str] | None = None,
        rename: Mapping[str, str] | None = None,
        widen: Mapping[str, str | pa.DataType] | None = None,
        message: str | None = None,
        author: str | None = None,
        metadata: Metadata = None,
        request_id: str | None = None,
    ) -> AlterResult:
        """Adds, drops, renames and widens columns in one commit that rewrites no rows.

        `add` and `widen` say a type for each column: one of pyarrow's, or its name in Arrow for Rust (`"Float64"`).
        Rows that are there have null in a column that is added.

        >>> done = client.alter("prices", rename={"close": "price"}, add={"note": pa.string()})
        >>> [column["name"] for column in done["columns"]]
        ['price', 'volume', 'time', 'note']
        """
        answer = self._act(
            "alter",
            name=name,
            bucket=bucket,
            add=None if add is None else [{"name": column, "type": type_name(kind)} for column, kind in add.items()],
            drop=names(drop),
            rename=None if rename is None else dict(rename),
            widen=None if widen is None else {column: type_name(kind) for column, kind in widen.items()},
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(AlterResult, answer)


SIMPLE: dict[str, str] = {
    "bool": "Boolean",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "halffloat": "Float16",
    "float": "Float32",
    "double": "Float64",
    "string": "Utf8",
    "large_string": "LargeUtf8",
    "binary": "Binary",
    "large_binary": "LargeBinary",
    "date32[day]": "Date32",
    "date64[ms]": "Date64",
}
"""What types without parameters are called on the wire."""

UNITS = {"s": "s", "ms": "ms", "us": "µs", "ns": "ns"}
"""What units of time are called on the wire."""


def type_name(kind: Any) -> str:
    """The name of a type on the wire.

    >>> type_name(pa.timestamp("us", "UTC"))
    'Timestamp(µs, "UTC")'
    """
    if isinstance(kind, str):
        return kind
    types = pa.types
    if str(kind) in SIMPLE:
        return SIMPLE[str(kind)]
    if types.is_timestamp(kind):
        zone = "" if kind.tz is None else f', "{kind.tz}"'
        return f"Timestamp({UNITS[kind.unit]}{zone})"
    if types.is_duration(kind):
        return f"Duration({UNITS[kind.unit]})"
    if types.is_time(kind):
        return f"Time{kind.bit_width}({UNITS[kind.unit]})"
    if types.is_decimal(kind):
        return f"Decimal{kind.bit_width}({kind.precision}, {kind.scale})"
    if types.is_dictionary(kind):
        return f"Dictionary({type_name(kind.index_type)}, {type_name(kind.value_type)})"
    raise ValueError(f"{kind} has no simple name; give the type as text, as `describe` shows types")
