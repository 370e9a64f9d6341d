//! What reads and changes of a large frame with an index fetch: what they are about, and little beside it.
//!
//! A million rows lie in forty segments. Every call is made by a store that was just opened, so that nothing it needs
//! is in memory already.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use futures::future::join_all;
use serde_json::json;
use shoots_proto::AsOf;
use shoots_proto::PutMode::{Append, Error, Update, Upsert};
use shoots_store::{PutOptions, ReadOptions, Requests, SegmentLimits};

use crate::on_every_place;
use crate::place::Place;
use crate::requests::since;
use crate::rows::{frame, put, rows, try_put_with};

on_every_place!(
    ; not_on_s3 "a million rows take their time":
    reads_fetch_what_they_ask_for,
    changes_fetch_the_pages_that_they_may_meet,
);

const SEGMENTS: i64 = 40;
const ROWS: i64 = 1_000_000;

fn points(times: impl IntoIterator<Item = i64>) -> RecordBatch {
    let times: Vec<i64> = times.into_iter().collect();
    // Values that no encoding makes small.
    let value = |time: &i64| {
        f64::from_bits((time.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2) | 1 << 61)
    };
    let values: ArrayRef = Arc::new(times.iter().map(value).map(Some).collect::<Float64Array>());
    let texts = times
        .iter()
        .map(|time| Some(format!("{:x}", time.wrapping_mul(0x5851_f42d_4c95_7f2d))));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let times: ArrayRef = Arc::new(Int64Array::from(times));
    RecordBatch::try_from_iter([("t", times), ("v", values), ("s", texts)]).unwrap()
}

/// Puts the frame, and says how many bytes it has.
async fn prepare(place: &Place) -> u64 {
    let limits = SegmentLimits {
        max_rows: usize::try_from(ROWS / SEGMENTS).unwrap(),
        ..SegmentLimits::default()
    };
    let store = place.builder().segment_limits(limits).open().await.unwrap();
    let frame = frame(&store, "f");
    let options = PutOptions::mode(Error).index(["t"]);
    let mut writer = frame.put(points([]).schema(), options).await.unwrap();
    for start in (0..ROWS).step_by(50_000) {
        writer.write(points(start..start + 50_000)).await.unwrap();
    }
    writer.commit().await.unwrap();
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!(snapshot.segment_count(), SEGMENTS.unsigned_abs());
    snapshot.bytes()
}

/// What a read of so many rows costs.
async fn cost_of_reading(place: &Place, options: ReadOptions, expected: i64) -> Requests {
    let store = place.open().await;
    let snapshot = frame(&store, "f").snapshot(None).await.unwrap();
    let batches = snapshot
        .read(options)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(count, usize::try_from(expected).unwrap());
    store.requests()
}

async fn reads_fetch_what_they_ask_for(place: &Place) {
    let bytes = prepare(place).await;
    let hundredth = ReadOptions {
        start: Some(json!(345_000)),
        stop: Some(json!(355_000)),
        ..ReadOptions::default()
    };
    let range = cost_of_reading(place, hundredth.clone(), 10_000).await;
    assert_eq!(range.segment_reads, 2, "{range:?}");
    // A page has twenty thousand rows.
    assert!(range.segment_bytes < bytes / 20, "{range:?} of {bytes}");

    let times = ReadOptions {
        columns: Some(vec!["t".to_owned()]),
        ..hundredth
    };
    let column = cost_of_reading(place, times, 10_000).await;
    assert_eq!(column.segment_reads, 2, "{column:?}");
    assert!(
        column.segment_bytes < range.segment_bytes / 2,
        "{column:?} and {range:?}"
    );

    let tail = ReadOptions {
        tail: Some(100),
        ..ReadOptions::default()
    };
    let tail = cost_of_reading(place, tail, 100).await;
    assert_eq!(tail.segment_reads, 1, "{tail:?}");
    assert!(tail.segment_bytes < bytes / 40, "{tail:?} of {bytes}");
}

