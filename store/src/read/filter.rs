//! Reading only the rows that a condition wants.
//!
//! What a condition cannot want is not read, in two steps. Pages are left out by what the segment says about the
//! values in them. Then, where the rows have other columns than those that the condition looks at, and only few rows
//! of the first page meet it, the condition's columns are read alone and the others only where rows are wanted ("late
//! materialisation": Abadi et al., *Materialization Strategies in a Column-Oriented DBMS*, ICDE 2007). If many rows
//! meet it, reading all columns once costs less.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use futures::{StreamExt, TryStreamExt, stream};
use roaring::RoaringBitmap;

use super::piece::{Batches, Piece};
use crate::error::{Error, Result};
use crate::segment::PageBounds;

/// Rows of a segment by which it is judged whether its condition wants few: about a page.
const PROBED_ROWS: u64 = 20_000;
/// Few are not more than one of so many.
const FEW: usize = 5;

/// Which rows a reader wants, told from some of their columns.
pub trait RowFilter: fmt::Debug + Send + Sync {
    /// The columns that it looks at, each once.
    fn columns(&self) -> &[String];

    /// Which of several blocks of rows may hold a wanted one, told from what is known of one column in them. `true`
    /// is never wrong.
    fn may_hold(&self, blocks: &ColumnBlocks) -> Vec<bool>;

    /// For each row of a batch of just those columns whether it is wanted; null is no.
    ///
    /// # Errors
    /// If it cannot be told.
    fn wanted(&self, batch: &RecordBatch) -> Result<BooleanArray, String>;
}

/// What is known of a column in several blocks of rows.
#[derive(Debug, Clone)]
pub struct ColumnBlocks {
    /// The column's name.
    pub column: String,
    /// For each block a value that is not above any of its values; null if it is not known. Of the column's type, or
    /// the type of its values if it is a dictionary.
    pub least: ArrayRef,
    /// For each block a value that is not below any of its values; null if it is not known.
    pub greatest: ArrayRef,
    /// For each block how many values are null; null if it is not known.
    pub nulls: UInt64Array,
    /// For each block how many rows it has.
    pub rows: UInt64Array,
}

/// A condition with the columns that it looks at, as they are stored.
#[derive(Debug)]
pub(crate) struct Sieve {
    filter: Arc<dyn RowFilter>,
    columns: SchemaRef,
}

impl Sieve {
    /// A condition on rows of the stored schema of a frame.
    pub(crate) fn new(filter: Arc<dyn RowFilter>, schema: &Schema) -> Result<Self> {
        let places = super::projection(schema, Some(filter.columns()))?.unwrap_or_default();
        let columns = schema.project(&places);
        let columns = columns.map_err(|error| Error::io("choosing columns", error))?;
        Ok(Self {
            filter,
            columns: Arc::new(columns),
        })
    }

    /// The wanted rows of a piece, with the columns of `output`.
    pub(super) async fn sift(
        self: Arc<Self>,
        mut piece: Piece,
        output: SchemaRef,
        batch_rows: usize,
    ) -> Result<Batches> {
        self.leave_out_pages(&mut piece).await?;
        if piece.visible() == 0 {
            return Ok(stream::empty().boxed());
        }
        let all = self.with_columns_of(&output);
        if all.fields().len() > self.columns.fields().len()
            && piece.visible() > PROBED_ROWS
            && self.wants_few(&piece, batch_rows).await?
        {
            self.hide_unwanted(&mut piece, batch_rows).await?;
            return piece.batches(&output, batch_rows).await;
        }
        let batches = piece.batches(&all, batch_rows).await?;
        let looked_at: Vec<usize> = (0..self.columns.fields().len()).collect();
        let places = output
            .fields()
            .iter()
            .map(|field| all.index_of(field.name()));
        let places: Vec<usize> = places
            .collect::<Result<_, _>>()
            .map_err(|error| Error::io("choosing columns", error))?;
        let sifted = batches.map(move |batch| {
            let batch = batch?;
            let wanted = self.wanted(&project(&batch, &looked_at)?)?;
            filter_record_batch(&project(&batch, &places)?, &wanted)
                .map_err(|error| Error::io("choosing rows", error))
        });
        let some = sifted.try_filter(|batch| std::future::ready(batch.num_rows() > 0));
        Ok(some.boxed())
    }

    /// The columns that are looked at, and then the other ones of `output`.
    fn with_columns_of(&self, output: &Schema) -> SchemaRef {
        let others = output.fields().iter();
        let others = others.filter(|field| self.columns.index_of(field.name()).is_err());
        let all = self.columns.fields().iter().chain(others).cloned();
        Arc::new(Schema::new(all.collect::<Vec<_>>()))
    }

    fn wanted(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let wanted = self.filter.wanted(batch);
        let wanted = wanted.map_err(|problem| Error::invalid("filter", problem))?;
        Ok(match wanted.nulls() {
            Some(_) => arrow_select::filter::prep_null_mask_filter(&wanted),
            None => wanted,
        })
    }

    async fn leave_out_pages(&self, piece: &mut Piece) -> Result<()> {
        let mut unwanted = RoaringBitmap::new();
        for field in self.columns.fields() {
            let Some(bounds) = piece.page_bounds(field).await? else {
                continue;
            };
            let Some(blocks) = blocks(field, &bounds) else {
                continue;
            };
            let kept = self.filter.may_hold(&blocks);
            for (rows, kept) in bounds.starts.windows(2).zip(kept) {
                if let ([start, end], false) = (rows, kept) {
                    unwanted.insert_range(row_number(*start)..row_number(*end));
                }
            }
        }
        piece.hide(unwanted);
        Ok(())
    }

    async fn wants_few(&self, piece: &Piece, batch_rows: usize) -> Result<bool> {
        let mut probe = piece.clone();
        probe.cut(0, PROBED_ROWS);
        let mut batches = probe.batches(&self.columns, batch_rows).await?;
        let (mut rows, mut wanted) = (0, 0);
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
            wanted += self.wanted(&batch)?.true_count();
        }
        Ok(wanted.saturating_mul(FEW) <= rows)
    }

    async fn hide_unwanted(&self, piece: &mut Piece, batch_rows: usize) -> Result<()> {
        let mut unwanted = RoaringBitmap::new();
        let mut numbers = piece.visible_rows();
        let mut batches = piece.clone().batches(&self.columns, batch_rows).await?;
        while let Some(batch) = batches.try_next().await? {
            let wanted = self.wanted(&batch)?;
            let rows = numbers.by_ref().take(wanted.len()).zip(wanted.values());
            unwanted.extend(rows.filter(|(_, wanted)| !wanted).map(|(row, _)| row));
        }
        piece.hide(unwanted);
        Ok(())
    }
}

/// What the pages of a column say, in the column's type as the frame has it.
fn blocks(field: &Field, bounds: &PageBounds) -> Option<ColumnBlocks> {
    let of = match field.data_type() {
        arrow_schema::DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let rows = bounds.starts.windows(2).map(|rows| match rows {
        [start, end] => end - start,
        _ => 0,
    });
    Some(ColumnBlocks {
        column: field.name().clone(),
        least: cast(&bounds.least, of).ok()?,
        greatest: cast(&bounds.greatest, of).ok()?,
        nulls: bounds.nulls.clone(),
        rows: UInt64Array::from_iter_values(rows),
    })
}

fn project(batch: &RecordBatch, columns: &[usize]) -> Result<RecordBatch> {
    let projected = batch.project(columns);
    projected.map_err(|error| Error::io("choosing columns", error))
}

fn row_number(row: u64) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
