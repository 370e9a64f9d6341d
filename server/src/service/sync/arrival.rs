//! What other stores bring here: objects, and the commits that make them visible.
//!
//! Both come as a `DoPut` whose messages carry bytes and no rows. An object that has not arrived whole, or is not what
//! its hash says, is not stored; commits are published only once all of them were checked. So a transfer can break off
//! anywhere, and nobody sees anything of it.

use std::sync::Arc;

use arrow_flight::{FlightData, PutResult};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use shoots_proto::action::{SyncPublishCommand, SyncWriteCommand, SyncWriteResult};
use shoots_proto::{ErrorKind, FrameId, decode};
use shoots_store::{ByteStream, Peer, Publish, PublishOutcome, SentObject};
use tracing::{debug, info};

use super::peer::object_name;
use crate::service::action::carry_through;
use crate::service::follow::declared;
use crate::service::{Shared, check_length, json};
use crate::status::Failure;

/// What the command is called in errors.
const WHAT: &str = "put command";
/// What commits that are published at once may take as text, in bytes: the lists of segments of large frames.
const PUBLISH_BYTES: usize = 256 << 20;

/// Whether the command of a put says that it brings something from another store.
pub(in crate::service) fn is_meant_by(command: &[u8]) -> bool {
    SyncWriteCommand::is_meant_by(command) || SyncPublishCommand::is_meant_by(command)
}

/// Takes what is brought.
pub(in crate::service) async fn put<S>(
    shared: &Arc<Shared>,
    command: &[u8],
    messages: S,
) -> Result<PutResult, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send + 'static,
{
    check_length(WHAT, command)?;
    shared.check_writable("what other stores bring")?;
    let bodies = messages.map(|message| message.and_then(|message| body(message.data_body)));
    let app_metadata = if SyncWriteCommand::is_meant_by(command) {
        json(&write(shared, decode(WHAT, command)?, bodies).await?)?
    } else {
        json(&publish(shared, decode(WHAT, command)?, bodies).await?)?
    };
    Ok(PutResult { app_metadata })
}

fn body(bytes: Bytes) -> Result<Bytes, Failure> {
    if bytes.len() > CHUNK_BYTES {
        let problem = format!(
            "a message brings {} bytes; send at most {CHUNK_BYTES} in each",
            bytes.len()
        );
        return Err(Failure::invalid(WHAT, None, problem));
    }
    Ok(bytes)
}

/// Stores an object.
async fn write<S>(
    shared: &Arc<Shared>,
    SyncWriteCommand { sync_object }: SyncWriteCommand,
    bodies: S,
) -> Result<SyncWriteResult, Failure>
where
    S: Stream<Item = Result<Bytes, Failure>> + Send + 'static,
{
    let frame = sync_object.frame();
    let peer = shared.store.peer_to_write(&frame)?;
    let object = SentObject {
        name: object_name(&sync_object.object),
        bytes: sync_object.bytes,
        hash: sync_object.hash,
    };
    let bytes: ByteStream = bodies.map_err(|failure| broken_off(&failure)).boxed();
    peer.write(&frame, &object, bytes).await?;
    debug!(%frame, kind = %sync_object.object.kind, bytes = object.bytes, "an object has arrived");
    Ok(SyncWriteResult {
        bytes: object.bytes,
    })
}

/// Publishes commits.
async fn publish<S>(
    shared: &Arc<Shared>,
    SyncPublishCommand { sync_publish }: SyncPublishCommand,
    bodies: S,
) -> Result<PublishOutcome, Failure>
where
    S: Stream<Item = Result<Bytes, Failure>> + Send,
{
    let frame = sync_publish.frame();
    let peer = shared.store.peer_to_write(&frame)?.clone();
    let mut text = Vec::new();
    let mut bodies = std::pin::pin!(bodies);
    while let Some(body) = bodies.try_next().await? {
        if text.len() + body.len() > PUBLISH_BYTES {
            let problem = format!(
                "more than {PUBLISH_BYTES} bytes are to be published; publish less at once"
            );
            return Err(Failure::new(ErrorKind::LimitError, problem));
        }
        text.extend_from_slice(&body);
    }
    let request: Publish = decode("publication", &text)?;
    check_sources(shared, &frame, &request)?;
    let target = frame.clone();
    let outcome = carry_through(async move { peer.publish(&target, request).await }).await?;
    info!(%frame, ?outcome, "commits of another store have arrived");
    Ok(outcome)
}

/// Refuses commits that would make the server bring rows here that their sender may not read: a frame follows another
/// one because its newest commit says so.
fn check_sources(shared: &Shared, frame: &FrameId, request: &Publish) -> Result<(), Failure> {
    if shared.store.access().is_admin() {
        return Ok(());
    }
    for facts in request.facts() {
        match declared(facts) {
            None => {}
            Some(Ok(source)) => drop(shared.store.read(&source)?),
            Some(Err(problem)) => {
                let problem = format!(
                    "a commit for {frame} says in a way that cannot be read what it follows: {problem}"
                );
                return Err(Failure::invalid(WHAT, None, problem));
            }
        }
    }
    Ok(())
}

/// The failure of a stream of messages, for the store that reads it.
fn broken_off(failure: &Failure) -> shoots_store::Error {
    shoots_store::Error::elsewhere(shoots_store::ErrorKind::Io, failure.to_string())
}
