//! The part of one segment that is read: a run of its rows, without those that are hidden.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use roaring::RoaringBitmap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::filter::Sieve;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::index::{KeyRange, Span};
use crate::log::change::Segment;
use crate::plain::PlainFile;
use crate::schema::identity::{Adapt, identity};
use crate::segment::{self, ObjectReader, Origin, PageBounds};

/// Segments whose borders are looked for at the same time.
const PARALLEL_LOOKS: usize = 8;
/// Batches of a piece that wait to be taken.
const BATCHES_AHEAD: usize = 2;

/// A piece of no more rows is a batch or two.
const SMALL_ROWS: u64 = 4096;

/// Batches of rows.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch>>;

/// A run of rows of one file.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    file: ObjectReader,
    origin: Origin,
    /// The schema that the file was written with.
    written: SchemaRef,
    /// Which rows of the file, by number.
    pub(crate) rows: Range<u64>,
    pub(crate) hidden: Option<Arc<RoaringBitmap>>,
    /// Between which keys the file's rows lie, if the frame has an index.
    pub(crate) range: Option<KeyRange>,
}

impl Piece {
    /// All of a plain file.
    pub(crate) fn plain(log: &FrameLog, plain: PlainFile) -> Self {
        Self {
            file: log.file(plain.path, plain.bytes),
            origin: Origin::Plain,
            written: plain.schema,
            rows: 0..plain.rows,
            hidden: None,
            range: None,
        }
    }

    /// All of a segment.
    pub(crate) async fn whole(log: &FrameLog, segment: &Segment) -> Result<Self> {
        let hidden = match &segment.hidden {
            Some(hidden) => Some(hidden.read(log).await?),
            None => None,
        };
        Ok(Self {
            file: log.segment(&segment.record),
            origin: Origin::Segment,
            written: log.schema(&segment.schema).await?.schema,
            rows: 0..segment.record.rows,
            hidden,
            range: segment.record.range.clone(),
        })
    }

    /// How many visible rows it has.
    pub(crate) fn visible(&self) -> u64 {
        self.rows.end - self.rows.start - self.hidden_in(&self.rows)
    }

    fn hidden_in(&self, rows: &Range<u64>) -> u64 {
        let hidden = self.hidden.as_ref().filter(|_| !rows.is_empty());
        hidden.map_or(0, |hidden| {
            hidden.range_cardinality(narrow(rows.start)..narrow(rows.end))
        })
    }

    /// Leaves out the first `skip` visible rows, and all after the next `take`.
    pub(crate) fn cut(&mut self, skip: u64, take: u64) {
        let start = self.after(skip);
        let end = self.after(skip.saturating_add(take));
        self.rows = start..end;
    }

