//! The newest version in the segments in which it lies at a remote.
//!
//! Of a frame that was cloned in part, the remote may have compacted and removed the segments that were left there. The
//! rows of a state are the same in every store, however they lie, so the list of the remote takes the place of the one
//! here: by a commit of upkeep, as a compaction here would do it. It is believed as far as a list is that comes with a
//! commit: its segments are checked, and so are the counts.

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Value;

use super::exchange::Exchange;
use super::peer::HistoryRecord;
use super::promise;
use super::told;
use super::transfer::has_own_list;
use super::walk::Divergence;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::record::Record;
use crate::log::change::{SegmentList, totals};
use crate::log::commit::{CommitId, Mark, Operation};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::entry::Entry;
use crate::upkeep::condemned;
use crate::upkeep::garbage::ObjectSet;

/// The segments of another store take the place of those here.
#[derive(Debug)]
struct Relist {
    /// The commit of the history, with the list of all segments after it.
    record: Record,
    /// What the frame is to say from then on of segments that were left at the remote.
    promised: Value,
}

#[async_trait]
impl Derive for Relist {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let tip = log.tip(entry).await?.map(|tip| tip.commit);
        if tip.as_ref() != Some(&self.record.id) || entry.state.deleted {
            return Ok(None);
        }
        let version = entry.last_version() + 1;
        let present = entry.list_through(entry.last_version());
        let present = SegmentList::of(log.checkpoints().segments(present).await?);
        let listed = self.record.list.iter().flatten().map(|listed| {
            let brought = present.get(listed.id()).map(|known| known.version);
            listed.clone().at(brought.unwrap_or(version))
        });
        let segments: Vec<_> = listed.collect();
        let totals = totals(&segments);
        if totals.rows != entry.state.rows {
            let problem = format!(
                "its list of segments has {} rows, and there are {}",
                totals.rows, entry.state.rows
            );
            return Err(Error::damaged(
                format!("commit {}", self.record.id),
                problem,
            ));
        }
        let mut retained = entry.state.retained.clone();
        let sequence = entry.header.sequence + 1;
        retained.revived.push(Mark { version, sequence });
        let mut named = ObjectSet::default();
        named.list(&self.record);
        if let Some(spared) = condemned::spare(log, &retained.condemned, &named).await? {
            retained.condemned = spared;
        }
        let property = promise::PROPERTY.to_owned();
        Ok(Some(Step {
            base: Some(log.checkpoints().list_of(&segments).await?),
            totals,
            edits: vec![
                StateEdit::Retain(Box::new(retained)),
                StateEdit::Property(property, self.promised.clone()),
            ],
            ..Step::bare(log, entry, Operation::Compact).await?
        }))
    }
}

impl Exchange<'_> {
    /// Takes the newest version here over in the segments in which it lies at the remote.
    pub(super) async fn relist(
        &self,
        log: &FrameLog,
        head: &Entry,
        found: &Divergence,
        promised: Value,
    ) -> Result<()> {
        let tip = log.tip(head).await?.ok_or_else(|| log.not_found())?.commit;
        let mut history = told::history(log, head, &tip);
        let newest = history.try_next().await?;
        let newest = newest.ok_or_else(|| log.not_found())?;
        let gathered = self
            .gather_checked(log, Some(newest), Vec::new(), false)
            .await?;
        let mut gathered = gathered.into_iter();
        let Some(record) = gathered.next().map(|brought| brought.record) else {
            return Err(self.given_up(found, &tip));
        };
        let relisted = Relist { record, promised };
        match self.store.frame(self.here).change(relisted).await? {
            Some(_) => Ok(()),
            None => {
                let problem = format!("frame {} has moved on meanwhile", self.here);
                Err(Error::from(Cause::Conflict(problem)).overtaken())
            }
        }
    }

    /// That the remote has given up rows that were left there, and does not know, or keep, what the frame is here.
    fn given_up(&self, found: &Divergence, tip: &CommitId) -> Error {
        if found.ours.is_empty() && found.theirs.is_empty() {
            let problem = format!("frame {} has moved on at {}", self.there, self.remote.name);
            return Error::from(Cause::Conflict(problem)).overtaken();
        }
        let listed = |record: &HistoryRecord| has_own_list(record.record.commit.operation);
        let advice = if !found.theirs.is_empty() {
            "pull the frame first, then fetch it again"
        } else if !found.ours.iter().any(listed) {
            "push the frame first, then fetch it again"
        } else {
            "clone the frame anew under another name, and bring over what was changed here"
        };
        let problem = format!(
            "rows of frame {here} were left at {remote} when a part of it was cloned, and {remote} has put them together \
             otherwise since and does not keep the frame as it is here, after commit {tip}; {advice}",
            here = self.here,
            remote = self.remote.name,
        );
        Error::elsewhere(ErrorKind::Promised, problem)
    }
}
