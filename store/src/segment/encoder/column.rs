//! One column of the segment that is under way: rows held as they are at first, Parquet's writers once there are
//! enough of them.
//!
//! A writer takes a megabyte before its first row, because the delta encodings reserve their whole buffer at once.
//! A thousand columns of one row each would take a gigabyte if all were written at the same time. So a column keeps
//! a copy of its rows until they weigh enough to deserve writers, and a segment that ends before that has its columns
//! encoded one after the other on each thread. How many writers exist at a time then depends on the rows and the
//! threads, not on the columns.
//!
//! The copy is what bounds memory: a slice would keep the whole message alive that it came with. Small pieces are
//! merged, because an array takes hundreds of bytes besides its values.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{FieldRef, Schema};
use arrow_select::concat::concat;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::super::categories::Union;
use super::super::encoding::PAGE_ROWS;
use super::super::size::plain_size;
use super::super::storage;
use super::{invalid_rows, unencodable};
use crate::error::{Error, Result};

/// Bytes of rows for each Parquet column from which its writer is worth what it takes. A segment of the usual 64 MiB
/// with more than 256 columns of a size never has all writers at once.
const HELD_BYTES: usize = 256 << 10;

/// Arrays that rows are held in, at most.
const HELD_PIECES: usize = 32;

/// What an array takes besides its values, roughly.
const PIECE_BYTES: usize = 512;

/// What a delta encoder takes before its first value.
const DELTA_BUFFER_BYTES: usize = 1 << 20;

/// What all segments of a put have in common about one column.
pub(super) struct ColumnShape {
    stored: FieldRef,
    leaves: usize,
    writers: ArrowRowGroupWriterFactory,
    /// Bytes that the writers take and do not count: strings have a delta encoder waiting behind their dictionary.
    uncounted: usize,
    /// Whether arrays can be merged; dictionaries cannot, their keys may be too small for both.
    mergeable: bool,
}

/// One column of the schema: its rows, and a union for each dictionary.
pub(super) struct OpenColumn {
    pub(super) unions: Vec<Union>,
    rows: Rows,
}

/// The rows of a column in the segment that is under way.
enum Rows {
    Held {
        pieces: Vec<ArrayRef>,
        /// Their size in the plain encoding.
        bytes: usize,
    },
    Written(Writers),
}

/// A writer for each leaf below a column.
struct Writers {
    leaves: Vec<ArrowColumnWriter>,
    /// How many rows they have.
    rows: usize,
}

impl ColumnShape {
    /// The column that Arrow calls `stored` and Parquet `column`.
    pub(super) fn new(
        stored: &FieldRef,
        column: &TypePtr,
        properties: &WriterPropertiesPtr,
    ) -> Result<Self, ParquetError> {
        // A file of this column alone: a factory makes writers for all columns of its file or for none.
        let root = Type::group_type_builder("column")
            .with_fields(vec![Arc::clone(column)])
            .build()?;
        let file = SerializedFileWriter::new(Vec::new(), Arc::new(root), Arc::clone(properties))?;
        let waiting = file.schema_descr().columns().iter().filter(|leaf| {
            properties.encoding(leaf.path()) == Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)
        });
        let uncounted = waiting.count() * DELTA_BUFFER_BYTES;
        let schema = Arc::new(Schema::new(vec![Arc::clone(stored)]));
        Ok(Self {
            leaves: storage::leaf_count(stored.data_type()),
            writers: ArrowRowGroupWriterFactory::new(&file, schema),
            uncounted,
            mergeable: !storage::leaf_categories(std::slice::from_ref(stored)).contains(&true),
            stored: Arc::clone(stored),
        })
    }

    fn open(&self) -> Result<Writers> {
        let leaves = self.writers.create_column_writers(0).map_err(unencodable)?;
        Ok(Writers { leaves, rows: 0 })
    }

    /// Writes rows, those up to the next border of pages by themselves: Parquet's writer looks only now and then whether a
    /// page is full, counted from where it was called. So all columns have their borders at the same rows, and whoever
    /// reads from one border to another reads no page in vain.
    fn write(&self, writers: &mut Writers, array: &ArrayRef) -> Result<()> {
        let to_border = (PAGE_ROWS - writers.rows % PAGE_ROWS) % PAGE_ROWS;
        let first = to_border.min(array.len());
        for piece in [
            array.slice(0, first),
            array.slice(first, array.len() - first),
        ] {
            if piece.is_empty() {
                continue;
            }
            let levels = compute_leaves(&self.stored, &piece).map_err(unencodable)?;
            for (writer, leaf) in writers.leaves.iter_mut().zip(&levels) {
                writer.write(leaf).map_err(unencodable)?;
            }
        }
        writers.rows += array.len();
        Ok(())
    }

    fn written(&self, pieces: &[ArrayRef]) -> Result<Writers> {
        let mut writers = self.open()?;
        for piece in pieces {
            self.write(&mut writers, piece)?;
        }
        Ok(writers)
    }
}

