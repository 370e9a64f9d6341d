//! Frames with an index: how they are written, and what readers get.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use serde_json::json;
use shoots_proto::PutMode::{Append, Error, Replace, Update, Upsert};
use shoots_proto::{AsOf, Closed, UpdateScope};
use shoots_store::{ErrorKind, Frame, PutOptions, ReadOptions, RowsToDelete, SegmentLimits};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, try_put_with};

on_every_place!(
    rows_that_come_in_any_order_are_read_in_the_order_of_the_index,
    a_range_is_read_with_each_way_of_closing_it,
    an_update_replaces_a_range_and_an_older_version_keeps_it,
    an_upsert_replaces_keys_and_keeps_columns_that_are_not_given,
    rows_are_deleted_by_range,
    an_index_is_checked_on_every_write,
    compaction_changes_no_row_and_no_order,
    expired_versions_are_gone_and_their_objects_swept,
    a_put_that_a_purge_overtook_is_refused,
    a_put_of_another_process_is_not_lost_where_a_purge_was,
    segments_whose_small_dictionaries_cannot_be_joined_are_merged_and_left_alone,
);

fn points(points: impl IntoIterator<Item = (i64, f64)>) -> RecordBatch {
    let (times, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
    let times: ArrayRef = Arc::new(Int64Array::from(times));
    let values: ArrayRef = Arc::new(Float64Array::from(values));
    RecordBatch::try_from_iter_with_nullable([("t", times, false), ("v", values, true)]).unwrap()
}

fn indexed(mode: shoots_proto::PutMode) -> PutOptions {
    PutOptions::mode(mode).index(["t"])
}

async fn put(frame: &Frame, options: PutOptions, batch: RecordBatch) {
    try_put_with(frame, options, batch).await.unwrap();
}

async fn read(frame: &Frame, options: ReadOptions) -> Vec<(i64, Option<f64>)> {
    let snapshot = frame.snapshot(None).await.unwrap();
    read_of(&snapshot, options).await
}

async fn read_of(
    snapshot: &shoots_store::Snapshot,
    options: ReadOptions,
) -> Vec<(i64, Option<f64>)> {
    let batches = snapshot.read(options).await.unwrap();
    let mut rows = Vec::new();
    for batch in batches.collect().await.unwrap() {
        let times = batch["t"].as_primitive::<Int64Type>().values().to_vec();
        let values = batch["v"].as_primitive::<arrow_array::types::Float64Type>();
        rows.extend(times.into_iter().zip(values.iter()));
    }
    rows
}

fn some(points: &[(i64, f64)]) -> Vec<(i64, Option<f64>)> {
    points.iter().map(|(t, v)| (*t, Some(*v))).collect()
}

async fn rows_that_come_in_any_order_are_read_in_the_order_of_the_index(place: &Place) {
    let limits = SegmentLimits {
        max_rows: 10,
        ..SegmentLimits::default()
    };
    let store = place.builder().segment_limits(limits).open().await.unwrap();
    let frame = frame(&store, "f");
    put(
        &frame,
        indexed(Error),
        points((0..50).rev().map(|n| (n, 0.0))),
    )
    .await;
    put(&frame, indexed(Append), points((25..75).map(|n| (n, 1.0)))).await;
    let mut expected: Vec<(i64, f64)> = (0..50).map(|n| (n, 0.0)).collect();
    expected.extend((25..75).map(|n| (n, 1.0)));
    expected.sort_by(|one, other| one.partial_cmp(other).unwrap());
    assert_eq!(read(&frame, ReadOptions::default()).await, some(&expected));
    let tail = ReadOptions {
        tail: Some(3),
        ..ReadOptions::default()
    };
    assert_eq!(read(&frame, tail).await, some(&expected[97..]));
    let middle = ReadOptions {
        offset: 40,
        limit: Some(20),
        ..ReadOptions::default()
    };
    assert_eq!(read(&frame, middle).await, some(&expected[40..60]));
}

async fn a_range_is_read_with_each_way_of_closing_it(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, indexed(Error), points((0..10).map(|n| (n, 0.0)))).await;
    for (closed, first, last) in [
        (Closed::Left, 3, 5),
        (Closed::Right, 4, 6),
        (Closed::Both, 3, 6),
        (Closed::Neither, 4, 5),
    ] {
        let options = ReadOptions {
            start: Some(json!(3)),
            stop: Some(json!(6)),
            closed,
            ..ReadOptions::default()
        };
        let rows = read(&frame, options).await;
        let times: Vec<i64> = rows.iter().map(|(t, _)| *t).collect();
        assert_eq!(times, (first..=last).collect::<Vec<_>>(), "{closed:?}");
    }
}

