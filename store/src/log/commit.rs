//! What an entry publishes: commits, and the state that they lead to.
//!
//! These types are the records themselves, as JSON. A field that is not known here is refused when it is read:
//! adding one takes a feature name in the header, see [`super::entry`]. No record holds the name of its frame
//! or bucket, so frames can be copied, renamed and sent elsewhere as they are.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::time::Timestamp;

/// How many puts with a request id a frame remembers, the newest ones.
pub(crate) const REMEMBERED_REQUESTS: usize = 128;

/// Lower-case hexadecimal BLAKE3 hash of a commit's stored line: the same in every store.
pub(crate) type CommitId = String;

/// One change of a frame, immutable, the same in every store that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    /// The commits that this one follows; none for a frame's first.
    pub(crate) parents: Vec<CommitId>,
    /// Hybrid logical time: later than every parent's.
    pub(crate) time: Timestamp,
    /// Recognises this very write when a reply was lost.
    pub(crate) write_id: String,
    pub(crate) operation: Operation,
    /// Hash of the schema of the frame after this commit.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<SegmentRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// What a commit does to the frame's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// The frame begins, or begins again after it was deleted, with the added rows.
    Create,
    /// The frame begins with the rows of a plain file that had its name.
    Adopt,
    /// The added rows follow the present ones.
    Append,
    /// The added rows take the place of all present ones.
    Replace,
    /// The frame is gone until it is created again or undeleted.
    Delete,
    /// The frame is back as it was before it was deleted.
    Undelete,
}

impl Operation {
    /// Whether the rows before this operation are no part of the frame after it.
    pub(crate) fn clears(self) -> bool {
        match self {
            Self::Create | Self::Adopt | Self::Replace => true,
            Self::Append | Self::Delete | Self::Undelete => false,
        }
    }
}

/// An immutable Parquet file with rows of the frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentRecord {
    /// Its unique name: `segments/<id>.parquet`.
    pub(crate) id: String,
    pub(crate) rows: u64,
    /// Size of the file in bytes.
    pub(crate) bytes: u64,
    /// BLAKE3 hash of the file in lower-case hexadecimal.
    pub(crate) hash: String,
    /// What the end of the file must be; `None`: a file without checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) footer: Option<FooterRecord>,
}

/// The end of a segment's file: the checksums of all blocks before it, and Parquet's footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FooterRecord {
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// BLAKE3 hash of these bytes in lower-case hexadecimal.
    pub(crate) hash: String,
}

/// A commit's effect on the list of segments, under the version it got here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) version: u64,
    /// The schema that the added segments were written with.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) clears: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<SegmentRecord>,
}

impl Change {
    pub(crate) fn of(version: u64, commit: &Commit) -> Self {
        Self {
            version,
            schema: commit.schema.clone(),
            clears: commit.operation.clears(),
            added: commit.added.clone(),
        }
    }

    /// Whether the list of segments is another after it.
    pub(crate) fn matters(&self) -> bool {
        self.clears || !self.added.is_empty()
    }
}

/// All that a reader must know after an entry, but for the segments of its own commits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Hash of the frame's schema: `schemas/<hash>.arrow`.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) segments: u64,
    /// Columns that the rows are sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) index: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, u64>,
    /// The latest puts that carried a request id, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) requests: VecDeque<Request>,
    /// The segments up to some version: `checkpoints/<hash>.json`. None: there were none, or all are cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
    /// The changes after the checkpoint and before this entry's own commits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tail: Vec<Change>,
}

impl State {
    /// What became of an earlier put with this [`Request::key`].
    pub(crate) fn answered(&self, key: &str) -> Option<Published> {
        let mut requests = self.requests.iter();
        let request = requests.find(|request| request.id == key)?;
        Some(Published {
            version: request.version,
            commit: request.commit.clone(),
            rows: request.rows,
            bytes: request.bytes,
            began: false,
        })
    }
}

/// What a change has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version that the change got.
    pub version: u64,
    /// Its commit's id: 64 hexadecimal digits.
    pub commit: String,
    /// Rows that it added.
    pub rows: u64,
    /// Bytes of the segments that it added.
    pub bytes: u64,
    /// Whether there was no such frame before; settled, and reset, by `put::submit`.
    pub(crate) began: bool,
}

/// A put that carried a request id, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The first 32 hexadecimal digits of the BLAKE3 hash of the caller's id.
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) commit: CommitId,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Request {
    /// What a caller's request id is remembered by.
    pub(crate) fn key(request_id: &str) -> String {
        blake3::hash(request_id.as_bytes()).to_hex()[..32].to_owned()
    }
}
