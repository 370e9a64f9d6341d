//! Rows on their way into segments: encoded while more arrive, written while more are encoded.
//!
//! A sink holds its share of the store's memory for puts ([`crate::budget`]). It works on one group of batches at
//! a time in a blocking task, so that receiving, encoding and writing overlap and each waits for the others.

mod order;
mod staged;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinHandle;

pub(crate) use self::order::Order;
use self::order::{KeyTrail, Sorting};
pub(crate) use self::staged::{Staged, StagedRows};
use crate::budget::Share;
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::index::KeyRange;
use crate::log::commit::SegmentRecord;
use crate::segment::{EncodedSegment, SegmentEncoder};
use crate::time::Timestamp;

/// Batches are gathered until they are this large, and larger ones are cut, before they are encoded.
const WORK_BYTES: u64 = 8 << 20;
/// So much is encoded at once when the encoder has nothing else to do.
const EAGER_BYTES: u64 = 1 << 20;
/// Rows that do not come in the order of the index are sorted in runs of this size. Sorting takes as much again.
const RUN_BYTES: u64 = 32 << 20;
/// Segments that one put writes at the same time.
const PARALLEL_WRITES: usize = 2;

/// How many segments are looked at at the same time.
const PARALLEL_LOOKS: usize = 16;

/// Objects that no entry refers to are swept after a day; a put that takes longer than this might lose some.
const LONGEST_PUT_SECONDS: u64 = 12 * 3600;

/// Turns the batches of one put into durable segments. Dropping it abandons the put, and removes them.
#[derive(Debug)]
pub(crate) struct SegmentSink {
    log: FrameLog,
    stage: Stage,
    /// If the frame has an index.
    sorting: Option<Sorting>,
    waiting: Vec<RecordBatch>,
    waiting_bytes: u64,
    staged: Staged,
    writing_bytes: u64,
    /// In the order of the rows; none: still being written.
    segments: Vec<Option<SegmentRecord>>,
    share: Share,
    first_object: Option<Timestamp>,
}

enum Stage {
    Idle(Box<Encoding>),
    Encoding(JoinHandle<Result<(Box<Encoding>, Vec<Finished>)>>),
    /// The encoder is gone, because something failed.
    Failed,
}

impl Stage {
    /// Whether nothing is being encoded.
    fn rests(&self) -> bool {
        match self {
            Self::Idle(_) => true,
            Self::Encoding(task) => task.is_finished(),
            Self::Failed => false,
        }
    }
}

/// The encoder, and the keys of the rows in it.
struct Encoding {
    encoder: SegmentEncoder,
    trail: Option<KeyTrail>,
}

/// A segment, and between which keys its rows lie.
type Finished = (EncodedSegment, Option<KeyRange>);

impl Encoding {
    fn push(&mut self, batch: &RecordBatch) -> Result<Vec<Finished>> {
        if let Some(trail) = &mut self.trail {
            trail.note(batch)?;
        }
        let segments = self.encoder.push(batch)?;
        segments
            .into_iter()
            .map(|segment| self.with_range(segment))
            .collect()
    }

    fn finish(&mut self) -> Result<Option<Finished>> {
        let segment = self.encoder.finish()?;
        segment.map(|segment| self.with_range(segment)).transpose()
    }

    fn with_range(&mut self, segment: EncodedSegment) -> Result<Finished> {
        let range = match &mut self.trail {
            Some(trail) => trail.take(segment.rows)?,
            None => None,
        };
        Ok((segment, range))
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle(_) => "Idle",
            Self::Encoding(_) => "Encoding",
            Self::Failed => "Failed",
        })
    }
}

#[derive(Debug)]
struct Written {
    place: usize,
    record: SegmentRecord,
}

impl SegmentSink {
    /// A sink for rows of `schema`, sorted if an order is given.
    pub(crate) fn new(log: FrameLog, schema: SchemaRef, order: Option<Order>) -> Result<Self> {
        let trail = match &order {
            Some(order) => Some(KeyTrail::new(&schema, &order.index)?),
            None => None,
        };
        let encoder = SegmentEncoder::new(schema, log.shared().limits, log.shared().packing)?;
        Ok(Self {
            staged: Staged::new(log.clone()),
            log,
            stage: Stage::Idle(Box::new(Encoding { encoder, trail })),
            sorting: order.map(Sorting::new),
            waiting: Vec::new(),
            waiting_bytes: 0,
            writing_bytes: 0,
            segments: Vec::new(),
            share: Share::default(),
            first_object: None,
        })
    }

