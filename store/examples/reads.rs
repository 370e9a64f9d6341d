//! What reading a frame costs: in one stream, and in parts that two tasks read; and what putting its bins costs.
//!
//! ```text
//! cargo run --release --example reads [-- [<rows>] [<rounds>] [<folder>]]
//! ```
//!
//! Puts a frame of a time and six columns of floats on local disk, a row for each second, and reads all of it again
//! and again from the operating system's cache: by one reader, and in parts as resampling reads them, with a sum over
//! every value. Then puts a frame of a sixtieth of the rows, which is what resampling them to minutes stores. Prints the
//! best and the median of the rounds.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::PutMode;
use shoots_store::{Frame, PutOptions, ReadOptions, Rows, Snapshot, Store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: i64 = 100_000;
const PART_ROWS: u64 = 500_000;
const TASKS: usize = 2;
const COLUMNS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn batch(start: i64, rows: i64) -> Outcome<RecordBatch> {
    let numbers = || start..start + rows;
    let times: TimestampNanosecondArray = numbers().map(|n| Some(n * 1_000_000_000)).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("time", Arc::new(times))];
    for (number, name) in (1..).zip(COLUMNS) {
        let values = numbers().map(|n| Some((n * number * 7919 % 100_003) as f64 / 1000.0));
        let values: Float64Array = values.collect();
        columns.push((name, Arc::new(values)));
    }
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

async fn put(frame: &Frame, rows: i64) -> Outcome<()> {
    let options = PutOptions::mode(PutMode::Replace).index(["time"]);
    let mut writer = frame.put(batch(0, 1)?.schema(), options).await?;
    for start in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
        writer
            .write(batch(start, BATCH_ROWS.min(rows - start))?)
            .await?;
    }
    writer.commit().await?;
    Ok(())
}

/// A sum over every float.
async fn total(mut rows: Rows) -> Outcome<f64> {
    let mut total = 0.0;
    while let Some(batch) = rows.try_next().await? {
        for column in batch.columns().iter().skip(1) {
            let values = column.as_primitive::<Float64Type>().values();
            let (chunks, rest) = values.as_chunks::<8>();
            let mut sums = [0.0; 8];
            for chunk in chunks {
                for lane in 0..8 {
                    sums[lane] += chunk[lane];
                }
            }
            total += sums.iter().chain(rest).sum::<f64>();
        }
    }
    Ok(total)
}

async fn in_one_stream(snapshot: &Snapshot) -> Outcome<f64> {
    total(snapshot.read(ReadOptions::default()).await?).await
}

async fn in_parts(snapshot: &Snapshot) -> Outcome<f64> {
    let parts = snapshot
        .read_parts(ReadOptions::default(), PART_ROWS)
        .await?;
    let totals = stream::iter(parts)
        .map(|part| async { tokio::spawn(total(part)).await? })
        .buffered(1 + TASKS);
    totals
        .try_fold(0.0, |sum, part| async move { Ok(sum + part) })
        .await
}

fn note(seconds: &mut Vec<f64>, begun: Instant) {
    seconds.push(begun.elapsed().as_secs_f64());
}

fn print(what: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let milliseconds = |at: usize| seconds.get(at).map_or(f64::NAN, |s| s * 1000.0);
    let (best, median) = (milliseconds(0), milliseconds(seconds.len() / 2));
    println!("{what:>20} {best:>10.1} {median:>10.1}");
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let rows: i64 = arguments
        .next()
        .map_or(Ok(10_000_000), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(15), |text| text.parse())?;
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(&format!("file://{}", folder.path().display())).await?;
    let frame = |name: &str| -> Outcome<Frame> {
        let name = FrameName::parse(name)?;
        Ok(store.frame(&FrameId { bucket: None, name }))
    };
    let (seconds, minutes) = (frame("seconds")?, frame("minutes")?);
    put(&seconds, rows).await?;
    let snapshot = seconds.snapshot(None).await?;
    let (mut one, mut parts, mut puts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = Instant::now();
        let expected = in_one_stream(&snapshot).await?;
        note(&mut one, begun);
        let begun = Instant::now();
        let found = in_parts(&snapshot).await?;
        note(&mut parts, begun);
        assert!(
            (found - expected).abs() <= expected.abs() * 1e-9,
            "{found} is not {expected}"
        );
        let begun = Instant::now();
        put(&minutes, rows / 60).await?;
        note(&mut puts, begun);
    }
    let segments = snapshot.segment_count();
    println!(
        "{rows} rows in {segments} segments, {} bytes, {rounds} rounds",
        snapshot.bytes()
    );
    println!("{:>20} {:>10} {:>10}", "milliseconds", "best", "median");
    print("read in one stream", one);
    print("read in parts", parts);
    print("a sixtieth put", puts);
    Ok(())
}
