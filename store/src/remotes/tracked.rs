//! How far frames are ahead of remotes and behind, as far as this store knows.
//!
//! What a frame knows of its history at a remote is from when the two last met. What happened there since, nobody here
//! can tell; what happened here since is counted.

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::TrackedFrame;
use shoots_proto::name::{BucketName, FrameId};

use crate::error::{ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::{FrameLog, Freshness};
use crate::history;
use crate::log::entry::Entry;
use crate::store::Store;
use crate::time::Timestamp;

/// Entries that are read back at most to count what happened since; a frame with more is ahead by at least what they
/// hold.
const MAX_ENTRIES: usize = 256;

impl Store {
    /// What the frames of a bucket (none: the one without a name) know of remotes, by name. A frame that cannot be read
    /// is left out with a warning in the program's log.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such bucket.
    pub async fn tracked_frames(&self, bucket: Option<&BucketName>) -> Result<Vec<TrackedFrame>> {
        let frames = self.logged_frames(bucket).await?;
        let looks = stream::iter(frames)
            .map(|frame| async move { (frame.id().clone(), frame.tracked().await) })
            .buffered(self.shared().parallel_frames());
        let mut looks = std::pin::pin!(looks);
        let mut tracked = Vec::new();
        while let Some((frame, look)) = looks.next().await {
            match look {
                Ok(known) => tracked.extend(known),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Newer) => {
                    tracing::warn!(%error, %frame, "a frame is left out of the listing");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tracked)
    }
}

impl Frame {
    /// What the frame knows of remotes, by their names.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn tracked(&self) -> Result<Vec<TrackedFrame>> {
        match self.frame_log().newest_for(Freshness::Tolerant).await? {
            Some(head) => of(self.frame_log(), self.id(), &head.entry).await,
            None => Ok(Vec::new()),
        }
    }
}

/// What the frame whose newest entry is `head` knows of remotes.
pub(crate) async fn of(log: &FrameLog, frame: &FrameId, head: &Entry) -> Result<Vec<TrackedFrame>> {
    let tracking = stream::iter(&head.state.tracking);
    let tracked = tracking.then(|(remote, known)| async move {
        Ok(TrackedFrame {
            name: frame.name.clone(),
            bucket: frame.bucket.clone(),
            remote: remote.clone(),
            remote_name: known.frame.clone(),
            remote_bucket: known.bucket.clone(),
            ahead: known.ahead + changes_since(log, head, known.at).await?,
            behind: known.behind,
            commit: known.tip.clone(),
            seen: history::time(known.at),
        })
    });
    tracked.try_collect().await
}

/// How many commits of the frame's history were published after a time.
async fn changes_since(log: &FrameLog, head: &Entry, time: Timestamp) -> Result<u64> {
    let newest = head.header.sequence;
    if head.header.published <= time {
        return Ok(0);
    }
    let mut changes = content(head);
    for sequence in (1..newest).rev().take(MAX_ENTRIES) {
        match log.reader().entry(sequence).await? {
            Some(entry) if entry.header.published > time => changes += content(&entry),
            _ => break,
        }
    }
    Ok(changes)
}

fn content(entry: &Entry) -> u64 {
    let commits = entry.versions().map(|(_, _, commit)| commit);
    commits
        .filter(|commit| !commit.operation.is_upkeep())
        .count() as u64
}
