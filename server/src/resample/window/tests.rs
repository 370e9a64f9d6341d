//! Pieces against the whole: after drawn changes, what was computed before and the pieces are what is computed anew.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampSecondType};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampSecondArray};
use shoots_proto::action::{BinEnd, Resampling};
use shoots_proto::{AsOf, FrameId, FrameName, PutMode};
use shoots_store::{Frame, PutOptions, RowsToDelete, Snapshot, Store};

use super::*;
use crate::Config;
use crate::query::{Part, Queries};
use crate::resample::{Request, ResampleTable};

/// 2024-03-29, two days before a day of 23 hours in Berlin.
const BEGIN: i64 = 1_711_670_400;

/// The bins, by their names.
type Bars = BTreeMap<i64, Option<f64>>;

async fn ticks(store: &Store) -> Frame {
    store.frame(&FrameId::new(None, FrameName::parse("ticks").unwrap()))
}

async fn put(frame: &Frame, options: PutOptions, times: &[i64], value: f64) {
    let values: Float64Array = (0..times.len()).map(|at| Some(value + at as f64)).collect();
    let times: ArrayRef = Arc::new(TimestampSecondArray::from(times.to_vec()));
    let batch = RecordBatch::try_from_iter([("t", times), ("v", Arc::new(values) as ArrayRef)]);
    let batch = batch.unwrap();
    let mut writer = frame.put(batch.schema(), options).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap();
}

fn resample(snapshot: Snapshot, resampling: &Resampling) -> Resample {
    let resampling = resampling.clone();
    let range = spec::Range::default();
    Resample::new(Request {
        snapshot,
        resampling,
        range,
    })
    .unwrap()
}

async fn bars(queries: &Queries, resample: Resample) -> Bars {
    let table = Arc::new(ResampleTable::new(resample));
    let plan = queries.plan_table(table, Part::default()).await.unwrap();
    let batches: Vec<RecordBatch> = plan.run().await.unwrap().try_collect().await.unwrap();
    let mut bars = Bars::new();
    for batch in batches {
        let times = batch.column(0).as_primitive::<TimestampSecondType>();
        let values = batch.column(1).as_primitive::<Float64Type>();
        for (time, value) in times.values().iter().zip(values) {
            assert_eq!(bars.insert(*time, value), None, "two bins at {time}");
        }
    }
    bars
}

/// Numbers that look like chance.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % limit
    }
}

/// Changes the frame in one of the ways that there are.
async fn change(frame: &Frame, draw: &mut Draw) -> String {
    let from = BEGIN + draw.below(300) * 1_000 + draw.below(700);
    let value = draw.below(1000) as f64;
    let span = draw.below(40) * 500;
    let version = draw.below(3) + 1;
    let kind = draw.below(8);
    match kind {
        0 | 1 => {
            put(
                frame,
                PutOptions::mode(PutMode::Append),
                &[from, from + span],
                value,
            )
            .await
        }
        2 => {
            put(
                frame,
                PutOptions::mode(PutMode::Upsert),
                &[from, from + 7],
                value,
            )
            .await
        }
        3 | 4 => {
            let rows = RowsToDelete {
                start: Some(time_bound(from)),
                stop: Some(time_bound(from + 4 * span)),
                ..RowsToDelete::default()
            };
            frame.delete_rows(rows).await.unwrap();
        }
        5 => {
            let update = PutOptions {
                start: Some(time_bound(from)),
                stop: Some(time_bound(from + span + 1)),
                ..PutOptions::mode(PutMode::Update)
            };
            put(frame, update, &[from], value).await;
        }
        6 => drop(frame.compact(false).await.unwrap()),
        _ => drop(frame.restore(&AsOf::Version(-version)).await),
    }
    format!("kind {kind} at {from} over {span}")
}

fn cases() -> Vec<Resampling> {
    let mut cases = Vec::new();
    for rule in ["17min", "7h", "2h", "D", "2D", "W", "ME"] {
        for fill in ["null", "drop", "forward", "backward", "linear"] {
            let mut case = Resampling::new(rule, "mean");
            case.fill = Some(fill.into());
            case.time_zone = (rule == "D").then(|| "Europe/Berlin".to_owned());
            case.closed = (fill == "forward").then_some(BinEnd::Right);
            case.label = (fill == "linear").then_some(BinEnd::Right);
            cases.push(case);
        }
    }
    cases
}

