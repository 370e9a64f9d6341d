//! What other stores bring here: objects, and the commits that make them visible.
//!
//! Both come as a `DoPut` whose messages carry bytes and no rows. An object that has not arrived whole, or is not what
//! its hash says, is not stored; commits are published only once all of them were checked. So a transfer can break off
//! anywhere, and nobody sees anything of it.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_flight::{FlightData, PutResult};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use shoots_proto::action::{SyncPublishCommand, SyncWriteCommand, SyncWriteResult};
use shoots_proto::{ErrorKind, FrameId, decode};
use shoots_store::{Peer, Publish, PublishOutcome, SentObject};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info};

use super::alive;
use super::peer::object_name;
use crate::service::action::carry_through;
use crate::service::follow::declared;
use crate::service::{Shared, check_length, json};
use crate::status::Failure;

/// What the command is called in errors.
const WHAT: &str = "put command";
/// What commits that are published at once may take as text, in bytes: the lists of segments of large frames.
const PUBLISH_BYTES: usize = 256 << 20;

/// What all commits that are published at once may take as text, in bytes: no caller alone can take all of it.
const ALL_PUBLISH_BYTES: usize = 2 * PUBLISH_BYTES;
/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// Room for the commits that are being published.
#[derive(Debug, Clone)]
pub(crate) struct Publications(Arc<Semaphore>);

impl Default for Publications {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_PUBLISH_BYTES / UNIT)))
    }
}

/// The room that one publication takes, until this is dropped.
#[derive(Debug, Default)]
struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// Takes room for more bytes. Whoever finds none is refused: two that wait with half of it would wait for ever.
    fn grow(&mut self, room: &Publications, bytes: usize) -> Result<(), Failure> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&room.0).try_acquire_many_owned(wanted) else {
            let problem = format!(
                "more than {ALL_PUBLISH_BYTES} bytes of commits are being published at the same time; nothing was changed, publish these again later"
            );
            return Err(Failure::new(ErrorKind::LimitError, problem));
        };
        match &mut self.0 {
            Some(held) => held.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

/// Whether the command of a put says that it brings something from another store.
pub(in crate::service) fn is_meant_by(command: &[u8]) -> bool {
    SyncWriteCommand::is_meant_by(command) || SyncPublishCommand::is_meant_by(command)
}

/// Takes what is brought. The last answer says what became of it, empty ones before it that it is being taken.
pub(in crate::service) fn put<S>(
    shared: Arc<Shared>,
    command: Vec<u8>,
    messages: S,
) -> impl Stream<Item = Result<PutResult, Failure>> + Send + 'static
where
    S: Stream<Item = Result<FlightData, Failure>> + Send + 'static,
{
    alive(async move {
        check_length(WHAT, &command)?;
        shared.check_writable("what other stores bring")?;
        let bodies = messages.map(|message| message.and_then(|message| body(message.data_body)));
        let app_metadata = if SyncWriteCommand::is_meant_by(&command) {
            json(&write(&shared, decode(WHAT, &command)?, bodies).await?)?
        } else {
            json(&publish(&shared, decode(WHAT, &command)?, bodies).await?)?
        };
        Ok(stream::iter([Ok(PutResult { app_metadata })]))
    })
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
    let cause: Arc<Mutex<Option<Failure>>> = Arc::default();
    let broken = Arc::clone(&cause);
    let bytes = bodies.map_err(move |failure| {
        let error = broken_off(&failure);
        *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        error
    });
    let written = peer.write(&frame, &object, bytes.boxed()).await;
    if let Err(error) = written {
        // What the store was told of the stream is only that it broke off.
        let cause = cause.lock().unwrap_or_else(PoisonError::into_inner).take();
        return Err(cause.unwrap_or_else(|| error.into()));
    }
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
    let mut room = Held::default();
    let mut text = Vec::new();
    let mut bodies = std::pin::pin!(bodies);
    while let Some(body) = bodies.try_next().await? {
        if text.len() + body.len() > PUBLISH_BYTES {
            let problem = format!(
                "more than {PUBLISH_BYTES} bytes are to be published; publish less at once"
            );
            return Err(Failure::new(ErrorKind::LimitError, problem));
        }
        room.grow(&shared.publications, body.len())?;
        text.extend_from_slice(&body);
    }
    let request: Publish = decode("publication", &text)?;
    check_sources(shared, &frame, &request)?;
    let target = frame.clone();
    let outcome = carry_through(async move {
        let published = peer.publish(&target, request).await;
        drop(room);
        published
    })
    .await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_share_a_room_and_leave_it_when_they_end() {
        let room = Publications::default();
        let (mut one, mut other, mut third) = (Held::default(), Held::default(), Held::default());
        one.grow(&room, PUBLISH_BYTES - 1).unwrap();
        one.grow(&room, UNIT).unwrap();
        other.grow(&room, PUBLISH_BYTES - UNIT).unwrap();
        let refused = third.grow(&room, 1).unwrap_err();
        assert!(refused.to_string().contains("again later"), "{refused}");
        drop(one);
        third.grow(&room, PUBLISH_BYTES).unwrap();
    }
}
