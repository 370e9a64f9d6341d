//! What somebody has put in the place of a rule, a remote or a snapshot, or of their folders: it is told by name, nothing
//! expires meanwhile, and frames are served.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path as FsPath, PathBuf};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use shoots_proto::action::{Retention, VerifyRequest};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::{PutMode, Remote, RemoteName, RemoteUrl, SnapshotName};
use tempfile::TempDir;

use crate::{Error, ErrorKind, Frame, PutOptions, Store};

/// What can lie there, and a word of what is said of it.
pub(super) const OBJECTS: [(&str, &str); 5] = [
    ("folder", "a folder"),
    ("link to nowhere", "a link"),
    ("loop", "a link"),
    ("pipe", "a named pipe"),
    ("socket", "a socket"),
];
const FOLDERS: [(&str, &str); 5] = [
    ("file", "a file"),
    ("link to nowhere", "a link"),
    ("loop", "a link"),
    ("pipe", "a named pipe"),
    ("socket", "a socket"),
];

/// Puts something in the place of what is there.
pub(super) fn put_in_place(what: &str, path: &FsPath) {
    match path.is_dir() {
        true => std::fs::rename(path, path.with_extension("away")).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    }
    match what {
        "file" => std::fs::write(path, "").unwrap(),
        "folder" => std::fs::create_dir(path).unwrap(),
        "link to nowhere" => symlink("nowhere", path).unwrap(),
        "loop" => symlink(path, path).unwrap(),
        "pipe" => {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }
        _ => drop(UnixListener::bind(path).unwrap()),
    }
}

fn keep(versions: u64) -> Retention {
    Retention {
        keep_versions: Some(versions),
        keep_seconds: None,
        keep_tagged: true,
    }
}

pub(super) fn rows(number: i64) -> RecordBatch {
    let numbers: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![number]));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

pub(super) async fn put(frame: &Frame, number: i64) {
    let options = PutOptions::mode(PutMode::Replace);
    let mut writer = frame.put(rows(number).schema(), options).await.unwrap();
    writer.write(rows(number)).await.unwrap();
    writer.commit().await.unwrap();
}

struct Site {
    folder: TempDir,
    store: Store,
    bucket: BucketName,
    /// A frame of the bucket, which has a rule, with three versions.
    frame: Frame,
    remote: RemoteName,
    snapshot: SnapshotName,
}

impl Site {
    /// A store that keeps one version where there is no rule, with a rule, a remote and a snapshot; each was changed.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = Store::builder(folder.path().to_str().unwrap());
        let store = builder.retention(keep(1)).open().await.unwrap();
        let bucket = BucketName::parse("b").unwrap();
        let id = FrameId::new(Some(bucket.clone()), FrameName::parse("f").unwrap());
        let site = Self {
            folder,
            frame: store.frame(&id),
            store,
            bucket,
            remote: RemoteName::parse("origin").unwrap(),
            snapshot: SnapshotName::parse("eod").unwrap(),
        };
        for number in 0..3 {
            put(&site.frame, number).await;
        }
        for versions in [50, 100] {
            site.set_rule(versions).await.unwrap();
        }
        site.add_remote("s3://one").await.unwrap();
        let frames = [id];
        let taken = site.store.take_snapshot(&site.snapshot, &frames, &[], None);
        taken.await.unwrap();
        site.other_remote().await;
        site
    }

    async fn set_rule(&self, versions: u64) -> Result<(), Error> {
        let rule = Some(keep(versions));
        let set = self.store.set_retention(Some(&self.bucket), rule);
        set.await.map(drop)
    }

    async fn add_remote(&self, url: &str) -> Result<(), Error> {
        let remote = Remote::new(RemoteUrl::parse(url).unwrap());
        self.store.add_remote(&self.remote, &remote).await
    }

    async fn other_remote(&self) {
        let other = RemoteName::parse("other").unwrap();
        let remote = Remote::new(RemoteUrl::parse("s3://other").unwrap());
        self.store.add_remote(&other, &remote).await.unwrap();
    }

    fn path(&self, object: &str) -> PathBuf {
        self.folder.path().join(object)
    }

    /// What a check of everything says is damaged.
    async fn damaged(&self) -> Vec<(String, String)> {
        let everything = VerifyRequest {
            all_buckets: true,
            ..VerifyRequest::default()
        };
        let told = self.store.verify(&everything).await.unwrap();
        assert_eq!((told.ok, told.frames), (told.damaged.is_empty(), 1));
        let damaged = told.damaged.into_iter();
        damaged.map(|told| (told.object, told.problem)).collect()
    }

    async fn expect_damaged(&self, object: &str, words: &str) {
        let damaged = self.damaged().await;
        let [(found, problem)] = damaged.as_slice() else {
            panic!("{object}: {damaged:?}");
        };
        assert_eq!(found, object);
        assert!(problem.contains(words), "{problem}");
    }

    /// The frame is read and written whatever lies beside it.
    async fn is_served(&self) {
        let before = self.frame.snapshot(None).await.unwrap().version().unwrap();
        put(&self.frame, 7).await;
        let after = self.frame.snapshot(None).await.unwrap().version();
        assert_eq!(after, Some(before + 1));
    }

    async fn has_all_versions(&self) {
        let first = self.frame.snapshot(Some(&AsOf::Version(1))).await;
        assert_eq!(first.unwrap().rows(), 1);
    }
}

