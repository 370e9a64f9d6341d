//! Putting rows into a frame.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::FlightDescriptor;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use serde_json::Value;
use shoots_flight::{EncodeOptions, encode};
use shoots_proto::{Closed, IndexValue, PutCommand, PutMode, PutResult, UpdateScope};

use crate::connection::{Connection, answer, json, read_json};
use crate::error::Cause;
use crate::frame::bucket_name;
use crate::retry::Retry;
use crate::sending::{Abort, Sending};
use crate::{Error, ToFrameId};

/// A put in the making: where the rows go, what happens to those already there, and what the
/// commit says about itself.
///
/// One put is one commit: either all rows become visible at once, durably, or nothing changes.
/// A put that fails before its rows were all sent changed nothing. If the connection breaks
/// while the server confirms, the kind is
/// [`OutcomeUnknownError`](crate::ErrorKind::OutcomeUnknownError).
///
/// ```
/// use std::sync::Arc;
/// use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use shoots_client::{ErrorKind, PutMode, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// let day = |day: i64| -> Result<RecordBatch, Box<dyn std::error::Error>> {
///     let n: ArrayRef = Arc::new(Int64Array::from(vec![day; 10]));
///     Ok(RecordBatch::try_from_iter([("day", n)])?)
/// };
/// let days = vec![day(1)?, day(2)?, day(3)?];
///
/// let put = client
///     .put("days")
///     .bucket("calendar")
///     .mode(PutMode::Append)
///     .message("the first three")
///     .metadata("source", "almanac")
///     .request_id("days 1 to 3")
///     .send(days[0].schema(), days)
///     .await?;
/// assert_eq!((put.version, put.rows), (1, 30));
///
/// let again = client.put("calendar/days").send_batch(day(4)?).await.unwrap_err();
/// assert_eq!(again.kind(), ErrorKind::FileExistsError);
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send`, `send_batch` or `send_stream`"]
pub struct PutRequest {
    connection: Arc<Connection>,
    command: Result<PutCommand, Error>,
}

impl PutRequest {
    pub(crate) fn new(connection: Arc<Connection>, frame: impl ToFrameId) -> Self {
        let command = frame.to_frame_id().map(|frame| PutCommand {
            bucket: frame.bucket,
            ..PutCommand::new(frame.name)
        });
        Self {
            connection,
            command,
        }
    }

    /// The bucket of the frame, instead of the one its name said. It need not exist.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.command = self.command.and_then(|command| {
            Ok(PutCommand {
                bucket: Some(bucket_name(bucket)?),
                ..command
            })
        });
        self
    }

    /// What happens to rows that are there: refuse (the default), append, replace, update or upsert.
    pub fn mode(self, mode: PutMode) -> Self {
        self.with(|command| command.mode = mode)
    }

    /// The columns that the frame's rows are kept sorted by. A frame keeps its index: once it has one, a put need not
    /// say it, unless it replaces the frame: mode `replace` without an index leaves the frame without one.
    pub fn index<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(|command| command.index = Some(columns))
    }

    /// Mode `update`: where the range begins in which rows make way. With neither end given it is what the rows
    /// cover, both ends included.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|command| command.start = Some(start.into()))
    }

    /// Mode `update`: where that range stops.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|command| command.stop = Some(stop.into()))
    }

    /// Mode `update`: which of the given ends belong to that range; `start` alone if it is not said.
    pub fn closed(self, closed: Closed) -> Self {
        self.with(|command| command.closed = Some(closed))
    }

    /// Mode `update`: which rows in the range make way; all of them if it is not said.
    pub fn scope(self, scope: UpdateScope) -> Self {
        self.with(|command| command.scope = Some(scope))
    }

    /// Who makes the commit. A server that knows its callers says so itself.
    pub fn author(self, author: impl Into<String>) -> Self {
        self.with(|command| command.author = Some(author.into()))
    }

    /// What the commit says about itself.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.with(|command| command.message = Some(message.into()))
    }

    /// A fact that the commit carries for programs; call it once for each.
    pub fn metadata(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|command| {
            let metadata = command.metadata.get_or_insert_default();
            metadata.insert(key.into(), value.into());
        })
    }

    /// Names this put, in 1 to 128 bytes: the server applies a put of this frame with this id
    /// once, however often it is sent. So [`send`](Self::send) and
    /// [`send_batch`](Self::send_batch) repeat it by themselves when the connection breaks.
    pub fn request_id(self, id: impl Into<String>) -> Self {
        self.with(|command| command.request_id = Some(id.into()))
    }

    fn with(mut self, set: impl FnOnce(&mut PutCommand)) -> Self {
        if let Ok(command) = &mut self.command {
            set(command);
        }
        self
    }

    /// Puts one batch.
    pub async fn send_batch(self, batch: RecordBatch) -> Result<PutResult, Error> {
        self.send(batch.schema(), [batch]).await
    }

    /// Puts batches, all of which have the columns of `schema`.
    ///
    /// The iterator advances as the server takes the rows, on the thread that drives the
    /// connection: it should not block. It can be cloned so that a put with a
    /// [`request_id`](Self::request_id) can be repeated; for batches that can be made only
    /// once, or that may fail, see [`send_stream`](Self::send_stream).
    pub async fn send<I>(self, schema: SchemaRef, batches: I) -> Result<PutResult, Error>
    where
        I: IntoIterator<Item = RecordBatch>,
        I::IntoIter: Clone + Send + 'static,
    {
        let command = self.command?;
        let connection = &self.connection;
        let retry = match command.request_id {
            Some(_) => connection.retry,
            None => Retry::NEVER,
        };
        let command = json(&command)?;
        let batches = batches.into_iter();
        retry
            .run(
                |error| error.is_transient() || error.is_outcome_unknown(),
                move || {
                    let rows = stream::iter(batches.clone().map(Ok)).boxed();
                    put(connection, command.clone(), schema.clone(), rows)
                },
            )
            .await
    }

    /// Puts the batches of a stream, all of which have the columns of `schema`.
    ///
    /// An error in the stream abandons the put, nothing changes, and the result is a
    /// [`CancelledError`](crate::ErrorKind::CancelledError) with that error as its source.
    /// A stream cannot be sent again, so this is never repeated.
    pub async fn send_stream<S, E>(self, schema: SchemaRef, batches: S) -> Result<PutResult, Error>
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let command = json(&self.command?)?;
        let rows = batches.map(|batch| batch.map_err(|error| Error::abandoned(cause(error))));
        put(&self.connection, command, schema, rows.boxed()).await
    }
}

fn cause(error: impl Into<Cause>) -> Cause {
    error.into()
}

/// One attempt: sends everything and waits for the confirmation, or for the server's refusal,
/// which may come while rows are still being sent.
async fn put(
    connection: &Connection,
    command: Bytes,
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch, Error>>,
) -> Result<PutResult, Error> {
    let options = EncodeOptions::default().with_descriptor(FlightDescriptor::new_cmd(command));
    let (sending, mut fate) = Sending::new(encode(schema, rows, options));
    let mut request = connection.request(sending);
    let _abort = Abort::new(request.cancellation_handle());
    let mut flight = connection.flight();
    let confirmed = async {
        let mut results = answer(flight.do_put(request).await)?;
        let mut last = None;
        while let Some(result) = results.message().await? {
            last = Some(result);
        }
        Ok(last)
    };
    let confirmed = tokio::select! {
        biased;
        Ok(failed) = &mut fate.failed => Err(failed),
        confirmed = confirmed => confirmed.map_err(|error: Error| {
            if fate.is_complete() { error.of_change("the put") } else { error }
        }),
    };
    match confirmed? {
        Some(result) => read_json("put", &result.app_metadata),
        None => Err(Error::unexpected("put", "it ended without a result")),
    }
}
