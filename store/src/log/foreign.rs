//! Publishing commits of another store as versions of this one, under their own ids and byte for byte; merges, too.
//!
//! Up to [`MAX_ARRIVALS`] of them become one entry. Each must follow the one before it, and the first one the tip of
//! the log, so a log only ever moves forward ([`Cause::Diverged`] otherwise). What is there already is not published
//! again. All objects that they name are durable before, and were checked by whoever received them; what is checked
//! here is what only the log can tell.
//!
//! What a commit does to the list of segments, it says itself; but it speaks of the segments of the store that it was
//! made in, which compaction may have put together differently. So what it says is applied if all segments that it
//! hides or removes are on the list here. Otherwise, and for a restored, copied or merged state, the commit comes with
//! the whole list after it, which then takes the place of the one here: the rows are the same.
//! [`FrameLog::unlisted`] tells for which commits that is needed.

use std::sync::Arc;

use serde_json::Value;
use shoots_proto::Note;

use super::change::SegmentList;
use super::commit::{Commit, CommitId, Condemned, Operation, Own, Published};
use super::effect::{Known, Present};
use super::entry::{Entry, encode_commit};
use super::plan::{MAX_CHANGES, NamedSchema, Proposal, Wish};
use super::tip::Tip;
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::lineage::joined::{Parent, merge_commit};
use crate::lineage::record::{Listed, Record};
use crate::lineage::tracking::Tracking;
use crate::plain;
use crate::put;
use crate::time::Timestamp;
use crate::upkeep::condemned;
use crate::upkeep::garbage::ObjectSet;

/// Commits that one entry publishes at most.
pub(crate) const MAX_ARRIVALS: usize = MAX_CHANGES;

/// Commits that are to become versions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foreign {
    /// The commit that the first one follows here; none: there is no history here.
    pub(crate) expected_tip: Option<CommitId>,
    /// The first one begins the history here, whatever its parents are (a clone, perhaps without what is older): there
    /// must be no frame, or one that is deleted.
    pub(crate) begins: bool,
    /// The newest version here when their objects began to be written; 0: there was none. A purge since then has taken
    /// the objects, too, and nothing is published.
    pub(crate) basis: u64,
    /// One after the other, the last of which must not be gone.
    pub(crate) arrivals: Vec<Arrival>,
    /// The remote whose tracking, as it was seen, holds objects that they name: if that has changed, they may be gone.
    pub(crate) tracked: Option<(String, Tracking)>,
    /// What the frame knows of a remote from then on; none: what it knows now. Where the two went apart is looked up.
    pub(crate) tracks: Option<(String, Tracking)>,
    /// What the frame's property says from then on of segments that stayed elsewhere; none: what it says now.
    pub(crate) promised: Option<Value>,
}

/// A commit that is to become a version.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// With its links, if an older program put upkeep before it, and with its list where [`FrameLog::unlisted`] asks
    /// for it.
    pub(crate) record: Record,
    /// Bundles ([`FrameLog::keep_bundles`]) with commits that are part of the history from this one on without being
    /// versions here: the other side of a merge, what is older than a clone; and the commit itself, if it has links.
    pub(crate) history: Vec<String>,
    /// Its segments were gone where it comes from (it has expired there). It can be named, not read. What follows it
    /// begins with a list, or takes the place of all rows.
    pub(crate) gone: bool,
}

/// A state that two histories have led to, as the version to be.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    /// The tip here, which is one of the two parents.
    pub(crate) ours: CommitId,
    /// The other one.
    pub(crate) theirs: CommitId,
    /// The later one of their times.
    pub(crate) time: Timestamp,
    /// The commit whose side was taken, where the two could not be put together.
    pub(crate) settled: Option<CommitId>,
    /// Hash of the frame's schema, whose object is durable.
    pub(crate) schema: String,
    pub(crate) index: Vec<String>,
    /// Whether the frame is deleted.
    pub(crate) deleted: bool,
    /// All segments, durable.
    pub(crate) list: Vec<Listed>,
    /// Bundles with the commits of the other side that are not part of the history here.
    pub(crate) history: Vec<String>,
    /// See [`Foreign::basis`].
    pub(crate) basis: u64,
    /// The remote that the other history comes from: see [`Foreign::tracked`].
    pub(crate) tracked: Option<(String, Tracking)>,
    /// See [`Foreign::tracks`].
    pub(crate) tracks: Option<(String, Tracking)>,
}

impl Merged {
    /// The merge commit: the same in every store that puts the same two histories together.
    pub(crate) fn commit(&self) -> Commit {
        let parents = [&self.ours, &self.theirs].map(|id| Parent {
            id: id.clone(),
            time: self.time,
        });
        merge_commit(
            parents.to_vec(),
            self.settled.as_ref(),
            &self.schema,
            &self.index,
            self.deleted,
        )
    }

    /// The same as a record, with its list.
    pub(crate) fn record(&self) -> Result<Record> {
        let (_, line) = encode_commit(&self.commit())?;
        Record::new(line.into(), Vec::new(), Some(self.list.clone()))
    }
}

