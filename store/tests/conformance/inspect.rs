//! Descriptions of frames and lists of their files.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use shoots_proto::action::{ColumnType, FrameDescription};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{self, Append, Error, Replace, Upsert};
use shoots_proto::{Note, TagName};
use shoots_store::{ErrorKind, PutOptions, RowsToDelete};

use crate::on_every_place;
use crate::place::Place;
use crate::plain::parquet;
use crate::rows::{frame, put, rows, try_put_with};

on_every_place!(
    a_description_tells_what_there_is,
    older_states_are_described_as_they_were,
    the_first_and_last_keys_are_those_of_visible_rows,
    long_keys_are_told_in_full,
    a_plain_file_has_a_description_and_a_file,
    files_are_where_they_are_said_to_be,
);

fn indexed(mode: PutMode) -> PutOptions {
    PutOptions {
        index: vec!["n".into()],
        ..PutOptions::mode(mode)
    }
}

fn keys(description: &FrameDescription) -> (Option<Vec<Value>>, Option<Vec<Value>>) {
    (description.index_min.clone(), description.index_max.clone())
}

async fn a_description_tells_what_there_is(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..100))
        .await
        .unwrap();
    let options = PutOptions {
        note: Note {
            author: Some("ada".into()),
            message: Some("corrected".into()),
            metadata: json!({"run": 7}).as_object().cloned(),
        },
        ..indexed(Upsert)
    };
    try_put_with(&frame, options, rows(90..110)).await.unwrap();
    let tag = TagName::parse("eod").unwrap();
    frame
        .tag(&tag, Some(&AsOf::Version(2)), false)
        .await
        .unwrap();

    let told = frame.describe(Some(&AsOf::Version(2))).await.unwrap();
    assert_eq!((told.name.as_str(), told.bucket), ("f", None));
    assert_eq!((told.rows, told.segments, told.hidden_rows), (110, 2, 10));
    assert_eq!(told.overlapping_segments, 2);
    assert_eq!(told.version, Some(2));
    assert_eq!(told.operation.as_deref(), Some("upsert"));
    assert_eq!(told.message.as_deref(), Some("corrected"));
    assert_eq!(told.author.as_deref(), Some("ada"));
    assert_eq!(told.metadata.unwrap()["run"], 7);
    assert_eq!(told.tags, ["eod"]);
    let n = ColumnType {
        name: "n".into(),
        r#type: "int64".into(),
    };
    assert_eq!(told.index, [n]);
    assert_eq!(told.index_min, Some(vec![json!(0)]));
    assert_eq!(told.index_max, Some(vec![json!(109)]));
    let columns: Vec<_> = told
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.nullable))
        .collect();
    assert_eq!(columns, [("n", false), ("s", true)]);
    let versions = told.versions.unwrap();
    assert_eq!((versions.first, versions.last, versions.count), (1, 3, 3));
    let first = frame.snapshot(Some(&AsOf::Version(1))).await.unwrap();
    let created = told.created.unwrap().0;
    assert_eq!(
        created.timestamp_nanos_opt(),
        Some(first.published().unwrap().nanoseconds())
    );
    assert!(told.published.unwrap().0 > created);
    assert_eq!(told.retention, frame.retention().await.unwrap().effective);
}

async fn older_states_are_described_as_they_were(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Append, rows(0..5)).await;
    put(&frame, Replace, rows(0..2)).await;
    frame.delete().await.unwrap();
    assert_eq!(
        frame.describe(None).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let told = frame.describe(Some(&AsOf::Version(1))).await.unwrap();
    assert_eq!((told.rows, told.version), (5, Some(1)));
    assert_eq!(told.operation.as_deref(), Some("create"));
    assert_eq!(told.versions.unwrap().last, 3);
    assert_eq!(keys(&told), (None, None));
    assert_eq!(told.overlapping_segments, 0);
}

async fn the_first_and_last_keys_are_those_of_visible_rows(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..100))
        .await
        .unwrap();
    try_put_with(&frame, indexed(Append), rows(50..120))
        .await
        .unwrap();
    let delete = async |start: i64, stop: i64| {
        let range = RowsToDelete {
            start: Some(start.into()),
            stop: Some(stop.into()),
            ..RowsToDelete::default()
        };
        frame.delete_rows(range).await.unwrap();
        keys(&frame.describe(None).await.unwrap())
    };
    let told = |first: i64, last: i64| (Some(vec![json!(first)]), Some(vec![json!(last)]));
    assert_eq!(delete(0, 7).await, told(7, 119));
    assert_eq!(delete(90, 1000).await, told(7, 89));
    assert_eq!(delete(7, 55).await, told(55, 89));
    assert_eq!(delete(0, 1000).await, (None, None));
    assert_eq!(frame.describe(None).await.unwrap().rows, 0);
}

async fn long_keys_are_told_in_full(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let (least, greatest) = ("a".repeat(5000), "z".repeat(5000));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![least.as_str(), "m", &greatest]));
    let batch = RecordBatch::try_from_iter([("n", texts)]).unwrap();
    try_put_with(&frame, indexed(Error), batch).await.unwrap();
    let told = frame.describe(None).await.unwrap();
    assert_eq!(
        keys(&told),
        (Some(vec![json!(least)]), Some(vec![json!(greatest)]))
    );
}

async fn a_plain_file_has_a_description_and_a_file(place: &Place) {
    place.write("f.parquet", parquet(0..4)).await;
    let store = place.open().await;
    let frame = frame(&store, "f");
    let told = frame.describe(None).await.unwrap();
    assert_eq!((told.rows, told.segments, told.version), (4, 1, None));
    assert_eq!(
        (told.versions, told.created, told.operation),
        (None, None, None)
    );
    assert_eq!(told.columns.len(), 2);
    let files = frame.files(None).await.unwrap().files;
    assert_eq!(files.len(), 1);
    assert_eq!((files[0].path.as_str(), files[0].rows), ("f.parquet", 4));
    assert_eq!((&files[0].hash, &files[0].min), (&None, &None));
}

async fn files_are_where_they_are_said_to_be(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..100))
        .await
        .unwrap();
    try_put_with(&frame, indexed(Upsert), rows(90..110))
        .await
        .unwrap();
    let files = frame.files(None).await.unwrap().files;
    let told: Vec<_> = files
        .iter()
        .map(|file| {
            (
                file.rows,
                file.hidden_rows,
                file.min.clone(),
                file.max.clone(),
            )
        })
        .collect();
    let key = |key: i64| Some(vec![json!(key)]);
    assert_eq!(
        told,
        [(90, 10, key(0), key(99)), (20, 0, key(90), key(109))]
    );
    for file in &files {
        let stored = place
            .objects()
            .get(&Path::parse(&file.path).unwrap())
            .await
            .unwrap();
        let bytes = stored.bytes().await.unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        assert_eq!(
            file.hash.as_deref(),
            Some(blake3::hash(&bytes).to_hex().as_str())
        );
    }
    let older = frame.files(Some(&AsOf::Version(1))).await.unwrap().files;
    assert_eq!(
        (older.len(), older[0].rows, older[0].hidden_rows),
        (1, 100, 0)
    );
}
