//! One frame and one remote: clone, fetch, pull and push.
//!
//! All of them begin alike: the tips of both ends are compared, and if they differ, both histories are read until it is
//! known what each has beyond the other. A pull or a push then moves one end forward, if it has nothing of its own.
//! What a fetch brings is kept beside the log, in bundles that the frame's tracking of the remote refers to, and a
//! merge ([`super::settle`]) takes it from there.

use arrow_schema::Schema;
use futures::TryStreamExt;
use serde_json::Value;
use shoots_proto::action::{SyncOutcome, SyncedFrame};
use shoots_proto::name::FrameId;

use super::arrive;
use super::local::LocalPeer;
use super::options::{CloneOptions, FetchOptions, PullOptions, RemoteEnd, Wanted};
use super::peer::{HistoryRecord, ObjectKind, ObjectName, Peer, PeerHead};
use super::progress::{Meter, ProgressSink};
use super::promise::{self, Promised};
use super::receive;
use super::settle::Settled;
use super::stored;
use super::transfer::{Route, Sent};
use super::walk::{Divergence, Walk};
use crate::edit::properties::SetProperty;
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::Listed;
use crate::lineage::tracking::Tracking;
use crate::log::commit::CommitId;
use crate::store::Store;

/// How often a transfer begins again because an end has moved meanwhile.
const MAX_ATTEMPTS: u32 = 8;

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
struct Ends {
    ours: Option<PeerHead>,
    theirs: Option<PeerHead>,
}

impl Ends {
    fn ours(&self) -> Option<&str> {
        self.ours.as_ref().map(|head| head.tip.as_str())
    }

