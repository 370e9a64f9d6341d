//! One state of a frame, and reading it.
//!
//! A snapshot holds one entry of the log: it never changes, and what it names is immutable, so a reader sees one
//! state from the first row to the last, whatever is written meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use shoots_proto::name::FrameId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::log::commit::Operation;
use crate::log::entry::Entry;
use crate::log::seek::Found;
use crate::pandas;
use crate::plain::PlainFile;
use crate::segment::{self, ObjectReader, Origin};
use crate::time::Timestamp;

/// Segments that one reader decodes ahead of the one whose rows it hands out.
const SEGMENTS_AHEAD: usize = 1;
/// Batches of a segment that wait to be taken.
const BATCHES_AHEAD: usize = 2;
/// Rows in a batch at most, if the caller does not say.
const BATCH_ROWS: usize = 65_536;

/// One state of a frame. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    log: FrameLog,
    source: Source,
    schema: SchemaRef,
    size: Size,
    stale: bool,
}

#[derive(Debug, Clone)]
enum Source {
    Log(Found),
    Plain(PlainFile),
}

#[derive(Debug, Clone, Copy)]
struct Size {
    rows: u64,
    bytes: u64,
    segments: u64,
}

/// What part of a snapshot is read, and how.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// These columns in this order; none: all of them.
    pub columns: Option<Vec<String>>,
    /// So many rows are passed over.
    pub offset: u64,
    /// No more rows than this.
    pub limit: Option<u64>,
    /// `(i, n)`: only the i-th of n runs of segments, counted from 0; `offset` and `limit` count its rows. The n
    /// parts together are the snapshot, in order.
    pub part: Option<(usize, usize)>,
    /// Rows in a batch at most; none: 65,536. Where rows are large, a batch has fewer: about 2 MiB.
    pub batch_rows: Option<usize>,
}

/// Rows of a snapshot, in order, as they are decoded. Dropping them stops the work.
pub struct Rows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
}

/// A file whose rows follow those of the one before it.
#[derive(Debug, Clone)]
struct File {
    path: Path,
    bytes: u64,
    rows: u64,
    origin: Origin,
}

impl Snapshot {
    pub(crate) fn of_plain(log: FrameLog, plain: PlainFile) -> Self {
        let size = Size {
            rows: plain.rows,
            bytes: plain.bytes,
            segments: 1,
        };
        Self {
            log,
            schema: Arc::clone(&plain.schema),
            source: Source::Plain(plain),
            size,
            stale: false,
        }
    }

    /// The state at a version; an error if the frame was deleted then.
    pub(crate) async fn at(log: FrameLog, found: Found) -> Result<Self> {
        let Found { entry, version } = &found;
        let commit = entry.versions().find(|(of, ..)| of == version);
        let Some((_, _, commit)) = commit else {
            let problem = format!("it does not hold version {version}");
            let path = log.paths().entry(entry.header.sequence);
            return Err(Error::damaged(path, problem));
        };
        if commit.operation == Operation::Delete {
            let name = format!("{} (deleted in version {version})", log.frame());
            let what = "frame";
            return Err(Cause::NotFound { what, name }.into());
        }
        let schema = log.schema(&commit.schema).await?.schema;
        let size = size_at(&log, entry, *version).await?;
        Ok(Self {
            log,
            source: Source::Log(found),
            schema,
            size,
            stale: false,
        })
    }

    pub(crate) fn marked_stale(self) -> Self {
        Self {
            stale: true,
            ..self
        }
    }

    /// Whether it was taken without asking the storage, so that there may be a newer state; see
    /// [`Frame::cached_snapshot`](crate::Frame::cached_snapshot).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// The frame that this is a state of.
    #[must_use]
    pub fn frame(&self) -> &FrameId {
        self.log.frame()
    }

