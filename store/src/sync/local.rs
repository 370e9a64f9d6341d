//! A store that this process has opened, as one end of a transfer.

use std::sync::Arc;

use async_trait::async_trait;
use shoots_proto::name::{BucketName, FrameId, FrameName};

use super::peer::{
    ByteStream, HistoryStream, ObjectName, Peer, PeerHead, Publish, PublishOutcome, SentObject,
};
use super::promise;
use super::receive;
use super::stored::{self, Seen};
use super::told;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::{FrameLog, Freshness};
use crate::lineage::record::Listed;
use crate::log::commit::{CommitId, Mark};
use crate::log::entry::Entry;
use crate::log::seek::Found;
use crate::store::Store;
use crate::upkeep::retention;

/// A store of this process, as an end of a transfer. Clones share what they know of objects that have arrived.
#[derive(Debug, Clone)]
pub struct LocalPeer {
    store: Store,
    location: String,
    seen: Seen,
}

impl LocalPeer {
    /// A store, and how people call the place where it is.
    #[must_use]
    pub fn new(store: &Store, location: impl Into<String>) -> Self {
        Self {
            store: store.clone(),
            location: location.into(),
            seen: Seen::default(),
        }
    }

    pub(super) fn log(&self, frame: &FrameId) -> FrameLog {
        self.store.frame(frame).frame_log().clone()
    }

    /// Objects that have been compared with their hash when they came.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The newest entry of a frame that has a history.
    async fn known(&self, log: &FrameLog) -> Result<Arc<Entry>> {
        let head = log.newest().await?;
        let head = head.ok_or_else(|| log.not_found())?;
        Ok(head.entry)
    }
}

#[async_trait]
impl Peer for LocalPeer {
    fn location(&self) -> &str {
        &self.location
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.store.buckets().await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>> {
        let found = self.store.look(bucket, Freshness::AsOfNow).await?;
        let live = found.live.iter();
        let mut names: Vec<_> = live.map(|snapshot| snapshot.frame().name.clone()).collect();
        names.extend(found.unreadable.into_iter().map(|(name, _)| name));
        names.extend(found.spoilt);
        names.sort_unstable();
        Ok(names)
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>> {
        let log = self.log(frame);
        if !log.shared().read_only {
            self.store.frame(frame).adopt().await?;
        }
        let Some(head) = log.newest().await? else {
            return Ok(None);
        };
        let entry = head.entry;
        let Some(tip) = log.tip(&entry).await? else {
            return Ok(None);
        };
        let state = &entry.state;
        let mut tags = std::collections::BTreeMap::new();
        for (tag, mark) in &state.tags {
            if let Some(commit) = content_at(&log, &entry, *mark).await? {
                tags.insert(tag.clone(), commit);
            }
        }
        Ok(Some(PeerHead {
            tip: tip.commit,
            version: entry.last_version(),
            rows: state.rows,
            bytes: state.bytes,
            segments: state.segments,
            deleted: state.deleted,
            tags,
            retention: retention::own(state),
        }))
    }

    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream> {
        let log = self.log(frame);
        let head = self.known(&log).await?;
        let tip = log.tip(&head).await?;
        let is_tip = tip.is_some_and(|tip| tip.commit == from);
        if !is_tip && log.version_of(&head, from).await?.is_none() {
            return Err(no_commit(&log, from));
        }
        Ok(told::history(&log, &head, from))
    }

    async fn list(&self, frame: &FrameId, commit: &str) -> Result<Option<Vec<Listed>>> {
        let log = self.log(frame);
        let head = self.known(&log).await?;
        let Some(found) = readable(&log, &head, commit).await? else {
            return Ok(None);
        };
        let list = found.entry.list_through(found.version);
        match log.checkpoints().segments(list).await {
            Ok(segments) => Ok(Some(segments.iter().map(Listed::of).collect())),
            // It was given up since.
            Err(error) if error.is_missing() => match log.given_up(found.version, commit).await {
                Some(_) => Ok(None),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
        stored::have(&self.log(frame), objects).await
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream> {
        let log = self.log(frame);
        match stored::read(&log, object).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let left = promise::left_behind(&log, object).await?;
                Err(left.unwrap_or(error))
            }
            read => read,
        }
    }

    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()> {
        stored::write(&self.log(frame), &self.seen, object, bytes).await
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome> {
        receive::receive(&self.log(frame), &self.seen, request).await
    }
}

fn no_commit(log: &FrameLog, commit: &str) -> Error {
    let (what, name) = ("commit", format!("{commit} of frame {}", log.frame()));
    Cause::NotFound { what, name }.into()
}

/// A version with the rows that a commit left, which can be read: the commit's own, or upkeep after it.
pub(super) async fn readable(
    log: &FrameLog,
    head: &Arc<Entry>,
    commit: &str,
) -> Result<Option<Found>> {
    let tip = log.tip(head).await?;
    let found = match tip {
        Some(tip) if tip.commit == commit => {
            let entry = log.reader().entry(tip.sequence).await?;
            entry.map(|entry| Found {
                entry,
                version: tip.version,
            })
        }
        _ => log.version_of(head, commit).await?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let mut candidate = found.clone();
    loop {
        if head.state.keeps(candidate.version) {
            return Ok(Some(candidate));
        }
        let version = candidate.version + 1;
        if version > candidate.entry.last_version() {
            let next = log.reader().entry(candidate.entry.header.sequence + 1);
            match next.await? {
                Some(entry) if entry.header.sequence <= head.header.sequence => {
                    candidate.entry = entry;
                }
                _ => return Ok(None),
            }
        }
        candidate.version = version;
        let mut versions = candidate.entry.versions();
        let upkeep = versions.any(|(of, _, commit)| of == version && commit.operation.is_upkeep());
        if !upkeep {
            return Ok(None);
        }
    }
}

/// The commit of the history whose rows a marked version has.
async fn content_at(log: &FrameLog, head: &Arc<Entry>, mark: Mark) -> Result<Option<CommitId>> {
    let found = match log.reader().marked(Arc::clone(head), mark).await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let until = found
        .entry
        .versions()
        .filter(|(of, ..)| *of <= mark.version);
    let content = until.filter(|(.., commit)| !commit.operation.is_upkeep());
    if let Some((_, id, _)) = content.last() {
        return Ok(Some(id.clone()));
    }
    let before = found.entry.header.sequence - 1;
    match log.reader().entry(before).await? {
        Some(entry) => Ok(log.tip(&entry).await?.map(|tip| tip.commit)),
        None => Ok(None),
    }
}
