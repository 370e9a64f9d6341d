//! Expiry: versions that no rule keeps cannot be read any more, and what only they needed is condemned.
//!
//! Nothing is removed here. The commit says from which version on the frame's history is kept, and names a list of
//! objects ([`super::condemned`]); the sweep removes those when the grace period is over. What is to be condemned is
//! worked out before the commit, outside the queue of the frame's writers, and the commit gives way if anything it
//! rests on has changed: marks, other expiries, restores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use shoots_proto::action::{ExpiredFrame, Retention};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::BucketName;

use super::garbage::{ObjectSet, needed_at, needed_by_marks, spoken_of, tracked, version_of};
use super::{condemned, retention};
use crate::error::{Cause, Error, Result};
use crate::frame::Frame;
use crate::frame_log::{FrameLog, Freshness};
use crate::lineage::tracking::Tracking;
use crate::log::commit::{Base, Mark, Operation, Retained, State, Totals};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::time::Timestamp;

/// The newest so many entries are never removed, and none that is younger than this.
const KEPT_ENTRIES: u64 = 1_000;
const KEPT_ENTRY_SECONDS: u64 = 7 * 24 * 3600;
/// So long after a remote was looked at, what a merge with its history takes is held.
const HELD_SECONDS: u64 = 30 * 24 * 3600;
/// Others that may change what a plan rests on before it gives up.
const MAX_ATTEMPTS: u32 = 10;

/// Versions that are given up.
#[derive(Debug)]
struct GiveUp {
    /// What this rests on.
    before: Retained,
    marks: BTreeSet<(u64, u64)>,
    tracking: BTreeMap<String, Tracking>,
    after: Retained,
    /// The frame is deleted, and its rows go, too.
    empties: bool,
    /// Tags of versions that are given up although they have one.
    untagged: Vec<String>,
}

fn marks(state: &State) -> BTreeSet<(u64, u64)> {
    let marks = state.marks();
    marks.map(|mark| (mark.version, mark.sequence)).collect()
}

#[async_trait]
impl Derive for GiveUp {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let state = &entry.state;
        let same = state.retained == self.before
            && marks(state) == self.marks
            && state.tracking == self.tracking;
        if !same || (self.empties && !state.deleted) {
            return Ok(None);
        }
        let untag = |tag: &String| StateEdit::Tag(tag.clone(), None);
        let mut edits: Vec<StateEdit> = self.untagged.iter().map(untag).collect();
        edits.push(StateEdit::Retain(Box::new(self.after.clone())));
        let mut step = Step {
            details: Details {
                oldest: Some(self.after.oldest),
                ..Details::default()
            },
            edits,
            ..Step::bare(log, entry, Operation::Expire).await?
        };
        if self.empties {
            step.base = Some(Base::default());
            step.totals = Totals::default();
        }
        Ok(Some(step))
    }
}

/// What is to be given up, and what that frees.
struct Plan {
    change: GiveUp,
    versions: u64,
    garbage: ObjectSet,
    /// Segments of those versions that others need, too.
    still_needed: ObjectSet,
}

impl Frame {
    /// Gives up the versions that no rule keeps. With `dry_run`, only says what would be done.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there never was such a frame.
    pub async fn expire(&self, dry_run: bool) -> Result<ExpiredFrame> {
        let log = self.frame_log();
        for _ in 1..MAX_ATTEMPTS {
            let Some(head) = log.newest().await? else {
                return match self.exists().await? {
                    true => Ok(self.report(None)),
                    false => Err(log.not_found()),
                };
            };
            let rule =
                retention::effective(log.shared(), self.bucket(), Some(&head.entry.state)).await?;
            let plan = match plan(log, &head.entry, &rule).await {
                Err(error) if error.is_missing() && is_outdated(log, &head.entry).await => continue,
                plan => plan?,
            };
            if let Some(report) = self.carry_out_plan(plan, dry_run).await? {
                return Ok(report);
            }
        }
        Err(self.overtaken())
    }

    /// Whether a rule may give up versions, as far as this process knows with hardly a look: from the newest entry
    /// and the bucket's rule that it has seen. Nothing is to be done on the strength of this but to look.
    pub(crate) async fn is_expiry_due(&self) -> Result<bool> {
        let log = self.frame_log();
        let Some(head) = log.newest_for(Freshness::Remembered).await? else {
            return Ok(false);
        };
        let state = &head.entry.state;
        if has_one_version(&head.entry) {
            return Ok(false);
        }
        let rule = retention::remembered(log.shared(), self.bucket(), state).await?;
        let plan = plan(log, &head.entry, &rule).await?;
        Ok(plan.is_some())
    }

    fn bucket(&self) -> Option<&BucketName> {
        self.id().bucket.as_ref()
    }

