//! An upsert that gives only some columns: the other columns keep their older values.
//!
//! For each row with a key that the frame has, the values of the other columns are those of the last visible row with
//! that key; for a new key they are null. The rows are written once more, whole, so that reading them is as cheap as
//! reading any others.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take_record_batch;
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use super::hiding::{Hiding, Keys, row_number};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::Index;
use crate::log::change::Segment;
use crate::log::commit::SegmentRecord;
use crate::log::plan::NamedSchema;
use crate::read::{BATCH_ROWS, Piece};
use crate::schema::evolve;
use crate::sink::{Order, SegmentSink};

/// Writes the rows of a staged segment whole, and hides the rows that they replace.
pub(super) async fn fill(
    log: &FrameLog,
    staged: &Segment,
    target: &NamedSchema,
    index: &[String],
    hiding: &mut Hiding,
) -> Result<Vec<SegmentRecord>> {
    let given = log.schema(&staged.schema).await?.schema;
    let mut fill = Fill::new(log, staged, given, target, index).await?;
    for segment in hiding.present().to_vec() {
        if fill.may_meet(&segment) {
            let hidden = match &segment.hidden {
                Some(hidden) => hidden.read(log).await?,
                None => Arc::default(),
            };
            let rows = fill.look(log, &segment, &hidden).await?;
            hiding.hide(&segment.record.id, &rows);
        }
    }
    let records = fill.write(log).await?;
    for record in &records {
        hiding.add(Segment {
            record: record.clone(),
            schema: Arc::clone(&target.hash),
            version: 0,
            hidden: None,
        });
    }
    Ok(records)
}

/// Rows of a staged segment, which are to be written whole.
pub(crate) struct Fill<'a> {
    staged: &'a Segment,
    /// The columns that are taken from the staged rows.
    given: SchemaRef,
    target: &'a NamedSchema,
    index: &'a [String],
    keys: Keys,
    older: Older,
}

impl<'a> Fill<'a> {
    /// The visible rows of `staged` give the columns of `given`, which are called as in `target`, where the rows go.
    /// No two of them have the same key.
    pub(crate) async fn new(
        log: &FrameLog,
        staged: &'a Segment,
        given: SchemaRef,
        target: &'a NamedSchema,
        index: &'a [String],
    ) -> Result<Self> {
        let keys = Keys::under(log, staged, &given, index).await?;
        let others = evolve::columns_beyond(&target.schema, &given);
        Ok(Self {
            older: Older::new(others, staged.visible_rows())?,
            staged,
            given,
            target,
            index,
            keys,
        })
    }

    /// Whether the segment may have rows with some of the keys.
    pub(crate) fn may_meet(&self, segment: &Segment) -> bool {
        self.keys.may_meet(segment)
    }

    /// Looks for the keys in a segment some rows of which are `hidden`, notes the values found, and returns the
    /// visible rows that have them. Of several segments the last one counts.
    pub(crate) async fn look(
        &mut self,
        log: &FrameLog,
        segment: &Segment,
        hidden: &RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        self.older.look(log, &self.keys, segment, hidden).await
    }

    /// Writes the rows, whole.
    pub(crate) async fn write(self, log: &FrameLog) -> Result<Vec<SegmentRecord>> {
        let target = &self.target.schema;
        let order = Order {
            index: Arc::new(Index::new(target, self.index)?),
            unique: false,
        };
        let mut sink = SegmentSink::new(log.clone(), Arc::clone(target), Some(order))?;
        let staged = Piece::whole(log, self.staged).await?;
        let mut batches = staged.read(&self.given, BATCH_ROWS);
        let mut start = 0;
        while let Some(batch) = batches.try_next().await? {
            let beside = self.older.rows(start, batch.num_rows())?;
            start += batch.num_rows();
            let whole = joined(target, &batch, &self.older.schema, &beside)?;
            sink.write(whole).await?;
        }
        Ok(sink.finish().await?.hand_over())
    }
}

/// Values of the columns that are not given, for the rows that are.
struct Older {
    /// The columns that are not given.
    schema: SchemaRef,
    /// Rows that were met. The first one is all null.
    batches: Vec<RecordBatch>,
    /// For each given row, where in the batches its older values are.
    places: Vec<(usize, usize)>,
}

impl Older {
    fn new(schema: SchemaRef, rows: u64) -> Result<Self> {
        let nulls = schema
            .fields()
            .iter()
            .map(|field| new_null_array(field.data_type(), 1))
            .collect();
        // There need not be other columns.
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        let nulls = RecordBatch::try_new_with_options(Arc::clone(&schema), nulls, &one);
        let nulls = nulls.map_err(filling)?;
        let rows = usize::try_from(rows).map_err(|error| Error::io("filling columns", error))?;
        Ok(Self {
            schema,
            batches: vec![nulls],
            places: vec![(0, 0); rows],
        })
    }

    /// Looks for the keys in a segment, notes the values found, and returns the rows that have them.
    async fn look(
        &mut self,
        log: &FrameLog,
        keys: &Keys,
        segment: &Segment,
        hidden: &RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        let key_columns = keys.schema.fields().len();
        let fields = keys.schema.fields().iter().chain(self.schema.fields());
        let wanted = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        let mut rows = RoaringBitmap::new();
        let set = keys.set()?;
        let piece = keys.piece(log, segment).await?;
        let mut start = row_number(piece.rows.start)?;
        let mut batches = piece.read(&wanted, BATCH_ROWS);
        while let Some(batch) = batches.try_next().await? {
            let found = set.matches(&batch)?;
            let visible = found
                .into_iter()
                .filter(|found| !hidden.contains(start + found.existing));
            let (taken, given): (Vec<u32>, Vec<usize>) =
                visible.map(|found| (found.existing, found.new)).unzip();
            rows.extend(taken.iter().map(|row| start + row));
            start += row_number(batch.num_rows() as u64)?;
            if taken.is_empty() || self.schema.fields().is_empty() {
                continue;
            }
            let beside: Vec<usize> = (key_columns..wanted.fields().len()).collect();
            let values = batch.project(&beside).map_err(filling)?;
            let values = take_record_batch(&values, &UInt32Array::from(taken)).map_err(filling)?;
            let number = self.batches.len();
            self.batches.push(values);
            for (row, given) in given.into_iter().enumerate() {
                self.places[given] = (number, row);
            }
        }
        Ok(rows)
    }

    /// The columns that are not given, for a run of the given rows.
    fn rows(&self, start: usize, count: usize) -> Result<Vec<ArrayRef>> {
        let places = &self.places[start..start + count];
        (0..self.schema.fields().len())
            .map(|column| {
                let columns: Vec<&dyn Array> = self
                    .batches
                    .iter()
                    .map(|batch| batch.column(column).as_ref())
                    .collect();
                interleave(&columns, places).map_err(filling)
            })
            .collect()
    }
}

/// Whole rows: the columns of `batch` and, beside them, those of `others`.
fn joined(
    target: &SchemaRef,
    batch: &RecordBatch,
    others: &Schema,
    beside: &[ArrayRef],
) -> Result<RecordBatch> {
    let columns = target
        .fields()
        .iter()
        .map(|field| match others.index_of(field.name()) {
            Ok(place) => Ok(Arc::clone(&beside[place])),
            Err(_) => {
                let place = batch.schema_ref().index_of(field.name()).map_err(filling)?;
                Ok(Arc::clone(batch.column(place)))
            }
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    RecordBatch::try_new(Arc::clone(target), columns).map_err(filling)
}

fn filling(error: arrow_schema::ArrowError) -> Error {
    Error::io("filling the columns that were not given", error)
}
