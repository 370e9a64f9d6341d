//! A read in units, each of which is taken from those that are kept, or decoded and kept.
//!
//! A unit has as many rows as a batch of the columns that are wanted, and pages end where units do. Only what is wanted
//! anyway is decoded: a unit of which some rows are not wanted is not kept.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, FieldRef, SchemaRef};
use arrow_select::filter::filter_record_batch;
use parquet::file::metadata::ParquetMetaData;

use super::super::encoding::PAGE_ROWS;
use super::super::extent;
use super::super::kept::{RowCache, UnitKey};
use super::super::object::ObjectReader;
use super::visible::Visible;
use super::{Layout, as_usize};
use crate::error::Result;

/// Smaller units are not worth keeping.
const LEAST_ROWS: u64 = 100;

/// The units of one file, for a read of some of its columns.
#[derive(Debug, Clone)]
pub(super) struct Units {
    file: ObjectReader,
    cache: RowCache,
    end: [u8; 32],
    /// Rows of a unit; the last one of the file may have fewer.
    rows: u32,
    total: u64,
    output: SchemaRef,
    /// For each wanted column its place in the file; `None` if the file does not have it.
    roots: Arc<[Option<u32>]>,
}

/// A part of a read.
#[derive(Debug)]
pub(super) enum Part {
    /// Rows that were kept.
    Kept(Result<RecordBatch, ArrowError>),
    /// Rows to decode; `from` is the first of the units that they are, if they are whole ones.
    Decode { rows: Visible, from: Option<u32> },
}

