"""What Arrow forgets about a pandas column, in a few words of JSON.

A description is kept in the metadata of the column's field, so that it stays with the column when a query passes it
through, when others are dropped, and when frames are appended to. It names the Arrow type that it was written for, and
is not used for any other.
"""

from __future__ import annotations

import ast
import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import SchemaError

KEY = b"shoots_client.dtype"
MISSING = {"nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT}


def described(field: pa.Field, values: pd.Series[Any] | pd.Index[Any]) -> pa.Field:
    """The field with a description of the pandas column that it was made of."""
    said = {"arrow": str(field.type), **describe(values)}
    return field.with_metadata({**(field.metadata or {}), KEY: json.dumps(said).encode()})


def describe(values: pd.Series[Any] | pd.Index[Any]) -> dict[str, Any]:
    """A description of a column's dtype from which `restored` makes the column again."""
    dtype = values.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return {"kind": "arrow"}
    if isinstance(dtype, pd.StringDtype):
        missing = getattr(dtype, "na_value", pd.NA)
        return {"kind": "string", "storage": dtype.storage, "missing": word(missing)}
    if isinstance(dtype, pd.CategoricalDtype):
        labels = base64.b64encode(written(dtype.categories)).decode()
        return {"kind": "category", "categories": labels, "ordered": bool(dtype.ordered)}
    if pd.api.types.is_object_dtype(dtype):
        return {"kind": "object", "missing": missing_in(values)}
    if isinstance(dtype, pd.SparseDtype):
        fill = dtype.fill_value.item() if hasattr(dtype.fill_value, "item") else dtype.fill_value
        return {"kind": "sparse", "of": str(dtype.subtype), "fill": repr(fill)}
    return {"kind": "dtype", "name": str(dtype)}


def missing_in(values: pd.Series[Any] | pd.Index[Any]) -> str | None:
    """What stands for missing values in a column of objects."""
    absent = values.isna()
    return word(values[absent][0] if isinstance(values, pd.Index) else values[absent].iloc[0]) if absent.any() else None


def word(missing: object) -> str | None:
    """The name of a value that stands for a missing one; `None` is for `None`."""
    if missing is None:
        return None
    if missing is pd.NA:
        return "NA"
    return "NaT" if missing is pd.NaT else "nan"


def restored(field: pa.Field, column: pa.ChunkedArray) -> pd.Series[Any] | None:
    """The pandas column that a described field was made of; `None` if nothing is known of it."""
    said = description(field)
    if said is None:
        return None
    try:
        return made(said, column)
    except (TypeError, ValueError, KeyError, AttributeError, pa.ArrowException):
        # Written by another version of pandas, for a dtype that this one does not have.
        return None


def description(field: pa.Field) -> dict[str, Any] | None:
    """What is said of the column, if it is said of its type."""
    try:
        said = json.loads((field.metadata or {})[KEY])
        return said if said["arrow"] == str(field.type) else None
    except (KeyError, TypeError, ValueError):
        return None


def made(said: dict[str, Any], column: pa.ChunkedArray) -> pd.Series[Any] | None:
    """The column that a description describes."""
    kind = said["kind"]
    if kind == "arrow":
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    if kind == "string":
        return pd.Series(string_dtype(said).__from_arrow__(column.cast(pa.string())))
    if kind == "category":
        return category(said, column)
    if kind == "object":
        return objects(said, column)
    if kind == "sparse":
        fill = MISSING["nan"] if said["fill"] == "nan" else ast.literal_eval(said["fill"])
        return column.to_pandas().astype(pd.SparseDtype(said["of"], fill))
    if kind == "dtype":
        return named(said["name"], column)
    return None


def string_dtype(said: dict[str, Any]) -> Any:
    """The dtype of a column of strings."""
    if said["missing"] == "nan":
        return pd.StringDtype(said["storage"], na_value=MISSING["nan"])
    return pd.StringDtype(said["storage"])


def objects(said: dict[str, Any], column: pa.ChunkedArray) -> pd.Series[Any]:
    """The column as objects of Python."""
    kept = pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_decimal(column.type)
    values = column.to_numpy() if kept else column.to_pylist()
    series = pd.Series(list(values), dtype=object)
    if said.get("missing") is not None:
        series[series.isna()] = MISSING[said["missing"]]
    return series


def category(said: dict[str, Any], column: pa.ChunkedArray) -> pd.Series[Any]:
    """The column as categories, whose labels may be of any type."""
    labels = read(base64.b64decode(said["categories"]))
    dtype = pd.CategoricalDtype(labels, ordered=said["ordered"])
    if not pa.types.is_dictionary(column.type):
        return column.to_pandas().astype(dtype)
    column = column.unify_dictionaries()
    if column.num_chunks == 0:
        return pd.Series(pd.Categorical([], dtype=dtype))
    known = pd.Index(column.chunk(0).dictionary.to_pandas()).astype(labels.dtype)
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy().astype("int64") for chunk in column.chunks])
    if not known.equals(labels[: len(known)]):
        # Others have come since.
        dtype = pd.CategoricalDtype(known, ordered=said["ordered"])
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))


