//! Keeping the rows of a put in the order of the frame's index.
//!
//! Rows that come in order pass through as they are. From the first one that does not, rows are gathered into
//! **runs** as large as memory allows, each run is sorted, and each begins a segment of its own: so every segment is
//! sorted, readers merge those that overlap, and later runs follow earlier ones among equal keys. Sorting is stable.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::error::{Error, Result};
use crate::index::{Index, KeyRange};

/// Rows in a batch of sorted rows.
const SORTED_ROWS: usize = 65_536;

/// How the rows of a put are to be ordered.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) index: Arc<Index>,
    /// Of rows with equal keys only the last one is kept.
    pub(crate) unique: bool,
}

/// What is known about the order of the rows that have come so far.
#[derive(Debug)]
pub(super) struct Sorting {
    pub(super) order: Order,
    /// The last row, while all were in order.
    last: Option<RecordBatch>,
    gathers: bool,
    /// How many have come.
    rows: u64,
}

impl Sorting {
    pub(super) fn new(order: Order) -> Self {
        Self {
            gathers: order.unique,
            order,
            last: None,
            rows: 0,
        }
    }

    /// Whether rows are gathered into runs, because they did not come in order.
    pub(super) fn gathers(&self) -> bool {
        self.gathers
    }

    /// Takes note of the next rows. Returns whether these are the first that are out of order: the rows before them
    /// are a run of their own.
    pub(super) fn note(&mut self, batch: &RecordBatch) -> Result<bool> {
        self.order.index.check(batch, self.rows)?;
        self.rows += batch.num_rows() as u64;
        if self.gathers || batch.num_rows() == 0 {
            return Ok(false);
        }
        let mut batches: Vec<RecordBatch> = self.last.take().into_iter().collect();
        batches.push(batch.clone());
        if self.order.index.keys(&batches)?.is_sorted() {
            self.last = Some(batch.slice(batch.num_rows() - 1, 1));
            return Ok(false);
        }
        self.gathers = true;
        Ok(true)
    }
}

/// Sorts a run.
pub(super) fn sort(order: &Order, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    if order.unique {
        order.index.keep_last(batches, SORTED_ROWS)
    } else {
        order.index.sort(batches, SORTED_ROWS)
    }
}

/// Remembers the keys of the rows that an encoder holds, to tell between which of them a finished segment lies.
#[derive(Debug)]
pub(super) struct KeyTrail {
    columns: Vec<usize>,
    /// The same index on batches of just its columns.
    index: Index,
    batches: VecDeque<RecordBatch>,
}

impl KeyTrail {
    pub(super) fn new(schema: &Schema, index: &Index) -> Result<Self> {
        let columns = index.columns().to_vec();
        let keys = schema.project(&columns).map_err(projecting)?;
        Ok(Self {
            index: Index::new(&keys, index.names())?,
            columns,
            batches: VecDeque::new(),
        })
    }

    /// Notes rows that go to the encoder.
    pub(super) fn note(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            let keys = batch.project(&self.columns).map_err(projecting)?;
            self.batches.push_back(keys);
        }
        Ok(())
    }

    /// Between which keys the next so many of the noted rows lie.
    pub(super) fn take(&mut self, rows: u64) -> Result<Option<KeyRange>> {
        let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
        let mut first: Option<RecordBatch> = None;
        while let Some(batch) = self.batches.front_mut() {
            let count = batch.num_rows().min(left);
            left -= count;
            let first = first.get_or_insert_with(|| batch.slice(0, 1));
            let last = batch.slice(count.saturating_sub(1), 1);
            let rest = batch.slice(count, batch.num_rows() - count);
            if rest.num_rows() == 0 {
                self.batches.pop_front();
            } else {
                *batch = rest;
            }
            if left == 0 {
                return self.index.range_of(first, &last).map(Some);
            }
        }
        Ok(None)
    }
}

fn projecting(error: arrow_schema::ArrowError) -> Error {
    Error::io("finding the keys of rows", error)
}
