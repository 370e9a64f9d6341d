//! What becomes of files while they are written, without a server around them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrow_array::{ArrayRef, Int64Array};
use futures::{StreamExt, stream};
use shoots_proto::{ErrorKind, FrameName};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;

fn files(place: &TempDir, bytes: u64) -> SharedFiles {
    let config = Config {
        shm_dir: place.path().to_str().unwrap().to_owned(),
        shm_bytes: bytes,
        ..Config::default()
    };
    SharedFiles::open(&config).unwrap().unwrap()
}

fn answer(frame: &str) -> Answer {
    Answer {
        frame: FrameId::new(None, FrameName::parse(frame).unwrap()),
        commit: "9f86".to_owned(),
        part: Vec::new(),
    }
}

fn batch(rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

/// Rows that come at once, and others that come once something was told.
fn slow(rows: i64) -> (oneshot::Sender<()>, Source) {
    let (go, told) = oneshot::channel::<()>();
    let rest = stream::once(async move {
        // Whoever lets go of the sender lets them come, too.
        let _ = told.await;
        Ok(batch(rows))
    });
    (go, Box::pin(stream::iter([Ok(batch(rows))]).chain(rest)))
}

fn quick(rows: i64) -> Source {
    Box::pin(stream::iter([Ok(batch(rows))]))
}

/// Everything in the folders of servers but their locks.
fn left(place: &TempDir) -> usize {
    let folders = fs::read_dir(place.path()).unwrap();
    let entries = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    entries.count() - 1
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn who_asks_while_a_file_is_written_gets_the_same_one() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 1 << 20);
    let (go, rows) = slow(100);
    let first = tokio::spawn({
        let files = files.clone();
        async move { files.make(answer("a"), batch(0).schema(), rows).await }
    });
    until(|| files.usage().misses == 1).await;
    let second = tokio::spawn({
        let files = files.clone();
        async move { files.find(&answer("a")).await }
    });
    until(|| files.usage().hits == 1).await;
    let third = files.make(answer("a"), batch(0).schema(), quick(1));
    go.send(()).unwrap();
    let third = third.await.unwrap();
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.rows, 200);
    assert_eq!(fs::metadata(&first.path).unwrap().len(), first.bytes);
    assert_eq!(
        (second.await.unwrap().unwrap(), third),
        (first.clone(), first)
    );
    assert_eq!(files.usage().misses, 1);
}

#[tokio::test]
async fn a_file_for_which_nobody_waits_any_more_is_not_finished() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 1 << 20);
    let (go, rows) = slow(100);
    let asking = tokio::spawn({
        let files = files.clone();
        async move { files.make(answer("a"), batch(0).schema(), rows).await }
    });
    until(|| left(&place) == 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    until(|| left(&place) == 0).await;
    assert!(go.is_closed(), "the rows are not read on");
    let usage = files.usage();
    assert_eq!((usage.files, usage.used_bytes), (0, 0));
    assert!(files.find(&answer("a")).await.is_none());
}

#[tokio::test]
async fn a_frame_that_is_removed_while_its_file_is_written_gets_none() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 1 << 20);
    let (go, rows) = slow(100);
    let asking = tokio::spawn({
        let files = files.clone();
        async move { files.make(answer("a"), batch(0).schema(), rows).await }
    });
    until(|| left(&place) == 1).await;
    files.forget(None, Some(answer("a").frame)).await;
    go.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), None);
    assert_eq!((left(&place), files.usage().used_bytes), (0, 0));
}

#[tokio::test]
async fn rows_that_fail_leave_nothing_and_are_tried_again() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 1 << 20);
    let failure = Failure::new(ErrorKind::DamagedError, "rot");
    let rows = stream::iter([Ok(batch(10)), Err(failure)]);
    let made = files.make(answer("a"), batch(0).schema(), Box::pin(rows));
    assert_eq!(made.await, None);
    assert_eq!((left(&place), files.usage().used_bytes), (0, 0));
    let made = files.make(answer("a"), batch(0).schema(), quick(10)).await;
    assert_eq!(made.unwrap().rows, 10);
}

