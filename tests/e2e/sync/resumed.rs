//! Transfers that break off: nobody sees anything of them, and the next one goes on from there.

use shoots_client::{PutMode, SyncOutcome};

use super::{QUIET, objects, outcome, tip};
use crate::rows::{get, put, rows};
use crate::server::{Server, fresh_folder};

const SEGMENTS: i64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_a_transfer_goes_on_from_there() {
    let one = Server::with(QUIET).await;
    let here = one.client().await;
    for n in 0..SEGMENTS {
        put(&here, "a", PutMode::Append, rows(n..n + 1)).await;
    }
    let origin = format!("origin=grpc://{}", one.address());
    let arguments = [QUIET, &["--remote", &origin]].concat();
    let folder = fresh_folder();
    let mut arrived = 0;
    // The moment of the kill is after so many objects, so that each attempt gets further.
    for stop_after in [1, 10, 25] {
        let other = Server::on(&folder, &arguments).await;
        let there = other.client().await;
        let mut transfer = there
            .clone_frames("origin")
            .frame("a")
            .start()
            .await
            .unwrap();
        while let Some(answer) = futures::StreamExt::next(&mut transfer).await {
            match answer.unwrap() {
                shoots_client::SyncAnswer::Progress(progress)
                    if progress.objects_done < stop_after => {}
                _ => break,
            }
        }
        other.kill().await;
        let other = Server::on(&folder, &arguments).await;
        assert!(!other.client().await.exists("a").await.unwrap() || arrived > 0);
        other.stop().await;
        arrived = stop_after;
    }
    let other = Server::on(&folder, &arguments).await;
    let there = other.client().await;
    let pulled = there.pull("origin").frame("a").send().await.unwrap();
    assert!(objects(&pulled) < SEGMENTS as u64, "{pulled:?}");
    assert!(matches!(
        outcome(&pulled),
        SyncOutcome::Created | SyncOutcome::Unchanged
    ));
    assert_eq!(get(&there, "a").await, rows(0..SEGMENTS));
    assert_eq!(tip(&there, "a").await, tip(&here, "a").await);
    other.stop().await;
    one.stop().await;
}