    /// Takes rows, and waits when there is no memory for them.
    pub(crate) async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        for piece in cut(&batch)? {
            if let Some(sorting) = &mut self.sorting
                && sorting.note(&piece)?
            {
                self.flush_encoder(false).await?;
            }
            let gathers = self.sorting.as_ref().is_some_and(Sorting::gathers);
            let bytes = memory_bytes(&piece)?;
            self.reserve(if gathers { 2 * bytes } else { bytes })
                .await?;
            self.waiting.push(piece);
            self.waiting_bytes += bytes;
            let enough = match gathers {
                true => RUN_BYTES,
                false if self.stage.rests() => EAGER_BYTES,
                false => WORK_BYTES,
            };
            if self.waiting_bytes >= enough {
                let encoding = self.idle().await?;
                self.encode(encoding, gathers, gathers);
            }
        }
        Ok(())
    }

    /// Waits until all rows are in durable segments, and returns those. Nothing more is taken.
    pub(crate) async fn finish(&mut self) -> Result<Staged> {
        self.flush().await?;
        self.stage = Stage::Failed;
        self.share = Share::default();
        let now = self.log.now();
        if let Some(first) = self.first_object
            && now.seconds_since(first) > LONGEST_PUT_SECONDS
        {
            let hours = LONGEST_PUT_SECONDS / 3600;
            let problem = format!("the put took longer than {hours} hours");
            return Err(Cause::Conflict(problem).into());
        }
        let segments: Vec<_> = self.segments.drain(..).flatten().collect();
        check_present(&self.log, &segments).await?;
        let mut staged = self.take_staged();
        staged.complete(segments);
        Ok(staged)
    }

    /// Gives the put up, and returns when nothing is left of it.
    pub(crate) async fn abandon(&mut self) {
        self.stage = Stage::Failed;
        self.take_staged().remove().await;
    }

    fn take_staged(&mut self) -> Staged {
        let mut staged = std::mem::replace(&mut self.staged, Staged::new(self.log.clone()));
        staged.share = std::mem::take(&mut self.share);
        staged
    }

    /// Gets memory for more rows; if there is none, gives all back first.
    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        let budget = self.log.shared().put_memory.clone();
        if !budget.try_grow(&mut self.share, bytes) {
            self.flush().await?;
            self.share = Share::default();
            self.share = budget.share(bytes).await;
        }
        Ok(())
    }

    /// Writes out what was taken so far and gives its memory back, if another put waits for some.
    pub(crate) async fn yield_memory(&mut self) -> Result<()> {
        if self.share.is_empty() || self.log.shared().put_memory.waiting() == 0 {
            return Ok(());
        }
        self.flush().await?;
        self.share = Share::default();
        Ok(())
    }

    /// Writes out everything that was taken so far.
    async fn flush(&mut self) -> Result<()> {
        let gathers = self.sorting.as_ref().is_some_and(Sorting::gathers);
        self.flush_encoder(gathers).await?;
        while !self.staged.writes.is_empty() {
            self.join_write().await?;
        }
        Ok(())
    }

    /// Finishes the segment that is under way with what waits.
    async fn flush_encoder(&mut self, sort: bool) -> Result<()> {
        let encoding = self.idle().await?;
        self.encode(encoding, true, sort);
        let encoding = self.idle().await?;
        self.stage = Stage::Idle(encoding);
        Ok(())
    }

    /// Waits for the encoder, and sends off the segments that it has finished.
    async fn idle(&mut self) -> Result<Box<Encoding>> {
        let encoding = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Idle(encoding) => encoding,
            Stage::Encoding(task) => {
                let (encoding, finished) = task.await.map_err(ended)??;
                for (segment, range) in finished {
                    self.send_off(segment, range).await?;
                }
                encoding
            }
            Stage::Failed => return Err(Cause::Task("this put has failed before".into()).into()),
        };
        let waiting = match &self.sorting {
            Some(sorting) if sorting.gathers() => 2 * self.waiting_bytes,
            _ => self.waiting_bytes,
        };
        let held = encoding.encoder.buffered_bytes() as u64 + waiting + self.writing_bytes;
        self.share.shrink_to(held);
        Ok(encoding)
    }

    fn encode(&mut self, mut encoding: Box<Encoding>, to_the_end: bool, sort: bool) {
        let order = self.sorting.as_ref().map(|sorting| sorting.order.clone());
        let order = order.filter(|_| sort);
        let batches = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let task = tokio::task::spawn_blocking(move || {
            let batches = match order {
                Some(order) => order::sort(&order, batches)?,
                None => batches,
            };
            let mut finished = Vec::new();
            for batch in batches {
                finished.extend(encoding.push(&batch)?);
            }
            if to_the_end {
                finished.extend(encoding.finish()?);
            }
            Ok((encoding, finished))
        });
        self.stage = Stage::Encoding(task);
    }

    async fn send_off(&mut self, segment: EncodedSegment, range: Option<KeyRange>) -> Result<()> {
        if let Some(space) = &self.log.shared().space {
            space.admit(segment.bytes.len() as u64).await?;
        }
        while self.staged.writes.len() >= PARALLEL_WRITES {
            self.join_write().await?;
        }
        let now = self.log.now();
        self.first_object.get_or_insert(now);
        let record = SegmentRecord {
            id: self.log.unique_id(),
            rows: segment.rows,
            bytes: segment.bytes.len() as u64,
            hash: segment.hash,
            range,
            footer: Some(segment.footer),
        };
        let place = self.segments.len();
        self.segments.push(None);
        self.writing_bytes += record.bytes;
        let path = self.log.paths().segment(&record.id);
        let objects = self.log.objects().clone();
        self.staged.note(&record.id);
        self.staged.writes.spawn(async move {
            objects.create_immutable(&path, segment.bytes).await?;
            Ok(Written { place, record })
        });
        Ok(())
    }

    async fn join_write(&mut self) -> Result<()> {
        if let Some(joined) = self.staged.writes.join_next().await {
            let written = joined.map_err(ended)??;
            self.writing_bytes -= written.record.bytes;
            self.segments[written.place] = Some(written.record);
        }
        Ok(())
    }
}

