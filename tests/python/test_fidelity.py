"""What goes in over pyarrow comes out: every type, however the rows are cut, and all metadata."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl
import pytest

from flight_peer import Peer, refused
from sample_columns import EVERYTHING, UNSUPPORTED, as_table, assert_same, categorical

D = decimal.Decimal


def frame_name(title: str) -> str:
    return title.replace("/", " ")


def test_every_type_comes_back_as_it_was(peer: Peer, subtests: pytest.Subtests) -> None:
    for title, make in EVERYTHING.items():
        with subtests.test(title):
            name, put = frame_name(title), as_table(make())
            assert peer.put(name, put)["rows"] == put.num_rows
            assert_same(peer.get(name), put)
            assert peer.schema(name).equals(put.schema, check_metadata=True)


def test_slices_bring_their_own_rows_and_no_others(peer: Peer, subtests: pytest.Subtests) -> None:
    for title, make in EVERYTHING.items():
        with subtests.test(title):
            name, whole = frame_name(title), as_table(make())
            first, rest = whole.slice(0, 1), whole.slice(1)
            peer.put(name, rest)
            assert_same(peer.get(name), rest)
            peer.put(name, first, mode="append")
            assert_same(peer.get(name, offset=rest.num_rows), first)


def test_a_frame_without_rows_keeps_its_types(peer: Peer, subtests: pytest.Subtests) -> None:
    for title, make in EVERYTHING.items():
        with subtests.test(title):
            name, empty = frame_name(title), as_table(make()).slice(0, 0)
            assert peer.put_batches({"name": name}, empty.schema, [])["rows"] == 0
            assert_same(peer.get(name), empty)
            peer.put(name, as_table(make()), mode="append")
            assert_same(peer.get(name), as_table(make()))


def test_all_types_fit_into_one_frame(peer: Peer) -> None:
    put = pa.table({title: make().slice(0, 2) for title, make in EVERYTHING.items()})
    peer.put("wide", put)
    assert_same(peer.get("wide"), put)
    chosen = ["uuid", "null", "struct", "categories in order", "float16"]
    assert_same(peer.get("wide", columns=chosen), put.select(chosen))


def test_types_that_cannot_be_stored_are_refused_before_rows(peer: Peer, subtests: pytest.Subtests) -> None:
    for title, make in UNSUPPORTED.items():
        with subtests.test(title):
            put = pa.table({"fine": [1], "doubtful": make().slice(0, 1)})
            with refused("SchemaError", "doubtful"):
                peer.put_batches({"name": "frame"}, put.schema, [])
            with refused("SchemaError", "doubtful"):
                peer.put("frame", put)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["same", "same"])
    with refused("SchemaError", "same"):
        peer.put("frame", twice)
    with refused("SchemaError", "column"):
        peer.put("frame", pa.table({}))
    assert peer.listing() == []


def test_every_column_that_cannot_be_stored_is_named(peer: Peer) -> None:
    columns = {title: make().slice(0, 1) for title, make in UNSUPPORTED.items()}
    with refused("SchemaError", *columns):
        peer.put("frame", pa.table(columns))


def test_metadata_and_nullability_come_back(peer: Peer) -> None:
    schema = pa.schema(
        [
            pa.field("plain", pa.int64(), nullable=False, metadata={"unit": "°C", "": ""}),
            pa.field("nested", pa.list_(pa.field("element", pa.int8(), metadata={"deep": "yes"}))),
            pa.field(
                "own",
                pa.binary(2),
                metadata={
                    "ARROW:extension:name": "example.unknown",
                    "ARROW:extension:metadata": '{"version": 3}',
                },
            ),
        ],
        metadata={"pandas": "not even JSON", "source": "a\nb", "long": "x" * 50_000},
    )
    put = pa.table([[1, 2], [[1], None], [b"ab", None]], schema=schema)
    peer.put("described", put)
    assert_same(peer.get("described"), put)
    assert peer.schema("described").equals(schema, check_metadata=True)


def test_column_names_may_be_anything(peer: Peer) -> None:
    names = ["", " ", "a.b", 'quo"te', "naïve 🐘", "tab\t", "x" * 1000, "SELECT", "Select"]
    put = pa.table([[number] for number in range(len(names))], names=names)
    peer.put("names", put)
    assert_same(peer.get("names"), put)


def test_many_columns_come_back_in_order(peer: Peer) -> None:
    put = pa.table({f"column {number}": [number] for number in range(400, 0, -1)})
    peer.put("wide", put)
    assert_same(peer.get("wide"), put)


def test_batches_with_their_own_dictionaries_become_one_column(peer: Peer) -> None:
    parts: list[tuple[list[str | None], list[str]]] = [
        (["b", "a"], ["b", "a", "unused"]),
        (["q", None, "a"], ["a", "q"]),
        ([None], []),
        (["b"], ["q", "b"]),
    ]
    batches = [
        pa.record_batch({"kind": categorical(values, categories, ordered=False)})
        for values, categories in parts
    ]
    put = pa.Table.from_batches(batches)
    peer.put_batches({"name": "kinds"}, put.schema, batches)
    got = peer.get("kinds")
    assert got.schema.equals(put.schema)
    assert got["kind"].to_pylist() == ["b", "a", "q", None, "a", None, "b"]
    peer.put("kinds", pa.table({"kind": categorical(["new"], ["new"], False)}), mode="append")
    got = peer.get("kinds")
    assert got.schema.equals(put.schema)
    assert got["kind"].to_pylist() == ["b", "a", "q", None, "a", None, "b", "new"]
    categories = got["kind"].combine_chunks().dictionary.to_pylist()
    assert categories == ["b", "a", "unused", "q", "new"]


def test_more_categories_than_the_index_can_number_arrive_in_several_dictionaries(
    peer: Peer,
) -> None:
    names = [f"category {number}" for number in range(200)]
    first, second = (
        pa.table({"kind": categorical(list(part), part, ordered=False)})
        for part in [names[:100], names[100:]]
    )
    assert first.schema.field("kind").type.index_type == pa.int8()
    peer.put("appended", first)
    peer.put("appended", second, mode="append")
    peer.put("streamed", pa.concat_tables([first, second]))
    for name in ["appended", "streamed"]:
        got = peer.get(name)
        assert got.schema.equals(first.schema)
        assert got["kind"].to_pylist() == names


def test_empty_batches_between_others_change_nothing(peer: Peer) -> None:
    batch = pa.record_batch({"number": [1, 2], "text": ["a", None]})
    empty = batch.slice(0, 0)
    peer.put_batches({"name": "gaps"}, batch.schema, [empty, batch, empty, empty, batch, empty])
    assert_same(peer.get("gaps"), pa.Table.from_batches([batch, batch]))


def test_one_big_batch_comes_back(peer: Peer) -> None:
    rows = 2_000_000
    random = np.random.default_rng(7)
    put = pa.table(
        {
            "time": pa.array(np.arange(rows) * 1_000_003, pa.timestamp("ns", "UTC")),
            "value": random.standard_normal(rows),
            "kind": pa.array(random.choice(["a", "b", "c"], rows)).dictionary_encode(),
            "count": pa.array(random.integers(0, 2**32, rows), pa.uint32()),
        }
    ).combine_chunks()
    assert put.nbytes > 45_000_000
    assert len(put.to_batches()) == 1
    peer.put("big", put)
    assert_same(peer.get("big"), put)
    assert_same(peer.get("big", offset=rows - 3, columns=["value"]), put.select(["value"])[-3:])


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_messages_are_read(peer: Peer, codec: str) -> None:
    put = pa.table({"number": range(10_000), "text": ["same"] * 10_000})
    options = fl.FlightCallOptions(timeout=60, write_options=pa.ipc.IpcWriteOptions(compression=codec))
    descriptor = fl.FlightDescriptor.for_command(b'{"name":"compressed"}')
    writer, _ = peer.client.do_put(descriptor, put.schema, options)
    with writer:
        writer.write_table(put)
    assert_same(peer.get("compressed"), put)


def test_appends_in_another_encoding_become_the_frames_types(peer: Peer) -> None:
    put = pa.table(
        {
            "text": ["a"],
            "large": pa.array(["a"], pa.large_string()),
            "kind": pa.array(["a"]).dictionary_encode(),
            "number": pa.array([1], pa.int64()),
            "value": pa.array([1.5], pa.float64()),
            "time": pa.array([1], pa.timestamp("ns", "UTC")),
        },
    )
    appended = pa.table(
        {
            "time": pa.array([1], pa.timestamp("s", "UTC")),
            "value": pa.nulls(1),
            "number": pa.array([2], pa.int8()),
            "kind": ["b"],
            "large": pa.array(["b"]).dictionary_encode(),
            "text": pa.array(["b"], pa.string_view()),
        },
        metadata={"other": "metadata"},
    )
    peer.put("frame", put)
    peer.put("frame", appended, mode="append")
    got = peer.get("frame")
    assert got.schema.equals(put.schema, check_metadata=True)
    assert pc.cast(got["time"], pa.int64()).to_pylist() == [1, 1_000_000_000]
    assert got.drop_columns("time").to_pylist() == [
        {"text": "a", "large": "a", "kind": "a", "number": 1, "value": 1.5},
        {"text": "b", "large": "b", "kind": "b", "number": 2, "value": None},
    ]


def test_appends_that_would_lose_something_are_refused_with_every_column(peer: Peer) -> None:
    put = pa.table({"number": [1], "text": ["a"], "time": pa.array([1], pa.timestamp("s"))})
    peer.put("frame", put)
    for columns in [
        {"number": ["1"], "text": [1], "time": pa.array([1], pa.timestamp("s", "UTC"))},
        {"number": [D("1.5")], "text": [b"a"], "time": pa.array([1], pa.duration("s"))},
    ]:
        with refused("SchemaError", "number", "text", "time"):
            peer.put("frame", pa.table(columns), mode="append")
    with refused("SchemaError", "surplus"):
        peer.put("frame", put.append_column("surplus", [[1]]), mode="append")
    with refused("SchemaError", "time"):
        peer.put("frame", put.drop_columns("time"), mode="append")
    assert_same(peer.get("frame"), put)
