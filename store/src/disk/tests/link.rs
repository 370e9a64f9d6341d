//! Second names for objects: as durable as first ones, independent of them, and young.

use std::fs::{self, File};
use std::io;
use std::time::{Duration, SystemTime};

use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, Error, ObjectStore, ObjectStoreExt};

use super::{LOG, Watched, create, read};
use crate::disk::{Disk, outcome_unknown};

const COPY: &str = "bucket/other/log/1";

async fn link(disk: &Disk, from: &str, to: &str) -> object_store::Result<()> {
    let (from, to) = (Path::parse(from).unwrap(), Path::parse(to).unwrap());
    let create_only = CopyOptions::new().with_mode(CopyMode::Create);
    disk.copy_opts(&from, &to, create_only).await
}

#[tokio::test]
async fn a_link_syncs_every_new_name_then_its_own() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    watched.synced();
    link(&watched.disk, LOG, COPY).await.unwrap();
    assert_eq!(
        watched.synced(),
        ["bucket/other", "bucket", "bucket/other/log"]
    );
    link(&watched.disk, LOG, "bucket/other/log/2")
        .await
        .unwrap();
    assert_eq!(watched.synced(), ["bucket/other/log"]);
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn either_name_outlives_the_other() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    link(&watched.disk, LOG, COPY).await.unwrap();
    watched.disk.delete(&Path::from(LOG)).await.unwrap();
    assert_eq!(read(&watched.disk, COPY).await, "one");
    link(&watched.disk, COPY, LOG).await.unwrap();
    watched.disk.delete(&Path::from(COPY)).await.unwrap();
    assert_eq!(read(&watched.disk, LOG).await, "one");
}

#[tokio::test]
async fn a_second_link_is_refused_when_what_it_lost_to_is_durable() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    create(&watched.disk, COPY, "theirs").await.unwrap();
    watched.synced();
    let error = link(&watched.disk, LOG, COPY).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(watched.synced(), ["bucket/other/log"]);
    assert_eq!(read(&watched.disk, COPY).await, "theirs");

    watched.fail("bucket/other/log", io::ErrorKind::Other);
    let error = link(&watched.disk, LOG, COPY).await.unwrap_err();
    assert!(outcome_unknown(&error), "{error}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_synced_tells_by_when_whether_there_is_a_link() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    watched.fail("bucket", io::ErrorKind::Other);
    let error = link(&watched.disk, LOG, COPY).await.unwrap_err();
    assert!(!outcome_unknown(&error), "{error}");
    assert!(!watched.exists(COPY));

    watched.fail("bucket/other/log", io::ErrorKind::Other);
    let error = link(&watched.disk, LOG, COPY).await.unwrap_err();
    assert!(outcome_unknown(&error), "{error}");
    assert!(error.to_string().contains(COPY), "{error}");
    assert!(watched.exists(COPY));
}

#[tokio::test]
async fn a_missing_object_has_no_second_name() {
    let watched = Watched::new();
    let error = link(&watched.disk, LOG, COPY).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(!watched.exists(COPY));
}

#[tokio::test]
async fn an_old_object_looks_young_under_its_new_name() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let file = File::open(watched.root.join(LOG)).unwrap();
    file.set_modified(old).unwrap();
    link(&watched.disk, LOG, COPY).await.unwrap();
    let linked = fs::metadata(watched.root.join(COPY)).unwrap();
    assert!(linked.modified().unwrap() > old);
}

#[tokio::test]
async fn nothing_is_copied_over_another_object() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let overwrite = CopyOptions::new().with_mode(CopyMode::Overwrite);
    let (from, to) = (Path::from(LOG), Path::from(COPY));
    let error = watched.disk.copy_opts(&from, &to, overwrite).await;
    assert!(matches!(error, Err(Error::NotSupported { .. })));
    assert!(!watched.exists(COPY));
}
