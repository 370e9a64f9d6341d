//! The rules that every entry keeps with the one before it, by name.
//!
//! They run before an entry is created. A broken one means a mistake in this program: nothing is written, and the
//! error says which rule it was. Each has a test that breaks it.

use std::collections::HashSet;

use super::change::Change;
use super::commit::{Commit, CommitId, Operation, SegmentRecord, Totals};
use super::entry::Entry;
use super::hidden::HiddenRecord;
use super::plan::MAX_CHANGES;
use super::remembered::REMEMBERED_REQUESTS;
use super::tip::Tip;

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
        "each commit follows the tip of the history",
        commits_follow_the_tip,
    ),
    ("commit times rise from parent to child", commit_times_rise),
    (
        "the tip is the last commit that is no upkeep",
        tip_is_the_last_content,
    ),
    ("counts of rows, bytes and segments add up", counts_add_up),
    (
        "a frame is deleted exactly after a delete",
        deleted_after_delete,
    ),
    (
        "the state has the schema of the last commit",
        schema_of_last_commit,
    ),
    (
        "the state has the index of the last commit",
        index_of_last_commit,
    ),
    ("no segment is listed twice", segments_are_listed_once),
    (
        "compaction makes no more segments than it takes",
        compaction_makes_fewer,
    ),
    (
        "only versions that can be read are marked, and none comes back",
        marks_are_kept,
    ),
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

/// Each commit of an entry with the tip that it follows; the tip is unknown after nothing but upkeep of an older
/// program.
fn tips<'a>(
    before: Option<&'a Entry>,
    after: &'a Entry,
) -> impl Iterator<Item = (u64, &'a CommitId, &'a Commit, Option<Tip>)> {
    let mut tip = before.and_then(Entry::tip);
    after.versions().map(move |(version, id, commit)| {
        let sequence = after.header.sequence;
        let next = Tip::after(tip.clone(), id, commit, version, sequence);
        (version, id, commit, std::mem::replace(&mut tip, next))
    })
}

fn is_foreign(entry: &Entry, version: u64) -> bool {
    entry.own_at(version).is_some_and(|own| own.foreign)
}

fn commits_follow_the_tip(before: Option<&Entry>, after: &Entry) -> bool {
    let unknown = before.is_some_and(|before| !before.knows_tip());
    tips(before, after).all(|(version, _, commit, tip)| {
        let found = unknown && tip == before.and_then(Entry::tip);
        let follows = commit.parents.iter().eq(tip.iter().map(|tip| &tip.commit));
        follows || is_foreign(after, version) || (found && commit.parents.len() <= 1)
    })
}

fn commit_times_rise(before: Option<&Entry>, after: &Entry) -> bool {
    let mut last = before
        .and_then(Entry::last_commit)
        .map(|(_, commit)| commit.time);
    tips(before, after).all(|(version, _, commit, tip)| {
        let earlier = match is_foreign(after, version) {
            true => tip.filter(|tip| commit.parents.contains(&tip.commit)),
            false => tip,
        };
        let earlier = earlier.map(|tip| tip.time);
        let earlier = earlier.max(last.filter(|_| !is_foreign(after, version)));
        last = Some(commit.time);
        earlier.is_none_or(|earlier| earlier < commit.time)
    })
}

fn tip_is_the_last_content(before: Option<&Entry>, after: &Entry) -> bool {
    if before.is_some_and(|before| !before.knows_tip()) {
        return true;
    }
    let mut tip = before.and_then(Entry::tip);
    for (version, id, commit) in after.versions() {
        tip = Tip::after(tip, id, commit, version, after.header.sequence);
    }
    tip == after.tip()
}

fn counts_add_up(before: Option<&Entry>, after: &Entry) -> bool {
    let mut last = before.map_or(Totals::default(), |before| before.state.totals());
    let each = after.versions().all(|(version, _, commit)| {
        let Some(totals) = after.totals_at(version) else {
            return false;
        };
        let start = if commit.operation.clears() {
            Totals::default()
        } else {
            last
        };
        last = totals;
        // What a restore brings back is in no record of the commit. A list that comes with removed segments is the
        // one before, without what the commit removes.
        let unapplied = after.own_at(version).is_some_and(|own| own.unapplied);
        let brings_back = unapplied || (after.has_base(version) && commit.removed.is_empty());
        brings_back || follows(start, commit, totals)
    });
    each && last == after.state.totals()
}