    fn theirs(&self) -> Option<&str> {
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
        }
    }

    /// From here to the remote.
    fn outward(&self) -> Route<'_> {
        Route {
            from: &self.local,
            source: self.here,
            to: self.remote.peer,
            target: self.there,
            meter: self.meter.clone(),
        }
    }

    async fn ends(&self) -> Result<Ends> {
        let theirs = self.remote.peer.head(self.there);
        let (ours, theirs) = tokio::try_join!(self.local.head(self.here), theirs)?;
        Ok(Ends { ours, theirs })
    }

    async fn diverged(&self, ends: &Ends) -> Result<Divergence> {
        if ends.ours() == ends.theirs() {
            return Ok(Divergence::none(ends.ours().map(str::to_owned)));
        }
        let ours = match ends.ours() {
            Some(tip) => Some((tip.to_owned(), self.local.history(self.here, tip).await?)),
            None => None,
        };
        let theirs = match ends.theirs() {
            Some(tip) => {
                let history = self.remote.peer.history(self.there, tip).await?;
                Some((tip.to_owned(), history))
            }
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

    /// What there must be at the remote for anything to come here.
    fn expect_theirs(&self, ends: &Ends) -> Result<CommitId> {
        let tip = ends.theirs().map(str::to_owned);
        tip.ok_or_else(|| {
            let (what, name) = ("frame", format!("{} at {}", self.there, self.remote.name));
            Cause::NotFound { what, name }.into()
        })
    }

    /// Brings a frame here that is not here.
    pub(super) async fn clone_here(&self, options: &CloneOptions) -> Result<SyncedFrame> {
        for _ in 0..MAX_ATTEMPTS {
            let ends = self.ends().await?;
            let tip = self.expect_theirs(&ends)?;
            if let Some(ours) = ends.ours.as_ref().filter(|ours| !ours.deleted) {
                let found = self.diverged(&ends).await?;
                if found.common.is_none() || !found.theirs.is_empty() || !found.ours.is_empty() {
                    let (what, name) = ("frame", self.here.to_string());
                    return Err(Cause::AlreadyExists { what, name }.into());
                }
                return Ok(self.told(SyncOutcome::Unchanged, 0, &found, Some(ours.tip.clone())));
            }
            let mut history = self.remote.peer.history(self.there, &tip).await?;
            let route = self.inward();
            let sent = if options.newest_only || options.range.is_some() {
                let record = history.try_next().await?;
                self.check_newest(&tip, record.as_ref())?;
                let record = record.ok_or_else(|| self.incomplete(&tip))?;
                let commit = &record.record.commit;
                let schema = self.schema_there(&commit.schema).await?;
                let wanted = Wanted::new(options.range.as_ref(), &commit.index, &schema)?;
                let wanted = |listed: &Listed| wanted.holds(listed);
                route
                    .newest(ends.ours(), record, self.remote.name, wanted)
                    .await?
            } else {
                let records: Vec<HistoryRecord> = history.try_collect().await?;
                if records.is_empty() {
                    return Err(self.incomplete(&tip));
                }
                self.check_newest(&tip, records.first())?;
                route.begin(ends.ours(), records).await?
            };
            if let Sent::Done { versions } = sent {
                let found = Divergence::none(Some(tip.clone()));
                self.settle_in(&ends).await?;
                self.track(&tip, &found, Vec::new()).await?;
                return Ok(self.told(SyncOutcome::Created, versions, &found, Some(tip)));
            }
        }
        Err(self.moving())
    }

    /// A schema of the frame at the remote.
    async fn schema_there(&self, hash: &str) -> Result<Schema> {
        let name = ObjectName {
            kind: ObjectKind::Schema,
            id: hash.to_owned(),
        };
        let bytes = self.remote.peer.read(self.there, &name).await?;
        arrive::schema(hash, &stored::schema_bytes(hash, bytes).await?)
    }

    /// Names of versions, and how long they are kept, come along with a clone.
    async fn settle_in(&self, ends: &Ends) -> Result<()> {
        let Some(theirs) = &ends.theirs else {
            return Ok(());
        };
        let frame = self.store.frame(self.here);
        for (tag, commit) in &theirs.tags {
            let Ok(tag) = shoots_proto::TagName::parse(tag) else {
                continue;
            };
            let as_of = shoots_proto::as_of::AsOf::Commit(commit.clone());
            match frame.tag(&tag, Some(&as_of), true).await {
                // It names a version that did not come along.
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {}
                outcome => drop(outcome?),
            }
        }
        if theirs.retention.is_some() {
            frame.set_retention(theirs.retention).await?;
        }
        Ok(())
    }

    /// Brings what is new at the remote here, and leaves the frame as it is.
    pub(super) async fn fetch(&self, options: &FetchOptions) -> Result<SyncedFrame> {
        let ends = self.ends().await?;
        let tip = self.expect_theirs(&ends)?;
        let Some(ours) = ends.ours().map(str::to_owned) else {
            let (what, name) = ("frame", format!("{} here: clone it", self.here));
            return Err(Cause::NotFound { what, name }.into());
        };
        let found = self.diverged(&ends).await?;
        self.check_newest(&tip, found.theirs.first())?;
        let mut completed = self.complete().await?;
        if options.unshallow {
            completed |= self.unshallow(&tip).await?;
        }
        let outcome = match found.theirs.is_empty() {
            true if !completed => SyncOutcome::Unchanged,
            _ => SyncOutcome::Fetched,
        };
        let told = self.told(outcome, 0, &found, Some(ours));
        self.fetched(&tip, found).await?;
        Ok(self.counted(told))
    }

    /// Brings segments here that a clone has left at the remote; says whether there were any.
    async fn complete(&self) -> Result<bool> {
        let log = self.local.log(self.here);
        let Some(head) = log.newest().await?.map(|head| head.entry) else {
            return Ok(false);
        };
        let promised = Promised::of(&head.state);
        let Some(promised) = promised.filter(|promised| promised.remote == self.remote.name) else {
            return Ok(false);
        };
        let left = promised.ids(log.objects(), log.paths()).await?;
        let list = head.list_through(head.last_version());
        let segments = log.checkpoints().segments(list).await?;
        let segments: Vec<Listed> = segments
            .iter()
            .filter(|segment| left.contains(&segment.record.id))
            .map(Listed::of)
            .collect();
        self.inward().bring(&segments).await?;
        receive::check_brought(&log, &head, &segments).await?;
        let completed = SetProperty {
            key: promise::PROPERTY,
            value: Value::Null,
        };
        self.store.frame(self.here).change(completed).await?;
        Ok(true)
    }

    /// Keeps what only they have beside the log.
    async fn fetched(&self, tip: &str, mut found: Divergence) -> Result<()> {
        let log = self.local.log(self.here);
        // What both had in common may have expired here. Then the remote says what rows there were.
        let fork = found.fork.take().filter(|fork| !fork.readable);
        let known = log.newest().await?.and_then(|head| {
            let tracking = head.entry.state.tracking.get(self.remote.name)?;
            let same = tracking.tip == tip && tracking.behind == found.theirs.len() as u64;
            (same && fork.is_none()).then(|| tracking.history.clone())
        });
        let behind = found.theirs.len() as u64;
        let bundles = match known {
            Some(history) if !history.is_empty() || behind == 0 => history,
            _ => {
                let mut theirs = std::mem::take(&mut found.theirs);
                theirs.reverse();
                self.gathered(&log, fork, theirs).await?
            }
        };
        self.track_as(tip, &found, behind, bundles).await
    }

    /// Brings what commits (oldest first) need that are kept beside the log, and gives the bundles that hold them.
    pub(super) async fn gathered(
        &self,
        log: &FrameLog,
        fork: Option<HistoryRecord>,
        records: Vec<HistoryRecord>,
    ) -> Result<Vec<String>> {
        let gathered = self.inward().gather(fork, records).await?;
        let head = log.newest().await?.ok_or_else(|| log.not_found())?;
        receive::check_gathered(log, self.local.seen(), &head.entry, &gathered).await?;
        let kept = gathered.into_iter().map(|brought| Kept {
            record: brought.record,
            gone: !brought.kept,
        });
        log.keep_bundles(kept.collect()).await
    }

    /// Brings what is new at the remote into the frame.
    pub(super) async fn pull(&self, options: &PullOptions) -> Result<SyncedFrame> {
        for attempt in 0..MAX_ATTEMPTS {
            let ends = self.ends().await?;
            let tip = self.expect_theirs(&ends)?;
            if ends.ours.is_none() {
                let clone = CloneOptions::default();
                return self.clone_here(&clone).await;
            }
            let found = self.diverged(&ends).await?;
            self.check_newest(&tip, found.theirs.first())?;
            if found.theirs.is_empty() {
                self.track(&tip, &found, Vec::new()).await?;
                let ours = ends.ours().map(str::to_owned);
                return Ok(self.told(SyncOutcome::Unchanged, 0, &found, ours));
            }
            if found.ours.is_empty() {
                let found = match self.forward_here(&ends, &tip, found).await? {
                    Some(moved) => moved,
                    None => continue,
                };
                return Ok(found);
            }
            if found.common.is_none() && options.favour.is_none() && !options.merge {
                return Err(self.unrelated(&ends));
            }
            let (ahead, ours) = (found.ours.len() as u64, ends.ours().map(str::to_owned));
            let told = self.told(SyncOutcome::Diverged, 0, &found, ours);
            self.fetched(&tip, found).await?;
            if !options.merge {
                return Ok(self.counted(told));
            }
            let hold = attempt >= super::settle::PATIENCE;
            match self.merge_here(options.favour, hold).await? {
                Settled::Moved => {}
                Settled::Merged(commit) => {
                    return Ok(self.counted(SyncedFrame {
                        outcome: SyncOutcome::Merged,
                        versions: 1,
                        ahead: ahead + 1,
                        behind: 0,
                        commit: Some(commit),
                        ..told
                    }));
                }
                Settled::Forwarded(commit, versions) => {
                    return Ok(self.counted(SyncedFrame {
                        outcome: SyncOutcome::Moved,
                        versions,
                        ahead: 0,
                        behind: 0,
                        commit: Some(commit),
                        ..told
                    }));
                }
                Settled::Unchanged => {
                    return Ok(self.counted(SyncedFrame {
                        outcome: SyncOutcome::Unchanged,
                        ..told
                    }));
                }
            }
        }
        Err(self.moving())
    }

    /// Moves the frame here to their tip; none: it has moved meanwhile.
    async fn forward_here(
        &self,
        ends: &Ends,
        tip: &str,
        found: Divergence,
    ) -> Result<Option<SyncedFrame>> {
        let sent = self.inward().forward(ends.ours(), found.theirs).await?;
        let Sent::Done { versions } = sent else {
            return Ok(None);
        };
        let found = Divergence::none(Some(tip.to_owned()));
        self.track(tip, &found, Vec::new()).await?;
        let told = self.told(SyncOutcome::Moved, versions, &found, Some(tip.to_owned()));
        Ok(Some(told))
    }

    /// Brings what is new here to the remote.
    pub(super) async fn push(&self) -> Result<SyncedFrame> {
        for _ in 0..MAX_ATTEMPTS {
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
                if !created {
                    continue;
                }
                return Err(self.moved_there());
            };
            let found = Divergence::none(Some(ours.clone()));
            self.track(&ours, &found, Vec::new()).await?;
            return Ok(self.pushed(self.told(outcome, versions, &found, Some(ours))));
        }
        Err(self.moving())
    }

    /// Remembers where the remote is.
    async fn track(&self, tip: &str, found: &Divergence, history: Vec<String>) -> Result<()> {
        let behind = found.theirs.len() as u64;
        self.track_as(tip, found, behind, history).await
    }

    async fn track_as(
        &self,
        tip: &str,
        found: &Divergence,
        behind: u64,
        history: Vec<String>,
    ) -> Result<()> {
        if self.store.shared().read_only {
            return Ok(());
        }
        let frame = self.store.frame(self.here);
        let tracking = Tracking {
            frame: self.there.name.clone(),
            bucket: self.there.bucket.clone(),
            tip: tip.to_owned(),
            common: found.common.clone(),
            ahead: found.ours.len() as u64,
            behind,
            history,
            at: frame.frame_log().now(),
            fork: None,
        };
        frame
            .set_tracking(self.remote.name, Some(tracking))
            .await
            .map(drop)
    }

    /// What was done, with what was sent so far.
    fn told(
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
    fn counted(&self, told: SyncedFrame) -> SyncedFrame {
        let sent = self.meter.progress();
        SyncedFrame {
            objects: sent.objects_done,
            bytes: sent.bytes_done,
            ..told
        }
    }

    /// The same of a push, which goes the other way.
    fn pushed(&self, told: SyncedFrame) -> SyncedFrame {
        SyncedFrame {
            name: self.here.name.clone(),
            bucket: self.here.bucket.clone(),
            target: self.there.name.clone(),
            target_bucket: self.there.bucket.clone(),
            ..told
        }
    }

    fn ahead_there(&self, ends: &Ends, found: &Divergence) -> Error {
        let problem = format!(
            "frame {} at {} has {} commit(s) that are not here, the newest of them {}",
            self.there,
            self.remote.name,
            found.theirs.len(),
            ends.theirs().unwrap_or_default()
        );
        Cause::Diverged(problem).into()
    }

    fn moved_there(&self) -> Error {
        let problem = format!(
            "frame {} at {} was made by another meanwhile",
            self.there, self.remote.name
        );
        Cause::Diverged(problem).into()
    }

    fn unrelated(&self, ends: &Ends) -> Error {
        Cause::MergeConflict {
            frame: self.here.to_string(),
            kind: "unrelated",
            ours: ends.ours().unwrap_or_default().to_owned(),
            theirs: ends.theirs().unwrap_or_default().to_owned(),
            problem: "they have no commit in common".to_owned(),
        }
        .into()
    }

    /// That a history begins with the commit which it was said to end with.
    fn check_newest(&self, tip: &str, newest: Option<&HistoryRecord>) -> Result<()> {
        match newest {
            Some(newest) if newest.record.id != tip => Err(self.incomplete(tip)),
            _ => Ok(()),
        }
    }

    fn incomplete(&self, tip: &str) -> Error {
        let name = format!(
            "the history of frame {} at {}",
            self.there, self.remote.name
        );
        Error::damaged(name, format!("it has no commit {tip}, which it ends with"))
    }

    fn moving(&self) -> Error {
        let problem = format!(
            "frame {} was changed by others again and again meanwhile",
            self.here
        );
        Cause::Conflict(problem).into()
    }
}
