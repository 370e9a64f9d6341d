//! Segments that dictionaries with small keys keep apart: what compaction does about them, and what that costs.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, Int8Array, Int64Array, RecordBatch, StringArray};
use shoots_proto::action::CompactedFrame;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::PutMode;

use super::Zeal;
use crate::{Frame, PutOptions, ReadOptions, Store};

const ROWS: usize = 600;

async fn store() -> Store {
    Store::builder("memory://").open().await.unwrap()
}

fn frame(store: &Store) -> Frame {
    let name = FrameName::parse("f").unwrap();
    store.frame(&FrameId { bucket: None, name })
}

/// Rows at `times`, with a column of these categories under keys of eight bits.
fn rows(times: impl Iterator<Item = i64>, categories: impl Iterator<Item = usize>) -> RecordBatch {
    let values: Vec<String> = categories
        .map(|number| format!("category {number}"))
        .collect();
    let keys = (0..ROWS).map(|row| i8::try_from(row % values.len()).unwrap());
    let keys = Int8Array::from_iter_values(keys);
    let values: ArrayRef = Arc::new(StringArray::from(values));
    let categories: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, values));
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(times));
    RecordBatch::try_from_iter([("t", times), ("c", categories)]).unwrap()
}

/// 120 of 400 categories, others for each number: no two of them fit under the same keys.
fn scattered(number: usize) -> impl Iterator<Item = usize> {
    (0..120).map(move |place| (number * 67 + place * 3) % 400)
}

async fn put(frame: &Frame, options: &PutOptions, batch: RecordBatch) {
    let mut writer = frame.put(batch.schema(), options.clone()).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap();
}

async fn in_background(frame: &Frame) -> CompactedFrame {
    frame.compact_with(false, Zeal::Background).await.unwrap()
}

async fn all_rows(frame: &Frame) -> Vec<RecordBatch> {
    let snapshot = frame.snapshot(None).await.unwrap();
    let rows = snapshot.read(ReadOptions::default()).await.unwrap();
    rows.collect().await.unwrap()
}

/// The times and the texts of all rows, whatever the dictionaries and batches are.
async fn texts(frame: &Frame) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for batch in all_rows(frame).await {
        let times = batch
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        let texts = arrow_cast::cast(batch.column(1), &arrow_schema::DataType::Utf8).unwrap();
        let texts = texts.as_any().downcast_ref::<StringArray>().unwrap();
        let rows = times.iter().zip(texts.iter());
        all.extend(rows.map(|(time, text)| (time.unwrap(), text.unwrap().to_owned())));
    }
    all
}

#[tokio::test]
async fn segments_that_cannot_be_joined_cost_a_look_each_however_many_follow() {
    let store = store().await;
    let frame = frame(&store);
    let count = 150;
    for number in 0..count {
        let batch = rows(0..ROWS as i64, scattered(number));
        put(&frame, &PutOptions::mode(PutMode::Append), batch).await;
        in_background(&frame).await;
    }
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!(snapshot.segment_count(), count as u64);
    let (read, stored) = (store.requests().segment_bytes, snapshot.bytes());
    assert!(read <= 3 * stored, "{read} bytes were read of {stored}");
}

#[tokio::test]
async fn compaction_says_before_and_after_that_segments_cannot_be_joined() {
    let store = store().await;
    let frame = frame(&store);
    for number in 0..20 {
        let batch = rows(0..ROWS as i64, scattered(number));
        put(&frame, &PutOptions::mode(PutMode::Append), batch).await;
    }
    for dry_run in [true, false, true, false] {
        let told = frame.compact(dry_run).await.unwrap();
        assert_eq!((told.segments_before, told.segments_after), (20, 20));
        assert_eq!((told.bytes_read, told.version), (0, None), "{told:?}");
        let expected = "cannot be joined: together the dictionaries of column `c`";
        assert!(told.reason.starts_with(expected), "{told:?}");
    }
}

#[tokio::test]
async fn segments_are_joined_as_far_as_the_keys_of_their_dictionaries_allow() {
    let store = store().await;
    let frame = frame(&store);
    for number in 0..64 {
        let batch = rows(
            0..ROWS as i64,
            (0..100).map(|place| number / 8 * 100 + place),
        );
        put(&frame, &PutOptions::mode(PutMode::Append), batch).await;
    }
    let before = texts(&frame).await;
    let foreseen = frame.compact(true).await.unwrap();
    assert_eq!(foreseen.segments_after, 8, "{foreseen:?}");
    let done = in_background(&frame).await;
    assert_eq!((done.segments_before, done.segments_after), (64, 8));
    assert_eq!(done.bytes_read, foreseen.bytes_read);
    assert!(
        done.reason
            .contains("many small segments; some cannot be joined")
    );
    assert_eq!(texts(&frame).await, before);
    let again = frame.compact(true).await.unwrap();
    assert_eq!(
        (again.segments_after, again.bytes_read),
        (8, 0),
        "{again:?}"
    );
}

#[tokio::test]
async fn merging_in_vain_is_tried_again_only_when_there_is_twice_as_much() {
    let store = store().await;
    let frame = frame(&store);
    let options = PutOptions::mode(PutMode::Append).index(["t"]);
    let count = 100;
    for number in 0..count {
        let times = (0..ROWS as i64).map(|row| row * 1000 + number);
        put(&frame, &options, rows(times, scattered(number as usize))).await;
        in_background(&frame).await;
    }
    let snapshot = frame.snapshot(None).await.unwrap();
    let (read, stored) = (store.requests().segment_bytes, snapshot.bytes());
    assert!(read <= 6 * stored, "{read} bytes were read of {stored}");
}