    /// The columns, with all metadata that was put.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.size.rows
    }

    /// How many bytes the segments have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.size.bytes
    }

    /// How many segments the rows lie in.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.size.segments
    }

    /// The version; a plain file has none.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match &self.source {
            Source::Log(found) => Some(found.version),
            Source::Plain(_) => None,
        }
    }

    /// The id of the commit that led here; a plain file has none.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        match &self.source {
            Source::Log(found) => {
                let mut versions = found.entry.versions();
                let own = versions.find(|(version, ..)| *version == found.version);
                own.map(|(_, id, _)| id.clone())
            }
            Source::Plain(_) => None,
        }
    }

    /// When this store published it; a plain file never was.
    #[must_use]
    pub fn published(&self) -> Option<Timestamp> {
        match &self.source {
            Source::Log(found) => Some(found.entry.header.published),
            Source::Plain(_) => None,
        }
    }

    /// Starts to read rows.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a column that there is not, or that is
    /// asked for twice.
    pub async fn read(&self, options: ReadOptions) -> Result<Rows> {
        let projection = self.projection(options.columns.as_deref())?;
        let schema = match &projection {
            Some(columns) => Arc::new(project(&self.schema, columns)?),
            None => Arc::clone(&self.schema),
        };
        let files = part(self.files().await?, options.part);
        let batch_rows = options.batch_rows.unwrap_or(BATCH_ROWS);
        let work = cut(files, options.offset, options.limit, batch_rows);

        let store = Arc::clone(self.log.objects().inner());
        let whole = Arc::clone(&self.schema);
        let output = Arc::clone(&schema);
        let batches = stream::iter(work)
            .map(move |(file, mut rows)| {
                rows.columns.clone_from(&projection);
                let object = ObjectReader::new(Arc::clone(&store), file.path, file.bytes);
                let batches = decode(object, file.origin, Arc::clone(&whole), rows);
                std::future::ready(batches)
            })
            .buffered(1 + SEGMENTS_AHEAD)
            .flatten()
            .map(move |batch| with_schema(batch?, &output))
            .boxed();
        Ok(Rows { schema, batches })
    }

    fn projection(&self, columns: Option<&[String]>) -> Result<Option<Vec<usize>>> {
        let Some(columns) = columns else {
            return Ok(None);
        };
        let mut indices = Vec::with_capacity(columns.len());
        for name in columns {
            let index = self.schema.index_of(name).map_err(|_| {
                let known: Vec<&str> = self
                    .schema
                    .fields()
                    .iter()
                    .map(|f| f.name().as_str())
                    .collect();
                let problem = format!(
                    "there is no column `{name}`; the columns are {}",
                    known.join(", ")
                );
                Error::invalid("columns", problem)
            })?;
            if indices.contains(&index) {
                return Err(Error::invalid(
                    "columns",
                    format!("`{name}` is given twice"),
                ));
            }
            indices.push(index);
        }
        Ok(Some(indices))
    }

    async fn files(&self) -> Result<Vec<File>> {
        let found = match &self.source {
            Source::Log(found) => found,
            Source::Plain(plain) => {
                return Ok(vec![File {
                    path: plain.path.clone(),
                    bytes: plain.bytes,
                    rows: plain.rows,
                    origin: Origin::Plain,
                }]);
            }
        };
        let changes = found.entry.changes_through(found.version);
        let checkpoint = found.entry.state.checkpoint.as_deref();
        let segments = self.log.checkpoints().segments(checkpoint, changes).await?;
        let paths = self.log.paths();
        Ok(segments
            .into_iter()
            .map(|segment| File {
                path: paths.segment(&segment.record.id),
                bytes: segment.record.bytes,
                rows: segment.record.rows,
                origin: Origin::Segment,
            })
            .collect())
    }
}

/// The state line counts for the entry's last version; for one within the entry, its segments are counted.
async fn size_at(log: &FrameLog, entry: &Arc<Entry>, version: u64) -> Result<Size> {
    if version == entry.last_version() {
        let state = &entry.state;
        return Ok(Size {
            rows: state.rows,
            bytes: state.bytes,
            segments: state.segments,
        });
    }
    let changes = entry.changes_through(version);
    let checkpoint = entry.state.checkpoint.as_deref();
    let segments = log.checkpoints().segments(checkpoint, changes).await?;
    Ok(Size {
        rows: segments.iter().map(|segment| segment.record.rows).sum(),
        bytes: segments.iter().map(|segment| segment.record.bytes).sum(),
        segments: segments.len() as u64,
    })
}

fn part(mut files: Vec<File>, part: Option<(usize, usize)>) -> Vec<File> {
    let Some((index, count)) = part else {
        return files;
    };
    let count = count.max(1);
    let total = files.len();
    let (start, end) = (total * index / count, total * (index + 1) / count);
    files.truncate(end);
    files.drain(..start.min(end));
    files
}

/// Which rows of which files lie in a range.
fn cut(
    files: Vec<File>,
    offset: u64,
    limit: Option<u64>,
    batch_rows: usize,
) -> Vec<(File, segment::Rows)> {
    let (mut skip, mut left) = (offset, limit.unwrap_or(u64::MAX));
    let mut work = Vec::new();
    for file in files {
        let skipped = skip.min(file.rows);
        let taken = left.min(file.rows - skipped);
        skip -= skipped;
        left -= taken;
        if taken > 0 {
            let partly = taken < file.rows;
            let rows = segment::Rows {
                columns: None,
                offset: skipped,
                limit: partly.then_some(taken),
                batch_rows,
            };
            work.push((file, rows));
        }
    }
    work
}

/// Decodes a file in a task of its own, a few batches ahead of whoever takes them.
fn decode(
    file: ObjectReader,
    origin: Origin,
    schema: SchemaRef,
    rows: segment::Rows,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::spawn(async move {
        let mut batches = match segment::read(file, origin, &schema, rows).await {
            Ok(batches) => batches.boxed(),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        };
        while let Some(batch) = batches.next().await {
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(receiver).boxed()
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
