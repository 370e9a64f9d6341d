"""Listing frames, buckets and actions over pyarrow."""

import json

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import OPTIONS, Peer, refused
from sample_columns import assert_same

TABLE = pa.table({"number": [1, 2]}, metadata={"about": "two"})

NAMES = [
    "a b",
    "naïve 🐘",
    "quo\"te's",
    "_hidden",
    ".dot",
    "x.parquet",
    "%41",
    "CON",
    "a.b",
    "select",
]


@pytest.fixture
def frames(peer: Peer) -> None:
    for name, bucket in [
        ("weather", None),
        ("flights", None),
        ("weather", "new york"),
        ("planes", "new york"),
    ]:
        peer.put(name, TABLE, bucket=bucket)


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize(
    ("criteria", "paths"),
    [
        ({}, ["flights", "weather", "planes@new york", "weather@new york"]),
        ({"bucket": None, "regex": None}, ["flights", "weather"]),
        ({"bucket": "new york"}, ["planes@new york", "weather@new york"]),
        ({"bucket": "new york", "regex": "^w.*r$"}, ["weather@new york"]),
        ({"regex": "ea|gh"}, ["flights", "weather"]),
        ({"regex": "(?i)FLIGHTS"}, ["flights"]),
        ({"regex": "^eather"}, []),
        ({"all_buckets": True, "regex": "weather"}, ["weather", "weather@new york"]),
    ],
)
def test_criteria_choose_frames(peer: Peer, criteria: dict[str, object], paths: list[str]) -> None:
    assert ["@".join(path) for path in peer.paths(**criteria)] == paths


@pytest.mark.usefixtures("frames")
def test_a_listed_frame_is_described_and_can_be_got(peer: Peer) -> None:
    for info in peer.listing():
        assert info.schema.equals(TABLE.schema, check_metadata=True)
        assert info.total_records == 2
        summary = json.loads(info.app_metadata)
        assert summary.keys() == {"version", "commit", "rows", "bytes", "segments"}
        assert (summary["version"], summary["rows"], summary["segments"]) == (1, 2, 1)
        assert summary["bytes"] == info.total_bytes
        assert_same(peer.get_ticket(info.endpoints[0].ticket.ticket), TABLE)


def test_names_are_kept_as_their_users_wrote_them(peer: Peer) -> None:
    for name in NAMES:
        peer.put(name, TABLE, bucket=name)
        peer.put(name, TABLE)
    assert peer.act("buckets", {}) == sorted(NAMES)
    assert peer.paths() == [[name] for name in sorted(NAMES)] + [[name, name] for name in sorted(NAMES)]
    for name in NAMES:
        assert_same(peer.get(name, bucket=name), TABLE)
        quoted = name.replace('"', '""')
        assert_same(peer.sql(name, f'select number from "{quoted}"'), TABLE)


def test_names_that_unicode_writes_in_two_ways_are_one(peer: Peer) -> None:
    peer.put("caf\u0065\u0301", TABLE)
    assert_same(peer.get("caf\u00e9"), TABLE)
    assert peer.paths() == [["caf\u00e9"]]


def test_deleted_frames_are_not_listed(peer: Peer) -> None:
    peer.put("kept", TABLE, bucket="bucket")
    peer.put("gone", TABLE, bucket="bucket")
    assert peer.delete("gone", "bucket")["success"] is True
    assert peer.paths() == [["kept", "bucket"]]
    peer.delete("kept", "bucket")
    assert peer.paths(bucket="bucket") == []
    assert peer.act("buckets", {}) == ["bucket"]
    assert peer.act("delete_bucket", {"name": "bucket"}).keys() == {"message"}
    assert peer.act("buckets") == []
    with refused("FileNotFoundError", "bucket"):
        peer.listing(bucket="bucket")


def test_a_deleted_bucket_comes_back_with_the_next_put(peer: Peer) -> None:
    peer.put("frame", TABLE, bucket="bucket")
    with refused("BucketNotEmptyError", "bucket", "frame"):
        peer.act("delete_bucket", {"name": "bucket", "mode": "error"})
    peer.act("delete_bucket", {"name": "bucket", "mode": "delete"})
    assert peer.act("buckets") == []
    peer.put("frame", TABLE, bucket="bucket", mode="error")
    assert peer.paths() == [["frame", "bucket"]]


def test_every_action_is_described(peer: Peer) -> None:
    actions = peer.client.list_actions(OPTIONS)
    described = {action.type: action.description for action in actions}
    assert described.keys() >= {"buckets", "delete", "delete_bucket", "ping", "shutdown"}
    assert all(described.values())


def test_ping_answers_with_bytes(peer: Peer) -> None:
    (answer,) = peer.client.do_action(fl.Action("ping", b""), OPTIONS)
    assert answer.body.to_pybytes() == b"pong"
