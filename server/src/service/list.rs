//! `ListFlights`: the frames of one bucket, or of all.
//!
//! Describing a frame takes microseconds, half of them for its schema. Of thousands of frames that is time enough to keep a
//! processor busy, so runs of them are described beside each other while those before them are sent.

use std::iter;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;

use arrow_flight::{Criteria, FlightInfo};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use shoots_proto::{BucketName, FrameId, FrameName, ListCriteria};
use shoots_store::{Error, Snapshot};
use tokio::task::JoinError;
use tracing::warn;

use super::{Shared, check_length, info};
use crate::pattern;
use crate::status::Failure;

/// So many frames are described by one task.
const RUN: usize = 256;

/// Lists frames, bucket by bucket; what is wrong with the criteria is said before the first.
pub(super) async fn list(
    shared: Arc<Shared>,
    criteria: Criteria,
) -> Result<impl Stream<Item = Result<FlightInfo, Failure>> + Send + 'static, Failure> {
    check_length("criteria", &criteria.expression)?;
    let criteria = ListCriteria::from_bytes(&criteria.expression)?;
    let pattern = criteria.regex.as_deref().map(pattern::compile).transpose();
    let pattern =
        pattern.map_err(|problem| Failure::invalid("criteria", Some("regex"), problem))?;
    let (first, more) = if criteria.all_buckets {
        (Vec::new(), shared.store.all_buckets().await?)
    } else {
        let bucket = criteria.bucket.clone();
        (vec![Listed::of(&shared, bucket).await?], Vec::new())
    };
    let more = stream::iter(more).then(move |bucket| {
        let shared = Arc::clone(&shared);
        async move {
            match (Listed::of(&shared, bucket.clone()).await, bucket) {
                // Deleted since the buckets were listed.
                (Err(failure), _) if failure.is_not_found() => Ok(Listed::default()),
                (Err(failure), Some(bucket)) if failure.is_of_storage() => {
                    Ok(Listed::closed(bucket, failure))
                }
                (listed, _) => listed,
            }
        }
    });
    let buckets = stream::iter(first).map(Ok).chain(more);
    let flights = buckets.map_ok(move |mut listed| {
        if let Some(pattern) = &pattern {
            listed.retain(|name| pattern.is_match(name.as_str()));
        }
        let unreadable = match criteria.unreadable {
            true => listed.told(),
            false => Vec::new(),
        };
        described(listed.frames).chain(stream::iter(unreadable))
    });
    Ok(flights.try_flatten())
}

/// What was found in a bucket.
#[derive(Default)]
struct Listed {
    frames: Vec<Snapshot>,
    /// Frames that cannot be read, and why.
    unreadable: Vec<(FrameId, Error)>,
    /// The bucket, if it cannot be listed, and why.
    closed: Option<(BucketName, Failure)>,
}

impl Listed {
    async fn of(shared: &Shared, bucket: Option<BucketName>) -> Result<Self, Failure> {
        let found = shared.store.frames_and_unreadable(bucket.as_ref()).await?;
        let (frames, unreadable) = found;
        let unreadable = unreadable.into_iter();
        let unreadable = unreadable.map(|(name, why)| (FrameId::new(bucket.clone(), name), why));
        Ok(Self {
            frames,
            unreadable: unreadable.collect(),
            closed: None,
        })
    }

    fn closed(bucket: BucketName, failure: Failure) -> Self {
        warn!(%bucket, %failure, "left out of a listing, because it cannot be listed");
        Self {
            closed: Some((bucket, failure)),
            ..Self::default()
        }
    }

    /// What cannot be read.
    fn told(&self) -> Vec<Result<FlightInfo, Failure>> {
        let frames = self.unreadable.iter();
        let frames = frames.map(|(frame, problem)| info::of_unreadable(frame, problem));
        let bucket = self.closed.iter();
        let bucket =
            bucket.map(|(bucket, problem)| info::of_unreadable_bucket(bucket.clone(), problem));
        frames.chain(bucket).collect()
    }

    fn retain(&mut self, is_wanted: impl Fn(&FrameName) -> bool) {
        self.frames
            .retain(|snapshot| is_wanted(&snapshot.frame().name));
        self.unreadable.retain(|(frame, _)| is_wanted(&frame.name));
    }
}

/// What a listing says of each frame, in order.
fn described(frames: Vec<Snapshot>) -> impl Stream<Item = Result<FlightInfo, Failure>> + Send {
    let processors = available_parallelism().map_or(1, usize::from);
    let mut frames = frames.into_iter();
    let runs = iter::from_fn(move || {
        let run: Vec<_> = frames.by_ref().take(RUN).collect();
        (!run.is_empty()).then_some(run)
    });
    let describe = |run: Vec<Snapshot>| async move {
        let described = run.iter().map(info::of_snapshot);
        described.collect::<Vec<_>>()
    };
    stream::iter(runs)
        .map(move |run| tokio::spawn(describe(run)))
        .buffered(processors)
        .map(|run| run.unwrap_or_else(|ended| vec![Err(interrupted(ended))]))
        .flat_map(stream::iter)
}

/// A panic of a task goes on in the call that waits for it, which answers it.
fn interrupted(ended: JoinError) -> Failure {
    match ended.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(ended) => Failure::defect(ended),
    }
}
