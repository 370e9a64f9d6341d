//! What small durable puts cost, and that it stays the same however long the history is.
//!
//! ```text
//! cargo run --release -p shoots-store --example appends [-- <appends> [<folder>]]
//! ```
//!
//! Appends 100 rows again and again to one frame on local disk (nothing compacts it), and prints for each tenth of
//! the run the time, bytes, object writes and fsyncs of one append. Then the same put to frames that are new, and
//! the rows of the whole frame read back, against a frame that got the same rows in one put.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use futures::TryStreamExt;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::PutMode;
use shoots_store::{Frame, PutOptions, ReadOptions, Store};

const ROWS: i64 = 100;

fn batch(start: i64, rows: i64) -> Result<RecordBatch, Box<dyn Error>> {
    let numbers = || start..start + rows;
    let times: TimestampNanosecondArray = numbers().map(|n| Some(n * 1_000_000_000)).collect();
    let prices: Float64Array = numbers().map(|n| Some((n % 997) as f64 / 7.0)).collect();
    let volumes: Int64Array = numbers().map(|n| Some(n % 1013)).collect();
    Ok(RecordBatch::try_from_iter([
        ("time", Arc::new(times) as _),
        ("price", Arc::new(prices) as _),
        ("volume", Arc::new(volumes) as _),
    ])?)
}

fn frame(store: &Store, name: &str) -> Result<Frame, Box<dyn Error>> {
    let name = FrameName::parse(name)?;
    Ok(store.frame(&FrameId { bucket: None, name }))
}

async fn append(frame: &Frame, batch: RecordBatch) -> Result<(), Box<dyn Error>> {
    let mut writer = frame
        .put(batch.schema(), PutOptions::mode(PutMode::Append))
        .await?;
    writer.write(batch).await?;
    writer.commit().await?;
    Ok(())
}

async fn read(frame: &Frame) -> Result<(u64, f64), Box<dyn Error>> {
    let start = Instant::now();
    let mut rows = frame
        .snapshot(None)
        .await?
        .read(ReadOptions::default())
        .await?;
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows() as u64;
    }
    Ok((count, start.elapsed().as_secs_f64()))
}

/// Time, bytes, writes and fsyncs so far.
struct Meter<'a> {
    store: &'a Store,
    start: Instant,
    bytes: u64,
    writes: u64,
    fsyncs: u64,
}

impl<'a> Meter<'a> {
    fn start(store: &'a Store) -> Self {
        let requests = store.requests();
        Self {
            store,
            start: Instant::now(),
            bytes: requests.bytes_written,
            writes: requests.creates + requests.overwrites,
            fsyncs: store.fsyncs(),
        }
    }

    fn print(&self, what: &str, puts: i64, largest: Option<u64>) {
        let per_put = |total: u64| total as f64 / puts as f64;
        let requests = self.store.requests();
        let largest = largest.map_or(String::new(), |bytes| format!("{bytes:>12}"));
        println!(
            "{what:>14} {:>10.3} {:>12.0} {:>8.2} {:>8.2} {largest}",
            self.start.elapsed().as_secs_f64() * 1000.0 / puts as f64,
            per_put(requests.bytes_written - self.bytes),
            per_put(requests.creates + requests.overwrites - self.writes),
            per_put(self.store.fsyncs() - self.fsyncs),
        );
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let appends: i64 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let tenth = (appends / 10).max(1);
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(&folder.path().to_string_lossy()).await?;
    let grown = frame(&store, "grown")?;

    println!("appends of {ROWS} rows; per append:");
    println!(
        "{:>14} {:>10} {:>12} {:>8} {:>8} {:>12}",
        "", "ms", "bytes", "writes", "fsyncs", "most bytes"
    );
    for start in (0..appends).step_by(usize::try_from(tenth)?) {
        let count = tenth.min(appends - start);
        let meter = Meter::start(&store);
        let mut largest = 0;
        for n in start..start + count {
            let before = store.requests().bytes_written;
            append(&grown, batch(n * ROWS, ROWS)?).await?;
            largest = largest.max(store.requests().bytes_written - before);
        }
        meter.print(&format!("{start}.."), count, Some(largest));
    }

    let new_frames = 100;
    let meter = Meter::start(&store);
    for n in 0..new_frames {
        append(&frame(&store, &format!("new {n}"))?, batch(0, ROWS)?).await?;
    }
    meter.print("new frames", new_frames, None);

    let whole = frame(&store, "whole")?;
    append(&whole, batch(0, appends * ROWS)?).await?;
    let (mut grown_seconds, mut whole_seconds) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let (rows, seconds) = read(&grown).await?;
        assert_eq!(rows, (appends * ROWS).unsigned_abs(), "rows are missing");
        grown_seconds = grown_seconds.min(seconds);
        whole_seconds = whole_seconds.min(read(&whole).await?.1);
    }
    println!(
        "reading {} rows: {:.1} ms from {appends} segments, {:.1} ms from one put: {:.1} times",
        appends * ROWS,
        grown_seconds * 1000.0,
        whole_seconds * 1000.0,
        grown_seconds / whole_seconds,
    );
    Ok(())
}
