//! Actions: for each its name, the body it takes and the body it gives.
//!
//! An action is a verb with a JSON object in and JSON out. `ping` is the exception: no body in, and
//! the bytes [`PING_REPLY`] out. The modules hold the bodies by topic: what is done to [frames](frame),
//! their [columns], [rows], [history], [tags] and [snapshots], to [buckets](bucket), to the
//! rows that [resampling](resample), also [continuously](continuous), and
//! [combining](combine) make of them, to histories that [travel](sync) between stores, for the upkeep of the
//! store ([compaction], [retention], [health]), and to other calls ([cancel]).
//!
//! Where a request names a bucket, `null` is the default bucket.

pub mod bucket;
pub mod cancel;
pub mod columns;
pub mod combine;
pub mod compaction;
pub mod continuous;
pub mod frame;
pub mod health;
pub mod history;
pub mod resample;
pub mod retention;
pub mod rows;
pub mod snapshots;
pub mod sync;
pub mod tags;

use serde::{Deserialize, Serialize};

pub use bucket::{
    BucketDeleteMode, BucketsRequest, BucketsResult, DeleteBucketRequest, DeleteBucketResult,
};
pub use cancel::{CALL_NAME, CallName, CallNameError, CancelRequest, CancelResult};
pub use columns::{AlterRequest, AlterResult, Column, NewColumn};
pub use combine::{
    AsofDirection, CombineHow, CombineRequest, CombineResult, CombineSource, NamedSource,
};
pub use compaction::{CompactRequest, CompactResult, CompactedFrame};
pub use continuous::{ContinuousRequest, ContinuousResult, FollowingFrame};
pub use frame::{
    CopyRequest, DeleteRequest, DeleteResult, DescribeRequest, FileRecord, FilesRequest,
    FilesResult, FrameDescription, NewFrame, RenameRequest, UndeleteRequest, VersionRange,
};
pub use health::{
    BucketUsage, FaultyObject, UnreferencedObject, UsageRequest, UsageResult, VerifyRequest,
    VerifyResult,
};
pub use history::{
    BroughtCommit, ColumnChange, ColumnRename, ColumnType, CommitRecord, CommitResult, DiffRequest,
    FrameDiff, LogRequest, LogResult, RestoreRequest, VersionSummary,
};
pub use resample::{Aggregations, BinEnd, ResampleRequest, ResampleResult, Resampling};
pub use retention::{
    ExpireRequest, ExpireResult, ExpiredFrame, ForgetRequest, PurgeRequest, PurgeResult, Retention,
    RetentionRequest, RetentionResult, SweepRequest, SweepResult,
};
pub use rows::{DeleteRowsRequest, DeleteRowsResult};
pub use snapshots::{
    DropSnapshotRequest, DropSnapshotResult, FrameRef, FrameVersion, SnapshotRecord,
    SnapshotRequest, SnapshotResult, SnapshotsRequest, SnapshotsResult,
};
pub use sync::{
    ADD_REMOTE, AddRemoteRequest, CLONE, CloneRequest, FETCH, Favour, FetchRequest, FrameSelection,
    MERGE, MergeRequest, PULL, PUSH, PullRequest, PushRequest, REMOTES, REMOVE_REMOTE,
    RemoteRecord, RemoteResult, RemotesRequest, RemotesResult, RemoveRemoteRequest, SYNC_FRAMES,
    SYNC_HAVE, SYNC_HEAD, SYNC_HISTORY, SYNC_LIST, SYNC_READ, SyncAnswer, SyncFramesRequest,
    SyncFramesResult, SyncHaveRequest, SyncHaveResult, SyncHeadRequest, SyncHistoryRequest,
    SyncListRequest, SyncObject, SyncObjectKind, SyncOutcome, SyncProgress, SyncPublishCommand,
    SyncReadRequest, SyncResult, SyncWriteCommand, SyncWriteResult, SyncedFrame, TrackedFrame,
};
pub use tags::{
    TagRecord, TagRequest, TagResult, TagsRequest, TagsResult, UntagRequest, UntagResult,
};

