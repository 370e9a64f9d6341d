//! Segments in, record batches out: all or some columns, all or a range of rows, exactly as they were put.
//!
//! [`read`] is given the schema that the rows are to have. The file says how its columns are laid out (names of
//! nested items, what may be null), the schema says which types they really are, and the dictionaries come from the
//! segment's records. A column that a segment does not have, because the frame got it later, is all null.
//!
//! A range of rows costs its pages: rows before and after it are neither fetched nor decoded, nor pages of which all
//! rows are hidden, as far as the page index allows. Counting (a read of no columns) costs the footer.
//!
//! Bytes rot and plain files come from anywhere, so whatever is wrong with a file is an error that names it, also
//! where the decoder below gives up by panicking.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use roaring::RoaringBitmap;

use self::units::{Part, Units};
use self::visible::Visible;
use super::blocks::BlocksRecord;
use super::categories::Recorded;
use super::extent;
use super::object::ObjectReader;
use super::record::{self, DictionaryRecord};
use super::storage;
use crate::error::{Error, Result};
use crate::schema::check;

mod ahead;
mod steps;
mod units;
mod visible;

/// Record batches of one file, in the order of its rows.
pub(crate) type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This crate: dictionaries are recorded in it.
    Segment,
    /// Anybody: dictionaries hold what rows use, in the order of its first use.
    Plain,
}

/// Which part of a file to read.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// Indices into the schema, in the order in which the columns are wanted; `None` is all of them.
    pub(crate) columns: Option<Vec<usize>>,
    /// Rows to leave out at the start, hidden ones counted.
    pub(crate) offset: u64,
    /// The most rows to read, hidden ones counted.
    pub(crate) limit: Option<u64>,
    /// Numbers of rows, counted from the start of the file, that are left out.
    pub(crate) hidden: Option<Arc<RoaringBitmap>>,
    /// The most rows in a batch; there are fewer where rows are large.
    pub(crate) batch_rows: usize,
}

/// What a Parquet file that others wrote says about itself.
#[derive(Debug, Clone)]
pub(crate) struct PlainFile {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: u64,
}

/// The schema and the number of rows of a Parquet file that others wrote, if its rows can be those of a frame.
///
/// A dictionary with keys of 8 or 16 bits gets keys of 32: in such a file dictionaries are not recorded, and the
/// union that a reader sees of them may have more values than small keys can tell apart.
pub(crate) async fn plain_schema(file: ObjectReader) -> Result<PlainFile> {
    let object = file.clone();
    guarded(&object, describe(file)).await
}

async fn describe(mut file: ObjectReader) -> Result<PlainFile> {
    let metadata = load(&mut file, Origin::Plain).await?;
    let file_metadata = metadata.file_metadata();
    let inferred = parquet_to_arrow_schema(
        file_metadata.schema_descr(),
        file_metadata.key_value_metadata(),
    )
    .map_err(|problem| failed(&file, problem))?;
    let fields: Vec<Field> = inferred
        .fields()
        .iter()
        .map(|field| storage::with_wide_keys(field))
        .collect();
    let mut schema_metadata = inferred.metadata().clone();
    schema_metadata.remove(DictionaryRecord::KEY);
    schema_metadata.remove(BlocksRecord::KEY);
    let schema = Schema::new_with_metadata(fields, schema_metadata);
    check(&schema)?;
    Ok(PlainFile {
        schema: Arc::new(schema),
        rows: row_count(&metadata, &file)?,
    })
}

/// Reads `rows` of a file whose rows are of `schema`. The batches' schema is `schema`, projected.
///
/// Batches have the size that [`extent`] finds right for rows of average size. Where many large ones follow each
/// other, more than an array can hold would become a batch: those rows are read again in smaller ones.
pub(crate) async fn read(
    file: ObjectReader,
    origin: Origin,
    schema: &SchemaRef,
    rows: Rows,
) -> Result<BatchStream> {
    let reading = Reading {
        file,
        origin,
        schema: Arc::clone(schema),
    };
    let (batches, batch_rows) = reading.open(rows.clone()).await?;
    let progress = Progress {
        reading,
        batches,
        rows: Rows { batch_rows, ..rows },
        taken: 0,
    };
    Ok(stream::try_unfold(progress, Progress::next).boxed())
}

/// What is read.
struct Reading {
    file: ObjectReader,
    origin: Origin,
    schema: SchemaRef,
}

impl Reading {
    /// The batches, and how many rows each may have.
    async fn open(&self, rows: Rows) -> Result<(BatchStream, usize)> {
        let started = start(self.file.clone(), self.origin, &self.schema, rows);
        guarded(&self.file, started).await
    }
}

