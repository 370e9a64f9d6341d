"""Frames that travel between servers, as a program asks for it over plain pyarrow."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import OPTIONS, Peer, refused
from server_process import ServerProcess

QUIET = "--compaction=false"


def numbers(start: int, stop: int) -> pa.Table:
    return pa.table({"n": pa.array(range(start, stop), pa.int64())})


def travel(peer: Peer, verb: str, **request: Any) -> list[dict[str, Any]]:
    """What a transfer did to each frame; what it told before must lead there."""
    action = fl.Action(verb, json.dumps({"remote": "office", **request}).encode())
    answers = [json.loads(answer.body.to_pybytes()) for answer in peer.client.do_action(action, OPTIONS)]
    *progress, done = answers
    for told in progress:
        assert told["objects_done"] <= told["objects"]
        assert told["bytes_done"] <= told["bytes"]
    frames: list[dict[str, Any]] = done["frames"]
    return frames


def outcomes(frames: list[dict[str, Any]]) -> dict[str, str]:
    return {frame["target"]: frame["outcome"] for frame in frames}


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[tuple[Peer, Peer]]:
    """A server in the office, and one on a laptop that knows it."""
    office = ServerProcess.start(tmp_path / "office", QUIET, log=tmp_path / "office.log")
    known = f"--remote=office={office.address}"
    laptop = ServerProcess.start(tmp_path / "laptop", QUIET, known, log=tmp_path / "laptop.log")
    with Peer(office.address) as one, Peer(laptop.address) as other:
        yield one, other
    for process in (laptop, office):
        assert process.stop() == 0, process.log()
        process.close()
        assert "panicked" not in process.log()


def test_one_frame_some_of_them_a_bucket_and_everything_travel(peers: tuple[Peer, Peer]) -> None:
    office, laptop = peers
    for name, bucket in (("a", None), ("b", None), ("a", "nyc"), ("c", "nyc")):
        office.put(name, numbers(0, 3), bucket=bucket)
    assert outcomes(travel(laptop, "clone", name="a", target="mine")) == {"mine": "created"}
    assert outcomes(travel(laptop, "clone", regex="^b$")) == {"b": "created"}
    assert outcomes(travel(laptop, "clone", bucket="nyc", target_bucket="york")) == {
        "a": "created",
        "c": "created",
    }
    assert laptop.get("c", bucket="york") == numbers(0, 3)
    everything = travel(laptop, "pull", all_buckets=True)
    assert len(everything) == 4
    assert sorted(laptop.paths()) == sorted(
        [["mine"], ["a"], ["b"], ["a", "york"], ["c", "york"], ["a", "nyc"], ["c", "nyc"]]
    )
    laptop.put("d", numbers(5, 7), bucket="rome")
    assert outcomes(travel(laptop, "push", bucket="rome", target_bucket="milan")) == {"d": "created"}
    assert office.get("d", bucket="milan") == numbers(5, 7)
    again = travel(laptop, "pull", all_buckets=True)
    assert {frame["outcome"] for frame in again if frame["target"] != "d"} == {"unchanged"}
    assert sum(frame["bytes"] for frame in again if frame["target"] != "d") == 0


def test_a_push_to_a_log_that_moved_says_pull_first_and_both_tell_how_far_apart_they_are(
    peers: tuple[Peer, Peer],
) -> None:
    office, laptop = peers
    office.put("a", numbers(0, 3))
    travel(laptop, "clone", name="a")
    office.put("a", numbers(3, 4), mode="append")
    laptop.put("a", numbers(4, 5), mode="append")
    laptop.put("a", numbers(5, 6), mode="append")
    with refused("DivergedError", "pull first"):
        travel(laptop, "push", name="a")
    assert outcomes(travel(laptop, "fetch", name="a")) == {"a": "fetched"}
    (tracked,) = laptop.act("describe", {"name": "a"})["remotes"]
    assert (tracked["remote"], tracked["ahead"], tracked["behind"]) == ("office", 2, 1)
    (listed,) = laptop.act("remotes", {"frames": True})["remotes"]
    assert listed["configured"]
    assert [(frame["name"], frame["ahead"], frame["behind"]) for frame in listed["frames"]] == [("a", 2, 1)]
    assert laptop.get("a").num_rows == 5
    with refused("InvalidRequestError", "as_of: leads to a commit that is no version here"):
        laptop.act("copy", {"name": "a", "new_name": "b", "as_of": {"remote": "office"}})
    assert outcomes(travel(laptop, "merge", name="a")) == {"a": "merged"}
    assert outcomes(travel(laptop, "push", name="a")) == {"a": "moved"}
    assert office.get("a") == laptop.get("a") == numbers(0, 6)
    assert outcomes(travel(laptop, "push", name="a")) == {"a": "unchanged"}


def times(*values: datetime) -> pa.Table:
    return pa.table({"t": pa.array(values, pa.timestamp("us", "UTC"))})


def test_a_deletion_up_to_now_means_the_same_whenever_it_is_merged(peers: tuple[Peer, Peer]) -> None:
    office, laptop = peers
    office.put("a", times(datetime.now(UTC) - timedelta(hours=1)))
    travel(laptop, "clone", name="a", target="early")
    soon = datetime.now(UTC) + timedelta(seconds=2)
    office.put("a", times(soon), mode="append")
    deleted = {"name": "early", "where": "t < now()", "request_id": "7f3a"}
    assert laptop.act("delete_rows", deleted)["rows_removed"] == 1
    assert laptop.act("delete_rows", deleted)["rows_removed"] == 1, "the same request, later"
    travel(laptop, "push", name="early", target="copy")
    travel(laptop, "clone", name="copy", target="late")

    assert outcomes(travel(laptop, "pull", name="a", target="early")) == {"early": "merged"}
    time.sleep(max((soon - datetime.now(UTC)).total_seconds(), 0))
    assert outcomes(travel(laptop, "pull", name="a", target="late")) == {"late": "merged"}
    early, late = (laptop.act("describe", {"name": name}) for name in ("early", "late"))
    assert early["commit"] == late["commit"]
    assert laptop.get("early") == laptop.get("late") == times(soon)


def test_a_deletion_by_chance_is_not_repeated_by_a_merge(peers: tuple[Peer, Peer]) -> None:
    office, laptop = peers
    office.put("a", numbers(0, 3))
    travel(laptop, "clone", name="a")
    office.put("a", numbers(3, 4), mode="append")
    laptop.act("delete_rows", {"name": "a", "where": "random() < 2"})
    with refused("MergeConflictError", "(condition)", "random() gives something else each time"):
        travel(laptop, "pull", name="a")
    assert outcomes(travel(laptop, "pull", name="a", favour="theirs")) == {"a": "merged"}
    assert laptop.get("a") == numbers(0, 4)


def test_a_remote_that_is_away_is_named_and_so_is_what_to_do(peers: tuple[Peer, Peer]) -> None:
    _, laptop = peers
    laptop.act("add_remote", {"remote": "moon", "url": "grpc://127.0.0.1:1"})
    with refused("ShootsIOError", "moon", "grpc://127.0.0.1:1", "ask again"):
        travel(laptop, "pull", remote="moon")
    with refused("FileNotFoundError", "nowhere", "add_remote"):
        travel(laptop, "pull", remote="nowhere")
