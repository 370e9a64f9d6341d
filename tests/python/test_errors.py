"""Errors as the wire contract has them: `FlightServerError`, with JSON that says what is wrong."""

import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from conftest import StartServer
from flight_peer import OPTIONS, Peer, refused
from sample_columns import assert_same

TABLE = pa.table({"number": [1, 2]})

BAD_NAMES = {
    "leaves the folder": "../x",
    "has a slash": "a/b",
    "has a backslash": "a\\b",
    "is empty": "",
    "is too long": "x" * 300,
    "is too long once encoded": "é" * 40,
    "has a line break": "a\nb",
    "has a null": "a\0b",
    "has an escape": "\x1b[2J",
    "is a dot": ".",
    "is two dots": "..",
    "is null": None,
    "is a number": 5,
    "is a list": ["a"],
}


def test_each_kind_of_error_says_its_type(peer: Peer) -> None:
    peer.put("frame", TABLE, bucket="bucket")
    with refused("FileExistsError", "frame"):
        peer.put("frame", TABLE, bucket="bucket")
    with refused("FileExistsError", "frame"):
        peer.put("frame", TABLE, bucket="bucket", mode="error")
    with refused("FileNotFoundError", "absent"):
        peer.get("absent", bucket="bucket")
    with refused("FileNotFoundError", "frame"):
        peer.get("frame")
    with refused("FileNotFoundError", "absent"):
        peer.delete("absent")
    with refused("FileNotFoundError", "absent"):
        peer.client.get_flight_info(fl.FlightDescriptor.for_path("absent"), OPTIONS)
    # For this one call pyarrow makes every error the exception of its Arrow status.
    with pytest.raises(OSError, match=r"^no such frame: absent"):
        peer.schema("absent")
    with refused("BucketNotEmptyError", "bucket"):
        peer.act("delete_bucket", {"name": "bucket"})
    with refused("DataFusionError", "selec"):
        peer.sql("frame", "selec", bucket="bucket")
    with refused("SchemaError", "number"):
        peer.put("frame", pa.table({"number": ["x"]}), bucket="bucket", mode="append")
    with refused("InvalidRequestError", "mode", "upend"):
        peer.put("frame", TABLE, mode="upend")


def test_the_message_is_also_the_exceptions_text(peer: Peer) -> None:
    with pytest.raises(fl.FlightServerError, match=r"^no such frame: absent") as caught:
        peer.get("absent")
    body = json.loads(caught.value.extra_info)
    assert body.keys() == {"type", "message"}
    assert body["type"] == "FileNotFoundError"
    assert re.fullmatch(r"no such frame: absent \(call [0-9a-z]{4}-[0-9a-z]+\)", body["message"])


def test_long_errors_arrive_whole_enough_to_be_read(peer: Peer) -> None:
    peer.put("frame", TABLE)
    for unit in ["é", '"', "\\", "\u0001", "🐘", "x"]:
        identifier = (unit * 20_000).replace('"', '""')
        with pytest.raises(fl.FlightServerError) as caught:
            peer.sql("frame", f'select "{identifier}" from frame')
        body = json.loads(caught.value.extra_info)
        assert body["type"] == "DataFusionError"
        assert re.search(r"… \(call [0-9a-z-]+\)$", body["message"])
        assert unit * 10 in body["message"]


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_bad_names_are_refused_by_field(peer: Peer, name: object) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        ("name", lambda: peer.put_batches({"name": name}, TABLE.schema, [])),
        ("name", lambda: peer.get_ticket(json.dumps({"name": name}))),
        ("name", lambda: peer.act("delete", {"name": name})),
        ("name", lambda: peer.act("delete_bucket", {"name": name, "mode": "delete"})),
    ]
    if name is not None:
        calls += [
            ("bucket", lambda: peer.put("frame", TABLE, bucket=name)),
            ("bucket", lambda: peer.get("frame", bucket=name)),
            ("bucket", lambda: peer.act("delete", {"name": "frame", "bucket": name})),
            ("bucket", lambda: peer.listing(bucket=name)),
        ]
    for field, call in calls:
        with refused("InvalidRequestError", f"{field}:"):
            call()
    if isinstance(name, str):
        for path in [(name,), ("frame", name)]:
            with refused("InvalidRequestError", "name:" if len(path) == 1 else "bucket:"):
                peer.client.get_flight_info(fl.FlightDescriptor.for_path(*path), OPTIONS)
    assert peer.listing() == []
    assert peer.act("buckets") == []