    /// Gives up chosen versions, though a rule would keep them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such version,
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for the newest one, and for one with a tag or
    /// in a snapshot.
    pub async fn forget(&self, versions: &[AsOf], dry_run: bool) -> Result<ExpiredFrame> {
        for _ in 1..MAX_ATTEMPTS {
            let log = self.frame_log();
            let head = log.newest().await?.ok_or_else(|| log.not_found())?.entry;
            let plan = match self.plan_forgetting(&head, versions).await {
                Err(error) if error.is_missing() && is_outdated(log, &head).await => continue,
                plan => plan?,
            };
            if let Some(report) = self.carry_out_plan(Some(plan), dry_run).await? {
                return Ok(report);
            }
        }
        Err(self.overtaken())
    }

    async fn plan_forgetting(&self, head: &Arc<Entry>, versions: &[AsOf]) -> Result<Plan> {
        let log = self.frame_log();
        let mut chosen = BTreeSet::new();
        for as_of in versions {
            let found = log.seek(head, Some(as_of)).await;
            let found = found.map_err(|error| error.of_state("versions"))?;
            chosen.insert(found.version);
        }
        for version in &chosen {
            check_forgettable(head, *version)?;
        }
        plan_to_forget(log, head, &chosen).await
    }

    fn overtaken(&self) -> Error {
        let problem = format!("the history of frame {} changed again and again", self.id());
        Cause::Conflict(problem).into()
    }

    /// What was done; none if what the plan rests on has changed.
    async fn carry_out_plan(
        &self,
        plan: Option<Plan>,
        dry_run: bool,
    ) -> Result<Option<ExpiredFrame>> {
        let log = self.frame_log();
        let Some(mut plan) = plan else {
            return Ok(Some(self.report(None)));
        };
        let mut report = self.report(Some(&plan));
        if dry_run {
            return Ok(Some(report));
        }
        self.log_writable()?;
        let list = match plan.garbage.0.is_empty() {
            true => None,
            false => Some(condemned::write(log, &plan.garbage).await?),
        };
        plan.change.after.condemned.extend(list.clone());
        match self.change(plan.change).await? {
            Some(published) => {
                report.version = Some(published.version);
                report.commit = Some(published.commit);
                Ok(Some(report))
            }
            None => {
                if let Some(list) = &list {
                    condemned::remove(log, list).await?;
                }
                Ok(None)
            }
        }
    }

    fn report(&self, plan: Option<&Plan>) -> ExpiredFrame {
        ExpiredFrame {
            name: self.id().name.clone(),
            bucket: self.id().bucket.clone(),
            versions_expired: plan.map_or(0, |plan| plan.versions),
            segments: plan.map_or(0, |plan| plan.garbage.segment_count()),
            bytes: plan.map_or(0, |plan| plan.garbage.bytes()),
            still_needed_segments: plan.map_or(0, |plan| plan.still_needed.segment_count()),
            still_needed_bytes: plan.map_or(0, |plan| plan.still_needed.bytes()),
            version: None,
            commit: None,
        }
    }
}

/// Whether there is a newer entry, or the frame is gone: what is missing may have been given up since.
async fn is_outdated(log: &FrameLog, head: &Entry) -> bool {
    match log.newest_anew().await {
        Ok(Some(newest)) => newest.entry.header.sequence != head.header.sequence,
        Ok(None) => true,
        Err(_) => false,
    }
}

fn check_forgettable(head: &Entry, version: u64) -> Result<()> {
    let state = &head.state;
    let problem = if version == head.last_version() {
        format!("version {version} is the newest one: put or restore another one first")
    } else if let Some((tag, _)) = state.tags.iter().find(|(_, mark)| mark.version == version) {
        format!("version {version} has the tag `{tag}`: untag it first")
    } else if state.pins.values().any(|mark| mark.version == version) {
        format!(
            "version {version} is in a snapshot of many frames (their list says which): drop that first"
        )
    } else if let Some((remote, _)) = state.tracking.iter().find(|(_, tracking)| {
        let fork = tracking.fork;
        fork.is_some_and(|fork| fork.version == version)
    }) {
        format!(
            "version {version} is the last one that the histories here and at the remote `{remote}` have in common: remove the remote first"
        )
    } else {
        return Ok(());
    };
    Err(Error::invalid("versions", problem))
}

/// Whether no rule whatever gives up a version: there is just one that is kept.
fn has_one_version(head: &Entry) -> bool {
    let retained = &head.state.retained;
    let one = head.last_version() <= retained.oldest.max(1);
    one && retained.held.is_empty() && (!head.state.deleted || retained.emptied)
}

