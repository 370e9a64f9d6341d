//! The receiving side: a stream of Flight messages becomes a schema and a stream of batches.
//!
//! It differs from `arrow_flight`'s decoder in what both ends here need: the schema and the
//! descriptor are at hand before the first batch, a message without data is skipped as C++
//! does, dictionary ids of the stream do not leak into the schema, a body that is not aligned
//! is copied buffer by buffer and only where a type requires alignment, and a message that
//! lies about its contents is an error and never a panic, nor more memory than a bound
//! ([`Decoder::with_limits`]).

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_flight::{FlightData, FlightDescriptor};
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::aligned::aligned;
use crate::limits::DecodeLimits;
use crate::schema::{children, without_dictionary_ids};
use crate::{Error, inflated, list_views, parts, size};

/// The strictest alignment of any arrow type.
const ALIGNMENT: usize = 16;

/// Decodes Flight messages from either end: the schema first, then batches.
///
/// The stream ends after the first error: the source's own, or an [`Error`] that says what is
/// wrong with a message.
pub fn decode<S, E>(messages: S) -> Decoder<S>
where
    S: Stream<Item = Result<FlightData, E>>,
    E: From<Error>,
{
    Decoder {
        messages: Box::pin(messages),
        descriptor: None,
        app_metadata: Bytes::new(),
        last_words: Bytes::new(),
        schema: None,
        limits: DecodeLimits::default(),
        state: State::Begin,
    }
}

/// The batches of a stream of Flight messages; see [`decode`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Decoder<S> {
    messages: Pin<Box<S>>,
    descriptor: Option<FlightDescriptor>,
    app_metadata: Bytes,
    last_words: Bytes,
    schema: Option<SchemaRef>,
    limits: DecodeLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    Begin,
    Batches(Box<Reader>),
    Done,
}

impl<S> Decoder<S> {
    /// Refuses batches that are larger than this: [`Error::TooManyRows`], [`Error::TooManyBytes`]; and dictionaries that
    /// take more bytes together. It is to be set before the schema is read.
    pub fn with_limits(self, limits: DecodeLimits) -> Self {
        Self { limits, ..self }
    }

    /// The schema, once its message was read.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.schema.clone()
    }

    /// The descriptor that came with the messages read so far, as in `DoPut`.
    pub fn descriptor(&self) -> Option<&FlightDescriptor> {
        self.descriptor.as_ref()
    }
}

impl<S> Decoder<S> {
    /// The application metadata that came with the schema; empty if none did.
    pub fn app_metadata(&self) -> &Bytes {
        &self.app_metadata
    }

    /// The application metadata of the last message, if it had nothing else; empty if not.
    pub fn last_words(&self) -> &Bytes {
        &self.last_words
    }
}

impl<S, E> Decoder<S>
where
    S: Stream<Item = Result<FlightData, E>>,
    E: From<Error>,
{
    /// Waits for the schema, which is the first thing a stream must carry.
    pub async fn read_schema(&mut self) -> Result<SchemaRef, E> {
        loop {
            if let Some(schema) = &self.schema {
                return Ok(schema.clone());
            }
            let message = match self.state {
                State::Begin => self.messages.next().await,
                State::Batches(_) | State::Done => None,
            };
            let received = match message {
                Some(Ok(message)) => self.receive(message).map(|_| ()).map_err(E::from),
                Some(Err(error)) => Err(error),
                None => Err(Error::Protocol("the stream ended before its schema").into()),
            };
            if let Err(error) = received {
                self.state = State::Done;
                return Err(error);
            }
        }
    }

    fn receive(&mut self, mut message: FlightData) -> Result<Option<RecordBatch>, Error> {
        if let Some(descriptor) = message.flight_descriptor.take() {
            self.descriptor.get_or_insert(descriptor);
        }
        // A message of metadata alone.
        if message.data_header.is_empty() {
            self.last_words = message.app_metadata;
            return Ok(None);
        }
        self.last_words.clear();
        match &mut self.state {
            State::Begin => {
                let reader = Reader::new(&message, self.limits)?;
                self.app_metadata = std::mem::take(&mut message.app_metadata);
                self.schema = Some(reader.schema.clone());
                self.state = State::Batches(Box::new(reader));
                Ok(None)
            }
            State::Batches(reader) => reader.read(message),
            State::Done => Ok(None),
        }
    }
}

