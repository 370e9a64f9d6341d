"""Reading parts and versions of frames, and what puts and descriptions say about them."""

import datetime as dt
import json
import re

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import OPTIONS, Peer, refused
from sample_columns import assert_same


def rows(start: int, stop: int) -> pa.Table:
    numbers = range(start, stop)
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "text": [f"row {number}" for number in numbers],
            "kind": pa.array(["even", "odd"] * (len(numbers) // 2)).dictionary_encode(),
        },
        metadata={"about": "numbers"},
    )


@pytest.fixture
def history(peer: Peer) -> list[dict[str, object]]:
    """A frame "numbers" of three versions, each with two rows more; the results of its puts."""
    return [peer.put("numbers", rows(start, start + 2), mode="append", batch_size=1) for start in [0, 2, 4]]


def test_columns_offset_and_limit_choose_a_part(peer: Peer) -> None:
    whole = rows(0, 10)
    peer.put_batches({"name": "part"}, whole.schema, whole.to_batches(max_chunksize=3))
    peer.put("part", rows(10, 20), mode="append")
    whole = pa.concat_tables([whole, rows(10, 20)])
    assert_same(peer.get("part", columns=["text", "number"]), whole.select(["text", "number"]))
    for offset in [0, 1, 9, 10, 19, 20, 1000]:
        for limit in [None, 0, 1, 11, 2**62]:
            got = peer.get("part", offset=offset, limit=limit, columns=None)
            assert_same(got, whole.slice(offset, limit))


def test_a_put_says_what_it_made(history: list[dict[str, object]]) -> None:
    keys = {"version", "commit", "rows", "bytes", "rows_removed", "frame_rows"}
    assert [result.keys() for result in history] == [keys] * 3
    assert [result["version"] for result in history] == [1, 2, 3]
    assert [result["rows"] for result in history] == [2, 2, 2]
    assert all(isinstance(result["bytes"], int) and result["bytes"] > 0 for result in history)
    commits = {str(result["commit"]) for result in history}
    assert len(commits) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", commit) for commit in commits)


def test_versions_of_the_past_can_be_read(peer: Peer, history: list[dict[str, object]]) -> None:
    second, third = history[1]["commit"], history[2]["commit"]
    assert isinstance(second, str)
    for as_of, stop in [
        ({"version": 1}, 2),
        ({"version": 3}, 6),
        ({"version": -1}, 6),
        ({"version": -2}, 4),
        ({"commit": second}, 4),
        ({"commit": second[:12]}, 4),
        (2, 4),
        (-3, 2),
        (third, 6),
        ("2100-01-01", 6),
        ({"time": "2100-01-01T00:00:00.123456789+02:00"}, 6),
    ]:
        assert_same(peer.get("numbers", as_of=as_of), rows(0, stop))
    counted = peer.sql("numbers", "select count(*) as n from numbers", as_of=2)
    assert counted["n"].to_pylist() == [4]


def test_a_time_of_the_past_finds_the_version_of_then(peer: Peer) -> None:
    peer.put("numbers", rows(0, 2))
    between = dt.datetime.now(dt.UTC).isoformat()
    peer.put("numbers", rows(2, 4), mode="append")
    assert_same(peer.get("numbers", as_of={"time": between}), rows(0, 2))
    assert_same(peer.get("numbers", as_of=between), rows(0, 2))


def test_versions_that_do_not_exist_are_named(peer: Peer, history: list[dict[str, object]]) -> None:
    assert len(history) == 3
    for as_of in [{"version": 4}, {"version": 0}, -4, 99]:
        with refused("FileNotFoundError", "version", "1 to 3"):
            peer.get("numbers", as_of=as_of)
    for as_of, fragment in [
        ({"tag": "gold"}, "gold"),
        ({"commit": "0" * 64}, "0000"),
        ("1999-12-31", "1999-12-31"),
    ]:
        with refused("FileNotFoundError", fragment):
            peer.get("numbers", as_of=as_of)


def test_replaced_and_deleted_rows_stay_readable_in_their_version(peer: Peer) -> None:
    peer.put("numbers", rows(0, 2))
    other = pa.table({"other": [1.5]})
    peer.put("numbers", other, mode="replace")
    assert_same(peer.get("numbers"), other)
    assert_same(peer.get("numbers", as_of=1), rows(0, 2))
    peer.delete("numbers")
    assert_same(peer.get("numbers", as_of=2), other)
    assert peer.put("numbers", rows(4, 6))["version"] == 4
    assert_same(peer.get("numbers", as_of=1), rows(0, 2))


