//! Every direction between servers, folders and a bucket of S3.

use std::time::Duration;

use shoots_client::proto::{Remote, RemoteUrl};
use shoots_client::{ErrorKind, FlightPeer, PutMode, SyncOutcome, ToFrameId};
use shoots_store::{
    CloneOptions, ProgressSink, PullOptions, RemoteEnd, Store, Travelled, Travellers,
};
use tempfile::tempdir;

use super::{QUIET, objects, outcome, tip};
use crate::rows::{get, put, rows};
use crate::server::{Server, fresh_folder};

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
async fn a_folder_of_a_remote_keeps_as_much_space_free_as_the_server_that_pushes_to_it() {
    let (folder, remote) = (fresh_folder(), fresh_folder());
    let place = format!("backup=file://{}", remote.path().to_str().unwrap());
    let server = Server::on(&folder, QUIET).await;
    put(&server.client().await, "a", PutMode::Append, rows(0..4)).await;
    server.stop().await;
    // More than any disk has.
    let low = i64::MAX.to_string();
    let careful = [QUIET, &["--remote", &place, "--low-space-bytes", &low]].concat();
    let server = Server::on(&folder, &careful).await;
    let client = server.client().await;
    let pushed = client.push("backup").all_buckets().send().await.unwrap();
    let problem = pushed.frames[0].problem.as_ref().unwrap();
    assert_eq!(problem.kind, ErrorKind::NoSpaceError);
    let told = format!("below {low} (the setting low_space_bytes)");
    assert!(problem.message.contains(&told), "{problem:?}");
    server.stop().await;
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
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.frames(None).await.unwrap()[0].rows(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_travel_between_two_buckets_of_s3() {
    let (Some(here), Some(there)) = (crate::bucket::location(), crate::bucket::location()) else {
        return;
    };
    let between = format!("--remote=between={there}");
    let folders = [fresh_folder(), fresh_folder()];
    let arguments = [QUIET, &[&between]].concat();
    let one = Server::at(&here, &folders[0], &arguments).await;
    let other = Server::at(&there, &folders[1], QUIET).await;
    let (client, beyond) = (one.client().await, other.client().await);
    put(&client, "nyc/a", PutMode::Append, rows(0..4)).await;
    let pushed = client.push("between").frame("nyc/a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Created);
    assert_eq!(get(&beyond, "nyc/a").await, rows(0..4));
    put(&beyond, "nyc/a", PutMode::Append, rows(4..5)).await;
    let pulled = client.pull("between").frame("nyc/a").send().await.unwrap();
    assert_eq!(
        (outcome(&pulled), objects(&pulled)),
        (SyncOutcome::Moved, 1)
    );
    assert_eq!(get(&client, "nyc/a").await, rows(0..5));
    assert_eq!(tip(&client, "nyc/a").await, tip(&beyond, "nyc/a").await);
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_exchanges_frames_of_its_own_folder_with_a_server() {
    let server = Server::with(QUIET).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Append, rows(0..4)).await;
    let folder = tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
    let remote = Remote::new(RemoteUrl::parse(&server.url()).unwrap());
    let peer = FlightPeer::connect(&remote, Duration::from_secs(60)).await;
    let peer = peer.unwrap();
    let origin = RemoteEnd {
        name: "origin",
        peer: &peer,
    };
    let frame = Travellers::one(&"a".to_frame_id().unwrap());
    let only = |travelled: shoots_store::Result<Vec<Travelled>>| {
        let mut travelled = travelled.unwrap();
        travelled.remove(0).result.unwrap()
    };
    let options = CloneOptions::default();
    let cloned = only(store.clone_frames(origin, &frame, &options).await);
    assert_eq!(cloned.outcome, SyncOutcome::Created);
    put(&client, "a", PutMode::Append, rows(4..6)).await;
    let pulled = only(store.pull(origin, &frame, &PullOptions::default()).await);
    assert_eq!((pulled.outcome, pulled.objects), (SyncOutcome::Moved, 1));
    assert_eq!(store.frames(None).await.unwrap()[0].rows(), 6);
    let aside = Travellers::one(&"a".to_frame_id().unwrap());
    let aside = aside.named(|_| "nyc/b".to_frame_id().unwrap());
    let pushed = only(store.push(origin, &aside, &ProgressSink::default()).await);
    assert_eq!(pushed.outcome, SyncOutcome::Created);
    assert_eq!(get(&client, "nyc/b").await, rows(0..6));
    server.stop().await;
}
