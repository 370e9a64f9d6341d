"""What calls give: the JSON objects of the wire, described.

All of them are plain dictionaries. A newer server may put more into one.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

import pyarrow as pa


class PutResult(TypedDict):
    """What a put did."""

    version: int
    """The version it got."""
    commit: str
    """The id of its commit."""
    rows: int
    """How many rows it added."""
    bytes: int
    """How many bytes it added to the store."""
    rows_removed: int
    """How many rows made way: those that an update, an upsert or a replacement took the place of."""
    frame_rows: int
    """How many rows the frame has after it."""
    columns_added: NotRequired[list[str]]
    """Columns that an upsert added to those that the frame had."""


class CommitResult(TypedDict):
    """What a change of a frame led to."""

    version: int
    commit: str
    rows: int
    """How many rows the frame has after it."""


class Column(TypedDict):
    """A column of a frame, with its Arrow type as text."""

    name: str
    type: str
    nullable: NotRequired[bool]


class AlterResult(CommitResult):
    """What a change of columns led to."""

    columns: list[Column]


class DeleteRowsResult(TypedDict):
    """How many rows went. Without any there is no commit."""

    rows_removed: int
    version: NotRequired[int]
    commit: NotRequired[str]


class ListedFrame(TypedDict):
    """A frame in a listing."""

    name: str
    schema: pa.Schema
    bucket: str | None
    rows: int
    bytes: int
    version: int | None
    """`None` for a plain Parquet file that nobody has changed."""


class Versions(TypedDict):
    """Which versions of a frame are kept."""

    first: int
    last: int
    count: int


class Retention(TypedDict):
    """How long versions are kept."""

    keep_versions: NotRequired[int]
    keep_seconds: NotRequired[int]
    keep_tagged: NotRequired[bool]


class TrackedFrame(TypedDict):
    """What is known of a frame at a remote."""

    name: str
    bucket: NotRequired[str]
    remote: str
    remote_name: str
    remote_bucket: NotRequired[str]
    ahead: int
    behind: int
    commit: str
    seen: str


class Description(TypedDict):
    """A frame at one version."""

    name: str
    bucket: NotRequired[str]
    version: NotRequired[int]
    commit: NotRequired[str]
    published: NotRequired[str]
    created: NotRequired[str]
    operation: NotRequired[str]
    message: NotRequired[str]
    author: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    rows: int
    bytes: int
    segments: int
    overlapping_segments: int
    hidden_rows: int
    index: list[Column]
    index_min: NotRequired[list[Any]]
    index_max: NotRequired[list[Any]]
    columns: list[Column]
    versions: NotRequired[Versions]
    tags: list[str]
    retention: Retention
    remotes: NotRequired[list[TrackedFrame]]


class FileRecord(TypedDict):
    """A Parquet file with rows of a version."""

    path: str
    rows: int
    hidden_rows: int
    bytes: int
    hash: NotRequired[str]
    min: NotRequired[list[Any]]
    max: NotRequired[list[Any]]


class NewFrame(TypedDict):
    """A frame that was copied or renamed, under its new name."""

    name: str
    bucket: NotRequired[str]
    version: int
    commit: str
    rows: int


class BroughtCommit(TypedDict):
    """A commit of a frame's history that is no version here."""

    commit: str
    parents: list[str]
    time: str
    operation: str
    rows_added: int
    rows_removed: int
    author: NotRequired[str]
    message: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    expired: NotRequired[bool]


class Commit(TypedDict):
    """One change of a frame."""

    version: int
    commit: str
    parents: list[str]
    published: str
    """When this store published it, in RFC 3339: what `as_of` with a time means."""
    time: str
    operation: str
    rows: int
    rows_added: int
    rows_removed: int
    author: NotRequired[str]
    message: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    tags: list[str]
    expired: NotRequired[bool]
    brings: NotRequired[list[BroughtCommit]]
    """The commits that came with it and are no versions here, newest first, if they were asked for."""


class VersionSummary(TypedDict):
    """A state in a few words. What a fetch or a merge brought is no version here and was not published here."""

    version: NotRequired[int]
    commit: str
    published: NotRequired[str]
    rows: int


