//! One frame and one remote: what clone, fetch, pull and push have in common.
//!
//! All of them begin alike: the tips of both ends are compared, and if they differ, both histories are read until it is
//! known what each has beyond the other. In the end the frame remembers where the remote is. If an end moves in between,
//! they [begin again](super::attempts).

use shoots_proto::action::{SyncOutcome, SyncedFrame};
use shoots_proto::name::FrameId;

use super::local::LocalPeer;
use super::options::RemoteEnd;
use super::peer::{HistoryRecord, HistoryStream, Peer, PeerHead, Tracked};
use super::progress::{Meter, ProgressSink};
use super::transfer::Route;
use super::walk::{Divergence, Walk};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::lineage::tracking::Tracking;
use crate::log::commit::CommitId;
use crate::merge::{Conflict, Kind};
use crate::store::Store;

/// A frame here, and the same one at a remote.
pub(super) struct Exchange<'a> {
    pub(super) store: &'a Store,
    pub(super) local: LocalPeer,
    pub(super) remote: RemoteEnd<'a>,
    /// Its name here.
    pub(super) here: &'a FrameId,
    /// Its name at the remote.
    pub(super) there: &'a FrameId,
    pub(super) meter: Meter,
}

/// Both ends of an exchange, as they were found.
pub(super) struct Ends {
    pub(super) ours: Option<PeerHead>,
    pub(super) theirs: Option<PeerHead>,
}

impl Ends {
    pub(super) fn ours(&self) -> Option<&str> {
        self.ours.as_ref().map(|head| head.tip.as_str())
    }

