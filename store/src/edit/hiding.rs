//! Which rows of which segments a change hides, and what that makes of the list of segments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{Index, KeyRange, KeySet, Span};
use crate::log::change::Segment;
use crate::log::commit::{SegmentRecord, Totals};
use crate::log::derive::Step;
use crate::log::hidden::HiddenRecord;
use crate::read::{BATCH_ROWS, Piece};

/// What was found out about segments: they never change, so it holds when the change is worked out once more
/// because another writer came first.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<HashMap<String, Arc<RoaringBitmap>>>);

impl Found {
    pub(super) fn get(&self, segment: &str) -> Option<Arc<RoaringBitmap>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(segment).cloned()
    }

    pub(super) fn keep(&self, segment: &str, rows: RoaringBitmap) -> Arc<RoaringBitmap> {
        let rows = Arc::new(rows);
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(segment.to_owned(), Arc::clone(&rows));
        rows
    }
}

/// The rows of a segment whose value in `column`, the first of the index, lies in a range.
pub(crate) async fn rows_in_span(
    log: &FrameLog,
    segment: &Segment,
    span: &Span,
    column: &Field,
) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    let range = segment.record.range.as_ref();
    if range.is_some_and(|range| span.excludes(range)) {
        return Ok(rows);
    }
    let mut piece = Piece::whole(log, segment).await?;
    if !range.is_some_and(|range| span.covers(range)) {
        piece.narrow_to(span, column).await?;
    }
    rows.insert_range(row_number(piece.rows.start)?..row_number(piece.rows.end)?);
    Ok(rows)
}

/// The keys of one segment's worth of rows, to be looked for in others.
pub(crate) struct Keys {
    batches: Vec<RecordBatch>,
    range: KeyRange,
    span: Span,
    /// The schema of just the index columns.
    pub(crate) schema: SchemaRef,
    index: Index,
}

impl Keys {
    /// The keys of a segment that was just written, under a schema of the frame.
    pub(super) async fn of(log: &FrameLog, segment: &Segment, names: &[String]) -> Result<Self> {
        let schema = log.schema(&segment.schema).await?.schema;
        Self::under(log, segment, &schema, names).await
    }

    /// The keys of a segment's visible rows, as a frame of this schema with the index `names` has them.
    pub(crate) async fn under(
        log: &FrameLog,
        segment: &Segment,
        schema: &Schema,
        names: &[String],
    ) -> Result<Self> {
        let index = Index::new(schema, names)?;
        let schema = Arc::new(schema.project(index.columns()).map_err(projecting)?);
        let index = Index::new(&schema, names)?;
        let range = segment
            .record
            .range
            .clone()
            .ok_or_else(|| no_range(segment))?;
        let span = first_span(&range).ok_or_else(|| no_range(segment))?;
        let piece = Piece::whole(log, segment).await?;
        let batches = piece.read(&schema, BATCH_ROWS).try_collect().await?;
        Ok(Self {
            batches,
            range,
            span,
            schema,
            index,
        })
    }

    /// The keys, ready to be looked for.
    pub(super) fn set(&self) -> Result<KeySet<'_>> {
        KeySet::new(&self.index, &self.batches)
    }

    /// Whether the segment may have rows with some of the keys.
    pub(crate) fn may_meet(&self, segment: &Segment) -> bool {
        let range = segment.record.range.as_ref();
        range.is_none_or(|range| self.range.overlaps(range))
    }

    /// The part of a segment where rows with the keys can be, with all rows, hidden or not.
    pub(super) async fn piece(&self, log: &FrameLog, segment: &Segment) -> Result<Piece> {
        let mut piece = Piece::whole(log, segment).await?;
        piece.hidden = None;
        piece.narrow_to(&self.span, self.schema.field(0)).await?;
        Ok(piece)
    }

    /// The rows of a segment that have one of the keys.
    pub(crate) async fn rows(&self, log: &FrameLog, segment: &Segment) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        if !self.may_meet(segment) {
            return Ok(rows);
        }
        let set = self.set()?;
        let piece = self.piece(log, segment).await?;
        let mut start = row_number(piece.rows.start)?;
        let mut batches = piece.read(&self.schema, BATCH_ROWS);
        while let Some(batch) = batches.try_next().await? {
            let found = set.matches(&batch)?;
            rows.extend(found.iter().map(|found| start + found.existing));
            start += row_number(batch.num_rows() as u64)?;
        }
        Ok(rows)
    }
}

/// The range of the first index column that a segment's rows lie in, from its bounds.
pub(crate) fn first_span(range: &KeyRange) -> Option<Span> {
    let (min, max) = (range.min.first()?, range.max.first()?);
    Some(Span::of_closed(min.clone(), max.clone()))
}

/// Rows that go, by segment.
pub(super) struct Hiding {
    present: Vec<Segment>,
    doomed: HashMap<String, RoaringBitmap>,
}

impl Hiding {
    /// Nothing is hidden yet of these segments.
    pub(super) fn of(present: Vec<Segment>) -> Self {
        Self {
            present,
            doomed: HashMap::new(),
        }
    }

    pub(super) fn present(&self) -> &[Segment] {
        &self.present
    }

    /// Counts a segment as present that the change itself has written.
    pub(super) fn add(&mut self, segment: Segment) {
        self.present.push(segment);
    }

    /// Rows of a segment go, if they are not gone already.
    pub(super) fn hide(&mut self, segment: &str, rows: &RoaringBitmap) {
        if !rows.is_empty() {
            *self.doomed.entry(segment.to_owned()).or_default() |= rows;
        }
    }

    /// Writes down in `step` what goes. `totals` are those of the frame with the added segments, all visible.
    pub(super) async fn settle(
        self,
        log: &FrameLog,
        added: &[SegmentRecord],
        step: &mut Step,
    ) -> Result<()> {
        let mut totals = step.totals;
        for segment in &self.present {
            let Some(doomed) = self.doomed.get(&segment.record.id) else {
                continue;
            };
            let before = match &segment.hidden {
                Some(hidden) => hidden.read(log).await?,
                None => Arc::default(),
            };
            let after = &*before | doomed;
            let gone = after.len() - before.len();
            if gone == 0 {
                continue;
            }
            let own = added.iter().any(|own| own.id == segment.record.id);
            totals.rows -= gone;
            step.rows_removed += if own { 0 } else { gone };
            if after.len() == segment.record.rows && !own {
                totals = without(totals, segment);
                step.removed.push(segment.record.id.clone());
            } else {
                totals.hidden += gone;
                let record = HiddenRecord::write(log, &segment.record.id, &after).await?;
                step.hidden.push(record);
            }
        }
        step.totals = totals;
        Ok(())
    }
}

/// The totals without a segment none of whose rows is counted as visible any more.
fn without(totals: Totals, segment: &Segment) -> Totals {
    Totals {
        bytes: totals.bytes - segment.record.bytes,
        segments: totals.segments - 1,
        hidden: totals.hidden - segment.hidden_rows(),
        ..totals
    }
}

pub(super) fn row_number(row: u64) -> Result<u32> {
    u32::try_from(row).map_err(|error| Error::io("numbering the rows of a segment", error))
}

fn projecting(error: arrow_schema::ArrowError) -> Error {
    Error::io("finding the keys of rows", error)
}

fn no_range(segment: &Segment) -> Error {
    let problem = "nothing says between which keys its rows lie";
    Error::damaged(format!("segment {}", segment.record.id), problem)
}
