//! Which objects nothing needs once some versions cannot be read any more.
//!
//! A version needs its segments, their deletion vectors, and the checkpoints that list them. An object is needed from
//! the version that brought it to the one that dropped it, and by versions that were restored from those. So what
//! only some expired versions needed is found by going through *their* entries, not through the whole frame: what
//! they speak of, less what their neighbours that are kept, the marked ones, and the restored ones need.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::Record;
use crate::log::change::{Change, Segment};
use crate::log::commit::{Base, Mark, SegmentRecord, State};
use crate::log::entry::Entry;
use crate::log::hidden::HiddenRecord;
use crate::log::seek::Found;

/// Entries that are read at the same time.
const PARALLEL_READS: usize = 16;

/// Objects of a frame by their paths below its folder, with their sizes (0: not known).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ObjectSet(pub(crate) BTreeMap<String, u64>);

impl ObjectSet {
    pub(crate) fn segment(&mut self, record: &SegmentRecord) {
        self.0.insert(segment_name(&record.id), record.bytes);
    }

    pub(crate) fn has_segment(&self, id: &str) -> bool {
        self.0.contains_key(&segment_name(id))
    }

    pub(crate) fn hidden(&mut self, record: &HiddenRecord) {
        if let Some(vector) = &record.vector {
            let name = format!("vectors/{}.roaring", vector.id);
            self.0.insert(name, vector.bytes);
        }
    }

    pub(crate) fn checkpoint(&mut self, hash: &str) {
        self.0.insert(format!("checkpoints/{hash}.json"), 0);
    }

    pub(crate) fn entry(&mut self, sequence: u64) {
        self.0.insert(format!("log/{sequence:020}.jsonl"), 0);
    }

    /// What a commit names, and the list that comes with it.
    pub(crate) fn record(&mut self, record: &Record) {
        let (added, hidden) = (&record.commit.added, &record.commit.hidden);
        added.iter().for_each(|added| self.segment(added));
        hidden.iter().for_each(|hidden| self.hidden(hidden));
        self.list(record);
    }

    /// The list that comes with a commit.
    pub(crate) fn list(&mut self, record: &Record) {
        for listed in record.list.iter().flatten() {
            self.segment(&listed.segment);
            listed.hidden.iter().for_each(|hidden| self.hidden(hidden));
        }
    }

    /// What the commits of a bundle name; of those whose segments were gone where they came from, what they list.
    pub(crate) fn kept(&mut self, bundle: &[Kept]) {
        for kept in bundle {
            match kept.gone {
                true => self.list(&kept.record),
                false => self.record(&kept.record),
            }
        }
    }

    fn segments(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.segment(&segment.record);
            if let Some(hidden) = &segment.hidden {
                self.hidden(hidden);
            }
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.0.retain(|name, _| !other.0.contains_key(name));
    }

