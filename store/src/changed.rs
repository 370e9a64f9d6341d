//! What changed between two versions of a frame: ranges of its first index column.
//!
//! The answer comes from the log alone, and no row is read. Each commit in between says what it did: added segments
//! carry the range of their keys, updates and deletions the range that they were given. Where a commit says less
//! (a condition, a restored version, a merge), the segments before and after it are compared, and a segment counts as changed
//! as a whole. So the ranges are never too small, but may be larger than what changed. A compaction changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use futures::TryStreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::index::{KeyRange, KeyValue, Span};
use crate::log::change::Segment;
use crate::log::commit::{Commit, Operation};
use crate::log::entry::Entry;
use crate::snapshot::Snapshot;

/// Where the rows of two versions differ.
#[derive(Debug, Clone)]
pub enum Changed {
    /// Nowhere.
    Nothing,
    /// At most in these ranges of the first index column, in no particular order.
    Ranges(Vec<ChangedRange>),
    /// Perhaps anywhere, or the older version is not known any more, or columns or index differ.
    Everything,
}

/// Values of the first index column from one to another, both included; without a bound it is open on that side.
#[derive(Debug, Clone)]
pub struct ChangedRange {
    /// An array of one value, of the column's type.
    pub least: Option<ArrayRef>,
    /// An array of one value, of the column's type.
    pub greatest: Option<ArrayRef>,
}

impl Snapshot {
    /// What changed since the version `version` of the same frame, whose commit was `commit`.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn changed_since(&self, version: u64, commit: &str) -> Result<Changed> {
        match self.changes(version, commit).await {
            // What the older version needs was given up meanwhile.
            Err(error) if error.is_missing() || error.kind() == ErrorKind::NotFound => {
                Ok(Changed::Everything)
            }
            changed => changed,
        }
    }

    async fn changes(&self, since: u64, id: &str) -> Result<Changed> {
        let (Some((head, newest)), Some(version)) = (self.place(), self.version()) else {
            return Ok(Changed::Everything);
        };
        if since > version {
            return Ok(Changed::Everything);
        }
        let schema = self.schema();
        let column = newest.index.first();
        let Some(data_type) =
            column.and_then(|c| Some(schema.field_with_name(c).ok()?.data_type()))
        else {
            return self.changes_without_index(since, id).await;
        };
        let mut ranges = Ranges::of(data_type);
        let log = self.log();
        let wanted = usize::try_from(version - since).unwrap_or(usize::MAX);
        let mut entries = log.reader().walk_back(Arc::clone(head), wanted);
        while let Some(entry) = entries.try_next().await? {
            for (of, own_id, commit) in entry.versions().collect::<Vec<_>>().into_iter().rev() {
                if of > version {
                    continue;
                }
                if of == since {
                    return Ok(match own_id == id && same_shape(commit, newest) {
                        true => ranges.changed(),
                        false => Changed::Everything,
                    });
                }
                if !same_shape(commit, newest) {
                    return Ok(Changed::Everything);
                }
                let own = entry.own_at(of);
                match touched(commit, own.is_some_and(|own| own.unapplied)) {
                    Touched::Nothing => {}
                    Touched::Added(span) => {
                        ranges.add_span(span)?;
                        for added in &commit.added {
                            ranges.add_keys(added.range.as_ref(), added.rows)?;
                        }
                    }
                    Touched::Segments => {
                        let before = segments_at(log, head, of - 1).await?;
                        let after = entry.list_through(of);
                        let after = log.checkpoints().segments(after).await?;
                        for segment in different(&before, &after) {
                            ranges.add_keys(segment.record.range.as_ref(), segment.record.rows)?;
                        }
                    }
                    Touched::Everything => return Ok(Changed::Everything),
                }
            }
        }
        Ok(Changed::Everything)
    }

    /// Without an index there are no ranges, but there may be no change.
    async fn changes_without_index(&self, since: u64, id: &str) -> Result<Changed> {
        let (Some((head, newest)), Some(version)) = (self.place(), self.version()) else {
            return Ok(Changed::Everything);
        };
        let wanted = usize::try_from(version - since).unwrap_or(usize::MAX);
        let mut entries = self.log().reader().walk_back(Arc::clone(head), wanted);
        while let Some(entry) = entries.try_next().await? {
            for (of, own_id, commit) in entry.versions().collect::<Vec<_>>().into_iter().rev() {
                if of == since && own_id == id && same_shape(commit, newest) {
                    return Ok(Changed::Nothing);
                }
                if of <= since || (of <= version && !commit.operation.is_upkeep()) {
                    return Ok(Changed::Everything);
                }
            }
        }
        Ok(Changed::Everything)
    }
}

