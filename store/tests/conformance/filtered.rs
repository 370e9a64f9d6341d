//! Reading only rows that a condition wants: the same rows as without it, and less of the segments.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use shoots_proto::PutMode::{Append, Error};
use shoots_store::{
    ColumnBlocks, ErrorKind, PutOptions, ReadOptions, RowFilter, RowsToDelete, SegmentLimits,
    Snapshot, Store,
};

use crate::on_every_place;
use crate::place::Place;
use crate::requests::since;
use crate::rows::{frame, try_put_with};

on_every_place!(
    a_condition_gives_the_rows_that_meet_it,
    pages_that_cannot_meet_a_condition_are_not_read,
    columns_are_not_read_where_no_row_is_wanted,
    a_condition_goes_with_no_count_of_rows,
);

/// Rows whose `column` lies in a range.
#[derive(Debug)]
struct Within {
    columns: Vec<String>,
    range: std::ops::Range<i64>,
    looks_at_pages: bool,
}

impl Within {
    fn new(column: &str, range: std::ops::Range<i64>) -> Arc<Self> {
        Arc::new(Self {
            columns: vec![column.to_owned()],
            range,
            looks_at_pages: true,
        })
    }
}

impl RowFilter for Within {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn may_hold(&self, blocks: &ColumnBlocks) -> Vec<bool> {
        assert_eq!(blocks.column, self.columns[0]);
        let least = blocks.least.as_primitive::<Int64Type>();
        let greatest = blocks.greatest.as_primitive::<Int64Type>();
        let ends = least.iter().zip(greatest);
        ends.map(|ends| match ends {
            (Some(least), Some(greatest)) if self.looks_at_pages => {
                least < self.range.end && greatest >= self.range.start
            }
            _ => true,
        })
        .collect()
    }

    fn wanted(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        assert_eq!(batch.num_columns(), 1);
        let values = batch.column(0).as_primitive::<Int64Type>();
        Ok(values
            .iter()
            .map(|value| value.map(|value| self.range.contains(&value)))
            .collect())
    }
}

/// `t` ascends, `near` does so nearly and is null for every seventh row, `far` leaps about, and `text` is long.
fn points(times: impl IntoIterator<Item = i64>) -> RecordBatch {
    let times: Vec<i64> = times.into_iter().collect();
    let near = times.iter().map(|t| (t % 7 != 0).then_some(t + t % 5));
    let near: ArrayRef = Arc::new(near.collect::<Int64Array>());
    let far = times.iter().map(|t| t.wrapping_mul(0x9E37_79B9) % 100_000);
    let far: ArrayRef = Arc::new(far.collect::<Int64Array>());
    let text = times.iter().map(|t| format!("{t} and {}", t * t));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let times: ArrayRef = Arc::new(Int64Array::from(times));
    RecordBatch::try_from_iter_with_nullable([
        ("t", times, false),
        ("near", near, true),
        ("far", far, true),
        ("text", text, true),
    ])
    .unwrap()
}

async fn open(place: &Place) -> Store {
    let limits = SegmentLimits {
        max_rows: 100_000,
        ..SegmentLimits::default()
    };
    place.builder().segment_limits(limits).open().await.unwrap()
}