#[tokio::test]
async fn pieces_and_what_was_computed_before_are_the_whole() {
    let queries = Queries::new(&Config::default()).unwrap();
    let mut in_pieces = 0;
    for (number, case) in cases().into_iter().enumerate() {
        let store = Store::open("memory://").await.unwrap();
        let frame = ticks(&store).await;
        let mut draw = Draw(number as u64);
        let index = PutOptions::mode(PutMode::Append).index(["t"]);
        let times: Vec<i64> = (0..40).map(|at| BEGIN + at * 4_000).collect();
        put(&frame, index, &times, 0.0).await;
        let mut state = frame.newest().await.unwrap();
        let mut grid = resample(state.clone(), &case).grid().await.unwrap();
        let mut known = bars(&queries, resample(state.clone(), &case)).await;
        let mut done = Vec::new();
        for turn in 0..14 {
            done.push(change(&frame, &mut draw).await);
            if turn % 3 == 1 {
                continue;
            }
            let newest = frame.newest().await.unwrap();
            let (version, commit) = (state.version().unwrap(), state.commit().unwrap());
            let changed = newest.changed_since(version, &commit).await.unwrap();
            let now = resample(newest.clone(), &case);
            let next = now.grid().await.unwrap();
            let fresh = bars(&queries, now.clone()).await;
            match plan(&now, grid, next, &changed).await.unwrap() {
                Plan::Nothing => {}
                Plan::All => known = fresh.clone(),
                Plan::Pieces(pieces) => {
                    in_pieces += 1;
                    for piece in pieces {
                        known.retain(|name, _| *name < piece.names.0 || *name > piece.names.1);
                        if let Some(rows) = piece.rows {
                            for (name, value) in bars(&queries, rows).await {
                                assert!(
                                    (piece.names.0..=piece.names.1).contains(&name),
                                    "{case:?} {done:?}: {name} outside {:?}",
                                    piece.names
                                );
                                assert_eq!(known.insert(name, value), None);
                            }
                        }
                    }
                }
            }
            assert_eq!(known, fresh, "{case:?} {done:?}");
            (state, grid) = (newest, next);
        }
    }
    assert!(in_pieces > 100, "only {in_pieces} changes went in pieces");
}

#[tokio::test]
async fn after_an_append_only_the_touched_segments_are_read() {
    let queries = Queries::new(&Config::default()).unwrap();
    let store = Store::open("memory://").await.unwrap();
    let frame = ticks(&store).await;
    for day in 0..20 {
        let times: Vec<i64> = (0..24)
            .map(|hour| BEGIN + 86_400 * day + hour * 3600)
            .collect();
        let options = PutOptions::mode(PutMode::Append).index(["t"]);
        put(&frame, options, &times, 0.0).await;
    }
    let case = Resampling::new("2h", "sum");
    let before = frame.newest().await.unwrap();
    let grid = resample(before.clone(), &case).grid().await.unwrap();
    let late = BEGIN + 86_400 * 5 + 1800;
    put(&frame, PutOptions::mode(PutMode::Append), &[late], 1.0).await;
    let newest = frame.newest().await.unwrap();
    let reads = store.requests().segment_reads;
    let commit = before.commit().unwrap();
    let changed = newest.changed_since(20, &commit).await.unwrap();
    let now = resample(newest, &case);
    let next = now.grid().await.unwrap();
    let Plan::Pieces(pieces) = plan(&now, grid, next, &changed).await.unwrap() else {
        panic!("one bin was touched");
    };
    assert_eq!(store.requests().segment_reads, reads);
    let [piece] = pieces.as_slice() else {
        panic!("{pieces:?}");
    };
    let rows = bars(&queries, piece.rows.clone().unwrap()).await;
    assert_eq!(rows.len(), 1);
    // The day's, and the one that was appended.
    assert_eq!(store.requests().segment_reads - reads, 2);
}
