//! One commit of a history, as it is sent and kept outside of a log.
//!
//! Its line is kept byte for byte, because its hash is the commit's id. What a record says beyond that is about the
//! frame at that commit, and is checked by whoever receives it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::log::change::Segment;
use crate::log::commit::{Commit, CommitId, SegmentRecord};
use crate::log::entry::decode_json;
use crate::log::hidden::HiddenRecord;
use crate::time::Timestamp;

/// A commit of a history.
///
/// Serialised, it is one JSON object with its line as a text, so nothing between two stores can change its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "super::line::RecordLine", into = "super::line::RecordLine")]
pub struct Record {
    pub(crate) id: CommitId,
    /// Its bytes as they stand in the log, without the line feed.
    pub(crate) line: Bytes,
    pub(crate) commit: Commit,
    /// Lines of commits of upkeep that lie between it and the commit of the history that it follows, newest first: older
    /// programs let every commit follow the one before it.
    pub(crate) links: Vec<Bytes>,
    /// All segments of the frame after it, where the commit alone does not say that.
    pub(crate) list: Option<Vec<Listed>>,
}

/// A segment as a record lists it: its object, the schema that it was written with, and which of its rows are invisible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    pub(crate) segment: SegmentRecord,
    /// The hash of the schema that it was written with.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hidden: Option<HiddenRecord>,
}

/// How commits of a history are ordered: by time, and those of one time by id. Parents come before their children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) time: Timestamp,
    pub(crate) id: CommitId,
}

impl Record {
    /// The commit with these bytes.
    pub(crate) fn new(line: Bytes, links: Vec<Bytes>, list: Option<Vec<Listed>>) -> Result<Self> {
        let id = blake3::hash(&line).to_hex().to_string();
        let object = || object_store::path::Path::from(format!("commit {id}"));
        let text =
            std::str::from_utf8(&line).map_err(|_| Error::damaged(object(), "it is not UTF-8"))?;
        let commit = decode_json(&object(), "record", text)?;
        Ok(Self {
            id,
            line,
            commit,
            links,
            list,
        })
    }

    /// Where it stands in the order of the history.
    pub(crate) fn place(&self) -> Place {
        Place {
            time: self.commit.time,
            id: self.id.clone(),
        }
    }
}

impl Listed {
    /// What a record says of a segment.
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            segment: segment.record.clone(),
            schema: segment.schema.to_string(),
            hidden: segment.hidden.as_deref().cloned(),
        }
    }

    /// The segment, as one of the frame from `version` on.
    pub(crate) fn at(self, version: u64) -> Segment {
        Segment {
            record: self.segment,
            schema: self.schema.into(),
            version,
            hidden: self.hidden.map(Arc::new),
        }
    }
}
