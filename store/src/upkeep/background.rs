//! Upkeep by itself: frames that are written to are compacted and expire while the server goes on.
//!
//! A frame that this process has changed is looked at a little later: compaction looks at its list of segments, which
//! is in memory, and does what pays. Expiry and the sweep come less often. Now and then every frame of the store has
//! its turn, so that those that nobody writes to any more expire, too: first soon after the start, so that it is not left
//! out by servers that never run for long. One frame is worked on at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoots_proto::name::FrameId;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use super::policy::Zeal;
use crate::error::{ErrorKind, Result};
use crate::store::Store;
use crate::time::Timestamp;

/// Changes of a frame after which its segments are looked at without waiting.
const CHANGES: u32 = 32;
/// Changes that a listener may be behind before it misses some.
const UNHEARD: usize = 256;

/// The first round comes after this part of the time between rounds, or up to twice that: some minutes of a day, and
/// servers that start together do not all come at once.
const FIRST_ROUND: u32 = 288;

/// How often upkeep looks at what.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepSettings {
    /// Whether segments are written anew.
    pub compaction: bool,
    /// Whether versions expire and the sweep removes what was condemned.
    pub expiry: bool,
    /// After a frame was changed, it is looked at so much later at the latest, unless others take longer.
    pub idle: Duration,
    /// Versions of a frame that is written to expire so often at most.
    pub expiry_interval: Duration,
    /// Every frame of the store has its turn so often, and for the first time much sooner.
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
#[derive(Debug)]
pub(crate) struct Touched {
    frames: Mutex<HashMap<FrameId, Changes>>,
    news: Notify,
    /// Hears of each change.
    listeners: broadcast::Sender<FrameId>,
}

impl Default for Touched {
    fn default() -> Self {
        Self {
            frames: Mutex::default(),
            news: Notify::default(),
            listeners: broadcast::Sender::new(UNHEARD),
        }
    }
}

/// Changes of a frame that nobody has looked at.
#[derive(Debug, Clone, Copy)]
struct Changes {
    count: u32,
    /// When the first of them was made.
    since: Timestamp,
}

impl Changes {
    /// Whether there are many, or the first was made at least so long ago. (If the clock was set back, nobody knows.)
    fn are_due(self, now: Timestamp, idle: Duration) -> bool {
        let waited = now.nanoseconds().saturating_sub(self.since.nanoseconds());
        let waited = u128::try_from(waited).unwrap_or(u128::MAX);
        self.count >= CHANGES || waited >= idle.as_nanos()
    }
}

