//! Indexed frames and their history over the wire: ranges, corrections, versions, names of versions, and files.

mod columns;
mod combining;
mod continuous;
mod export;
mod indexed;
mod queries;
mod resampling;
mod snapshots;
mod upkeep;
mod versions;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use shoots_client::{Frame, PutMode, PutResult};

/// The first hour, 2013-01-01T00:00:00Z.
const BEGIN: i64 = 1_356_998_400_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// Weather by (hour, station): an hour since the beginning, a station, and a temperature that may be missing.
fn weather(rows: &[(i64, &str, Option<f64>)]) -> RecordBatch {
    let times = rows.iter().map(|(hour, ..)| BEGIN + hour * HOUR);
    let times = TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC");
    let stations = rows.iter().map(|(_, station, _)| *station);
    let temperatures: Float64Array = rows.iter().map(|(.., temperature)| *temperature).collect();
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("time_hour", Arc::new(times), false),
        (
            "origin",
            Arc::new(StringArray::from_iter_values(stations)),
            false,
        ),
        ("temp", Arc::new(temperatures), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Hours in which the two stations `EWR` and `JFK` have the temperature of the hour.
fn hours(hours: std::ops::Range<i64>) -> RecordBatch {
    let rows: Vec<(i64, &str, Option<f64>)> = hours
        .flat_map(|hour| ["EWR", "JFK"].map(|station| (hour, station, Some(hour as f64))))
        .collect();
    weather(&rows)
}

/// What [`weather`] was made of.
fn told(batch: &RecordBatch) -> Vec<(i64, String, Option<f64>)> {
    let times = batch["time_hour"].as_primitive::<TimestampNanosecondType>();
    let stations = batch["origin"].as_string::<i32>();
    let temperatures = batch["temp"].as_primitive::<Float64Type>();
    (0..batch.num_rows())
        .map(|row| {
            let hour = (times.value(row) - BEGIN) / HOUR;
            let temperature = temperatures.iter().nth(row).unwrap();
            (hour, stations.value(row).to_owned(), temperature)
        })
        .collect()
}

/// The hours and temperatures of one station.
fn at(batch: &RecordBatch, station: &str) -> Vec<(i64, Option<f64>)> {
    let rows = told(batch).into_iter().filter(|(_, of, _)| of == station);
    rows.map(|(hour, _, temperature)| (hour, temperature))
        .collect()
}

/// Puts rows of a frame that is indexed by hour and station.
async fn put(frame: &Frame, mode: PutMode, batch: RecordBatch) -> PutResult {
    let put = frame.put().mode(mode).index(["time_hour", "origin"]);
    put.send_batch(batch).await.unwrap()
}

async fn all(frame: &Frame) -> RecordBatch {
    frame.get().collect_one().await.unwrap()
}
