//! A bucket or a frame that cannot be looked at is told, and the others are listed, measured and checked.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use shoots_proto::action::{BucketDeleteMode, VerifyRequest, VerifyResult};
use shoots_proto::name::{BucketName, FrameId, FrameName};

use super::misplaced::{OBJECTS, put, put_in_place};
use super::*;
use crate::{ErrorKind, Frame, Store};

const HINT: &str = "well/f/log/latest";
const NEWEST: &str = "well/f/log/00000000000000000002.jsonl";

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

struct Site {
    folder: TempDir,
    /// One that has seen nothing of what is there.
    store: Store,
}

impl Site {
    /// An empty bucket `bare`, and a bucket `well` with the frames `f`, of two versions, and `g`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().to_str().unwrap();
        let store = Store::open(location).await.unwrap();
        store.create_bucket(&bucket("bare")).await.unwrap();
        for (name, versions) in [("f", 2), ("g", 1)] {
            for version in 0..versions {
                put(&frame(&store, name), version).await;
            }
        }
        while !store.is_idle() {
            tokio::task::yield_now().await;
        }
        let store = Store::open(location).await.unwrap();
        Self { folder, store }
    }

    fn put_in_place(&self, what: &str, object: &str) {
        put_in_place(what, &self.folder.path().join(object));
    }

    async fn buckets(&self) -> Vec<String> {
        let buckets = self.store.buckets().await.unwrap();
        buckets.iter().map(ToString::to_string).collect()
    }

    /// How many frames each bucket is said to have.
    async fn frames_used(&self) -> Vec<(Option<BucketName>, u64)> {
        let usage = self.store.usage(None).await.unwrap();
        let buckets = usage.buckets.into_iter();
        buckets.map(|used| (used.bucket, used.frames)).collect()
    }

    async fn verify_all(&self) -> VerifyResult {
        let everything = VerifyRequest {
            all_buckets: true,
            ..VerifyRequest::default()
        };
        self.store.verify(&everything).await.unwrap()
    }

    /// The only finding is this, and names no place of this machine.
    fn expect_finding(&self, told: &VerifyResult, object: &str, words: &str) {
        let [damaged] = told.damaged.as_slice() else {
            panic!("{object}: {told:?}");
        };
        assert!(!told.ok && told.missing.is_empty(), "{told:?}");
        assert_eq!(damaged.object, object);
        assert!(damaged.problem.contains(words), "{}", damaged.problem);
        let here = self.folder.path().to_str().unwrap();
        assert!(!damaged.problem.contains(here), "{}", damaged.problem);
    }
}

fn frame(store: &Store, name: &str) -> Frame {
    let name = FrameName::parse(name).unwrap();
    store.frame(&FrameId::new(Some(bucket("well")), name))
}

