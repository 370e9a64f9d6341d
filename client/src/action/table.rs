//! The table of actions: request, name, answer, and whether it changes something.

use serde_json::{Map, Value};
use shoots_proto::action::{
    self, AddRemoteRequest, AlterRequest, AlterResult, CombineRequest, CombineResult, CommitResult,
    CompactRequest, CompactResult, ContinuousRequest, ContinuousResult, CopyRequest, DeleteRequest,
    DeleteResult, DeleteRowsRequest, DeleteRowsResult, DescribeRequest, DiffRequest,
    DropSnapshotRequest, DropSnapshotResult, ExpireRequest, ExpireResult, FilesRequest,
    FilesResult, ForgetRequest, FrameDescription, FrameDiff, LogRequest, LogResult, NewFrame,
    PurgeRequest, PurgeResult, RemoteResult, RemotesRequest, RemotesResult, RemoveRemoteRequest,
    RenameRequest, ResampleRequest, ResampleResult, RestoreRequest, RetentionRequest,
    RetentionResult, SnapshotRequest, SnapshotResult, SnapshotsRequest, SnapshotsResult,
    SweepRequest, SweepResult, TagRequest, TagResult, TagsRequest, TagsResult, UndeleteRequest,
    UntagRequest, UntagResult, UsageRequest, UsageResult, VerifyRequest, VerifyResult,
};

use super::ActionRequest;

/// Only the actions of the contract are actions.
pub trait Sealed {}

macro_rules! actions {
    ($($request:ident, $name:ident, $answer:ty, $changes:literal $(, $id:ident)?;)*) => {
        $(
            impl Sealed for $request {}

            impl ActionRequest for $request {
                type Answer = $answer;
                const NAME: &'static str = action::$name;
                const CHANGES: bool = $changes;

                $(
                    fn request_id(&self) -> Option<&str> {
                        self.$id.as_deref()
                    }
                )?
            }
        )*
    };
}

actions! {
    AddRemoteRequest, ADD_REMOTE, RemoteResult, true;
    AlterRequest, ALTER, AlterResult, true, request_id;
    CombineRequest, COMBINE, CombineResult, true, request_id;
    CompactRequest, COMPACT, CompactResult, true;
    ContinuousRequest, CONTINUOUS, ContinuousResult, true;
    CopyRequest, COPY, NewFrame, true;
    DeleteRequest, DELETE, DeleteResult, true;
    DeleteRowsRequest, DELETE_ROWS, DeleteRowsResult, true, request_id;
    DescribeRequest, DESCRIBE, FrameDescription, false;
    DiffRequest, DIFF, FrameDiff, false;
    DropSnapshotRequest, DROP_SNAPSHOT, DropSnapshotResult, true;
    ExpireRequest, EXPIRE, ExpireResult, true;
    FilesRequest, FILES, FilesResult, false;
    ForgetRequest, FORGET, ExpireResult, true;
    LogRequest, LOG, LogResult, false;
    PurgeRequest, PURGE, PurgeResult, true;
    RemotesRequest, REMOTES, RemotesResult, false;
    RemoveRemoteRequest, REMOVE_REMOTE, RemoteResult, true;
    RenameRequest, RENAME, NewFrame, true;
    ResampleRequest, RESAMPLE, ResampleResult, true, request_id;
    RestoreRequest, RESTORE, CommitResult, true, request_id;
    RetentionRequest, RETENTION, RetentionResult, true;
    SnapshotRequest, SNAPSHOT, SnapshotResult, true;
    SnapshotsRequest, SNAPSHOTS, SnapshotsResult, false;
    SweepRequest, SWEEP, SweepResult, true;
    TagRequest, TAG, TagResult, true;
    TagsRequest, TAGS, TagsResult, false;
    UndeleteRequest, UNDELETE, CommitResult, true;
    UntagRequest, UNTAG, UntagResult, true;
    UsageRequest, USAGE, UsageResult, false;
    VerifyRequest, VERIFY, VerifyResult, false;
}

/// A request whose commit says something about itself.
pub trait Noted: Sealed {
    #[doc(hidden)]
    fn message(&mut self) -> &mut Option<String>;
    #[doc(hidden)]
    fn author(&mut self) -> &mut Option<String>;
    #[doc(hidden)]
    fn metadata(&mut self) -> &mut Option<Map<String, Value>>;
}

/// A request that can ask what would be done.
pub trait DryRun: Sealed {
    #[doc(hidden)]
    fn dry_run(&mut self) -> &mut bool;
}

/// A change that can be made safe to repeat.
pub trait Repeatable: Sealed {
    #[doc(hidden)]
    fn id(&mut self) -> &mut Option<String>;
}

macro_rules! fields {
    (Noted: $($request:ident),*) => {
        $(
            impl Noted for $request {
                fn message(&mut self) -> &mut Option<String> {
                    &mut self.message
                }

                fn author(&mut self) -> &mut Option<String> {
                    &mut self.author
                }

                fn metadata(&mut self) -> &mut Option<Map<String, Value>> {
                    &mut self.metadata
                }
            }
        )*
    };
    (DryRun: $($request:ident),*) => {
        $(
            impl DryRun for $request {
                fn dry_run(&mut self) -> &mut bool {
                    &mut self.dry_run
                }
            }
        )*
    };
    (Repeatable: $($request:ident),*) => {
        $(
            impl Repeatable for $request {
                fn id(&mut self) -> &mut Option<String> {
                    &mut self.request_id
                }
            }
        )*
    };
}

fields! {
    Noted: AlterRequest, CombineRequest, CopyRequest, DeleteRequest, DeleteRowsRequest, RenameRequest, ResampleRequest, RestoreRequest, TagRequest,
    UndeleteRequest, UntagRequest
}
fields! { DryRun: CompactRequest, ExpireRequest, ForgetRequest, PurgeRequest, SweepRequest }
fields! { Repeatable: AlterRequest, CombineRequest, DeleteRowsRequest, ResampleRequest, RestoreRequest }
