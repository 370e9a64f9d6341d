//! What the versions of a frame need that can still be read, and whether its log is without gaps.
//!
//! The list of segments of a version is the one of the version before it and what its commit says. So of a run of kept versions
//! only the first one's list is read whole, and of the others what they added: what is needed is known at the cost of the log,
//! not of the log times the segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::PARALLEL_READS;
use super::findings::{Checked, Findings};
use crate::environment::SystemEnvironment;
use crate::error::{Error, Result};
use crate::lineage::record::Record;
use crate::log::change::Change;
use crate::log::checkpoint::{CheckpointWeight, Checkpoints};
use crate::log::commit::{Commit, SegmentRecord, State};
use crate::log::entry::Entry;
use crate::log::head::LogReader;
use crate::log::hidden::{HiddenRecord, Vector};
use crate::log::tip::Tip;

/// Memory for checkpoints while the lists of a frame are put together.
const CHECKPOINT_BYTES: u64 = 4 << 20;
/// How many entries of a gap in the log are looked for.
const GAP: usize = 1000;

/// What must be there.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Entries of the log.
    pub(super) entries: BTreeSet<u64>,
    pub(super) segments: BTreeMap<String, SegmentRecord>,
    /// Deletion vectors, and how many rows they hide.
    pub(super) vectors: BTreeMap<String, (Vector, u64)>,
    pub(super) schemas: BTreeSet<String>,
    /// Those that lists begin with; what they refer to is needed, too.
    pub(super) checkpoints: BTreeSet<String>,
    /// Bundles of commits, and whether what those name is needed, too.
    pub(super) histories: BTreeMap<String, bool>,
    /// Something could not be read, so there may be more.
    pub(super) unknown: bool,
}

impl Needed {
    fn segment(&mut self, record: &SegmentRecord, schema: &str) {
        self.segments
            .entry(record.id.clone())
            .or_insert_with(|| record.clone());
        self.schema(schema);
    }

    fn schema(&mut self, schema: &str) {
        if !self.schemas.contains(schema) {
            self.schemas.insert(schema.to_owned());
        }
    }

    fn history(&mut self, hash: &str, with_objects: bool) {
        *self.histories.entry(hash.to_owned()).or_default() |= with_objects;
    }

    /// Adds what a commit names that is kept without being a version.
    pub(super) fn record(&mut self, record: &Record) {
        let commit = &record.commit;
        self.schema(&commit.schema);
        for added in &commit.added {
            self.segment(added, &commit.schema);
        }
        commit.hidden.iter().for_each(|own| self.hidden(own));
        self.list(record);
    }

    /// Adds the list that comes with a commit.
    pub(super) fn list(&mut self, record: &Record) {
        for listed in record.list.iter().flatten() {
            self.segment(&listed.segment, &listed.schema);
            listed.hidden.iter().for_each(|own| self.hidden(own));
        }
    }

    fn hidden(&mut self, hidden: &HiddenRecord) {
        if let Some(vector) = &hidden.vector {
            let known = (vector.clone(), hidden.rows);
            self.vectors.insert(vector.id.clone(), known);
        }
    }
}

/// Walks through a log.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    reader: &'a LogReader,
    checkpoints: Checkpoints,
    state: &'a State,
    needed: Needed,
    /// The entry before the next one, if it could be read.
    before: Option<Arc<Entry>>,
    /// Whether all that the version before the next one needs is in `needed`.
    complete: bool,
}

impl<'a> Walk<'a> {
    /// A walk through the log that `reader` reads, of which `state` says what is kept.
    pub(super) fn new(reader: &'a LogReader, state: &'a State) -> Self {
        let cache = quick_cache::sync::Cache::with_weighter(64, CHECKPOINT_BYTES, CheckpointWeight);
        let (objects, paths) = (reader.objects.clone(), reader.paths.clone());
        let mut needed = Needed::default();
        for tracking in state.tracking.values() {
            let hashes = tracking.history.iter();
            hashes.for_each(|hash| needed.history(hash, true));
        }
        Self {
            reader,
            checkpoints: Checkpoints::new(
                objects,
                paths,
                Arc::new(cache),
                Arc::new(SystemEnvironment::default()),
            ),
            state,
            needed,
            before: None,
            complete: false,
        }
    }

    /// Reads all entries that are kept up to `last`, and tells what they need. Those of `listed` are there.
    pub(super) async fn run(
        mut self,
        last: u64,
        listed: &BTreeSet<u64>,
        findings: &mut Findings,
    ) -> Result<Needed> {
        let first = self.state.retained.first_entry.max(1);
        let older = self.state.marks().map(|mark| mark.sequence);
        let older: BTreeSet<u64> = older.filter(|sequence| *sequence < first).collect();
        let reader = self.reader;
        let mut entries = stream::iter(older.into_iter().chain(expected(first, last, listed)))
            .map(|sequence| async move { (sequence, reader.entry(sequence).await) })
            .buffered(PARALLEL_READS);
        while let Some((sequence, read)) = entries.next().await {
            self.needed.entries.insert(sequence);
            let path = reader.paths.entry(sequence);
            let checked = match &read {
                Ok(None) => Checked::Missing,
                Ok(Some(entry)) => Checked::Sound(entry.encoded_bytes as u64),
                Err(error) => Checked::after(0, Err::<(), Error>(error.clone()))?,
            };
            findings.note(&path, checked);
            match read {
                Ok(Some(entry)) => {
                    if let Some(problem) = self.contradiction(&entry) {
                        findings.contradiction(&path, problem);
                    }
                    self.entry(entry).await?;
                }
                Ok(None) | Err(_) => {
                    self.needed.unknown = true;
                    self.before = None;
                }
            }
        }
        Ok(self.needed)
    }

