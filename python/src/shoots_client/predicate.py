"""Conditions of Polars in SQL, as far as both judge the same.

What is translated must be true for every row for which Polars' condition is true: Polars looks at what comes once more.
So parts that are joined by "and" may be left out, and where the two differ (NaN, negative zero), the SQL is wider.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import polars as pl

from .values import identifier

COMPARISONS = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
NANOSECONDS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


def condition(predicate: pl.Expr, schema: pl.Schema) -> str | None:
    """The condition in SQL; `None` if nothing of it can be said."""
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        return None
    return Translation(schema).wider(tree)


class Translation:
    """Translates the conditions of one frame. A tree is Polars' own, as JSON; what is not known in it is left out."""

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema

    def wider(self, tree: Any) -> str | None:
        """SQL that is true wherever the condition is."""
        match tree:
            case {"BinaryExpr": {"left": left, "op": "And" | "LogicalAnd", "right": right}}:
                sides = [side for side in (self.wider(left), self.wider(right)) if side is not None]
                return " and ".join(sides) or None
            case {"BinaryExpr": {"left": left, "op": "Or" | "LogicalOr", "right": right}}:
                one, other = self.wider(left), self.wider(right)
                return None if one is None or other is None else f"({one} or {other})"
            case {"BinaryExpr": {"left": {"Column": str(column)}, "op": str(op), "right": literal}}:
                return self.comparison(column, op, literal)
            case {"Function": {"input": [column, *values], "function": {"Boolean": function}}}:
                name = self.widened(column)
                return None if name is None else self.function(name, function, values)
            case {"Column": str(column)} if self._schema.get(column) == pl.Boolean:
                return identifier(column)
            case _:
                return None

    def widened(self, tree: Any) -> str | None:
        """The column that a tree is, maybe as wider integers, which compare as they did."""
        match tree:
            case {"Column": str(column)}:
                return column
            case {"Cast": {"expr": {"Column": str(column)}, "dtype": {"Literal": str(kind)}}}:
                dtype = self._schema.get(column)
                fits = dtype is not None and dtype.is_integer() and dtype != pl.UInt64 and kind in ("Int64", "Int128")
                return column if fits else None
            case _:
                return None

    def comparison(self, column: str, op: str, literal: Any) -> str | None:
        """A column compared with a value."""
        value = self.value(column, literal)
        if op not in COMPARISONS or value is None:
            return None
        name, dtype = identifier(column), self._schema[column]
        if not is_ordered(dtype) and op not in ("Eq", "NotEq"):
            return None
        said = f"{name} {COMPARISONS[op]} {value}"
        if not dtype.is_float():
            return said
        # Polars takes both zeros for equal, and every NaN for the greatest number.
        zero = f" or {name} = 0.0 or {name} = -0.0" if float(value) == 0.0 and op in ("Eq", "GtEq", "LtEq") else ""
        return f"({said}{zero} or isnan({name}))"

    def function(self, column: str, function: Any, values: list[Any]) -> str | None:
        """What Polars calls functions: nulls, ranges, lists."""
        if column not in self._schema:
            return None
        match function, values:
            case "IsNull", []:
                return f"{identifier(column)} is null"
            case "IsNotNull", []:
                return f"{identifier(column)} is not null"
            case {"IsBetween": {"closed": str(closed)}}, [low, high]:
                first = self.comparison(column, "GtEq" if closed in ("Both", "Left") else "Gt", low)
                second = self.comparison(column, "LtEq" if closed in ("Both", "Right") else "Lt", high)
                return " and ".join(side for side in (first, second) if side is not None) or None
            case (("IsIn" | {"IsIn": _}), [literal]):
                return self.membership(column, literal)
            case _:
                return None

    def membership(self, column: str, literal: Any) -> str | None:
        """A column that is one of several values."""
        series = evaluated(literal)
        if series is None:
            return None
        if isinstance(series.dtype, pl.List | pl.Array):
            series = series.explode()
        dtype = self._schema[column]
        if series.len() == 0 or series.null_count() or dtype.is_float() or not matches(series.dtype, dtype):
            return None
        texts = [written(value, dtype) for value in series.to_list()]
        if any(text is None for text in texts):
            return None
        return f"{identifier(column)} in ({', '.join(str(text) for text in texts)})"

    def value(self, column: str, literal: Any) -> str | None:
        """A value of the column's type in SQL."""
        dtype = self._schema.get(column)
        series = evaluated(literal)
        if dtype is None or series is None or series.len() != 1 or not matches(series.dtype, dtype):
            return None
        return written(series.item(), dtype) if not isinstance(dtype, pl.Datetime) else instant(series, dtype)


def evaluated(literal: Any) -> pl.Series | None:
    """What a literal stands for."""
    if not isinstance(literal, dict) or literal.keys() != {"Literal"}:
        return None
    try:
        expression = pl.Expr.deserialize(io.StringIO(json.dumps(literal)), format="json")
        return pl.select(expression).to_series()
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        return None


def is_ordered(dtype: pl.DataType) -> bool:
    """Whether Polars and SQL put values of a type in the same order. Categories have one of their own in Polars."""
    return not isinstance(dtype, pl.Categorical | pl.Enum)


def matches(of_literal: pl.DataType, of_column: pl.DataType) -> bool:
    """Whether a value of one type is compared with a column of another without anything being lost."""
    if isinstance(of_column, pl.Categorical | pl.Enum):
        return of_literal == pl.String
    if of_column.is_integer():
        return of_literal.is_integer()
    if of_column.is_float():
        return of_column == pl.Float64 and (of_literal.is_float() or of_literal.is_integer())
    if isinstance(of_column, pl.Datetime):
        return isinstance(of_literal, pl.Datetime) and of_literal.time_zone == of_column.time_zone
    return of_literal == of_column and of_column in (pl.String, pl.Boolean, pl.Date)


def written(value: Any, dtype: pl.DataType) -> str | None:
    """A value in SQL; what is no number is a text that is read as the column's type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if dtype.is_float():
        number = float(value)
        return repr(number) if abs(number) < float("inf") else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and "\0" not in value:
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return f"'{value.isoformat()}'" if value.year >= 1000 else None
    return None


def instant(series: pl.Series, dtype: pl.Datetime) -> str | None:
    """A time in SQL, if the column has its unit or a finer one."""
    unit = series.dtype.time_unit if isinstance(series.dtype, pl.Datetime) else None
    count = series.to_physical().item()
    if unit is None or count is None or NANOSECONDS[unit] < NANOSECONDS[dtype.time_unit]:
        return None
    seconds, rest = divmod(count * NANOSECONDS[unit], 1_000_000_000)
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return None
    if not 1678 <= moment.year <= 2261:
        return None
    zone = "" if dtype.time_zone is None else "Z"
    return f"'{moment.isoformat()}.{rest:09}{zone}'"
