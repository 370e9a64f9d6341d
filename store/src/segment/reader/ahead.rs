//! Steps of a file, decoded beside each other and handed out in order.
//!
//! A first read is decoding more than anything else, and one processor alone would keep the reader waiting. So the next
//! steps are decoded in tasks of their own while the rows of one are taken: as many as there are processors, up to
//! [`MOST_STEPS`]. What they hold is bounded by that, because a step is. Dropping the stream stops them.

use std::panic::resume_unwind;

use arrow_array::RecordBatch;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use tokio::task::{JoinError, JoinSet};

use super::BatchStream;
use crate::error::{Cause, Result};

/// Steps of one file that are decoded at the same time, at most.
const MOST_STEPS: usize = 4;

/// The rows of a step, which may still be on their way.
pub(super) type Step = BoxFuture<'static, Vec<Result<RecordBatch>>>;

/// The rows of `steps`, in order.
pub(super) fn in_order(steps: impl Iterator<Item = Step> + Send + 'static) -> BatchStream {
    let at_once = rayon::current_num_threads().clamp(1, MOST_STEPS);
    stream::iter(steps)
        .buffered(at_once)
        .flat_map(stream::iter)
        .boxed()
}

/// A step that needs no decoding.
pub(super) fn at_hand(rows: Result<RecordBatch>) -> Step {
    std::future::ready(vec![rows]).boxed()
}

/// A step that is decoded from now on.
pub(super) fn begun(rows: BatchStream) -> Step {
    let mut task = JoinSet::new();
    task.spawn(decoded(rows));
    async move {
        match task.join_next().await {
            Some(Ok(batches)) => batches,
            Some(Err(ended)) => vec![Err(failure(ended))],
            None => Vec::new(),
        }
    }
    .boxed()
}

/// All batches up to the first error.
async fn decoded(mut rows: BatchStream) -> Vec<Result<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        let failed = batch.is_err();
        batches.push(batch);
        if failed {
            break;
        }
    }
    batches
}

/// Why a task has no rows. A panic goes on where the rows are taken, as if they had been decoded there.
fn failure(ended: JoinError) -> crate::error::Error {
    match ended.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(ended) => Cause::Task(ended.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow_array::{ArrayRef, Int32Array};

    use super::*;
    use crate::error::Error;

    fn batch(value: i32) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![value]));
        RecordBatch::try_from_iter([("value", values)]).expect("a batch")
    }

    fn slow(value: i32, turns: usize) -> BatchStream {
        let rows = async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            Ok(batch(value))
        };
        stream::once(rows).boxed()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_come_in_order_whichever_step_is_decoded_first() {
        let steps = (0..20).map(|value| match value % 3 {
            0 => begun(slow(value, 50)),
            1 => begun(slow(value, 0)),
            _ => at_hand(Ok(batch(value))),
        });
        let rows: Vec<_> = in_order(steps)
            .map(|rows| rows.expect("rows"))
            .collect()
            .await;
        let expected: Vec<_> = (0..20).map(batch).collect();
        assert_eq!(rows, expected);
    }

    #[tokio::test]
    async fn nothing_of_a_step_follows_its_first_error() {
        let rows = [Ok(batch(1)), Err(Error::damaged("x", "torn")), Ok(batch(2))];
        let step = begun(stream::iter(rows).boxed());
        let rows = step.await;
        assert_eq!(rows.len(), 2);
        assert!(rows[1].is_err());
    }

    #[tokio::test]
    async fn a_step_that_is_dropped_is_decoded_no_further() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let endless = stream::unfold(counted, |counted| async move {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Some((Ok(batch(0)), counted))
        });
        let step = begun(endless.boxed());
        tokio::task::yield_now().await;
        drop(step);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let before = taken.load(Ordering::SeqCst);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken.load(Ordering::SeqCst), before);
        assert!(before > 0, "it began");
    }

    #[tokio::test]
    #[should_panic(expected = "a number in the file")]
    async fn a_panic_of_the_decoder_is_one_of_whoever_takes_the_rows() {
        let broken = stream::once(async { panic!("a number in the file") });
        begun(broken.boxed()).await;
    }
}
