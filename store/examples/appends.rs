//! What small durable puts cost, and that it stays the same however long the history is.
//!
//! ```text
//! cargo run --release -p shoots-store --example appends [-- [<appends>] [<folder>] [--without-upkeep]]
//! ```
//!
//! Appends 100 rows again and again to one frame on local disk, which is looked after in the background as a server
//! does it. Prints for each tenth of the run the time, and the bytes, object writes and fsyncs, of one append with
//! what upkeep did meanwhile. The last hundred appends are made in turns with the first hundred to another frame, so
//! that what else the machine and its disk do falls on both, and compared with them. Then the same put to frames that
//! are new, and the rows of the whole frame read back, against a frame that got the same rows in one put: when upkeep
//! has come to rest, and once more after a complete compaction.
//!
//! `--without-upkeep` leaves the segments as the appends made them.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use futures::TryStreamExt;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::PutMode;
use shoots_store::{Frame, PutOptions, ReadOptions, Store, UpkeepSettings};

const ROWS: i64 = 100;
/// Upkeep that has not changed a frame for so long is at rest.
const QUIET: Duration = Duration::from_secs(6);
const READS: usize = 5;
/// The last appends, which are compared with a frame's first.
const LAST: i64 = 100;

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

/// Waits until nobody changes the frame any more.
async fn wait_for_rest(frame: &Frame) -> Result<(), Box<dyn Error>> {
    let mut version = None;
    loop {
        let found = frame.snapshot(None).await?.version();
        if found == version {
            return Ok(());
        }
        version = found;
        tokio::time::sleep(QUIET).await;
    }
}

/// Reads the whole frame against one that has the same rows from one put, in turns, and prints the best of each.
async fn compare(what: &str, grown: &Frame, whole: &Frame) -> Result<(), Box<dyn Error>> {
    let (mut grown_seconds, mut whole_seconds) = (f64::MAX, f64::MAX);
    let mut rows = (0, 0);
    for _ in 0..READS {
        let (of_grown, of_whole) = (read(grown).await?, read(whole).await?);
        rows = (of_grown.0, of_whole.0);
        grown_seconds = grown_seconds.min(of_grown.1);
        whole_seconds = whole_seconds.min(of_whole.1);
    }
    assert_eq!(rows.0, rows.1, "rows are missing");
    println!(
        "reading {} rows, {what}: {:.1} ms from {} segments, {:.1} ms from one put: {:.2} times",
        rows.0,
        grown_seconds * 1000.0,
        grown.snapshot(None).await?.segment_count(),
        whole_seconds * 1000.0,
        grown_seconds / whole_seconds,
    );
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

    fn print(&self, what: &str, puts: i64) {
        let per_put = |total: u64| total as f64 / puts as f64;
        let requests = self.store.requests();
        println!(
            "{what:>14} {:>10.3} {:>12.0} {:>8.2} {:>8.2}",
            self.start.elapsed().as_secs_f64() * 1000.0 / puts as f64,
            per_put(requests.bytes_written - self.bytes),
            per_put(requests.creates + requests.overwrites - self.writes),
            per_put(self.store.fsyncs() - self.fsyncs),
        );
    }
}

/// What the command line asks for.
struct Run {
    appends: i64,
    folder: Option<String>,
    upkeep: bool,
}

impl Run {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (flags, mut others): (Vec<_>, Vec<_>) =
            arguments.partition(|argument| argument.starts_with("--"));
        if let Some(unknown) = flags.iter().find(|flag| *flag != "--without-upkeep") {
            return Err(
                format!("there is no flag {unknown}; --without-upkeep is the only one").into(),
            );
        }
        others.truncate(2);
        let mut others = others.into_iter();
        let appends: i64 = others.next().map_or(Ok(10_000), |text| text.parse())?;
        Ok(Self {
            appends: appends.max(LAST),
            folder: others.next(),
            upkeep: flags.is_empty(),
        })
    }
}

/// Appends so often, tenth by tenth.
async fn grow(store: &Store, frame: &Frame, appends: i64) -> Result<(), Box<dyn Error>> {
    let tenth = (appends / 10).max(1);
    for start in (0..appends).step_by(usize::try_from(tenth)?) {
        let count = tenth.min(appends - start);
        let meter = Meter::start(store);
        for n in start..start + count {
            append(frame, batch(n * ROWS, ROWS)?).await?;
        }
        meter.print(&format!("{start}.."), count);
    }
    Ok(())
}

/// Appends a hundred times to a frame with a long history and, in turns, to a new one, and compares the times.
async fn compare_growth(grown: &Frame, new: &Frame, appends: i64) -> Result<(), Box<dyn Error>> {
    append(new, batch(0, ROWS)?).await?;
    let (mut last, mut first) = (Vec::new(), Vec::new());
    for n in 0..LAST {
        for (frame, times, at) in [(grown, &mut last, appends + n), (new, &mut first, 1 + n)] {
            let rows = batch(at * ROWS, ROWS)?;
            let begun = Instant::now();
            append(frame, rows).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    for (what, of) in [
        ("mean", mean as fn(&[f64]) -> f64),
        ("median", median as fn(&[f64]) -> f64),
    ] {
        let (first, last) = (of(&first), of(&last));
        println!(
            "{what} of a frame's first {LAST} appends {first:.3} ms, after {appends} appends {last:.3} ms: {:.2} times",
            last / first
        );
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let run = Run::parse(std::env::args().skip(1))?;
    let folder = match &run.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(&folder.path().to_string_lossy()).await?;
    let upkeep = run
        .upkeep
        .then(|| store.start_upkeep(UpkeepSettings::default()));
    // What a process pays once is not the cost of an append.
    for n in 0..100 {
        append(&frame(&store, "first steps")?, batch(n * ROWS, ROWS)?).await?;
    }

    println!("appends of {ROWS} rows; per append:");
    println!(
        "{:>14} {:>10} {:>12} {:>8} {:>8}",
        "", "ms", "bytes", "writes", "fsyncs"
    );
    let grown = frame(&store, "grown")?;
    let appends = run.appends - LAST;
    grow(&store, &grown, appends).await?;
    let new_frames = 100;
    let meter = Meter::start(&store);
    for n in 0..new_frames {
        append(&frame(&store, &format!("new {n}"))?, batch(0, ROWS)?).await?;
    }
    meter.print("new frames", new_frames);
    compare_growth(&grown, &frame(&store, "young")?, appends).await?;

    let whole = frame(&store, "whole")?;
    append(&whole, batch(0, run.appends * ROWS)?).await?;
    if upkeep.is_some() {
        wait_for_rest(&grown).await?;
    }
    let left = if run.upkeep {
        "looked after"
    } else {
        "as appended"
    };
    compare(left, &grown, &whole).await?;
    drop(upkeep);
    let begun = Instant::now();
    let report = grown.compact(false).await?;
    println!(
        "complete compaction: {:.1} ms, {} segments to {}",
        begun.elapsed().as_secs_f64() * 1000.0,
        report.segments_before,
        report.segments_after,
    );
    compare("compacted", &grown, &whole).await
}
