//! What it costs to make Flight messages of record batches, and record batches of messages.
//!
//! ```text
//! cargo bench -p shoots-flight --bench messages
//! ```
//!
//! A million rows of six columns of floats, in batches of 20,000, as a server sends them; throughput is in rows a second.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_flight::FlightData;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use futures::{TryStreamExt, stream};
use shoots_flight::{EncodeOptions, Error, decode, encode};

const ROWS: usize = 1_000_000;
const BATCH_ROWS: usize = 20_000;
const COLUMNS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

type Failure = Box<dyn std::error::Error>;

fn batches() -> Result<Vec<RecordBatch>, Failure> {
    let column = |number: usize| -> ArrayRef {
        let value = |row: usize| (row * (number + 1) * 7919 % 100_003) as f64;
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(value)))
    };
    let columns = COLUMNS.iter().enumerate();
    let columns = columns.map(|(number, name)| (*name, column(number)));
    let all = RecordBatch::try_from_iter(columns)?;
    let starts = (0..ROWS).step_by(BATCH_ROWS);
    Ok(starts.map(|start| all.slice(start, BATCH_ROWS)).collect())
}

fn messages(batches: &[RecordBatch]) -> Result<Vec<FlightData>, Error> {
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    let rows = stream::iter(batches.iter().cloned().map(Ok::<_, Error>));
    block_on(encode(first.schema(), rows, EncodeOptions::default()).try_collect())
}

fn rows(messages: &[FlightData]) -> Result<usize, Error> {
    let messages = stream::iter(messages.iter().cloned().map(Ok::<_, Error>));
    let batches: Vec<RecordBatch> = block_on(decode(messages).try_collect())?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

fn measured(criterion: &mut Criterion) -> Result<(), Failure> {
    let batches = batches()?;
    let encoded = messages(&batches)?;
    assert_eq!(rows(&encoded)?, ROWS);
    let mut group = criterion.benchmark_group("messages");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(messages(&batches).map_err(|error| error.to_string())));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| black_box(rows(&encoded).map_err(|error| error.to_string())));
    });
    group.finish();
    Ok(())
}

fn both_ways(criterion: &mut Criterion) {
    if let Err(error) = measured(criterion) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

criterion_group!(benches, both_ways);
criterion_main!(benches);