/// An error that names the object and says what lies there, and what to do.
fn told<T: std::fmt::Debug>(outcome: Result<T, Error>, object: &str, words: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    for word in [object, words, "is in its place", "remove what is there"] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_rule_lets_nothing_expire() {
    for (what, words) in OBJECTS {
        let site = Site::new().await;
        let object = "b/_settings/00000000000000000002.json";
        put_in_place(what, &site.path(object));
        let bucket = Some(&site.bucket);
        told(site.store.retention(bucket).await, object, words);
        told(site.frame.expire(false).await, object, words);
        site.has_all_versions().await;
        site.expect_damaged(object, words).await;
        site.is_served().await;

        site.set_rule(2).await.unwrap();
        let rule = site.store.retention(bucket).await.unwrap();
        assert_eq!(rule.own, Some(keep(2)));
        site.frame.expire(false).await.unwrap();
        let first = site.frame.snapshot(Some(&AsOf::Version(1))).await;
        assert_eq!(first.unwrap_err().kind(), ErrorKind::NotFound);
        // What is beyond the next change does not count, and goes unless it is a folder.
        site.set_rule(3).await.unwrap();
        assert_eq!(
            site.path(object).symlink_metadata().is_ok(),
            what == "folder"
        );
        assert_eq!(site.damaged().await.is_empty(), what != "folder");
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_remote_is_told_by_its_name() {
    for (what, words) in OBJECTS {
        let site = Site::new().await;
        let object = "_remotes/origin/00000000000000000001.json";
        put_in_place(what, &site.path(object));
        told(site.store.remote(&site.remote).await, object, words);
        let remotes = site.store.remotes().await.unwrap();
        assert_eq!(
            remotes.keys().map(RemoteName::as_str).collect::<Vec<_>>(),
            ["other"]
        );
        site.expect_damaged(object, words).await;
        site.is_served().await;
        site.add_remote("s3://two").await.unwrap();
        assert!(site.store.remote(&site.remote).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_snapshot_is_told_by_its_name() {
    for (what, words) in OBJECTS {
        let site = Site::new().await;
        let object = "_snapshots/eod.json";
        put_in_place(what, &site.path(object));
        let again = site.store.take_snapshot(&site.snapshot, &[], &[None], None);
        told(again.await, object, words);
        assert!(site.store.snapshots().await.unwrap().snapshots.is_empty());
        site.expect_damaged(object, words).await;
        site.is_served().await;
        site.frame.sweep(false).await.unwrap();
        let state = AsOf::Snapshot(site.snapshot.clone());
        told(site.frame.snapshot(Some(&state)).await, object, words);

        let dropped = site.store.drop_snapshot(&site.snapshot).await;
        assert_eq!(dropped.is_ok(), what != "folder", "{dropped:?}");
        assert_eq!(site.damaged().await.is_empty(), what != "folder");
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_folder_is_told() {
    for (what, words) in FOLDERS {
        for folder in ["b/_settings", "_remotes", "_remotes/origin", "_snapshots"] {
            let site = Site::new().await;
            put_in_place(what, &site.path(folder));
            match folder {
                "b/_settings" => {
                    told(site.frame.expire(false).await, folder, words);
                    told(site.set_rule(1).await, folder, words);
                }
                "_snapshots" => {
                    told(site.store.snapshots().await, folder, words);
                    told(site.frame.sweep(false).await, folder, words);
                }
                _ => {
                    told(site.store.remote(&site.remote).await, folder, words);
                    told(site.add_remote("s3://two").await, folder, words);
                }
            }
            let damaged = site.damaged().await;
            let found = damaged.iter().map(|(object, _)| object.as_str());
            let found: Vec<_> = found.filter(|object| !object.contains("away")).collect();
            assert_eq!(found, [folder], "{what}");
            site.has_all_versions().await;
            site.is_served().await;
        }
    }
}