impl<S, E> Stream for Decoder<S>
where
    S: Stream<Item = Result<FlightData, E>>,
    E: From<Error>,
{
    type Item = Result<RecordBatch, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if matches!(self.state, State::Done) {
                return Poll::Ready(None);
            }
            let taken = match ready!(self.messages.as_mut().poll_next(cx)) {
                Some(Ok(message)) => self.receive(message).map_err(E::from),
                Some(Err(error)) => Err(error),
                None => {
                    self.state = State::Done;
                    return Poll::Ready(None);
                }
            };
            match taken {
                Ok(Some(batch)) => return Poll::Ready(Some(Ok(batch))),
                Ok(None) => {}
                Err(error) => {
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

/// Reads batches of one schema and remembers the dictionaries received.
#[derive(Debug)]
struct Reader {
    /// The schema as batches carry it.
    schema: SchemaRef,
    /// The schema with the dictionary ids of this stream.
    wire_schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Unions are read in place and need an aligned body; all else aligns itself.
    needs_alignment: bool,
    limits: DecodeLimits,
}

impl Reader {
    fn new(message: &FlightData, limits: DecodeLimits) -> Result<Self, Error> {
        let wire_schema: Schema = unpanicked("a schema", || {
            let header = root(&message.data_header)?;
            match header.header_type() {
                MessageHeader::Schema => schema_of(header),
                other => Err(ArrowError::ParseError(format!(
                    "the first message must be a schema, not {other:?}"
                ))),
            }
        })?;
        Ok(Self {
            schema: Arc::new(without_dictionary_ids(&wire_schema)),
            needs_alignment: wire_schema
                .fields()
                .iter()
                .any(|f| has_union(f.data_type())),
            wire_schema: Arc::new(wire_schema),
            dictionaries: HashMap::new(),
            limits,
        })
    }

    fn read(&mut self, message: FlightData) -> Result<Option<RecordBatch>, Error> {
        let body = self.body(message.data_body);
        let limits = self.limits;
        unpanicked("a record batch", || {
            let header = root(&message.data_header)?;
            match header.header_type() {
                MessageHeader::DictionaryBatch => {
                    let batch = header
                        .header_as_dictionary_batch()
                        .ok_or_else(|| missing("dictionary"))?;
                    let values = check_buffers(batch.data(), &body)?;
                    if let Err(too_large) = limits.check(values, &body) {
                        return Ok(Err(too_large));
                    }
                    self.check_dictionary(batch.id(), values, &body, header.version())?;
                    inflated::check(values, &body)?;
                    let version = header.version();
                    let dictionaries = &mut self.dictionaries;
                    read_dictionary(&body, batch, &self.wire_schema, dictionaries, &version)?;
                    check_dictionaries(dictionaries, limits.bytes)?;
                    Ok(Ok(None))
                }
                MessageHeader::RecordBatch => {
                    let batch = check_buffers(header.header_as_record_batch(), &body)?;
                    if let Err(too_large) = limits.check(batch, &body) {
                        return Ok(Err(too_large));
                    }
                    let types = self.wire_schema.fields().iter();
                    let types = types.map(|field| field.data_type());
                    parts::batch::check(types, batch, &body, header.version())?;
                    inflated::check(batch, &body)?;
                    let rows = RecordBatchDecoder::try_new(
                        &body,
                        batch,
                        self.wire_schema.clone(),
                        &self.dictionaries,
                        &header.version(),
                    )?
                    .read_record_batch()?;
                    self.with_clean_schema(rows).map(|rows| Ok(Some(rows)))
                }
                MessageHeader::NONE => Ok(Ok(None)),
                MessageHeader::Schema => Err(ArrowError::ParseError(
                    "a second schema in one stream".to_string(),
                )),
                other => Err(ArrowError::ParseError(format!(
                    "a message of kind {other:?}, which no frame can hold"
                ))),
            }
        })?
    }

    /// Refuses values of a dictionary that contradict themselves.
    fn check_dictionary(
        &self,
        id: i64,
        values: arrow_ipc::RecordBatch<'_>,
        body: &[u8],
        version: MetadataVersion,
    ) -> Result<(), ArrowError> {
        #[expect(
            deprecated,
            reason = "nothing else tells which values a message of a stream has"
        )]
        let fields = self.wire_schema.fields_with_dict_id(id);
        let types = fields
            .into_iter()
            .find_map(|field| match field.data_type() {
                DataType::Dictionary(_, values) => Some(values.as_ref()),
                _ => None,
            });
        match types {
            Some(of) => parts::batch::check([of], values, body, version),
            // The reader says that there is no such dictionary.
            None => Ok(()),
        }
    }

    fn body(&self, body: Bytes) -> Buffer {
        if self.needs_alignment && !(body.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
            Buffer::from(body.as_ref())
        } else {
            Buffer::from(body)
        }
    }

    fn with_clean_schema(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (_, columns, rows) = batch.into_parts();
        let columns = columns.into_iter().map(aligned);
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        columns.iter().try_for_each(list_views::check)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

/// The schema in a message of one.
pub(crate) fn schema_of(message: arrow_ipc::Message<'_>) -> Result<Schema, ArrowError> {
    let schema = message.header_as_schema();
    let schema = schema.ok_or_else(|| missing("schema"))?;
    parts::schema::check(schema)?;
    Ok(arrow_ipc::convert::fb_to_schema(schema))
}

pub(crate) fn root(header: &[u8]) -> Result<arrow_ipc::Message<'_>, ArrowError> {
    arrow_ipc::root_as_message(header)
        .map_err(|error| ArrowError::ParseError(format!("not an IPC message: {error}")))
}

fn missing(what: &str) -> ArrowError {
    ArrowError::ParseError(format!("a {what} message without its contents"))
}

/// Refuses a batch that refers to bytes beyond its body.
fn check_buffers<'a>(
    batch: Option<arrow_ipc::RecordBatch<'a>>,
    body: &[u8],
) -> Result<arrow_ipc::RecordBatch<'a>, ArrowError> {
    let batch = batch.ok_or_else(|| missing("batch"))?;
    let within = |buffer: &arrow_ipc::Buffer| {
        let start = usize::try_from(buffer.offset()).ok();
        let length = usize::try_from(buffer.length()).ok();
        start
            .zip(length)
            .and_then(|(start, length)| start.checked_add(length))
            .is_some_and(|end| end <= body.len())
    };
    if batch.length() < 0 || !batch.buffers().into_iter().flatten().all(within) {
        return Err(ArrowError::ParseError(format!(
            "the message announces more than the {} bytes it holds",
            body.len()
        )));
    }
    Ok(batch)
}

