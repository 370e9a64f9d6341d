//! Push: what is new here comes to a remote, which is only ever moved forward.

use shoots_proto::action::{SyncOutcome, SyncedFrame};

use super::attempts::Attempts;
use super::exchange::Exchange;
use super::transfer::Sent;
use super::walk::Divergence;
use crate::error::Result;

impl Exchange<'_> {
    /// Brings what is new here to the remote.
    pub(super) async fn push(&self) -> Result<SyncedFrame> {
        let mut attempts = Attempts::at(self.here);
        loop {
            let pushed = self.try_push().await;
            if let Some(done) = attempts.judge(pushed).await? {
                return Ok(done);
            }
        }
    }

    /// None: an end has moved meanwhile.
    async fn try_push(&self) -> Result<Option<SyncedFrame>> {
        let ends = self.ends().await?;
        let Some(ours) = ends.ours().map(str::to_owned) else {
            return Err(self.local.log(self.here).not_found());
        };
        let found = self.diverged(&ends).await?;
        if !found.theirs.is_empty() {
            return Err(self.ahead_there(&ends, &found));
        }
        let created = ends.theirs.is_none();
        let outcome = match (created, found.ours.is_empty()) {
            (true, _) => SyncOutcome::Created,
            (false, true) => SyncOutcome::Unchanged,
            (false, false) => SyncOutcome::Moved,
        };
        let route = self.outward();
        let sent = match created {
            true => route.begin(None, found.ours).await?,
            false => route.forward(ends.theirs(), found.ours).await?,
        };
        let Sent::Done { versions } = sent else {
            return match created {
                true => Err(self.moved_there()),
                false => Ok(None),
            };
        };
        let found = Divergence::none(Some(ours.clone()));
        self.track(&ours, &found, Vec::new()).await?;
        let told = self.told(outcome, versions, &found, Some(ours));
        Ok(Some(self.pushed(told)))
    }
}
