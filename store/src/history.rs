//! What was done to a frame, in a form for readers.

use serde_json::{Map, Value};

use crate::log::entry::Entry;
use crate::time::Timestamp;

/// One change of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// The version it got in this store.
    pub version: u64,
    /// Its commit's id, the same in every store: 64 hexadecimal digits.
    pub commit: String,
    /// The ids of the commits that it follows.
    pub parents: Vec<String>,
    /// When this store published it.
    pub published: Timestamp,
    /// When it was made: a hybrid logical time, later than its parents'.
    pub time: Timestamp,
    /// `create`, `adopt`, `append`, `replace`, `delete` or `undelete`.
    pub operation: &'static str,
    /// Rows that it added.
    pub rows_added: u64,
    /// Who made it.
    pub author: Option<String>,
    /// What it is about.
    pub message: Option<String>,
    /// What else was kept with it.
    pub metadata: Option<Map<String, Value>>,
}

impl LogRecord {
    /// The changes that an entry published, oldest first.
    pub(crate) fn of_entry(entry: &Entry) -> Vec<Self> {
        let record = |(version, id, commit): (u64, &String, &crate::log::commit::Commit)| Self {
            version,
            commit: id.clone(),
            parents: commit.parents.clone(),
            published: entry.header.published,
            time: commit.time,
            operation: commit.operation.name(),
            rows_added: commit.added.iter().map(|segment| segment.rows).sum(),
            author: commit.author.clone(),
            message: commit.message.clone(),
            metadata: commit.metadata.clone(),
        };
        entry.versions().map(record).collect()
    }
}