def test_a_repeated_request_takes_effect_once(peer: Peer) -> None:
    results = [
        peer.put("numbers", rows(0, 2), mode="append", request_id=identity)
        for identity in ["first", "first", "second", "first"]
    ]
    assert [result["version"] for result in results] == [1, 1, 2, 1]
    assert results[0] == results[1] == results[3]
    assert peer.get("numbers").num_rows == 4


def test_a_put_may_carry_a_message_and_metadata(peer: Peer) -> None:
    result = peer.put(
        "numbers", rows(0, 2), message="first rows", metadata={"run": 7, "nested": {"a": [None]}}
    )
    assert result["version"] == 1


TICKETS = [
    {"name": "numbers"},
    {"name": "numbers", "columns": ["kind", "number"]},
    {"name": "numbers", "offset": 1, "limit": 3},
    {"name": "numbers", "as_of": 2},
    {"name": "numbers", "sql": "select text, kind, number * 1.5 as more from numbers"},
    {"name": "numbers", "sql": "select kind, count(*) from numbers group by kind"},
    {"name": "numbers", "sql": "select * from numbers where false", "columns": ["text"]},
]


@pytest.mark.parametrize("ticket", TICKETS, ids=json.dumps)
def test_descriptions_equal_what_is_delivered(
    peer: Peer, history: list[dict[str, object]], ticket: dict[str, object]
) -> None:
    assert len(history) == 3
    text = json.dumps(ticket)
    descriptor = fl.FlightDescriptor.for_command(text)
    delivered = peer.get_ticket(text)
    info = peer.client.get_flight_info(descriptor, OPTIONS)
    schema = peer.client.get_schema(descriptor, OPTIONS).schema
    assert info.schema.equals(delivered.schema, check_metadata=True)
    assert schema.equals(delivered.schema, check_metadata=True)
    assert info.descriptor == descriptor
    assert info.total_records in ([-1] if "sql" in ticket else [delivered.num_rows])
    assert [endpoint.locations for endpoint in info.endpoints] == [[]]
    assert_same(peer.get_ticket(info.endpoints[0].ticket.ticket), delivered)


def test_a_path_describes_a_frame_and_its_ticket_keeps_the_version(
    peer: Peer, history: list[dict[str, object]]
) -> None:
    peer.put("numbers", rows(6, 8), bucket="other")
    info = peer.client.get_flight_info(fl.FlightDescriptor.for_path("numbers"), OPTIONS)
    assert (info.total_records, info.total_bytes > 0, info.ordered) == (6, True, True)
    summary = json.loads(info.app_metadata)
    assert summary == {
        "version": 3,
        "commit": history[2]["commit"],
        "rows": 6,
        "bytes": info.total_bytes,
        "segments": 3,
    }
    peer.put("numbers", rows(6, 8), mode="append")
    assert_same(peer.get_ticket(info.endpoints[0].ticket.ticket), rows(0, 6))
    inside = peer.client.get_flight_info(fl.FlightDescriptor.for_path("numbers", "other"), OPTIONS)
    assert_same(peer.get_ticket(inside.endpoints[0].ticket.ticket), rows(6, 8))


def test_a_reader_keeps_its_version_while_the_frame_changes(peer: Peer) -> None:
    whole = rows(0, 200_000)
    peer.put_batches({"name": "numbers"}, whole.schema, whole.to_batches(max_chunksize=10_000))
    reader = peer.read("numbers")
    first = reader.read_chunk().data
    peer.put("numbers", rows(0, 2), mode="replace")
    peer.delete("numbers")
    rest = reader.read_all()
    assert_same(pa.concat_tables([pa.Table.from_batches([first]), rest]), whole)


def test_a_reader_that_leaves_early_does_no_harm(peer: Peer) -> None:
    whole = rows(0, 200_000)
    peer.put("numbers", whole)
    for _ in range(5):
        reader = peer.read("numbers")
        reader.read_chunk()
        reader.cancel()
    assert_same(peer.get("numbers"), whole)
