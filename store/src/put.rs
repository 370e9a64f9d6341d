//! Writing a frame: from a stream of batches to one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde_json::{Value, json};
use shoots_proto::{Closed, Note, PutMode, UpdateScope};

use crate::edit::replace::{ReplaceRows, Replaced};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::index::{Index, Span};
use crate::layout;
use crate::log::commit::{Published, SegmentRecord};
use crate::log::entry::Entry;
use crate::log::plan::{NamedSchema, Proposal, PutWish, Rows, Wish};
use crate::log::remembered::RequestKey;
use crate::plain::{self, PlainFile};
use crate::schema::{self, Conform, evolve, identity};
use crate::sink::{Order, SegmentSink, StagedRows};
use crate::time::Timestamp;

/// How a frame is written, and what is noted with the commit.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// What happens to the rows that the frame has; the default refuses if there is such a frame.
    pub mode: PutMode,
    /// Columns that the frame's rows are kept sorted by, if this put creates or replaces the frame. For a frame that
    /// there is already: its own, or nothing. Mode `replace` replaces the index with the rows: if it names none, the
    /// frame has none afterwards.
    pub index: Vec<String>,
    /// Mode `update`: rows from here on are replaced; none, and no `stop`: those in the range that the data covers,
    /// both ends included.
    pub start: Option<Value>,
    /// Mode `update`: rows up to here are replaced.
    pub stop: Option<Value>,
    /// Mode `update` with `start` or `stop`: whether rows that lie exactly there are replaced.
    pub closed: Closed,
    /// Mode `update`: whether all rows in the range are replaced, or only those with keys that the data has.
    pub scope: UpdateScope,
    /// What is kept with the commit.
    pub note: Note,
    /// Makes a retry safe: while the frame remembers a put with the same id (it remembers the last 128 that had
    /// one), a second one changes nothing and is answered with the version of the first. It must be the same put:
    /// another mode, range or index, values in other columns or another number of rows under the same id are refused.
    pub request_id: Option<String>,
    /// A key, and what the metadata of the newest commit must have there when this is published; otherwise it is a
    /// conflict. So of several writers that continue from the same commit one succeeds.
    pub expected: Option<(String, Value)>,
}

