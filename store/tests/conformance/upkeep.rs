//! Upkeep of whole buckets: deleted frames are looked after, too.

use std::time::Duration;

use shoots_proto::PutMode::{Append, Replace};
use shoots_proto::action::{BucketDeleteMode, Retention};
use shoots_proto::name::FrameId;
use shoots_store::{ErrorKind, Frame, Store, UpkeepSettings};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, id, id_in, numbers, put, rows};

on_every_place!(
    a_deleted_frame_of_a_bucket_expires_and_is_swept_and_its_name_can_come_back,
    the_background_looks_after_deleted_frames_of_deleted_buckets,
    the_first_round_comes_soon_after_the_start,
);

/// Everything but the newest version goes at once.
async fn impatient(place: &Place) -> Store {
    let builder = place.builder().retention(Retention {
        keep_versions: None,
        keep_seconds: Some(0),
        keep_tagged: true,
    });
    builder.sweep_grace_seconds(0).open().await.unwrap()
}

async fn fill(store: &Store, of: &FrameId) -> Frame {
    let frame = store.frame(of);
    for n in 0..5 {
        put(&frame, Append, rows(n * 10..n * 10 + 10)).await;
    }
    put(&frame, Replace, rows(0..100)).await;
    frame
}

fn folder(of: &FrameId) -> String {
    let bucket = of.bucket.as_ref().map_or("_default", |name| name.as_str());
    format!("{bucket}/{}", of.name)
}

async fn segments(place: &Place, of: &FrameId) -> usize {
    let below = format!("{}/segments", folder(of));
    place.objects_below(&below).await.len()
}

async fn a_deleted_frame_of_a_bucket_expires_and_is_swept_and_its_name_can_come_back(
    place: &Place,
) {
    let store = impatient(place).await;
    for (of, other) in [
        (id("gone"), id("kept")),
        (id_in("b", "gone"), id_in("b", "kept")),
    ] {
        let gone = fill(&store, &of).await;
        let kept = fill(&store, &other).await;
        gone.delete().await.unwrap();

        let frames = store.logged_frames(of.bucket.as_ref()).await.unwrap();
        let found: Vec<&FrameId> = frames.iter().map(Frame::id).collect();
        assert_eq!(found, [&of, &other]);
        for frame in &frames {
            frame.expire(false).await.unwrap();
            frame.sweep(false).await.unwrap();
        }
        assert_eq!(segments(place, &of).await, 0);
        assert_eq!(segments(place, &other).await, 1);
        assert_eq!(numbers(&kept).await, (0..100).collect::<Vec<_>>());

        // Its log stays, and goes on.
        let head = gone.history(1, None).await.unwrap().commits;
        let version = head[0].version;
        assert!(version > 7, "{head:?}");
        let again = put(&gone, Append, rows([7])).await;
        assert_eq!(again.version, version + 1);
        assert_eq!(numbers(&gone).await, [7]);
        let elsewhere = place.open().await;
        assert_eq!(numbers(&elsewhere.frame(&of)).await, [7]);
    }
}

async fn the_background_looks_after_deleted_frames_of_deleted_buckets(place: &Place) {
    let writer = place.open().await;
    let of = id_in("b", "gone");
    fill(&writer, &of).await;
    let with_frames = BucketDeleteMode::Delete;
    writer
        .delete_bucket(&bucket("b"), with_frames)
        .await
        .unwrap();
    assert!(segments(place, &of).await > 0);

    let store = impatient(place).await;
    let upkeep = store.start_upkeep(UpkeepSettings {
        idle: Duration::from_millis(5),
        round: Duration::ZERO,
        ..UpkeepSettings::default()
    });
    while segments(place, &of).await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(upkeep);
    let gone = store.frame(&of).snapshot(None).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let history = store.frame(&of).history(1, None).await.unwrap();
    assert_eq!(history.commits.len(), 1);
    assert!(!store.bucket_exists(&bucket("b")).await.unwrap());
}

/// A frame that this process never touches, in a store whose rounds are far apart.
async fn the_first_round_comes_soon_after_the_start(place: &Place) {
    let writer = place.open().await;
    let of = id("unattended");
    fill(&writer, &of).await;
    let store = impatient(place).await;
    let upkeep = store.start_upkeep(UpkeepSettings {
        idle: Duration::from_millis(5),
        round: Duration::from_secs(300),
        ..UpkeepSettings::default()
    });
    let head = || async { store.frame(&of).history(1, None).await.unwrap().commits };
    let version = writer.frame(&of).snapshot(None).await.unwrap().version();
    while head().await.first().map(|commit| commit.version) == version {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(upkeep);
}
