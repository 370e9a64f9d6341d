"""Histories that travel between stores and servers."""

from __future__ import annotations

import json
from typing import Any, Literal, TypedDict, Unpack, cast

from ..errors import ManyFramesError, of_kind
from ..progress import Tracker, Watch
from ..results import Remote, SyncedFrame
from ..values import IndexValue, as_json, given, plain
from .base import Bucket, Calls, NewBucket, located, moved
from .reading import Closed

Favour = Literal["ours", "theirs"]


class Transfer(TypedDict, total=False):
    """Which frames travel, and where to."""

    bucket: Bucket
    """The bucket that they come from."""
    regex: str | None
    """Only those in whose names it finds a match."""
    all_buckets: bool
    """The frames of every bucket."""
    target: str | None
    """What one frame is called where it goes to."""
    target_bucket: NewBucket
    """The bucket where they go to: `...` (if not said) is the same, `None` the default bucket."""
    timeout: float | None
    """How many seconds it may take."""
    progress: Watch
    """How progress is told, in bytes."""


def raise_problems(frames: list[SyncedFrame]) -> None:
    """Raises `ManyFramesError` if some of the frames did not travel."""
    results: dict[str, object] = {}
    errors: dict[str, Exception] = {}
    for frame in frames:
        bucket = frame.get("bucket")
        name = frame["name"] if bucket is None else f"{bucket}/{frame['name']}"
        problem = frame.get("problem")
        if problem is None:
            results[name] = frame
        else:
            errors[name] = of_kind(problem["type"], problem["message"])
    if errors:
        raise ManyFramesError(results, errors)


class Remotes(Calls):
    """Calls about other places that keep frames. All of them are done by the server that is called.

    Where several frames travel, one that fails does not keep back the others; a `ManyFramesError` says afterwards which
    did, and what became of the others.
    """

    def add_remote(
        self,
        remote: str,
        url: str,
        *,
        token: str | None = None,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
        allow_insecure_token: bool = False,
    ) -> Remote:
        """Gives another server or store a name.

        `token` and `ca` say where the server finds a token, and the certificate of an authority: `env:NAME` or
        `file:/path`; `certificate` and `key` where those are that it shows.

        >>> client.add_remote("backup", "grpc://127.0.0.1:9")["remote"]
        'backup'
        >>> [remote["url"] for remote in client.remotes()]
        ['grpc://127.0.0.1:9']
        >>> _ = client.remove_remote("backup")
        """
        answer = self._act(
            "add_remote",
            remote=remote,
            url=url,
            token=token,
            ca=ca,
            certificate=certificate,
            key=key,
            allow_insecure_token=allow_insecure_token or None,
        )
        return cast(Remote, answer)

    def remove_remote(self, remote: str) -> Remote:
        """Forgets a remote. What came from there stays."""
        return cast(Remote, self._act("remove_remote", remote=remote))

    def remotes(self, remote: str | None = None, *, frames: bool = False, bucket: Bucket = None) -> list[Remote]:
        """The remotes, or one of them; with `frames`, also how far those of a bucket are ahead and behind."""
        answer = self._act("remotes", safe=True, remote=remote, frames=frames or None, bucket=bucket)
        return cast(list[Remote], answer["remotes"])

    def clone(
        self,
        remote: str,
        name: str | None = None,
        *,
        depth: int | None = None,
        start: IndexValue = None,
        stop: IndexValue = None,
        closed: Closed | None = None,
        **transfer: Unpack[Transfer],
    ) -> list[SyncedFrame]:
        """Brings frames that the server does not have, with their histories.

        Without a `name` it is every frame of the `bucket`. `depth=1` brings only the newest state, `start` and `stop`
        only the files of it that may hold this range of the index.
        """
        part = given({"depth": depth, "start": plain(start), "stop": plain(stop), "closed": closed})
        return self._transfer("clone", remote, name, transfer, part)

    def fetch(
        self, remote: str, name: str | None = None, *, unshallow: bool = False, **transfer: Unpack[Transfer]
    ) -> list[SyncedFrame]:
        """Brings what is new at a remote, without changing the frames.

        `unshallow` brings the commits, too, that lie before a newest state which was cloned alone.
        """
        return self._transfer("fetch", remote, name, transfer, given({"unshallow": unshallow or None}))

    def pull(
        self,
        remote: str,
        name: str | None = None,
        *,
        merge: bool = True,
        favour: Favour | None = None,
        **transfer: Unpack[Transfer],
    ) -> list[SyncedFrame]:
        """Brings what is new at a remote into the frames. Histories that went apart are merged, unless told otherwise.

        `favour` says whose side is taken where two histories cannot be merged.
        """
        how = given({"merge": None if merge else False, "favour": favour})
        return self._transfer("pull", remote, name, transfer, how)

    def push(self, remote: str, name: str | None = None, **transfer: Unpack[Transfer]) -> list[SyncedFrame]:
        """Brings what is new here to a remote.

        Raises `DivergedError` if one frame is meant and has changes there that are not here: pull first.
        """
        return self._transfer("push", remote, name, transfer, {})

    def merge(
        self,
        remote: str,
        name: str | None = None,
        *,
        favour: Favour | None = None,
        **transfer: Unpack[Transfer],
    ) -> list[SyncedFrame]:
        """Settles histories that went apart and were fetched.

        Without a `target` or a `target_bucket`, frames are called as they are here.
        """
        return self._transfer("merge", remote, name, transfer, given({"favour": favour}))

    def _transfer(
        self, action: str, remote: str, name: str | None, transfer: Transfer, more: dict[str, Any]
    ) -> list[SyncedFrame]:
        said = dict(transfer)
        unknown = said.keys() - Transfer.__annotations__.keys()
        if unknown:
            raise TypeError(f"{action} does not take {', '.join(sorted(unknown))}")
        timeout = cast("float | None", said.pop("timeout", None))
        progress = cast(Watch, said.pop("progress", None))
        target_bucket = cast(NewBucket, said.pop("target_bucket", ...))
        said["all_buckets"] = said.get("all_buckets") or None
        fields = given({"remote": remote, "name": name, **said}) | more | moved(target_bucket=target_bucket)
        frames = self._followed(action, located(fields), timeout, progress)
        raise_problems(frames)
        return frames

    def _followed(
        self, action: str, fields: dict[str, Any], timeout: float | None, progress: Watch
    ) -> list[SyncedFrame]:
        """Does an action whose answers are its progress, and last what it did."""
        last: dict[str, Any] = {"frames": []}
        done: dict[str, tuple[int, int]] = {}
        with Tracker(f"{action} {fields['remote']}", progress, unit="bytes") as tracker:
            for answer in self._connection.answers(action, as_json(fields), timeout):
                last = json.loads(answer)
                if "frame" in last:
                    done[last["frame"]] = (last["bytes_done"], last["bytes"])
                    moved_bytes = sum(bytes_done for bytes_done, _ in done.values())
                    tracker.reached(moved_bytes, moved_bytes, sum(size for _, size in done.values()))
        return cast(list[SyncedFrame], last["frames"])
