//! Fetch: what is new at a remote comes here, and the frame stays as it is.
//!
//! The commits are kept beside the log, in bundles that the frame's tracking of the remote refers to. A merge
//! ([`super::settle`]) takes them from there.

use shoots_proto::action::{SyncOutcome, SyncedFrame};

use super::attempts::Attempts;
use super::exchange::Exchange;
use super::options::FetchOptions;
use super::peer::{Brought, HistoryRecord};
use super::receive;
use super::settle;
use super::walk::Divergence;
use super::wanted;
use crate::error::{Cause, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;

/// What a remote is asked for beyond the commits that only it has, because it turned out that a merge takes it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The rows that both had in common, although they are said to be here.
    pub(super) fork: bool,
    /// All rows that the remote has.
    pub(super) tip: bool,
}

impl Exchange<'_> {
    /// Brings what is new at the remote here, and leaves the frame as it is.
    pub(super) async fn fetch(&self, options: &FetchOptions) -> Result<SyncedFrame> {
        let mut attempts = Attempts::at(self.here);
        loop {
            let fetched = self.try_fetch(options).await.map(Some);
            if let Some(done) = attempts.judge(fetched).await? {
                return Ok(done);
            }
        }
    }

    async fn try_fetch(&self, options: &FetchOptions) -> Result<SyncedFrame> {
        let ends = self.ends().await?;
        let tip = self.expect_theirs(&ends)?;
        let Some(ours) = ends.ours().map(str::to_owned) else {
            let (what, name) = ("frame", format!("{} here: clone it", self.here));
            return Err(Cause::NotFound { what, name }.into());
        };
        let found = self.diverged(&ends).await?;
        self.check_newest(&tip, found.theirs.first())?;
        let mut completed = self.complete(&found).await?;
        if options.unshallow {
            completed |= self.unshallow(&tip).await?;
        }
        let outcome = match found.theirs.is_empty() {
            true if !completed => SyncOutcome::Unchanged,
            _ => SyncOutcome::Fetched,
        };
        let told = self.told(outcome, 0, &found, Some(ours));
        self.fetched(&tip, found, &Asked::default()).await?;
        Ok(self.counted(told))
    }

    /// Keeps what only they have beside the log.
    pub(super) async fn fetched(
        &self,
        tip: &str,
        mut found: Divergence,
        asked: &Asked,
    ) -> Result<()> {
        let log = self.local.log(self.here);
        // What both had in common may have expired here. Then the remote says what rows there were.
        let fork = found.fork.take();
        let fork = fork.filter(|fork| asked.fork || !fork.readable);
        let known = log.newest().await?.and_then(|head| {
            let tracking = head.entry.state.tracking.get(self.remote.name)?;
            let same = tracking.tip == tip && tracking.behind == found.theirs.len() as u64;
            (same && fork.is_none() && !asked.tip).then(|| tracking.history.clone())
        });
        let behind = found.theirs.len() as u64;
        let bundles = match known {
            Some(history) if !history.is_empty() || behind == 0 => history,
            _ => {
                let mut theirs = std::mem::take(&mut found.theirs);
                theirs.reverse();
                let mut bundles = self.gathered(&log, fork, theirs, asked.tip).await?;
                let tracking = self.tracking(tip, &found, behind, bundles.clone());
                let state = settle::keep_state_there(&log, self.remote.name, &tracking).await?;
                bundles.extend(state);
                bundles
            }
        };
        let tracked = self.track_as(tip, &found, behind, bundles).await;
        tracked.map_err(|error| match error.kind() {
            // Some of it was condemned here, and is being removed.
            ErrorKind::Conflict => error.overtaken(),
            _ => error,
        })
    }

    /// Brings what commits (oldest first) need that are kept beside the log, and gives the bundles that hold them.
    /// `with_state`: also all rows after the last of them.
    pub(super) async fn gathered(
        &self,
        log: &FrameLog,
        fork: Option<HistoryRecord>,
        records: Vec<HistoryRecord>,
        with_state: bool,
    ) -> Result<Vec<String>> {
        let gathered = self.gather_checked(log, fork, records, with_state).await?;
        let kept = gathered.into_iter().map(|brought| Kept {
            record: brought.record,
            gone: !brought.kept,
        });
        log.keep_bundles(kept.collect()).await
    }

    /// The same commits, of which everything is here and as it should be.
    pub(super) async fn gather_checked(
        &self,
        log: &FrameLog,
        fork: Option<HistoryRecord>,
        records: Vec<HistoryRecord>,
        with_state: bool,
    ) -> Result<Vec<Brought>> {
        let route = self.inward();
        let gathered = route.gather(fork, records, with_state).await?;
        let head = log.newest().await?.ok_or_else(|| log.not_found())?.entry;
        match receive::check_gathered(log, self.local.seen(), &head, &gathered).await {
            Ok(()) => Ok(gathered),
            Err(error) => {
                let wanted = gathered.iter().flat_map(wanted::of_brought).collect();
                Err(route.explained(&wanted, error).await)
            }
        }
    }
}
