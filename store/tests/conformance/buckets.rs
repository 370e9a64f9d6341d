//! Buckets: made, listed, deleted.

use shoots_proto::action::{BucketDeleteMode, Retention};
use shoots_proto::put::PutMode::{Append, Error};
use shoots_store::{ErrorKind, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id_in, numbers, put, rows};

on_every_place!(
    an_empty_bucket_exists_until_it_is_deleted,
    a_bucket_outlives_its_last_frame,
    deleting_a_bucket_with_frames_must_be_meant,
    frames_are_listed_by_name_and_bucket,
    a_bucket_that_never_was_is_not_found,
    a_bucket_outlives_a_put_that_races_with_its_deletion,
    a_damaged_log_hides_no_other_frame,
    a_bucket_that_is_deleted_takes_its_rule_along,
    a_bucket_that_is_refused_to_be_deleted_keeps_its_rule,
    only_what_is_or_was_a_bucket_is_given_a_rule,
);

async fn names(store: &Store) -> Vec<String> {
    let buckets = store.buckets().await.unwrap();
    buckets.iter().map(ToString::to_string).collect()
}

async fn an_empty_bucket_exists_until_it_is_deleted(place: &Place) {
    let store = place.open().await;
    assert!(names(&store).await.is_empty());
    let empty = bucket("_ (empty) %41");
    store.create_bucket(&empty).await.unwrap();
    store.create_bucket(&empty).await.unwrap();
    assert_eq!(names(&place.open().await).await, ["_ (empty) %41"]);
    assert!(store.frames(Some(&empty)).await.unwrap().is_empty());
    let deleted = store
        .delete_bucket(&empty, BucketDeleteMode::Error)
        .await
        .unwrap();
    assert_eq!(deleted, 0);
    assert!(names(&store).await.is_empty());
    let again = store
        .delete_bucket(&empty, BucketDeleteMode::Error)
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

async fn a_bucket_outlives_its_last_frame(place: &Place) {
    let store = place.open().await;
    let frame = store.frame(&id_in("b", "f"));
    put(&frame, Error, rows([1])).await;
    assert_eq!(names(&store).await, ["b"]);
    frame.delete().await.unwrap();
    assert_eq!(names(&store).await, ["b"]);
    assert!(store.frames(Some(&bucket("b"))).await.unwrap().is_empty());
}

async fn deleting_a_bucket_with_frames_must_be_meant(place: &Place) {
    let store = place.open().await;
    for name in ["x", "y", "z"] {
        put(&store.frame(&id_in("b", name)), Error, rows([1])).await;
    }
    let refused = store
        .delete_bucket(&bucket("b"), BucketDeleteMode::Error)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BucketNotEmpty);
    assert!(
        refused.to_string().contains("3 frame(s), x among them"),
        "{refused}"
    );
    let deleted = store
        .delete_bucket(&bucket("b"), BucketDeleteMode::Delete)
        .await
        .unwrap();
    assert_eq!(deleted, 3);
    assert!(names(&store).await.is_empty());
    let x = store.frame(&id_in("b", "x"));
    assert!(!x.exists().await.unwrap());
    x.undelete().await.unwrap();
    assert_eq!(numbers(&x).await, [1]);
    assert_eq!(names(&store).await, ["b"]);
    x.delete().await.unwrap();
    assert_eq!(names(&store).await, ["b"]);
}

async fn frames_are_listed_by_name_and_bucket(place: &Place) {
    let store = place.open().await;
    for name in ["c", "a", "b"] {
        put(&frame(&store, name), Append, rows([1, 2])).await;
        put(&store.frame(&id_in("other", name)), Append, rows([1])).await;
    }
    for (of, count) in [(None, 2), (Some(bucket("other")), 1)] {
        let listed = store.frames(of.as_ref()).await.unwrap();
        let told: Vec<_> = listed
            .iter()
            .map(|s| (s.frame().to_string(), s.rows()))
            .collect();
        let prefix = of.map(|bucket| format!("{bucket}/")).unwrap_or_default();
        let expected = ["a", "b", "c"].map(|name| (format!("{prefix}{name}"), count));
        assert_eq!(told, expected);
    }
    assert_eq!(names(&store).await, ["other"]);
}

async fn a_bucket_that_never_was_is_not_found(place: &Place) {
    let store = place.open().await;
    assert!(store.frames(None).await.unwrap().is_empty());
    let missing = store.frames(Some(&bucket("b"))).await.unwrap_err();
    assert_eq!(
        (missing.kind(), missing.to_string().as_str()),
        (ErrorKind::NotFound, "no such bucket: b")
    );
    assert!(!store.bucket_exists(&bucket("b")).await.unwrap());
}