impl PutOptions {
    /// The defaults, with this mode.
    #[must_use]
    pub fn mode(mode: PutMode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// The same with an index.
    #[must_use]
    pub fn index<I: IntoIterator<Item: Into<String>>>(mut self, columns: I) -> Self {
        self.index = columns.into_iter().map(Into::into).collect();
        self
    }
}

/// A put under way. Nothing is visible until [`commit`](Self::commit) has returned; dropping it changes nothing, and what
/// it has written is removed.
#[derive(Debug)]
pub struct FrameWriter {
    log: FrameLog,
    options: PutOptions,
    asked: Asked,
    state: State,
}

/// What tells a put from another one under the same request id.
#[derive(Debug, Default)]
struct Asked {
    /// Whether a column holds a value in some row. A retry may fill columns with null that the frame got meanwhile.
    columns: BTreeMap<String, bool>,
    rows: u64,
}

#[derive(Debug)]
enum State {
    /// An earlier attempt of this put took effect, unless it turns out to be another one.
    Repeated {
        head: Arc<Entry>,
        first: Published,
    },
    Writing(Box<Writing>),
}

#[derive(Debug)]
struct Writing {
    /// Fits the rows to the frame's columns; none: they are taken as they are.
    conform: Option<Conform>,
    schema: NamedSchema,
    /// The schema's bytes, if the frame has not had it yet.
    new_schema: Option<Bytes>,
    /// The frame does not exist so far, so its bucket may not either.
    creates: bool,
    plain: Option<PlainFile>,
    /// The newest version when this began.
    basis: u64,
    /// When this began, if the frame had no log then.
    absent: Option<Timestamp>,
    index: Vec<String>,
    /// Mode `update` with a given range: what that is.
    span: Option<Span>,
    /// How many rows were taken.
    rows: u64,
    sink: SegmentSink,
}

/// What a put finds when it begins.
struct Found {
    /// The frame, if there is one.
    present: Option<Present>,
    plain: Option<PlainFile>,
    basis: u64,
    absent: Option<Timestamp>,
}

/// The frame that a put finds.
struct Present {
    schema: NamedSchema,
    index: Vec<String>,
}

impl FrameWriter {
    pub(crate) async fn start(
        log: FrameLog,
        schema: SchemaRef,
        options: PutOptions,
    ) -> Result<Self> {
        log.shared().check_writable()?;
        schema::check(&schema)?;
        let schema = identity::public(&schema);
        let begun = log.now();
        let head = log.newest().await?.map(|head| head.entry);
        let absent = head.is_none().then_some(begun);
        let asked = Asked::default();
        let remembered = head.as_ref().zip(options.request_id.as_deref());
        let known = remembered.and_then(|(entry, id)| {
            let version = entry.state.remembered.version_of(id)?;
            Some((Arc::clone(entry), version))
        });
        if let Some((head, version)) = known {
            let mut first = log.published(&head, version).await?;
            let schema = log.schema(&head.state.schema).await?.schema;
            first.columns_added = evolve::brought_by_version(&schema, version);
            return Ok(Self {
                log,
                options,
                asked,
                state: State::Repeated { head, first },
            });
        }
        log.shared().check_space().await?;
        let plain = match head {
            Some(_) => None,
            None => plain::find(&log).await?,
        };
        let present = match (&head, &plain) {
            (Some(entry), _) if !entry.state.deleted => Some(Present {
                schema: log.schema(&entry.state.schema).await?,
                index: entry.state.index.clone(),
            }),
            (None, Some(plain)) => Some(Present {
                schema: named(plain.schema.clone())?.0,
                index: Vec::new(),
            }),
            _ => None,
        };
        let basis = head.as_ref().map_or(0, |entry| entry.last_version());
        let found = Found {
            present,
            plain,
            basis,
            absent,
        };
        let writing = Writing::new(&log, schema, &options, found)?;
        let state = State::Writing(Box::new(writing));
        Ok(Self {
            log,
            options,
            asked,
            state,
        })
    }

    /// Takes rows. They are cast to the frame's types where that loses nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema), naming every column that does not fit;
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for null or NaN in a column of the index.
    /// After an error the put cannot be committed.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.asked.note(&batch);
        match &mut self.state {
            State::Repeated { .. } => Ok(()),
            State::Writing(writing) => {
                let written = writing.write(batch).await;
                writing.unless_failed(written).await
            }
        }
    }