/// How far a file has been read.
struct Progress {
    reading: Reading,
    batches: BatchStream,
    /// What `batches` are.
    rows: Rows,
    /// How many of them were handed out.
    taken: u64,
}

impl Progress {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            match self.batches.next().await {
                None => return Ok(None),
                Some(Ok(batch)) => {
                    self.taken += batch.num_rows() as u64;
                    return Ok(Some((batch, self)));
                }
                Some(Err(error)) if self.rows.batch_rows > 1 && error.is_overflow() => {
                    self.rows = visible::after(&self.rows, self.taken);
                    self.rows.batch_rows /= 2;
                    // What is kept has the size of average rows.
                    self.reading.file = self.reading.file.clone().keeping(None);
                    self.taken = 0;
                    let (batches, _) = self.reading.open(self.rows.clone()).await?;
                    self.batches = batches;
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }
}

async fn start(
    mut file: ObjectReader,
    origin: Origin,
    schema: &SchemaRef,
    rows: Rows,
) -> Result<(BatchStream, usize)> {
    let metadata = load(&mut file, origin).await?;
    let total = row_count(&metadata, &file)?;
    let visible = Visible::new(&rows, total);
    let count = visible.count();
    let output = match &rows.columns {
        Some(columns) => Arc::new(
            schema
                .project(columns)
                .map_err(|problem| Error::invalid("columns", problem.to_string()))?,
        ),
        None => Arc::clone(schema),
    };
    let layout = Layout::new(&metadata, &output, &file)?;
    let most = extent::batch_rows(&metadata, &layout.roots).min(count.max(1));
    let most = (rows.batch_rows as u64).clamp(1, most);
    let step = match origin {
        Origin::Segment if file.is_near() => steps::step_rows(&metadata, &layout.roots),
        _ => None,
    };
    let units = Units::new(&file, &metadata, &output, &layout, total);
    // Units are batches, which are handed out in pieces where that is too much.
    let decoded_at_once = step.map_or(most, |step| steps::batch_rows(step.min(count.max(1)), most));
    let batch_rows = as_usize(units.as_ref().map_or(decoded_at_once, Units::rows));
    if count == 0 || layout.roots.is_empty() {
        let batches = unread(output, count, batch_rows, file.path().to_string());
        return Ok((batches, batch_rows));
    }
    let dictionaries = match origin {
        Origin::Segment => record::load(&metadata, &output, &mut file).await?,
        Origin::Plain => output.fields().iter().map(|_| Vec::new()).collect(),
    };
    let mask = ProjectionMask::roots(
        metadata.file_metadata().schema_descr(),
        layout.roots.iter().copied(),
    );
    let decoder = Arc::new(Decoder {
        file: file.clone(),
        metadata,
        translated: OnceLock::new(),
        mask,
        batch_rows,
        total,
        output,
        layout,
        dictionaries,
    });
    if matches!(origin, Origin::Plain) {
        // What is wrong with a stranger's file is told before its first row.
        decoder.translated()?;
    }
    // Only steps are small enough to be held whole, and one alone has nothing to be decoded beside.
    let beside = step.is_some_and(|step| count > step);
    let step = step.unwrap_or(u64::MAX);
    let batches = match units {
        None => {
            let parts = visible
                .in_steps(step)
                .map(|rows| Part::Decode { rows, from: None });
            decoder.read(parts, beside, None)
        }
        Some(units) => {
            let parts = units.parts(&visible, step);
            in_pieces(decoder.read(parts, beside, Some(units)), most)
        }
    };
    let batches = AssertUnwindSafe(batches)
        .catch_unwind()
        .map(move |batch| batch.unwrap_or_else(|panic| Err(gave_up(&file, panic.as_ref()))))
        .boxed();
    Ok((batches, batch_rows))
}

/// Decodes rows of one file.
struct Decoder {
    file: ObjectReader,
    metadata: Arc<ParquetMetaData>,
    /// What Parquet makes of the schema of all columns of the file. Of many it takes longer than to hand out rows
    /// that are kept, so it waits until something is decoded.
    translated: OnceLock<ArrowReaderMetadata>,
    mask: ProjectionMask,
    /// The most rows of a batch.
    batch_rows: usize,
    /// How many rows the file has.
    total: u64,
    output: SchemaRef,
    layout: Layout,
    /// What is recorded of the dictionaries in each wanted column.
    dictionaries: Vec<Vec<Option<Recorded>>>,
}

impl Decoder {
    fn translated(&self) -> Result<&ArrowReaderMetadata> {
        if let Some(known) = self.translated.get() {
            return Ok(known);
        }
        let hint = self.layout.hint(&self.metadata, &self.output);
        let options = hint.map(|hint| ArrowReaderOptions::new().with_schema(hint));
        let translated = options
            .and_then(|options| ArrowReaderMetadata::try_new(Arc::clone(&self.metadata), options))
            .map_err(|problem| failed(&self.file, problem))?;
        Ok(self.translated.get_or_init(|| translated))
    }

