"""pandas to Arrow and back, exactly.

`pyarrow` does most of it, and its `pandas` metadata is always sent, so that any Arrow program can make a frame of it.
What it would lose is found by trying: the columns without their rows are brought back, and compared with the frame's.
Only where they differ, more is written down: in the fields (`dtypes`), and in the schema for the index and the labels
of columns.
"""

from __future__ import annotations

import base64
import json
import threading
import warnings
from typing import Any, cast

import pandas as pd
import pyarrow as pa
from pandas.api.types import infer_dtype

from ..errors import SchemaError
from . import dtypes, objects

KEY = b"shoots_client.pandas"
PANDAS = b"pandas"
UNFIT = (pa.ArrowException, OverflowError, TypeError, UnicodeEncodeError)
"""What `pyarrow` raises of values that it has no form for."""
ONE_AT_A_TIME = threading.Lock()
"""Keeps threads from changing Python's filters of warnings at the same time."""
ADVICE = "give it values of one type that Arrow has, such as text"


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """The frame as an Arrow table, from which `from_arrow` makes the same frame."""
    check_labels(frame)
    plain = storable(frame)
    try:
        table = with_zones(table_of(plain), plain)
    except UNFIT as error:
        problem = error.args[0] if isinstance(error, pa.ArrowException) else error
        raise SchemaError(f"{place_of_unfit(plain)}: {problem}; {ADVICE}") from error
    levels = index_levels(table)
    for position, field in enumerate(table.schema):
        changed = objects.change(table.column(position), column_of(plain, levels, field.name, position))
        if changed is not None:
            where = "the index" if field.name in levels else f"column {frame.columns[position]!r}"
            raise SchemaError(f"{where}: {changed}; {objects.ADVICE}")
    try:
        return described(table, frame, plain)
    except SchemaError:
        raise
    except Exception as error:
        raise SchemaError(
            f"{place_of_unreadable(table)}: pandas could not make it again ({error}); {ADVICE}"
        ) from error


def table_of(plain: pd.DataFrame) -> pa.Table:
    """What `pyarrow` makes of a frame, without its warnings: of attributes that are no JSON, which are left out, and of
    labels of several types, which are written down elsewhere.
    """
    if not is_json(plain.attrs):
        plain = plain.copy(deep=False)
        plain.attrs = {}
    levels = plain.columns.levels if isinstance(plain.columns, pd.MultiIndex) else [plain.columns]
    if not any("mixed" in infer_dtype(level, skipna=False) for level in levels):
        return pa.Table.from_pandas(plain)
    # The filters are those of the whole process: threads that set them back in another order leave them changed.
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return pa.Table.from_pandas(plain)


def is_json(attributes: Any) -> bool:
    """Whether it can be written as JSON."""
    try:
        json.dumps(attributes)
    except Exception:
        return False
    return True


def place_of_unfit(frame: pd.DataFrame) -> str:
    """Where the values are of which Arrow can make no column."""
    for position, label in enumerate(frame.columns):
        try:
            pa.Array.from_pandas(frame.iloc[:, position])
        except UNFIT:
            return f"column {label!r}"
    return "the index"


def place_of_unreadable(table: pa.Table) -> str:
    """Where the values are of which pandas can make no column."""
    for name in table.column_names:
        try:
            table.select([name]).slice(0, 0).replace_schema_metadata(None).to_pandas()
        except Exception:
            return f"column {name!r}"
    return "the labels"


def from_arrow(table: pa.Table) -> pd.DataFrame:
    """The frame that a table was made of, or the plainest one if it was made of none."""
    table = with_own_categories(table)
    said = description(table.schema)
    if said is None:
        return table.to_pandas()
    if "levels" not in said:
        return with_frequencies(table.to_pandas(), said)
    return rebuilt(table, said)


def with_own_categories(table: pa.Table) -> pa.Table:
    """The table with categories of which `pyarrow` makes a copy, and which its older versions can read.

    Those that lie in one piece it would share with the table, and nobody could write to them. Polars numbers them
    without signs.
    """
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if pa.types.is_dictionary(field.type) and pa.types.is_unsigned_integer(field.type.index_type):
            column = with_signs(column)
            field = field.with_type(column.type)
            table = table.set_column(position, field, column)
        if pa.types.is_dictionary(field.type) and column.num_chunks == 1:
            pieces = [column.chunk(0), column.chunk(0).slice(0, 0)]
            table = table.set_column(position, field, pa.chunked_array(pieces, field.type))
    return table