/// Segments that lay for a while before the put ended may have been removed: by somebody, or by the sweep of a server whose
/// clock is far ahead. One segment is written just before it is published.
async fn check_present(log: &FrameLog, segments: &[SegmentRecord]) -> Result<()> {
    if segments.len() < 2 {
        return Ok(());
    }
    let objects = log.objects().uncached();
    let sizes = segments.iter().map(|segment| {
        let path = log.paths().segment(&segment.id);
        let objects = &objects;
        async move { objects.size(&path).await }
    });
    let sizes: Vec<_> = sizes.collect();
    let mut sizes = stream::iter(sizes).buffered(PARALLEL_LOOKS);
    while let Some(size) = sizes.try_next().await? {
        if size.is_none() {
            let problem = "rows of this put were removed while it went on; put them again, and look whether the \
                clocks of all servers on this directory are right";
            return Err(Cause::Conflict(problem.into()).into());
        }
    }
    Ok(())
}

impl Drop for SegmentSink {
    fn drop(&mut self) {
        // Writes that go on hold memory, so the share goes with them.
        drop(self.take_staged());
    }
}

fn ended(error: tokio::task::JoinError) -> Error {
    Cause::Task(error.to_string()).into()
}

/// Slices of at most [`WORK_BYTES`], where rows are small enough for that.
fn cut(batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
    let rows = batch.num_rows();
    if rows == 0 {
        return Ok(Vec::new());
    }
    let pieces = memory_bytes(batch)?.div_ceil(WORK_BYTES).max(1);
    let pieces = usize::try_from(pieces).unwrap_or(usize::MAX).min(rows);
    let length = rows.div_ceil(pieces);
    let starts = (0..rows).step_by(length);
    Ok(starts
        .map(|start| batch.slice(start, length.min(rows - start)))
        .collect())
}

/// What the rows of a batch take in memory, however large the buffers are that they lie in.
fn memory_bytes(batch: &RecordBatch) -> Result<u64> {
    let mut bytes = 0;
    for column in batch.columns() {
        let column = column.to_data().get_slice_memory_size();
        bytes += column.map_err(|error| Error::io("measuring a batch", error))?;
    }
    Ok(bytes as u64)
}
