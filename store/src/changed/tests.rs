//! What the log says about changes, commit by commit.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use serde_json::json;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::{AsOf, PutMode};

use super::*;
use crate::{Frame, PutOptions, RowsToDelete, Store};

fn batch(times: &[i64]) -> RecordBatch {
    let column = || -> ArrayRef { Arc::new(Int64Array::from(times.to_vec())) };
    RecordBatch::try_from_iter([("t", column()), ("v", column())]).unwrap()
}

async fn put(frame: &Frame, options: PutOptions, times: &[i64]) {
    let batch = batch(times);
    let mut writer = frame.put(batch.schema(), options).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap();
}

async fn frame() -> Frame {
    let store = Store::open("memory://").await.unwrap();
    let frame = store.frame(&FrameId::new(None, FrameName::parse("ticks").unwrap()));
    for times in [[0, 9], [10, 19], [20, 29]] {
        let options = PutOptions::mode(PutMode::Append).index(["t"]);
        put(&frame, options, &times).await;
    }
    frame
}

/// What changed since a state; none: perhaps everything.
async fn since(frame: &Frame, state: &Snapshot) -> Option<Vec<(i64, i64)>> {
    let newest = frame.newest().await.unwrap();
    let (version, commit) = (state.version().unwrap(), state.commit().unwrap());
    match newest.changed_since(version, &commit).await.unwrap() {
        Changed::Nothing => Some(Vec::new()),
        Changed::Everything => None,
        Changed::Ranges(ranges) => {
            let bound = |array: &Option<ArrayRef>, open| {
                let array = array
                    .as_ref()
                    .map(|a| a.as_primitive::<Int64Type>().value(0));
                array.unwrap_or(open)
            };
            let ranges = ranges.iter();
            let mut ranges: Vec<_> = ranges
                .map(|r| (bound(&r.least, i64::MIN), bound(&r.greatest, i64::MAX)))
                .collect();
            ranges.sort_unstable();
            Some(ranges)
        }
    }
}

#[tokio::test]
async fn appends_and_upserts_touch_their_keys_and_nothing_changes_without_a_change() {
    let frame = frame().await;
    let before = frame.newest().await.unwrap();
    assert_eq!(since(&frame, &before).await, Some(vec![]));
    put(&frame, PutOptions::mode(PutMode::Append), &[40, 42]).await;
    put(&frame, PutOptions::mode(PutMode::Upsert), &[9, 10]).await;
    assert_eq!(since(&frame, &before).await, Some(vec![(9, 10), (40, 42)]));
}

#[tokio::test]
async fn updates_and_deletions_touch_the_range_that_they_were_given() {
    let frame = frame().await;
    let before = frame.newest().await.unwrap();
    let update = PutOptions {
        start: Some(json!(8)),
        stop: Some(json!(12)),
        ..PutOptions::mode(PutMode::Update)
    };
    put(&frame, update, &[11]).await;
    let rows = RowsToDelete {
        start: Some(json!(29)),
        ..RowsToDelete::default()
    };
    frame.delete_rows(rows).await.unwrap();
    let changed = since(&frame, &before).await.unwrap();
    assert_eq!(changed, [(8, 12), (11, 11), (29, i64::MAX)]);
}

#[tokio::test]
async fn compactions_and_tags_touch_nothing_wherever_they_stand() {
    let frame = frame().await;
    let before = frame.newest().await.unwrap();
    frame.compact(false).await.unwrap();
    assert_eq!(frame.newest().await.unwrap().segment_count(), 1);
    assert_eq!(since(&frame, &before).await, Some(vec![]));
    put(&frame, PutOptions::mode(PutMode::Append), &[30]).await;
    frame.compact(false).await.unwrap();
    assert_eq!(since(&frame, &before).await, Some(vec![(30, 30)]));
}

#[tokio::test]
async fn a_restored_version_touches_the_segments_that_differ() {
    let frame = frame().await;
    let before = frame.newest().await.unwrap();
    frame.restore(&AsOf::Version(2)).await.unwrap();
    assert_eq!(since(&frame, &before).await, Some(vec![(20, 29)]));
}

#[tokio::test]
async fn replaced_frames_and_versions_of_another_history_may_differ_everywhere() {
    let frame = frame().await;
    let before = frame.newest().await.unwrap();
    let newest = frame.newest().await.unwrap();
    let foreign = newest.changed_since(2, "0123").await.unwrap();
    assert!(matches!(foreign, Changed::Everything));
    let replace = PutOptions::mode(PutMode::Replace).index(["t"]);
    put(&frame, replace, &[1]).await;
    assert_eq!(since(&frame, &before).await, None);
}

#[tokio::test]
async fn of_two_that_continue_from_the_same_commit_one_succeeds() {
    let frame = frame().await;
    let at = |step: i64, from: Option<i64>| {
        let mut options = PutOptions::mode(PutMode::Append);
        options.note.metadata = json!({ "step": step }).as_object().cloned();
        options.expected = from.map(|from| ("step".to_owned(), json!(from)));
        options
    };
    put(&frame, at(1, None), &[50]).await;
    put(&frame, at(2, Some(1)), &[51]).await;
    let batch = batch(&[52]);
    let late = frame.put(batch.schema(), at(2, Some(1))).await.unwrap();
    let refused = late.commit().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    // What says nothing of its own passes on what was said.
    frame.compact(false).await.unwrap();
    put(&frame, at(3, Some(2)), &[53]).await;
}
