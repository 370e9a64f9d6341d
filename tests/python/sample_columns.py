"""Columns of every type that a frame can hold, and the comparison that nothing may slip through."""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

UTC = dt.UTC
D = decimal.Decimal


def categorical(values: list[str | None], categories: list[str], ordered: bool) -> pa.Array:
    """What a pandas categorical becomes, its categories in this order, used or not."""
    indices = [None if value is None else categories.index(value) for value in values]
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int8()), pa.array(categories, pa.string()), ordered=ordered
    )


def signed(width: int) -> pa.Array:
    limit = 2 ** (width - 1)
    return pa.array([-limit, -1, 0, None, limit - 1], f"int{width}")


def unsigned(width: int) -> pa.Array:
    return pa.array([0, 1, None, 2 ** (width - 1), 2**width - 1], f"uint{width}")


def floats(kind: pa.DataType) -> pa.Array:
    values = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, 1.5, 7.0], kind.to_pandas_dtype())
    return pa.array(values, kind, mask=np.array([False] * 6 + [True]))


def instants(unit: str, zone: str | None) -> pa.Array:
    return pa.array([-1, 0, None, 1_704_067_200_123_456_789, 2**62], pa.timestamp(unit, zone))


def dictionary(index: pa.DataType) -> pa.Array:
    return pa.array(["x", None, "y", "x"]).cast(pa.dictionary(index, pa.string()))


NESTED = pa.struct(
    [
        pa.field("tags", pa.list_(pa.field("tag", pa.string(), nullable=False))),
        pa.field("place", pa.struct([("x", pa.float32()), ("at", pa.timestamp("ns", "UTC"))])),
        pa.field("counts", pa.map_(pa.string(), pa.uint64())),
    ]
)
NESTED_ROWS: list[dict[str, Any] | None] = [
    {"tags": ["a", ""], "place": {"x": 1.5, "at": None}, "counts": [("one", 1), ("none", None)]},
    None,
    {"tags": [], "place": None, "counts": []},
    {"tags": None, "place": {"x": None, "at": dt.datetime(2024, 1, 1, tzinfo=UTC)}, "counts": None},
]

LEAVES: dict[str, Callable[[], pa.Array]] = {
    "null": lambda: pa.nulls(3),
    "bool": lambda: pa.array([True, None, False]),
    **{f"int{width}": partial(signed, width) for width in [8, 16, 32, 64]},
    **{f"uint{width}": partial(unsigned, width) for width in [8, 16, 32, 64]},
    "float16": lambda: floats(pa.float16()),
    "float32": lambda: floats(pa.float32()),
    "float64": lambda: floats(pa.float64()),
    "decimal32": lambda: pa.array([D("-99999.99"), None, D("0.01")], pa.decimal32(7, 2)),
    "decimal64": lambda: pa.array([D("-1.5"), None, D("9999999.25")], pa.decimal64(18, 3)),
    "decimal128": lambda: pa.array([D("-1e32"), None, D("1.0001")], pa.decimal128(38, 4)),
    "decimal256": lambda: pa.array([D("1e70"), None, D("-0.5")], pa.decimal256(76, 4)),
    "decimal of negative scale": lambda: pa.array([D("12300"), None], pa.decimal128(5, -2)),
    "date32": lambda: pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)], pa.date32()),
    "date64": lambda: pa.array([dt.date(1969, 12, 31), None], pa.date64()),
    "time32[s]": lambda: pa.array([0, None, 86_399], pa.time32("s")),
    "time32[ms]": lambda: pa.array([0, None, 86_399_999], pa.time32("ms")),
    "time64[us]": lambda: pa.array([0, None, 86_399_999_999], pa.time64("us")),
    "time64[ns]": lambda: pa.array([0, None, 86_399_999_999_999], pa.time64("ns")),
    **{
        f"timestamp[{unit}, {zone}]": partial(instants, unit, zone)
        for unit in ["s", "ms", "us", "ns"]
        for zone in [None, "UTC", "America/New_York", "+05:30"]
    },
    **{
        f"duration[{unit}]": partial(pa.array, [-1, None, 2**62], pa.duration(unit))
        for unit in ["s", "ms", "us", "ns"]
    },
    "string": lambda: pa.array(["", None, "naïve 🐘", "\x00nul"]),
    "large_string": lambda: pa.array(["", None, "x" * 100_000], pa.large_string()),
    "string_view": lambda: pa.array(["short", None, "longer than twelve"], pa.string_view()),
    "binary": lambda: pa.array([b"", None, bytes(range(256))]),
    "large_binary": lambda: pa.array([b"", None, b"\xff"], pa.large_binary()),
    "binary_view": lambda: pa.array([b"", None, b"longer than twelve bytes"], pa.binary_view()),
    "fixed size binary": lambda: pa.array([b"abc", None, b"\x00\x00\x00"], pa.binary(3)),
}

