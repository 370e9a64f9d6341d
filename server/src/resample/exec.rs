//! Running it: reading, gathering, filling.
//!
//! Where bins lie follows from the first and the last time, so these are looked up before: two rows if the index begins
//! with the time, all of the times if not.
//!
//! In order of time, each part of the frame is decoded and gathered by a task of its own. A part cannot know whether its
//! first bin began in the part before, so it passes on the rows of that bin as they are ([`Piece::Head`]), and the task
//! that takes the parts one after the other adds them to the bin that the part before left open ([`Piece::Tail`]).
//! Parts are small and begun in order, few more than there are cores at a time, so that bins come from the first part
//! on while later ones are read: whoever stores them does so meanwhile. What is held are the open bins and the batches
//! on their way.
//!
//! In any other order, and with groups, all bins are held until the last row is read, and counted against the memory
//! that queries have.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, max, min, take};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use futures::TryStreamExt;
use serde_json::Value;
use shoots_proto::{Closed, Time};
use shoots_store::{ReadOptions, Rows as StoredRows, counted_time};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::Resample;
use super::bins::Bins;
use super::fill::{Entry, Method, Rows, reordered, row_number, sorted};
use super::gather::{Gather, times};
use super::part::{Part, Piece};
use super::window::Grid;
use crate::query::ReadCost;

/// Rows of a batch of the result.
pub(super) const BATCH_ROWS: usize = 8 * 1024;
/// Rows of a part of a frame, about.
const PART_ROWS: u64 = 500_000;
/// Parts that are read besides those that the cores work on.
const PARTS_AHEAD: usize = 1;
/// Batches that a part is ahead of its turn: as many as it may have.
const PIECES_AHEAD: usize = 64;
/// Batches of the result that are made before they are taken.
pub(super) const BATCHES_AHEAD: usize = 2;

impl Resample {
    /// Whether bins can be closed while rows pass.
    pub(super) fn streams(&self) -> bool {
        self.is_in_order() && self.by.is_empty()
    }

    /// The times that take part, both ends included, where the store does not see to that.
    fn bounds(&self) -> Result<(i64, i64)> {
        let all = (i64::MIN, i64::MAX);
        if self.is_in_order() {
            return Ok(all);
        }
        let bound = |value: &Option<Value>, field| match value {
            None => Ok(None),
            Some(value) => self.moment(value, field).map(Some),
        };
        let (start, stop) = (
            bound(&self.range.start, "start")?,
            bound(&self.range.stop, "stop")?,
        );
        let closed = self.range.closed;
        let start_belongs = matches!(closed, Closed::Left | Closed::Both);
        let stop_belongs = matches!(closed, Closed::Right | Closed::Both);
        let first = start.map_or(all.0, |start| {
            start.saturating_add(i64::from(!start_belongs))
        });
        let last = stop.map_or(all.1, |stop| stop.saturating_sub(i64::from(!stop_belongs)));
        Ok((first, last))
    }

    /// A time that was given as text, or by this server as a number in the unit of the column.
    pub(super) fn moment(&self, value: &Value, field: &str) -> Result<i64> {
        let unit = i128::from(self.layout.unit);
        let moment = match value {
            Value::String(text) => text.parse::<Time>().ok().and_then(|time| {
                let nanoseconds = i128::from(time.0.timestamp()) * 1_000_000_000
                    + i128::from(time.0.timestamp_subsec_nanos());
                i64::try_from(nanoseconds.div_euclid(unit)).ok()
            }),
            bound => counted_time(bound),
        };
        match moment {
            Some(moment) => Ok(moment),
            None => exec_err!("{field}: {value} is no time; write it like 2024-01-31T09:30:00Z"),
        }
    }

    /// The bins of times from one to another.
    pub(super) fn bins(&self, first: i64, last: i64) -> Result<Bins> {
        let bins = self.layout.bins(first, last);
        bins.map_err(|problem| DataFusionError::Execution(format!("rule: {problem}")))
    }