class Renamed(TypedDict):
    """A column that has another name. (`from` is a word of Python, so the fields are given as text.)"""

    to: str


class Diff(TypedDict):
    """What leads from one state of a frame to another; `from` and `to` are each a `VersionSummary`."""

    to: VersionSummary
    rows_added: int
    rows_removed: int
    columns_added: list[Column]
    columns_dropped: list[Column]
    columns_renamed: list[dict[str, str]]
    columns_changed: list[dict[str, str]]


class TagResult(TypedDict):
    """A tag and the version that it is of."""

    tag: str
    version: int
    commit: NotRequired[str]
    published: NotRequired[str]


class FrameVersion(TypedDict):
    """A frame and a version of it."""

    name: str
    bucket: NotRequired[str]
    version: int
    commit: str


class Snapshot(TypedDict):
    """The named state of many frames."""

    snapshot: str
    frames: list[FrameVersion]
    created: NotRequired[str]
    message: NotRequired[str]


class ResampleResult(TypedDict):
    """What resampling or combining put."""

    source_rows: NotRequired[int]
    target_rows: int
    version: NotRequired[int]
    commit: NotRequired[str]


class FollowingFrame(TypedDict):
    """A frame that follows its source."""

    name: str
    bucket: NotRequired[str]
    source: str
    source_bucket: NotRequired[str]
    rule: str
    source_version: NotRequired[int]
    newest_version: NotRequired[int]
    problem: NotRequired[str]


class Remote(TypedDict):
    """Another place that keeps frames."""

    remote: str
    url: str
    configured: NotRequired[bool]
    has_token: NotRequired[bool]
    frames: NotRequired[list[TrackedFrame]]


class SyncedFrame(TypedDict):
    """What a transfer did about one frame."""

    name: str
    bucket: NotRequired[str]
    target: str
    target_bucket: NotRequired[str]
    outcome: Literal["unchanged", "created", "moved", "merged", "fetched", "diverged", "failed"]
    versions: int
    objects: int
    bytes: int
    ahead: int
    behind: int
    commit: NotRequired[str]
    problem: NotRequired[dict[str, str]]


class CompactedFrame(TypedDict):
    """What compaction did to a frame, or would do."""

    name: str
    bucket: NotRequired[str]
    segments_before: int
    segments_after: int
    bytes_read: int
    bytes_written: NotRequired[int]
    rows_dropped: int
    reason: NotRequired[str]
    version: NotRequired[int]
    commit: NotRequired[str]


class ExpiredFrame(TypedDict):
    """Which versions of a frame expired, or would."""

    name: str
    bucket: NotRequired[str]
    versions_expired: int
    segments: int
    bytes: int
    still_needed_segments: int
    still_needed_bytes: int
    version: NotRequired[int]
    commit: NotRequired[str]


class RetentionResult(TypedDict):
    """A rule of a frame or bucket, and the one that holds."""

    own: NotRequired[Retention]
    effective: Retention


class SweepResult(TypedDict):
    """What was removed, or would be, and what has to wait."""

    objects: int
    bytes: int
    waiting_objects: int
    waiting_bytes: int
    in_use_objects: int
    in_use_bytes: int
    dry_run: bool


class PurgeResult(TypedDict):
    """What a purge removed, or would remove."""

    objects: int
    bytes: int
    dry_run: bool


class VerifyResult(TypedDict):
    """What checking stored objects found."""

    frames: int
    objects: int
    bytes: int
    missing: list[dict[str, str]]
    damaged: list[dict[str, str]]
    unreferenced: list[dict[str, Any]]
    ok: bool


class BucketUsage(TypedDict):
    """What a bucket takes up."""

    bucket: NotRequired[str]
    frames: int
    rows: int
    live_bytes: int
    stored_bytes: int
    objects: int


class Usage(TypedDict):
    """What buckets take up, and how much room is left."""

    buckets: list[BucketUsage]
    free_bytes: NotRequired[int]
    low_space_bytes: NotRequired[int]
