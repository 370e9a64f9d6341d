//! Copies and renames: frames of their own, made without encoding a row again.

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::action::Retention;
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace, Upsert};
use shoots_proto::{Note, TagName};
use shoots_store::{ColumnEdit, ErrorKind, Frame, PutOptions, ReadOptions, RowsToDelete, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::plain::parquet;
use crate::rows::{frame, id, id_in, numbers, numbers_as_of, put, rows, try_put, try_put_with};

on_every_place!(
    a_copy_outlives_its_source,
    neither_copy_nor_source_sees_changes_of_the_other,
    a_copy_reads_no_rows_and_moves_no_bytes,
    an_older_state_can_be_copied,
    a_copy_never_takes_the_place_of_a_frame,
    a_copy_brings_its_bucket_along,
    a_copy_under_the_name_of_a_deleted_frame_continues_its_versions,
    a_plain_file_can_be_copied_and_renamed,
    a_renamed_frame_leaves_its_history_behind,
    a_rename_there_and_back_keeps_every_row,
    a_rename_to_a_name_that_is_taken_changes_nothing,
    a_retried_copy_is_made_once,
    settings_go_along_and_tags_do_not;
    not_on_s3 "hundreds of requests, one after the other":
    a_copy_of_many_segments_can_be_read_and_written,
    a_rename_loses_no_row_of_a_concurrent_writer,
);

fn indexed(mode: shoots_proto::PutMode) -> PutOptions {
    PutOptions {
        index: vec!["n".into()],
        ..PutOptions::mode(mode)
    }
}

/// Every second of a thousand rows is replaced, which takes a deletion vector, and a column has another name.
async fn with_a_past(store: &Store, name: &str) -> Frame {
    let frame = frame(store, name);
    try_put_with(&frame, indexed(Error), rows(0..1000))
        .await
        .unwrap();
    let every_second = rows((0..1000).step_by(2));
    try_put_with(&frame, indexed(Upsert), every_second)
        .await
        .unwrap();
    let edit = ColumnEdit {
        rename: [("s".to_owned(), "text".to_owned())].into(),
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    let back = ColumnEdit {
        rename: [("text".to_owned(), "s".to_owned())].into(),
        ..ColumnEdit::default()
    };
    frame.alter(back).await.unwrap();
    put(&frame, Append, rows(1000..1003)).await;
    frame
}

async fn remove_all_below(place: &Place, folder: &str) {
    let objects = place.objects();
    let folder = Path::parse(folder).unwrap();
    let found: Vec<_> = objects.list(Some(&folder)).try_collect().await.unwrap();
    assert!(found.len() > 5, "{found:?}");
    for object in found {
        objects.delete(&object.location).await.unwrap();
    }
}

async fn a_copy_outlives_its_source(place: &Place) {
    let store = place.open().await;
    let source = with_a_past(&store, "source").await;
    let copied = source.copy_to(&id("copy"), None).await.unwrap();
    assert_eq!((copied.version, copied.rows), (1, 1003));
    assert_eq!(copied.name.as_str(), "copy");
    remove_all_below(place, "_default/source").await;

    let copy = frame(&place.open().await, "copy");
    assert_eq!(numbers(&copy).await, (0..1003).collect::<Vec<_>>());
    let snapshot = copy.snapshot(None).await.unwrap();
    assert_eq!(snapshot.index(), ["n"]);
    assert_eq!(snapshot.hidden_rows(), 500);
    let history = copy.history(10, None).await.unwrap().commits;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].operation, "copy");
    assert!(history[0].tags.is_empty());
}

async fn neither_copy_nor_source_sees_changes_of_the_other(place: &Place) {
    let store = place.open().await;
    let source = with_a_past(&store, "source").await;
    source.copy_to(&id("copy"), None).await.unwrap();
    let copy = frame(&store, "copy");
    let below = |stop: i64| RowsToDelete {
        stop: Some(stop.into()),
        ..RowsToDelete::default()
    };
    copy.delete_rows(below(900)).await.unwrap();
    source.delete_rows(below(10)).await.unwrap();
    put(&copy, Append, rows(2000..2002)).await;
    assert_eq!(numbers(&source).await, (10..1003).collect::<Vec<_>>());
    let expected: Vec<i64> = (900..1003).chain(2000..2002).collect();
    assert_eq!(numbers(&copy).await, expected);
    let first = numbers_as_of(&copy, &AsOf::Version(1)).await;
    assert_eq!(first, (0..1003).collect::<Vec<_>>());
}

async fn a_copy_reads_no_rows_and_moves_no_bytes(place: &Place) {
    let store = place.open().await;
    let source = with_a_past(&store, "source").await;
    let before = store.requests();
    source.copy_to(&id("copy"), None).await.unwrap();
    let after = store.requests();
    assert_eq!(after.segment_bytes, before.segment_bytes);
    assert_eq!(
        after.lists - before.lists,
        1,
        "only of the log that there is not"
    );
    let size = source.snapshot(None).await.unwrap().bytes();
    let written = after.bytes_written - before.bytes_written;
    assert!(written < size / 2, "{written} of {size} bytes");
}