    fn decode(self: &Arc<Self>, rows: Visible) -> BatchStream {
        let translated = match self.translated() {
            Ok(translated) => translated.clone(),
            Err(failure) => return stream::once(std::future::ready(Err(failure))).boxed(),
        };
        // Parquet's reader reserves memory for as many rows as a batch may have.
        let batch_rows = self.batch_rows.min(as_usize(rows.count())).max(1);
        let mut builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(self.file.clone(), translated)
                .with_projection(self.mask.clone())
                .with_batch_size(batch_rows);
        let selection = (rows.count() < self.total).then(|| rows.selection(as_usize(self.total)));
        self.file
            .count_pages(|| steps::pages(&self.metadata, &self.layout.roots, selection.as_ref()));
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let decoder = Arc::clone(self);
        match builder.build() {
            Ok(batches) => batches.map(move |batch| decoder.restored(batch)).boxed(),
            Err(problem) => {
                let failure = failed(&self.file, problem);
                stream::once(std::future::ready(Err(failure))).boxed()
            }
        }
    }

    /// The rows of `parts`, which are decoded beside each other or as they are taken. Those of `units` are kept.
    fn read(
        self: Arc<Self>,
        parts: impl Iterator<Item = Part> + Send + 'static,
        beside: bool,
        units: Option<Units>,
    ) -> BatchStream {
        let rows = parts.map(move |part| self.part(units.as_ref(), part));
        if beside {
            return ahead::in_order(rows.map(|rows| match rows {
                Taken::Kept(batch) => ahead::at_hand(batch),
                Taken::Decoding(batches) => ahead::begun(batches),
            }));
        }
        let rows = stream::iter(rows).flat_map(|rows| match rows {
            Taken::Kept(batch) => stream::once(std::future::ready(batch)).boxed(),
            Taken::Decoding(batches) => batches,
        });
        rows.boxed()
    }

    /// Takes a part from what is kept, or decodes it and keeps it.
    fn part(self: &Arc<Self>, units: Option<&Units>, part: Part) -> Taken {
        match (part, units) {
            (Part::Kept(batch), _) => {
                Taken::Kept(batch.map_err(|problem| Error::damaged(self.file.path(), problem)))
            }
            (
                Part::Decode {
                    rows,
                    from: Some(from),
                },
                Some(units),
            ) => {
                let keeping = units.clone().keeping(from);
                Taken::Decoding(self.decode(rows).map(keeping).boxed())
            }
            (Part::Decode { rows, .. }, _) => Taken::Decoding(self.decode(rows)),
        }
    }

    fn restored(&self, batch: Result<RecordBatch, ParquetError>) -> Result<RecordBatch> {
        let batch = batch.map_err(|problem| failed(&self.file, problem))?;
        restore(
            &batch,
            &self.output,
            &self.layout.places,
            &self.dictionaries,
        )
        .map_err(|problem| Error::damaged(self.file.path(), problem))
    }
}

/// The rows of a part.
enum Taken {
    Kept(Result<RecordBatch>),
    Decoding(BatchStream),
}

/// The same rows in batches of at most so many.
fn in_pieces(batches: BatchStream, most: u64) -> BatchStream {
    let pieces = batches.flat_map(move |batch| {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return stream::once(std::future::ready(Err(error))).boxed(),
        };
        let rows = batch.num_rows();
        let piece = as_usize(steps::batch_rows(rows as u64, most));
        let starts = (0..rows).step_by(piece.max(1));
        stream::iter(starts.map(move |start| Ok(batch.slice(start, piece.min(rows - start)))))
            .boxed()
    });
    pieces.boxed()
}

/// How the columns that are wanted lie in the file.
struct Layout {
    /// The columns of the file that are read, ascending.
    roots: Vec<usize>,
    /// For each wanted column its place among those that are read; `None` if the file does not have it.
    places: Vec<Option<usize>>,
}