impl Units {
    /// None: rows of this file are not kept.
    pub(super) fn new(
        file: &ObjectReader,
        metadata: &ParquetMetaData,
        output: &SchemaRef,
        layout: &Layout,
        total: u64,
    ) -> Option<Self> {
        let (cache, end) = file.kept()?;
        // Parquet's batches end with row groups, and those of segments have one.
        let single = metadata.row_groups().len() == 1;
        let Layout { roots, places, .. } = layout;
        let rows = unit_rows(extent::batch_rows(metadata, roots))?;
        u32::try_from(total).ok().filter(|_| single)?;
        let root = |place: usize| roots.get(place).and_then(|root| u32::try_from(*root).ok());
        let roots = places.iter().map(|place| place.and_then(root)).collect();
        Some(Self {
            file: file.clone(),
            cache,
            end,
            rows,
            total,
            output: Arc::clone(output),
            roots,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.into()
    }

    /// The parts of `rows`, in order, looked for when they are taken. What is to be decoded and lies in the same step of
    /// so many rows is one part.
    pub(super) fn parts(&self, rows: &Visible, step: u64) -> impl Iterator<Item = Part> + use<> {
        Parts {
            units: self.clone(),
            step,
            pieces: rows.in_steps(self.rows()),
            found: None,
        }
    }

    /// The unit that rows lie in, and whether they are all of it.
    fn unit(&self, rows: &Visible) -> (u32, bool) {
        let Range { start, end } = rows.range();
        let number = start / self.rows();
        let first = number * self.rows();
        let last = (first + self.rows()).min(self.total);
        let whole = (first..last) == (start..end) && rows.count() == end - start;
        // A file of more rows than that has no units.
        (u32::try_from(number).unwrap_or(u32::MAX), whole)
    }

    fn key(&self, root: u32, number: u32) -> UnitKey {
        UnitKey {
            end: self.end,
            root,
            rows: self.rows,
            number,
        }
    }

    /// Rows that lie in one unit, if all of its columns are kept.
    fn get(&self, rows: &Visible) -> Option<Result<RecordBatch, ArrowError>> {
        let (number, whole) = self.unit(rows);
        let columns = self.roots.iter().zip(self.output.fields());
        let columns = columns.map(|(root, field)| match root {
            None => Some(None),
            Some(root) => {
                let array = self.cache.get(&self.key(*root, number))?;
                (array.data_type() == field.data_type()).then_some(Some(array))
            }
        });
        let columns: Option<Vec<Option<ArrayRef>>> = columns.collect();
        self.file.count_kept(columns.is_some());
        let unit = self.batch(columns?);
        if whole {
            return Some(unit);
        }
        let first = u64::from(number) * self.rows();
        Some(unit.and_then(|unit| some_of(&unit, rows, first)))
    }

    fn batch(&self, columns: Vec<Option<ArrayRef>>) -> Result<RecordBatch, ArrowError> {
        let rows = columns.iter().flatten().map(|column| column.len()).next();
        let rows = rows.unwrap_or(0);
        let missing = |field: &FieldRef| new_null_array(field.data_type(), rows);
        let columns = columns.into_iter().zip(self.output.fields());
        let columns = columns.map(|(column, field)| column.unwrap_or_else(|| missing(field)));
        RecordBatch::try_new(Arc::clone(&self.output), columns.collect())
    }

    /// Keeps what was decoded of a unit.
    fn keep(&self, number: u32, batch: &RecordBatch) {
        for (root, column) in self.roots.iter().zip(batch.columns()) {
            if let Some(root) = root {
                self.cache.keep(self.key(*root, number), Arc::clone(column));
            }
        }
    }

    /// Keeps the units that batches are, from this one on.
    pub(super) fn keeping(
        self,
        from: u32,
    ) -> impl FnMut(Result<RecordBatch>) -> Result<RecordBatch> {
        let mut next = u64::from(from) * self.rows();
        move |batch| {
            let batch = batch?;
            let rows = Visible::between(next..next + batch.num_rows() as u64);
            let (number, whole) = self.unit(&rows);
            if whole {
                self.keep(number, &batch);
            }
            next += batch.num_rows() as u64;
            Ok(batch)
        }
    }
}

/// The rows of a unit that are wanted. It begins with row `first` of the file.
fn some_of(unit: &RecordBatch, rows: &Visible, first: u64) -> Result<RecordBatch, ArrowError> {
    let first = as_usize(first);
    let runs = rows.runs();
    if let [run] = runs.as_slice() {
        return Ok(unit.slice(run.start - first, run.len()));
    }
    let mut wanted = BooleanBufferBuilder::new(unit.num_rows());
    for run in runs {
        wanted.append_n(run.start - first - wanted.len(), false);
        wanted.append_n(run.len(), true);
    }
    wanted.append_n(unit.num_rows() - wanted.len(), false);
    filter_record_batch(unit, &BooleanArray::new(wanted.finish(), None))
}

/// How many rows a unit has, where a batch should have at most so many: pages end where units do.
fn unit_rows(most: u64) -> Option<u32> {
    let rows = (1..=PAGE_ROWS as u64 / LEAST_ROWS).map(|parts| PAGE_ROWS as u64 / parts);
    let mut rows = rows.filter(|rows| (PAGE_ROWS as u64).is_multiple_of(*rows));
    let rows = rows.find(|rows| *rows <= most)?;
    u32::try_from(rows).ok()
}

/// Goes through the pieces of a read, each of which lies in one unit.
struct Parts<I: Iterator<Item = Visible>> {
    units: Units,
    /// What is decoded at once ends at multiples of so many rows.
    step: u64,
    pieces: I,
    /// What was found while looking for the end of a part to decode.
    found: Option<Part>,
}

impl<I: Iterator<Item = Visible>> Parts<I> {
    /// The next piece as a part of its own.
    fn piece(&mut self) -> Option<Part> {
        let rows = self.pieces.next()?;
        Some(match self.units.get(&rows) {
            Some(kept) => Part::Kept(kept),
            None => {
                let (number, whole) = self.units.unit(&rows);
                let from = whole.then_some(number);
                Part::Decode { rows, from }
            }
        })
    }
}

impl<I: Iterator<Item = Visible>> Iterator for Parts<I> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let mut part = self.found.take().or_else(|| self.piece())?;
        while let Part::Decode { rows, from } = &mut part {
            self.found = self.piece();
            match &self.found {
                Some(Part::Decode {
                    rows: more,
                    from: next,
                }) if from.is_some() == next.is_some() && rows.meets(more, self.step) => {
                    rows.extend(more);
                }
                _ => break,
            }
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_where_pages_do_and_are_as_large_as_a_batch_may_be() {
        for (most, rows) in [
            (u64::MAX, Some(20_000)),
            (20_000, Some(20_000)),
            (19_999, Some(10_000)),
            (524, Some(500)),
            (100, Some(100)),
            (99, None),
        ] {
            assert_eq!(unit_rows(most), rows, "{most}");
        }
    }
}
