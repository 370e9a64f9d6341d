//! Writing a frame: from a stream of batches to one commit.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde_json::{Map, Value};
use shoots_proto::put::PutMode;

use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::layout;
use crate::log::commit::{Published, Request, SegmentRecord};
use crate::log::plan::{CommitNote, NamedSchema, Proposal, PutWish, Rows, Wish};
use crate::plain::{self, PlainFile};
use crate::schema;
use crate::schema::Conform;
use crate::sink::SegmentSink;

/// How a frame is written, and what is noted with the commit.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// What happens to the rows that the frame has; the default refuses if there is such a frame.
    pub mode: PutMode,
    /// Who writes.
    pub author: Option<String>,
    /// What this change is about.
    pub message: Option<String>,
    /// Anything else to keep with the commit.
    pub metadata: Option<Map<String, Value>>,
    /// Makes a retry safe: while the frame remembers a put with the same id (it remembers the last 128 that had
    /// one), a second one changes nothing and is answered with the version of the first.
    pub request_id: Option<String>,
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
}

/// A put under way. Nothing is visible until [`commit`](Self::commit) has returned; dropping it changes nothing.
#[derive(Debug)]
pub struct FrameWriter {
    log: FrameLog,
    options: PutOptions,
    state: State,
}

#[derive(Debug)]
enum State {
    /// An earlier attempt of this put took effect.
    Repeated(Published),
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
    sink: SegmentSink,
}

impl FrameWriter {
    pub(crate) async fn start(
        log: FrameLog,
        schema: SchemaRef,
        options: PutOptions,
    ) -> Result<Self> {
        log.shared().check_writable()?;
        schema::check(&schema)?;
        let head = log.newest().await?.map(|head| head.entry);
        let key = options.request_id.as_deref().map(Request::key);
        let remembered = head.as_ref().zip(key.as_ref());
        if let Some(first) = remembered.and_then(|(entry, key)| entry.state.answered(key)) {
            let state = State::Repeated(first);
            return Ok(Self {
                log,
                options,
                state,
            });
        }
        log.shared().check_space().await?;
        let plain = match head {
            Some(_) => None,
            None => plain::find(&log).await?,
        };
        let present = match (&head, &plain) {
            (Some(entry), _) if !entry.state.deleted => {
                Some(log.schema(&entry.state.schema).await?)
            }
            (None, Some(plain)) => Some(named(plain.schema.clone())?.0),
            _ => None,
        };
        let writing = Writing::new(&log, schema, options.mode, present, plain)?;
        let state = State::Writing(Box::new(writing));
        Ok(Self {
            log,
            options,
            state,
        })
    }

    /// Takes rows. They are cast to the frame's types where that loses nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema), naming every column that does not fit. After an error the
    /// put cannot be committed.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        match &mut self.state {
            State::Repeated(_) => Ok(()),
            State::Writing(writing) => writing.write(batch).await,
        }
    }

    /// Publishes everything that was written as one commit, and returns when it is durable.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the storage did not confirm;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if another writer changed the frame's columns meanwhile.
    /// With any other error nothing has changed.
    pub async fn commit(self) -> Result<Published> {
        let Self {
            log,
            options,
            state,
        } = self;
        let writing = match state {
            State::Repeated(published) => return Ok(published),
            State::Writing(writing) => *writing,
        };
        let adopt = match &writing.plain {
            Some(plain) => Some(plain.adopt(&log).await?),
            None => None,
        };
        let rows = writing.finish(&log).await?;
        let wish = Wish::Put(Box::new(PutWish {
            mode: options.mode,
            request: options.request_id.as_deref().map(Request::key),
            rows,
            adopt,
        }));
        let note = CommitNote {
            author: options.author,
            message: options.message,
            metadata: options.metadata,
        };
        let write_id = log.unique_id();
        let proposal = Proposal {
            wish,
            write_id,
            note,
        };
        submit(&log, proposal).await
    }
}

impl Writing {
    /// Settles the schema that the rows will have, before any is taken.
    fn new(
        log: &FrameLog,
        schema: SchemaRef,
        mode: PutMode,
        present: Option<NamedSchema>,
        plain: Option<PlainFile>,
    ) -> Result<Self> {
        let creates = present.is_none();
        if mode == PutMode::Error && !creates {
            let (what, name) = ("frame", log.frame().to_string());
            return Err(Cause::AlreadyExists { what, name }.into());
        }
        let conform = match &present {
            Some(present) if mode == PutMode::Append => Some(Conform::plan(
                &log.frame().to_string(),
                &schema,
                &present.schema,
            )?),
            _ => None,
        };
        let target = conform.as_ref().map_or(schema, Conform::frame_schema);
        let (schema, bytes) = match present {
            Some(present) if *present.schema == *target && plain.is_none() => (present, None),
            _ => {
                let (schema, bytes) = named(target)?;
                (schema, Some(bytes))
            }
        };
        let sink = SegmentSink::new(log.clone(), Arc::clone(&schema.schema))?;
        Ok(Self {
            conform,
            schema,
            new_schema: bytes,
            creates,
            plain,
            sink,
        })
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = match &self.conform {
            Some(conform) => conform.apply(&batch)?,
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

    /// The first durability round: segments, schema and bucket at the same time.
    async fn finish(self, log: &FrameLog) -> Result<Rows> {
        let schema = self.schema;
        let segments = self.sink.finish();
        let write_schema = write_schema(log, &schema, self.new_schema);
        let bucket = create_bucket(log, self.creates);
        let (segments, (), ()): (Vec<SegmentRecord>, (), ()) =
            tokio::try_join!(segments, write_schema, bucket)?;
        Ok(Rows { schema, segments })
    }
}

async fn create_bucket(log: &FrameLog, wanted: bool) -> Result<()> {
    let Some(bucket) = log.frame().bucket.as_ref().filter(|_| wanted) else {
        return Ok(());
    };
    let marker = layout::bucket_marker(bucket);
    log.objects()
        .create_immutable(&marker, Bytes::from_static(b"{}\n"))
        .await
}

/// Publishes a change of a frame, and looks after its bucket if the frame began with it.
pub(crate) async fn submit(log: &FrameLog, proposal: Proposal) -> Result<Published> {
    let mut published = log.submit(proposal).await?;
    if std::mem::take(&mut published.began) {
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

/// Makes a schema durable, if it has to be.
pub(crate) async fn write_schema(
    log: &FrameLog,
    schema: &NamedSchema,
    bytes: Option<Bytes>,
) -> Result<()> {
    if let Some(bytes) = bytes {
        let path = log.paths().schema(&schema.hash);
        log.objects().create_immutable(&path, bytes).await?;
        let cached = Arc::clone(&schema.schema);
        log.shared().schemas.insert(schema.hash.to_string(), cached);
    }
    Ok(())
}

/// A schema under the name that its bytes give it.
pub(crate) fn named(schema: SchemaRef) -> Result<(NamedSchema, Bytes)> {
    let file = schema::encode(&schema)?;
    let hash = file.hash.into();
    Ok((NamedSchema { hash, schema }, file.bytes))
}
