"""What is got: Arrow batches as the dataframe that the caller asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from ..errors import SchemaError

As: TypeAlias = Literal["pandas", "polars", "arrow"]
"""The kind of dataframe that a call gives."""


def output(table: pa.Table, as_: str) -> Any:
    """The table as the dataframe that is asked for."""
    return form(as_)(table)


def form(as_: str, *, index: bool = True) -> Callable[[pa.Table], Any]:
    """What makes a dataframe of a table. Refuses kinds that are not known, before anything is asked for.

    Without `index`, what was the index of a pandas frame stays a column.
    """
    known: dict[str, Callable[[pa.Table], Any]] = {
        "pandas": to_pandas if index else to_pandas_without_index,
        "polars": to_polars,
        "arrow": to_itself,
    }
    if as_ not in known:
        raise ValueError(f'as_ must be "pandas", "polars" or "arrow" (got {as_!r})')

    def make(table: pa.Table) -> Any:
        try:
            return known[as_](table)
        except (ModuleNotFoundError, MemoryError, SchemaError):
            raise
        except Exception as error:
            raise without_form(as_, error) from error

    return make


def without_form(as_: str, error: BaseException) -> SchemaError:
    """The error that a kind of dataframe cannot hold the rows."""
    return SchemaError(f'{as_} has no form for these rows ({error}); get them with as_="arrow"')


def to_itself(table: pa.Table) -> pa.Table:
    return table


def to_pandas(table: pa.Table) -> Any:
    from .pandas import from_arrow

    return from_arrow(table)


def without_copies(table: pa.Table) -> Any:
    """The table as a frame of Polars that stays in its few large pieces, where joining them would be a copy."""
    return to_polars(table, rechunk=False)


def to_pandas_without_index(table: pa.Table) -> Any:
    from .pandas import from_arrow, without_index

    return from_arrow(without_index(table))


def to_polars(table: pa.Table, rechunk: bool = True) -> Any:
    try:
        import polars
    except ModuleNotFoundError as error:
        error.add_note('Polars is not installed: pip install "shoots-client[polars]"')
        raise
    try:
        frame: Any = polars.from_arrow(table, rechunk=rechunk)
    except (Exception, polars.exceptions.PanicException) as error:
        # A panic, as over decimals of 256 bits, is no `Exception`, and would end whatever is not prepared for it.
        raise without_form("polars", error) from error
    # A column whose name is empty would get another one.
    frame.columns = table.column_names
    return frame