    /// Gives the memory for rows that were taken back if another put waits for it, by writing them out; for a put whose
    /// next rows are a while coming. Only the sizes of segments show that it was called.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn yield_memory(&mut self) -> Result<()> {
        match &mut self.state {
            State::Repeated { .. } => Ok(()),
            State::Writing(writing) => {
                let written = writing.sink.yield_memory().await;
                writing.unless_failed(written).await
            }
        }
    }

    /// Publishes everything that was written as one commit, and returns when it is durable.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the storage did not confirm;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if another writer changed the frame's columns meanwhile;
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if the request id was given to another put.
    /// With any other error nothing has changed.
    pub async fn commit(self) -> Result<Published> {
        let Self {
            log,
            options,
            asked,
            state,
        } = self;
        let request = asked.key(&options);
        let mut writing = match state {
            State::Repeated { head, first } => {
                if let Some(key) = &request {
                    head.state.remembered.answered(key)?;
                }
                return Ok(first);
            }
            State::Writing(writing) => *writing,
        };
        let (basis, absent) = (writing.basis, writing.absent);
        let index = std::mem::take(&mut writing.index);
        let span = writing.span.take();
        let plain = writing.plain.take();
        let rows = writing.finish(&log).await?;
        check_within(span.as_ref(), rows.segments.records())?;
        // It needs memory, and these rows take none any more.
        let adopt = match &plain {
            Some(plain) => Some(plain.adopt(&log).await?.hand_over()),
            None => None,
        };
        let rows = rows.hand_over();
        let written: Vec<String> = rows.ids().chain(adopt.iter().flat_map(Rows::ids)).collect();
        let mut replacing = None;
        let wish = match options.mode {
            PutMode::Error | PutMode::Append | PutMode::Replace => Wish::Put(Box::new(PutWish {
                mode: options.mode,
                index,
                rows,
                adopt,
            })),
            PutMode::Update | PutMode::Upsert => {
                let replaced = match (options.mode, options.scope) {
                    (PutMode::Upsert, _) => Replaced::Upsert,
                    (_, UpdateScope::Keys) => Replaced::Keys,
                    (_, UpdateScope::Range) => Replaced::Range(span),
                };
                let change = ReplaceRows::new(replaced, rows.segments, rows.schema, index);
                let change = Arc::new(change);
                replacing = Some(Arc::clone(&change));
                Wish::Derived(change)
            }
        };
        let write_id = log.unique_id();
        let proposal = Proposal {
            wish,
            write_id,
            request,
            basis: Some(basis),
            absent,
            expected: options.expected,
            note: options.note,
        };
        let outcome = submit(&log, proposal).await;
        match replacing {
            _ if is_unknown(&outcome) => {}
            Some(change) => change.discard_rest(&log, outcome.is_ok()).await,
            None if outcome.is_err() => log.let_go(&written).await,
            None => {}
        }
        outcome
    }
}

impl Asked {
    fn note(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let holds = !field.data_type().is_null() && column.null_count() < column.len();
            match self.columns.get_mut(field.name()) {
                Some(known) => *known |= holds,
                None => drop(self.columns.insert(field.name().clone(), holds)),
            }
        }
    }

    fn key(&self, options: &PutOptions) -> Option<RequestKey> {
        let range = (options.mode == PutMode::Update)
            .then(|| json!([options.start, options.stop, options.closed, options.scope]));
        let mode = options.mode.to_string();
        let columns = self.columns.iter().filter(|(_, holds)| **holds);
        let columns: Vec<&String> = columns.map(|(name, _)| name).collect();
        let asked = json!(["put", mode, options.index, range, columns, self.rows]);
        let id = options.request_id.as_deref()?;
        Some(RequestKey::new(id, &asked))
    }
}

impl Writing {
    /// Settles the schema that the rows will have, before any is taken.
    fn new(log: &FrameLog, schema: SchemaRef, options: &PutOptions, found: Found) -> Result<Self> {
        let Found {
            present,
            plain,
            basis,
            absent,
        } = found;
        let mode = options.mode;
        let creates = present.is_none();
        if mode == PutMode::Error && !creates {
            let frame = log.frame().to_string();
            return Err(Cause::FrameThere { frame }.into());
        }
        let index = index(log, options, present.as_ref())?;
        let frame = log.frame().to_string();
        let conform = match (&present, mode) {
            (Some(present), PutMode::Append | PutMode::Update) => {
                Some(Conform::plan(&frame, &schema, &present.schema.schema)?)
            }
            (Some(present), PutMode::Upsert) => {
                Some(Conform::plan_some(&frame, &schema, &present.schema.schema)?)
            }
            _ => None,
        };
        let target = conform.as_ref().map_or(schema, Conform::frame_schema);
        if conform.is_some() {
            check_keys(&frame, mode, &target, &index)?;
        }
        let (schema, bytes) = match present {
            Some(present) if *present.schema.schema == *target && plain.is_none() => {
                (present.schema, None)
            }
            _ => {
                let (schema, bytes) = named(target)?;
                (schema, Some(bytes))
            }
        };
        let (order, span) = order(&schema.schema, &index, options)?;
        let sink = SegmentSink::new(log.clone(), Arc::clone(&schema.schema), order)?;
        Ok(Self {
            conform,
            schema,
            new_schema: bytes,
            creates,
            plain,
            basis,
            absent,
            index,
            span,
            rows: 0,
            sink,
        })
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let before = self.rows;
        self.rows += batch.num_rows() as u64;
        let batch = match &self.conform {
            Some(conform) => conform.apply(&batch, before)?,
            None => {
                let (_, columns, rows) = batch.into_parts();
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                let schema = Arc::clone(&self.schema.schema);
                RecordBatch::try_new_with_options(schema, columns, &options)
                    .map_err(|error| Error::invalid("rows", error.to_string()))?
            }
        };
        self.sink.write(batch).await
    }

