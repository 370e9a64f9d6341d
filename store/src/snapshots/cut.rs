//! A consistent cut: versions of many frames that were the newest ones at one point in time.
//!
//! Frames have logs of their own, and no clock is trusted, so the heads of all logs are read again and again
//! (the double collect of Afek et al., *Atomic Snapshots of Shared Memory*, 1993). Logs only grow: a frame with the
//! same head in two looks had it all the time between. If that is true of every frame, they were in these states
//! together at any time between the two looks. If it is true of all but one, then the state that the one was seen in
//! by a look between the two goes with the others; so a single busy frame is no obstacle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::FrameVersion;
use shoots_proto::name::{BucketName, FrameId};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::log::entry::Entry;
use crate::store::Store;

/// How often three looks may fail to agree.
const MAX_ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What a snapshot is to be of.
#[derive(Debug)]
pub(super) struct Scope {
    frames: BTreeSet<FrameId>,
    /// All frames that are in them.
    buckets: BTreeSet<Option<BucketName>>,
}

/// The state that a frame is seen in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    sequence: u64,
    version: u64,
    commit: String,
    deleted: bool,
}

/// What one look finds: the frames that have a log.
type View = BTreeMap<FrameId, Head>;

impl Head {
    fn of(entry: &Entry) -> Self {
        let commit = entry.last_commit().map(|(id, _)| id.clone());
        Self {
            sequence: entry.header.sequence,
            version: entry.last_version(),
            commit: commit.unwrap_or_default(),
            deleted: entry.state.deleted,
        }
    }
}

impl Scope {
    pub(super) fn new(frames: &[FrameId], buckets: &[Option<BucketName>]) -> Self {
        Self {
            frames: frames.iter().cloned().collect(),
            buckets: buckets.iter().cloned().collect(),
        }
    }

    /// Gives logs to the plain files among the frames. What nobody can read is no frame of a bucket.
    pub(super) async fn adopt(&self, store: &Store) -> Result<()> {
        for bucket in &self.buckets {
            let candidates = store.candidates(bucket.as_ref()).await?;
            if let Some(bucket) = bucket {
                let names: Vec<_> = candidates.keys().collect();
                store.expect_bucket(bucket, &names).await?;
            }
            let adopted = stream::iter(candidates).map(Ok);
            let adopted = adopted.try_for_each_concurrent(
                store.shared().parallel_frames(),
                |(name, plain)| {
                    let bucket = bucket.clone();
                    let frame = store.frame(&FrameId { bucket, name });
                    async move {
                        match frame.adopt().await {
                            Err(error) if plain && is_unreadable(&error) => {
                                tracing::warn!(%error, "a plain file is left out of a snapshot");
                                Ok(())
                            }
                            outcome => outcome,
                        }
                    }
                },
            );
            adopted.await?;
        }
        for id in &self.frames {
            store.frame(id).adopt().await?;
        }
        Ok(())
    }

    /// Versions that were the newest ones of all frames at the same time.
    pub(super) async fn cut(&self, store: &Store) -> Result<Vec<FrameVersion>> {
        let mut pause = FIRST_PAUSE;
        let mut busy = None;
        for _ in 0..MAX_ATTEMPTS {
            let first = self.look(store).await?;
            let second = self.look(store).await?;
            if first == second {
                return Ok(versions(second));
            }
            let third = self.look(store).await?;
            match together(&first, &second, third) {
                Ok(view) => return Ok(versions(view)),
                Err(frame) => busy = Some(frame),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let busy = busy.map_or_else(String::new, |frame| format!(", {frame} among them"));
        let problem = format!("frames change too often to see all in one state{busy}");
        Err(Cause::Conflict(problem).into())
    }

    async fn look(&self, store: &Store) -> Result<View> {
        let mut ids = self.frames.clone();
        for bucket in &self.buckets {
            let names = store.candidates(bucket.as_ref()).await?.into_keys();
            ids.extend(names.map(|name| FrameId {
                bucket: bucket.clone(),
                name,
            }));
        }
        let heads = stream::iter(ids).map(|id| async move {
            let frame = store.frame(&id);
            let head = frame.frame_log().newest().await?;
            let head = head.map(|head| Head::of(&head.entry));
            let live = head.as_ref().is_some_and(|head| !head.deleted);
            if !live && self.frames.contains(&id) {
                return Err(frame.frame_log().not_found());
            }
            Ok(head.map(|head| (id, head)))
        });
        let heads = heads.buffer_unordered(store.shared().parallel_frames());
        let known = heads.try_filter_map(|head| std::future::ready(Ok(head)));
        known.try_collect().await
    }
}

/// A view of states that frames were in together, given three looks one after the other, or a frame that changed.
fn together(first: &View, second: &View, mut third: View) -> Result<View, FrameId> {
    if *second == third {
        return Ok(third);
    }
    let ids: BTreeSet<&FrameId> = first.keys().chain(third.keys()).collect();
    let ids = ids.into_iter();
    let moved = ids.filter(|id| first.get(id) != third.get(id));
    let mut moved: Vec<FrameId> = moved.take(2).cloned().collect();
    let Some(busy) = moved.pop() else {
        return Ok(third);
    };
    if !moved.is_empty() {
        return Err(busy);
    }
    match second.get(&busy) {
        Some(head) => third.insert(busy, head.clone()),
        None => third.remove(&busy),
    };
    Ok(third)
}

fn versions(view: View) -> Vec<FrameVersion> {
    let live = view.into_iter().filter(|(_, head)| !head.deleted);
    live.map(|(frame, head)| FrameVersion {
        name: frame.name,
        bucket: frame.bucket,
        version: head.version,
        commit: head.commit,
    })
    .collect()
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Schema)
}

#[cfg(test)]
mod tests {
    use shoots_proto::name::FrameName;

    use super::*;

    /// What a look finds of frames `a`, `b`, …: their versions; 0 for none.
    fn view(versions: &[u64]) -> View {
        let frames = ('a'..).zip(versions).filter(|(_, version)| **version > 0);
        frames
            .map(|(name, version)| {
                let name = FrameName::parse(&name.to_string()).unwrap();
                let head = Head {
                    sequence: *version,
                    version: *version,
                    commit: version.to_string(),
                    deleted: false,
                };
                (FrameId { bucket: None, name }, head)
            })
            .collect()
    }

    fn found(first: &[u64], second: &[u64], third: &[u64]) -> Option<View> {
        together(&view(first), &view(second), view(third)).ok()
    }

    #[test]
    fn one_busy_frame_is_taken_as_it_was_between_two_looks_at_the_others() {
        assert_eq!(found(&[1, 5], &[2, 5], &[3, 5]), Some(view(&[2, 5])));
        assert_eq!(found(&[0, 5], &[1, 5], &[2, 5]), Some(view(&[1, 5])));
        assert_eq!(found(&[0, 5], &[0, 5], &[2, 5]), Some(view(&[0, 5])));
    }

    #[test]
    fn two_busy_frames_are_no_cut_unless_the_last_looks_agree() {
        assert_eq!(found(&[1, 1], &[2, 1], &[2, 2]), None);
        assert_eq!(found(&[1, 1], &[2, 2], &[3, 3]), None);
        assert_eq!(found(&[1, 1], &[2, 2], &[2, 2]), Some(view(&[2, 2])));
        assert_eq!(found(&[1, 0, 1], &[1, 1, 1], &[1, 1, 2]), None);
    }
}
