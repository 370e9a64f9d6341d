//! What the frame is at the remote, where what was fetched does not tell that by itself.
//!
//! A fetched commit says what it did to segments as they lie where it was made. If rows lie otherwise here, its state is
//! worked out as a merge does it: by what the commits mean, from a state that all of them follow. What comes out is the
//! list of all segments after the last commit, as they lie here. It is kept in a bundle of its own behind those of the
//! commits, so that it is read as what a remote has told, and leaves the history as it came.

use super::{Settled, Settling};
use crate::error::Result;
use crate::lineage::bundle::Kept;
use crate::lineage::record::{Listed, Record};
use crate::merge::{self, Kind, Outcome};

impl Settling<'_> {
    /// Takes their side.
    pub(super) async fn take_theirs(self) -> Result<Settled> {
        let settled = self.tracking.tip.clone();
        let conflict = match self.replay(Some(&settled)).await? {
            Outcome::Merged(merged) => return self.publish(*merged, Some(settled)).await,
            Outcome::Conflict(conflict) => conflict,
        };
        if conflict.kind != Kind::Expired {
            return Err(conflict.into_error(self.log.frame()));
        }
        match self.as_there().await? {
            Some(merged) => self.publish(merged, Some(settled)).await,
            None => Ok(Settled::Untold(conflict)),
        }
    }

    /// The frame as it is there, if the remote has told that and all of it is here.
    async fn as_there(&self) -> Result<Option<merge::Merged>> {
        let Some(newest) = self.found.theirs.first() else {
            return Ok(None);
        };
        let Record { commit, list, .. } = &newest.record;
        let Some(list) = list else {
            return Ok(None);
        };
        if !self.has_listed(&newest.record).await? {
            return Ok(None);
        }
        Ok(Some(merge::Merged {
            schema: self.log.schema(&commit.schema).await?,
            index: commit.index.clone(),
            deleted: commit.leaves_deleted(false),
            segments: list.iter().map(|listed| listed.clone().at(0)).collect(),
            written: Vec::new(),
        }))
    }

    /// Works out the state at the remote, and gives the hash of the bundle that holds it. None: nobody can tell, because
    /// rows that it takes have expired or were left elsewhere, or the frame is deleted there.
    pub(super) async fn keep_state_there(&self) -> Result<Option<String>> {
        let Some(newest) = self.found.theirs.first() else {
            return Ok(None);
        };
        if newest.record.commit.leaves_deleted(false) {
            return Ok(None);
        }
        let merged = match self.replay_theirs().await {
            Ok(Some(Outcome::Merged(merged))) => merged,
            Ok(_) => return Ok(None),
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let list = merged.segments.iter().map(Listed::of).collect();
        let state = Kept {
            record: Record {
                list: Some(list),
                ..newest.record.clone()
            },
            gone: !newest.kept,
        };
        let mut bundles = self.log.keep_bundles(vec![state]).await?;
        Ok(bundles.pop())
    }

    /// Does their changes again, on the state that all of them follow; none if nobody keeps that.
    async fn replay_theirs(&self) -> Result<Option<Outcome>> {
        let Some((start, later)) = self.begin().await? else {
            return Ok(None);
        };
        let theirs = self.found.theirs.iter().chain(later);
        let (records, gone) = self.to_replay(theirs).await?;
        self.done_again(start, records, gone).await.map(Some)
    }

    /// The bundle of what was fetched that tells nothing but the state at the remote, if there is one.
    pub(super) async fn state_bundle(&self) -> Result<Vec<String>> {
        let Some(last) = self.tracking.history.last() else {
            return Ok(Vec::new());
        };
        let kept = self.log.bundle(last).await?;
        let is_state = matches!(
            kept.as_slice(),
            [only] if only.record.id == self.tracking.tip && only.record.list.is_some()
        );
        Ok(is_state.then(|| last.clone()).into_iter().collect())
    }
}