    /// Leaves nothing behind if writing has failed.
    async fn unless_failed(&mut self, written: Result<()>) -> Result<()> {
        if written.is_err() {
            self.sink.abandon().await;
        }
        written
    }

    /// The first durability round: segments, schema, bucket and folders at the same time.
    async fn finish(mut self, log: &FrameLog) -> Result<StagedRows> {
        let schema = self.schema;
        let segments = self.sink.finish();
        let write_schema = write_schema(log, &schema, self.new_schema);
        let bucket = create_bucket(log, self.creates);
        let folders = make_folders(log, self.creates);
        match tokio::try_join!(segments, write_schema, bucket, folders) {
            Ok((segments, (), (), ())) => Ok(StagedRows { schema, segments }),
            Err(error) => {
                self.sink.abandon().await;
                Err(error)
            }
        }
    }
}

/// Makes the folders of a new frame while its rows are written, so that nobody waits for the disk twice: for what is in
/// a folder, and before that for the folder.
async fn make_folders(log: &FrameLog, creates: bool) -> Result<()> {
    if creates && let Some(disk) = &log.shared().disk {
        disk.prepare(log.paths().folders().to_vec()).await;
    }
    Ok(())
}

/// The index that the frame has after the put.
fn index(log: &FrameLog, options: &PutOptions, present: Option<&Present>) -> Result<Vec<String>> {
    let frame = log.frame();
    let mode = options.mode;
    let changes = matches!(mode, PutMode::Update | PutMode::Upsert);
    let keeps = mode == PutMode::Append || changes;
    let index = match present.filter(|_| keeps) {
        Some(present) if !options.index.is_empty() && options.index != present.index => {
            let own = match present.index.as_slice() {
                [] => "has no index".to_owned(),
                own => format!("has the index {}", own.join(", ")),
            };
            let problem = format!("frame {frame} {own}; only mode `replace` can change that");
            return Err(Error::invalid("index", problem));
        }
        Some(present) => present.index.clone(),
        None => options.index.clone(),
    };
    if !changes || !index.is_empty() {
        return Ok(index);
    }
    let problem = match present {
        Some(_) => format!(
            "`{mode}` needs an index, and frame {frame} has none: put it once in mode `replace` with `index`"
        ),
        None => format!("`{mode}` needs an index, and there is no frame {frame}: give `index`"),
    };
    Err(Error::invalid("mode", problem))
}

/// Rows that join those of a frame need its keys. (In other modes the put itself says what the index is.)
fn check_keys(frame: &str, mode: PutMode, rows: &SchemaRef, index: &[String]) -> Result<()> {
    let missing = index.iter().filter(|name| rows.index_of(name).is_err());
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (missing, own) = (missing.join(", "), index.join(", "));
    let problem = format!(
        "the rows have no column {missing}, and the index of frame {frame} is {own}: `{mode}` tells rows apart by it, so give each row its value there"
    );
    Err(Error::invalid("index", problem))
}

