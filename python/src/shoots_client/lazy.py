"""Frames that Polars reads lazily: what it needs of a frame is asked of the server, and nothing else is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from .calls.reading import ticket_of
from .connection import Connection
from .conversion.incoming import to_polars, without_form
from .predicate import condition
from .transfer import receive
from .values import AsOf, as_json, identifier


def scan(connection: Connection, name: str, bucket: str | None, as_of: AsOf | None) -> pl.LazyFrame:
    """The frame as a `LazyFrame`, in the state that it has now, or that `as_of` says."""
    # One state, however often and in however many pieces it is read.
    described = connection.info(as_json(ticket_of(name, None, bucket, as_of=as_of)), None)
    pinned = json.loads(described.endpoints[0].ticket.ticket)
    schema: pl.Schema = to_polars(described.schema.empty_table()).schema

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        ticket = asked(pinned, schema, columns, predicate, rows)
        reader = connection.read(as_json(ticket), None)
        for batch in receive(reader, connection.address.url):
            piece: pl.DataFrame = to_polars(pa.Table.from_batches([batch], reader.schema))
            if predicate is not None:
                piece = piece.filter(predicate)
            yield piece if columns is None else piece.select(columns)

    try:
        return register_io_source(read, schema=schema)
    except pl.exceptions.PolarsError as error:
        # Some types Polars looks at only here.
        raise without_form("polars", error) from error


def asked(
    pinned: dict[str, Any],
    schema: pl.Schema,
    columns: list[str] | None,
    predicate: pl.Expr | None,
    rows: int | None,
) -> dict[str, Any]:
    """The ticket for what Polars needs."""
    if predicate is None or rows is not None:
        # Rows are counted before the condition is looked at.
        needed = needed_columns(columns, predicate, schema)
        limit = {} if rows is None else {"limit": rows}
        return {**pinned, **({} if needed is None else {"columns": needed}), **limit}
    where = condition(predicate, schema)
    needed = needed_columns(columns, predicate, schema)
    if where is None:
        return {**pinned, **({} if needed is None else {"columns": needed})}
    chosen = "*" if needed is None else ", ".join(identifier(column) for column in needed)
    return {**pinned, "sql": f"select {chosen} from {identifier(pinned['name'])} where {where}"}


def needed_columns(columns: list[str] | None, predicate: pl.Expr | None, schema: pl.Schema) -> list[str] | None:
    """The columns that are wanted, and those that the condition is about; `None` is all of them."""
    if columns is None:
        return None
    used = set(columns) | set([] if predicate is None else predicate.meta.root_names())
    needed = [column for column in schema if column in used]
    # A table without columns would have no rows either.
    return needed or list(schema)[:1]