async fn an_update_replaces_a_range_and_an_older_version_keeps_it(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, indexed(Error), points((0..10).map(|n| (n, 0.0)))).await;
    put(&frame, indexed(Update), points([(3, 1.0), (6, 1.0)])).await;
    let expected = [
        (0, 0.0),
        (1, 0.0),
        (2, 0.0),
        (3, 1.0),
        (6, 1.0),
        (7, 0.0),
        (8, 0.0),
        (9, 0.0),
    ];
    assert_eq!(read(&frame, ReadOptions::default()).await, some(&expected));
    let keys = PutOptions {
        scope: UpdateScope::Keys,
        ..indexed(Update)
    };
    put(&frame, keys, points([(0, 2.0), (9, 2.0)])).await;
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!((snapshot.rows(), snapshot.hidden_rows()), (8, 6));
    let given = PutOptions {
        start: Some(json!(0)),
        stop: Some(json!(9)),
        ..indexed(Update)
    };
    put(&frame, given.clone(), points([(4, 3.0)])).await;
    let expected = [(4, 3.0), (9, 2.0)];
    assert_eq!(read(&frame, ReadOptions::default()).await, some(&expected));
    let outside = try_put_with(&frame, given, points([(9, 3.0)])).await;
    assert_eq!(outside.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let first = frame.snapshot(Some(&AsOf::Version(1))).await.unwrap();
    let all: Vec<(i64, f64)> = (0..10).map(|n| (n, 0.0)).collect();
    assert_eq!(read_of(&first, ReadOptions::default()).await, some(&all));
}

async fn an_upsert_replaces_keys_and_keeps_columns_that_are_not_given(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(
        &frame,
        indexed(Error),
        points((0..5).map(|n| (n, n as f64))),
    )
    .await;
    put(
        &frame,
        indexed(Upsert),
        points([(9, 1.0), (2, 7.0), (2, 8.0)]),
    )
    .await;
    let expected = [(0, 0.0), (1, 1.0), (2, 8.0), (3, 3.0), (4, 4.0), (9, 1.0)];
    assert_eq!(read(&frame, ReadOptions::default()).await, some(&expected));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![4, 1, 20]));
    let notes: ArrayRef = Arc::new(Int64Array::from(vec![40, 10, 200]));
    let partial = RecordBatch::try_from_iter([("t", times), ("note", notes)]).unwrap();
    put(&frame, indexed(Upsert), partial).await;
    let mut expected = some(&expected);
    expected.push((20, None));
    assert_eq!(read(&frame, ReadOptions::default()).await, expected);
    let snapshot = frame.snapshot(None).await.unwrap();
    let columns = ReadOptions {
        columns: Some(vec!["note".into()]),
        ..ReadOptions::default()
    };
    let notes: Vec<Option<i64>> = snapshot
        .read(columns)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap()
        .iter()
        .flat_map(|batch| {
            batch["note"]
                .as_primitive::<Int64Type>()
                .iter()
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        notes,
        [None, Some(10), None, None, Some(40), None, Some(200)]
    );
}

async fn rows_are_deleted_by_range(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, indexed(Error), points((0..10).map(|n| (n, 0.0)))).await;
    let rows = RowsToDelete {
        start: Some(json!(2)),
        stop: Some(json!(8)),
        ..RowsToDelete::default()
    };
    let done = frame.delete_rows(rows.clone()).await.unwrap();
    assert_eq!((done.version, done.rows_removed), (Some(2), 6));
    let again = frame.delete_rows(rows).await.unwrap();
    assert_eq!((again.version, again.rows_removed), (None, 0));
    let expected = [(0, 0.0), (1, 0.0), (8, 0.0), (9, 0.0)];
    assert_eq!(read(&frame, ReadOptions::default()).await, some(&expected));
}

