//! What two servers say to each other, counted on the way: the work that was asked for, and no more.

use futures::{StreamExt, TryStreamExt, stream};
use shoots_client::{PutMode, SyncOutcome};

use super::relay::Relay;
use super::{QUIET, objects, outcome};
use crate::rows::{get, put, rows};
use crate::server::Server;

const SEGMENTS: i64 = 1000;
/// What one append costs at most on the way.
const MOST_BYTES: usize = 64 << 10;
/// Puts that wait for each other.
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_after_one_append_to_a_thousand_segments_asks_for_one_and_the_next_for_nothing() {
    let one = Server::with(QUIET).await;
    let here = one.client().await;
    put(&here, "a", PutMode::Append, rows(0..1)).await;
    let puts = stream::iter(1..SEGMENTS).map(|n| {
        let put = here.put("a").mode(PutMode::Append);
        put.send_batch(rows(n..n + 1))
    });
    let puts: Vec<_> = puts.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    assert_eq!(puts.len(), 999);
    let described = here.frame("a").describe(None).send().await.unwrap();
    assert_eq!(described.segments, 1000);
    let relay = Relay::to(one.address()).await;
    let origin = relay.origin();
    let other = Server::with(&[QUIET, &[&origin]].concat()).await;
    let there = other.client().await;
    let cloned = there.clone_frames("origin").frame("a").send().await;
    assert!(objects(&cloned.unwrap()) >= 1000);
    let log = relay.log();
    assert_eq!(log.objects.get("segment"), Some(&1000), "{log:?}");

    put(&here, "a", PutMode::Append, rows(SEGMENTS..SEGMENTS + 1)).await;
    let pulled = there.pull("origin").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&pulled), objects(&pulled)),
        (SyncOutcome::Moved, 1)
    );
    let log = relay.log();
    println!("a pull after one append: {log:?}");
    assert_eq!(log.objects.get("segment"), Some(&1), "{log:?}");
    assert_eq!(log.objects.values().sum::<usize>(), 1, "{log:?}");
    assert!(log.calls.values().sum::<usize>() <= 6, "{log:?}");
    // The newest commits of a thousand, some 600 bytes each, and what one of them brings.
    assert!(log.bytes < MOST_BYTES, "{log:?}");
    assert_eq!(get(&there, "a").await.num_rows(), 1001);

    let again = there.pull("origin").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&again), objects(&again)),
        (SyncOutcome::Unchanged, 0)
    );
    let log = relay.log();
    assert_eq!(
        log.calls.keys().collect::<Vec<_>>(),
        ["sync_head"],
        "{log:?}"
    );
    assert!(log.bytes < 4096, "{log:?}");

    // The same the other way.
    put(&there, "a", PutMode::Append, rows(2000..2001)).await;
    let pushed = there.push("origin").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&pushed), objects(&pushed)),
        (SyncOutcome::Moved, 1)
    );
    let log = relay.log();
    println!("a push after one append: {log:?}");
    assert_eq!(log.objects.get("segment"), Some(&1), "{log:?}");
    assert!(log.calls.values().sum::<usize>() <= 6, "{log:?}");
    assert!(log.bytes < MOST_BYTES, "{log:?}");
    let again = there.push("origin").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&again), objects(&again)),
        (SyncOutcome::Unchanged, 0)
    );
    let log = relay.log();
    assert_eq!(
        log.calls.keys().collect::<Vec<_>>(),
        ["sync_head"],
        "{log:?}"
    );
    other.stop().await;
    one.stop().await;
}