impl FrameLog {
    /// Publishes commits of another store. None: the last of them is a version here already.
    ///
    /// The answer is about the last of them; the others have the versions before it.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`](crate::ErrorKind::Diverged) if the tip is another,
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) if there is a frame where one was to begin,
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if a commit does not follow or does not fit,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if objects that they name are about to be removed here.
    pub(crate) async fn publish_foreign(&self, foreign: Foreign) -> Result<Option<Published>> {
        self.shared().check_writable()?;
        let proposal = Proposal {
            basis: Some(foreign.basis),
            wish: Wish::Foreign(Arc::new(foreign)),
            write_id: self.unique_id(),
            request: None,
            absent: None,
            expected: None,
            note: Note::default(),
        };
        put::try_submit(self, proposal).await
    }

    /// Publishes a merge of the tip here with another history. None: it is there already.
    ///
    /// # Errors
    /// As for [`publish_foreign`](Self::publish_foreign).
    pub(crate) async fn publish_merge(&self, merged: Merged) -> Result<Option<Published>> {
        let record = merged.record()?;
        self.publish_foreign(Foreign {
            expected_tip: Some(merged.ours),
            begins: false,
            basis: merged.basis,
            arrivals: vec![Arrival {
                record,
                history: merged.history,
                gone: false,
            }],
            tracked: merged.tracked,
            tracks: merged.tracks,
            promised: None,
        })
        .await
    }

    /// Which of some commits, published one after the other after `before`, need a list of all segments and come without.
    /// Those that are said to be gone need none. `begins`: see [`Foreign::begins`].
    pub(crate) async fn unlisted<'a>(
        &self,
        before: Option<&Entry>,
        begins: bool,
        commits: impl IntoIterator<Item = (&'a Record, bool)>,
    ) -> Result<Vec<CommitId>> {
        let mut rows = Present::after(self, before, begins).await?;
        let mut unlisted = Vec::new();
        for (record, gone) in commits {
            let (id, commit) = (&record.id, &record.commit);
            rows.meet(record)?;
            if gone {
                rows.known = Known::Nothing;
            } else if let Some(list) = &record.list {
                let segments = list.iter().map(|listed| listed.clone().at(0));
                rows.known = Known::List(SegmentList::of(segments.collect()));
                rows.emptied = false;
            } else if rows.says_all(commit) {
                rows.apply(commit, None);
            } else {
                unlisted.push(id.clone());
                rows.known = Known::Something;
                rows.emptied = false;
            }
        }
        Ok(unlisted)
    }
}

/// A commit as it will be published, and what this store knows of it. Whether the frame is deleted after it is told
/// when that is done.
#[derive(Debug)]
pub(crate) struct Arriving {
    pub(crate) id: CommitId,
    pub(crate) line: Vec<u8>,
    pub(crate) commit: Commit,
    pub(crate) own: Own,
    /// The version cannot be read.
    pub(crate) gone: bool,
    /// It brings segments back that were here before.
    pub(crate) revives: bool,
    /// The frame is deleted, and its rows are gone, too.
    pub(crate) empties: bool,
}

/// The versions to be, and what they follow.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) commits: Vec<Arriving>,
    /// The schema after the last one.
    pub(crate) schema: NamedSchema,
    /// What was condemned here, without what the commits name.
    pub(crate) condemned: Option<Vec<Condemned>>,
    /// See [`Foreign::promised`].
    pub(crate) promised: Option<Value>,
    /// See [`Foreign::tracks`].
    pub(crate) tracks: Option<(String, Tracking)>,
}

impl Foreign {
    /// The versions to be after `before`; none if they are there already.
    pub(crate) async fn arrive(
        &self,
        log: &FrameLog,
        before: Option<&Entry>,
    ) -> Result<Option<Arrivals>> {
        let Some(last) = self.arrivals.last() else {
            return Ok(None);
        };
        if self.arrivals.len() > MAX_ARRIVALS {
            let problem = format!("more than {MAX_ARRIVALS} commits cannot be published at once");
            return Err(Error::invalid("commits", problem));
        }
        let tip = match before {
            Some(entry) => log.tip(entry).await?,
            None => None,
        };
        if let Some(entry) = before
            && self
                .is_there(log, entry, tip.as_ref(), &last.record.id)
                .await?
        {
            return Ok(None);
        }
        self.check_tip(log, before, tip.as_ref())?;
        self.check_order(log, tip.as_ref()).await?;
        if before.is_none() && plain::find(log).await?.is_some() {
            return Err(exists_already(log));
        }
        let deleted = before.is_none_or(|entry| entry.state.deleted);
        put::create_bucket(log, deleted).await?;
        let condemned = self.spared(log, before).await?;
        let commits = self.worked_out(log, before).await?;
        let schema = log.schema(&last.record.commit.schema).await?;
        Ok(Some(Arrivals {
            commits,
            schema,
            condemned,
            promised: self.promised.clone(),
            tracks: self.tracks.clone(),
        }))
    }