impl OpenColumn {
    pub(super) fn new() -> Self {
        Self {
            unions: Vec::new(),
            rows: Rows::Held {
                pieces: Vec::new(),
                bytes: 0,
            },
        }
    }

    /// Takes rows in, of the column's logical type.
    pub(super) fn write(&mut self, array: &ArrayRef, shape: &ColumnShape) -> Result<()> {
        let array = storage::store(array, &shape.stored).map_err(|problem| {
            Error::invalid("rows", format!("column {}: {problem}", shape.stored.name()))
        })?;
        match &mut self.rows {
            Rows::Written(writers) => shape.write(writers, &array)?,
            Rows::Held { pieces, bytes } => {
                *bytes += plain_size(&array);
                let full = pieces.len() + 1 >= HELD_PIECES && !shape.mergeable;
                if full || *bytes >= shape.leaves * HELD_BYTES {
                    let mut writers = shape.written(&std::mem::take(pieces))?;
                    shape.write(&mut writers, &array)?;
                    self.rows = Rows::Written(writers);
                } else {
                    // Of one array `concat` makes a slice, of two a copy.
                    let copy = concat(&[&array, &array.slice(0, 0)]).map_err(invalid_rows)?;
                    pieces.push(copy);
                    if pieces.len() >= HELD_PIECES {
                        merge(pieces)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The size that the column will have in the file, roughly and rather too much.
    pub(super) fn encoded_bytes(&self) -> usize {
        let rows: usize = match &self.rows {
            Rows::Held { bytes, .. } => *bytes,
            Rows::Written(writers) => writers
                .leaves
                .iter()
                .map(ArrowColumnWriter::get_estimated_total_bytes)
                .sum(),
        };
        rows + self.union_bytes()
    }

    /// Memory that the column takes.
    pub(super) fn memory(&self, shape: &ColumnShape) -> usize {
        let rows: usize = match &self.rows {
            Rows::Held { pieces, bytes } => bytes + pieces.len() * PIECE_BYTES,
            Rows::Written(writers) => {
                let counted = writers.leaves.iter().map(ArrowColumnWriter::memory_size);
                counted.sum::<usize>() + shape.uncounted
            }
        };
        rows + self.union_bytes()
    }

    /// Writers that the column has.
    #[cfg(test)]
    pub(super) fn writers(&self) -> usize {
        match &self.rows {
            Rows::Held { .. } => 0,
            Rows::Written(writers) => writers.leaves.len(),
        }
    }

    /// Encodes what is left to encode.
    pub(super) fn close(self, shape: &ColumnShape) -> Result<Vec<ArrowColumnChunk>> {
        let writers = match self.rows {
            Rows::Held { pieces, .. } => shape.written(&pieces)?,
            Rows::Written(writers) => writers,
        };
        writers
            .leaves
            .into_iter()
            .map(|writer| writer.close().map_err(unencodable))
            .collect()
    }

    fn union_bytes(&self) -> usize {
        self.unions.iter().map(Union::bytes).sum()
    }
}

/// Makes one of the last pieces: of at least half, and of those before that are no longer than what follows them, so
/// that a row is copied a few times and not with every piece.
fn merge(pieces: &mut Vec<ArrayRef>) -> Result<()> {
    let mut from = pieces.len() / 2;
    let mut rows: usize = pieces.iter().skip(from).map(Array::len).sum();
    while let Some(before) = from.checked_sub(1).and_then(|at| pieces.get(at))
        && before.len() <= rows
    {
        rows += before.len();
        from -= 1;
    }
    let tail = pieces.split_off(from);
    let parts: Vec<&dyn Array> = tail.iter().map(AsRef::as_ref).collect();
    pieces.push(concat(&parts).map_err(invalid_rows)?);
    Ok(())
}
