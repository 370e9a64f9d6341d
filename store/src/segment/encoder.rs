//! Record batches in, segments out: the part of a put that costs processor time.
//!
//! A [`SegmentEncoder`] holds at most one unfinished segment. Pages are encoded as rows arrive, once a column has
//! enough of them, so memory follows the encoded size and not the rows, nor the number of columns: see [`column`].
//! A segment is cut when the next rows might take it over its limits, and
//! when a batch brings more dictionary values than the dictionary's keys can tell apart. Batches are cut as needed:
//! a batch may span segments, and a segment usually holds many batches. Only a single row may make a segment larger
//! than its limit.
//!
//! Columns are encoded in parallel. Nothing here does I/O or waits, so callers run it on a thread that may block.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;
use rayon::prelude::*;

use self::column::{ColumnShape, OpenColumn};
use super::blocks::{self, BlocksRecord};
use super::categories::{self, Union};
use super::encoding::{self, Packing};
use super::record::{self, DictionaryRecord};
use super::size::plain_size;
use super::storage;
use crate::error::{Error, Result};
use crate::log::commit::FooterRecord;

mod column;

/// The most rows that are encoded at once. The limits are checked between.
const STEP_ROWS: usize = 65_536;

/// Values from which encoding columns in parallel is worth waking other threads, which look for more work for a while
/// afterwards: a small put would share its processors with them.
const PARALLEL_VALUES: usize = 16_384;

/// How large a segment may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows at most.
    pub max_rows: usize,
    /// Encoded bytes at most, unless a single row is larger.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: 1_000_000,
            max_bytes: 64 << 20,
        }
    }
}

/// A finished segment: the bytes of a Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct EncodedSegment {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
    /// BLAKE3 of the bytes, in hex.
    pub(crate) hash: String,
    /// What the end of the bytes is, by which the rest is checked.
    pub(crate) footer: FooterRecord,
}

/// Encodes the rows of one put. See the [module](self).
pub(crate) struct SegmentEncoder {
    shape: Shape,
    limits: Limits,
    open: Option<OpenSegment>,
}

/// What all segments of a put have in common.
struct Shape {
    logical: SchemaRef,
    columns: Vec<ColumnShape>,
    parquet: TypePtr,
    properties: WriterPropertiesPtr,
}

/// The segment that rows go to.
struct OpenSegment {
    columns: Vec<OpenColumn>,
    rows: usize,
}

impl SegmentEncoder {
    /// An encoder for rows of `schema`, which [`check`](crate::schema::check) has accepted.
    pub(crate) fn new(schema: SchemaRef, limits: Limits, packing: Packing) -> Result<Self> {
        Ok(Self {
            shape: Shape::new(schema, packing)?,
            limits: Limits {
                max_rows: limits.max_rows.max(1),
                max_bytes: limits.max_bytes,
            },
            open: None,
        })
    }

    /// Encodes the rows of `batch`, and returns the segments that were finished by it.
    ///
    /// After an error the rows since the last finished segment are gone: the put has failed.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<Vec<EncodedSegment>> {
        let result = self.push_rows(batch);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn push_rows(&mut self, batch: &RecordBatch) -> Result<Vec<EncodedSegment>> {
        self.shape.check(batch)?;
        let dictionaries = batch_dictionaries(batch);
        let mut finished = Vec::new();
        let mut from = 0;
        while from < batch.num_rows() {
            let open = match &mut self.open {
                Some(open) => open,
                none => none.insert(OpenSegment::new(&self.shape)),
            };
            let rest = batch.slice(from, batch.num_rows() - from);
            let rows = if open.takes_dictionaries(&dictionaries, self.limits)? {
                open.rows_that_fit(&rest, self.limits)
            } else {
                0
            };
            if rows > 0 {
                open.write(&rest.slice(0, rows), &self.shape)?;
                from += rows;
            }
            if rows == 0 || open.rows >= self.limits.max_rows {
                finished.extend(self.finish()?);
            }
        }
        Ok(finished)
    }

