//! What was done to a frame, in a form for readers.

use shoots_proto::Time;
use shoots_proto::action::CommitRecord;

use crate::log::commit::{Operation, State};
use crate::log::entry::Entry;
use crate::time::Timestamp;

/// A point in time as readers see it.
pub(crate) fn time(time: Timestamp) -> Time {
    Time(chrono::DateTime::from_timestamp_nanos(time.nanoseconds()))
}

/// The changes that an entry published, newest first. `newest` is the state that knows the tags.
pub(crate) fn records(entry: &Entry, newest: &State) -> Vec<CommitRecord> {
    let mut records: Vec<CommitRecord> = entry
        .versions()
        .map(|(version, id, commit)| CommitRecord {
            version,
            commit: id.clone(),
            parents: commit.parents.clone(),
            published: time(entry.header.published),
            time: time(commit.time),
            operation: commit.operation.name().to_owned(),
            rows: entry.totals_at(version).map_or(0, |totals| totals.rows),
            rows_added: match commit.operation {
                Operation::Compact => 0,
                Operation::Restore | Operation::Copy | Operation::Undelete => {
                    entry.totals_at(version).map_or(0, |totals| totals.rows)
                }
                _ => commit.added.iter().map(|segment| segment.rows).sum(),
            },
            rows_removed: commit.rows_removed,
            author: commit.author.clone(),
            message: commit.message.clone(),
            metadata: commit.metadata.clone(),
            tags: tags_of(newest, version),
            expired: !newest.keeps(version),
        })
        .collect();
    records.reverse();
    records
}

/// The tags of a version.
pub(crate) fn tags_of(newest: &State, version: u64) -> Vec<String> {
    let tags = newest.tags.iter();
    let own = tags.filter(|(_, mark)| mark.version == version);
    own.map(|(name, _)| name.clone()).collect()
}