    async fn is_there(
        &self,
        log: &FrameLog,
        entry: &Entry,
        tip: Option<&Tip>,
        last: &CommitId,
    ) -> Result<bool> {
        let tip = tip.map(|tip| &tip.commit);
        if tip == Some(last) {
            return Ok(true);
        }
        if tip == self.expected_tip.as_ref() {
            return Ok(false);
        }
        Ok(log.version_of(entry, last).await?.is_some())
    }

    fn check_tip(&self, log: &FrameLog, before: Option<&Entry>, tip: Option<&Tip>) -> Result<()> {
        let tip = tip.map(|tip| &tip.commit);
        if tip != self.expected_tip.as_ref() {
            let frame = log.frame();
            let problem = match tip {
                Some(tip) => format!("frame {frame} has moved on to commit {tip}"),
                None => format!("frame {frame} has no history any more"),
            };
            return Err(Cause::Diverged(problem).into());
        }
        if self.begins && before.is_some_and(|entry| !entry.state.deleted) {
            return Err(exists_already(log));
        }
        if let Some((remote, tracking)) = &self.tracked
            && before.and_then(|entry| entry.state.tracking.get(remote)) != Some(tracking)
        {
            let problem = format!(
                "what is known of frame {} at `{remote}` has changed meanwhile",
                log.frame()
            );
            return Err(Cause::Conflict(problem).into());
        }
        Ok(())
    }

    /// That each commit follows the one before it, by itself or by commits that it brings, and is later.
    async fn check_order(&self, log: &FrameLog, tip: Option<&Tip>) -> Result<()> {
        let mut last = tip.map(|tip| (&tip.commit, tip.time));
        if self.begins {
            last = None;
        }
        for (place, arrival) in self.arrivals.iter().enumerate() {
            let record = &arrival.record;
            let mut parents = record.follows()?;
            if last.is_some_and(|(id, _)| !parents.contains(id)) {
                // What lies between comes along beside the log.
                for brought in log.bundles(&arrival.history).await? {
                    parents.extend(brought.record.follows()?);
                }
            }
            let follows = match last {
                Some((id, time)) => parents.contains(id) && time < record.commit.time,
                None => parents.is_empty() || (place == 0 && self.begins),
            };
            if !follows {
                return Err(misfit(record, "it does not follow the commit before it"));
            }
            if record.commit.operation.is_upkeep() || record.commit.operation == Operation::Purge {
                return Err(misfit(record, "it is upkeep of another store"));
            }
            last = Some((&record.id, record.commit.time));
        }
        Ok(())
    }

    /// What was condemned here, if commits name some of that: it is spared.
    async fn spared(
        &self,
        log: &FrameLog,
        before: Option<&Entry>,
    ) -> Result<Option<Vec<Condemned>>> {
        let Some(entry) = before else {
            return Ok(None);
        };
        if entry.state.retained.condemned.is_empty() {
            return Ok(None);
        }
        let mut named = ObjectSet::default();
        for arrival in self.arrivals.iter().filter(|arrival| !arrival.gone) {
            match &arrival.record.list {
                Some(_) => named.list(&arrival.record),
                None => named.record(&arrival.record),
            }
        }
        for bundle in self.arrivals.iter().flat_map(|arrival| &arrival.history) {
            named.kept(&log.bundle(bundle).await?);
        }
        condemned::spare(log, &entry.state.retained.condemned, &named).await
    }

    async fn worked_out(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Vec<Arriving>> {
        let first = before.map_or(1, |entry| entry.last_version() + 1);
        let mut present = Present::after(log, before, self.begins).await?;
        let mut listed = 0;
        let mut arriving = Vec::with_capacity(self.arrivals.len());
        for (version, arrival) in (first..).zip(&self.arrivals) {
            let is_last = version == first + self.arrivals.len() as u64 - 1;
            present.meet(&arrival.record)?;
            let mut next = if arrival.gone {
                present.give_up(arrival, is_last)?
            } else {
                present.take(log, version, arrival, &mut listed).await?
            };
            next.own.history.clone_from(&arrival.history);
            next.own.foreign = true;
            next.revives |= !arrival.history.is_empty() || (self.begins && before.is_some());
            next.revives &= !next.gone;
            arriving.push(next);
        }
        Ok(arriving)
    }
}

fn exists_already(log: &FrameLog) -> Error {
    let (what, name) = ("frame", log.frame().to_string());
    Cause::AlreadyExists { what, name }.into()
}

pub(super) fn misfit(record: &Record, problem: &str) -> Error {
    Error::damaged(format!("commit {}", record.id), problem)
}

impl Arriving {
    pub(super) fn of(record: &Record, own: Own) -> Self {
        Self {
            id: record.id.clone(),
            line: record.line.to_vec(),
            commit: record.commit.clone(),
            own,
            gone: false,
            revives: false,
            empties: false,
        }
    }
}

#[cfg(test)]
mod tests;