/// The action that adds, drops, renames and widens columns: [`AlterRequest`] → [`AlterResult`].
pub const ALTER: &str = "alter";
/// The action that lists buckets: [`BucketsRequest`] → [`BucketsResult`].
pub const BUCKETS: &str = "buckets";
/// The action that ends another call: [`CancelRequest`] → [`CancelResult`].
pub const CANCEL: &str = "cancel";
/// The action that makes a frame of several others: [`CombineRequest`] → [`CombineResult`].
pub const COMBINE: &str = "combine";
/// The action that joins small and overlapping segments: [`CompactRequest`] → [`CompactResult`].
pub const COMPACT: &str = "compact";
/// The action that lists frames which follow others, or ends that: [`ContinuousRequest`] → [`ContinuousResult`].
pub const CONTINUOUS: &str = "continuous";
/// The action that copies a frame: [`CopyRequest`] → [`NewFrame`].
pub const COPY: &str = "copy";
/// The action that deletes a frame: [`DeleteRequest`] → [`DeleteResult`].
pub const DELETE: &str = "delete";
/// The action that deletes a bucket: [`DeleteBucketRequest`] → [`DeleteBucketResult`].
pub const DELETE_BUCKET: &str = "delete_bucket";
/// The action that deletes rows of a frame: [`DeleteRowsRequest`] → [`DeleteRowsResult`].
pub const DELETE_ROWS: &str = "delete_rows";
/// The action that describes a frame: [`DescribeRequest`] → [`FrameDescription`].
pub const DESCRIBE: &str = "describe";
/// The action that compares two states of a frame: [`DiffRequest`] → [`FrameDiff`].
pub const DIFF: &str = "diff";
/// The action that drops a snapshot: [`DropSnapshotRequest`] → [`DropSnapshotResult`].
pub const DROP_SNAPSHOT: &str = "drop_snapshot";
/// The action that lets versions expire that no rule keeps: [`ExpireRequest`] → [`ExpireResult`].
pub const EXPIRE: &str = "expire";
/// The action that lists the files of a version: [`FilesRequest`] → [`FilesResult`].
pub const FILES: &str = "files";
/// The action that forgets chosen versions: [`ForgetRequest`] → [`ExpireResult`].
pub const FORGET: &str = "forget";
/// The action that tells the history of a frame: [`LogRequest`] → [`LogResult`].
pub const LOG: &str = "log";
/// The action that asks whether the server answers: no body → [`PING_REPLY`].
pub const PING: &str = "ping";
/// The action that removes a frame for good: [`PurgeRequest`] → [`PurgeResult`].
pub const PURGE: &str = "purge";
/// The action that renames a frame: [`RenameRequest`] → [`NewFrame`].
pub const RENAME: &str = "rename";
/// The action that makes a frame of another one: [`ResampleRequest`] → [`ResampleResult`].
pub const RESAMPLE: &str = "resample";
/// The action that makes an older version the newest: [`RestoreRequest`] → [`CommitResult`].
pub const RESTORE: &str = "restore";
/// The action that asks or sets how long versions are kept: [`RetentionRequest`] → [`RetentionResult`].
pub const RETENTION: &str = "retention";
/// The action that stops the server: [`ShutdownRequest`] → [`ShutdownResult`].
pub const SHUTDOWN: &str = "shutdown";
/// The action that names the state of many frames: [`SnapshotRequest`] → [`SnapshotResult`].
pub const SNAPSHOT: &str = "snapshot";
/// The action that lists snapshots: [`SnapshotsRequest`] → [`SnapshotsResult`].
pub const SNAPSHOTS: &str = "snapshots";
/// The action that removes objects that nothing needs: [`SweepRequest`] → [`SweepResult`].
pub const SWEEP: &str = "sweep";
/// The action that tags a version: [`TagRequest`] → [`TagResult`].
pub const TAG: &str = "tag";
/// The action that lists the tags of a frame: [`TagsRequest`] → [`TagsResult`].
pub const TAGS: &str = "tags";
/// The action that brings a deleted frame back: [`UndeleteRequest`] → [`CommitResult`].
pub const UNDELETE: &str = "undelete";
/// The action that takes a tag away: [`UntagRequest`] → [`UntagResult`].
pub const UNTAG: &str = "untag";
/// The action that tells what buckets take up: [`UsageRequest`] → [`UsageResult`].
pub const USAGE: &str = "usage";
/// The action that checks stored objects: [`VerifyRequest`] → [`VerifyResult`].
pub const VERIFY: &str = "verify";