    /// Memory that the unfinished segment takes, in bytes.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.open
            .as_ref()
            .map_or(0, |open| open.memory(&self.shape))
    }

    /// Finishes the segment that is under way, if it has rows. The encoder goes on with a new one.
    pub(crate) fn finish(&mut self) -> Result<Option<EncodedSegment>> {
        match self.open.take() {
            Some(open) if open.rows > 0 => open.finish(&self.shape).map(Some),
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for SegmentEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentEncoder")
            .field("schema", &self.shape.logical)
            .field("rows", &self.open.as_ref().map(|open| open.rows))
            .finish_non_exhaustive()
    }
}

impl Shape {
    fn new(logical: SchemaRef, packing: Packing) -> Result<Self> {
        let fields: Vec<Field> = logical
            .fields()
            .iter()
            .map(|field| storage::form(field))
            .collect();
        let stored = Schema::new(fields);
        let parquet = ArrowSchemaConverter::new()
            .convert(&stored)
            .map_err(unencodable)?;
        let mut metadata: Vec<KeyValue> = logical
            .metadata()
            .iter()
            .filter(|(key, _)| {
                ![
                    ARROW_SCHEMA_META_KEY,
                    DictionaryRecord::KEY,
                    BlocksRecord::KEY,
                ]
                .contains(&key.as_str())
            })
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect();
        metadata.sort_by(|one, other| one.key.cmp(&other.key));
        metadata.push(KeyValue::new(
            ARROW_SCHEMA_META_KEY.to_owned(),
            encode_arrow_schema(&logical),
        ));
        let categories = storage::leaf_categories(stored.fields());
        let properties = Arc::new(encoding::properties(
            &parquet,
            packing,
            &categories,
            metadata,
        ));
        let parquet = parquet.root_schema_ptr();
        let columns = stored
            .fields()
            .iter()
            .zip(parquet.get_fields())
            .map(|(field, column)| ColumnShape::new(field, column, &properties))
            .collect::<Result<_, _>>()
            .map_err(unencodable)?;
        Ok(Self {
            logical,
            columns,
            parquet,
            properties,
        })
    }

    /// Rows must be of the schema that the encoder was made for; this is the caller's to arrange.
    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let fits = batch.num_columns() == self.logical.fields().len()
            && batch
                .columns()
                .iter()
                .zip(self.logical.fields())
                .all(|(column, field)| column.data_type() == field.data_type());
        if fits {
            Ok(())
        } else {
            Err(Error::invalid(
                "rows",
                format!(
                    "a batch has the columns {}, the put's schema says {}",
                    batch.schema(),
                    self.logical
                ),
            ))
        }
    }
}

impl OpenSegment {
    fn new(shape: &Shape) -> Self {
        Self {
            columns: shape.columns.iter().map(|_| OpenColumn::new()).collect(),
            rows: 0,
        }
    }

    /// Takes the values of a batch's dictionaries in, unless their keys could not tell all values apart or the
    /// values outgrow the rows. An empty segment takes any.
    fn takes_dictionaries(&mut self, batch: &[Vec<ArrayRef>], limits: Limits) -> Result<bool> {
        for (column, dictionaries) in self.columns.iter_mut().zip(batch) {
            if column.unions.is_empty() {
                column.unions = dictionaries.iter().map(Union::new).collect();
            }
        }
        let max_bytes = match self.rows {
            0 => usize::MAX,
            _ => dictionary_bytes(limits),
        };
        let unions = self
            .columns
            .iter_mut()
            .flat_map(|column| &mut column.unions);
        let to_blame = categories::take_in(unions, batch.iter().flatten(), max_bytes);
        Ok(to_blame.map_err(invalid_rows)?.is_none())
    }