async fn an_index_is_checked_on_every_write(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let told = |error: shoots_store::Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        error.to_string()
    };
    let missing = PutOptions::mode(Error).index(["x"]);
    let error = try_put_with(&frame, missing, points([(1, 1.0)])).await;
    assert!(told(error.unwrap_err()).contains("there is no column x"));
    let nothing = PutOptions::mode(Upsert);
    let error = try_put_with(&frame, nothing, points([(1, 1.0)])).await;
    assert!(told(error.unwrap_err()).contains("give `index`"));
    let by_value = PutOptions::mode(Error).index(["v"]);
    let nan = try_put_with(&frame, by_value, points([(1, f64::NAN)])).await;
    assert!(told(nan.unwrap_err()).contains("NaN"));
    put(&frame, indexed(Error), points([(1, 1.0)])).await;
    let other = PutOptions::mode(Append).index(["v"]);
    let error = try_put_with(&frame, other, points([(1, 1.0)])).await;
    assert!(told(error.unwrap_err()).contains("has the index t"));
    let keyless = points([(1, 1.0)]).project(&[1]).unwrap();
    let error = try_put_with(&frame, PutOptions::mode(Upsert), keyless).await;
    let error = told(error.unwrap_err());
    assert!(error.contains("the rows have no column t, and the index of frame f is t"));

    let by_value = PutOptions::mode(Replace).index(["v"]);
    let mut writer = frame.put(points([]).schema(), by_value).await.unwrap();
    writer.write(points([(1, 1.0), (2, 2.0)])).await.unwrap();
    writer.write(points([])).await.unwrap();
    let nan = writer.write(points([(3, 3.0), (4, f64::NAN)])).await;
    let nan = told(nan.unwrap_err());
    assert!(nan.contains("v is NaN in row 3 of the put"), "{nan}");

    put(&frame, PutOptions::mode(Replace), points([(1, 1.0)])).await;
    let error = try_put_with(&frame, PutOptions::mode(Update), points([(1, 1.0)])).await;
    assert!(told(error.unwrap_err()).contains("has none"));
}

async fn compaction_changes_no_row_and_no_order(place: &Place) {
    let store = place.open().await;
    let sorted = frame(&store, "sorted");
    let plain = frame(&store, "plain");
    for n in 0..20_i64 {
        let batch = points((0..20).map(|k| ((n * 7 + k) % 50, (n * 100 + k) as f64)));
        put(&sorted, indexed(Append), batch.clone()).await;
        put(&plain, PutOptions::mode(Append), batch).await;
    }
    let gone = RowsToDelete {
        start: Some(json!(10)),
        stop: Some(json!(12)),
        ..RowsToDelete::default()
    };
    sorted.delete_rows(gone).await.unwrap();
    for frame in [&sorted, &plain] {
        let before = read(frame, ReadOptions::default()).await;
        let version = frame.snapshot(None).await.unwrap().version();
        let foreseen = frame.compact(true).await.unwrap();
        assert_eq!(frame.snapshot(None).await.unwrap().version(), version);
        let done = frame.compact(false).await.unwrap();
        assert_eq!(done.segments_before, foreseen.segments_before);
        assert_eq!(done.segments_after, 1, "{done:?}");
        let snapshot = frame.snapshot(None).await.unwrap();
        assert_eq!((snapshot.segment_count(), snapshot.hidden_rows()), (1, 0));
        assert_eq!(read_of(&snapshot, ReadOptions::default()).await, before);
        let again = frame.compact(false).await.unwrap();
        assert_eq!(again.version, None);
    }
}

async fn expired_versions_are_gone_and_their_objects_swept(place: &Place) {
    let retention = shoots_proto::action::Retention {
        keep_versions: Some(2),
        ..Default::default()
    };
    let builder = place.builder().retention(retention).sweep_grace_seconds(0);
    let store = builder.open().await.unwrap();
    let frame = frame(&store, "f");
    for n in 0..10 {
        put(&frame, PutOptions::mode(Replace), points([(n, n as f64)])).await;
        if n == 2 {
            let tag = shoots_proto::TagName::parse("keep").unwrap();
            frame.tag(&tag, None, false).await.unwrap();
        }
    }
    let foreseen = frame.expire(true).await.unwrap();
    let done = frame.expire(false).await.unwrap();
    assert_eq!(foreseen.segments, done.segments);
    assert_eq!(done.segments, 7, "{done:?}");
    frame.sweep(false).await.unwrap();
    let left = place.objects_below("_default/f/segments").await;
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(
        read(&frame, ReadOptions::default()).await,
        some(&[(9, 9.0)])
    );
    let tagged = AsOf::Tag("keep".into());
    let kept = frame.snapshot(Some(&tagged)).await.unwrap();
    assert_eq!(
        read_of(&kept, ReadOptions::default()).await,
        some(&[(2, 2.0)])
    );
    let gone = frame.snapshot(Some(&AsOf::Version(5))).await.unwrap_err();
    assert!(gone.to_string().contains("expired"), "{gone}");
    let strict = shoots_proto::action::Retention {
        keep_versions: Some(1),
        keep_tagged: false,
        ..Default::default()
    };
    frame.set_retention(Some(strict)).await.unwrap();
    frame.expire(false).await.unwrap();
    frame.sweep(false).await.unwrap();
    assert!(frame.tags().await.unwrap().is_empty());
    let untagged = frame.snapshot(Some(&tagged)).await.unwrap_err();
    assert_eq!(untagged.kind(), ErrorKind::NotFound);
    let left = place.objects_below("_default/f/segments").await;
    assert_eq!(left.len(), 1, "{left:?}");
    let purged = frame.purge(false).await.unwrap();
    assert!(purged.objects > 0);
    assert!(place.objects_below("_default/f/segments").await.is_empty());
    assert_eq!(
        frame.snapshot(None).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    put(&frame, indexed(Error), points([(1, 1.0)])).await;
    assert_eq!(
        read(&frame, ReadOptions::default()).await,
        some(&[(1, 1.0)])
    );
}

async fn a_put_that_a_purge_overtook_is_refused(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, indexed(Error), points([(1, 1.0)])).await;
    for mode in [Append, Replace, Upsert] {
        let batch = points([(2, 2.0)]);
        let mut writer = frame.put(batch.schema(), indexed(mode)).await.unwrap();
        writer.write(batch).await.unwrap();
        frame.purge(false).await.unwrap();
        let overtaken = writer.commit().await.unwrap_err();
        assert_eq!(overtaken.kind(), ErrorKind::Conflict, "{overtaken}");
        put(&frame, indexed(Append), points([(3, 3.0)])).await;
        assert_eq!(
            read(&frame, ReadOptions::default()).await,
            some(&[(3, 3.0)])
        );
    }
}