def with_signs(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with numbers of categories that have signs."""
    kind = pa.dictionary(pa.int64(), column.type.value_type, column.type.ordered)
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int64()), chunk.dictionary, ordered=kind.ordered)
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, kind)


def without_index(table: pa.Table) -> pa.Table:
    """The table of a frame whose index has become columns, where they are in the table, and whose rows are numbered."""
    metadata = dict(table.schema.metadata or {})
    for key, field in ((PANDAS, "index_columns"), (KEY, "levels")):
        try:
            said = json.loads(metadata[key])
        except (KeyError, ValueError):
            continue
        if field in said:
            metadata[key] = json.dumps({**as_in_query(said), field: []}).encode()
    return table.replace_schema_metadata(metadata)


def as_in_query(said: dict[str, Any]) -> dict[str, Any]:
    """A description in which columns are called as in the query: labels that were numbers or tuples are texts where
    levels of the index are among them, and levels without a name have the one that they have in the table."""
    if not any(isinstance(level, str) for level in said.get("index_columns", [])):
        return said
    names = [{**column, "name": column["field_name"]} for column in said["columns"]]
    return {**said, "columns": names, "column_indexes": []}


def index_fields(schema: pa.Schema) -> list[str | dict[str, Any]]:
    """The fields of a schema that pandas' index is made of; a `RangeIndex` is described instead."""
    try:
        return cast(list[str | dict[str, Any]], json.loads(schema.metadata[PANDAS])["index_columns"])
    except (KeyError, TypeError, ValueError):
        return []


def index_levels(table: pa.Table) -> list[str]:
    """The columns that pandas' index is made of."""
    return [name for name in index_fields(table.schema) if isinstance(name, str)]


def column_of(frame: pd.DataFrame, levels: list[str], name: str, position: int) -> pd.Series[Any] | pd.Index[Any]:
    """The column, or the level of the index, that a field is made of."""
    return dtypes.level_of(frame.index, levels.index(name)) if name in levels else frame.iloc[:, position]


def with_zones(table: pa.Table, frame: pd.DataFrame) -> pa.Table:
    """The table with the zones of times that are categories, which `pyarrow` leaves out."""
    levels = index_levels(table)
    for position, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type) or not pa.types.is_timestamp(field.type.value_type):
            continue
        zoned = pa.timestamp(field.type.value_type.unit, zone_of(column_of(frame, levels, field.name, position)))
        kind = pa.dictionary(field.type.index_type, zoned, field.type.ordered)
        chunks = [
            pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(zoned), ordered=field.type.ordered)
            for chunk in table.column(position).chunks
        ]
        table = table.set_column(position, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def zone_of(values: pd.Series[Any] | pd.Index[Any]) -> str | None:
    """The zone of times that are categories."""
    zone = getattr(values.dtype.categories.dtype, "tz", None)
    return None if zone is None else pa.lib.tzinfo_to_string(zone)


def check_labels(frame: pd.DataFrame) -> None:
    """Refuses columns that Arrow could not tell apart."""
    seen = pd.Index([str(label) for label in frame.columns])
    if not seen.is_unique:
        twice = ", ".join(sorted(set(seen[seen.duplicated()])))
        raise SchemaError(f"several columns are called {twice}; give each its own name")


def storable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns and an index in the place of those that Arrow has no form for."""
    changed: dict[int, pd.Series[Any]] = {}
    for position, dtype in enumerate(frame.dtypes):
        column = frame.iloc[:, position]
        if isinstance(dtype, pd.SparseDtype):
            changed[position] = column.sparse.to_dense()
        elif has_spans(dtype):
            changed[position] = column.astype(span_dtype(column))
    index = storable_index(frame)
    if not changed and index is frame.index:
        return frame
    columns = [changed.get(position, frame.iloc[:, position]) for position in range(frame.shape[1])]
    plain = pd.concat(columns, axis=1) if columns else frame.copy(deep=False)
    plain.columns = frame.columns
    plain.index = index
    plain.attrs = frame.attrs
    return plain


def storable_index(frame: pd.DataFrame) -> pd.Index[Any]:
    """The frame's index with names that Arrow can tell apart: texts, and none twice."""
    index = frame.index
    taken = [str(label) for label in frame.columns]
    names: list[Any] = []
    for name in index.names:
        names.append(None if name is None or str(name) in taken else str(name))
        taken.append(str(name))
    levels = [dtypes.level_of(index, number) for number in range(index.nlevels)]
    if any(has_spans(level.dtype) for level in levels):
        levels = [level.astype(span_dtype(level)) if has_spans(level.dtype) else level for level in levels]
        return levels[0].rename(names[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels, names=names)
    same = all(type(one) is type(other) and one == other for one, other in zip(names, index.names, strict=True))
    return index if same else index.set_names(names)


def has_spans(dtype: Any) -> bool:
    """Whether values are categories that are intervals, as those of `pandas.cut`, or periods."""
    spans = pd.IntervalDtype | pd.PeriodDtype
    return isinstance(dtype, pd.CategoricalDtype) and isinstance(dtype.categories.dtype, spans)


def span_dtype(values: pd.Series[Any] | pd.Index[Any]) -> Any:
    """The dtype that such spans have without being categories. Intervals of integers cannot be missing."""
    dtype = values.dtype.categories.dtype
    if isinstance(dtype, pd.IntervalDtype) and values.isna().any() and pd.api.types.is_integer_dtype(dtype.subtype):
        return pd.IntervalDtype("float64", dtype.closed)
    return dtype


def described(table: pa.Table, frame: pd.DataFrame, plain: pd.DataFrame) -> pa.Table:
    """The table with what `pyarrow` would not bring back of the frame."""
    try:
        natural = table.slice(0, 0).to_pandas()
    except Exception:
        # Its own description is one that it cannot read: others are better off without it.
        natural = None
    # Without rows, nothing says which categories there are.
    told = table.num_rows > 0 or not any(pa.types.is_dictionary(field.type) for field in table.schema)
    if natural is not None and plain is frame and told and comes_back(natural, frame):
        said = frequencies(frame)
        return table if said is None else with_metadata(table, said)
    own = index_fields(table.schema)
    fields = list(table.schema)
    bare = table.slice(0, 0).replace_schema_metadata(None).to_pandas()
    levels = [name for name in own if isinstance(name, str)]
    for position, field in enumerate(fields):
        values = column_of(frame, levels, field.name, position)
        kept = same_dtype(values.dtype, bare.dtypes.iloc[position]) and not pd.api.types.is_object_dtype(values.dtype)
        if not kept or isinstance(values.dtype, pd.CategoricalDtype):
            fields[position] = dtypes.described(field, values)
    said = {
        "levels": own,
        "names": [dtypes.name_text(name) for name in frame.index.names],
        "fields": [field.name for field in fields if field.name not in levels],
        "labels": base64.b64encode(dtypes.written(frame.columns)).decode() if worth_writing(frame) else None,
        **(frequencies(frame) or {}),
    }
    metadata = dict(table.schema.metadata or {})
    if natural is None:
        metadata.pop(PANDAS, None)
    schema = pa.schema(fields, metadata)
    return with_metadata(pa.Table.from_arrays(table.columns, schema=schema), said)


def comes_back(natural: pd.DataFrame, frame: pd.DataFrame) -> bool:
    """Whether what `pyarrow` makes of the frame is the frame, as far as it shows without rows."""
    kept = all(same_dtype(one, other) for one, other in zip(natural.dtypes, frame.dtypes, strict=True))
    kept = kept and same_labels(natural.columns, frame.columns)
    kept = kept and not any(holds_lost_objects(frame.iloc[:, i]) for i in range(frame.shape[1]))
    names = frame.index.names
    if isinstance(frame.index, pd.RangeIndex):
        return kept and all(name is None or isinstance(name, str) for name in names)
    return kept and same_names(natural.index, frame.index) and same_levels(natural.index, frame.index)


def holds_lost_objects(column: pd.Series[Any]) -> bool:
    """Whether a column of objects holds some that come back as others: lists as arrays, NaN as None."""
    if column.dtype != object or len(column) == 0:
        return False
    missing = dtypes.missing_in(column)
    present = column.dropna()
    lists = len(present) > 0 and isinstance(present.iloc[0], list | bool)
    return missing is not None or lists


def same_names(one: pd.Index[Any], other: pd.Index[Any]) -> bool:
    """Whether two indexes have the same names, of the same types."""
    pairs = list(zip(one.names, other.names, strict=False))
    return one.nlevels == other.nlevels and all(type(a) is type(b) and a == b for a, b in pairs)


def same_levels(one: pd.Index[Any], other: pd.Index[Any]) -> bool:
    """Whether two indexes are of the same types, whatever their values."""
    if isinstance(one, pd.MultiIndex) != isinstance(other, pd.MultiIndex):
        return False
    levels = range(other.nlevels)
    return all(same_dtype(dtypes.level_of(one, n).dtype, dtypes.level_of(other, n).dtype) for n in levels)


def same_dtype(one: Any, other: Any) -> bool:
    """Whether two dtypes are the same, also in the type of their categories, which pandas leaves out."""
    if isinstance(one, pd.CategoricalDtype) and isinstance(other, pd.CategoricalDtype):
        return one == other and same_dtype(one.categories.dtype, other.categories.dtype)
    return bool(one == other) and str(one) == str(other)


def same_labels(one: pd.Index[Any], other: pd.Index[Any]) -> bool:
    """Whether two indexes are the same in everything."""
    if type(one) is not type(other) or not same_names(one, other) or not same_levels(one, other):
        return False
    same = [type(a) is type(b) for a, b in zip(one, other, strict=False)]
    return all(same) and one.equals(other) and getattr(one, "freq", None) == getattr(other, "freq", None)


def worth_writing(frame: pd.DataFrame) -> bool:
    """Whether labels are more than texts."""
    labels = frame.columns
    return not (
        type(labels) is pd.Index
        and labels.name is None
        and labels.dtype == pd.Index(["a"]).dtype
        and all(isinstance(label, str) for label in labels)
    )


def frequencies(frame: pd.DataFrame) -> dict[str, Any] | None:
    """The frequency of the frame's index, if it has one that its name tells whole."""
    frequency = getattr(frame.index, "freq", None)
    if frequency is None or isinstance(frame.index, pd.PeriodIndex):
        return None
    try:
        told = pd.tseries.frequencies.to_offset(frequency.freqstr)
    except ValueError:
        return None
    return {"frequency": frequency.freqstr} if told == frequency else None


def with_frequencies(frame: pd.DataFrame, said: dict[str, Any]) -> pd.DataFrame:
    """The frame with the frequency of its index."""
    dtypes.with_frequency(frame.index, said.get("frequency"))
    return frame


def with_metadata(table: pa.Table, said: dict[str, Any]) -> pa.Table:
    """The table with a description in its schema."""
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(said).encode()}
    return table.replace_schema_metadata(metadata)


def description(schema: pa.Schema) -> dict[str, Any] | None:
    """What is said in a schema about the frame that it was made of."""
    try:
        said = json.loads((schema.metadata or {})[KEY])
    except (KeyError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def rebuilt(table: pa.Table, said: dict[str, Any]) -> pd.DataFrame:
    """The frame that a description tells of, as far as its columns are there."""
    levels = [name for name in said["levels"] if isinstance(name, str)]
    present = set(table.column_names)
    indexed = [name for name in levels if name in present]
    plain = plainly(table)
    data = [name for name in table.column_names if name not in indexed]
    columns = [plain[name] for name in data]
    rows = pd.RangeIndex(table.num_rows)
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=rows)
    frame.columns = labels(said, data)
    if len(indexed) == len(levels):
        frame.index = index_of(said, [plain[name] for name in levels], table.num_rows)
    return with_frequencies(frame, said)


def plainly(table: pa.Table) -> dict[str, pd.Series[Any]]:
    """Each column, as the description of its field says."""
    made = {field.name: dtypes.restored(field, table.column(position)) for position, field in enumerate(table.schema)}
    rest = table.select([name for name, column in made.items() if column is None])
    frame = rest.replace_schema_metadata(None).to_pandas()
    return {name: frame[name] if column is None else column for name, column in made.items()}


def labels(said: dict[str, Any], data: list[str]) -> pd.Index[Any]:
    """The labels of the columns."""
    if said["labels"] is None:
        return pd.Index(data)
    known = {name: position for position, name in enumerate(said["fields"])}
    if not all(name in known for name in data):
        return pd.Index(data)
    written = dtypes.read(base64.b64decode(said["labels"]))
    return written if data == said["fields"] else written.take([known[name] for name in data])


def index_of(said: dict[str, Any], levels: list[pd.Series[Any]], rows: int) -> pd.Index[Any]:
    """The index of the rows."""
    names = [dtypes.name_of(text) for text in said["names"]]
    if len(levels) > 1 or (levels and len(names) > 1):
        return pd.MultiIndex.from_arrays(levels, names=names)
    if levels:
        return pd.Index(levels[0], dtype=levels[0].dtype).rename(names[0])
    for span in said["levels"]:
        index = pd.RangeIndex(span["start"], span["stop"], span["step"], name=names[0])
        if len(index) == rows:
            return index
    return pd.RangeIndex(rows)
