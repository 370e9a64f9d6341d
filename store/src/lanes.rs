//! The same small work on thousands of items, spread over the processors.
//!
//! A warm look at one frame takes some microseconds and waits for nothing, so one task with many looks in it keeps one
//! processor busy and leaves the others idle. Long lists are cut into as many runs as there are processors, each a task
//! of its own.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures::stream::{self, StreamExt};
use tokio::task::JoinSet;

use crate::error::{Cause, Result};

/// Fewer items than this are not worth a task.
const LEAST_OF_A_LANE: usize = 128;

/// What becomes of each item, in order. At most `at_once` are worked on at the same time; dropping the future stops all.
///
/// # Errors
/// If the tasks were stopped because the process ends.
pub(crate) async fn in_lanes<T, R, W>(
    mut items: Vec<T>,
    at_once: usize,
    work: impl Fn(T) -> W + Send + Sync + 'static,
) -> Result<Vec<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    let processors = available_parallelism().map_or(1, usize::from);
    let lanes = (items.len() / LEAST_OF_A_LANE).clamp(1, processors.min(at_once));
    let length = items.len().div_ceil(lanes).max(1);
    let work = Arc::new(work);
    let mut tasks = JoinSet::new();
    // From the end, because that is where a vector can be cut. None stays in this task: until it waits, the runtime keeps
    // what it has spawned last for its own thread.
    for lane in (0..lanes).rev() {
        let run = items.split_off((lane * length).min(items.len()));
        let work = Arc::clone(&work);
        tasks.spawn(async move { (lane, worked(run, at_once / lanes, &*work).await) });
    }
    let mut done = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok((lane, results)) => {
                done.insert(lane, results);
            }
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(ended) => return Err(Cause::Task(ended.to_string()).into()),
            },
        }
    }
    Ok(done.into_values().flatten().collect())
}

async fn worked<T, R, W: Future<Output = R>>(
    run: Vec<T>,
    at_once: usize,
    work: &impl Fn(T) -> W,
) -> Vec<R> {
    let results = stream::iter(run).map(work).buffered(at_once.max(1));
    results.collect().await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use super::*;

    const A_WHILE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn results_come_in_the_order_of_the_items() {
        for count in [0, 1, 127, 128, 129, 1000, 1001, 10_007] {
            let doubled = in_lanes((0..count).collect(), 16, |item: usize| async move {
                if item.is_multiple_of(3) {
                    tokio::task::yield_now().await;
                }
                2 * item
            });
            let expected: Vec<usize> = (0..count).map(|item| 2 * item).collect();
            assert_eq!(doubled.await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn no_more_are_worked_on_at_once_than_asked_for() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let work = move |_: usize| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&seen));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
            }
        };
        in_lanes((0..2000).collect(), 4, work).await.unwrap();
        assert!((2..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lanes_run_beside_each_other() {
        if available_parallelism().map_or(1, usize::from) < 2 {
            return;
        }
        // The first item of each lane waits for the other's, and keeps its thread meanwhile.
        let (here, there) = (mpsc::channel(), mpsc::channel());
        let ends = [(0, (here.0, there.1)), (LEAST_OF_A_LANE, (there.0, here.1))];
        let ends = Mutex::new(BTreeMap::from(ends));
        let work = move |item: usize| {
            let mine = ends.lock().unwrap().remove(&item);
            async move {
                mine.is_none_or(|(tell, told)| {
                    tell.send(()).is_ok() && told.recv_timeout(A_WHILE).is_ok()
                })
            }
        };
        // A worker of the runtime is where calls run.
        let met = tokio::spawn(in_lanes((0..2 * LEAST_OF_A_LANE).collect(), 2, work));
        assert!(met.await.unwrap().unwrap().into_iter().all(|met| met));
    }

    #[tokio::test]
    #[should_panic(expected = "item 1999")]
    async fn a_panic_goes_on_where_the_results_are_awaited() {
        let work = |item: usize| async move { assert_ne!(item, 1999, "item {item}") };
        let _ = in_lanes((0..2000).collect(), 4, work).await;
    }
}
