//! The actions that let histories travel: remotes, what moves frames between them and here, and what servers say to
//! each other.
//!
//! [`remotes`] are named in a store or in a server's settings. The [`verbs`] `clone`, `fetch`, `pull`, `push` and
//! `merge` are for people and programs; each answers with its progress, and last with what was done. The calls between
//! servers, [`peer`], are what another store needs to be one end of a transfer.

pub mod answer;
pub mod peer;
pub mod remotes;
pub mod verbs;

pub use answer::{SyncAnswer, SyncOutcome, SyncProgress, SyncResult, SyncedFrame};
pub use peer::{
    SyncFramesRequest, SyncFramesResult, SyncHaveRequest, SyncHaveResult, SyncHeadRequest,
    SyncHistoryRequest, SyncListRequest, SyncObject, SyncObjectKind, SyncPublishCommand,
    SyncReadRequest, SyncWriteCommand, SyncWriteResult,
};
pub use remotes::{
    AddRemoteRequest, RemoteRecord, RemoteResult, RemotesRequest, RemotesResult,
    RemoveRemoteRequest, TrackedFrame,
};
pub use verbs::{
    CloneRequest, Favour, FetchRequest, FrameSelection, MergeRequest, PullRequest, PushRequest,
};

/// The action that names another place which keeps frames: [`AddRemoteRequest`] → [`RemoteResult`].
pub const ADD_REMOTE: &str = "add_remote";
/// The action that brings frames here which are not here: [`CloneRequest`] → [`SyncAnswer`]s.
pub const CLONE: &str = "clone";
/// The action that brings the history of frames here without changing them: [`FetchRequest`] → [`SyncAnswer`]s.
pub const FETCH: &str = "fetch";
/// The action that settles histories that went apart: [`MergeRequest`] → [`SyncAnswer`]s.
pub const MERGE: &str = "merge";
/// The action that brings what is new elsewhere into frames: [`PullRequest`] → [`SyncAnswer`]s.
pub const PULL: &str = "pull";
/// The action that brings what is new here to another place: [`PushRequest`] → [`SyncAnswer`]s.
pub const PUSH: &str = "push";
/// The action that lists remotes: [`RemotesRequest`] → [`RemotesResult`].
pub const REMOTES: &str = "remotes";
/// The action that forgets a remote: [`RemoveRemoteRequest`] → [`RemoteResult`].
pub const REMOVE_REMOTE: &str = "remove_remote";
/// The call by which a server is asked for its frames: [`SyncFramesRequest`] → [`SyncFramesResult`].
pub const SYNC_FRAMES: &str = "sync_frames";
/// The call by which a server is asked which objects of a frame it has: [`SyncHaveRequest`] → [`SyncHaveResult`].
pub const SYNC_HAVE: &str = "sync_have";
/// The call by which a server is asked where a frame's history ends: [`SyncHeadRequest`] → what it ends with, or `null`.
pub const SYNC_HEAD: &str = "sync_head";
/// The call by which a server is asked for a frame's history: [`SyncHistoryRequest`] → records, newest first.
pub const SYNC_HISTORY: &str = "sync_history";
/// The call by which a server is asked for all segments of a state: [`SyncListRequest`] → a list of them, or `null`.
pub const SYNC_LIST: &str = "sync_list";
/// The call by which a server is asked for an object: [`SyncReadRequest`] → its bytes.
pub const SYNC_READ: &str = "sync_read";
