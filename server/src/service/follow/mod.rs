//! Frames that follow others: resampling that goes on by itself.
//!
//! A frame that was made by `resample` with `continuous` carries a [`Declaration`] in the metadata of its newest commit:
//! what it is made of, and from which version. When the source has a newer version, one more commit brings the frame up
//! to it and says so in the same place. That commit is published only if the newest commit still says what it said when
//! the work began, so each version is applied once, however many servers follow, and whenever they are ended. A commit
//! of anybody else carries no declaration, and the frame follows no longer.
//!
//! One task of the server does the work ([`run`]), one frame after the other: when this server has changed a source, and
//! every few seconds, because other servers change frames, too. Which frames there are to look after is remembered
//! ([`Followers`]); all frames of the store are looked through when the server starts and now and then.

mod declaration;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shoots_proto::FrameId;
use shoots_store::Snapshot;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

pub(super) use self::declaration::{Declaration, KEY, declared};
pub(super) use self::step::{declare, grid_of, resampled};
use super::Shared;
use crate::status::Failure;

/// How often sources are looked at that other servers may have changed.
const POLL: Duration = Duration::from_secs(3);
/// How often all frames of the store are looked through.
const SEARCH: Duration = Duration::from_secs(600);
/// So many steps of one frame before others have their turn.
const STEPS: usize = 8;

/// The frames that follow others, as far as this server knows.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    known: Mutex<BTreeMap<FrameId, Known>>,
    news: Notify,
}

/// A frame that follows another one.
#[derive(Debug, Clone)]
struct Known {
    source: FrameId,
    /// Why it does not follow at the moment.
    problem: Option<String>,
    /// The states of the frame and of its source between which nothing was to be done.
    settled: Option<Settled>,
}

/// The states of a frame and of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settled {
    version: Option<u64>,
    /// Its commit, because a frame that is made anew counts its versions anew.
    source: Option<String>,
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<FrameId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a frame follows another one, if it does.
    pub(super) fn note(&self, snapshot: &Snapshot) {
        let Some(source) = Declaration::source_of(snapshot) else {
            return;
        };
        let fresh = Known {
            source: source.clone(),
            problem: None,
            settled: None,
        };
        let mut known = self.lock();
        let is_new = match known.get_mut(snapshot.frame()) {
            Some(known) => std::mem::replace(&mut known.source, source) != known.source,
            None => {
                known.insert(snapshot.frame().clone(), fresh);
                true
            }
        };
        if is_new {
            self.news.notify_one();
        }
    }

    pub(super) fn problem(&self, frame: &FrameId) -> Option<String> {
        self.lock().get(frame)?.problem.clone()
    }

    fn settled(&self, frame: &FrameId) -> Option<Settled> {
        self.lock().get(frame)?.settled.clone()
    }

    fn forget(&self, frame: &FrameId) {
        self.lock().remove(frame);
    }

    fn settle(&self, frame: &FrameId, versions: Settled) {
        if let Some(known) = self.lock().get_mut(frame) {
            known.problem = None;
            known.settled = Some(versions);
        }
    }

    /// Keeps what is wrong, and says whether it was not known before.
    fn fail(&self, frame: &FrameId, problem: String) -> bool {
        match self.lock().get_mut(frame) {
            Some(known) if known.problem.as_ref() != Some(&problem) => {
                known.problem = Some(problem);
                true
            }
            _ => false,
        }
    }

    /// Those that a change of these frames concerns.
    fn concerned(&self, changed: &Heard) -> Vec<FrameId> {
        let known = self.lock();
        let concerned = known.iter().filter(|(frame, known)| match changed {
            Heard::All => true,
            Heard::Of(frames) => frames.contains(*frame) || frames.contains(&known.source),
        });
        concerned.map(|(frame, _)| frame.clone()).collect()
    }
}

/// What may have changed.
enum Heard {
    All,
    Of(BTreeSet<FrameId>),
}

impl Heard {
    /// What has been heard and what can be heard without waiting.
    fn of(first: Result<FrameId, RecvError>, news: &mut Receiver<FrameId>) -> Self {
        let Ok(first) = first else {
            return Self::All;
        };
        let mut frames = BTreeSet::from([first]);
        loop {
            match news.try_recv() {
                Ok(frame) => drop(frames.insert(frame)),
                Err(TryRecvError::Lagged(_)) => return Self::All,
                Err(_) => return Self::Of(frames),
            }
        }
    }
}

/// Brings frames up to those that they follow, for as long as it is polled.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut news = match shared.store.whole("follow changes") {
        Ok(store) => store.listen(),
        Err(error) => return warn!(%error, "no frame follows another one"),
    };
    let mut searched: Option<Instant> = None;
    let mut heard = Heard::All;
    let mut next_poll = Instant::now() + POLL;
    loop {
        if searched.is_none_or(|at| at.elapsed() >= SEARCH) {
            if let Err(error) = search(&shared).await {
                warn!(%error, "not every frame that follows another one was found");
            }
            searched = Some(Instant::now());
        }
        for frame in shared.followers.concerned(&heard) {
            follow(&shared, &frame).await;
        }
        heard = tokio::select! {
            () = shared.followers.news.notified() => Heard::All,
            first = news.recv() => Heard::of(first, &mut news),
            () = sleep_until(next_poll) => {
                next_poll = Instant::now() + POLL;
                Heard::All
            }
        };
    }
}

/// Looks through all frames of the store.
async fn search(shared: &Arc<Shared>) -> Result<(), Failure> {
    for bucket in shared.store.all_buckets().await? {
        let frames = shared.store.frames_of_each(bucket.as_ref()).await?;
        frames.iter().for_each(|frame| shared.followers.note(frame));
    }
    Ok(())
}

/// Brings one frame up to its source.
async fn follow(shared: &Arc<Shared>, frame: &FrameId) {
    for _ in 0..STEPS {
        let settled = shared.followers.settled(frame);
        match step::step(shared, frame, settled).await {
            Ok(step::Outcome::Ended) => {
                info!(%frame, "follows no other frame any more");
                return shared.followers.forget(frame);
            }
            Ok(step::Outcome::UpToDate(versions)) => {
                return shared.followers.settle(frame, versions);
            }
            Ok(step::Outcome::Applied) => {}
            Ok(step::Outcome::GaveWay) => debug!(%frame, "somebody else came first"),
            Err(failure) => {
                let problem = failure.to_string();
                if shared.followers.fail(frame, problem.clone()) {
                    warn!(%frame, problem, "cannot follow its source at the moment");
                }
                return;
            }
        }
    }
}
