//! Reading rows of one state of a frame: all or some columns, a range of the index, some rows of those.
//!
//! What is not wanted is not touched, as far as can be known without touching it: segments whose keys lie outside
//! the range, pages of those that reach into it ([`piece`]), segments before the offset and after the limit. Segments
//! that do not overlap are read one after the other, those that do are merged by key ([`scan`]). A
//! condition may leave out further pages and rows ([`filter`]). Everything is a
//! stream; dropping it stops the work.

mod filter;
mod piece;
mod readers;
mod scan;
mod watch;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::Value;
use shoots_proto::Closed;

pub(crate) use self::filter::Sieve;
pub use self::filter::{ColumnBlocks, RowFilter};
pub(crate) use self::piece::{Batches, Piece};
pub(crate) use self::readers::{Readers, Reading};
pub(crate) use self::scan::Scan;
pub use self::watch::ReadWatch;
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{Index, Span};
use crate::log::change::Segment;
use crate::pandas;
use crate::schema::identity;

/// Rows in a batch at most, if the caller does not say.
pub(crate) const BATCH_ROWS: usize = 65_536;

/// What part of a snapshot is read, and how.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// These columns in this order; none: all of them.
    pub columns: Option<Vec<String>>,
    /// Only rows whose value in the first index column is not before this: a number, or text such as
    /// `2024-01-31T12:00:00Z`.
    pub start: Option<Value>,
    /// Only rows whose value in the first index column is not after this.
    pub stop: Option<Value>,
    /// Whether rows that lie exactly on `start` or `stop` are among them. Default: on `start` only.
    pub closed: Closed,
    /// So many rows are passed over.
    pub offset: u64,
    /// No more rows than this.
    pub limit: Option<u64>,
    /// Only the last so many rows. Not together with `offset` and `limit`.
    pub tail: Option<u64>,
    /// `(i, n)`: only the i-th of n runs of segments, counted from 0; `offset` and `limit` count its rows. The n
    /// parts together are the snapshot, in order.
    pub part: Option<(usize, usize)>,
    /// Only rows that this wants. Not together with `offset`, `limit` and `tail`.
    pub filter: Option<Arc<dyn RowFilter>>,
    /// Is told what the read costs.
    pub watch: Option<Arc<dyn ReadWatch>>,
    /// Rows in a batch at most; none: 65,536. Where rows are large, a batch has fewer: about 2 MiB.
    pub batch_rows: Option<usize>,
}

/// Rows of a snapshot, in order, as they are decoded. Dropping them stops the work.
pub struct Rows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
}

/// What is read from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) log: FrameLog,
    /// The frame's schema as it is stored.
    pub(crate) schema: SchemaRef,
    /// The columns that the rows are sorted by.
    pub(crate) index: Vec<String>,
    pub(crate) files: Files,
    /// Keeps the sweep from what is read; a plain file is never swept.
    pub(crate) reading: Option<Arc<Reading>>,
}

/// Where the rows lie.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    Segments(Vec<Segment>),
    Plain(crate::plain::PlainFile),
}

/// Starts to read.
pub(crate) async fn read(source: Source, options: ReadOptions) -> Result<Rows> {
    let (scan, reading) = find(source, options).await?;
    reading.start(scan)
}

/// Reads the same rows in parts of about so many each, which follow each other. None is begun before it is polled.
pub(crate) async fn read_parts(
    source: Source,
    options: ReadOptions,
    rows: u64,
) -> Result<Vec<Rows>> {
    let (scan, reading) = find(source, options).await?;
    let parts = scan.split(rows).into_iter();
    parts.map(|scan| reading.start(scan)).collect()
}

/// How rows that were found are read.
struct Start {
    columns: Option<Vec<usize>>,
    output: SchemaRef,
    batch_rows: usize,
    sieve: Option<Arc<Sieve>>,
}

impl Start {
    fn start(&self, scan: Scan) -> Result<Rows> {
        let batches = scan.read(self.columns.clone(), self.batch_rows, self.sieve.clone())?;
        let output = Arc::clone(&self.output);
        let batches = batches
            .map(move |batch| with_schema(batch?, &output))
            .boxed();
        Ok(Rows {
            schema: Arc::clone(&self.output),
            batches,
        })
    }
}