    /// The number of the row before which there are so many visible ones of this piece.
    fn after(&self, visible: u64) -> u64 {
        if self.hidden.is_none() {
            return self.rows.end.min(self.rows.start.saturating_add(visible));
        }
        let (mut low, mut high) = (self.rows.start, self.rows.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self.rows.start..middle;
            if middle - self.rows.start - self.hidden_in(&before) < visible {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Reads the columns of `wanted`, which are some of a later schema of the frame, in a task of its own, a few
    /// batches ahead of whoever takes them.
    pub(crate) fn read(self, wanted: &SchemaRef, batch_rows: usize) -> Batches {
        self.read_wanted(wanted, batch_rows, None)
    }

    /// The same, but only the rows that pass.
    pub(crate) fn read_wanted(
        self,
        wanted: &SchemaRef,
        batch_rows: usize,
        sieve: Option<Arc<Sieve>>,
    ) -> Batches {
        ahead(self.sifted(Arc::clone(wanted), batch_rows, sieve))
    }

    /// The same for the only piece of a read. A small one is read when it is taken: there is nothing to be ahead of, and
    /// what it would take to hand its rows from one task to another is more than reading it.
    pub(super) fn read_alone(
        self,
        wanted: &SchemaRef,
        batch_rows: usize,
        sieve: Option<Arc<Sieve>>,
    ) -> Batches {
        if self.visible() > SMALL_ROWS {
            return self.read_wanted(wanted, batch_rows, sieve);
        }
        stream::once(self.sifted(Arc::clone(wanted), batch_rows, sieve))
            .try_flatten()
            .boxed()
    }

    async fn sifted(
        self,
        wanted: SchemaRef,
        batch_rows: usize,
        sieve: Option<Arc<Sieve>>,
    ) -> Result<Batches> {
        match sieve {
            Some(sieve) => sieve.sift(self, wanted, batch_rows).await,
            None => self.batches(&wanted, batch_rows).await,
        }
    }

    /// The columns of `wanted`, read when they are taken.
    pub(super) async fn batches(self, wanted: &SchemaRef, batch_rows: usize) -> Result<Batches> {
        let adapt = Adapt::new(&self.written, wanted);
        let rows = segment::Rows {
            columns: Some(adapt.columns().to_vec()),
            offset: self.rows.start,
            limit: Some(self.rows.end - self.rows.start),
            hidden: self.hidden,
            batch_rows,
        };
        let batches = segment::read(self.file, self.origin, &self.written, rows).await?;
        Ok(batches
            .map(move |batch| batch.and_then(|batch| adapt.apply(&batch)))
            .boxed())
    }

    /// Leaves out rows of the file, by their numbers.
    pub(super) fn hide(&mut self, rows: RoaringBitmap) {
        if rows.is_empty() {
            return;
        }
        let hidden = match &self.hidden {
            Some(hidden) => rows | hidden.as_ref(),
            None => rows,
        };
        self.hidden = Some(Arc::new(hidden));
    }

    /// The numbers of the rows that are read, ascending.
    pub(super) fn visible_rows(&self) -> impl Iterator<Item = u32> + Send + use<> {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(narrow(self.rows.start)..narrow(self.rows.end));
        if let Some(hidden) = &self.hidden {
            rows -= hidden.as_ref();
        }
        rows.into_iter()
    }

    /// What the file's pages say about a column of a later schema of the frame, if they do.
    pub(super) async fn page_bounds(
        &self,
        column: &arrow_schema::Field,
    ) -> Result<Option<PageBounds>> {
        let same = |field: &&Arc<arrow_schema::Field>| identity(field) == identity(column);
        match (self.origin, self.written.fields().iter().find(same)) {
            (Origin::Segment, Some(field)) => PageBounds::of(self.file.clone(), field).await,
            _ => Ok(None),
        }
    }

    /// Leaves only rows within a range of `column`, by which the file is sorted.
    pub(crate) async fn narrow_to(
        &mut self,
        span: &Span,
        column: &arrow_schema::Field,
    ) -> Result<()> {
        let same = |field: &Arc<arrow_schema::Field>| identity(field) == identity(column);
        let Some(place) = self.written.fields().iter().position(same) else {
            return Ok(());
        };
        let below = |values: &dyn Array| span.before_start(values);
        let through = |values: &dyn Array| span.through_stop(values);
        let file = self.file.clone();
        let rows =
            segment::border::rows_between(file, &self.written, place, &below, &through).await?;
        // Between two bounds that exclude each other lies less than nothing.
        self.rows = rows.start.min(rows.end)..rows.end;
        Ok(())
    }
}

/// Reads in a task of its own, a few batches ahead of whoever takes them.
fn ahead(reading: impl Future<Output = Result<Batches>> + Send + 'static) -> Batches {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::spawn(async move {
        let mut batches = match reading.await {
            Ok(batches) => batches,
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        };
        while let Some(batch) = batches.next().await {
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(receiver).boxed()
}

fn narrow(row: u64) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// The parts of segments whose rows lie in a range of the index, whose first column is `column`. Only segments that
/// lie partly in it are looked into.
pub(crate) async fn pieces_between(
    log: &FrameLog,
    segments: &[Segment],
    span: &Span,
    column: &arrow_schema::Field,
) -> Result<Vec<Piece>> {
    let meets = |segment: &&Segment| {
        let range = segment.record.range.as_ref();
        range.is_none_or(|range| !span.excludes(range))
    };
    let look = |segment| between(log, segment, span, column);
    let looks: Vec<_> = segments.iter().filter(meets).map(look).collect();
    let mut pieces: Vec<Piece> = stream::iter(looks)
        .buffered(PARALLEL_LOOKS)
        .try_collect()
        .await?;
    pieces.retain(|piece| !piece.rows.is_empty());
    Ok(pieces)
}

async fn between(
    log: &FrameLog,
    segment: &Segment,
    span: &Span,
    column: &arrow_schema::Field,
) -> Result<Piece> {
    let mut piece = Piece::whole(log, segment).await?;
    if !piece.range.as_ref().is_some_and(|range| span.covers(range)) {
        piece.narrow_to(span, column).await?;
    }
    Ok(piece)
}
