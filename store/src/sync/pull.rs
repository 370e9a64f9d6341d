//! Pull: the frame here gets what is new at a remote.
//!
//! If nothing has happened here since, their commits become versions. Otherwise they are fetched, and merged with what
//! has happened here.

use shoots_proto::action::{SyncOutcome, SyncedFrame};

use super::attempts::Attempts;
use super::exchange::{Ends, Exchange};
use super::fetch::Asked;
use super::options::{CloneOptions, PullOptions};
use super::settle::Settled;
use super::transfer::Sent;
use super::walk::Divergence;
use crate::error::Result;

impl Exchange<'_> {
    /// Brings what is new at the remote into the frame.
    pub(super) async fn pull(&self, options: &PullOptions) -> Result<SyncedFrame> {
        let mut attempts = Attempts::at(self.here);
        let mut asked = Asked::default();
        loop {
            let hold = attempts.hold();
            let pulled = self.try_pull(options, hold, &mut asked).await;
            if let Some(done) = attempts.judge(pulled).await? {
                return Ok(done);
            }
        }
    }

    /// None: an end has moved meanwhile, or a merge takes more from the remote, which is noted in `asked`. `hold`: the
    /// frame's writers wait for a merge.
    async fn try_pull(
        &self,
        options: &PullOptions,
        hold: bool,
        asked: &mut Asked,
    ) -> Result<Option<SyncedFrame>> {
        let ends = self.ends().await?;
        let tip = self.expect_theirs(&ends)?;
        if ends.ours.is_none() {
            let clone = CloneOptions::default();
            return self.clone_here(&clone).await.map(Some);
        }
        let found = self.diverged(&ends).await?;
        self.check_newest(&tip, found.theirs.first())?;
        if found.theirs.is_empty() {
            let ours = ends.ours().map(str::to_owned);
            let told = self.told(SyncOutcome::Unchanged, 0, &found, ours);
            self.fetched(&tip, found, asked).await?;
            return Ok(Some(told));
        }
        if found.ours.is_empty() {
            return self.forward_here(&ends, &tip, found).await;
        }
        if found.common.is_none() && options.favour.is_none() && !options.merge {
            return Err(self.unrelated(&ends));
        }
        let ours = ends.ours().map(str::to_owned);
        let told = self.told(SyncOutcome::Diverged, 0, &found, ours);
        asked.fork |= self.has_lost_what_was_left().await?;
        self.fetched(&tip, found, asked).await?;
        if !options.merge {
            return Ok(Some(self.counted(told)));
        }
        let settled = match self.merge_here(options.favour, hold).await? {
            Settled::Lacking if asked.fork => return Err(self.expired(&ends)),
            Settled::Lacking => {
                asked.fork = true;
                None
            }
            Settled::Untold(conflict) if asked.tip => return Err(conflict.into_error(self.here)),
            Settled::Untold(_) => {
                asked.tip = true;
                None
            }
            settled => settled.told_of(told),
        };
        Ok(settled.map(|told| self.counted(told)))
    }

    /// Moves the frame here to their tip; none: it has moved meanwhile.
    async fn forward_here(
        &self,
        ends: &Ends,
        tip: &str,
        found: Divergence,
    ) -> Result<Option<SyncedFrame>> {
        let route = self.inward_to(tip);
        let sent = route.forward(ends.ours(), found.theirs).await?;
        let Sent::Done { versions } = sent else {
            return Ok(None);
        };
        let found = Divergence::none(Some(tip.to_owned()));
        self.track(tip, &found, Vec::new()).await?;
        let told = self.told(SyncOutcome::Moved, versions, &found, Some(tip.to_owned()));
        Ok(Some(told))
    }
}
