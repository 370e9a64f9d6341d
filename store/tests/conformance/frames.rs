//! Putting, deleting and bringing back frames.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use shoots_proto::put::PutMode::{Append, Error, Replace};
use shoots_store::{ErrorKind, PutOptions, Timestamp};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id_in, numbers, put, rows, try_put};

on_every_place!(
    each_mode_does_what_it_says,
    a_put_of_no_rows_keeps_its_schema,
    a_put_that_is_dropped_changes_nothing,
    a_put_that_fails_midway_changes_nothing,
    rows_of_other_types_are_refused_by_append_and_taken_by_replace,
    a_deleted_frame_is_gone_until_it_is_undeleted,
    a_deleted_frame_can_begin_again,
    odd_names_are_kept_apart,
    what_was_put_is_there_after_reopening,
    many_small_batches_become_one_segment,
    large_puts_are_cut_into_segments,
    little_memory_for_puts_is_enough,
    a_nearly_full_disk_refuses_puts_and_nothing_else,
    a_store_opened_for_reading_refuses_writes,
);

async fn each_mode_does_what_it_says(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    assert_eq!(put(&frame, Error, rows(0..3)).await.version, 1);
    let refused = try_put(&frame, Error, rows(9..10)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(put(&frame, Append, rows(3..5)).await.version, 2);
    assert_eq!(numbers(&frame).await, [0, 1, 2, 3, 4]);
    let published = put(&frame, Replace, rows(7..9)).await;
    assert_eq!((published.version, published.rows), (3, 2));
    assert_eq!(published.commit.len(), 64);
    assert_eq!(numbers(&frame).await, [7, 8]);
}

async fn a_put_of_no_rows_keeps_its_schema(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "empty");
    put(&frame, Append, rows([])).await;
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!(snapshot.schema(), rows([]).schema());
    assert_eq!((snapshot.rows(), snapshot.segment_count()), (0, 0));
    put(&frame, Append, rows([5])).await;
    assert_eq!(numbers(&frame).await, [5]);
}

async fn a_put_that_is_dropped_changes_nothing(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let options = PutOptions::mode(Append);
    let mut writer = frame.put(rows([]).schema(), options).await.unwrap();
    writer.write(rows(0..1000)).await.unwrap();
    drop(writer);
    assert!(!frame.exists().await.unwrap());
    assert_eq!(put(&frame, Error, rows([1])).await.version, 1);
}

async fn a_put_that_fails_midway_changes_nothing(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..3)).await;
    let other: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    let other = RecordBatch::try_from_iter([("x", other)]).unwrap();
    let mut writer = frame
        .put(rows([]).schema(), PutOptions::mode(Append))
        .await
        .unwrap();
    writer.write(rows(3..6)).await.unwrap();
    assert!(writer.write(other).await.is_err());
    drop(writer);
    assert_eq!(numbers(&frame).await, [0, 1, 2]);
    assert_eq!(frame.snapshot(None).await.unwrap().version(), Some(1));
}

async fn rows_of_other_types_are_refused_by_append_and_taken_by_replace(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..3)).await;
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Boolean, true)]));
    let refused = frame
        .put(schema.clone(), PutOptions::mode(Append))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Schema);
    for column in ["n", "s", "x"] {
        assert!(refused.to_string().contains(column), "{refused}");
    }
    put(&frame, Replace, RecordBatch::new_empty(schema.clone())).await;
    assert_eq!(frame.snapshot(None).await.unwrap().schema(), schema);
}

