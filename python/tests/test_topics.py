"""Calls about frames, histories, combining, remotes and upkeep, beyond what their examples show."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pytest

from server_process import SECONDS, ServerProcess
from shoots_client import (
    DivergedError,
    ManyFramesError,
    MergeConflictError,
    NotFoundError,
    Progress,
    ShootsClient,
)

DAYS = pd.date_range("2024-01-01", periods=6, name="day")
FRAME = pd.DataFrame({"a": range(6), "b": [n / 4 for n in range(6)]}, index=DAYS)


def test_frames_are_listed_copied_renamed_and_brought_back(client: ShootsClient) -> None:
    client.put("one", FRAME, bucket="plant")
    assert client.copy("one", "two", "plant", new_bucket=None)["rows"] == 6
    assert client.rename("one", bucket="plant", new_bucket="office")["bucket"] == "office"
    listed = {(frame["bucket"], frame["name"]): frame["rows"] for frame in client.list(all_buckets=True)}
    assert listed == {(None, "two"): 6, ("office", "one"): 6}
    assert [frame["version"] for frame in client.list("office")] == [1]
    client.delete("two", message="no use")
    with pytest.raises(NotFoundError):
        client.get("two")
    assert client.undelete("two")["rows"] == 6


def test_columns_are_altered_and_older_states_keep_theirs(client: ShootsClient) -> None:
    client.put("frame", FRAME.astype({"a": "int32"}))
    done = client.alter("frame", add={"c": pa.timestamp("us", "UTC"), "d": "Utf8"}, drop="b", widen={"a": pa.int64()})
    assert [column["name"] for column in done["columns"]] == ["a", "day", "c", "d"]
    now, before = client.schema("frame"), client.schema("frame", as_of=1)
    assert (now.field("a").type, now.field("c").type) == (pa.int64(), pa.timestamp("us", "UTC"))
    assert before.field("a").type == pa.int32()
    client.alter("frame", add={"e": pa.list_(pa.int8()), "f": pa.dictionary(pa.int32(), pa.string())})
    assert client.schema("frame").field("e").type == pa.list_(pa.int8())
    assert client.schema("frame").field("f").type == pa.dictionary(pa.int32(), pa.string())
    with pytest.raises(TypeError, match=r"<class 'int'> is no type of a column; give one of pyarrow's"):
        client.alter("frame", add={"g": int})
    with pytest.raises(TypeError, match="rename must be a dictionary"):
        client.alter("frame", rename="c")  # type: ignore[arg-type]


def test_a_history_is_told_compared_and_gone_back_in(client: ShootsClient) -> None:
    client.put("frame", FRAME)
    client.delete_rows("frame", start="2024-01-03", stop="2024-01-05", closed="both", message="wrong days")
    assert client.diff("frame", 1)["rows_removed"] == 3
    gone = client.diff_rows("frame", 1, as_="polars")
    assert gone["_change"].to_list() == ["removed"] * 3
    assert client.restore("frame", 1)["rows"] == 6
    assert [commit["operation"] for commit in client.log("frame", since=1)] == ["restore", "delete_rows"]
    assert [commit["version"] for commit in client.log("frame", limit=1)] == [3]
    client.tag("frame", "good")
    client.tag("frame", "good", as_of=1, replace=True)
    assert client.tags("frame")[0]["version"] == 1
    assert client.untag("frame", "good")["tag"] == "good"
    assert client.tags("frame") == []


def test_snapshots_name_the_state_of_many_frames(client: ShootsClient) -> None:
    client.put("one", FRAME)
    client.put("two", FRAME, bucket="plant")
    taken = client.snapshot("audit", ["one", ("plant", "two")], message="before")
    assert [frame["name"] for frame in taken["frames"]] == ["one", "two"]
    client.delete_rows("one", "a >= 0")
    got = client.get_many(["one"], as_of={"snapshot": "audit"})
    assert len(got["one"]) == 6
    assert [snapshot["message"] for snapshot in client.snapshots()] == ["before"]
    assert client.snapshot("all", buckets=[None, "plant"])["snapshot"] == "all"


def test_frames_are_combined_and_follow_their_source(client: ShootsClient) -> None:
    client.put("left", FRAME)
    client.put("right", FRAME[["b"]].rename(columns={"b": "c"})[::2])
    assert client.combine("outer", ["left", {"name": "right"}], "both", on="day")["target_rows"] == 6
    assert client.combine("concat", ["left", "left"], "twice", "plant")["target_rows"] == 12
    joined = client.asof_join("left", "right", "day", tolerance="1d", as_="polars")
    assert joined["c"].to_list() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    client.resample("left", "weeks", "W", aggregation_func={"a": ["min", "max"]}, mode="replace", continuous=True)
    (following,) = client.continuous()
    assert (following["name"], following["source"]) == ("weeks", "left")
    assert client.continuous("weeks", stop=True) is not None
    assert client.get("weeks", as_="polars").select("a_min", "a_max").rows() == [(0, 5)]


def test_histories_travel_between_servers(client: ShootsClient, start_server: Callable[..., ServerProcess]) -> None:
    other = start_server()
    client.put("frame", FRAME)
    with ShootsClient(other.host, other.port, timeout=SECONDS) as laptop:
        laptop.add_remote("office", client.url)
        told: list[Progress] = []
        (cloned,) = laptop.clone("office", "frame", progress=told.append)
        assert (cloned["outcome"], cloned["versions"]) == ("created", 1)
        assert told[-1].done == told[-1].total == cloned["bytes"]
        client.upsert("frame", FRAME[:1] + 1)
        laptop.delete_rows("frame", "a = 5")
        with pytest.raises(DivergedError, match="pull first"):
            laptop.push("office", "frame")
        (fetched,) = laptop.fetch("office", "frame")
        assert (fetched["ahead"], fetched["behind"]) == (1, 1)
        assert laptop.remotes(frames=True)[0]["frames"][0]["behind"] == 1
        assert laptop.merge("office", regex="^z") == []
        assert laptop.merge("office", all_buckets=True, regex="^f")[0]["outcome"] == "merged"
        merge = next(commit for commit in laptop.log("frame", all=True) if commit["operation"] == "merge")
        assert [brought["operation"] for brought in merge["brings"]] == ["upsert"]
        assert laptop.fetch("office", "frame", unshallow=True)[0]["outcome"] in ("fetched", "unchanged")
        assert laptop.push("office", "frame")[0]["outcome"] == "moved"
        assert laptop.pull("office", regex="^f", merge=False)[0]["outcome"] == "unchanged"
        assert laptop.clone("office", "frame", target="copy", target_bucket="plant")[0]["target_bucket"] == "plant"
        assert laptop.get("frame").equals(client.get("frame"))
        client.put("other", FRAME)
        client.put("frame", FRAME[:1], "append")
        laptop.put("other", FRAME[:2])
        with pytest.raises(ManyFramesError, match="other") as failed:
            laptop.pull("office")
        assert isinstance(failed.value.errors["other"], MergeConflictError)
        assert list(failed.value.results) == ["frame"]
        with pytest.raises(NotFoundError, match="no such bucket"):
            laptop.clone("office", bucket="nowhere")
        assert laptop.remove_remote("office")["remote"] == "office"


def test_upkeep_says_what_it_does(client: ShootsClient) -> None:
    for n in range(4):
        client.put("frame", FRAME + n, "append")
    assert client.compact("frame", dry_run=True)[0]["segments_before"] == 4
    assert client.compact("frame")[0]["segments_after"] == 1
    assert client.set_retention({"keep_versions": 1, "keep_seconds": 0}, "frame")["own"]["keep_versions"] == 1
    assert client.retention("frame")["effective"]["keep_versions"] == 1
    assert client.expire("frame")[0]["versions_expired"] >= 3
    assert client.sweep("frame", dry_run=True)["dry_run"]
    assert sum(file["rows"] for file in client.files("frame")) == 24
    assert client.forget("frame", [-2], dry_run=True) is not None
    assert client.verify(all_buckets=True, sample=0.5)["ok"]
    assert client.usage(all_buckets=True)["buckets"][0]["frames"] == 1
    assert client.purge("frame")["objects"] > 0