/// Whether a frame holds after a commit what the commit makes of what it held before.
pub(crate) fn follows(start: Totals, commit: &Commit, end: Totals) -> bool {
    let added = |count: fn(&SegmentRecord) -> u64| commit.added.iter().map(count).sum::<u64>();
    let rows = added(|segment| segment.rows);
    let own = |hidden: &&HiddenRecord| {
        let mut added = commit.added.iter();
        added.any(|segment| segment.id == hidden.segment)
    };
    let own_hidden: u64 = commit.hidden.iter().filter(own).map(|own| own.rows).sum();
    let rows_follow = match commit.operation {
        Operation::Compact | Operation::Delete => end.rows == start.rows,
        operation if operation.clears() => end.rows + own_hidden == rows,
        _ => end.rows + commit.rows_removed + own_hidden == start.rows + rows,
    };
    let removed = commit.removed.len() as u64;
    let segments_follow = end.segments + removed == start.segments + commit.added.len() as u64;
    let untouched = commit.removed.is_empty() && commit.hidden.is_empty();
    let bytes = start.bytes + added(|segment| segment.bytes);
    rows_follow
        && segments_follow
        && (!untouched || (end.bytes, end.hidden) == (bytes, start.hidden))
}

fn deleted_after_delete(before: Option<&Entry>, after: &Entry) -> bool {
    let start = before.is_some_and(|before| before.state.deleted);
    let commits = after.commits.iter();
    let end = commits.fold(start, |deleted, (_, commit)| commit.leaves_deleted(deleted));
    end == after.state.deleted
}

fn schema_of_last_commit(_: Option<&Entry>, after: &Entry) -> bool {
    let last = after.last_commit();
    last.is_none_or(|(_, commit)| after.state.schema == commit.schema)
}

fn index_of_last_commit(_: Option<&Entry>, after: &Entry) -> bool {
    let last = after.last_commit();
    last.is_none_or(|(_, commit)| after.state.index == commit.index)
}

fn segments_are_listed_once(_: Option<&Entry>, after: &Entry) -> bool {
    let own = after.versions().map(|(version, _, commit)| {
        let own = after.own_at(version);
        Change::of(version, commit, own)
    });
    let mut seen = HashSet::new();
    after.state.tail.iter().cloned().chain(own).all(|change| {
        // What takes the place of all others may bring some of them back.
        if change.clears {
            seen.clear();
        }
        let mut added = change.added.into_iter();
        added.all(|segment| seen.insert(segment.id))
    })
}

fn compaction_makes_fewer(_: Option<&Entry>, after: &Entry) -> bool {
    after
        .commits
        .iter()
        .filter(|(_, commit)| commit.operation == Operation::Compact)
        .all(|(_, commit)| commit.added.len() <= commit.removed.len() && commit.hidden.is_empty())
}

/// The tail repeats what the entry before listed, unless a checkpoint took it over.
fn no_change_is_left_out(before: Option<&Entry>, after: &Entry) -> bool {
    let Some(before) = before else {
        return after.state.tail.is_empty() && after.state.checkpoint.is_none();
    };
    let list = before.list_through(before.last_version());
    let checkpoint = &after.state.checkpoint;
    if after.state.tail == list.changes {
        return *checkpoint == list.checkpoint;
    }
    after.state.tail.is_empty() && checkpoint.is_some() && *checkpoint != list.checkpoint
}

/// Nothing that a version needs which can still be read may be given up with an entry.
fn marks_are_kept(before: Option<&Entry>, after: &Entry) -> bool {
    let Some(before) = before else {
        return true;
    };
    let (old, new) = (&before.state.retained, &after.state.retained);
    let last = after.last_version();
    let marked = after.state.marks().all(|mark| {
        let known = before.state.marks().any(|old| old == mark);
        mark.version <= last
            && (known || before.state.keeps(mark.version) || mark.version > before.last_version())
    });
    marked && old.oldest <= new.oldest && new.oldest <= last && old.first_entry <= new.first_entry
}

fn changes_are_bounded(_: Option<&Entry>, after: &Entry) -> bool {
    after.state.tail.len() + after.commits.len() <= MAX_CHANGES
}

fn requests_are_bounded(_: Option<&Entry>, after: &Entry) -> bool {
    after.state.remembered.len() <= REMEMBERED_REQUESTS
}