/// Refuses dictionaries that have grown too large: a stream may add to them with each message.
fn check_dictionaries(dictionaries: &HashMap<i64, ArrayRef>, limit: u64) -> Result<(), ArrowError> {
    let bytes: usize = dictionaries.values().map(size::array_size).sum();
    if bytes as u64 > limit {
        return Err(ArrowError::ParseError(format!(
            "the dictionaries of the stream take more than {limit} bytes: send the values themselves"
        )));
    }
    Ok(())
}

fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(_, _) => true,
        DataType::Dictionary(_, values) => has_union(values),
        other => children(other)
            .into_iter()
            .any(|f| has_union(f.data_type())),
    }
}

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread reads what a peer has sent: a panic then is about that, is caught, and refuses it.
pub fn is_reading() -> bool {
    READING.get()
}

/// Runs a reader of the peer's bytes. What arrow-ipc is known to panic on is refused before ([`parts`]); should there be
/// more, what a peer sends must not end the task that reads it.
pub(crate) fn unpanicked<T>(
    what: &str,
    read: impl FnOnce() -> Result<T, ArrowError>,
) -> Result<T, Error> {
    READING.set(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    READING.set(false);
    match read {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::Malformed(format!("cannot read {what}: {error}"))),
        Err(_) => Err(Error::Malformed(format!(
            "cannot read {what}: its parts contradict each other"
        ))),
    }
}