COMPOUNDS: dict[str, Callable[[], pa.Array]] = {
    "list": lambda: pa.array([[1, None], [], None, [3]], pa.list_(pa.int32())),
    "large_list": lambda: pa.array([["a"], [], None], pa.large_list(pa.large_string())),
    "list_view": lambda: pa.array([[1.5], [], None], pa.list_view(pa.float64())),
    "large_list_view": lambda: pa.array([[1], [], None], pa.large_list_view(pa.uint8())),
    "fixed size list": lambda: pa.array([[1, 2], None, [3, None]], pa.list_(pa.int16(), 2)),
    "list of lists": lambda: pa.array([[[1], None], [[]], None], pa.list_(pa.list_(pa.int64()))),
    "struct": lambda: pa.array(NESTED_ROWS, NESTED),
    "map": lambda: pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int8())),
    "list of categories": lambda: pa.ListArray.from_arrays(
        pa.array([0, 2, 2, 3]), categorical(["b", "a", None], ["c", "b", "a"], ordered=False)
    ),
}

DICTIONARIES: dict[str, Callable[[], pa.Array]] = {
    "categories in order": lambda: categorical(["b", None, "a", "b"], ["c", "b", "a"], True),
    "categories without order": lambda: categorical(["b", None], ["unused", "b"], False),
    "all categories unused": lambda: categorical([None, None], ["x", "y"], True),
    "no categories": lambda: categorical([None, None], [], False),
    **{
        f"indices of {index}": partial(dictionary, index)
        for index in [pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32()]
    },
    "of large strings": lambda: pa.array(["x", None], pa.large_string()).dictionary_encode(),
    "of integers": lambda: pa.array([7, None, 2**63 - 1]).dictionary_encode(),
    "of floats": lambda: pa.array([0.5, None, -1.0]).dictionary_encode(),
    "of instants": lambda: instants("ns", "UTC").dictionary_encode(),
    "of binary": lambda: pa.array([b"\xff", None, b""]).dictionary_encode(),
    "of decimals": lambda: pa.array([D("1.5"), None]).dictionary_encode(),
}

EXTENSIONS: dict[str, Callable[[], pa.Array]] = {
    "uuid": lambda: pa.array([uuid.UUID(int=7).bytes, None], pa.uuid()),
    "json": lambda: pa.array(['{"a": 1}', None], pa.json_()),
    "bool8": lambda: pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    "fixed shape tensor": lambda: pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2, 2]),
        pa.array([[1, 2, 3, 4], None], pa.list_(pa.float32(), 4)),
    ),
}

EVERYTHING = LEAVES | COMPOUNDS | DICTIONARIES | EXTENSIONS

UNSUPPORTED: dict[str, Callable[[], pa.Array]] = {
    "union": lambda: pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    ),
    "interval": lambda: pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "struct without fields": lambda: pa.array([{}], pa.struct([])),
    "run-end encoded": lambda: pa.RunEndEncodedArray.from_arrays([2], pa.array([1])),
    "union inside a list": lambda: pa.ListArray.from_arrays(
        pa.array([0, 1], pa.int32()),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    ),
}


def as_table(column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return pa.table({"column": column})


def assert_same(got: pa.Table, expected: pa.Table) -> None:
    """Same rows, types, nulls, NaNs, signs of zero, dictionaries and metadata, however batched."""
    assert got.schema.equals(expected.schema, check_metadata=True), (
        f"{got.schema.to_string(show_field_metadata=True)}\n--- expected\n"
        f"{expected.schema.to_string(show_field_metadata=True)}"
    )
    got.validate(full=True)
    assert got.num_rows == expected.num_rows
    if got.num_rows == 0:
        return
    for name in expected.column_names:
        columns = [comparable(table.column(name)) for table in (got, expected)]
        assert columns[0].equals(columns[1]), f"{name}: {columns[0]}\n--- expected\n{columns[1]}"


def comparable(column: pa.ChunkedArray) -> pa.Array:
    """One array; floats as their bits, because NaN equals nothing and both zeros are equal."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if pa.types.is_floating(array.type):
        return array.view(f"uint{array.type.bit_width}")
    return array