    /// The first and the last time of all rows that take part.
    pub(super) async fn extent(&self) -> Result<Option<(i64, i64)>> {
        let options = self.read_options(&[self.time]);
        let mut extent: Option<(i64, i64)> = None;
        if self.is_in_order() {
            let mut first = options.clone();
            first.limit = Some(1);
            let mut last = options;
            last.tail = Some(1);
            for options in [first, last] {
                let rows = self.snapshot.read(options).await.map_err(external)?;
                widen(&mut extent, rows, (i64::MIN, i64::MAX)).await?;
            }
        } else {
            let rows = self.snapshot.read(options).await.map_err(external)?;
            widen(&mut extent, rows, self.bounds()?).await?;
        }
        Ok(extent)
    }

    /// The columns of entries.
    fn batch(
        &self,
        entries: &[Entry],
        rows: &Rows,
        bins: &Bins,
        keys: &[ArrayRef],
    ) -> Result<RecordBatch> {
        let labels = entries.iter().map(|entry| bins.label(entry.bin));
        let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(labels));
        let mut columns = vec![cast(&labels, self.schema.field(0).data_type())?];
        if !keys.is_empty() {
            let groups = UInt32Array::from_iter_values(entries.iter().map(|entry| entry.group));
            for (key, field) in keys.iter().zip(self.schema.fields().iter().skip(1)) {
                // Groups were told apart by the values of categories.
                columns.push(cast(&take(key, &groups, None)?, field.data_type())?);
            }
        }
        columns.extend(self.fill.columns(entries, rows, &self.outputs)?);
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }
}

async fn widen(
    extent: &mut Option<(i64, i64)>,
    mut rows: StoredRows,
    range: (i64, i64),
) -> Result<()> {
    while let Some(batch) = rows.try_next().await.map_err(external)? {
        let times = times(batch.column(0))?;
        let (least, greatest) = if range == (i64::MIN, i64::MAX) {
            (min(&times), max(&times))
        } else {
            let within = times
                .iter()
                .flatten()
                .filter(|t| (range.0..=range.1).contains(t));
            within.fold(
                (None, None),
                |(least, greatest): (Option<i64>, Option<i64>), t| {
                    (
                        Some(least.map_or(t, |least| least.min(t))),
                        Some(greatest.map_or(t, |greatest| greatest.max(t))),
                    )
                },
            )
        };
        if let (Some(least), Some(greatest)) = (least, greatest) {
            *extent = Some(match *extent {
                None => (least, greatest),
                Some((first, last)) => (first.min(least), last.max(greatest)),
            });
        }
    }
    Ok(())
}

