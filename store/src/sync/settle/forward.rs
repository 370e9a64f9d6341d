//! What was fetched becomes versions here, where nothing has happened since the two histories were one.
//!
//! What a fetched commit does to segments, it says of those that there were where it was made. If rows lie otherwise here
//! by now, it is done by what it means instead.

use std::collections::HashSet;

use super::super::course::{brought, course};
use super::super::peer::{Arrival, Publish, PublishOutcome, Tracked};
use super::super::receive;
use super::super::stored::Seen;
use super::super::transfer::{gone_beside, groups};
use super::{Settled, Settling, is_unknown};
use crate::error::{Error, Result};
use crate::lineage::record::Listed;
use crate::lineage::tracking::Tracking;
use crate::log::commit::CommitId;
use crate::merge::{self, Histories, Outcome, Start};

impl Settling<'_> {
    /// Nothing has happened here since: the fetched commits become versions.
    pub(super) async fn forward(self) -> Result<Settled> {
        let mut written = Vec::new();
        let forwarded = self.publish_fetched(&mut written).await;
        if !is_unknown(&forwarded) {
            self.log.let_go(&written).await;
        }
        forwarded
    }

    /// `written` gets the segments that were written for this and are not published.
    async fn publish_fetched(&self, written: &mut Vec<String>) -> Result<Settled> {
        let stages = course(Some(&self.tip.commit), self.found.theirs.clone())?;
        let mut expected = self.tip.commit.clone();
        let mut versions = 0;
        let arrivals: Vec<Arrival> = stages
            .into_iter()
            .map(|stage| Arrival {
                kept: stage.record.kept || stage.record.record.list.is_some(),
                record: stage.record.record,
                brings: brought(stage.brings),
            })
            .collect();
        let arrivals = gone_beside(arrivals);
        let mut before = 0;
        for group in groups(&arrivals)? {
            let mut group = group.to_vec();
            let is_last = before + group.len() == arrivals.len();
            loop {
                let request = Publish {
                    expected: Some(expected.clone()),
                    arrivals: group.clone(),
                    tracked: match is_last {
                        true => self.tracked_alike(),
                        false => Tracked::default(),
                    },
                    ..Publish::default()
                };
                match receive::receive(self.log, &Seen::default(), request).await? {
                    PublishOutcome::Published { versions: more, .. } => {
                        versions += more;
                        written.clear();
                        break;
                    }
                    PublishOutcome::Moved { .. } => return Ok(Settled::Moved),
                    PublishOutcome::NeedsLists { commits } => {
                        let done = arrivals.get(..before).unwrap_or_default();
                        let listed = self.list_as_here(&expected, done, &mut group, &commits);
                        written.extend(listed.await?);
                    }
                }
            }
            before += group.len();
            if let Some(last) = group.last() {
                expected.clone_from(&last.record.id);
            }
        }
        Ok(Settled::Forwarded(expected, versions))
    }

    /// That both have the same.
    fn tracked_alike(&self) -> Tracked {
        let tracking = Tracking {
            common: Some(self.tracking.tip.clone()),
            ahead: 0,
            behind: 0,
            history: Vec::new(),
            at: self.log.now(),
            fork: None,
            ..self.tracking.clone()
        };
        Tracked::of(self.remote, tracking)
    }

    /// The rows here lie otherwise in segments than those that the fetched commits speak of. Done by what it means, on the
    /// rows as they lie here, the first of those commits that need that gets a list of its own. The segments that were
    /// written for it. `done`: what has become versions already, of which the last one is `tip`.
    async fn list_as_here(
        &self,
        tip: &CommitId,
        done: &[Arrival],
        group: &mut [Arrival],
        needed: &[CommitId],
    ) -> Result<Vec<String>> {
        let place = group.iter().position(|arrival| {
            needed.contains(&arrival.record.id) && arrival.record.list.is_none()
        });
        let Some(place) = place else {
            return Err(self.unapplied());
        };
        let through = group.get(..=place).unwrap_or_default();
        let histories = match self.on_the_line(tip, through).await? {
            Some(histories) => Some(histories),
            None => self.since_the_cut(tip, done, through).await?,
        };
        let Some(histories) = histories else {
            return Err(self.unapplied());
        };
        let version = self.head.last_version() + 1;
        match merge::merge(self.log, histories, version).await? {
            Outcome::Merged(merged) => {
                let list = merged.segments.iter().map(Listed::of).collect();
                if let Some(arrival) = group.get_mut(place) {
                    arrival.record.list = Some(list);
                }
                Ok(merged.written)
            }
            Outcome::Conflict(_) => Err(self.unapplied()),
        }
    }

    /// What leads to the state after the last of these commits, from the newest state that is known and that it follows
    /// by a line; none if what a merge brought lies between.
    async fn on_the_line(&self, tip: &CommitId, through: &[Arrival]) -> Result<Option<Histories>> {
        let listed = through
            .iter()
            .rposition(|arrival| arrival.record.list.is_some());
        let (start, line) = match listed.and_then(|place| through.split_at_checked(place + 1)) {
            Some((until, line)) => match until.last() {
                Some(listed) => (Some(self.listed_start(&listed.record).await?), line),
                None => (None, line),
            },
            None => (self.newest_start(tip).await?, through),
        };
        let Some(start) = start.filter(|_| line.iter().all(|arrival| arrival.brings.is_empty()))
        else {
            return Ok(None);
        };
        let records = line.iter().map(|arrival| arrival.record.clone());
        let gone = line.iter().filter(|arrival| !arrival.kept);
        Ok(Some(Histories {
            start,
            records: records.collect(),
            gone: gone.map(|arrival| arrival.record.id.clone()).collect(),
            ours: tip.clone(),
            theirs: self.tracking.tip.clone(),
        }))
    }

    /// What leads to the state after the last of these commits from a state that all others follow, also those that merges
    /// brought; none if there is no such state any more.
    async fn since_the_cut(
        &self,
        tip: &CommitId,
        done: &[Arrival],
        through: &[Arrival],
    ) -> Result<Option<Histories>> {
        let Some((start, later)) = self.begin().await? else {
            return Ok(None);
        };
        let arrived = done.iter().chain(through);
        let followed: HashSet<&str> = arrived
            .flat_map(|arrival| {
                let brought = arrival.brings.iter().map(|brought| &brought.record);
                brought.chain([&arrival.record])
            })
            .map(|record| record.id.as_str())
            .collect();
        let theirs = self.found.theirs.iter();
        let theirs = theirs.filter(|record| followed.contains(record.record.id.as_str()));
        let (records, gone) = self.to_replay(theirs.chain(later)).await?;
        Ok(Some(Histories {
            start,
            records,
            gone,
            ours: tip.clone(),
            theirs: self.tracking.tip.clone(),
        }))
    }

    /// The frame as it is here, if that is what it was after this commit.
    async fn newest_start(&self, tip: &CommitId) -> Result<Option<Start>> {
        let newest = self
            .log
            .newest()
            .await?
            .ok_or_else(|| self.log.not_found())?;
        let head = newest.entry;
        let found = self.log.tip(&head).await?;
        if found.is_none_or(|found| found.commit != *tip) {
            return Ok(None);
        }
        let list = head.list_through(head.last_version());
        Ok(Some(Start {
            commit: Some(tip.clone()),
            schema: Some(self.log.schema(&head.state.schema).await?),
            index: head.state.index.clone(),
            deleted: head.state.deleted,
            segments: self.log.checkpoints().segments(list).await?,
        }))
    }

    /// What was fetched does not tell enough to be applied here.
    fn unapplied(&self) -> Error {
        let problem = format!(
            "what was fetched from {} cannot be applied to how frame {} lies in segments now; pull it instead, which asks \
             {} for the rest",
            self.remote,
            self.log.frame(),
            self.remote
        );
        Error::invalid("remote", problem)
    }
}
