//! Puts that come to nothing: what they have written goes with them, and nothing else does.

use std::time::Duration;

use shoots_proto::put::PutMode::{Append, Error, Replace, Update};
use shoots_store::{ErrorKind, Frame, FrameWriter, PutOptions, SegmentLimits, Store};

use crate::faults::{Plan, faulty};
use crate::on_every_place;
use crate::place::Place;
use crate::plain::parquet;
use crate::rows::{frame, numbers, put, rows, try_put, try_put_with};

on_every_place!(
    a_put_that_is_dropped_leaves_no_segment,
    segments_on_their_way_when_a_put_is_dropped_are_removed_too,
    a_put_that_is_refused_a_row_leaves_no_segment,
    a_put_that_is_refused_at_its_end_leaves_no_segment,
    a_put_of_which_nobody_knows_what_became_keeps_its_segments,
    a_plain_file_is_adopted_by_a_put_that_holds_all_memory,
);

/// A store whose puts have memory for one batch: the first is written out when the second comes.
async fn narrow(place: &Place) -> Store {
    place.builder().put_memory_bytes(1).open().await.unwrap()
}

/// A frame with rows 1 and 2, in one segment, sorted by its text.
async fn indexed(store: &Store) -> Frame {
    let frame = frame(store, "f");
    let options = PutOptions::mode(Error).index(["s"]);
    try_put_with(&frame, options, rows([1, 2])).await.unwrap();
    frame
}

/// A put with some rows that are written out, and some that are not.
async fn begun(frame: &Frame, options: PutOptions) -> FrameWriter {
    let mut writer = frame.put(rows([]).schema(), options).await.unwrap();
    writer.write(rows([4, 5])).await.unwrap();
    writer.write(rows([7, 8])).await.unwrap();
    writer
}

async fn segments(place: &Place) -> usize {
    place.objects_below("_default/f/segments").await.len()
}

async fn idle(store: &Store) {
    while !store.is_idle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn a_put_that_is_dropped_leaves_no_segment(place: &Place) {
    let store = narrow(place).await;
    let kept = indexed(&store).await;
    let writer = begun(&kept, PutOptions::mode(Append)).await;
    assert_eq!(segments(place).await, 2);
    drop(writer);
    idle(&store).await;
    assert_eq!(segments(place).await, 1);
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [1, 2]);
    let finished = begun(&kept, PutOptions::mode(Append)).await;
    finished.commit().await.unwrap();
    idle(&store).await;
    let read = numbers(&frame(&place.open().await, "f")).await;
    assert_eq!(read, [1, 2, 4, 5, 7, 8]);
}

async fn segments_on_their_way_when_a_put_is_dropped_are_removed_too(place: &Place) {
    let limits = SegmentLimits {
        max_rows: 5_000,
        ..SegmentLimits::default()
    };
    let store = place.builder().segment_limits(limits).open().await.unwrap();
    let options = PutOptions::mode(Append);
    for _ in 0..10 {
        let mut writer = frame(&store, "f")
            .put(rows([]).schema(), options.clone())
            .await
            .unwrap();
        for start in [0, 100_000] {
            writer.write(rows(start..start + 100_000)).await.unwrap();
        }
        drop(writer);
        idle(&store).await;
        assert_eq!(segments(place).await, 0);
    }
}

async fn a_put_that_is_refused_a_row_leaves_no_segment(place: &Place) {
    let store = narrow(place).await;
    let kept = indexed(&store).await;
    let mut writer = begun(&kept, PutOptions::mode(Append)).await;
    // The text of 3 is null.
    let refused = writer.write(rows([3])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{refused}");
    assert_eq!(segments(place).await, 1);
    writer.commit().await.unwrap_err();
    assert_eq!(numbers(&kept).await, [1, 2]);
}

async fn a_put_that_is_refused_at_its_end_leaves_no_segment(place: &Place) {
    let store = narrow(place).await;
    let kept = indexed(&store).await;
    // Rows beyond the range that is to be replaced.
    let options = PutOptions {
        start: Some("7".into()),
        ..PutOptions::mode(Update)
    };
    let writer = begun(&kept, options).await;
    let refused = writer.commit().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{refused}");
    idle(&store).await;
    assert_eq!(segments(place).await, 1);

    // This put holds all the memory of its store.
    let elsewhere = frame(&place.open().await, "f");
    for mode in [Append, Update] {
        let writer = begun(&kept, PutOptions::mode(mode)).await;
        let options = PutOptions::mode(Replace).index(["n"]);
        try_put_with(&elsewhere, options, rows([1, 2]))
            .await
            .unwrap();
        let before = segments(place).await;
        let refused = writer.commit().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
        assert_eq!(segments(place).await, before - 1);
        let options = PutOptions::mode(Replace).index(["s"]);
        try_put_with(&elsewhere, options, rows([1, 2]))
            .await
            .unwrap();
    }
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [1, 2]);
}

async fn a_put_of_which_nobody_knows_what_became_keeps_its_segments(place: &Place) {
    put(&frame(&place.open().await, "f"), Error, rows([0])).await;
    let store = faulty(place, Plan::GoDark(2)).await;
    let unknown = try_put(&frame(&store, "f"), Append, rows([1])).await;
    let unknown = unknown.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
    idle(&store).await;
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [0, 1]);
}

async fn a_plain_file_is_adopted_by_a_put_that_holds_all_memory(place: &Place) {
    place.write("f.parquet", parquet(0..3)).await;
    let store = narrow(place).await;
    let adopted = frame(&store, "f");
    let put = try_put(&adopted, Append, rows([3]));
    let put = tokio::time::timeout(Duration::from_secs(120), put).await;
    assert_eq!(put.unwrap().unwrap().version, 2);
    assert_eq!(numbers(&adopted).await, [0, 1, 2, 3]);
}