pub(super) fn external(error: shoots_store::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

pub(super) async fn run(
    resample: Arc<Resample>,
    cores: usize,
    memory: MemoryReservation,
    taker: Sender<Result<RecordBatch>>,
    cost: Arc<ReadCost>,
) -> Result<()> {
    let (bins, wanted) = match &resample.window {
        Some(window) => (Arc::clone(&window.bins), window.wanted.clone()),
        None => {
            let Some(Grid { first, last }) = resample.grid().await? else {
                return Ok(());
            };
            let bins = Arc::new(resample.bins(first, last)?);
            let all = 0..bins.count();
            (bins, all)
        }
    };
    let run = Run {
        cores,
        resample,
        bins,
        wanted,
        memory,
        taker,
        cost,
    };
    match run.resample.streams() {
        true => run.in_order().await,
        false => run.in_any_order().await,
    }
}

/// One pass over the frame.
struct Run {
    resample: Arc<Resample>,
    bins: Arc<Bins>,
    /// Those that are part of the result.
    wanted: std::ops::Range<u64>,
    memory: MemoryReservation,
    taker: Sender<Result<RecordBatch>>,
    cores: usize,
    cost: Arc<ReadCost>,
}

impl Run {
    /// Gathers bins while rows pass in order of time.
    async fn in_order(mut self) -> Result<()> {
        let options = self.read_options();
        let parts = self.resample.snapshot.read_parts(options, PART_ROWS).await;
        let mut parts = parts.map_err(external)?.into_iter().enumerate();
        let mut tasks = JoinSet::new();
        let mut begun: VecDeque<Receiver<Piece>> = VecDeque::new();
        for (number, rows) in parts.by_ref().take(self.cores + PARTS_AHEAD) {
            begun.push_back(self.begin(&mut tasks, number, rows));
        }
        let mut open: Option<Box<Gather>> = None;
        let mut filling = Filling::from(self.wanted.start);
        while let Some(mut pieces) = begun.pop_front() {
            while let Some(piece) = pieces.recv().await {
                match (piece, &mut open) {
                    (Piece::Head(batch), Some(open)) => {
                        open.add(&batch)?;
                        self.hold(open.bytes())?;
                    }
                    (Piece::Head(batch), None) => {
                        let mut gather = self.gather(true)?;
                        gather.add(&batch)?;
                        open = Some(Box::new(gather));
                    }
                    (Piece::Closed(rows), _) => {
                        self.close(&mut open, &mut filling).await?;
                        self.fill(&mut filling, rows).await?;
                    }
                    (Piece::Tail(tail), _) if tail.len() > 0 => {
                        self.close(&mut open, &mut filling).await?;
                        open = Some(tail);
                    }
                    (Piece::Tail(_), _) => {}
                }
            }
            if let Some((number, rows)) = parts.next() {
                begun.push_back(self.begin(&mut tasks, number, rows));
            }
            while let Some(done) = tasks.try_join_next() {
                done.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
        }
        self.close(&mut open, &mut filling).await?;
        self.end(filling).await
    }

    /// Begins to read and gather a part of the frame.
    fn begin(
        &self,
        tasks: &mut JoinSet<Result<()>>,
        number: usize,
        rows: StoredRows,
    ) -> Receiver<Piece> {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let part = Part {
            resample: Arc::clone(&self.resample),
            bins: Arc::clone(&self.bins),
            rows,
            follows: number > 0,
        };
        tasks.spawn(part.run(sender));
        pieces
    }

    async fn close(&mut self, open: &mut Option<Box<Gather>>, filling: &mut Filling) -> Result<()> {
        match open.take() {
            Some(mut gather) => {
                let rows = gather.close(usize::MAX)?;
                self.fill(filling, rows).await
            }
            None => Ok(()),
        }
    }

    /// How the rows are read.
    fn read_options(&self) -> ReadOptions {
        let options = self.resample.read_options(&self.resample.columns());
        ReadOptions {
            watch: Some(Arc::clone(&self.cost) as _),
            ..options
        }
    }

    fn gather(&self, in_order: bool) -> Result<Gather> {
        let range = self.resample.bounds()?;
        Gather::new(&self.resample, &self.bins, range, in_order)
    }

    /// Counts what is held against the memory of queries.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.memory.try_resize(bytes).map_err(|error| {
            DataFusionError::ResourcesExhausted(format!(
                "resampling holds more bins than there is memory for; choose a longer rule, fewer columns, a range with \
                 start and stop, or a frame whose index begins with the time, or have the setting raised: {error}"
            ))
        })
    }

    async fn send(&self, entries: &mut Vec<Entry>, rows: &Rows, keys: &[ArrayRef]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let batch = self.resample.batch(entries, rows, &self.bins, keys)?;
        entries.clear();
        match self.taker.send(Ok(batch)).await {
            Ok(()) => Ok(()),
            Err(_) => exec_err!("the result is not wanted any more"),
        }
    }

    /// Sends bins that follow those before, with the bins without rows between them.
    async fn fill(&mut self, filling: &mut Filling, rows: Rows) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let carried = filling.carry.take();
        let begin = usize::from(carried.is_some());
        let rows = match carried {
            Some(carried) => carried.then(rows)?,
            None => rows,
        };
        let mut entries = Vec::with_capacity(BATCH_ROWS);
        for (at, bin) in rows.bins.iter().enumerate().skip(begin) {
            let row = row_number(at)?;
            let gap = Gap {
                bins: filling.next..*bin,
                before: row.checked_sub(1),
                after: Some(row),
            };
            self.fill_gap(gap, &rows, &mut entries).await?;
            entries.push(Entry::of_row(*bin, 0, row));
            if entries.len() >= BATCH_ROWS {
                self.send(&mut entries, &rows, &[]).await?;
            }
            filling.next = bin + 1;
        }
        self.send(&mut entries, &rows, &[]).await?;
        filling.carry = rows.last();
        Ok(())
    }

    async fn fill_gap(&self, gap: Gap, rows: &Rows, entries: &mut Vec<Entry>) -> Result<()> {
        if self.resample.fill.method == Method::Drop {
            return Ok(());
        }
        for bin in gap.bins {
            entries.push(Entry {
                bin,
                group: 0,
                own: None,
                before: gap.before,
                after: gap.after,
            });
            if entries.len() >= BATCH_ROWS {
                self.send(entries, rows, &[]).await?;
            }
        }
        Ok(())
    }

    /// Sends the bins without rows behind the last one with some.
    async fn end(&self, filling: Filling) -> Result<()> {
        let before = filling.carry.is_some().then_some(0);
        let rows = match filling.carry {
            Some(rows) => rows,
            None => Rows::none(&self.resample.outputs),
        };
        let gap = Gap {
            bins: filling.next..self.wanted.end,
            before,
            after: None,
        };
        let mut entries = Vec::new();
        self.fill_gap(gap, &rows, &mut entries).await?;
        self.send(&mut entries, &rows, &[]).await
    }

    /// Gathers all bins before any is sent.
    async fn in_any_order(mut self) -> Result<()> {
        let mut gather = self.gather(false)?;
        let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let mut task = JoinSet::new();
        let options = self.read_options();
        let snapshot = self.resample.snapshot.clone();
        task.spawn(async move {
            let mut rows = snapshot.read(options).await.map_err(external)?;
            while let Some(batch) = rows.try_next().await.map_err(external)? {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok::<(), DataFusionError>(())
        });
        while let Some(batch) = batches.recv().await {
            gather.add(&batch)?;
            self.hold(gather.bytes())?;
        }
        while let Some(done) = task.join_next().await {
            done.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
        }
        let held = gather.bytes();
        let (rows, keys) = gather.close_all()?;
        if self.resample.by.is_empty() {
            let order = sorted(&rows, |at| u64::from(rows.groups[at]), |at| rows.bins[at]);
            let mut filling = Filling::from(self.wanted.start);
            self.fill(&mut filling, reordered(&rows, &order)?).await?;
            return self.end(filling).await;
        }
        self.send_groups(rows, &keys, held).await
    }

    /// Sends the bins of all groups, each from its first to its last, in order of time and then of group. The rows take
    /// so many bytes.
    async fn send_groups(&mut self, rows: Rows, keys: &[ArrayRef], bytes: usize) -> Result<()> {
        let order = sorted(&rows, |at| u64::from(rows.groups[at]), |at| rows.bins[at]);
        let rows = reordered(&rows, &order)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(rows.bins.len());
        for (at, (bin, group)) in rows.bins.iter().zip(&rows.groups).enumerate() {
            let row = row_number(at)?;
            let before = at
                .checked_sub(1)
                .filter(|before| rows.groups[*before] == *group);
            if let Some(before) = before
                && self.resample.fill.method != Method::Drop
            {
                for empty in rows.bins[before] + 1..*bin {
                    entries.push(Entry {
                        bin: empty,
                        group: *group,
                        own: None,
                        before: row.checked_sub(1),
                        after: Some(row),
                    });
                    if entries.len().is_multiple_of(1 << 16) {
                        self.hold(bytes + entries.capacity() * size_of::<Entry>())?;
                        // Ends here if nobody waits for the result any more.
                        tokio::task::yield_now().await;
                    }
                }
            }
            entries.push(Entry::of_row(*bin, *group, row));
        }
        self.hold(bytes + entries.capacity() * size_of::<Entry>())?;
        entries.sort_unstable_by_key(|entry| (entry.bin, entry.group));
        for chunk in entries.chunks(BATCH_ROWS) {
            self.send(&mut chunk.to_vec(), &rows, keys).await?;
        }
        Ok(())
    }
}

/// How far the result is made.
struct Filling {
    /// The bin that comes next.
    next: u64,
    /// The last bin with rows.
    carry: Option<Rows>,
}

impl Filling {
    fn from(next: u64) -> Self {
        Self { next, carry: None }
    }
}

/// Bins without rows, and the rows of the bins around them.
struct Gap {
    bins: std::ops::Range<u64>,
    before: Option<u32>,
    after: Option<u32>,
}
