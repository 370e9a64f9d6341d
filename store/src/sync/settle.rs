//! Puts the history of a frame and one that was fetched from a remote together.
//!
//! What was fetched lies in bundles beside the log, so this needs no remote: a pull merges at once, and a merge that
//! was put off is made in the same way later.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, stream};
use shoots_proto::action::Favour;

use super::local::readable;
use super::peer::{Arrival, HistoryRecord, ObjectKind, ObjectName, Publish, PublishOutcome};
use super::receive;
use super::stored::{self, Seen};
use super::told;
use super::transfer::has_own_list;
use super::walk::{Cut, Divergence, Walk};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::{Listed, Record};
use crate::lineage::tracking::Tracking;
use crate::log::change::Segment;
use crate::log::commit::{CommitId, Operation};
use crate::log::entry::Entry;
use crate::log::foreign::Merged;
use crate::log::tip::Tip;
use crate::merge::{self, Conflict, Histories, Kind, Outcome, Start};

/// What became of putting two histories together.
#[derive(Debug)]
pub(super) enum Settled {
    /// They are one now, which ends with this commit.
    Merged(CommitId),
    /// The other one has nothing that is not here.
    Unchanged,
    /// The frame has moved meanwhile.
    Moved,
}

/// Merges what was fetched from a remote.
pub(super) async fn merge(log: &FrameLog, remote: &str, favour: Option<Favour>) -> Result<Settled> {
    log.shared().check_writable()?;
    let head = log.newest().await?.ok_or_else(|| log.not_found())?.entry;
    let tip = log.tip(&head).await?.ok_or_else(|| log.not_found())?;
    let tracking = head.state.tracking.get(remote).cloned();
    let tracking = tracking.ok_or_else(|| never_fetched(log, remote))?;
    let fetched = log.bundles(&tracking.history).await?;
    if fetched.is_empty() {
        return Ok(Settled::Unchanged);
    }
    let mut walk = Walk::new(
        Some((tip.commit.clone(), told::history(log, &head, &tip.commit))),
        Some((tracking.tip.clone(), told_again(fetched))),
    );
    walk.diverge().await?;
    if walk.is_apart() {
        walk.find_cut().await?;
    }
    let (found, cut) = walk.finish();
    let settling = Settling {
        log,
        head,
        tip,
        remote,
        tracking,
        found,
        cut,
    };
    settling.run(favour).await
}

/// What a frame has beyond a remote and the remote beyond it, as far as that was fetched.
pub(super) async fn apart(log: &FrameLog, head: &Entry, tracking: &Tracking) -> Result<Divergence> {
    let Some(tip) = log.tip(head).await? else {
        return Ok(Divergence {
            ours: Vec::new(),
            theirs: Vec::new(),
            common: None,
        });
    };
    let fetched = log.bundles(&tracking.history).await?;
    let mut walk = Walk::new(
        Some((tip.commit.clone(), told::history(log, head, &tip.commit))),
        Some((tracking.tip.clone(), told_again(fetched))),
    );
    walk.diverge().await?;
    Ok(walk.finish().0)
}

/// Fetched commits as a history, newest first.
fn told_again(mut fetched: Vec<Kept>) -> super::peer::HistoryStream {
    fetched.sort_by_cached_key(|kept| std::cmp::Reverse(kept.record.place()));
    fetched.dedup_by(|one, other| one.record.id == other.record.id);
    let records = fetched.into_iter().map(|kept| {
        Ok(HistoryRecord {
            record: kept.record,
            version: None,
            kept: !kept.gone,
        })
    });
    stream::iter(records).boxed()
}

fn never_fetched(log: &FrameLog, remote: &str) -> Error {
    let (what, name) = (
        "history",
        format!("of frame {} at {remote} here: fetch it first", log.frame()),
    );
    Cause::NotFound { what, name }.into()
}

struct Settling<'a> {
    log: &'a FrameLog,
    head: Arc<Entry>,
    tip: Tip,
    remote: &'a str,
    tracking: Tracking,
    found: Divergence,
    cut: Option<Cut>,
}

