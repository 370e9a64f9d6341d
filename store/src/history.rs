//! What was done to a frame, in a form for readers.

use shoots_proto::Time;
use shoots_proto::action::{BroughtCommit, CommitRecord};

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::log::commit::{Commit, Operation, State};
use crate::log::entry::Entry;
use crate::time::Timestamp;

/// A point in time as readers see it.
pub(crate) fn time(time: Timestamp) -> Time {
    Time(chrono::DateTime::from_timestamp_nanos(time.nanoseconds()))
}

/// The changes that an entry published, newest first. `newest` is the state that knows the tags. With `all`, also the
/// commits that they brought.
pub(crate) async fn records(
    log: &FrameLog,
    entry: &Entry,
    newest: &State,
    all: bool,
) -> Result<Vec<CommitRecord>> {
    let mut records = Vec::new();
    for (version, id, commit) in entry.versions() {
        let merges = commit.operation == Operation::Merge;
        let brought = match entry.own_at(version) {
            Some(own) if merges || all => log.bundles(&own.history).await?,
            _ => Vec::new(),
        };
        // A bundle may hold the commit itself.
        let brought = brought.iter().filter(|kept| kept.record.id != *id);
        let brought: Vec<&Kept> = brought.collect();
        let rows = rows_at(entry, version).unwrap_or_default();
        let (rows_added, rows_removed) = match commit.operation {
            Operation::Merge => {
                let before = rows_before(log, entry, version).await?;
                merged_rows(before, &brought, rows)
            }
            _ => (rows_added(commit, rows), commit.rows_removed),
        };
        let told = brought.iter().filter(|_| all).rev().map(|kept| told(kept));
        records.push(CommitRecord {
            version,
            commit: id.clone(),
            parents: commit.parents.clone(),
            published: time(entry.header.published),
            time: time(commit.time),
            operation: commit.operation.name().to_owned(),
            rows,
            rows_added,
            rows_removed,
            author: commit.author.clone(),
            message: commit.message.clone(),
            metadata: commit.metadata.clone(),
            tags: tags_of(newest, version),
            expired: !newest.keeps(version),
            brings: told.collect(),
        });
    }
    records.reverse();
    Ok(records)
}

fn rows_at(entry: &Entry, version: u64) -> Option<u64> {
    entry.totals_at(version).map(|totals| totals.rows)
}

/// The rows before a version; none if nothing says so any more.
async fn rows_before(log: &FrameLog, entry: &Entry, version: u64) -> Result<Option<u64>> {
    if version > entry.header.first_version {
        return Ok(rows_at(entry, version - 1));
    }
    let Some(sequence) = entry.header.sequence.checked_sub(1) else {
        return Ok(Some(0));
    };
    let before = log.reader().entry(sequence).await?;
    Ok(before.and_then(|before| rows_at(&before, before.last_version())))
}

/// How many rows a commit added, after which there are so many.
fn rows_added(commit: &Commit, rows: u64) -> u64 {
    match commit.operation {
        Operation::Compact => 0,
        Operation::Restore | Operation::Copy | Operation::Undelete => rows,
        _ => commit.added.iter().map(|segment| segment.rows).sum(),
    }
}

/// What a merge added and removed: what the commits did that it brought, and the rest of the difference.
fn merged_rows(before: Option<u64>, brought: &[&Kept], rows: u64) -> (u64, u64) {
    let added = brought.iter().map(|kept| brought_rows(kept)).sum::<u64>();
    let Some(before) = before else {
        return (added, 0);
    };
    let added = added.max(rows.saturating_sub(before));
    (added, (before + added).saturating_sub(rows))
}

fn brought_rows(kept: &Kept) -> u64 {
    let record = &kept.record;
    let listed = record.list.iter().flatten().map(|listed| {
        let hidden = listed.hidden.as_ref().map_or(0, |hidden| hidden.rows);
        listed.segment.rows.saturating_sub(hidden)
    });
    rows_added(&record.commit, listed.sum())
}

fn told(kept: &Kept) -> BroughtCommit {
    let (id, commit) = (&kept.record.id, &kept.record.commit);
    BroughtCommit {
        commit: id.clone(),
        parents: commit.parents.clone(),
        time: time(commit.time),
        operation: commit.operation.name().to_owned(),
        rows_added: brought_rows(kept),
        rows_removed: commit.rows_removed,
        author: commit.author.clone(),
        message: commit.message.clone(),
        metadata: commit.metadata.clone(),
        expired: kept.gone,
    }
}

/// The tags of a version.
pub(crate) fn tags_of(newest: &State, version: u64) -> Vec<String> {
    let tags = newest.tags.iter();
    let own = tags.filter(|(_, mark)| mark.version == version);
    own.map(|(name, _)| name.clone()).collect()
}