def named(name: str, column: pa.ChunkedArray) -> pd.Series[Any]:
    """The column as the dtype of this name."""
    dtype = pd.api.types.pandas_dtype(name)
    if hasattr(dtype, "__from_arrow__"):
        return pd.Series(dtype.__from_arrow__(column))
    return column.to_pandas().astype(dtype)


def name_text(name: object) -> str:
    """A name of an index as text; one that is no literal of Python becomes a text itself."""
    try:
        return repr(name) if ast.literal_eval(repr(name)) == name else repr(str(name))
    except (ValueError, SyntaxError):
        return repr(str(name))


def name_of(text: str) -> Any:
    """The name that a text stands for."""
    return ast.literal_eval(text)


def level_of(index: pd.Index[Any], number: int) -> pd.Index[Any]:
    """A level of an index by its number, whatever it is called; pandas takes names that are numbers for others."""
    return index.set_names([None] * index.nlevels).get_level_values(number)


def written(labels: pd.Index[Any]) -> bytes:
    """Labels (categories, or the names of columns) as an Arrow stream, with what their dtypes need."""
    from . import pandas as frames

    columns = [pd.Series(level_of(labels, level)) for level in range(labels.nlevels)]
    frame = pd.concat([column.reset_index(drop=True) for column in columns], axis=1)
    frame.columns = [str(level) for level in range(labels.nlevels)]
    texts = None
    try:
        table = frames.to_arrow(frame)
    except SchemaError:
        # Labels of several types.
        texts = [[name_text(label) for label in level_of(labels, level)] for level in range(labels.nlevels)]
        table = frames.to_arrow(frame.iloc[:, :0])
    said = {
        "levels": [name_text(name) for name in labels.names],
        "texts": texts,
        "multi": isinstance(labels, pd.MultiIndex),
        "range": isinstance(labels, pd.RangeIndex),
        "freq": getattr(labels, "freqstr", None) if hasattr(labels, "freq") else None,
    }
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(said).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def read(content: bytes) -> pd.Index[Any]:
    """Reads labels back."""
    from . import pandas as frames

    table = pa.ipc.open_stream(content).read_all()
    said = json.loads(table.schema.metadata[KEY])
    frame = frames.from_arrow(table)
    for level, texts in enumerate(said["texts"] or []):
        frame[str(level)] = pd.Series([name_of(text) for text in texts], dtype=object)
    names = [name_of(text) for text in said["levels"]]
    if said["multi"]:
        return pd.MultiIndex.from_arrays([frame[column] for column in frame], names=names)
    values = frame.iloc[:, 0]
    index = pd.Index(values, dtype=values.dtype).rename(names[0])
    if said["range"] and len(index) > 0:
        step = int(index[1] - index[0]) if len(index) > 1 else 1
        return pd.RangeIndex(int(index[0]), int(index[-1]) + step, step, name=names[0])
    return with_frequency(index, said["freq"])


def with_frequency(index: pd.Index[Any], frequency: str | None) -> pd.Index[Any]:
    """The index with its frequency, if its values still follow it."""
    if frequency is not None and isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        # Where rows were left out, or came from elsewhere, it does not fit any more.
        with suppress(ValueError):
            index.freq = pd.tseries.frequencies.to_offset(frequency)
    return index
