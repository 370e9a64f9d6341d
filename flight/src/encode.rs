//! The sending side: a stream of batches becomes a stream of Flight messages.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_flight::{FlightData, FlightDescriptor};
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::Stream;

use crate::schema::check_supported;
use crate::{Error, compact, split};

/// How many bytes of rows a message holds unless [`EncodeOptions::with_message_bytes`] says
/// otherwise.
///
/// Well below the 4 MiB that gRPC implementations accept by default, and large enough for the
/// work per message not to count.
pub const DEFAULT_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// What [`encode`] adds to the batches, and how it cuts them.
#[derive(Clone, Debug)]
#[must_use]
pub struct EncodeOptions {
    descriptor: Option<FlightDescriptor>,
    app_metadata: Bytes,
    message_bytes: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            descriptor: None,
            app_metadata: Bytes::new(),
            message_bytes: DEFAULT_MESSAGE_BYTES,
        }
    }
}

impl EncodeOptions {
    /// Puts a descriptor on the first message, as `DoPut` requires.
    pub fn with_descriptor(mut self, descriptor: FlightDescriptor) -> Self {
        self.descriptor = Some(descriptor);
        self
    }

    /// Puts application metadata on the first message.
    pub fn with_app_metadata(mut self, app_metadata: Bytes) -> Self {
        self.app_metadata = app_metadata;
        self
    }

    /// How many bytes of rows a message holds at most; a single larger row still goes as one
    /// message, and so does a dictionary.
    pub fn with_message_bytes(mut self, message_bytes: usize) -> Self {
        self.message_bytes = message_bytes;
        self
    }
}

/// Encodes `batches` as Flight messages: the schema, then each batch in one or more messages.
///
/// The stream is lazy: it asks for a batch when the messages of the last one are taken, and
/// holds one encoded message at a time. It ends after the first error, which is either the
/// source's own or an [`Error`] of the encoding: a schema that IPC cannot express, or a batch
/// whose columns are not those of `schema`. Metadata and nullability of the batches' own
/// schemas do not matter, `schema`'s are sent.
pub fn encode<S, E>(schema: SchemaRef, batches: S, options: EncodeOptions) -> Encoder<S>
where
    S: Stream<Item = Result<RecordBatch, E>>,
    E: From<Error>,
{
    Encoder {
        batches: Box::pin(batches),
        state: State::Begin(options.descriptor, options.app_metadata),
        message_bytes: options.message_bytes,
        parts: VecDeque::new(),
        ready: VecDeque::new(),
        messages: Messages::new(schema),
    }
}

/// The messages of a stream of batches; see [`encode`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Encoder<S> {
    batches: Pin<Box<S>>,
    state: State,
    message_bytes: usize,
    /// Parts of the last batch that are not encoded yet.
    parts: VecDeque<RecordBatch>,
    /// Messages of the last part that are not taken yet.
    ready: VecDeque<FlightData>,
    messages: Messages,
}

#[derive(Debug)]
enum State {
    /// The schema is still to be sent, with these on its message.
    Begin(Option<FlightDescriptor>, Bytes),
    Batches,
    Done,
}

impl<S, E> Stream for Encoder<S>
where
    S: Stream<Item = Result<RecordBatch, E>>,
    E: From<Error>,
{
    type Item = Result<FlightData, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(message) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(message)));
            }
            let encoded = match &mut this.state {
                State::Done => return Poll::Ready(None),
                State::Begin(descriptor, app_metadata) => {
                    let (descriptor, app_metadata) =
                        (descriptor.take(), std::mem::take(app_metadata));
                    this.state = State::Batches;
                    this.messages.schema_message().map(|message| {
                        this.ready.push_back(FlightData {
                            flight_descriptor: descriptor,
                            app_metadata,
                            ..message
                        });
                    })
                }
                State::Batches => match this.parts.pop_front() {
                    Some(part) => {
                        let more = !this.parts.is_empty();
                        this.messages.batch_messages(&part, more, &mut this.ready)
                    }
                    None => match ready!(this.batches.as_mut().poll_next(cx)) {
                        Some(Ok(batch)) => this.messages.fit(batch).map(|batch| {
                            this.parts.extend(split(batch, this.message_bytes));
                        }),
                        Some(Err(error)) => {
                            this.state = State::Done;
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => {
                            this.state = State::Done;
                            return Poll::Ready(None);
                        }
                    },
                },
            };
            if let Err(error) = encoded {
                this.state = State::Done;
                this.parts.clear();
                this.ready.clear();
                return Poll::Ready(Some(Err(error.into())));
            }
        }
    }
}

/// Turns one batch after the other into messages and remembers the dictionaries sent.
struct Messages {
    schema: SchemaRef,
    dictionaries: DictionaryTracker,
    options: IpcWriteOptions,
    context: IpcWriteContext,
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Messages {
    fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            dictionaries: DictionaryTracker::new(false),
            options: IpcWriteOptions::default(),
            context: IpcWriteContext::default(),
        }
    }

    fn schema_message(&mut self) -> Result<FlightData, Error> {
        check_supported(&self.schema)?;
        let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut self.dictionaries,
            &self.options,
        );
        Ok(message(encoded))
    }

    /// The batch, if it has the columns that the schema announces.
    fn fit(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        if std::sync::Arc::ptr_eq(batch.schema_ref(), &self.schema) {
            return Ok(batch);
        }
        // Names and metadata inside nested types are the schema's to say.
        let options = RecordBatchOptions::new()
            .with_match_field_names(false)
            .with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map(|_| batch)
            .map_err(Error::Batch)
    }

    fn batch_messages(
        &mut self,
        batch: &RecordBatch,
        more: bool,
        ready: &mut VecDeque<FlightData>,
    ) -> Result<(), Error> {
        self.context.set_reserve_scratch(more);
        let (dictionaries, rows) = IpcDataGenerator::default()
            .encode(
                &compact(batch)?,
                &mut self.dictionaries,
                &self.options,
                &mut self.context,
            )
            .map_err(Error::Encode)?;
        ready.extend(dictionaries.into_iter().map(message));
        ready.push_back(message(rows));
        Ok(())
    }
}

fn message(encoded: EncodedData) -> FlightData {
    FlightData {
        data_header: encoded.ipc_message.into(),
        data_body: encoded.arrow_data.into(),
        ..FlightData::default()
    }
}
