//! The verbs, for one frame, for some of a bucket, or for everything.

use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::{Favour, FrameSelection, SyncOutcome, SyncedFrame, TrackedFrame};
use shoots_proto::name::{BucketName, FrameId, FrameName};

use super::attempts::Attempts;
use super::exchange::Exchange;
use super::left;
use super::local::LocalPeer;
use super::options::{CloneOptions, FetchOptions, PullOptions, RemoteEnd};
use super::peer::Peer;
use super::progress::ProgressSink;
use super::settle;
use crate::error::{Cause, ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::Freshness;
use crate::history;
use crate::store::Store;

/// Frames that are on their way at the same time.
const PARALLEL_FRAMES: usize = 4;

type Filter = Arc<dyn Fn(&FrameName) -> bool + Send + Sync>;
type Naming = Arc<dyn Fn(&FrameId) -> FrameId + Send + Sync>;

/// Which frames are moved, and what they are called where they go to.
#[derive(Clone)]
pub struct Travellers {
    /// Where they come from: one, those of a bucket, or all. A regular expression in it is the caller's matter, see
    /// [`only`](Self::only).
    selection: FrameSelection,
    filter: Option<Filter>,
    naming: Option<Naming>,
}

impl fmt::Debug for Travellers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Travellers")
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}

impl Travellers {
    /// These frames, under their own names.
    #[must_use]
    pub fn new(selection: FrameSelection) -> Self {
        Self {
            selection,
            filter: None,
            naming: None,
        }
    }

    /// One frame.
    #[must_use]
    pub fn one(frame: &FrameId) -> Self {
        Self::new(FrameSelection::Frame(frame.clone()))
    }

    /// Only those with such names, unless it is one frame.
    #[must_use]
    pub fn only(self, matches: impl Fn(&FrameName) -> bool + Send + Sync + 'static) -> Self {
        let filter: Filter = Arc::new(matches);
        Self {
            filter: Some(filter),
            ..self
        }
    }

    /// Under other names.
    #[must_use]
    pub fn named(self, name: impl Fn(&FrameId) -> FrameId + Send + Sync + 'static) -> Self {
        let naming: Naming = Arc::new(name);
        Self {
            naming: Some(naming),
            ..self
        }
    }

    fn is_one(&self) -> bool {
        matches!(self.selection, FrameSelection::Frame(_))
    }

    fn target(&self, source: &FrameId) -> FrameId {
        let naming = self.naming.as_ref();
        naming.map_or_else(|| source.clone(), |naming| naming(source))
    }

    /// Their names where they come from, and where they go to.
    async fn found(&self, from: &dyn Peer) -> Result<Vec<(FrameId, FrameId)>> {
        let buckets: Vec<Option<BucketName>> = match &self.selection {
            FrameSelection::Frame(frame) => {
                return Ok(vec![(frame.clone(), self.target(frame))]);
            }
            FrameSelection::Bucket { bucket, .. } => vec![bucket.clone()],
            FrameSelection::Everything { .. } => {
                let named = from.buckets().await?.into_iter().map(Some);
                [None].into_iter().chain(named).collect()
            }
        };
        let everything = matches!(self.selection, FrameSelection::Everything { .. });
        let mut found = Vec::new();
        for bucket in buckets {
            let names = match from.frames(bucket.as_ref()).await {
                // As listings leave it out.
                Err(error) if everything && error.kind() == ErrorKind::PermissionDenied => continue,
                names => names?,
            };
            if let (true, false, Some(bucket)) = (names.is_empty(), everything, &bucket)
                && !from.buckets().await?.contains(bucket)
            {
                let name = format!("{bucket} at {}", from.location());
                return Err(Cause::NotFound {
                    what: "bucket",
                    name,
                }
                .into());
            }
            let wanted = names
                .into_iter()
                .filter(|name| self.filter.as_ref().is_none_or(|filter| filter(name)));
            for name in wanted {
                let source = FrameId {
                    bucket: bucket.clone(),
                    name,
                };
                let target = self.target(&source);
                found.push((source, target));
            }
        }
        Ok(found)
    }
}