/// Another process knows the entry before those that a purge could remove.
async fn a_put_of_another_process_is_not_lost_where_a_purge_was(place: &Place) {
    let (here, there) = (place.open().await, place.open().await);
    let (here, there) = (frame(&here, "f"), frame(&there, "f"));
    put(&here, indexed(Error), points([(1, 1.0)])).await;
    put(&there, indexed(Append), points([(2, 2.0)])).await;
    for round in 3..6 {
        put(&here, indexed(Append), points([(round, 0.0)])).await;
        put(&here, indexed(Append), points([(round, 1.0)])).await;
        here.purge(false).await.unwrap();
        let batch = points([(9, 9.0)]);
        let written = try_put_with(&there, indexed(Append), batch).await;
        let rows = match written {
            Ok(_) => some(&[(9, 9.0)]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                put(&here, indexed(Append), points([(7, 7.0)])).await;
                some(&[(7, 7.0)])
            }
        };
        assert_eq!(read(&here, ReadOptions::default()).await, rows);
        assert_eq!(read(&there, ReadOptions::default()).await, rows);
    }
}

async fn segments_whose_small_dictionaries_cannot_be_joined_are_merged_and_left_alone(
    place: &Place,
) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    for n in 0..3_i64 {
        let times = (n * 100..n * 100 + 100).chain([1_000 + n]);
        let times: ArrayRef = Arc::new(times.collect::<Int64Array>());
        let keys = arrow_array::Int8Array::from_iter_values((0..100).chain([0]));
        let values = (0..100).map(|value| format!("{n} {value}"));
        let values = Arc::new(arrow_array::StringArray::from_iter_values(values));
        let labels = arrow_array::DictionaryArray::new(keys, values);
        let labels: ArrayRef = Arc::new(labels);
        let batch = RecordBatch::try_from_iter([("t", times), ("label", labels)]).unwrap();
        put(&frame, indexed(Append), batch).await;
    }
    let snapshot = frame.snapshot(None).await.unwrap();
    let mut found = Vec::new();
    let batches = snapshot.read(ReadOptions::default()).await.unwrap();
    for batch in batches.collect().await.unwrap() {
        let labels = batch["label"].as_dictionary::<arrow_array::types::Int8Type>();
        let values = labels.values().as_string::<i32>();
        let keys = labels.keys().values();
        found.extend(
            keys.iter()
                .map(|key| values.value(*key as usize).to_owned()),
        );
    }
    let expected = (0..300).map(|at| format!("{} {}", at / 100, at % 100));
    let expected = expected.chain((0..3).map(|n| format!("{n} 0")));
    assert_eq!(found, expected.collect::<Vec<_>>());
    for _ in 0..3 {
        frame.compact(false).await.unwrap();
    }
    let rest = frame.snapshot(None).await.unwrap().version();
    frame.compact(false).await.unwrap();
    assert_eq!(frame.snapshot(None).await.unwrap().version(), rest);
}