/// What it costs a store that was just opened to put rows.
async fn cost_of_putting(place: &Place, options: PutOptions, batch: RecordBatch) -> Requests {
    let store = place.open().await;
    let added = batch.num_rows() as u64;
    let published = try_put_with(&frame(&store, "f"), options, batch)
        .await
        .unwrap();
    assert_eq!(published.rows, added);
    store.requests()
}

async fn changes_fetch_the_pages_that_they_may_meet(place: &Place) {
    let bytes = prepare(place).await;
    let segment = bytes / SEGMENTS.unsigned_abs();

    let near = points(500_010..500_020);
    let upsert = cost_of_putting(place, PutOptions::mode(Upsert), near).await;
    // The one that is met, and the rows themselves.
    assert!(upsert.segment_reads <= 2, "{upsert:?}");
    assert!(
        upsert.segment_bytes < segment / 2,
        "{upsert:?} of {segment}"
    );

    let day = points(612_345..614_345);
    let update = cost_of_putting(place, PutOptions::mode(Update), day).await;
    assert!(update.segment_reads <= 2, "{update:?}");
    assert!(
        update.segment_bytes < segment / 2,
        "{update:?} of {segment}"
    );

    let days = points(130_000..230_000);
    let update = cost_of_putting(place, PutOptions::mode(Update), days).await;
    // The segments between are replaced without a look at them.
    assert!(update.segment_reads <= 2, "{update:?}");
    assert!(
        update.segment_bytes < segment / 2,
        "{update:?} of {segment}"
    );

    let store = place.open().await;
    let frame = frame(&store, "f");
    let append = |start| try_put_with(&frame, PutOptions::mode(Append), points(start..start + 100));
    append(ROWS).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let before = store.requests();
    for turn in 1..=20 {
        append(ROWS + turn * 100).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let cost = since(store.requests(), before);
    assert!(cost.creates + cost.overwrites <= 3 * 20, "{cost:?}");
    assert_eq!((cost.lists, cost.segment_reads), (0, 0), "{cost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_is_looked_into_with_few_reads() {
    const VERSIONS: i64 = 10_000;
    const GROUP: i64 = 8;
    let place = Place::in_memory();
    let writer = place.open().await;
    let written = frame(&writer, "f");
    let mut some = Vec::new();
    for first in (0..VERSIONS).step_by(GROUP.unsigned_abs() as usize) {
        // Those who write at the same time may share an entry.
        let group = (first..first + GROUP).map(|n| put(&written, Append, rows([n])));
        join_all(group).await;
        if first / GROUP % 139 == 70 {
            let newest = written.snapshot(None).await.unwrap();
            some.push((newest.version().unwrap(), newest.published().unwrap()));
        }
    }
    assert!(some.len() > 7);
    let check = async |as_of: AsOf, version: u64| {
        let store = place.open().await;
        let snapshot = frame(&store, "f").snapshot(Some(&as_of)).await.unwrap();
        assert_eq!(snapshot.version(), Some(version));
        assert_eq!(snapshot.rows(), version);
        let cost = store.requests();
        assert!(cost.reads < 25, "{as_of:?}: {cost:?}");
        let first = ReadOptions {
            limit: Some(1),
            ..ReadOptions::default()
        };
        snapshot.read(first).await.unwrap().collect().await.unwrap();
        let cost = store.requests();
        // To read rows takes the list of all segments, and a checkpoint holds 64 changes.
        assert!(cost.reads < 30 + version / 64, "{as_of:?}: {cost:?}");
        assert_eq!((cost.lists, cost.segment_reads), (0, 1), "{as_of:?}");
    };
    for (version, time) in some {
        let time = shoots_proto::as_of::parse_time(&time.to_string()).unwrap();
        check(AsOf::Time(time), version).await;
        for version in [version, version - 3] {
            let number = i64::try_from(version).unwrap();
            check(AsOf::Version(number), version).await;
            check(AsOf::Version(number - VERSIONS - 1), version).await;
        }
    }
    let store = place.open().await;
    let history = frame(&store, "f").history(10, None).await.unwrap();
    assert_eq!(history.commits.len(), 10);
    let cost = store.requests();
    assert!(cost.reads < 20, "{cost:?}");
    assert_eq!(cost.lists, 0);
}