async fn an_older_state_can_be_copied(place: &Place) {
    let store = place.open().await;
    let source = frame(&store, "source");
    put(&source, Append, rows(0..3)).await;
    put(&source, Replace, rows(7..9)).await;
    source.delete().await.unwrap();
    let gone = source.copy_to(&id("copy"), None).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let first = AsOf::Version(1);
    source.copy_to(&id("copy"), Some(&first)).await.unwrap();
    assert_eq!(numbers(&frame(&store, "copy")).await, [0, 1, 2]);
}

async fn a_copy_never_takes_the_place_of_a_frame(place: &Place) {
    let store = place.open().await;
    let source = frame(&store, "source");
    let missing = source.copy_to(&id("copy"), None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    put(&source, Append, rows(0..3)).await;
    put(&frame(&store, "taken"), Append, rows(5..6)).await;
    place.write("file.parquet", parquet(0..2)).await;
    for name in ["taken", "file"] {
        let error = source.copy_to(&id(name), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains(name), "{error}");
    }
    let itself = source.copy_to(&id("source"), None).await.unwrap_err();
    assert_eq!(itself.kind(), ErrorKind::InvalidRequest);
    assert_eq!(numbers(&frame(&store, "taken")).await, [5]);
    assert_eq!(numbers(&frame(&store, "file")).await, [0, 1]);
}

async fn a_copy_brings_its_bucket_along(place: &Place) {
    let store = place.open().await;
    let source = frame(&store, "source");
    put(&source, Append, rows(0..3)).await;
    let target = id_in("fresh", "copy");
    let copied = source.copy_to(&target, None).await.unwrap();
    assert_eq!(copied.bucket, target.bucket);
    assert_eq!(
        store.buckets().await.unwrap(),
        [target.bucket.clone().unwrap()]
    );
    store.frame(&target).delete().await.unwrap();
    assert!(
        store
            .bucket_exists(target.bucket.as_ref().unwrap())
            .await
            .unwrap()
    );
}

async fn a_copy_under_the_name_of_a_deleted_frame_continues_its_versions(place: &Place) {
    let store = place.open().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    put(&source, Append, rows(0..3)).await;
    put(&target, Append, rows(7..9)).await;
    target.delete().await.unwrap();
    let copied = source.copy_to(target.id(), None).await.unwrap();
    assert_eq!(copied.version, 3);
    assert_eq!(numbers(&target).await, [0, 1, 2]);
    assert_eq!(numbers_as_of(&target, &AsOf::Version(1)).await, [7, 8]);
}

async fn a_plain_file_can_be_copied_and_renamed(place: &Place) {
    let store = place.open().await;
    for name in ["a", "b"] {
        place.write(&format!("{name}.parquet"), parquet(0..4)).await;
    }
    frame(&store, "a").copy_to(&id("copy"), None).await.unwrap();
    frame(&store, "b").rename_to(&id("other")).await.unwrap();
    for name in ["a", "copy", "other"] {
        assert_eq!(numbers(&frame(&store, name)).await, [0, 1, 2, 3], "{name}");
    }
    let renamed = frame(&store, "b").snapshot(None).await.unwrap_err();
    assert_eq!(renamed.kind(), ErrorKind::NotFound);
}

async fn a_renamed_frame_leaves_its_history_behind(place: &Place) {
    let store = place.open().await;
    let old = frame(&store, "old");
    put(&old, Append, rows(0..3)).await;
    put(&old, Append, rows(3..5)).await;
    let target = id_in("elsewhere", "new");
    let note = Note {
        author: Some("ada".into()),
        message: Some("tidy".into()),
        metadata: None,
    };
    let renamed = old.clone().noted(note).rename_to(&target).await.unwrap();
    assert_eq!((renamed.version, renamed.rows), (1, 5));

    let store = place.open().await;
    let (old, new) = (frame(&store, "old"), store.frame(&target));
    assert_eq!(numbers(&new).await, [0, 1, 2, 3, 4]);
    let copied = &new.history(10, None).await.unwrap().commits[0];
    assert_eq!(copied.message.as_deref(), Some("tidy"));
    assert_eq!(
        old.snapshot(None).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(numbers_as_of(&old, &AsOf::Version(1)).await, [0, 1, 2]);
    let tombstone = &old.history(10, None).await.unwrap().commits[0];
    assert_eq!(tombstone.operation, "delete");
    assert_eq!(
        tombstone.message.as_deref(),
        Some("renamed to elsewhere/new")
    );
    assert_eq!(tombstone.author.as_deref(), Some("ada"));
    old.undelete().await.unwrap();
    assert_eq!(numbers(&old).await, [0, 1, 2, 3, 4]);
}

async fn a_rename_there_and_back_keeps_every_row(place: &Place) {
    let store = place.open().await;
    let here = with_a_past(&store, "here").await;
    here.rename_to(&id("there")).await.unwrap();
    let there = frame(&store, "there");
    put(&there, Append, rows(1003..1005)).await;
    there.rename_to(&id("here")).await.unwrap();
    assert_eq!(numbers(&here).await, (0..1005).collect::<Vec<_>>());
    let last_time = numbers_as_of(&here, &AsOf::Version(5)).await;
    assert_eq!(last_time, (0..1003).collect::<Vec<_>>());
}

async fn a_rename_to_a_name_that_is_taken_changes_nothing(place: &Place) {
    let store = place.open().await;
    let (one, other) = (frame(&store, "one"), frame(&store, "other"));
    put(&one, Append, rows(0..2)).await;
    put(&other, Append, rows(5..6)).await;
    let taken = one.rename_to(other.id()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let missing = frame(&store, "none").rename_to(&id("x")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(numbers(&one).await, [0, 1]);
    assert_eq!(numbers(&other).await, [5]);
    assert!(!frame(&store, "x").exists().await.unwrap());
}

async fn a_retried_copy_is_made_once(place: &Place) {
    let store = place.open().await;
    let source = frame(&store, "source");
    put(&source, Append, rows(0..2)).await;
    let source = source.request_id(Some("once".into()));
    let first = source.copy_to(&id("copy"), None).await.unwrap();
    put(&source, Append, rows(2..3)).await;
    let second = source.copy_to(&id("copy"), None).await.unwrap();
    assert_eq!(second, first);
    assert_eq!(numbers(&frame(&store, "copy")).await, [0, 1]);
}

async fn a_copy_of_many_segments_can_be_read_and_written(place: &Place) {
    let store = place.open().await;
    let source = frame(&store, "source");
    for n in 0..150 {
        put(&source, Append, rows([n])).await;
    }
    source.copy_to(&id("copy"), None).await.unwrap();
    for n in 150..230 {
        put(&frame(&store, "copy"), Append, rows([n])).await;
    }
    let copy = frame(&place.open().await, "copy");
    assert_eq!(numbers(&copy).await, (0..230).collect::<Vec<_>>());
    let first = numbers_as_of(&copy, &AsOf::Version(1)).await;
    assert_eq!(first, (0..150).collect::<Vec<_>>());
    let last = copy.snapshot(None).await.unwrap();
    assert_eq!(last.segment_count(), 230);
    let tail = ReadOptions {
        tail: Some(2),
        ..ReadOptions::default()
    };
    let tail = last.read(tail).await.unwrap().collect().await.unwrap();
    assert_eq!(tail.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
}

/// What is written before the tombstone is in the frame under its new name, what comes after it begins the frame
/// anew under the old one, and nothing is in both or in neither.
async fn a_rename_loses_no_row_of_a_concurrent_writer(place: &Place) {
    let (writing, renaming) = (place.open().await, place.open().await);
    put(&frame(&writing, "old"), Append, rows([0])).await;
    let writer = tokio::spawn(async move {
        let frame = frame(&writing, "old");
        let mut written = vec![0];
        for n in 1..60 {
            try_put(&frame, Append, rows([n])).await.unwrap();
            written.push(n);
        }
        written
    });
    tokio::task::yield_now().await;
    let renamed = frame(&renaming, "old").rename_to(&id("new")).await;
    let written = writer.await.unwrap();
    let store = place.open().await;
    let old = frame(&store, "old");
    let mut found = match renamed {
        Ok(_) => numbers(&frame(&store, "new")).await,
        // The writer was faster every time, and then there is no second frame.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(!frame(&store, "new").exists().await.unwrap());
            Vec::new()
        }
    };
    if old.exists().await.unwrap() {
        found.extend(numbers(&old).await);
    }
    assert_eq!(found, written);
}

async fn settings_go_along_and_tags_do_not(place: &Place) {
    let store = place.open().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    let keep = |versions| Retention {
        keep_versions: Some(versions),
        ..Retention::default()
    };
    put(&source, Append, rows(0..2)).await;
    source.set_retention(Some(keep(7))).await.unwrap();
    let tag = TagName::parse("eod").unwrap();
    source.tag(&tag, None, false).await.unwrap();
    put(&target, Append, rows(0..2)).await;
    target.set_retention(Some(keep(3))).await.unwrap();
    target.delete().await.unwrap();
    source.copy_to(target.id(), None).await.unwrap();
    assert_eq!(target.retention().await.unwrap().own, Some(keep(7)));
    assert!(target.tags().await.unwrap().is_empty());

    source.set_retention(None).await.unwrap();
    target.delete().await.unwrap();
    source.copy_to(target.id(), None).await.unwrap();
    assert_eq!(target.retention().await.unwrap().own, None);
}
