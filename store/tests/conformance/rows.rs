//! Rows to put, and short forms of the calls that nearly every test makes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::put::PutMode;
use shoots_store::{Error, Frame, Published, PutOptions, ReadOptions, Snapshot, Store};

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

pub(crate) fn id(name: &str) -> FrameId {
    let name = FrameName::parse(name).unwrap();
    FrameId { bucket: None, name }
}

pub(crate) fn id_in(bucket_name: &str, name: &str) -> FrameId {
    let bucket = Some(bucket(bucket_name));
    FrameId { bucket, ..id(name) }
}

pub(crate) fn frame(store: &Store, name: &str) -> Frame {
    store.frame(&id(name))
}

/// Rows with a number `n` and its text `s`, which is null for every third.
pub(crate) fn rows(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let texts = numbers.iter().map(|n| (n % 3 != 0).then(|| n.to_string()));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, false), ("s", texts, true)]).unwrap()
}

pub(crate) async fn try_put_with(
    frame: &Frame,
    options: PutOptions,
    batch: RecordBatch,
) -> Result<Published, Error> {
    let mut writer = frame.put(batch.schema(), options).await?;
    writer.write(batch).await?;
    writer.commit().await
}

pub(crate) async fn try_put(
    frame: &Frame,
    mode: PutMode,
    batch: RecordBatch,
) -> Result<Published, Error> {
    try_put_with(frame, PutOptions::mode(mode), batch).await
}

pub(crate) async fn put(frame: &Frame, mode: PutMode, batch: RecordBatch) -> Published {
    try_put(frame, mode, batch).await.unwrap()
}

/// The numbers of a snapshot, in order; each batch is checked against what [`rows`] makes of them.
pub(crate) async fn numbers_of(snapshot: &Snapshot) -> Vec<i64> {
    let batches = snapshot
        .read(ReadOptions::default())
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let mut numbers = Vec::new();
    for batch in batches {
        let own = batch["n"].as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(&batch["s"], &rows(own.iter().copied())["s"]);
        numbers.extend(own);
    }
    assert_eq!(numbers.len() as u64, snapshot.rows());
    numbers
}

pub(crate) async fn numbers(frame: &Frame) -> Vec<i64> {
    numbers_of(&frame.snapshot(None).await.unwrap()).await
}

pub(crate) async fn numbers_as_of(frame: &Frame, as_of: &AsOf) -> Vec<i64> {
    numbers_of(&frame.snapshot(Some(as_of)).await.unwrap()).await
}
