//! What rows cost in the store alone, in memory: to encode and publish, to decode, and to hand out what is kept.
//!
//! ```text
//! cargo bench -p shoots-store --bench rows
//! ```
//!
//! A frame of a time, six columns of floats, an integer and a symbol; throughput is in rows a second.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use serde_json::json;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::PutMode;
use shoots_store::{Frame, PutOptions, ReadOptions, Store};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
const FLOATS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const SYMBOLS: [&str; 4] = ["AAPL", "AMZN", "GOOG", "MSFT"];

type Failure = Box<dyn std::error::Error>;

fn batch() -> Result<RecordBatch, Failure> {
    let times = TimestampNanosecondArray::from_iter_values((0..ROWS).map(|row| row * SECOND));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("time", Arc::new(times))];
    for (number, name) in (1..).zip(FLOATS) {
        let value = |row: i64| (row * number * 7919 % 100_003) as f64 / 1000.0;
        columns.push((
            name,
            Arc::new(Float64Array::from_iter_values((0..ROWS).map(value))),
        ));
    }
    let sizes = Int64Array::from_iter_values((0..ROWS).map(|row| row * 31 % 10_007));
    columns.push(("size", Arc::new(sizes)));
    let symbols = (0..ROWS).filter_map(|row| SYMBOLS.get(row as usize % SYMBOLS.len()));
    columns.push(("symbol", Arc::new(StringArray::from_iter_values(symbols))));
    Ok(RecordBatch::try_from_iter(columns)?)
}

async fn frame(row_cache_bytes: u64) -> Result<Frame, Failure> {
    let store = Store::builder("memory://").row_cache_bytes(row_cache_bytes);
    let name = FrameName::parse("ticks")?;
    Ok(store.open().await?.frame(&FrameId { bucket: None, name }))
}

async fn put(frame: &Frame, batch: &RecordBatch) -> Result<(), Failure> {
    let options = PutOptions::mode(PutMode::Replace).index(["time"]);
    let mut writer = frame.put(batch.schema(), options).await?;
    writer.write(batch.clone()).await?;
    writer.commit().await?;
    Ok(())
}

async fn read(frame: &Frame, options: ReadOptions) -> Result<usize, Failure> {
    let rows = frame.snapshot(None).await?.read(options).await?;
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

/// A hundredth of the rows, from the middle.
fn range() -> ReadOptions {
    ReadOptions {
        start: Some(json!("1970-01-07T00:00:00")),
        stop: Some(json!("1970-01-07T02:46:40")),
        ..ReadOptions::default()
    }
}

fn measured(criterion: &mut Criterion) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let batch = batch()?;
    let mut group = criterion.benchmark_group("rows");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS as u64));
    let target = runtime.block_on(frame(0))?;
    group.bench_function("put", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(put(&target, &batch))
                .map_err(|error| error.to_string())
        });
    });
    for (what, row_cache_bytes) in [("decoded", 0), ("kept", 1 << 30)] {
        let source = runtime.block_on(frame(row_cache_bytes))?;
        runtime.block_on(put(&source, &batch))?;
        // What is measured first is not what is read first.
        assert_eq!(
            runtime.block_on(read(&source, ReadOptions::default()))?,
            ROWS as usize
        );
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function(BenchmarkId::new("get", what), |bencher| {
            let get = || runtime.block_on(read(&source, ReadOptions::default()));
            bencher.iter(|| black_box(get().map_err(|error| error.to_string())));
        });
        assert_eq!(runtime.block_on(read(&source, range()))?, 10_000);
        group.throughput(Throughput::Elements(10_000));
        group.bench_function(BenchmarkId::new("range", what), |bencher| {
            let get = || runtime.block_on(read(&source, range()));
            bencher.iter(|| black_box(get().map_err(|error| error.to_string())));
        });
    }
    group.finish();
    Ok(())
}

fn rows(criterion: &mut Criterion) {
    if let Err(error) = measured(criterion) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
