//! What a store says it takes up.

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::put::PutMode::{Append, Replace};
use shoots_store::ErrorKind;

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id_in, put, rows};

on_every_place!(
    each_bucket_is_told_with_what_is_live_and_what_is_stored,
    only_a_disk_has_free_bytes,
    a_bucket_that_is_not_there_takes_up_nothing_that_can_be_told,
);

async fn each_bucket_is_told_with_what_is_live_and_what_is_stored(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "f"), Append, rows(0..7)).await;
    put(&store.frame(&id_in("x", "a")), Append, rows(0..1_000)).await;
    put(&store.frame(&id_in("x", "a")), Replace, rows(0..3)).await;
    put(&store.frame(&id_in("x", "gone")), Append, rows(0..5)).await;
    store.frame(&id_in("x", "gone")).delete().await.unwrap();
    store.create_bucket(&bucket("empty")).await.unwrap();
    let listed = place
        .objects()
        .list(Some(&Path::from("_default/f/segments")));
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    let segment = place.objects().get(&listed[0].location).await.unwrap();
    let segment = segment.bytes().await.unwrap();
    place.write("plain.parquet", segment.clone()).await;

    let usage = store.usage(None).await.unwrap();
    let names: Vec<_> = usage
        .buckets
        .iter()
        .map(|used| used.bucket.clone())
        .collect();
    assert_eq!(names, [None, Some(bucket("empty")), Some(bucket("x"))]);
    let [default, empty, x] = usage.buckets.as_slice() else {
        panic!("{usage:?}");
    };
    assert_eq!((default.frames, default.rows), (2, 14));
    assert_eq!((empty.frames, empty.rows, empty.objects), (0, 0, 1));
    assert_eq!((x.frames, x.rows), (1, 3));
    let live = store
        .frame(&id_in("x", "a"))
        .snapshot(None)
        .await
        .unwrap()
        .bytes();
    assert_eq!(x.live_bytes, live);
    assert!(x.stored_bytes > 2 * live, "{x:?}");

    let stored = async |folder: &str| -> (u64, u64) {
        let objects = place.objects();
        let listed = objects.list(Some(&Path::from(folder)));
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        let bytes = listed.iter().map(|object| object.size).sum();
        (listed.len() as u64, bytes)
    };
    assert_eq!((x.objects, x.stored_bytes), stored("x").await);
    let (objects, bytes) = stored("_default").await;
    let plain = segment.len() as u64;
    assert_eq!(
        (default.objects, default.stored_bytes),
        (objects + 1, bytes + plain)
    );
    let one = store.usage(Some(Some(&bucket("x")))).await.unwrap();
    assert_eq!(one.buckets, std::slice::from_ref(x));
    let one = store.usage(Some(None)).await.unwrap();
    assert_eq!(one.buckets, std::slice::from_ref(default));
}

async fn only_a_disk_has_free_bytes(place: &Place) {
    let is_disk = matches!(place, Place::Disk(_));
    let store = place.builder().low_space_bytes(77).open().await.unwrap();
    let usage = store.usage(None).await.unwrap();
    assert_eq!(usage.free_bytes.is_some_and(|free| free > 0), is_disk);
    assert_eq!(usage.low_space_bytes, is_disk.then_some(77));
    let store = place.builder().low_space_bytes(0).open().await.unwrap();
    let usage = store.usage(None).await.unwrap();
    assert_eq!(usage.free_bytes.is_some(), is_disk);
    assert_eq!(usage.low_space_bytes, None);
}

async fn a_bucket_that_is_not_there_takes_up_nothing_that_can_be_told(place: &Place) {
    let store = place.open().await;
    let missing = store
        .usage(Some(Some(&bucket("nowhere"))))
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let nothing = store.usage(None).await.unwrap().buckets;
    assert_eq!(
        (nothing.len(), nothing[0].objects, nothing[0].frames),
        (1, 0, 0)
    );
}
