//! What each action needs.
//!
//! Who may do what to which bucket is looked at where the store is reached; this table says which actions are an
//! admin's alone, and is what the documentation and its test are about. An action that is not in it is refused.

use shoots_proto::action::{
    ADD_REMOTE, ALTER, BUCKETS, CANCEL, CLONE, COMBINE, COMPACT, CONTINUOUS, COPY, DELETE,
    DELETE_BUCKET, DELETE_ROWS, DESCRIBE, DIFF, DROP_SNAPSHOT, EXPIRE, FETCH, FILES, FORGET, LOG,
    MERGE, PING, PULL, PURGE, PUSH, REMOTES, REMOVE_REMOTE, RENAME, RESAMPLE, RESTORE, RETENTION,
    SHUTDOWN, SNAPSHOT, SNAPSHOTS, SWEEP, SYNC_FRAMES, SYNC_HAVE, SYNC_HEAD, SYNC_HISTORY,
    SYNC_LIST, SYNC_READ, TAG, TAGS, UNDELETE, UNTAG, USAGE, VERIFY,
};

/// What is needed, beside a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Token,
    /// Nothing; only what may be read is told.
    Listing,
    /// The right to read every frame that is named.
    Read,
    /// The right to write to every frame that is named.
    Write,
    /// The right to read the sources, and to write to the target.
    ReadAndWrite,
    /// All rights.
    Admin,
}

/// Every action, with what it needs at most.
pub(crate) const NEEDS: &[(&str, Need)] = &[
    (ADD_REMOTE, Need::Admin),
    (ALTER, Need::Write),
    (BUCKETS, Need::Listing),
    (CANCEL, Need::Token),
    (CLONE, Need::Admin),
    (COMBINE, Need::ReadAndWrite),
    (COMPACT, Need::Write),
    (CONTINUOUS, Need::Read),
    (COPY, Need::ReadAndWrite),
    (DELETE, Need::Write),
    (DELETE_BUCKET, Need::Write),
    (DELETE_ROWS, Need::Write),
    (DESCRIBE, Need::Read),
    (DIFF, Need::Read),
    (DROP_SNAPSHOT, Need::Write),
    (EXPIRE, Need::Write),
    (FETCH, Need::Admin),
    (FILES, Need::Read),
    (FORGET, Need::Admin),
    (LOG, Need::Read),
    (MERGE, Need::Admin),
    (PING, Need::Token),
    (PULL, Need::Admin),
    (PURGE, Need::Admin),
    (PUSH, Need::Admin),
    (REMOTES, Need::Admin),
    (REMOVE_REMOTE, Need::Admin),
    (RENAME, Need::Write),
    (RESAMPLE, Need::ReadAndWrite),
    (RESTORE, Need::Write),
    (RETENTION, Need::Read),
    (SHUTDOWN, Need::Admin),
    (SNAPSHOT, Need::Write),
    (SNAPSHOTS, Need::Listing),
    (SWEEP, Need::Admin),
    (SYNC_FRAMES, Need::Read),
    (SYNC_HAVE, Need::Read),
    (SYNC_HEAD, Need::Read),
    (SYNC_HISTORY, Need::Read),
    (SYNC_LIST, Need::Read),
    (SYNC_READ, Need::Read),
    (TAG, Need::Write),
    (TAGS, Need::Read),
    (UNDELETE, Need::Write),
    (UNTAG, Need::Write),
    (USAGE, Need::Read),
    (VERIFY, Need::Admin),
];

/// What an action needs; `None` is refused.
pub(crate) fn need(action: &str) -> Option<Need> {
    let found = NEEDS.iter().find(|(name, _)| *name == action);
    found.map(|(_, need)| *need)
}