/// What `ping` answers.
pub const PING_REPLY: &[u8] = b"pong";

/// An action as `ListActions` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionDescription {
    /// The action's type.
    pub name: &'static str,
    /// What it does, takes and gives, in one sentence.
    pub description: &'static str,
}

/// Every action of the contract.
///
/// ```
/// use shoots_proto::action::{ACTIONS, PING};
///
/// assert!(ACTIONS.iter().any(|action| action.name == PING));
/// ```
pub const ACTIONS: &[ActionDescription] = &[
    ActionDescription {
        name: ADD_REMOTE,
        description: r#"Name another place that keeps frames: {"remote","url","token":"env:NAME"|"file:/path","ca","certificate","key","allow_insecure_token"} gives {"remote","url"}; credentials are only referred to."#,
    },
    ActionDescription {
        name: ALTER,
        description: r#"Change the columns of a frame, rewriting no rows: {"name","bucket","add":[{"name","type","nullable"}],"drop":[column],"rename":{old:new},"widen":{column:type},"message","author","metadata","request_id"} gives {"version","commit","rows","columns"}."#,
    },
    ActionDescription {
        name: BUCKETS,
        description: "List the buckets: {} gives a list of names, without the default bucket.",
    },
    ActionDescription {
        name: CANCEL,
        description: r#"End the calls that were given a name in the header `x-shoots-call-name` when they began: {"call"} gives {"cancelled"}."#,
    },
    ActionDescription {
        name: CLONE,
        description: r#"Bring frames here that are not here, with their histories: {"remote","name","bucket","regex","all_buckets","target","target_bucket","depth","start","stop","closed"} gives progress, {"frame","objects_done","objects","bytes_done","bytes"}, and last {"frames":[{"name","bucket","target","target_bucket","outcome","versions","objects","bytes","ahead","behind","commit","problem"}]}."#,
    },
    ActionDescription {
        name: COMBINE,
        description: r#"Put into a frame what is made of several others: {"how":"concat"|"inner"|"left"|"right"|"outer"|"asof","sources":[name or {"name","bucket","as_of"}],"target","target_bucket","mode","index","on","left_on","right_on","by","left_by","right_by","tolerance","direction","allow_exact_matches","suffixes","sorted","message","author","metadata","request_id"} gives {"target_rows","version","commit"}."#,
    },
    ActionDescription {
        name: COMPACT,
        description: r#"Join small and overlapping segments and leave hidden rows behind: {"name","bucket","dry_run"} gives {"frames","dry_run"}; without a name it sees to every frame of the bucket."#,
    },
    ActionDescription {
        name: CONTINUOUS,
        description: r#"List the frames of a bucket that follow another one, as `resample` with "continuous" made them: {"name","bucket"} gives {"frames":[{"name","bucket","source","source_bucket","rule","source_version","newest_version","problem"}]}; {"name","bucket","stop":true} ends it for one."#,
    },
    ActionDescription {
        name: COPY,
        description: r#"Copy a frame, encoding no rows again: {"name","bucket","new_name","new_bucket","as_of","message","author","metadata"} gives {"name","bucket","version","commit","rows"}."#,
    },
    ActionDescription {
        name: DELETE,
        description: r#"Delete a frame: {"name","bucket","message","author","metadata"} gives {"success","message"}."#,
    },
    ActionDescription {
        name: DELETE_BUCKET,
        description: r#"Delete a bucket: {"name","mode":"error"|"delete"} gives {"message"}; "error" refuses a bucket with frames, "delete" deletes them too."#,
    },
    ActionDescription {
        name: DELETE_ROWS,
        description: r#"Delete rows by a range of the index, by an SQL condition, or by both: {"name","bucket","start","stop","closed","where","message","author","metadata","request_id"} gives {"version","commit","rows_removed"}."#,
    },
    ActionDescription {
        name: DESCRIBE,
        description: r#"Describe a frame: {"name","bucket","as_of"} gives its rows, bytes, segments, index, columns, versions, tags and last commit, and how far it is ahead of remotes and behind."#,
    },
    ActionDescription {
        name: DIFF,
        description: r#"Compare two states of a frame: {"name","bucket","from","to"} gives {"from","to","rows_added","rows_removed","columns_added","columns_dropped","columns_renamed","columns_changed"}; a get with "diff" gives the rows."#,
    },
    ActionDescription {
        name: DROP_SNAPSHOT,
        description: r#"Drop a snapshot, so that its frames are no longer pinned: {"snapshot"} gives {"snapshot","frames"}."#,
    },
    ActionDescription {
        name: EXPIRE,
        description: r#"Let the versions expire that no rule of retention keeps: {"name","bucket","dry_run"} gives {"frames","dry_run"}; without a name it sees to every frame of the bucket."#,
    },
    ActionDescription {
        name: FETCH,
        description: r#"Bring the history of frames here without changing them: {"remote","name","bucket","regex","all_buckets","target","target_bucket","unshallow"} gives progress, {"frame","objects_done","objects","bytes_done","bytes"}, and last {"frames":[{"name","bucket","target","target_bucket","outcome","versions","objects","bytes","ahead","behind","commit","problem"}]}."#,
    },
    ActionDescription {
        name: FILES,
        description: r#"List the segments of a version: {"name","bucket","as_of"} gives {"files":[{"path","rows","hidden_rows","bytes","hash","min","max"}]}."#,
    },
    ActionDescription {
        name: FORGET,
        description: r#"Forget chosen versions of a frame: {"name","bucket","versions","dry_run"} gives {"frames","dry_run"}."#,
    },
    ActionDescription {
        name: LOG,
        description: r#"Tell the history of a frame, newest first: {"name","bucket","limit","since","all"} gives {"commits","more"}."#,
    },
    ActionDescription {
        name: MERGE,
        description: r#"Settle histories that went apart and were fetched: {"remote","name","bucket","favour":"ours"|"theirs"} gives progress, {"frame","objects_done","objects","bytes_done","bytes"}, and last {"frames":[{"name","bucket","target","target_bucket","outcome","versions","objects","bytes","ahead","behind","commit","problem"}]}."#,
    },
    ActionDescription {
        name: PING,
        description: "Ask whether the server answers: no body gives `pong`.",
    },
    ActionDescription {
        name: PULL,
        description: r#"Bring what is new at a remote into the frames here: {"remote","name","bucket","regex","all_buckets","target","target_bucket","merge","favour":"ours"|"theirs"} gives progress, {"frame","objects_done","objects","bytes_done","bytes"}, and last {"frames":[{"name","bucket","target","target_bucket","outcome","versions","objects","bytes","ahead","behind","commit","problem"}]}."#,
    },
    ActionDescription {
        name: PURGE,
        description: r#"Remove a frame and its history for good: {"name","bucket","dry_run"} gives {"objects","bytes","dry_run"}."#,
    },
    ActionDescription {
        name: PUSH,
        description: r#"Bring what is new here to a remote, which refuses if it has moved on: {"remote","name","bucket","regex","all_buckets","target","target_bucket"} gives progress, {"frame","objects_done","objects","bytes_done","bytes"}, and last {"frames":[{"name","bucket","target","target_bucket","outcome","versions","objects","bytes","ahead","behind","commit","problem"}]}."#,
    },
    ActionDescription {
        name: REMOTES,
        description: r#"List the remotes, and how far a bucket's frames are ahead and behind: {"remote","frames","bucket"} gives {"remotes":[{"remote","url","configured","has_token","frames":[{"name","bucket","remote","remote_name","remote_bucket","ahead","behind","commit","seen"}]}]}."#,
    },
    ActionDescription {
        name: REMOVE_REMOTE,
        description: r#"Forget a remote: {"remote"} gives {"remote","url"}."#,
    },
    ActionDescription {
        name: RENAME,
        description: r#"Give a frame another name or bucket: {"name","bucket","new_name","new_bucket","message","author","metadata"} gives {"name","bucket","version","commit","rows"}."#,
    },
    ActionDescription {
        name: RESAMPLE,
        description: r#"Put into a frame what is made of another, by SQL: {"source","source_bucket","target","target_bucket","mode","sql"}, or by time: {…,"rule","aggregation_func","time_col","columns","by","closed","label","origin","offset","time_zone","fill","numeric_only","quantile","start","stop","continuous"}; both with {"index","message","author","metadata","request_id"}; gives {"source_rows","target_rows","version","commit"}."#,
    },
    ActionDescription {
        name: RESTORE,
        description: r#"Make an older version the newest: {"name","bucket","as_of","message","author","metadata","request_id"} gives {"version","commit","rows"}."#,
    },
    ActionDescription {
        name: RETENTION,
        description: r#"Ask or set which versions are kept: {"name","bucket","set":{"keep_versions","keep_seconds","keep_tagged"}} gives {"own","effective"}; without a name it is about the bucket, and "set":null goes back to the default."#,
    },
    ActionDescription {
        name: SHUTDOWN,
        description: "Stop the server once running calls are done: {} gives a list with one message.",
    },
    ActionDescription {
        name: SNAPSHOT,
        description: r#"Name the state of many frames at once and keep it: {"snapshot","frames":[{"name","bucket"}],"buckets":[bucket],"message"} gives {"snapshot","frames"}."#,
    },
    ActionDescription {
        name: SNAPSHOTS,
        description: r#"List the snapshots: {} gives {"snapshots":[{"snapshot","created","message","frames"}]}."#,
    },
    ActionDescription {
        name: SWEEP,
        description: r#"Remove the objects that nothing needs any more, once their time has come: {"name","bucket","dry_run"} gives {"objects","bytes","waiting_objects","waiting_bytes","in_use_objects","in_use_bytes","dry_run"}."#,
    },
    ActionDescription {
        name: SYNC_FRAMES,
        description: r#"For other stores: name the frames of a bucket, or the buckets: {"bucket","buckets"} gives {"names"}."#,
    },
    ActionDescription {
        name: SYNC_HAVE,
        description: r#"For other stores: tell which objects of a frame are there: {"name","bucket","objects":[{"kind":"segment"|"vector"|"schema","id"}]} gives {"sizes"}."#,
    },
    ActionDescription {
        name: SYNC_HEAD,
        description: r#"For other stores: tell where the history of a frame ends: {"name","bucket"} gives its last commit and state, or null."#,
    },
    ActionDescription {
        name: SYNC_HISTORY,
        description: r#"For other stores: give the history of a frame, newest first: {"name","bucket","from"} gives lines with commits."#,
    },
    ActionDescription {
        name: SYNC_LIST,
        description: r#"For other stores: give all segments of a state: {"name","bucket","commit"} gives a list, or nothing if the state is gone."#,
    },
    ActionDescription {
        name: SYNC_READ,
        description: r#"For other stores: give an object of a frame: {"name","bucket","object":{"kind","id"}} gives its bytes."#,
    },
    ActionDescription {
        name: TAG,
        description: r#"Give a version a name: {"name","bucket","tag","as_of","replace","message","author","metadata"} gives {"tag","version","commit"}."#,
    },
    ActionDescription {
        name: TAGS,
        description: r#"List the tags of a frame: {"name","bucket"} gives {"tags":[{"tag","version","commit","published"}]}."#,
    },
    ActionDescription {
        name: UNDELETE,
        description: r#"Bring a deleted frame back: {"name","bucket","message","author","metadata"} gives {"version","commit","rows"}."#,
    },
    ActionDescription {
        name: UNTAG,
        description: r#"Take a name from a version: {"name","bucket","tag","message","author","metadata"} gives {"tag","version"}."#,
    },
    ActionDescription {
        name: USAGE,
        description: r#"Tell what a bucket takes up: {"bucket","all_buckets"} gives {"buckets","free_bytes","low_space_bytes"}."#,
    },
    ActionDescription {
        name: VERIFY,
        description: r#"Check stored objects against their hashes: {"name","bucket","all_buckets","sample"} gives {"frames","objects","bytes","missing","damaged","unreferenced","ok"}."#,
    },
];

/// Stops the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ShutdownRequest {}

/// What a server says before it stops: a list of messages for people.
///
/// ```
/// use shoots_proto::action::ShutdownResult;
/// use shoots_proto::encode;
///
/// assert_eq!(encode(&ShutdownResult::received())?, br#"["shutdown command received"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShutdownResult(pub Vec<String>);

impl ShutdownResult {
    /// The answer to a shutdown that was accepted.
    #[must_use]
    pub fn received() -> Self {
        Self(vec!["shutdown command received".to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::ACTIONS;

    #[test]
    fn actions_are_described_once_and_in_order() {
        let names: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for action in ACTIONS {
            assert!(action.description.ends_with('.'), "{action:?}");
        }
    }
}