async fn a_deleted_frame_is_gone_until_it_is_undeleted(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    assert_eq!(
        frame.delete().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        frame.undelete().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    put(&frame, Error, rows(0..3)).await;
    assert_eq!(
        frame.undelete().await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(frame.delete().await.unwrap().version, 2);
    assert!(!frame.exists().await.unwrap());
    assert_eq!(
        frame.delete().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(store.frames(None).await.unwrap().is_empty());
    assert_eq!(frame.undelete().await.unwrap().version, 3);
    assert_eq!(numbers(&frame).await, [0, 1, 2]);
}

async fn a_deleted_frame_can_begin_again(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..3)).await;
    frame.delete().await.unwrap();
    assert_eq!(put(&frame, Error, rows(5..7)).await.version, 3);
    assert_eq!(numbers(&frame).await, [5, 6]);
    put(&frame, Append, rows(7..8)).await;
    assert_eq!(numbers(&frame).await, [5, 6, 7]);
}

async fn odd_names_are_kept_apart(place: &Place) {
    let names = [
        "a b",
        "a%20b",
        "größe",
        "日本",
        "_f",
        ".f",
        "f.parquet",
        "F",
        "f",
        "\"q\"",
        "a*b?",
        "log",
        "segments",
        "_bucket.json",
        "_default",
        "x#y",
        "100%",
        "a:b",
        "tmp~",
        "[1]",
        "^",
        "`",
        "|",
    ];
    let store = place.open().await;
    for (number, name) in (0..).zip(names) {
        put(&store.frame(&id_in("b ü", name)), Error, rows([number])).await;
        put(&frame(&store, name), Error, rows([100 + number])).await;
    }
    let store = place.open().await;
    for (number, name) in (0..).zip(names) {
        assert_eq!(
            numbers(&store.frame(&id_in("b ü", name))).await,
            [number],
            "{name}"
        );
        assert_eq!(
            numbers(&frame(&store, name)).await,
            [100 + number],
            "{name}"
        );
    }
    let listed = store.frames(None).await.unwrap();
    let listed: Vec<&str> = listed
        .iter()
        .map(|snapshot| snapshot.frame().name.as_str())
        .collect();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
}

async fn what_was_put_is_there_after_reopening(place: &Place) {
    let published = {
        let store = place.open().await;
        put(&frame(&store, "f"), Error, rows(0..3)).await;
        put(&frame(&store, "f"), Append, rows(3..4)).await
    };
    let store = place.open().await;
    let snapshot = frame(&store, "f").snapshot(None).await.unwrap();
    assert_eq!(snapshot.commit(), Some(published.commit));
    assert!(snapshot.published().unwrap() > Timestamp::from_nanoseconds(1_700_000_000_000_000_000));
    assert_eq!(numbers(&frame(&store, "f")).await, [0, 1, 2, 3]);
}

async fn many_small_batches_become_one_segment(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let mut writer = frame
        .put(rows([]).schema(), PutOptions::mode(Append))
        .await
        .unwrap();
    for n in 0..500 {
        writer.write(rows([n])).await.unwrap();
        writer.write(rows([])).await.unwrap();
    }
    writer.commit().await.unwrap();
    assert_eq!(frame.snapshot(None).await.unwrap().segment_count(), 1);
    assert_eq!(numbers(&frame).await, (0..500).collect::<Vec<_>>());
}

async fn large_puts_are_cut_into_segments(place: &Place) {
    let limits = shoots_store::SegmentLimits {
        max_rows: 1000,
        ..Default::default()
    };
    let store = place.builder().segment_limits(limits).open().await.unwrap();
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..10_500)).await;
    assert_eq!(frame.snapshot(None).await.unwrap().segment_count(), 11);
    assert_eq!(numbers(&frame).await, (0..10_500).collect::<Vec<_>>());
}

async fn little_memory_for_puts_is_enough(place: &Place) {
    let store = place
        .builder()
        .put_memory_bytes(64 << 10)
        .open()
        .await
        .unwrap();
    let puts = (0..4).map(|put_number| {
        let frame = frame(&store, &format!("f{put_number}"));
        tokio::spawn(async move {
            let mut writer = frame
                .put(rows([]).schema(), PutOptions::default())
                .await
                .unwrap();
            for chunk in 0..10 {
                writer
                    .write(rows(chunk * 2000..(chunk + 1) * 2000))
                    .await
                    .unwrap();
            }
            writer.commit().await.unwrap();
            assert_eq!(numbers(&frame).await, (0..20_000).collect::<Vec<_>>());
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
}

async fn a_store_opened_for_reading_refuses_writes(place: &Place) {
    put(&frame(&place.open().await, "f"), Error, rows([1])).await;
    let store = place.builder().read_only(true).open().await.unwrap();
    let frame = frame(&store, "f");
    assert_eq!(numbers(&frame).await, [1]);
    for refused in [
        try_put(&frame, Append, rows([2])).await.unwrap_err(),
        frame.delete().await.unwrap_err(),
        frame.undelete().await.unwrap_err(),
        store
            .create_bucket(&crate::rows::bucket("b"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    }
}

async fn a_nearly_full_disk_refuses_puts_and_nothing_else(place: &Place) {
    let store = place.open().await;
    for name in ["kept", "deleted"] {
        put(&frame(&store, name), Error, rows(0..10)).await;
    }
    let full = place
        .builder()
        .low_space_bytes(u64::MAX)
        .open()
        .await
        .unwrap();
    let kept = frame(&full, "kept");
    let refused = kept.put(rows([]).schema(), PutOptions::mode(Append)).await;
    if matches!(place, Place::Disk(_)) {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoSpace, "{refused}");
        assert!(refused.to_string().contains("low_space_bytes"), "{refused}");
    } else {
        drop(refused.unwrap());
    }
    assert_eq!(numbers(&kept).await, (0..10).collect::<Vec<_>>());
    frame(&full, "deleted").delete().await.unwrap();
    frame(&full, "deleted").undelete().await.unwrap();
}