/// 250,000 rows in 3 segments, of which the frame's index makes one order with 20,000 others between them.
async fn overlapping(store: &Store) -> Snapshot {
    let frame = frame(store, "f");
    let options = PutOptions::mode(Error).index(["t"]);
    let even = points((0..250_000).map(|t| t * 2));
    try_put_with(&frame, options, even).await.unwrap();
    let odd = points((0..20_000).map(|t| 150_001 + t * 2));
    let options = PutOptions::mode(Append);
    try_put_with(&frame, options, odd).await.unwrap();
    let hidden = RowsToDelete {
        start: Some(160_000.into()),
        stop: Some(170_000.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(hidden).await.unwrap();
    frame.snapshot(None).await.unwrap()
}

async fn read(snapshot: &Snapshot, options: ReadOptions) -> Vec<RecordBatch> {
    let rows = snapshot.read(options).await.unwrap();
    rows.collect().await.unwrap()
}

fn texts(batches: &[RecordBatch]) -> Vec<Option<String>> {
    let columns = batches.iter().map(|batch| batch["text"].as_string::<i32>());
    let texts = columns.flat_map(|column| column.iter().map(|text| text.map(str::to_owned)));
    texts.collect()
}

async fn a_condition_gives_the_rows_that_meet_it(place: &Place) {
    let store = open(place).await;
    let snapshot = overlapping(&store).await;
    let all = read(&snapshot, ReadOptions::default()).await;
    for (column, range) in [
        ("t", 155_000..175_000),
        ("near", 100..200),
        ("near", -5..0),
        ("far", 0..30),
        ("far", 0..80_000),
        ("near", i64::MIN..i64::MAX),
    ] {
        let expected: Vec<RecordBatch> = all
            .iter()
            .map(|batch| {
                let values = batch[column].as_primitive::<Int64Type>();
                let wanted = values.iter().map(|v| v.is_some_and(|v| range.contains(&v)));
                let wanted: BooleanArray = wanted.map(Some).collect();
                arrow_select::filter::filter_record_batch(batch, &wanted).unwrap()
            })
            .collect();
        let filter = Within::new(column, range.clone());
        for columns in [vec!["text"], vec!["text", column], vec!["t", "text"]] {
            let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
            let options = ReadOptions {
                columns: Some(columns.clone()),
                filter: Some(filter.clone()),
                batch_rows: Some(7_000),
                ..ReadOptions::default()
            };
            let found = read(&snapshot, options).await;
            assert_eq!(texts(&found), texts(&expected), "{column} {range:?}");
            assert!(
                found
                    .iter()
                    .all(|batch| batch.num_columns() == columns.len())
            );
        }
    }
}

async fn cost(snapshot: &Snapshot, store: &Store, options: ReadOptions) -> u64 {
    let before = store.requests();
    read(snapshot, options).await;
    since(store.requests(), before).segment_bytes
}

async fn pages_that_cannot_meet_a_condition_are_not_read(place: &Place) {
    let store = open(place).await;
    let snapshot = overlapping(&store).await;
    let whole = cost(&snapshot, &store, ReadOptions::default()).await;
    let filter = |range| ReadOptions {
        filter: Some(Within::new("near", range)),
        ..ReadOptions::default()
    };
    let some = cost(&snapshot, &store, filter(300_000..300_100)).await;
    assert!(some * 3 < whole, "{some} of {whole} bytes");
    let none = cost(&snapshot, &store, filter(-100..-50)).await;
    assert!(none < some && none * 20 < whole, "{none} of {whole} bytes");
}

async fn columns_are_not_read_where_no_row_is_wanted(place: &Place) {
    let store = open(place).await;
    let snapshot = overlapping(&store).await;
    let filter = |range, column: &str| ReadOptions {
        filter: Some(Arc::new(Within {
            columns: vec![column.to_owned()],
            range,
            looks_at_pages: false,
        })),
        ..ReadOptions::default()
    };
    let whole = cost(&snapshot, &store, filter(0..90_000, "far")).await;
    let few = cost(&snapshot, &store, filter(300_000..300_100, "near")).await;
    assert!(few * 2 < whole, "{few} of {whole} bytes");
}

async fn a_condition_goes_with_no_count_of_rows(place: &Place) {
    let store = open(place).await;
    let snapshot = overlapping(&store).await;
    for options in [
        ReadOptions {
            limit: Some(1),
            ..ReadOptions::default()
        },
        ReadOptions {
            tail: Some(1),
            ..ReadOptions::default()
        },
    ] {
        let options = ReadOptions {
            filter: Some(Within::new("near", 0..1)),
            ..options
        };
        let refused = snapshot.read(options).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    }
    let bounds = snapshot.index_bounds().await.unwrap().unwrap();
    assert_eq!(bounds.least.as_primitive::<Int64Type>().values(), &[0]);
    assert_eq!(
        bounds.greatest.as_primitive::<Int64Type>().values(),
        &[499_998]
    );
}
