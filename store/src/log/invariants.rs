//! The rules that every entry keeps with the one before it, by name.
//!
//! They run before an entry is created. A broken one means a mistake in this program: nothing is written, and the
//! error says which rule it was. Each has a test that breaks it.

use std::collections::HashSet;

use super::commit::{Change, Operation, REMEMBERED_REQUESTS};
use super::entry::Entry;
use super::plan::MAX_CHANGES;

type Rule = fn(Option<&Entry>, &Entry) -> bool;

/// Each rule and what it says.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("sequence numbers have no gap", sequences_have_no_gap),
    (
        "versions have no gap and none is used twice",
        versions_have_no_gap,
    ),
    ("an entry publishes something", entries_publish_something),
    ("publish times rise", publish_times_rise),
    (
        "each commit follows the one before it",
        commits_follow_each_other,
    ),
    ("commit times rise from parent to child", commit_times_rise),
    ("counts of rows, bytes and segments add up", counts_add_up),
    (
        "a frame is deleted exactly after a delete",
        deleted_after_delete,
    ),
    (
        "the state has the schema of the last commit",
        schema_of_last_commit,
    ),
    ("no segment is listed twice", segments_are_listed_once),
    (
        "no change is left out of the list of segments",
        no_change_is_left_out,
    ),
    (
        "an entry holds a bounded number of changes",
        changes_are_bounded,
    ),
    (
        "a bounded number of requests is remembered",
        requests_are_bounded,
    ),
];

/// The first rule that does not hold, if any.
pub(crate) fn broken(before: Option<&Entry>, after: &Entry) -> Option<&'static str> {
    let mut rules = RULES.iter();
    rules
        .find(|(_, holds)| !holds(before, after))
        .map(|(name, _)| *name)
}

fn sequences_have_no_gap(before: Option<&Entry>, after: &Entry) -> bool {
    after.header.sequence == before.map_or(1, |entry| entry.header.sequence + 1)
}

fn versions_have_no_gap(before: Option<&Entry>, after: &Entry) -> bool {
    after.header.first_version == before.map_or(1, |entry| entry.last_version() + 1)
}

fn entries_publish_something(_: Option<&Entry>, after: &Entry) -> bool {
    !after.commits.is_empty()
}

fn publish_times_rise(before: Option<&Entry>, after: &Entry) -> bool {
    before.is_none_or(|before| before.header.published < after.header.published)
}

fn commits_follow_each_other(before: Option<&Entry>, after: &Entry) -> bool {
    let mut last = before.and_then(Entry::last_commit).map(|(id, _)| id);
    after.commits.iter().all(|(id, commit)| {
        let follows = commit.parents.iter().eq(last);
        last = Some(id);
        follows
    })
}

fn commit_times_rise(before: Option<&Entry>, after: &Entry) -> bool {
    let mut last = before
        .and_then(Entry::last_commit)
        .map(|(_, commit)| commit.time);
    after.commits.iter().all(|(_, commit)| {
        let rises = last.is_none_or(|last| last < commit.time);
        last = Some(commit.time);
        rises
    })
}

fn counts_add_up(before: Option<&Entry>, after: &Entry) -> bool {
    let start = before.map_or((0, 0, 0), counts);
    let end = after.commits.iter().fold(start, |counts, (_, commit)| {
        let counts = if commit.operation.clears() {
            (0, 0, 0)
        } else {
            counts
        };
        commit
            .added
            .iter()
            .fold(counts, |(rows, bytes, segments), added| {
                (rows + added.rows, bytes + added.bytes, segments + 1)
            })
    });
    end == counts(after)
}

fn counts(entry: &Entry) -> (u64, u64, u64) {
    (entry.state.rows, entry.state.bytes, entry.state.segments)
}

fn deleted_after_delete(_: Option<&Entry>, after: &Entry) -> bool {
    let last = after.last_commit();
    last.is_none_or(|(_, commit)| after.state.deleted == (commit.operation == Operation::Delete))
}

fn schema_of_last_commit(_: Option<&Entry>, after: &Entry) -> bool {
    let last = after.last_commit();
    last.is_none_or(|(_, commit)| after.state.schema == commit.schema)
}

fn segments_are_listed_once(_: Option<&Entry>, after: &Entry) -> bool {
    let tail = after.state.tail.iter().flat_map(|change| &change.added);
    let own = after.commits.iter().flat_map(|(_, commit)| &commit.added);
    let mut seen = HashSet::new();
    tail.chain(own).all(|segment| seen.insert(&segment.id))
}

/// The tail repeats what the entry before listed, unless a checkpoint took it over or a change cleared it.
fn no_change_is_left_out(before: Option<&Entry>, after: &Entry) -> bool {
    let Some(before) = before else {
        return after.state.tail.is_empty() && after.state.checkpoint.is_none();
    };
    let listed = before.changes_through(before.last_version());
    let live: &[Change] = match listed.iter().rposition(|change| change.clears) {
        Some(start) => &listed[start..],
        None => &listed,
    };
    let cleared = live.first().is_some_and(|change| change.clears);
    let checkpoint = &after.state.checkpoint;
    if after.state.tail == live {
        let kept = *checkpoint == before.state.checkpoint;
        return if cleared { checkpoint.is_none() } else { kept };
    }
    after.state.tail.is_empty() && checkpoint.is_some() && *checkpoint != before.state.checkpoint
}

fn changes_are_bounded(_: Option<&Entry>, after: &Entry) -> bool {
    after.state.tail.len() + after.commits.len() <= MAX_CHANGES
}

fn requests_are_bounded(_: Option<&Entry>, after: &Entry) -> bool {
    after.state.requests.len() <= REMEMBERED_REQUESTS
}
