//! Parquet files that somebody else put into a bucket.

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use shoots_proto::action::{BucketDeleteMode, VerifyRequest};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace};
use shoots_store::ErrorKind;

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id, id_in, numbers, numbers_as_of, put, rows, try_put};

on_every_place!(
    plain_files_are_frames_where_they_lie,
    the_first_write_adopts_a_plain_file,
    a_replaced_plain_file_can_be_had_back,
    a_deleted_plain_file_stays_deleted_and_can_be_undeleted,
    a_file_that_is_not_parquet_breaks_no_listing,
    a_purge_removes_a_file_that_is_not_parquet_and_no_other,
    folders_of_an_older_program_are_buckets,
);

pub(crate) fn parquet(numbers: std::ops::Range<i64>) -> Bytes {
    let batch = rows(numbers);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

async fn plain_files_are_frames_where_they_lie(place: &Place) {
    place.write("my frame.parquet", parquet(0..3)).await;
    place.write("b/f.parquet", parquet(3..5)).await;
    let store = place.open().await;
    assert_eq!(numbers(&frame(&store, "my frame")).await, [0, 1, 2]);
    assert_eq!(numbers(&store.frame(&id_in("b", "f"))).await, [3, 4]);
    assert_eq!(store.buckets().await.unwrap(), [bucket("b")]);
    let listed = store.frames(None).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].rows(), listed[0].version()), (3, None));
    assert_eq!(listed[0].schema(), rows([]).schema());
    let as_of = frame(&store, "my frame")
        .snapshot(Some(&AsOf::Version(1)))
        .await
        .unwrap_err();
    assert_eq!(as_of.kind(), ErrorKind::InvalidRequest);
    let refused = try_put(&frame(&store, "my frame"), Error, rows([1]))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
}

async fn the_first_write_adopts_a_plain_file(place: &Place) {
    place.write("f.parquet", parquet(0..3)).await;
    let store = place.open().await;
    let frame = frame(&store, "f");
    assert_eq!(put(&frame, Append, rows(3..4)).await.version, 2);
    assert_eq!(numbers(&frame).await, [0, 1, 2, 3]);
    assert_eq!(numbers_as_of(&frame, &AsOf::Version(1)).await, [0, 1, 2]);
    place.write("f.parquet", parquet(90..99)).await;
    assert_eq!(numbers(&frame).await, [0, 1, 2, 3]);
    assert_eq!(store.frames(None).await.unwrap().len(), 1);
}

async fn a_replaced_plain_file_can_be_had_back(place: &Place) {
    place.write("f.parquet", parquet(0..3)).await;
    let frame = frame(&place.open().await, "f");
    put(&frame, Replace, rows(7..8)).await;
    assert_eq!(numbers(&frame).await, [7]);
    assert_eq!(numbers_as_of(&frame, &AsOf::Version(1)).await, [0, 1, 2]);
}

async fn a_deleted_plain_file_stays_deleted_and_can_be_undeleted(place: &Place) {
    place.write("b/f.parquet", parquet(0..3)).await;
    let store = place.open().await;
    let deleted = store
        .delete_bucket(&bucket("b"), BucketDeleteMode::Delete)
        .await
        .unwrap();
    assert_eq!(deleted, 1);
    let frame = store.frame(&id_in("b", "f"));
    assert!(!frame.exists().await.unwrap());
    assert!(store.buckets().await.unwrap().is_empty());
    frame.undelete().await.unwrap();
    assert_eq!(numbers(&frame).await, [0, 1, 2]);
}

async fn a_file_that_is_not_parquet_breaks_no_listing(place: &Place) {
    place.write("notes.parquet", "these are notes").await;
    place.write("empty.parquet", "").await;
    place.write(".hidden.parquet", "half written").await;
    let whole = parquet(0..3);
    place
        .write("cut.parquet", whole.slice(..whole.len() / 2))
        .await;
    place
        .write("b/also.parquet", "PAR1 and more and PAR1")
        .await;
    place.write("good.parquet", whole).await;
    let store = place.open().await;
    let listed = store.frames(None).await.unwrap();
    let listed: Vec<String> = listed
        .iter()
        .map(|snapshot| snapshot.frame().to_string())
        .collect();
    assert_eq!(listed, ["good"]);
    for name in ["notes", "empty", "cut"] {
        let error = frame(&store, name).snapshot(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(
            error.to_string().contains(&format!("{name}.parquet")),
            "{error}"
        );
    }
    store.buckets().await.unwrap();
}

async fn a_purge_removes_a_file_that_is_not_parquet_and_no_other(place: &Place) {
    place.write("f.parquet", "these are notes").await;
    place.write("good.parquet", parquet(0..3)).await;
    let store = place.open().await;
    let spoilt = frame(&store, "f");
    let refused = try_put(&spoilt, Replace, rows([1])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused}");
    for dry_run in [true, false] {
        let purged = spoilt.purge(dry_run).await.unwrap();
        assert_eq!((purged.objects, purged.bytes), (1, 15));
    }
    for store in [&store, &place.open().await] {
        let error = frame(store, "f").snapshot(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let refused = frame(store, "good").purge(false).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    }
    let nothing = spoilt.purge(false).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotFound, "{nothing}");
    put(&spoilt, Error, rows([7])).await;
    let store = place.open().await;
    assert_eq!(numbers(&frame(&store, "f")).await, [7]);
    assert_eq!(numbers(&frame(&store, "good")).await, [0, 1, 2]);
}

async fn folders_of_an_older_program_are_buckets(place: &Place) {
    place
        .write("zürich/kurse 100%.parquet", parquet(0..2))
        .await;
    let store = place.open().await;
    assert_eq!(store.buckets().await.unwrap(), [bucket("zürich")]);
    let frame = store.frame(&id_in("zürich", "kurse 100%"));
    assert_eq!(numbers(&frame).await, [0, 1]);
    put(&frame, Append, rows(2..3)).await;
    assert_eq!(numbers(&frame).await, [0, 1, 2]);
    assert_eq!(store.buckets().await.unwrap(), [bucket("zürich")]);
    assert_eq!(
        store.frames(Some(&bucket("zürich"))).await.unwrap().len(),
        1
    );
}

/// Reading a pipe would wait for somebody who writes to it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_no_frame_but_a_link_to_a_file_is() {
    let place = Place::on_disk();
    let Place::Disk(folder) = &place else {
        panic!("a folder");
    };
    let at = |name: &str| folder.path().join(name);
    let store = place.open().await;
    put(&store.frame(&id_in("b", "f")), Error, rows(0..1)).await;
    place.write("elsewhere", parquet(0..3)).await;
    std::os::unix::fs::symlink(at("elsewhere"), at("link.parquet")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(at("pipe.parquet"))
        .status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink(at("pipe.parquet"), at("b/linked pipe.parquet")).unwrap();
    std::fs::create_dir(at("folder.parquet")).unwrap();

    for of in [id("pipe"), id("folder"), id_in("b", "linked pipe")] {
        let missing = store.frame(&of).snapshot(None).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{of}: {missing}");
    }
    assert_eq!(numbers(&frame(&store, "link")).await, [0, 1, 2]);
    let listed = store.frames(None).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one.frame().name.as_str()).collect();
    assert_eq!(names, ["link"]);
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    assert!(store.verify(&everything).await.unwrap().ok);

    put(&frame(&store, "pipe"), Append, rows(5..6)).await;
    assert_eq!(numbers(&frame(&store, "pipe")).await, [5]);
}
