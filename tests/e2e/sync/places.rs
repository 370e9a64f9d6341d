//! Every direction between servers, folders and a bucket of S3.

use shoots_client::{PutMode, SyncOutcome};
use tempfile::tempdir;

use super::{QUIET, objects, outcome, tip};
use crate::rows::{get, put, rows};
use crate::server::Server;

/// A place that is no server: a server pushes to it, and another pulls from it.
async fn travels_through(url: &str) {
    let place = format!("between={url}");
    let arguments = [QUIET, &["--remote", &place]].concat();
    let (one, other) = (
        Server::with(&arguments).await,
        Server::with(&arguments).await,
    );
    let (here, there) = (one.client().await, other.client().await);
    put(&here, "nyc/a", PutMode::Append, rows(0..4)).await;
    let pushed = here.push("between").frame("nyc/a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Created);
    let cloned = there.clone_frames("between").frame("nyc/a").send().await;
    assert_eq!(outcome(&cloned.unwrap()), SyncOutcome::Created);
    assert_eq!(get(&there, "nyc/a").await, rows(0..4));

    put(&there, "nyc/a", PutMode::Append, rows(4..5)).await;
    let back = there.push("between").frame("nyc/a").send().await.unwrap();
    assert_eq!((outcome(&back), objects(&back)), (SyncOutcome::Moved, 1));
    let pulled = here.pull("between").frame("nyc/a").send().await.unwrap();
    assert_eq!(
        (outcome(&pulled), objects(&pulled)),
        (SyncOutcome::Moved, 1)
    );
    assert_eq!(get(&here, "nyc/a").await, rows(0..5));
    assert_eq!(tip(&here, "nyc/a").await, tip(&there, "nyc/a").await);
    let again = here.pull("between").frame("nyc/a").send().await.unwrap();
    assert_eq!(
        (outcome(&again), objects(&again)),
        (SyncOutcome::Unchanged, 0)
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_travel_through_a_folder() {
    let folder = tempdir().unwrap();
    travels_through(&format!(
        "file://{}/between",
        folder.path().to_str().unwrap()
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_travel_through_a_bucket_of_s3() {
    let Some(place) = crate::bucket::location() else {
        return;
    };
    travels_through(&place).await;
}

#[tokio::test]
async fn callers_may_use_folders_that_the_settings_allow() {
    let folder = tempdir().unwrap();
    let allowed = folder.path().to_str().unwrap();
    let server = Server::with(&["--allow-file-remotes", allowed]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Append, rows(0..2)).await;
    let url = format!("file://{allowed}/copy");
    client.add_remote("copy", &url).send().await.unwrap();
    let pushed = client.push("copy").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Created);
    let store = shoots_store::Store::open(&url).await.unwrap();
    assert_eq!(store.frames(None).await.unwrap()[0].rows(), 2);
    server.stop().await;
}
