//! One commit of a history, as it is sent and kept outside of a log.
//!
//! Its line is kept byte for byte, because its hash is the commit's id. What a record says beyond that is about the
//! frame at that commit, and is checked by whoever receives it. What a record can be checked for by itself was checked
//! when it was made: its names are hexadecimal, and its counts are such that sums of them are numbers.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layout;
use crate::log::change::Segment;
use crate::log::commit::{Commit, CommitId, SegmentRecord};
use crate::log::entry::{check_segments, decode_json};
use crate::log::hidden::HiddenRecord;
use crate::time::Timestamp;

/// Commits of upkeep that lie before one at most.
const MAX_LINKS: usize = 65_536;
/// Parents that a commit has at most.
const MAX_PARENTS: usize = 16;
/// Rows of a segment are counted with 32 bits.
const MAX_SEGMENT_ROWS: u64 = u32::MAX as u64;
const MAX_SEGMENT_BYTES: u64 = 1 << 44;
const MAX_ROWS: u64 = 1 << 60;
/// Later times leave no room for the commits that follow: this is in the year 2255.
const LATEST: Timestamp = Timestamp::from_nanoseconds(9_000_000_000_000_000_000);
const ID_DIGITS: usize = 64;

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
        let object = || Path::from(format!("commit {id}"));
        let text =
            std::str::from_utf8(&line).map_err(|_| Error::damaged(object(), "it is not UTF-8"))?;
        let commit: Commit = decode_json(&object(), "record", text)?;
        check_commit(&object(), text, &commit)?;
        if links.len() > MAX_LINKS {
            let problem = format!("more than {MAX_LINKS} commits of upkeep lie before it");
            return Err(Error::damaged(object(), problem));
        }
        check_list(&object(), list.as_deref())?;
        Ok(Self {
            id,
            line,
            commit,
            links,
            list,
        })
    }

    /// The commits of the history that it follows: its parents, or what its links lead to instead of one of them.
    ///
    /// # Errors
    /// If a link is not a commit of upkeep that the one before it follows.
    pub(crate) fn follows(&self) -> Result<Vec<CommitId>> {
        let object = || Path::from(format!("commit {}", self.id));
        let broken = || Error::damaged(object(), "what lies between it and its parent is missing");
        let mut parents = self.commit.parents.clone();
        let mut time = self.commit.time;
        for line in &self.links {
            let id = blake3::hash(line).to_hex().to_string();
            let text = std::str::from_utf8(line).map_err(|_| broken())?;
            let link: Commit = decode_json(&object(), "link", text)?;
            check_commit(&object(), text, &link)?;
            let place = parents.iter().position(|parent| *parent == id);
            let place = place.filter(|_| link.operation.is_upkeep() && link.time < time);
            parents.remove(place.ok_or_else(broken)?);
            parents.extend(link.parents);
            time = link.time;
        }
        Ok(parents)
    }

    /// Where it stands in the order of the history.
    pub(crate) fn place(&self) -> Place {
        Place {
            time: self.commit.time,
            id: self.id.clone(),
        }
    }
}

/// Refuses a commit that cannot be true, or would do harm in a log.
fn check_commit(object: &Path, text: &str, commit: &Commit) -> Result<()> {
    let damaged = |problem: &str| Err(Error::damaged(object, problem));
    if text.contains('\n') {
        return damaged("it is longer than a line");
    }
    let ids = commit.parents.iter();
    if commit.parents.len() > MAX_PARENTS || ids.clone().any(|id| id.len() != ID_DIGITS) {
        return damaged("its parents are no ids of commits");
    }
    for name in ids.chain([&commit.schema]) {
        layout::check_hex(object, name)?;
    }
    check_segments(object, &commit.added, &commit.removed, &commit.hidden)?;
    let added = commit.added.iter();
    let hidden = commit.hidden.iter().map(|hidden| hidden.rows);
    if !added.clone().all(is_sound)
        || hidden.clone().any(|rows| rows > MAX_SEGMENT_ROWS)
        || commit.rows_removed > MAX_ROWS
        || commit.time > LATEST
    {
        return damaged("its counts or its time cannot be true");
    }
    let mut seen = HashSet::new();
    if !added.map(|segment| &segment.id).all(|id| seen.insert(id)) {
        return damaged("it adds a segment twice");
    }
    Ok(())
}

/// Refuses a list of segments that cannot be true.
pub(crate) fn check_list(object: &Path, list: Option<&[Listed]>) -> Result<()> {
    let mut seen = HashSet::new();
    for listed in list.unwrap_or_default() {
        layout::check_hex(object, &listed.schema)?;
        let segment = std::slice::from_ref(&listed.segment);
        let hidden = listed.hidden.as_slice();
        check_segments(object, segment, &[], hidden)?;
        let fits = |hidden: &HiddenRecord| {
            hidden.segment == listed.segment.id && hidden.rows <= listed.segment.rows
        };
        if !is_sound(&listed.segment)
            || !hidden.iter().all(fits)
            || !seen.insert(&listed.segment.id)
        {
            let problem = format!("its list is wrong about segment {}", listed.segment.id);
            return Err(Error::damaged(object, problem));
        }
    }
    Ok(())
}

fn is_sound(segment: &SegmentRecord) -> bool {
    segment.rows <= MAX_SEGMENT_ROWS && segment.bytes <= MAX_SEGMENT_BYTES
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