    /// The segments among them that are not among others.
    pub(crate) fn segments_beside(mut self, others: &Self) -> Self {
        self.remove_all(others);
        self.0.retain(|name, _| name.starts_with("segments/"));
        self
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().sum()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many of them are segments.
    pub(crate) fn segment_count(&self) -> u64 {
        let names = self.0.keys();
        names.filter(|name| name.starts_with("segments/")).count() as u64
    }
}

fn segment_name(id: &str) -> String {
    format!("segments/{id}.parquet")
}

/// What a list of segments needs.
pub(crate) async fn needed_by(log: &FrameLog, list: Base) -> Result<ObjectSet> {
    let mut objects = ObjectSet::default();
    if let Some(hash) = &list.checkpoint {
        for hash in log.checkpoints().tree(hash).await? {
            objects.checkpoint(&hash);
        }
    }
    objects.segments(&log.checkpoints().segments(list).await?);
    Ok(objects)
}

/// What a version needs.
pub(crate) async fn needed_at(
    log: &FrameLog,
    head: &Arc<Entry>,
    version: u64,
) -> Result<ObjectSet> {
    let found = version_of(log, head, version).await?;
    needed_in(log, &found.entry, version).await
}

/// What a version of an entry needs: its list, and what the commits name that it brought into the history.
async fn needed_in(log: &FrameLog, entry: &Entry, version: u64) -> Result<ObjectSet> {
    let mut objects = needed_by(log, entry.list_through(version)).await?;
    if let Some(own) = entry.own_at(version) {
        objects.extend(named_by(log, &own.history).await?);
    }
    Ok(objects)
}

/// What the commits of some bundles name.
pub(crate) async fn named_by(log: &FrameLog, bundles: &[String]) -> Result<ObjectSet> {
    let mut objects = ObjectSet::default();
    for hash in bundles {
        objects.kept(&log.bundle(hash).await?);
    }
    Ok(objects)
}

/// What commits name that were fetched and are no part of the history so far.
pub(crate) async fn tracked(log: &FrameLog, state: &State) -> Result<ObjectSet> {
    let mut objects = ObjectSet::default();
    for tracking in state.tracking.values() {
        objects.extend(named_by(log, &tracking.history).await?);
    }
    Ok(objects)
}

/// What the versions with these marks need.
pub(crate) async fn needed_by_marks(
    log: &FrameLog,
    marks: impl IntoIterator<Item = Mark>,
) -> Result<ObjectSet> {
    let mut objects = ObjectSet::default();
    for mark in marks {
        // Without its entry nobody knows what a marked version needs, and nothing may be given up.
        let entry = log.reader().kept(mark.sequence).await?;
        objects.extend(needed_in(log, &entry, mark.version).await?);
    }
    Ok(objects)
}

/// Everything that some versions speak of: what the first needs, and what the others brought.
pub(crate) async fn spoken_of(
    log: &FrameLog,
    head: &Arc<Entry>,
    versions: RangeInclusive<u64>,
) -> Result<ObjectSet> {
    let first = version_of(log, head, *versions.start()).await?;
    let mut objects = needed_by(log, first.entry.list_through(*versions.start())).await?;
    let last = version_of(log, head, *versions.end()).await?;
    let sequences = first.entry.header.sequence..=last.entry.header.sequence;
    let mut entries = stream::iter(sequences)
        .map(|sequence| log.reader().entry(sequence))
        .buffered(PARALLEL_READS);
    let mut checkpoint: Option<String> = None;
    while let Some(entry) = entries.try_next().await? {
        let Some(entry) = entry else {
            continue;
        };
        if entry.state.checkpoint != checkpoint {
            checkpoint.clone_from(&entry.state.checkpoint);
            objects.extend(checkpoints_before(log, &entry, &versions).await?);
        }
        for (version, _, commit) in entry.versions() {
            if !versions.contains(&version) {
                continue;
            }
            let own = entry.own_at(version);
            let change = Change::of(version, commit, own);
            change.added.iter().for_each(|added| objects.segment(added));
            let hidden = change.hidden.iter();
            hidden.for_each(|hidden| objects.hidden(hidden));
            if let Some(own) = own {
                objects.extend(named_by(log, &own.history).await?);
            }
        }
        for base in entry.state.own.iter().filter_map(|own| own.base.clone()) {
            objects.extend(needed_by(log, base).await?);
        }
    }
    Ok(objects)
}

/// The checkpoints that an entry's own commits follow.
async fn checkpoints_before(
    log: &FrameLog,
    entry: &Entry,
    versions: &RangeInclusive<u64>,
) -> Result<ObjectSet> {
    let mut objects = ObjectSet::default();
    let Some(hash) = &entry.state.checkpoint else {
        return Ok(objects);
    };
    objects.checkpoint(hash);
    let own = entry.versions().map(|(version, ..)| version);
    let mut own = own.filter(|version| versions.contains(version));
    // Once the versions before are gone, a commit that begins with another list may be all that still names the tree.
    if own.any(|version| entry.list_through(version).checkpoint.as_ref() == Some(hash)) {
        for hash in log.checkpoints().tree(hash).await? {
            objects.checkpoint(&hash);
        }
    }
    Ok(objects)
}

/// Where a version is, whether users may still read it or not.
pub(crate) async fn version_of(log: &FrameLog, head: &Arc<Entry>, version: u64) -> Result<Found> {
    let entry = log.reader().locate(Arc::clone(head), version).await?;
    Ok(Found { entry, version })
}