/// The version from which on a rule keeps all, and whether a deleted frame's rows go, too.
async fn first_kept(log: &FrameLog, head: &Arc<Entry>, rule: &Retention) -> Result<(u64, bool)> {
    let last = head.last_version();
    let count = rule.keep_versions;
    let count = count.filter(|_| !head.state.deleted || rule.keep_seconds.is_none());
    let by_count = match count {
        Some(count) => Some(newest_states(log, head, count.max(1)).await?),
        None => None,
    };
    if by_count == Some(0) && !head.state.deleted {
        return Ok((0, false));
    }
    let by_time = match rule.keep_seconds {
        Some(seconds) => {
            let cutoff = before(log.cautious_now(), seconds);
            let found = log.reader().newest_until(Arc::clone(head), cutoff).await?;
            Some(found.map_or((0, None), |found| (found.version, Some(found.entry))))
        }
        None => None,
    };
    let (time_floor, at_cutoff) = by_time.unwrap_or((u64::MAX, None));
    let floor = by_count.unwrap_or(u64::MAX).min(time_floor);
    if floor == u64::MAX {
        return Ok((0, false));
    }
    let long_deleted = match at_cutoff {
        Some(entry) if head.state.deleted => deleted_since(log, head, &entry).await?,
        _ => false,
    };
    if long_deleted {
        return Ok((last, true));
    }
    Ok((floor.min(last), false))
}

/// The first of the newest so many versions, of which those count that changed rows or columns: the state of each is
/// kept until the next of them. 0 if there are not so many.
async fn newest_states(log: &FrameLog, head: &Arc<Entry>, count: u64) -> Result<u64> {
    if head.last_version() < count {
        return Ok(0);
    }
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let mut entries = log.reader().walk_back(Arc::clone(head), wanted);
    let mut found = 0;
    while let Some(entry) = entries.try_next().await? {
        let versions: Vec<(u64, bool)> = entry
            .versions()
            .map(|(version, _, commit)| (version, !commit.operation.is_upkeep()))
            .collect();
        for (version, _) in versions.iter().rev().filter(|(_, counts)| *counts) {
            found += 1;
            if found == count {
                return Ok(*version);
            }
        }
    }
    Ok(0)
}

fn before(now: Timestamp, seconds: u64) -> Timestamp {
    let nanoseconds = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000);
    Timestamp::from_nanoseconds(now.nanoseconds().saturating_sub(nanoseconds))
}

/// Whether the frame was deleted after `entry` and all that followed.
async fn deleted_since(log: &FrameLog, head: &Arc<Entry>, entry: &Arc<Entry>) -> Result<bool> {
    for sequence in entry.header.sequence..head.header.sequence {
        let entry = log.reader().entry(sequence).await?;
        if !entry.is_some_and(|entry| entry.state.deleted) {
            return Ok(false);
        }
    }
    Ok(head.state.deleted)
}

/// The version from which on all are held, because the history of a remote went its own way there: a merge puts what
/// was done since then, on both sides, in one order, and needs the rows of each change. That is for remotes which were
/// looked at lately; for others, only the version itself is held.
fn held_since(state: &State, now: Timestamp) -> Option<u64> {
    let lately = |tracking: &&Tracking| now.seconds_since(tracking.at) < HELD_SECONDS;
    let forks = state.tracking.values().filter(lately);
    forks
        .filter_map(|of| of.fork)
        .map(|fork| fork.version)
        .min()
}