    /// How many of the first rows of `batch` can be written without the risk of growing beyond the limits; 0 if the
    /// segment is full.
    fn rows_that_fit(&self, batch: &RecordBatch, limits: Limits) -> usize {
        // Encodings add a little to values that they cannot shrink, and the footer takes some bytes.
        let budget = limits.max_bytes - limits.max_bytes / 32;
        let room = budget.saturating_sub(self.encoded_bytes());
        let mut rows = batch
            .num_rows()
            .min(STEP_ROWS)
            .min(limits.max_rows - self.rows);
        loop {
            let size: usize = batch
                .columns()
                .iter()
                .map(|column| plain_size(&column.slice(0, rows)))
                .sum();
            if size <= room {
                return rows;
            }
            if self.rows > 0 && (room < budget / 8 || rows == 1) {
                return 0;
            }
            if rows == 1 {
                return 1;
            }
            rows /= 2;
        }
    }

    fn write(&mut self, batch: &RecordBatch, shape: &Shape) -> Result<()> {
        let write = |((column, array), shape): ((&mut OpenColumn, &ArrayRef), &ColumnShape)| {
            column.write(array, shape)
        };
        if batch.num_rows() * batch.num_columns() < PARALLEL_VALUES {
            self.columns
                .iter_mut()
                .zip(batch.columns())
                .zip(&shape.columns)
                .try_for_each(write)?;
        } else {
            self.columns
                .par_iter_mut()
                .zip(batch.columns())
                .zip(&shape.columns)
                .try_for_each(write)?;
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// The size that the file will have, roughly and rather too much.
    fn encoded_bytes(&self) -> usize {
        self.columns.iter().map(OpenColumn::encoded_bytes).sum()
    }

    fn memory(&self, shape: &Shape) -> usize {
        self.columns
            .iter()
            .zip(&shape.columns)
            .map(|(column, shape)| column.memory(shape))
            .sum()
    }

    fn finish(self, shape: &Shape) -> Result<EncodedSegment> {
        let expected = self.encoded_bytes();
        let Self { mut columns, rows } = self;
        let unions: Vec<(&String, Vec<Union>)> = columns
            .iter_mut()
            .zip(shape.logical.fields())
            .map(|(column, field)| (field.name(), std::mem::take(&mut column.unions)))
            .collect();
        let close = |(column, shape): (OpenColumn, &ColumnShape)| column.close(shape);
        let chunks: Vec<Vec<ArrowColumnChunk>> = if rows * columns.len() < PARALLEL_VALUES {
            let columns = columns.into_iter().zip(&shape.columns);
            columns.map(close).collect::<Result<_>>()?
        } else {
            let columns = columns.into_par_iter().zip(&shape.columns);
            columns.map(close).collect::<Result<_>>()?
        };
        let mut file = SerializedFileWriter::new(
            Vec::with_capacity(expected + expected / 64 + 4096),
            Arc::clone(&shape.parquet),
            Arc::clone(&shape.properties),
        )
        .map_err(unencodable)?;
        let mut group = file.next_row_group().map_err(unencodable)?;
        for chunk in chunks.into_iter().flatten() {
            chunk.append_to_row_group(&mut group).map_err(unencodable)?;
        }
        group.close().map_err(unencodable)?;
        record::write(&mut file, &unions)?;
        let covered = blocks::write(&mut file)?;
        let bytes: Bytes = file.into_inner().map_err(unencodable)?.into();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        Ok(EncodedSegment {
            rows: rows as u64,
            hash,
            footer: blocks::end_of(&bytes, covered),
            bytes,
        })
    }
}

/// Bytes that the dictionaries of a segment with rows may grow to.
pub(super) fn dictionary_bytes(limits: Limits) -> usize {
    limits.max_bytes / 4
}

pub(super) fn batch_dictionaries(batch: &RecordBatch) -> Vec<Vec<ArrayRef>> {
    batch
        .columns()
        .iter()
        .map(|column| {
            let mut found = Vec::new();
            storage::dictionaries(column, &mut found);
            found
        })
        .collect()
}

/// The rows are not what their schema says.
pub(super) fn invalid_rows(problem: ArrowError) -> Error {
    Error::invalid("rows", problem.to_string())
}

/// Parquet refuses what [`check`](crate::schema::check) let through.
fn unencodable(problem: ParquetError) -> Error {
    Error::io("encoding a segment", problem)
}

#[cfg(test)]
mod tests;