impl Settling<'_> {
    async fn run(self, favour: Option<Favour>) -> Result<Settled> {
        if self.found.theirs.is_empty() {
            return Ok(Settled::Unchanged);
        }
        if self.found.ours.is_empty() {
            return self.forward().await;
        }
        let outcome = self.replay(None).await?;
        let conflict = match outcome {
            Outcome::Merged(merged) => return self.publish(*merged, None).await,
            Outcome::Conflict(conflict) => conflict,
        };
        match favour {
            None => Err(conflict.into_error(self.log.frame())),
            Some(Favour::Ours) => {
                let merged = self.as_here().await?;
                let settled = self.tip.commit.clone();
                self.publish(merged, Some(settled)).await
            }
            Some(Favour::Theirs) => {
                let settled = self.tracking.tip.clone();
                match self.replay(Some(&settled)).await? {
                    Outcome::Merged(merged) => self.publish(*merged, Some(settled)).await,
                    Outcome::Conflict(conflict) => Err(conflict.into_error(self.log.frame())),
                }
            }
        }
    }

    /// Nothing has happened here since: the fetched commits become versions.
    async fn forward(self) -> Result<Settled> {
        let stages = super::course::course(Some(&self.tip.commit), self.found.theirs)?;
        let mut expected = self.tip.commit.clone();
        let arrivals: Vec<Arrival> = stages
            .into_iter()
            .map(|stage| Arrival {
                record: stage.record.record,
                kept: stage.record.kept,
                brings: super::course::brought(stage.brings),
            })
            .collect();
        for group in super::transfer::groups(&arrivals)? {
            let request = Publish {
                expected: Some(expected),
                arrivals: group.to_vec(),
                ..Publish::default()
            };
            match receive::receive(self.log, &Seen::default(), request).await? {
                PublishOutcome::Published { .. } => {}
                PublishOutcome::Moved { .. } => return Ok(Settled::Moved),
                PublishOutcome::NeedsLists { .. } => {
                    let problem = format!(
                        "what was fetched from {} cannot be applied to how frame {} lies in segments now: pull it",
                        self.remote,
                        self.log.frame()
                    );
                    return Err(Cause::Conflict(problem).into());
                }
            }
            expected = group
                .last()
                .map_or_else(String::new, |last| last.record.id.clone());
        }
        Ok(Settled::Merged(expected))
    }

    fn conflict(&self, kind: Kind, problem: String) -> Outcome {
        Outcome::Conflict(Conflict {
            kind,
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
            problem,
        })
    }

    /// Does the changes of both again, on the state that all of them follow. `settled` takes one side.
    async fn replay(&self, settled: Option<&CommitId>) -> Result<Outcome> {
        let start = match &self.cut {
            Some(cut) => self.start(cut).await?,
            None if self.found.common.is_some() => None,
            // Two histories that are known from their beginnings.
            None => Some(Start::default()),
        };
        let Some(start) = start else {
            let problem = "the rows of their last common commit are no longer kept here";
            return Ok(self.conflict(Kind::Expired, problem.to_owned()));
        };
        let shared = self.cut.iter().flat_map(|cut| &cut.shared);
        let both = self.found.ours.iter().chain(&self.found.theirs);
        let mut records = Vec::new();
        for record in both.chain(shared) {
            match self.whole(record).await? {
                Some(record) => records.push(record),
                None => {
                    let id = &record.record.id;
                    let problem = format!("what commit {id} is made of is no longer kept");
                    return Ok(self.conflict(Kind::Expired, problem));
                }
            }
        }
        let theirs = self.found.theirs.first();
        if let (Some(settled), Some(theirs)) = (settled, theirs) {
            let taken = &theirs.record.commit;
            let chosen = Merged {
                schema: taken.schema.clone(),
                index: taken.index.clone(),
                ..self.joined(Some(settled.clone()))
            };
            records.push(chosen.record()?);
        }
        let histories = Histories {
            start,
            records,
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
        };
        merge::merge(self.log, histories, self.head.last_version() + 1).await
    }

    /// The state that a replay begins with.
    async fn start(&self, cut: &Cut) -> Result<Option<Start>> {
        let id = &cut.at.record.id;
        let Some(found) = readable(self.log, &self.head, id).await? else {
            return Ok(None);
        };
        let commit = found
            .entry
            .versions()
            .find(|(version, ..)| *version == found.version);
        let Some((_, _, commit)) = commit else {
            return Ok(None);
        };
        let list = found.entry.list_through(found.version);
        let segments = self.log.checkpoints().segments(list).await?;
        Ok(Some(Start {
            commit: Some(id.clone()),
            schema: Some(self.log.schema(&commit.schema).await?),
            index: commit.index.clone(),
            deleted: found.entry.deleted_at(found.version),
            segments,
        }))
    }

    /// A commit with all that doing it again takes; none if some of that is gone.
    async fn whole(&self, record: &HistoryRecord) -> Result<Option<Record>> {
        let mut whole = record.record.clone();
        let operation = whole.commit.operation;
        if operation == Operation::Merge {
            whole.list = None;
            return Ok(Some(whole));
        }
        if has_own_list(operation) {
            if whole.list.is_none() {
                let Some(found) = readable(self.log, &self.head, &whole.id).await? else {
                    return Ok(None);
                };
                let list = found.entry.list_through(found.version);
                let segments = self.log.checkpoints().segments(list).await?;
                whole.list = Some(segments.iter().map(Listed::of).collect());
            }
            return Ok(Some(whole));
        }
        if record.kept {
            return Ok(Some(whole));
        }
        let names: Vec<ObjectName> = whole
            .commit
            .added
            .iter()
            .map(|segment| ObjectName {
                kind: ObjectKind::Segment,
                id: segment.id.clone(),
            })
            .collect();
        let found = stored::have(self.log, &names).await?;
        Ok(found.iter().all(Option::is_some).then_some(whole))
    }

    /// The frame as it is here.
    async fn as_here(&self) -> Result<merge::Merged> {
        let state = &self.head.state;
        let list = self.head.list_through(self.head.last_version());
        Ok(merge::Merged {
            schema: self.log.schema(&state.schema).await?,
            index: state.index.clone(),
            deleted: state.deleted,
            segments: self.log.checkpoints().segments(list).await?,
            written: Vec::new(),
        })
    }

    /// The merge without its state.
    fn joined(&self, settled: Option<CommitId>) -> Merged {
        let theirs = self
            .found
            .theirs
            .first()
            .map(|newest| newest.record.commit.time);
        Merged {
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
            time: theirs.map_or(self.tip.time, |theirs| theirs.max(self.tip.time)),
            settled,
            schema: String::new(),
            index: Vec::new(),
            deleted: false,
            list: Vec::new(),
            history: Vec::new(),
            basis: self.head.last_version(),
            tracked: Some((self.remote.to_owned(), self.tracking.clone())),
        }
    }

    async fn publish(self, merged: merge::Merged, settled: Option<CommitId>) -> Result<Settled> {
        let joined = Merged {
            schema: merged.schema.hash.to_string(),
            index: merged.index,
            deleted: merged.deleted,
            list: merged.segments.iter().map(listed).collect(),
            history: self.bundles().await?,
            ..self.joined(settled)
        };
        let commit = joined.record()?.id;
        let published = self.log.publish_merge(joined).await;
        if !matches!(published, Ok(Some(_))) && !is_unknown(&published) {
            // Nobody else knows them.
            self.log.discard(&merged.written).await?;
        }
        match published {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Diverged => return Ok(Settled::Moved),
            Err(error) => return Err(error),
        }
        let tracking = Tracking {
            common: Some(self.tracking.tip.clone()),
            ahead: self.found.ours.len() as u64 + 1,
            behind: 0,
            history: Vec::new(),
            at: self.log.now(),
            fork: None,
            ..self.tracking.clone()
        };
        let store = crate::store::Store::sharing(self.log.shared());
        let frame = store.frame(self.log.frame());
        frame.set_tracking(self.remote, Some(tracking)).await?;
        Ok(Settled::Merged(commit))
    }

    /// Bundles with just what only the other side has.
    async fn bundles(&self) -> Result<Vec<String>> {
        let fetched = self.log.bundles(&self.tracking.history).await?;
        let theirs: HashSet<&str> = self
            .found
            .theirs
            .iter()
            .map(|record| record.record.id.as_str())
            .collect();
        let (own, known): (Vec<Kept>, Vec<Kept>) = fetched
            .into_iter()
            .partition(|kept| theirs.contains(kept.record.id.as_str()));
        match known.is_empty() {
            true => Ok(self.tracking.history.clone()),
            false => self.log.keep_bundles(own).await,
        }
    }
}

fn listed(segment: &Segment) -> Listed {
    Listed::of(segment)
}

fn is_unknown<T>(published: &Result<T>) -> bool {
    let error = published.as_ref().err();
    error.is_some_and(|error| error.kind() == ErrorKind::OutcomeUnknown)
}