async fn plan(log: &FrameLog, head: &Arc<Entry>, rule: &Retention) -> Result<Option<Plan>> {
    let state = &head.state;
    let old = &state.retained;
    let (floor, empties) = first_kept(log, head, rule).await?;
    let held = held_since(state, log.cautious_now()).filter(|held| *held < floor);
    let empties = empties && held.is_none();
    let mut floor = held.unwrap_or(floor).max(old.oldest);
    // What was forgotten cannot be the oldest version that is kept.
    while old.forgotten.contains(&floor) {
        floor += 1;
    }
    let empties = empties && !old.emptied;
    let first = old.oldest.max(1);
    if floor <= first && old.held.is_empty() && !empties {
        return Ok(None);
    }
    let given_up = |mark: &Mark| !rule.keep_tagged && mark.version < floor;
    let (untagged, tagged): (Vec<_>, Vec<_>) =
        state.tags.iter().partition(|(_, mark)| given_up(mark));
    let tagged = tagged.into_iter().map(|(_, mark)| mark);
    let marks_kept = tagged.chain(state.pins.values()).copied();
    let marks_kept: Vec<Mark> = marks_kept.chain(state.forks()).collect();
    let mut garbage = ObjectSet::default();
    if floor > first {
        garbage = spoken_of(log, head, first..=floor - 1).await?;
    }
    if empties {
        garbage.extend(needed_at(log, head, head.last_version()).await?);
    }
    for mark in old
        .held
        .iter()
        .chain(untagged.iter().map(|(_, mark)| *mark))
    {
        garbage.extend(needed_by_marks(log, [*mark]).await?);
        if mark.sequence < old.first_entry {
            garbage.entry(mark.sequence);
        }
    }
    let spoken = garbage.clone();
    let first_entry = first_entry(log, head, floor).await?;
    for sequence in old.first_entry.max(1)..first_entry {
        if !marks_kept.iter().any(|mark| mark.sequence == sequence) {
            garbage.entry(sequence);
        }
    }
    if !empties {
        garbage.remove_all(&needed_at(log, head, floor).await?);
        // The newest version needs what it needs, whatever was condemned for it.
        garbage.remove_all(&needed_at(log, head, head.last_version()).await?);
    }
    let revived: Vec<Mark> = old
        .revived
        .iter()
        .copied()
        .filter(|mark| mark.version > floor)
        .collect();
    let needed = marks_kept.iter().copied().chain(revived.iter().copied());
    garbage.remove_all(&needed_by_marks(log, needed).await?);
    garbage.remove_all(&tracked(log, state).await?);
    let expired = (first..floor)
        .filter(|version| state.keeps(*version))
        .filter(|version| marks_kept.iter().all(|mark| mark.version != *version))
        .count() as u64;
    let after = Retained {
        oldest: floor,
        forgotten: old
            .forgotten
            .iter()
            .copied()
            .filter(|version| *version > floor)
            .collect(),
        held: Vec::new(),
        revived,
        emptied: old.emptied || empties,
        purged: old.purged,
        first_entry,
        condemned: old.condemned.clone(),
    };
    Ok(Some(Plan {
        change: GiveUp {
            before: old.clone(),
            marks: marks(state),
            tracking: state.tracking.clone(),
            after,
            empties,
            untagged: untagged.into_iter().map(|(tag, _)| tag.clone()).collect(),
        },
        versions: expired,
        still_needed: spoken.segments_beside(&garbage),
        garbage,
    }))
}

/// The first entry that is kept: those of kept versions, of the last days, and the newest thousand.
async fn first_entry(log: &FrameLog, head: &Arc<Entry>, floor: u64) -> Result<u64> {
    let old = head.state.retained.first_entry;
    if floor == 0 {
        return Ok(old);
    }
    let of_floor = version_of(log, head, floor).await?.entry.header.sequence;
    let cutoff = before(log.cautious_now(), KEPT_ENTRY_SECONDS);
    let of_time = log.reader().newest_until(Arc::clone(head), cutoff).await?;
    let of_time = of_time.map_or(0, |found| found.entry.header.sequence);
    let newest = head.header.sequence.saturating_sub(KEPT_ENTRIES);
    Ok(of_floor.min(of_time).min(newest).max(old))
}

async fn plan_to_forget(log: &FrameLog, head: &Arc<Entry>, chosen: &BTreeSet<u64>) -> Result<Plan> {
    let state = &head.state;
    let old = &state.retained;
    let mut forgotten: BTreeSet<u64> = old.forgotten.iter().copied().collect();
    forgotten.extend(chosen);
    let mut garbage = ObjectSet::default();
    let mut spoken = ObjectSet::default();
    for version in chosen {
        spoken.extend(needed_at(log, head, *version).await?);
        let gone = |version: u64| version < old.oldest.max(1) || forgotten.contains(&version);
        let mut first = *version;
        while first > old.oldest.max(1) && gone(first - 1) {
            first -= 1;
        }
        let mut last = *version;
        while gone(last + 1) {
            last += 1;
        }
        let mut own = spoken_of(log, head, first..=last).await?;
        own.remove_all(&needed_at(log, head, last + 1).await?);
        if first > old.oldest.max(1) {
            own.remove_all(&needed_at(log, head, first - 1).await?);
        }
        garbage.extend(own);
    }
    let revived = old
        .revived
        .iter()
        .copied()
        .filter(|mark| !forgotten.contains(&mark.version));
    let needed = state.marks().chain(revived);
    garbage.remove_all(&needed_by_marks(log, needed).await?);
    garbage.remove_all(&tracked(log, state).await?);
    let after = Retained {
        forgotten: forgotten.into_iter().collect(),
        ..old.clone()
    };
    Ok(Plan {
        change: GiveUp {
            before: old.clone(),
            marks: marks(state),
            tracking: state.tracking.clone(),
            after,
            empties: false,
            untagged: Vec::new(),
        },
        versions: chosen.len() as u64,
        still_needed: spoken.segments_beside(&garbage),
        garbage,
    })
}
