"""What is put: a dataframe of any kind, or a stream of them, as Arrow batches."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pyarrow as pa

from ..errors import SchemaError

BATCH_BYTES = 8 * 2**20
"""How large a batch is at most, unless the caller says how many rows it has."""
BATCH_ROWS = 65_536
"""How many rows a batch has at most, unless the caller says."""

Dataframe: TypeAlias = Any
"""A dataframe of pandas, Polars or Arrow, anything else that exports an Arrow stream, or an iterable of such parts."""


@dataclass(frozen=True)
class Outgoing:
    """Rows to put."""

    schema: pa.Schema
    parts: Callable[[], Iterator[pa.Table]]
    """The rows, part by part; what is `repeatable` gives them as often as it is asked."""
    repeatable: bool
    rows: int | None
    """How many rows there are, if that is known beforehand."""
    levels: list[str]
    """The columns that the dataframe's own index is made of."""
    index: list[str] | None
    """The same, if the frame can be sorted by them without moving a row."""

    def batches(self, batch_size: int | None) -> Iterator[pa.RecordBatch]:
        """The rows in batches of a good size, or of at most `batch_size` rows."""
        for part in self.parts():
            yield from part.to_batches(max_chunksize=batch_size or rows_per_batch(part))


def rows_per_batch(table: pa.Table) -> int:
    """How many rows of a table go into one batch."""
    fitting = int(table.num_rows * BATCH_BYTES // max(1, table.nbytes))
    return max(1, min(BATCH_ROWS, fitting))


def outgoing(dataframe: Dataframe) -> Outgoing:
    """The rows of a dataframe, or of a stream of dataframes."""
    if isinstance(dataframe, pa.RecordBatchReader):
        return of_parts(tables(dataframe), dataframe.schema)
    if (table := whole(dataframe)) is not None:
        levels = index_levels(dataframe, table.schema)
        index = levels if levels and keeps_order(dataframe, table, levels) else None
        return Outgoing(table.schema, lambda: iter([table]), True, table.num_rows, levels, index)
    if isinstance(dataframe, Iterable) and not isinstance(dataframe, str | bytes | dict) and not is_column(dataframe):
        return of_stream(iter(dataframe))
    raise TypeError(
        f"cannot put a {type(dataframe).__name__}; give a dataframe of pandas, Polars or Arrow, or an iterable of them"
    )


def with_whole_numbers(dataframe: Dataframe, rows: Outgoing, of_frame: Callable[[], pa.Schema]) -> Outgoing | None:
    """The rows of pandas with integers where a frame has them and pandas had to make floats of them, which it does when
    some are missing; `None` if there is nothing to be done about the types."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(dataframe, pandas.DataFrame):
        return None
    schema = of_frame()
    table = pa.concat_tables(rows.parts())
    changed = table
    for position, field in enumerate(table.schema):
        known = schema.field(field.name).type if schema.get_field_index(field.name) >= 0 else None
        if known is None or not pa.types.is_integer(known) or not pa.types.is_floating(field.type):
            continue
        try:
            column = table.column(position).cast(known)
        except pa.ArrowInvalid:
            # There are fractions, or numbers that are too large.
            return None
        changed = changed.set_column(position, field.with_type(known), column)
    if changed is table:
        return None
    return replace(rows, schema=changed.schema, parts=lambda: iter([changed]))


def of_parts(parts: Iterator[pa.Table], schema: pa.Schema) -> Outgoing:
    """Rows that can be given once only."""
    return Outgoing(schema, lambda: parts, False, None, [], None)


def tables(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The batches of a reader."""
    return (pa.Table.from_batches([batch]) for batch in reader)


def of_stream(parts: Iterator[Dataframe]) -> Outgoing:
    """The rows of dataframes that come one after the other, as those of one."""
    first = next(parts, None)
    if first is None:
        raise ValueError("there is nothing to put: the iterable is empty; give at least one dataframe, if without rows")
    table = part_of_stream(first)

    def following() -> Iterator[pa.Table]:
        for number, part in enumerate(parts, 2):
            yield fitted(part_of_stream(part), table.schema, number)

    return of_parts(itertools.chain([table], following()), table.schema)


def part_of_stream(part: Dataframe) -> pa.Table:
    """One of several dataframes. Its row numbers mean nothing among the others'."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(part, pandas.DataFrame) and isinstance(part.index, pandas.RangeIndex):
        part = part.reset_index(drop=True)
    table = whole(part)
    if table is None:
        raise TypeError(
            f"cannot put a {type(part).__name__} of an iterable; give dataframes of pandas, Polars or Arrow"
        )
    return table


def fitted(table: pa.Table, schema: pa.Schema, number: int) -> pa.Table:
    """The part with the types of the first one."""
    if table.column_names != schema.names:
        raise SchemaError(f"part {number} has the columns {table.column_names}, the first one {schema.names}")
    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        problem = f"part {number} has other types than the first one ({error}); give all parts the same"
        raise SchemaError(problem) from error


def whole(dataframe: Dataframe) -> pa.Table | None:
    """The table of a dataframe; `None` if it is none."""
    if isinstance(dataframe, pa.Table):
        return dataframe
    if isinstance(dataframe, pa.RecordBatch):
        return pa.Table.from_batches([dataframe])
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(dataframe, pandas.DataFrame):
        from .pandas import to_arrow

        return to_arrow(dataframe)
    if polars is not None and isinstance(dataframe, polars.LazyFrame):
        dataframe = dataframe.collect()
    if polars is not None and isinstance(dataframe, polars.DataFrame):
        return of_polars(dataframe)
    if hasattr(dataframe, "__arrow_c_stream__") and not is_column(dataframe):
        return pa.RecordBatchReader.from_stream(dataframe).read_all()
    return None


def of_polars(frame: Any) -> pa.Table:
    """The table of a frame of Polars, which would make addresses in this process of Python objects."""
    for name, dtype in frame.schema.items():
        if holds_objects(dtype):
            problem = f"column {name!r} holds Python objects ({dtype}), which cannot be stored"
            raise SchemaError(f"{problem}; make values of a type such as String of it, or leave it out")
    try:
        return frame.to_arrow()
    except (pa.ArrowException, OverflowError) as error:
        odd = ", ".join(
            f"{name!r} ({frame.schema[name]})" for name in frame.columns if not is_arrow(frame.select(name))
        )
        raise SchemaError(f"Arrow has no form for column {odd}; cast it to another type ({error})") from error


def holds_objects(dtype: Any) -> bool:
    """Whether a type of Polars is that of Python objects, or made of it."""
    parts = [getattr(dtype, "inner", None), *(field.dtype for field in getattr(dtype, "fields", []))]
    return str(dtype) == "Object" or any(holds_objects(part) for part in parts if part is not None)


def is_arrow(frame: Any) -> bool:
    """Whether Arrow has a form for a frame of Polars."""
    try:
        frame.to_arrow()
    except (pa.ArrowException, OverflowError):
        return False
    return True


def is_column(values: object) -> bool:
    """Whether this is one column, which has no name of its own."""
    return type(values).__name__ in ("Series", "ChunkedArray")


def index_levels(dataframe: Dataframe, schema: pa.Schema) -> list[str]:
    """The fields that pandas' index is made of; row numbers are no index."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(dataframe, pandas.DataFrame):
        return []
    from .pandas import index_fields

    return [name for name in index_fields(schema) if isinstance(name, str)]


def keeps_order(dataframe: Dataframe, table: pa.Table, levels: list[str]) -> bool:
    """Whether a frame can be sorted by pandas' index without moving a row.

    That is an index in ascending order, without missing values, of times, numbers or texts, that has names or is one of
    times: row numbers that a filter left over are no index.
    """
    index = dataframe.index
    named = all(name is not None for name in index.names) or index.inferred_type == "datetime64"
    if not named or not all(is_orderable(table.schema.field(level).type) for level in levels):
        return False
    return index.is_monotonic_increasing and not any(table.column(level).null_count for level in levels)


def is_orderable(type_: pa.DataType) -> bool:
    """Whether pandas and the server put values of a type in the same order."""
    kinds = pa.types
    return bool(
        kinds.is_temporal(type_)
        or kinds.is_integer(type_)
        or kinds.is_string(type_)
        or kinds.is_large_string(type_)
        or kinds.is_boolean(type_)
    )