    /// What does not follow from the entry before it.
    fn contradiction(&self, entry: &Entry) -> Option<&'static str> {
        let header = &entry.header;
        let before = self.before.as_ref();
        let before = before.filter(|before| before.header.sequence + 1 == header.sequence);
        let version = match before {
            Some(before) => before.last_version() + 1,
            None if header.sequence == 1 => 1,
            None => header.first_version,
        };
        if header.first_version != version {
            return Some("its versions do not follow those of the entry before it");
        }
        if before.is_some_and(|before| before.header.published >= header.published) {
            return Some("it was published before the entry before it");
        }
        let mut tip = before.and_then(|before| before.tip());
        let mut known = before.is_some_and(|before| before.knows_tip());
        let mut last = before.and_then(|before| before.last_commit());
        for (version, id, commit) in entry.versions() {
            let foreign = entry.own_at(version).is_some_and(|own| own.foreign);
            let after_tip = commit.parents.iter().eq(tip.iter().map(|tip| &tip.commit));
            // Older programs let every commit follow the one before it, upkeep or not.
            let after_last = last.is_some_and(|(last, _)| commit.parents.contains(last));
            if known && !foreign && !after_tip && !after_last {
                return Some("one of its commits does not follow the one before it");
            }
            tip = Tip::after(tip, id, commit, version, header.sequence);
            known |= !commit.operation.is_upkeep();
            last = entry.commit_at(version);
        }
        None
    }

    async fn entry(&mut self, entry: Arc<Entry>) -> Result<()> {
        let sequence = entry.header.sequence;
        let before = self.before.as_ref().map(|before| before.header.sequence);
        self.complete &= before == Some(sequence - 1);
        for (place, (version, _, commit)) in entry.versions().enumerate() {
            let kept = self.state.keeps(version);
            for hash in entry.own_at(version).iter().flat_map(|own| &own.history) {
                self.needed.history(hash, kept);
            }
            if kept {
                self.version(&entry, version, commit, place).await?;
            }
            self.complete = kept;
        }
        self.before = Some(entry);
        Ok(())
    }

    async fn version(
        &mut self,
        entry: &Entry,
        version: u64,
        commit: &Commit,
        place: usize,
    ) -> Result<()> {
        self.needed.schema(&commit.schema);
        let list = entry.list_through(version);
        if let Some(checkpoint) = &list.checkpoint {
            self.needed.checkpoints.insert(checkpoint.clone());
        }
        let change = Change::of(version, commit, entry.state.own.get(place));
        if self.complete && change.base.is_none() {
            for record in &change.added {
                self.needed.segment(record, &change.schema);
            }
            change.hidden.iter().for_each(|own| self.needed.hidden(own));
            return Ok(());
        }
        match self.checkpoints.segments(list).await {
            Ok(segments) => {
                for segment in segments {
                    self.needed.segment(&segment.record, &segment.schema);
                    segment
                        .hidden
                        .iter()
                        .for_each(|own| self.needed.hidden(own));
                }
            }
            Err(error) if error.is_of_the_storage() => return Err(error),
            // Which checkpoint it is, the look at each of them tells.
            Err(_) => self.needed.unknown = true,
        }
        Ok(())
    }
}

/// The numbers from `first` to `last` at which an entry should be: those that are listed, and the ones between them. An
/// object that is no entry can have the name of any, however far ahead; so of a long gap only the beginning counts.
fn expected(first: u64, last: u64, listed: &BTreeSet<u64>) -> impl Iterator<Item = u64> {
    let mut there: BTreeSet<u64> = listed
        .iter()
        .copied()
        .filter(|number| (first..=last).contains(number))
        .collect();
    if first <= last {
        there.insert(last);
    }
    let mut next = first;
    there.into_iter().flat_map(move |number| {
        let gap = next..number;
        next = number.saturating_add(1);
        gap.take(GAP).chain([number])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(first: u64, last: u64, listed: &[u64]) -> Vec<u64> {
        expected(first, last, &listed.iter().copied().collect()).collect()
    }

    #[test]
    fn entries_are_expected_where_they_are_listed_and_between() {
        assert_eq!(between(1, 3, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(between(2, 6, &[1, 3, 5, 9]), [2, 3, 4, 5, 6]);
        assert_eq!(between(1, 2, &[]), [1, 2]);
        assert_eq!(between(3, 2, &[1, 2]), [0; 0]);
    }

    #[test]
    fn of_a_gap_as_long_as_a_name_can_make_it_only_the_beginning_is_looked_for() {
        let all = between(1, u64::MAX, &[1, 2, 500, u64::MAX]);
        assert_eq!(all.len(), 500 + GAP + 1);
        assert_eq!(all.last(), Some(&u64::MAX));
        assert_eq!(all[all.len() - 2], 500 + GAP as u64);
    }
}
