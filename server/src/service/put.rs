//! `DoPut`: a stream of record batches becomes one commit.
//!
//! The first message brings the command (in the descriptor) and the schema, which is all that is needed to
//! refuse: a mode that does not fit, types that do not fit. Rows are then taken one batch at a time, so that a
//! slow disk slows the sender down. The commit happens only once the stream has ended well; a stream that
//! breaks off changes nothing.
//!
//! What other stores bring is told by its command, and carries no rows that would have to be decoded
//! ([`arrival`]).
//!
//! A caller that is refused while it still writes is told at once; rows on their way are not read.

use std::sync::Arc;

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightData, FlightDescriptor, PutResult};
use arrow_schema::SchemaRef;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shoots_flight::Decoder;
use shoots_proto::{ErrorKind, FrameId, PutCommand, PutResult as PutSummary, PutSeal, decode};
use shoots_store::{Published, PutOptions};
use tonic::Status;
use tracing::debug;

use super::flight_sql::{self, Session};
use super::sync::arrival;
use super::target::{check_bucket, commit, next_row_batch};
use super::{Shared, check_length, json};
use crate::call::record::noted;
use crate::status::Failure;

/// What the command is called in errors.
const WHAT: &str = "put command";

/// Puts the rows of a stream and answers once they are durable.
pub(super) fn put(
    shared: Arc<Shared>,
    session: Result<Session, Failure>,
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> impl Stream<Item = Result<PutResult, Failure>> + Send + 'static {
    let put = async move {
        let mut messages = Box::pin(messages.map_err(Failure::from).peekable());
        let descriptor = match messages.as_mut().peek().await {
            Some(Ok(first)) => first.flight_descriptor.clone(),
            Some(Err(_)) => None,
            None => return Err(nothing()),
        };
        let command = descriptor.as_ref().map_or(&b""[..], |first| &first.cmd);
        if arrival::is_meant_by(command) {
            let command = command.to_vec();
            return Ok(arrival::put(shared, command, messages).left_stream());
        }
        let command = flight_sql::read(WHAT, command)?;
        let batches = shoots_flight::decode(messages).with_limits(shared.batch_limits);
        let result = match command {
            Some(command) => Box::pin(flight_sql::put(&shared, session?, command, batches)).await?,
            None => rows(&shared, batches).await?,
        };
        Ok(stream::iter([Ok(result)]).right_stream())
    };
    stream::once(put).try_flatten()
}

/// Puts rows, and says what became of them.
async fn rows<S>(shared: &Shared, batches: Decoder<S>) -> Result<PutResult, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send,
{
    shared.check_writable("a put")?;
    let published = store(shared, batches).await?;
    let app_metadata = json(&PutSummary {
        version: published.version,
        commit: published.commit.to_string(),
        rows: published.rows,
        bytes: published.bytes,
        rows_removed: published.rows_removed,
        frame_rows: published.frame_rows,
        columns_added: published.columns_added,
    })?;
    Ok(PutResult { app_metadata })
}

/// What some drivers send of a table without rows: neither a command nor columns.
fn nothing() -> Failure {
    let problem = "is missing: the stream ended before its schema, with nothing in it. ADBC's driver sends that when it \
                   ingests a table without rows: ingest at least one row, or put the table with its columns by \
                   pyarrow.flight";
    Failure::invalid(WHAT, None, problem)
}

async fn store<S>(shared: &Shared, mut batches: Decoder<S>) -> Result<Published, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send,
{
    let schema = batches.read_schema().await?;
    let command = command(batches.descriptor())?;
    let id = command.frame();
    let ending = if command.sealed {
        Ending::Sealed
    } else {
        Ending::Any
    };
    write(shared, &id, schema, options(command), batches, ending).await
}

/// How a stream of rows has to end to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Well, as far as gRPC tells.
    Any,
    /// With a [`PutSeal`].
    Sealed,
}

/// Writes batches to a frame, and commits when they have ended as they should.
pub(super) async fn write<S>(
    shared: &Shared,
    id: &FrameId,
    schema: SchemaRef,
    options: PutOptions,
    mut batches: Decoder<S>,
    ending: Ending,
) -> Result<Published, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send,
{
    noted(|record| record.note_frame(id));
    check_bucket(shared, id).await?;
    let mode = options.mode;
    let mut writer = shared.store.put(id, schema, options).await?;
    let mut rows = 0;
    while let Some(batch) = next_row_batch(&mut writer, &mut batches).await? {
        noted(|record| record.note_received_rows(batch.num_rows()));
        rows += batch.num_rows() as u64;
        writer.write(batch).await?;
    }
    if ending == Ending::Sealed {
        check_seal(batches.last_words(), rows)?;
    }
    let published = commit(writer).await?;
    debug!(
        frame = %id,
        mode = %mode,
        version = published.version,
        rows = published.rows,
        bytes = published.bytes,
        "put"
    );
    Ok(published)
}

/// Refuses a stream that ended without saying that it is whole.
fn check_seal(last_words: &[u8], rows: u64) -> Result<(), Failure> {
    if last_words.is_empty() {
        let problem = format!(
            "the put broke off after {rows} rows and changed nothing; send it again, whole"
        );
        return Err(Failure::new(ErrorKind::CancelledError, problem));
    }
    let seal: PutSeal = decode("seal of the put", last_words)?;
    if seal.rows != rows {
        let problem = format!(
            "must be the number of rows that were sent, {rows} (got {})",
            seal.rows
        );
        return Err(Failure::invalid("seal of the put", Some("rows"), problem));
    }
    Ok(())
}

/// A command in the words of the store.
fn options(command: PutCommand) -> PutOptions {
    PutOptions {
        mode: command.mode,
        note: command.note(),
        index: command.index.unwrap_or_default(),
        start: command.start.map(Value::from),
        stop: command.stop.map(Value::from),
        closed: command.closed.unwrap_or_default(),
        scope: command.scope.unwrap_or_default(),
        request_id: command.request_id,
        expected: None,
    }
}

fn command(descriptor: Option<&FlightDescriptor>) -> Result<PutCommand, Failure> {
    let Some(descriptor) = descriptor else {
        return Err(Failure::invalid(
            WHAT,
            None,
            "is missing: the first message of a put carries a descriptor",
        ));
    };
    if descriptor.r#type() != DescriptorType::Cmd {
        return Err(Failure::invalid(
            WHAT,
            None,
            "must be the descriptor's command, not a path: {\"name\":…,\"mode\":…}",
        ));
    }
    check_length(WHAT, &descriptor.cmd)?;
    Ok(decode(WHAT, &descriptor.cmd)?)
}