BAD_TICKETS: dict[str, tuple[str, str]] = {
    "nothing": ("", "ticket"),
    "not JSON": ("frame", "JSON"),
    "not UTF-8": ("\udcff", "JSON"),
    "a list": ('["frame"]', "object"),
    "two values": ('{"name":"frame"}{}', "JSON"),
    "no name": ("{}", "name"),
    "an unknown field": ('{"name":"frame","colour":"red"}', "colour"),
    "a field given twice": ('{"name":"frame","limit":1,"limit":2}', "limit"),
    "sql of another type": ('{"name":"frame","sql":["select 1"]}', "sql"),
    "columns of another type": ('{"name":"frame","columns":"number"}', "columns"),
    "a column of another type": ('{"name":"frame","columns":["number",1]}', "columns[1]"),
    "a column twice": ('{"name":"frame","columns":["number","number"]}', "number"),
    "an unknown column": ('{"name":"frame","columns":["numbr"]}', "numbr"),
    "a negative limit": ('{"name":"frame","limit":-1}', "limit"),
    "half an offset": ('{"name":"frame","offset":0.5}', "offset"),
    "an unknown version form": ('{"name":"frame","as_of":{"when":1}}', "as_of"),
    "two version forms": ('{"name":"frame","as_of":{"version":1,"tag":"x"}}', "as_of"),
    "a time that is none": ('{"name":"frame","as_of":{"time":"noon"}}', "as_of"),
    "a version that is no number": ('{"name":"frame","as_of":true}', "as_of"),
    "brackets without end": ('{"name":' + "[" * 100_000, "name"),
}


@pytest.mark.parametrize(("ticket", "fragment"), BAD_TICKETS.values(), ids=BAD_TICKETS.keys())
def test_bad_tickets_are_refused_by_field(peer: Peer, ticket: str, fragment: str) -> None:
    peer.put("frame", TABLE)
    sent = ticket.encode(errors="surrogateescape")
    with refused("InvalidRequestError", fragment):
        peer.get_ticket(sent)
    with refused("InvalidRequestError", fragment.replace("ticket", "descriptor")):
        peer.client.get_flight_info(fl.FlightDescriptor.for_command(sent), OPTIONS)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"deeper": value}
    return value


BAD_COMMANDS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({}, "name"),
    "an unknown mode": ({"name": "frame", "mode": "APPEND"}, "mode"),
    "an unknown field": ({"name": "frame", "colour": "red"}, "colour"),
    "a batch size of zero": ({"name": "frame", "batch_size": 0}, "batch_size"),
    "a message of another type": ({"name": "frame", "message": {}}, "message"),
    "metadata of another type": ({"name": "frame", "metadata": "x"}, "metadata"),
    "metadata without bottom": ({"name": "frame", "metadata": nested(500)}, "put command"),
    "an empty request id": ({"name": "frame", "request_id": ""}, "request_id"),
    "a long request id": ({"name": "frame", "request_id": "x" * 129}, "request_id"),
}


@pytest.mark.parametrize(("command", "fragment"), BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
def test_bad_put_commands_are_refused_by_field(peer: Peer, command: dict[str, Any], fragment: str) -> None:
    with refused("InvalidRequestError", f"{fragment}:"):
        peer.put_batches(command, TABLE.schema, TABLE.to_batches())
    assert peer.listing() == []


def test_a_put_needs_a_command(peer: Peer) -> None:
    writer, _ = peer.client.do_put(fl.FlightDescriptor.for_path("frame"), TABLE.schema, OPTIONS)
    with refused("InvalidRequestError", "put command"):
        writer.close()
    assert peer.listing() == []


def test_bad_actions_are_refused_by_field(peer: Peer) -> None:
    for action, body, fragment in [
        ("explode", {}, "explode"),
        ("delete", None, "delete"),
        ("delete", {}, "name"),
        ("delete", {"name": "a", "mode": "error"}, "mode"),
        ("delete_bucket", {"name": "a", "mode": "replace"}, "mode"),
        ("buckets", {"name": "a"}, "name"),
        ("shutdown", {"now": True}, "now"),
    ]:
        with refused("InvalidRequestError", fragment):
            peer.act(action, body)
    for criteria, fragment in [({"regex": "("}, "regex"), ({"pattern": "x"}, "pattern")]:
        with refused("InvalidRequestError", fragment):
            peer.listing(**criteria)


def test_calls_that_are_not_offered_say_so(peer: Peer) -> None:
    with pytest.raises(NotImplementedError, match="DoExchange"):
        peer.client.do_exchange(fl.FlightDescriptor.for_path("x"), OPTIONS)[1].read_chunk()


def test_a_refused_put_of_many_rows_still_says_why(peer: Peer) -> None:
    peer.put("frame", TABLE)
    batch = pa.record_batch({"number": range(100_000)})
    with refused("FileExistsError", "frame"):
        peer.put_batches({"name": "frame"}, batch.schema, [batch] * 50)
    assert_same(peer.get("frame"), TABLE)


def test_a_message_above_the_limit_is_a_limit_error(start_server: StartServer) -> None:
    server = start_server("--max-message-bytes", "100_000")
    with Peer(server.address) as peer:
        big = pa.record_batch({"number": range(100_000)})
        with refused("LimitError", "100000"):
            peer.put_batches({"name": "frame"}, big.schema, [big])
        assert peer.listing() == []
        small = [big.slice(start, 10_000) for start in range(0, 100_000, 10_000)]
        assert peer.put_batches({"name": "frame"}, big.schema, small)["rows"] == 100_000