    pub(super) fn theirs(&self) -> Option<&str> {
        self.theirs.as_ref().map(|head| head.tip.as_str())
    }
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        store: &'a Store,
        remote: RemoteEnd<'a>,
        here: &'a FrameId,
        there: &'a FrameId,
        progress: &ProgressSink,
    ) -> Self {
        Self {
            store,
            local: LocalPeer::new(store, "this store"),
            remote,
            here,
            there,
            meter: Meter::new(here, progress),
        }
    }

    /// From the remote to here.
    pub(super) fn inward(&self) -> Route<'_> {
        Route {
            from: self.remote.peer,
            source: self.there,
            to: &self.local,
            target: self.here,
            meter: self.meter.clone(),
            tracked: Tracked::default(),
        }
    }

    /// The same, for all that leads to their tip: with the last of it the frame knows that both have the same.
    pub(super) fn inward_to(&self, tip: &str) -> Route<'_> {
        let found = Divergence::none(Some(tip.to_owned()));
        let tracking = self.tracking(tip, &found, 0, Vec::new());
        Route {
            tracked: Tracked::of(self.remote.name, tracking),
            ..self.inward()
        }
    }

    /// From here to the remote.
    pub(super) fn outward(&self) -> Route<'_> {
        Route {
            from: &self.local,
            source: self.here,
            to: self.remote.peer,
            target: self.there,
            meter: self.meter.clone(),
            tracked: Tracked::default(),
        }
    }

    pub(super) async fn ends(&self) -> Result<Ends> {
        let theirs = self.remote.peer.head(self.there);
        let (ours, theirs) = tokio::try_join!(self.local.head(self.here), theirs)?;
        Ok(Ends { ours, theirs })
    }

    pub(super) async fn diverged(&self, ends: &Ends) -> Result<Divergence> {
        if ends.ours() == ends.theirs() {
            return Ok(Divergence::none(ends.ours().map(str::to_owned)));
        }
        let ours = match ends.ours() {
            Some(tip) => Some((tip.to_owned(), self.local.history(self.here, tip).await?)),
            None => None,
        };
        let theirs = match ends.theirs() {
            Some(tip) => Some((tip.to_owned(), self.history_there(tip).await?)),
            None => None,
        };
        let mut walk = Walk::new(ours, theirs);
        walk.diverge().await?;
        if let Some(tip) = ends.theirs().and_then(|tip| walk.untold(tip)) {
            return Err(self.incomplete(tip));
        }
        if walk.is_apart() {
            walk.find_fork().await?;
        }
        Ok(walk.finish().found)
    }

    /// The history at the remote, which was said to end with this commit.
    pub(super) async fn history_there(&self, tip: &str) -> Result<HistoryStream> {
        let history = self.remote.peer.history(self.there, tip).await;
        history.map_err(|error| match error.kind() {
            // It was purged since.
            ErrorKind::NotFound => error.overtaken(),
            _ => error,
        })
    }

    /// What there must be at the remote for anything to come here.
    pub(super) fn expect_theirs(&self, ends: &Ends) -> Result<CommitId> {
        let tip = ends.theirs().map(str::to_owned);
        tip.ok_or_else(|| {
            let (what, name) = ("frame", format!("{} at {}", self.there, self.remote.name));
            Cause::NotFound { what, name }.into()
        })
    }

    /// Remembers where the remote is.
    pub(super) async fn track(
        &self,
        tip: &str,
        found: &Divergence,
        history: Vec<String>,
    ) -> Result<()> {
        let behind = found.theirs.len() as u64;
        self.track_as(tip, found, behind, history).await
    }

    pub(super) async fn track_as(
        &self,
        tip: &str,
        found: &Divergence,
        behind: u64,
        history: Vec<String>,
    ) -> Result<()> {
        if self.store.shared().read_only {
            return Ok(());
        }
        let tracking = self.tracking(tip, found, behind, history);
        let frame = self.store.frame(self.here);
        frame
            .set_tracking(self.remote.name, Some(tracking))
            .await
            .map(drop)
    }

    /// What the frame knows of the remote then.
    pub(super) fn tracking(
        &self,
        tip: &str,
        found: &Divergence,
        behind: u64,
        history: Vec<String>,
    ) -> Tracking {
        Tracking {
            frame: self.there.name.clone(),
            bucket: self.there.bucket.clone(),
            tip: tip.to_owned(),
            common: found.common.clone(),
            ahead: found.ours.len() as u64,
            behind,
            history,
            at: self.local.log(self.here).now(),
            fork: None,
        }
    }

    /// What was done, with what was sent so far.
    pub(super) fn told(
        &self,
        outcome: SyncOutcome,
        versions: u64,
        found: &Divergence,
        commit: Option<CommitId>,
    ) -> SyncedFrame {
        let sent = self.meter.progress();
        SyncedFrame {
            name: self.there.name.clone(),
            bucket: self.there.bucket.clone(),
            target: self.here.name.clone(),
            target_bucket: self.here.bucket.clone(),
            outcome,
            versions,
            objects: sent.objects_done,
            bytes: sent.bytes_done,
            ahead: found.ours.len() as u64,
            behind: found.theirs.len() as u64,
            commit,
            problem: None,
        }
    }

    /// The same, with all that was sent by now.
    pub(super) fn counted(&self, told: SyncedFrame) -> SyncedFrame {
        let sent = self.meter.progress();
        SyncedFrame {
            objects: sent.objects_done,
            bytes: sent.bytes_done,
            ..told
        }
    }

    /// The same of a push, which goes the other way.
    pub(super) fn pushed(&self, told: SyncedFrame) -> SyncedFrame {
        SyncedFrame {
            name: self.here.name.clone(),
            bucket: self.here.bucket.clone(),
            target: self.there.name.clone(),
            target_bucket: self.there.bucket.clone(),
            ..told
        }
    }

    pub(super) fn ahead_there(&self, ends: &Ends, found: &Divergence) -> Error {
        let problem = format!(
            "frame {} at {} has {} commit(s) that are not here, the newest of them {}",
            self.there,
            self.remote.name,
            found.theirs.len(),
            ends.theirs().unwrap_or_default()
        );
        Cause::Diverged(problem).into()
    }

    pub(super) fn moved_there(&self) -> Error {
        let problem = format!(
            "frame {} at {} was made by another meanwhile",
            self.there, self.remote.name
        );
        Cause::Diverged(problem).into()
    }

    pub(super) fn unrelated(&self, ends: &Ends) -> Error {
        self.conflict(ends, Kind::Unrelated, "they have no commit in common")
    }

    /// That the rows which a merge takes are kept at neither end.
    pub(super) fn expired(&self, ends: &Ends) -> Error {
        let problem = format!(
            "it takes rows that were left at {remote} when a part of the frame was cloned, and {remote} does not keep them any more",
            remote = self.remote.name
        );
        self.conflict(ends, Kind::Expired, problem)
    }

    fn conflict(&self, ends: &Ends, kind: Kind, problem: impl Into<String>) -> Error {
        let conflict = Conflict {
            kind,
            ours: ends.ours().unwrap_or_default().to_owned(),
            theirs: ends.theirs().unwrap_or_default().to_owned(),
            problem: problem.into(),
        };
        conflict.into_error(self.here)
    }

    /// That a history begins with the commit which it was said to end with.
    pub(super) fn check_newest(&self, tip: &str, newest: Option<&HistoryRecord>) -> Result<()> {
        match newest {
            Some(newest) if newest.record.id != tip => Err(self.incomplete(tip)),
            _ => Ok(()),
        }
    }

    pub(super) fn incomplete(&self, tip: &str) -> Error {
        let name = format!(
            "the history of frame {} at {}",
            self.there, self.remote.name
        );
        Error::damaged(name, format!("it has no commit {tip}, which it ends with"))
    }
}
