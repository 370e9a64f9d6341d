//! Upkeep by itself: frames that are written to are compacted and expire while the server goes on.
//!
//! A frame that this process has changed is looked at a little later: compaction looks at its list of segments, which
//! is in memory, and does what pays. Expiry and the sweep come less often. Now and then every frame of the store has
//! its turn, so that those that nobody writes to any more expire, too. One frame is worked on at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoots_proto::name::FrameId;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::policy::Zeal;
use crate::error::{ErrorKind, Result};
use crate::store::Store;
use crate::time::Timestamp;

/// Changes of a frame after which its segments are looked at without waiting.
const CHANGES: u32 = 32;

/// How often upkeep looks at what.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepSettings {
    /// Whether segments are written anew.
    pub compaction: bool,
    /// Whether versions expire and the sweep removes what was condemned.
    pub expiry: bool,
    /// After a frame was changed, it is looked at so much later at the latest.
    pub idle: Duration,
    /// Versions of a frame that is written to expire so often at most.
    pub expiry_interval: Duration,
    /// Every frame of the store has its turn so often.
    pub round: Duration,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            compaction: true,
            expiry: true,
            idle: Duration::from_secs(2),
            expiry_interval: Duration::from_secs(3600),
            round: Duration::from_secs(24 * 3600),
        }
    }
}

/// Which frames this process has changed since they were looked at.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    frames: Mutex<HashMap<FrameId, u32>>,
    news: Notify,
}

impl Touched {
    /// Notes a change of a frame.
    pub(crate) fn note(&self, frame: &FrameId) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = frames.entry(frame.clone()).or_insert(0);
        *changes += 1;
        if *changes == 1 || *changes == CHANGES {
            self.news.notify_one();
        }
    }

    /// A frame with many changes; or, if that is enough, one with any.
    fn take(&self, any: bool) -> Option<FrameId> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let most = frames.iter().max_by_key(|(_, changes)| **changes);
        let (frame, changes) = most?;
        if !any && *changes < CHANGES {
            return None;
        }
        let frame = frame.clone();
        frames.remove(&frame);
        Some(frame)
    }
}

/// Upkeep that is under way. It ends when this is dropped; what it was at has then not happened.
#[derive(Debug)]
pub struct Upkeep(JoinHandle<()>);

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Store {
    /// Starts to look after the store's frames in the background.
    #[must_use]
    pub fn start_upkeep(&self, settings: UpkeepSettings) -> Upkeep {
        let worker = Worker {
            store: self.clone(),
            settings,
            expired: HashMap::new(),
        };
        Upkeep(tokio::spawn(worker.run()))
    }
}

struct Worker {
    store: Store,
    settings: UpkeepSettings,
    /// When versions of frames last expired.
    expired: HashMap<FrameId, Timestamp>,
}

impl Worker {
    async fn run(mut self) {
        let mut last_round = self.now();
        loop {
            let touched = Arc::clone(&self.store.shared().touched);
            let news = tokio::time::timeout(self.settings.idle, touched.news.notified()).await;
            while let Some(frame) = touched.take(false) {
                self.look_after(&frame).await;
            }
            if news.is_err() {
                while let Some(frame) = touched.take(true) {
                    self.look_after(&frame).await;
                }
            }
            if self.now().seconds_since(last_round) >= self.settings.round.as_secs() {
                last_round = self.now();
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "not every frame could be looked after");
                }
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.store.shared().environment.now()
    }

    /// Looks after every frame, deleted ones too.
    async fn round(&mut self) -> Result<()> {
        if self.settings.expiry
            && let Err(error) = self.store.withdraw_abandoned(None, false).await
        {
            tracing::warn!(%error, "what unfinished snapshots left was not cleaned up");
        }
        let buckets = self.store.buckets().await?;
        let buckets = std::iter::once(None).chain(buckets.into_iter().map(Some));
        for bucket in buckets.collect::<Vec<_>>() {
            for frame in self.store.logged_frames(bucket.as_ref()).await? {
                self.look_after(&frame).await;
                if self.settings.expiry
                    && let Err(error) = self.store.frame(&frame).sweep(false).await
                {
                    tracing::warn!(%error, "what writers left of frame {frame} was not swept");
                }
            }
        }
        Ok(())
    }

    async fn look_after(&mut self, frame: &FrameId) {
        let outcome = async {
            if self.settings.compaction {
                self.compact(frame).await?;
            }
            if self.settings.expiry {
                self.expire(frame).await?;
            }
            Ok::<_, crate::Error>(())
        };
        if let Err(error) = outcome.await {
            match error.kind() {
                // Somebody else came first, or the frame is gone.
                ErrorKind::Conflict | ErrorKind::NotFound => {
                    tracing::debug!(%error, "upkeep of frame {frame} gave way");
                }
                _ => tracing::warn!(%error, "upkeep of frame {frame} failed"),
            }
        }
    }

    async fn compact(&self, frame: &FrameId) -> Result<()> {
        let frame = self.store.frame(frame);
        if !frame.exists().await? {
            return Ok(());
        }
        let report = frame.compact_with(false, Zeal::Background).await?;
        if report.version.is_some() {
            let (before, after) = (report.segments_before, report.segments_after);
            tracing::debug!(
                before,
                after,
                reason = report.reason,
                "frame {} was compacted",
                frame.id()
            );
        }
        Ok(())
    }

    async fn expire(&mut self, frame: &FrameId) -> Result<()> {
        let now = self.now();
        let interval = self.settings.expiry_interval.as_secs();
        let last = self.expired.get(frame);
        if last.is_some_and(|last| now.seconds_since(*last) < interval) {
            return Ok(());
        }
        self.expired
            .retain(|_, last| now.seconds_since(*last) < interval);
        self.expired.insert(frame.clone(), now);
        let frame = self.store.frame(frame);
        frame.expire(false).await?;
        frame.sweep_condemned(false).await?;
        Ok(())
    }
}