/// Finds out where the rows lie that are asked for.
async fn find(mut source: Source, options: ReadOptions) -> Result<(Scan, Start)> {
    source.log = source.log.watched(options.watch.clone()).keeping_rows();
    let columns = projection(&source.schema, options.columns.as_deref())?;
    let output = match &columns {
        Some(columns) => Arc::new(project(&identity::public(&source.schema), columns)?),
        None => identity::public(&source.schema),
    };
    let index = match source.index.as_slice() {
        [] => None,
        names => Some(Index::new(&source.schema, names)?),
    };
    let span = span(&source, &options)?;
    let schema = Arc::clone(&source.schema);
    let mut scan = Scan::find(source, index, span).await?;
    if let Some((part, parts)) = options.part {
        scan.keep_part(part, parts);
    }
    let sieve = match &options.filter {
        Some(_) if options.offset > 0 || options.limit.is_some() || options.tail.is_some() => {
            let problem = "it cannot be given together with `limit`, `offset` or `tail`";
            return Err(Error::invalid("filter", problem));
        }
        Some(filter) => Some(Arc::new(Sieve::new(Arc::clone(filter), &schema)?)),
        None => None,
    };
    match options.tail {
        Some(_) if options.offset > 0 || options.limit.is_some() => {
            let problem = "it cannot be given together with `limit` or `offset`";
            return Err(Error::invalid("tail", problem));
        }
        Some(rows) => scan.cut(scan.rows().saturating_sub(rows), None),
        None => scan.cut(options.offset, options.limit),
    }
    let start = Start {
        columns,
        output,
        batch_rows: options.batch_rows.unwrap_or(BATCH_ROWS).max(1),
        sieve,
    };
    Ok((scan, start))
}

/// The range of the first index column that is asked for, if one is.
fn span(source: &Source, options: &ReadOptions) -> Result<Option<Span>> {
    let field = match (&options.start, &options.stop) {
        (None, None) => return Ok(None),
        (Some(_), _) => "start",
        (None, Some(_)) => "stop",
    };
    let Some(first) = source.index.first() else {
        let problem = format!(
            "frame {} has no index, so a range of it cannot be read: put it with `index`, or use sql with a `where`",
            source.log.frame()
        );
        return Err(Error::invalid(field, problem));
    };
    let column = source.schema.field_with_name(first);
    let column = column.map_err(|error| Error::io("finding the index", error))?;
    Span::parse(
        column,
        options.start.as_ref(),
        options.stop.as_ref(),
        options.closed,
    )
    .map(Some)
}

/// The places of the columns that are asked for.
pub(crate) fn projection(
    schema: &Schema,
    columns: Option<&[String]>,
) -> Result<Option<Vec<usize>>> {
    let Some(columns) = columns else {
        return Ok(None);
    };
    let mut indices = Vec::with_capacity(columns.len());
    for name in columns {
        let index = schema.index_of(name).map_err(|_| {
            let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let known = known.join(", ");
            let problem = format!("there is no column `{name}`; the columns are {known}");
            Error::invalid("columns", problem)
        })?;
        if indices.contains(&index) {
            let problem = format!("`{name}` is given twice");
            return Err(Error::invalid("columns", problem));
        }
        indices.push(index);
    }
    Ok(Some(indices))
}

fn project(schema: &Schema, columns: &[usize]) -> Result<Schema> {
    let projected = schema
        .project(columns)
        .map_err(|error| Error::io("choosing columns", error))?;
    Ok(pandas::reduce(&projected))
}

/// The batch with the metadata of `schema`, which may say less than its own: pandas' description is reduced.
fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (_, columns, rows) = batch.into_parts();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::io("reading a batch", error))
}

impl Rows {
    /// Batches of this schema.
    pub(crate) fn new(schema: SchemaRef, batches: BoxStream<'static, Result<RecordBatch>>) -> Self {
        Self { schema, batches }
    }

    /// The same rows, with another error where they fail.
    pub(crate) fn explained<F>(self, explain: impl Fn(Error) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Error> + Send + 'static,
    {
        let explain = move |error| {
            let explained = explain(error);
            async { Err(explained.await) }
        };
        Self {
            batches: self.batches.or_else(explain).boxed(),
            ..self
        }
    }

    /// The columns of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// All rows at once.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.batches.try_collect().await
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(cx)
    }
}
