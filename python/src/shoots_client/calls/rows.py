"""Deleting rows, and changing columns without rewriting rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pyarrow as pa

from ..results import AlterResult, DeleteRowsResult
from ..values import IndexValue, mapping, names, plain
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

        `add` and `widen` say a type for each column: one of pyarrow's, or its name (`"double"`).
        Rows that are there have null in a column that is added.

        >>> done = client.alter("prices", rename={"close": "price"}, add={"note": pa.string()})
        >>> [column["name"] for column in done["columns"]]
        ['price', 'volume', 'time', 'note']
        """
        answer = self._act(
            "alter",
            name=name,
            bucket=bucket,
            add=None if add is None else [{"name": column, "type": kind} for column, kind in types("add", add).items()],
            drop=names(drop),
            rename=mapping("rename", rename),
            widen=None if widen is None else types("widen", widen),
            message=message,
            author=author,
            metadata=metadata,
            request_id=request_id or new_request_id(),
        )
        return cast(AlterResult, answer)


def types(field: str, said: Mapping[str, str | pa.DataType]) -> dict[str, str]:
    """The names of the types that are said for columns."""
    return {column: type_name(kind) for column, kind in (mapping(field, said) or {}).items()}


def type_name(kind: str | pa.DataType) -> str:
    """The name of a type on the wire, which is the one that pyarrow gives it.

    >>> type_name(pa.timestamp("us", "UTC"))
    'timestamp[us, tz=UTC]'
    """
    if isinstance(kind, str | pa.DataType):
        return str(kind)
    raise TypeError(f"{kind!r} is no type of a column; give one of pyarrow's, such as pa.int64(), or its name")