/// How the rows are ordered, and the range that an update gives.
fn order(
    schema: &SchemaRef,
    index: &[String],
    options: &PutOptions,
) -> Result<(Option<Order>, Option<Span>)> {
    if index.is_empty() {
        return Ok((None, None));
    }
    let index = Index::new(schema, index)?;
    let span = match (&options.start, &options.stop) {
        (None, None) => None,
        (start, stop) => {
            let column = schema.field(index.columns()[0]);
            Some(Span::parse(
                column,
                start.as_ref(),
                stop.as_ref(),
                options.closed,
            )?)
        }
    };
    let order = Order {
        index: Arc::new(index),
        unique: options.mode == PutMode::Upsert,
    };
    Ok((Some(order), span))
}

/// Rows of an update must lie in the range that it gives.
fn check_within(span: Option<&Span>, segments: &[SegmentRecord]) -> Result<()> {
    let Some(span) = span else {
        return Ok(());
    };
    let mut ranges = segments.iter().filter_map(|segment| segment.range.as_ref());
    if ranges.any(|range| !span.covers(range)) {
        let problem = "some of the rows lie outside of `start` to `stop`: they would be kept next to older ones";
        return Err(Error::invalid("start", problem));
    }
    Ok(())
}

/// Makes the marker of a frame's bucket durable, if it is wanted.
pub(crate) async fn create_bucket(log: &FrameLog, wanted: bool) -> Result<()> {
    let Some(bucket) = log.frame().bucket.as_ref().filter(|_| wanted) else {
        return Ok(());
    };
    let marker = layout::bucket_marker(bucket);
    log.objects()
        .create_immutable(&marker, Bytes::from_static(b"{}\n"))
        .await
}

/// Whether a change has ended so that an entry may name what was written for it.
pub(crate) fn is_unknown<T>(outcome: &Result<T>) -> bool {
    let error = outcome.as_ref().err();
    error.is_some_and(|error| error.kind() == ErrorKind::OutcomeUnknown)
}

/// Publishes a change of a frame, and looks after its bucket if the frame began with it.
pub(crate) async fn submit(log: &FrameLog, proposal: Proposal) -> Result<Published> {
    let published = try_submit(log, proposal).await?;
    published.ok_or_else(|| Cause::NothingToChange.into())
}

/// The same for a change that may turn out to change nothing.
pub(crate) async fn try_submit(log: &FrameLog, proposal: Proposal) -> Result<Option<Published>> {
    let mut published = log.submit(proposal).await?;
    if let Some(published) = &mut published
        && std::mem::take(&mut published.began)
    {
        keep_bucket(log).await;
    }
    Ok(published)
}

/// Puts the bucket's marker back if the bucket was deleted before or meanwhile: it would end with its last
/// frame otherwise. The change itself has taken effect, so failing to do so is no reason to fail it.
async fn keep_bucket(log: &FrameLog) {
    let Some(bucket) = log.frame().bucket.as_ref() else {
        return;
    };
    let marker = layout::bucket_marker(bucket);
    let kept = match log.objects().size(&marker).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => create_bucket(log, true).await,
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "the marker of bucket {bucket} was not looked after");
    }
}

/// Makes a schema durable, unless the frame has had it before and has it still.
pub(crate) async fn write_schema(
    log: &FrameLog,
    schema: &NamedSchema,
    bytes: Option<Bytes>,
) -> Result<()> {
    let Some(bytes) = bytes else {
        return log.put_back_schema(schema).await;
    };
    let path = log.paths().schema(&schema.hash);
    log.objects().create_immutable(&path, bytes).await?;
    let cached = Arc::clone(&schema.schema);
    log.shared().schemas.insert(schema.hash.to_string(), cached);
    Ok(())
}

/// A schema under the name that its bytes give it.
pub(crate) fn named(schema: SchemaRef) -> Result<(NamedSchema, Bytes)> {
    let file = schema::encode(&schema)?;
    let hash = file.hash.into();
    Ok((NamedSchema { hash, schema }, file.bytes))
}