/// Whether the rows of two commits have the same columns and the same index.
fn same_shape(one: &Commit, other: &Commit) -> bool {
    one.schema == other.schema && one.index == other.index
}

/// Where the rows of a commit differ from those before it.
enum Touched<'a> {
    Nothing,
    /// In the ranges of the added segments, and in a span.
    Added(Option<&'a Span>),
    /// In segments that have to be compared.
    Segments,
    Everything,
}

/// `unapplied`: what the commit says of segments is not how they came to be what they are.
fn touched(commit: &Commit, unapplied: bool) -> Touched<'_> {
    let details = commit.details.as_ref();
    let span = details.and_then(|details| details.span.as_ref());
    match commit.operation {
        operation if operation.is_upkeep() => Touched::Nothing,
        Operation::Merge => Touched::Segments,
        Operation::Append | Operation::Update | Operation::Upsert | Operation::DeleteRows
            if unapplied =>
        {
            Touched::Segments
        }
        // Those that give way to others have the keys of the others.
        Operation::Append | Operation::Upsert => Touched::Added(None),
        Operation::Update if details.is_some_and(|details| details.keys) => Touched::Added(None),
        Operation::Update if span.is_some() => Touched::Added(span),
        Operation::Update if commit.removed.is_empty() && commit.hidden.is_empty() => {
            Touched::Added(None)
        }
        Operation::DeleteRows if span.is_some() => Touched::Added(span),
        Operation::Update | Operation::DeleteRows | Operation::Restore => Touched::Segments,
        _ => Touched::Everything,
    }
}

/// The segments at a version, whether users may still read it or not.
async fn segments_at(log: &FrameLog, head: &Arc<Entry>, version: u64) -> Result<Vec<Segment>> {
    if !head.state.keeps(version) {
        return Err(log.not_found());
    }
    let entry = log.reader().locate(Arc::clone(head), version).await?;
    let list = entry.list_through(version);
    log.checkpoints().segments(list).await
}

/// The segments that one list has and the other has not, or has with other invisible rows.
fn different<'a>(before: &'a [Segment], after: &'a [Segment]) -> Vec<&'a Segment> {
    let by_id = |segments: &'a [Segment]| -> HashMap<&'a str, &'a Segment> {
        let pairs = segments.iter().map(|s| (s.record.id.as_str(), s));
        pairs.collect()
    };
    let (old, new) = (by_id(before), by_id(after));
    let gone = before
        .iter()
        .filter(|segment| !new.contains_key(segment.record.id.as_str()));
    let come = after.iter().filter(|segment| {
        old.get(segment.record.id.as_str())
            .is_none_or(|old| old.hidden != segment.hidden)
    });
    gone.chain(come).collect()
}

/// Ranges, as they are found.
struct Ranges<'a> {
    data_type: &'a DataType,
    ranges: Vec<ChangedRange>,
}

impl<'a> Ranges<'a> {
    fn of(data_type: &'a DataType) -> Self {
        Self {
            data_type,
            ranges: Vec::new(),
        }
    }

    /// A value as an array; none if it was cut, so that the range is open there.
    fn array(&self, value: Option<&KeyValue>) -> Result<Option<ArrayRef>> {
        let Some(value) = value else {
            return Ok(None);
        };
        let array = value.to_array(self.data_type);
        array.map_err(|error| Error::invalid("index", error.to_string()))
    }

    fn add(&mut self, least: Option<&KeyValue>, greatest: Option<&KeyValue>) -> Result<()> {
        let range = ChangedRange {
            least: self.array(least)?,
            greatest: self.array(greatest)?,
        };
        self.ranges.push(range);
        Ok(())
    }

    fn add_span(&mut self, span: Option<&Span>) -> Result<()> {
        match span {
            Some(span) => {
                let (start, stop) = span.bounds();
                self.add(start, stop)
            }
            None => Ok(()),
        }
    }

    /// Adds the range of so many rows; nobody knows where they lie if there is none.
    fn add_keys(&mut self, range: Option<&KeyRange>, rows: u64) -> Result<()> {
        match range {
            Some(range) => self.add(range.min.first(), range.max.first()),
            None if rows == 0 => Ok(()),
            None => self.add(None, None),
        }
    }

    fn changed(self) -> Changed {
        match self.ranges.is_empty() {
            true => Changed::Nothing,
            false => Changed::Ranges(self.ranges),
        }
    }
}

#[cfg(test)]
mod tests;
