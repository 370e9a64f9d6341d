//! Rows as the bytes of a file, to wherever they go.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter as ArrowFileWriter, StreamWriter};
use arrow_json::writer::LineDelimited;
use arrow_schema::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, LogicalType, Type};
use parquet::file::properties::WriterProperties;
use shoots_proto::ErrorKind;

use super::FileFormat;
use crate::Error;
use crate::error::Cause;

/// A row group of a Parquet file is complete when it takes so much memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Writes batches in one of the [formats](FileFormat), none of which seeks.
///
/// ```
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use shoots_client::{FileFormat, RowWriter};
///
/// # let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
/// # let batch = RecordBatch::try_from_iter([("n", n)])?;
/// let mut lines = RowWriter::new(FileFormat::Json, Vec::new(), &batch.schema())?;
/// lines.write(&batch)?;
/// assert_eq!(lines.finish()?, b"{\"n\":1}\n{\"n\":null}\n");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct RowWriter<W: Write + Send>(Kind<W>);

enum Kind<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Csv(Box<arrow_csv::Writer<W>>),
    Json(Box<arrow_json::Writer<W, LineDelimited>>),
    Arrow(Box<ArrowFileWriter<W>>),
    ArrowStream(Box<StreamWriter<W>>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Begins with what comes before the first row.
    ///
    /// # Errors
    /// If the format has no form for a column, or `out` takes no bytes.
    pub fn new(format: FileFormat, out: W, schema: &SchemaRef) -> Result<Self, Error> {
        format.check(schema)?;
        begin(format, out, schema).map(Self).map_err(failed)
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// If they cannot be written, or are not what the schema says.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        write(&mut self.0, batch).map_err(failed)
    }

    /// Writes what comes after the last row, and gives back what was written to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<W, Error> {
        finish(self.0).map_err(failed)
    }
}

impl<W: Write + Send> std::fmt::Debug for RowWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").finish_non_exhaustive()
    }
}

fn failed(cause: Cause) -> Error {
    Error::new(ErrorKind::ShootsIOError, cause.to_string()).with_source(cause)
}

fn begin<W: Write + Send>(
    format: FileFormat,
    out: W,
    schema: &SchemaRef,
) -> Result<Kind<W>, Cause> {
    Ok(match format {
        FileFormat::Parquet => {
            let properties = properties(schema)?;
            let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties))?;
            Kind::Parquet(Box::new(writer))
        }
        FileFormat::Csv => {
            let mut writer = arrow_csv::WriterBuilder::new().build(out);
            // The header comes with the first batch, and a frame without rows has columns too.
            writer.write(&RecordBatch::new_empty(SchemaRef::clone(schema)))?;
            Kind::Csv(Box::new(writer))
        }
        FileFormat::Json => {
            let builder = arrow_json::WriterBuilder::new().with_explicit_nulls(true);
            Kind::Json(Box::new(builder.build::<_, LineDelimited>(out)))
        }
        FileFormat::Arrow => Kind::Arrow(Box::new(ArrowFileWriter::try_new(out, schema)?)),
        FileFormat::ArrowStream => Kind::ArrowStream(Box::new(StreamWriter::try_new(out, schema)?)),
    })
}

/// A dictionary of floats would join `-0.0` and `0.0`, so floats are written as they are.
fn properties(schema: &SchemaRef) -> Result<WriterProperties, Cause> {
    let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let columns = ArrowSchemaConverter::new().convert(schema)?;
    for column in columns.columns() {
        let half = column.logical_type_ref() == Some(&LogicalType::Float16);
        if half || matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE) {
            properties = properties.set_column_dictionary_enabled(column.path().clone(), false);
        }
    }
    Ok(properties.build())
}

fn write<W: Write + Send>(writer: &mut Kind<W>, batch: &RecordBatch) -> Result<(), Cause> {
    match writer {
        Kind::Parquet(writer) => {
            writer.write(batch)?;
            if writer.in_progress_size() >= ROW_GROUP_BYTES {
                writer.flush()?;
            }
        }
        Kind::Csv(writer) => writer.write(batch)?,
        Kind::Json(writer) => writer.write(batch)?,
        Kind::Arrow(writer) => writer.write(batch)?,
        Kind::ArrowStream(writer) => writer.write(batch)?,
    }
    Ok(())
}

fn finish<W: Write + Send>(writer: Kind<W>) -> Result<W, Cause> {
    let mut out = match writer {
        Kind::Parquet(writer) => writer.into_inner()?,
        Kind::Csv(writer) => writer.into_inner(),
        Kind::Json(mut writer) => {
            writer.finish()?;
            writer.into_inner()
        }
        Kind::Arrow(writer) => writer.into_inner()?,
        Kind::ArrowStream(writer) => writer.into_inner()?,
    };
    out.flush()?;
    Ok(out)
}