impl Layout {
    fn new(metadata: &ParquetMetaData, output: &Schema, file: &ObjectReader) -> Result<Self> {
        let found = metadata.file_metadata().schema_descr().root_schema();
        let found = found.get_fields();
        let mut wanted = Vec::with_capacity(output.fields().len());
        for field in output.fields() {
            let root = found.iter().position(|found| found.name() == field.name());
            if root.is_none() && !field.is_nullable() {
                let problem = format!("column {} is missing", field.name());
                return Err(Error::damaged(file.path(), problem));
            }
            wanted.push(root);
        }
        let mut roots: Vec<usize> = wanted.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        let places = wanted
            .iter()
            .map(|root| root.and_then(|root| roots.binary_search(&root).ok()))
            .collect();
        Ok(Self { roots, places })
    }

    /// The types that Parquet's reader is asked for, for every column of the file.
    fn hint(&self, metadata: &ParquetMetaData, output: &Schema) -> Result<SchemaRef, ParquetError> {
        let found = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)?;
        let wanted = output.fields().iter().zip(&self.places);
        let wanted: BTreeMap<usize, &FieldRef> = wanted
            .filter_map(|(field, place)| Some((*self.roots.get((*place)?)?, field)))
            .collect();
        let hint = found.fields().iter().enumerate();
        let hint = hint.map(|(root, found)| match wanted.get(&root) {
            Some(field) => Arc::new(storage::hint(field.data_type(), found)),
            None => Arc::clone(found),
        });
        Ok(Arc::new(Schema::new(hint.collect::<Vec<_>>())))
    }
}

fn restore(
    batch: &RecordBatch,
    output: &SchemaRef,
    places: &[Option<usize>],
    dictionaries: &[Vec<Option<Recorded>>],
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let columns = output
        .fields()
        .iter()
        .zip(places)
        .zip(dictionaries)
        .map(|((field, place), dictionaries)| match place {
            Some(place) => storage::restore(
                batch.column(*place),
                field.data_type(),
                &mut dictionaries.iter().map(Option::as_ref),
            ),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(output), columns)
}

/// Batches of `count` rows for which the file's pages are not needed: columns it does not have, or none at all.
fn unread(output: SchemaRef, count: u64, batch_rows: usize, object: String) -> BatchStream {
    let step = batch_rows as u64;
    let batches = (0..count.div_ceil(step)).map(move |number| {
        let rows = as_usize(step.min(count - number * step));
        let columns: Vec<ArrayRef> = output
            .fields()
            .iter()
            .map(|field| new_null_array(field.data_type(), rows))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&output), columns, &options)
            .map_err(|problem| Error::damaged(&object, problem))
    });
    stream::iter(batches).boxed()
}

/// What the file says about itself. Its own page statistics are worth reading, but not those of others.
pub(crate) async fn load(file: &mut ObjectReader, origin: Origin) -> Result<Arc<ParquetMetaData>> {
    let statistics = match origin {
        Origin::Segment => PageIndexPolicy::Optional,
        Origin::Plain => PageIndexPolicy::Skip,
    };
    let options = ArrowReaderOptions::new()
        .with_offset_index_policy(PageIndexPolicy::Optional)
        .with_column_index_policy(statistics);
    let metadata = file.get_metadata(Some(&options)).await;
    metadata.map_err(|problem| failed(file, problem))
}

pub(crate) fn row_count(metadata: &ParquetMetaData, file: &ObjectReader) -> Result<u64> {
    let groups = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        sum.checked_add(u64::try_from(group.num_rows()).ok()?)
    });
    let told = u64::try_from(metadata.file_metadata().num_rows()).ok();
    match (groups, told) {
        (Some(groups), Some(told)) if groups == told => Ok(told),
        _ => Err(Error::damaged(
            file.path(),
            "its row counts contradict each other",
        )),
    }
}

fn as_usize(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// Awaits `work` on a file, and turns a panic into an error.
pub(crate) async fn guarded<T>(
    file: &ObjectReader,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(gave_up(file, panic.as_ref())))
}

/// Reading failed: because of the storage, or because of what the file holds.
pub(crate) fn failed(file: &ObjectReader, problem: ParquetError) -> Error {
    match problem {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(missing) if matches!(*missing, object_store::Error::NotFound { .. }) => {
                Error::missing(file.path())
            }
            Ok(source) => Error::io(format!("reading {}", file.path()), source),
            Err(source) => Error::damaged(file.path(), source),
        },
        other => Error::damaged(file.path(), other),
    }
}

/// The decoder panicked: it trusts some numbers in a file that a damaged one has wrong.
fn gave_up(file: &ObjectReader, panic: &(dyn Any + Send)) -> Error {
    let told = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("for no reason it tells");
    Error::damaged(file.path(), format!("decoding gave up: {told}"))
}

#[cfg(test)]
mod tests;