/// What became of one frame.
#[derive(Debug, Clone)]
pub struct Travelled {
    /// Its name where it came from.
    pub source: FrameId,
    /// Its name where it went to.
    pub target: FrameId,
    /// What was done, or why nothing was.
    pub result: Result<SyncedFrame>,
}

/// What is done with each frame.
#[derive(Clone, Copy)]
enum Verb<'a> {
    Clone(&'a CloneOptions),
    Fetch(&'a FetchOptions),
    Pull(&'a PullOptions),
    Push(&'a ProgressSink),
}

impl<'a> Verb<'a> {
    fn progress(self) -> &'a ProgressSink {
        match self {
            Verb::Clone(options) => &options.progress,
            Verb::Fetch(options) => &options.progress,
            Verb::Pull(options) => &options.progress,
            Verb::Push(progress) => progress,
        }
    }

    /// Does it with one frame.
    async fn carry(
        self,
        store: &Store,
        remote: RemoteEnd<'_>,
        (source, target): (FrameId, FrameId),
    ) -> Travelled {
        let (here, there) = match self {
            Verb::Push(_) => (&source, &target),
            _ => (&target, &source),
        };
        let exchange = Exchange::new(store, remote, here, there, self.progress());
        let result = match self {
            Verb::Clone(options) => exchange.clone_here(options).await,
            Verb::Fetch(options) => exchange.fetch(options).await,
            Verb::Pull(options) => exchange.pull(options).await,
            Verb::Push(_) => exchange.push().await,
        };
        Travelled {
            source,
            target,
            result,
        }
    }
}

impl Store {
    /// Brings frames of a remote here which are not here, with their histories.
    ///
    /// # Errors
    /// If the remote's frames cannot be listed. What is wrong with a single one is told in its place; of one frame that
    /// was asked for by name: [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none, [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) if there is another
    /// one here, [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if something that was sent is not what it should be.
    pub async fn clone_frames(
        &self,
        remote: RemoteEnd<'_>,
        frames: &Travellers,
        options: &CloneOptions,
    ) -> Result<Vec<Travelled>> {
        self.shared().check_writable()?;
        let found = frames.found(remote.peer).await?;
        Ok(self.carry_all(remote, found, Verb::Clone(options)).await)
    }

    /// Brings the history of frames here, and what it is made of, without changing the frames. Those that are not here
    /// are left out.
    ///
    /// # Errors
    /// As [`clone_frames`](Self::clone_frames).
    pub async fn fetch(
        &self,
        remote: RemoteEnd<'_>,
        frames: &Travellers,
        options: &FetchOptions,
    ) -> Result<Vec<Travelled>> {
        self.shared().check_writable()?;
        let mut found = frames.found(remote.peer).await?;
        if !frames.is_one() {
            let mut here = Vec::with_capacity(found.len());
            for (source, target) in found {
                let log = self.frame(&target).frame_log().clone();
                // What is wrong with one that cannot be read is told in its place.
                if !matches!(log.newest_for(Freshness::Tolerant).await, Ok(None)) {
                    here.push((source, target));
                }
            }
            found = here;
        }
        Ok(self.carry_all(remote, found, Verb::Fetch(options)).await)
    }

    /// Brings what is new at a remote into the frames here; those that are not here come along as in a
    /// [clone](Self::clone_frames). Histories that went apart are merged, or both kept.
    ///
    /// # Errors
    /// As [`clone_frames`](Self::clone_frames), and in the place of a frame [`ErrorKind::MergeConflict`](crate::ErrorKind::MergeConflict).
    pub async fn pull(
        &self,
        remote: RemoteEnd<'_>,
        frames: &Travellers,
        options: &PullOptions,
    ) -> Result<Vec<Travelled>> {
        self.shared().check_writable()?;
        let found = frames.found(remote.peer).await?;
        Ok(self.carry_all(remote, found, Verb::Pull(options)).await)
    }

    /// Brings what is new here to a remote. A history there is only ever moved forward.
    ///
    /// # Errors
    /// If the frames here cannot be listed; in the place of a frame [`ErrorKind::Diverged`](crate::ErrorKind::Diverged) if the remote has what is
    /// not here.
    pub async fn push(
        &self,
        remote: RemoteEnd<'_>,
        frames: &Travellers,
        progress: &ProgressSink,
    ) -> Result<Vec<Travelled>> {
        let here = LocalPeer::new(self, "this store");
        let found = frames.found(&here).await?;
        Ok(self.carry_all(remote, found, Verb::Push(progress)).await)
    }

    /// Some frames at the same time, each by its names where it comes from and where it goes to.
    async fn carry_all(
        &self,
        remote: RemoteEnd<'_>,
        found: Vec<(FrameId, FrameId)>,
        verb: Verb<'_>,
    ) -> Vec<Travelled> {
        let travels: Vec<_> = found
            .into_iter()
            .map(|names| verb.carry(self, remote, names))
            .collect();
        stream::iter(travels)
            .buffered(PARALLEL_FRAMES)
            .collect()
            .await
    }
}

impl Frame {
    /// Puts the frame's history together with one that was fetched from a remote.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if nothing was fetched from there, [`ErrorKind::MergeConflict`](crate::ErrorKind::MergeConflict) if the two cannot be put
    /// together and nothing says whose side is to be taken.
    pub async fn merge(&self, remote: &str, favour: Option<Favour>) -> Result<SyncedFrame> {
        let mut attempts = Attempts::at(self.id());
        loop {
            let merged = self.try_merge(remote, favour, attempts.hold()).await;
            if let Some(done) = attempts.judge(merged).await? {
                return Ok(done);
            }
        }
    }

    /// None: the frame has moved meanwhile.
    async fn try_merge(
        &self,
        remote: &str,
        favour: Option<Favour>,
        hold: bool,
    ) -> Result<Option<SyncedFrame>> {
        let settled = left::merge(self.frame_log(), remote, favour, hold).await?;
        let tracked = self.tracked(remote).await?;
        let known = SyncedFrame {
            name: tracked.remote_name,
            bucket: tracked.remote_bucket,
            target: self.id().name.clone(),
            target_bucket: self.id().bucket.clone(),
            outcome: SyncOutcome::Unchanged,
            versions: 0,
            objects: 0,
            bytes: 0,
            ahead: 0,
            behind: 0,
            commit: None,
            problem: None,
        };
        Ok(settled.told_of(known).map(|told| SyncedFrame {
            ahead: tracked.ahead,
            behind: tracked.behind,
            ..told
        }))
    }

    /// What is known of the frame at each remote, by the remote's name.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn tracking(&self) -> Result<Vec<TrackedFrame>> {
        let head = self.frame_log().newest_for(Freshness::Tolerant).await?;
        let Some(head) = head else {
            return Ok(Vec::new());
        };
        let remotes: Vec<String> = head.entry.state.tracking.keys().cloned().collect();
        let tracked: Vec<_> = remotes.iter().map(|remote| self.tracked(remote)).collect();
        stream::iter(tracked)
            .buffered(PARALLEL_FRAMES)
            .try_collect()
            .await
    }

    async fn tracked(&self, remote: &str) -> Result<TrackedFrame> {
        let log = self.frame_log();
        let head = log.newest_for(Freshness::Tolerant).await?;
        let head = head.ok_or_else(|| log.not_found())?.entry;
        let Some(known) = head.state.tracking.get(remote) else {
            let (what, name) = ("remote", format!("{remote} of frame {}", self.id()));
            return Err(Cause::NotFound { what, name }.into());
        };
        let found = settle::apart(log, &head, known).await?;
        let told = |count: usize| count as u64;
        Ok(TrackedFrame {
            name: self.id().name.clone(),
            bucket: self.id().bucket.clone(),
            remote: remote.to_owned(),
            remote_name: known.frame.clone(),
            remote_bucket: known.bucket.clone(),
            ahead: told(found.ours.len()),
            behind: told(found.theirs.len()),
            commit: known.tip.clone(),
            seen: history::time(known.at),
        })
    }
}