#[tokio::test]
async fn what_is_larger_than_everything_is_remembered_and_removes_nothing_known_to_be_in_vain() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 64 << 10);
    let schema = batch(0).schema();
    let small = files
        .make(answer("small"), schema.clone(), quick(100))
        .await;
    assert!(small.is_some());
    assert!(files.could_hold(&answer("large"), &schema, Some(8 << 10)));
    assert!(!files.could_hold(&answer("large"), &schema, Some((8 << 10) + 1)));
    assert!(files.could_hold(&answer("large"), &schema, None));
    let large = files
        .make(answer("large"), schema.clone(), quick(10_000))
        .await;
    assert_eq!(large, None);
    assert!(!files.could_hold(&answer("large"), &schema, None));
    assert!(files.could_hold(&answer("small"), &schema, None));
}

#[tokio::test]
async fn after_the_end_nothing_is_written() {
    let place = TempDir::new().unwrap();
    let files = files(&place, 1 << 20);
    let schema = batch(0).schema();
    let (go, rows) = slow(10);
    let asking = tokio::spawn({
        let (files, schema) = (files.clone(), schema.clone());
        async move { files.make(answer("a"), schema, rows).await }
    });
    until(|| left(&place) == 1).await;
    files.clone().close().await;
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    go.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), None);
    assert_eq!(files.make(answer("b"), schema, quick(10)).await, None);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn only_folders_of_servers_that_are_no_more_are_swept() {
    const CRASHED: &str = "shoots-shm-00000000000000000000000000000001";
    const UNLOCKED: &str = "shoots-shm-00000000000000000000000000000002";
    const WITH_NOTES: &str = "shoots-shm-00000000000000000000000000000003";
    const LINK: &str = "shoots-shm-00000000000000000000000000000004";
    let place = TempDir::new().unwrap();
    let living = Folder::create(place.path()).unwrap();
    // A store, its copy and somebody's work have names like this, and may hold a file `lock`.
    let others = ["others", "shoots-data", "shoots-shm-notes"];
    for name in [CRASHED, UNLOCKED, WITH_NOTES].iter().chain(&others) {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    for name in [CRASHED, WITH_NOTES].iter().chain(&others) {
        fs::write(place.path().join(name).join("lock"), "").unwrap();
    }
    let rows = format!("{CRASHED}/{:032x}.arrows", 5);
    fs::write(place.path().join(rows), "rows").unwrap();
    fs::write(place.path().join(WITH_NOTES).join("notes.txt"), "mine").unwrap();
    std::os::unix::fs::symlink("others", place.path().join(LINK)).unwrap();

    drop(Folder::create(place.path()).unwrap());

    let entries = fs::read_dir(place.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let own = living.create_file().unwrap().0;
    let own = own.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let mut expected = vec![LINK, UNLOCKED, WITH_NOTES, own];
    expected.extend(others);
    expected.sort_unstable();
    assert_eq!(names, expected);
    for name in others.iter().chain(&[WITH_NOTES]) {
        assert!(place.path().join(name).join("lock").exists(), "{name}");
    }
    assert!(place.path().join(WITH_NOTES).join("notes.txt").exists());
}

#[test]
fn only_addresses_of_this_machine_are_within_reach() {
    let at = |ip: IpAddr| SharedFiles::are_within_reach_of(Some(SocketAddr::new(ip, 1)));
    assert!(at(Ipv4Addr::LOCALHOST.into()));
    assert!(at(Ipv6Addr::LOCALHOST.into()));
    assert!(at(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()));
    assert!(!at(Ipv4Addr::new(10, 0, 0, 1).into()));
    assert!(!at(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into()));
    assert!(!SharedFiles::are_within_reach_of(None));
}