async fn a_bucket_outlives_a_put_that_races_with_its_deletion(place: &Place) {
    let store = place.open().await;
    for round in 0..20 {
        let name = format!("b{round}");
        let frame = store.frame(&id_in(&name, "f"));
        put(&frame, Append, rows([1])).await;
        let (in_bucket, deleter) = (bucket(&name), store.clone());
        let deletion = tokio::spawn(async move {
            deleter
                .delete_bucket(&in_bucket, BucketDeleteMode::Delete)
                .await
        });
        put(&frame, Append, rows([2])).await;
        deletion.await.unwrap().unwrap();
        if frame.exists().await.unwrap() {
            frame.delete().await.unwrap();
            assert!(
                store.bucket_exists(&bucket(&name)).await.unwrap(),
                "round {round}"
            );
        }
    }
}

async fn a_damaged_log_hides_no_other_frame(place: &Place) {
    let store = place.open().await;
    for name in ["good", "torn"] {
        put(&store.frame(&id_in("b", name)), Append, rows([1])).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    place
        .write("b/torn/log/00000000000000000001.jsonl", "{}")
        .await;
    let store = place.open().await;
    let listed = store.frames(Some(&bucket("b"))).await.unwrap();
    let listed: Vec<String> = listed.iter().map(|s| s.frame().to_string()).collect();
    assert_eq!(listed, ["b/good"]);
    assert_eq!(names(&store).await, ["b"]);
    let refused = store
        .delete_bucket(&bucket("b"), BucketDeleteMode::Delete)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(refused.to_string().contains("b/torn/log/"), "{refused}");
    assert_eq!(numbers(&store.frame(&id_in("b", "good"))).await, [1]);
}

const ONE: Retention = Retention {
    keep_versions: Some(1),
    keep_seconds: None,
    keep_tagged: true,
};

async fn own_rule(store: &Store, name: &str) -> Option<Retention> {
    store.retention(Some(&bucket(name))).await.unwrap().own
}

async fn a_bucket_that_is_deleted_takes_its_rule_along(place: &Place) {
    let store = place.open().await;
    let b = bucket("b");
    let frame = store.frame(&id_in("b", "f"));
    put(&frame, Append, rows([1])).await;
    store.set_retention(Some(&b), Some(ONE)).await.unwrap();
    assert_eq!(own_rule(&store, "b").await, Some(ONE));
    let deleted = store.delete_bucket(&b, BucketDeleteMode::Delete).await;
    assert_eq!(deleted.unwrap(), 1);
    assert_eq!(own_rule(&store, "b").await, None);
    assert!(!store.bucket_exists(&b).await.unwrap());
    put(&frame, Append, rows([2])).await;
    for store in [&store, &place.open().await] {
        let of_frame = store.frame(&id_in("b", "f")).retention().await.unwrap();
        let default = store.retention(None).await.unwrap().effective;
        assert_eq!(of_frame.effective, default);
    }
    // Rules can be set and taken back again and again.
    store.set_retention(Some(&b), Some(ONE)).await.unwrap();
    assert_eq!(own_rule(&place.open().await, "b").await, Some(ONE));
    store.set_retention(Some(&b), None).await.unwrap();
    assert_eq!(own_rule(&place.open().await, "b").await, None);
}

async fn a_bucket_that_is_refused_to_be_deleted_keeps_its_rule(place: &Place) {
    let store = place.open().await;
    let b = bucket("b");
    put(&store.frame(&id_in("b", "f")), Append, rows([1])).await;
    store.set_retention(Some(&b), Some(ONE)).await.unwrap();
    let refused = store.delete_bucket(&b, BucketDeleteMode::Error).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::BucketNotEmpty);
    assert_eq!(own_rule(&store, "b").await, Some(ONE));
}

async fn only_what_is_or_was_a_bucket_is_given_a_rule(place: &Place) {
    let store = place.open().await;
    for rule in [Some(ONE), None] {
        let refused = store.set_retention(Some(&bucket("b")), rule).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        assert_eq!(refused.to_string(), "no such bucket: b");
    }
    assert_eq!(own_rule(&store, "b").await, None);
    store.set_retention(None, Some(ONE)).await.unwrap();
    store.create_bucket(&bucket("empty")).await.unwrap();
    let empty = store.set_retention(Some(&bucket("empty")), Some(ONE)).await;
    assert_eq!(empty.unwrap().own, Some(ONE));
    // Frames of a bucket that was deleted can be undeleted, until they expire.
    put(&store.frame(&id_in("b", "f")), Append, rows([1])).await;
    let b = bucket("b");
    let deleted = store.delete_bucket(&b, BucketDeleteMode::Delete);
    deleted.await.unwrap();
    let past = store.set_retention(Some(&bucket("b")), Some(ONE)).await;
    assert_eq!(past.unwrap().own, Some(ONE));
}
