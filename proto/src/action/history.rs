//! The actions on a frame's history: `log`, `diff`, `restore`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::as_of::AsOf;
use crate::field;
use crate::name::FrameId;
use crate::request::{Coherent, request};
use crate::time::Time;

/// How many commits a [`LogRequest`] gives if it does not say.
pub const DEFAULT_LOG_LIMIT: u64 = 100;

request! {
    /// Tells the history of a frame, newest first.
    ///
    /// ```
    /// use shoots_proto::action::{LOG, LogRequest};
    /// use shoots_proto::decode;
    ///
    /// let request: LogRequest = decode(LOG, br#"{"name":"weather"}"#)?;
    /// assert_eq!(request.limit(), 100);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct LogRequest (frame) {
        /// The greatest number of commits to tell, at least 1; see [`limit`](Self::limit).
        #[serde(
            default,
            deserialize_with = "field::positive_count",
            skip_serializing_if = "Option::is_none"
        )]
        pub limit: Option<u64>,
        /// Tell only what is newer than this state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub since: Option<AsOf>,
        /// Tell with each version which commits it brought that are no versions here.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub all: bool,
    }
}

impl LogRequest {
    /// Asks for the newest commits of `frame`.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            limit: None,
            since: None,
            all: false,
        }
    }

    /// The greatest number of commits to tell.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.unwrap_or(DEFAULT_LOG_LIMIT)
    }
}

impl Coherent for LogRequest {}

/// The history of a frame, or the newest part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct LogResult {
    /// The commits, newest first.
    pub commits: Vec<CommitRecord>,
    /// Whether older ones were left out because of the limit.
    pub more: bool,
}

/// One change of a frame.
///
/// ```
/// use shoots_proto::action::CommitRecord;
/// use shoots_proto::decode;
///
/// let json = br#"{"version":2,"commit":"9f86","parents":["3fa9"],
///     "published":"2024-01-31T09:30:00.000000001Z","time":"2024-01-31T09:30:00Z",
///     "operation":"append","rows":110,"rows_added":10,"rows_removed":0,"tags":["eod"]}"#;
/// let commit: CommitRecord = decode("commit", json)?;
/// assert!(commit.published > commit.time);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CommitRecord {
    /// The version it got in this store.
    pub version: u64,
    /// Its id, in hexadecimal digits, the same in every store.
    pub commit: String,
    /// The ids of the commits that it follows.
    pub parents: Vec<String>,
    /// When this store published it: what `as_of` with a time means.
    pub published: Time,
    /// When it was made: a hybrid logical time, later than its parents'.
    pub time: Time,
    /// What it did, such as `append`.
    pub operation: String,
    /// How many rows the frame had after it.
    pub rows: u64,
    /// How many rows it added. Of a merge: how many the commits did that it brought.
    pub rows_added: u64,
    /// How many rows it removed. Of a merge: as many as that there are [`rows`](Self::rows) after it, whichever side's
    /// changes they fell to.
    pub rows_removed: u64,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Facts that it carries for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The tags of its version.
    pub tags: Vec<String>,
    /// Whether its version cannot be read any more: it has expired, or was forgotten or purged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// The commits that came with it and are no versions here, newest first: the other side of a merge, or what lies
    /// before a history that was cloned in part. Only if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brings: Vec<BroughtCommit>,
}

/// A commit of a frame's history that is no version in this store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct BroughtCommit {
    /// Its id, in hexadecimal digits, the same in every store.
    pub commit: String,
    /// The ids of the commits that it follows.
    pub parents: Vec<String>,
    /// When it was made: a hybrid logical time, later than its parents'.
    pub time: Time,
    /// What it did, such as `append`.
    pub operation: String,
    /// How many rows it added where it was made.
    pub rows_added: u64,
    /// How many rows it removed where it was made.
    pub rows_removed: u64,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Facts that it carries for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Whether its rows had expired where it came from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

request! {
    /// Compares two states of a frame.
    #[derive(Eq)]
    pub struct DiffRequest (frame) {
        /// The state to start from.
        pub from: AsOf,
        /// The state to arrive at; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub to: Option<AsOf>,
    }
}

impl Coherent for DiffRequest {}

/// What leads from one state of a frame to another.
///
/// The rows themselves come from a get whose ticket has a [`DiffRange`](crate::DiffRange).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FrameDiff {
    /// The state to start from.
    pub from: VersionSummary,
    /// The state to arrive at.
    pub to: VersionSummary,
    /// How many rows only the second has.
    pub rows_added: u64,
    /// How many rows only the first has.
    pub rows_removed: u64,
    /// The columns that only the second has.
    pub columns_added: Vec<ColumnType>,
    /// The columns that only the first has.
    pub columns_dropped: Vec<ColumnType>,
    /// The columns that both have under different names.
    pub columns_renamed: Vec<ColumnRename>,
    /// The columns whose types differ, under the names that they have in the second.
    pub columns_changed: Vec<ColumnChange>,
}

/// A state in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct VersionSummary {
    /// The version; none: it is the state after a commit that is no version here, as a fetch or a merge brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
    /// When the version was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Time>,
    /// How many rows it has.
    pub rows: u64,
}

/// A column and its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ColumnType {
    /// The column's name.
    pub name: String,
    /// Its type, as text.
    pub r#type: String,
}

/// A column that has another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ColumnRename {
    /// What it was called.
    pub from: String,
    /// What it is called.
    pub to: String,
}

/// A column that has another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ColumnChange {
    /// The column's name.
    pub name: String,
    /// The type it had, as text.
    pub from: String,
    /// The type it has, as text.
    pub to: String,
}

request! {
    /// Makes an older version the newest: a commit after which the frame is as it was.
    ///
    /// ```
    /// use shoots_proto::action::{RESTORE, RestoreRequest};
    /// use shoots_proto::{AsOf, decode};
    ///
    /// let json = br#"{"name":"weather","as_of":{"tag":"eod"},"message":"undo the bad feed"}"#;
    /// let request: RestoreRequest = decode(RESTORE, json)?;
    /// assert_eq!(request.as_of, AsOf::Tag("eod".to_owned()));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct RestoreRequest (frame, note) {
        /// The state to go back to.
        pub as_of: AsOf,
        /// Names this change, in 1 to 128 bytes: a second one of the same frame under the same id is
        /// not applied again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
    }
}

impl RestoreRequest {
    /// Makes `as_of` the newest state of `frame`, with nothing to say about it.
    #[must_use]
    pub fn new(frame: FrameId, as_of: AsOf) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            as_of,
            request_id: None,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for RestoreRequest {}

/// What a change of a frame led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CommitResult {
    /// The version it got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
    /// How many rows the frame has after it.
    pub rows: u64,
}