fn used(buckets: &[(&str, u64)]) -> Vec<(Option<BucketName>, u64)> {
    let named = buckets.iter();
    let named = named.map(|(name, frames)| (Some(bucket(name)), *frames));
    std::iter::once((None, 0)).chain(named).collect()
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_buckets_marker_hides_neither_it_nor_others() {
    for (what, words) in OBJECTS {
        for (name, frames) in [("bare", 2), ("well", 2)] {
            let site = Site::new().await;
            let object = format!("{name}/_bucket.json");
            site.store.create_bucket(&bucket(name)).await.unwrap();
            site.put_in_place(what, &object);
            assert_eq!(site.buckets().await, ["bare", "well"], "{what}");
            let expected = used(&[("bare", 0), ("well", 2)]);
            assert_eq!(site.frames_used().await, expected, "{what}");
            let (bare, well) = (bucket("bare"), bucket("well"));
            assert!(site.store.frames(Some(&bare)).await.unwrap().is_empty());
            assert_eq!(site.store.frames(Some(&well)).await.unwrap().len(), 2);

            let told = site.verify_all().await;
            assert_eq!(told.frames, frames);
            site.expect_finding(&told, &object, words);
            let of_one = VerifyRequest {
                bucket: Some(bucket(name)),
                ..VerifyRequest::default()
            };
            let told = site.store.verify(&of_one).await.unwrap();
            site.expect_finding(&told, &object, words);

            let mode = BucketDeleteMode::Delete;
            let deleted = site.store.delete_bucket(&bucket(name), mode).await;
            assert_eq!(deleted.is_ok(), what != "folder", "{deleted:?}");
            assert_eq!(site.verify_all().await.ok, what != "folder");
        }
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_logs_object_is_one_frame_that_cannot_be_read() {
    for what in ["loop", "pipe", "socket"] {
        for object in [HINT, NEWEST] {
            let site = Site::new().await;
            site.put_in_place(what, object);
            let well = bucket("well");
            let listed = site.store.frames_and_unreadable(Some(&well)).await;
            let (live, unreadable) = listed.unwrap();
            let [(name, error)] = unreadable.as_slice() else {
                panic!("{what} {object}: {unreadable:?}");
            };
            assert_eq!((live.len(), name.as_str()), (1, "f"));
            assert!(error.to_string().contains(object), "{error}");
            assert_eq!(site.buckets().await, ["bare", "well"]);
            let expected = used(&[("bare", 0), ("well", 2)]);
            assert_eq!(site.frames_used().await, expected);

            let told = site.verify_all().await;
            assert_eq!(told.frames, 2);
            let of_all = match object {
                HINT => "well/f",
                _ => object,
            };
            site.expect_finding(&told, of_all, object);
            let of_one = VerifyRequest {
                bucket: Some(well.clone()),
                name: Some(FrameName::parse("f").unwrap()),
                ..VerifyRequest::default()
            };
            let told = site.store.verify(&of_one).await.unwrap();
            site.expect_finding(&told, of_all, object);

            let f = frame(&site.store, "f");
            for error in [
                f.expire(false).await.unwrap_err(),
                f.sweep(false).await.unwrap_err(),
            ] {
                assert!(error.is_of_one_frame(), "{what} {object}: {error}");
            }
            let tracked = site.store.tracked_frames(Some(&well)).await;
            assert!(tracked.unwrap().is_empty());
            let mode = BucketDeleteMode::Delete;
            let deleted = site.store.delete_bucket(&well, mode).await;
            assert!(deleted.unwrap_err().is_of_one_frame());
            put(&frame(&site.store, "g"), 7).await;
        }
    }
}

#[tokio::test]
async fn a_folder_that_is_closed_to_this_program_is_told_and_others_are_looked_at() {
    let site = Site::new().await;
    let shut = bucket("shut");
    site.store.create_bucket(&shut).await.unwrap();
    let folder = site.folder.path().join("shut");
    let mode = |mode: u32| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    if fs::read_dir(&folder).is_ok() {
        // Nothing is closed to root.
        return;
    }
    assert_eq!(site.buckets().await, ["bare", "shut", "well"]);
    assert_eq!(site.frames_used().await, used(&[("bare", 0), ("well", 2)]));
    let told = site.verify_all().await;
    assert_eq!(told.frames, 2);
    site.expect_finding(&told, "shut", "listing shut");
    let frames = site.store.frames(Some(&shut)).await.unwrap_err();
    assert_eq!(frames.kind(), ErrorKind::Io);
    mode(0o700);
    assert!(site.verify_all().await.ok);

    let segments = site.folder.path().join("well/f/segments");
    fs::set_permissions(&segments, Permissions::from_mode(0o000)).unwrap();
    assert_eq!(
        site.frames_used().await,
        used(&[("bare", 0), ("shut", 0), ("well", 2)])
    );
    site.expect_finding(&site.verify_all().await, "well/f", "listing well/f");
    fs::set_permissions(&segments, Permissions::from_mode(0o700)).unwrap();
}
