//! What was fetched becomes versions here, where nothing has happened since the two histories were one.
//!
//! What a fetched commit does to segments, it says of those that there were where it was made. If rows lie otherwise here
//! by now, it is done by what it means instead.

use super::super::course::{brought, course};
use super::super::peer::{Arrival, Publish, PublishOutcome};
use super::super::receive;
use super::super::stored::Seen;
use super::super::transfer::{gone_beside, groups};
use super::{Settled, Settling, is_unknown};
use crate::error::{Error, Result};
use crate::lineage::record::Listed;
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
        for group in groups(&arrivals)? {
            let mut group = group.to_vec();
            loop {
                let request = Publish {
                    expected: Some(expected.clone()),
                    arrivals: group.clone(),
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
                        let listed = self.list_as_here(&expected, &mut group, &commits);
                        written.extend(listed.await?);
                    }
                }
            }
            if let Some(last) = group.last() {
                expected.clone_from(&last.record.id);
            }
        }
        Ok(Settled::Forwarded(expected, versions))
    }

    /// The rows here lie otherwise in segments than those that the fetched commits speak of. Done by what it means, on the
    /// rows as they lie here, the first of those commits that need that gets a list of its own. The segments that were
    /// written for it.
    async fn list_as_here(
        &self,
        tip: &CommitId,
        group: &mut [Arrival],
        needed: &[CommitId],
    ) -> Result<Vec<String>> {
        let place = group.iter().position(|arrival| {
            needed.contains(&arrival.record.id) && arrival.record.list.is_none()
        });
        let Some(place) = place else {
            return Err(self.unapplied());
        };
        let Some(start) = self.newest_start(tip).await? else {
            return Err(self.unapplied());
        };
        let done = group.get(..=place).unwrap_or_default();
        let records = done.iter().map(|arrival| arrival.record.clone());
        let gone = done.iter().filter(|arrival| !arrival.kept);
        let histories = Histories {
            start,
            records: records.collect(),
            gone: gone.map(|arrival| arrival.record.id.clone()).collect(),
            ours: tip.clone(),
            theirs: self.tracking.tip.clone(),
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