impl Touched {
    /// Notes a change of a frame.
    pub(crate) fn note(&self, frame: &FrameId, now: Timestamp) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Changes {
            count: 0,
            since: now,
        };
        let changes = frames.entry(frame.clone()).or_insert(first);
        changes.count += 1;
        if changes.count == 1 || changes.count == CHANGES {
            self.news.notify_one();
        }
        // That nobody listens is no failure.
        let _ = self.listeners.send(frame.clone());
    }

    /// Takes the frames that are to be looked at, those that have waited longest first.
    fn take(&self, due: impl Fn(Changes) -> bool) -> Vec<FrameId> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = frames.extract_if(|_, changes| due(*changes)).collect();
        taken.sort_by_key(|(_, changes)| changes.since);
        taken.into_iter().map(|(frame, _)| frame).collect()
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
    /// Hears which frames this process changes from now on. Who is far behind is told so and may look at all.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<FrameId> {
        self.shared().touched.listeners.subscribe()
    }

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
        let drawn = self.store.shared().environment.unique();
        let mut until_round = until_first_round(self.settings.round, drawn);
        loop {
            let touched = Arc::clone(&self.store.shared().touched);
            let idle = self.settings.idle;
            let quiet = tokio::time::timeout(idle, touched.news.notified()).await;
            let quiet = quiet.is_err();
            // While other frames change all the time it is never quiet, and each has its turn all the same.
            let now = self.now();
            for frame in touched.take(|changes| quiet || changes.are_due(now, idle)) {
                self.look_after(&frame).await;
            }
            if self.now().seconds_since(last_round) >= until_round.as_secs() {
                last_round = self.now();
                until_round = self.settings.round;
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
        let buckets = self.store.bucket_folders().await?;
        let buckets = std::iter::once(None).chain(buckets.into_iter().map(Some));
        for bucket in buckets.collect::<Vec<_>>() {
            let frames = match self.store.logged_frames(bucket.as_ref()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.is_of_one_frame() => {
                    tracing::warn!(%error, "a bucket was not looked after");
                    continue;
                }
                frames => frames?,
            };
            for frame in frames {
                // What this process has seen of it may be old.
                if let Err(error) = frame.frame_log().newest().await {
                    tracing::warn!(%error, "frame {} was not looked after", frame.id());
                    continue;
                }
                self.look_after(frame.id()).await;
                if self.settings.expiry
                    && let Err(error) = frame.sweep(false).await
                {
                    let frame = frame.id();
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
        let head = frame.frame_log().remembered_head();
        if head.is_some_and(|head| head.entry.state.deleted) {
            return Ok(());
        }
        let report = match frame.compact_with(false, Zeal::Background).await {
            // It was deleted, and still has versions to expire.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            report => report?,
        };
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
        // If it cannot be told without a look, there is a look.
        if frame.is_expiry_due().await.unwrap_or(true) {
            frame.expire(false).await?;
        }
        if frame.is_sweep_due() {
            frame.sweep_condemned(false).await?;
        }
        Ok(())
    }
}

/// How long after the start the first round comes.
fn until_first_round(round: Duration, drawn: u128) -> Duration {
    const PARTS: u32 = 1000;
    let part = round / FIRST_ROUND;
    let drawn = u32::try_from(drawn % u128::from(PARTS)).unwrap_or_default();
    part + part / PARTS * drawn
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use shoots_proto::PutMode::Append;
    use shoots_proto::name::FrameName;

    use super::*;
    use crate::PutOptions;

    const IDLE: Duration = Duration::from_secs(2);

    fn id(name: &str) -> FrameId {
        FrameId::new(None, FrameName::parse(name).unwrap())
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_nanoseconds(1_000_000 * milliseconds)
    }

    fn due(touched: &Touched, milliseconds: i64) -> Vec<FrameId> {
        touched.take(|changes| changes.are_due(at(milliseconds), IDLE))
    }

    #[test]
    fn a_frame_with_few_changes_has_its_turn_while_others_change_without_a_pause() {
        let touched = Touched::default();
        touched.note(&id("quiet"), at(0));
        for turn in 1..20 {
            touched.note(&id(&format!("other {turn}")), at(100 * turn));
            assert_eq!(due(&touched, 100 * turn), []);
        }
        touched.note(&id("quiet"), at(1_950));
        assert_eq!(due(&touched, 2_000), [id("quiet")]);
        assert_eq!(due(&touched, 2_050), []);
        // Those that have waited longest come first, and each change is attended to once.
        assert_eq!(due(&touched, 2_200), [id("other 1"), id("other 2")]);
        assert_eq!(due(&touched, 9_000).len(), 17);
        assert_eq!(due(&touched, 9_000), []);
    }

    #[test]
    fn many_changes_are_looked_at_at_once_and_a_clock_that_was_set_back_delays_nothing() {
        let touched = Touched::default();
        touched.note(&id("future"), at(60_000));
        for _ in 1..CHANGES {
            touched.note(&id("busy"), at(0));
        }
        assert_eq!(due(&touched, 1), [id("future")]);
        touched.note(&id("busy"), at(0));
        assert_eq!(due(&touched, 1), [id("busy")]);
    }

    #[test]
    fn the_first_round_of_a_day_comes_after_some_minutes_and_not_everywhere_at_once() {
        let day = Duration::from_secs(24 * 3600);
        let waits = [0, 500, 999].map(|drawn| until_first_round(day, drawn).as_secs());
        assert_eq!(waits, [300, 450, 599]);
        assert_eq!(until_first_round(Duration::ZERO, u128::MAX), Duration::ZERO);
        let ever = until_first_round(Duration::from_secs(u64::MAX), 999);
        assert!(ever > Duration::from_secs(u64::MAX / 288));
    }

    async fn append(store: &Store, frame: &FrameId) {
        let numbers: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let options = PutOptions::mode(Append);
        let frame = store.frame(frame);
        let mut writer = frame.put(batch.schema(), options).await.unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_look_at_a_frame_that_was_just_written_asks_the_storage_for_nothing() {
        let store = Store::open("memory://").await.unwrap();
        let settings = UpkeepSettings {
            expiry_interval: Duration::ZERO,
            ..UpkeepSettings::default()
        };
        let mut worker = Worker {
            store: store.clone(),
            settings,
            expired: HashMap::new(),
        };
        let mut lists = Vec::new();
        for name in ["new", "new", "new", "newer"] {
            append(&store, &id(name)).await;
            let before = store.requests();
            worker.look_after(&id(name)).await;
            let after = store.requests();
            assert_eq!(after.reads, before.reads, "{name}");
            lists.push(after.lists - before.lists);
        }
        // The bucket's rule is looked up when there is a version that it may give up.
        assert_eq!(lists, [0, 1, 0, 0]);
    }
}
