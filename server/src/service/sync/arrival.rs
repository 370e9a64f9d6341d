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
use tracing::{debug, info};

use super::alive;
use super::peer::object_name;
use crate::call::memory::{MessageMemory, Share};
use crate::service::action::carry_through;
use crate::service::follow::declared;
use crate::service::{Shared, check_length, json};
use crate::status::Failure;

/// What the command is called in errors.
const WHAT: &str = "put command";
/// What commits that are published at once may take as text, in bytes: the lists of segments of large frames.
const PUBLISH_BYTES: u64 = 256 << 20;

/// Room for the commits that are being published, which is that for messages.
#[derive(Debug, Clone)]
pub(crate) struct Publications(MessageMemory);

impl Publications {
    pub(crate) fn new(memory: &MessageMemory) -> Self {
        Self(memory.clone())
    }

    /// A publication that has taken nothing so far.
    fn begin(&self) -> Held<'_> {
        Held {
            room: &self.0,
            bytes: 0,
            share: None,
        }
    }
}

/// What one publication takes.
#[derive(Debug)]
struct Held<'a> {
    room: &'a MessageMemory,
    bytes: u64,
    share: Option<Share>,
}

impl Held<'_> {
    /// Takes room for more bytes, of which no caller alone can take all.
    fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let all = self.bytes + bytes as u64;
        let half = self.room.bytes() / 2;
        if all > half.min(PUBLISH_BYTES) {
            let problem = if half < PUBLISH_BYTES {
                format!(
                    "receive_memory_bytes is {}, and more than half of it is to be published at once; publish less at once, or have the setting raised",
                    self.room.bytes()
                )
            } else {
                format!("more than {PUBLISH_BYTES} bytes are to be published; publish less at once")
            };
            return Err(Failure::new(ErrorKind::LimitError, problem));
        }
        let more = self.room.share_at_once(bytes as u64)?;
        self.bytes = all;
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
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
    let mut room = shared.publications.begin();
    let mut text = Vec::new();
    let mut bodies = std::pin::pin!(bodies);
    while let Some(body) = bodies.try_next().await? {
        room.grow(body.len())?;
        text.extend_from_slice(&body);
    }
    let request: Publish = decode("publication", &text)?;
    drop(text);
    let share = room.share;
    check_sources(shared, &frame, &request)?;
    let target = frame.clone();
    let outcome = carry_through(async move {
        let published = peer.publish(&target, request).await;
        drop(share);
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
    use crate::config::Config;

    #[test]
    fn publications_share_the_memory_for_messages_and_leave_it_when_they_end() {
        let config = Config {
            receive_memory_bytes: 8 << 20,
            ..Config::default()
        };
        let room = Publications::new(&MessageMemory::new(&config));
        let (mut one, mut other, mut third) = (room.begin(), room.begin(), room.begin());
        one.grow((4 << 20) - 1).unwrap();
        let refused = one.grow(2).unwrap_err().to_string();
        assert!(refused.contains("receive_memory_bytes is"), "{refused}");
        assert!(refused.contains("publish less at once"), "{refused}");
        other.grow(4 << 20).unwrap();
        let refused = third.grow(1).unwrap_err().to_string();
        assert!(refused.contains("receive_memory_bytes is"), "{refused}");
        assert!(refused.contains("again later"), "{refused}");
        drop(one);
        third.grow(4 << 20).unwrap();
    }

    #[test]
    fn one_publication_is_bounded_however_much_memory_there_is() {
        let config = Config {
            receive_memory_bytes: 4 << 30,
            ..Config::default()
        };
        let room = Publications::new(&MessageMemory::new(&config));
        let mut one = room.begin();
        one.grow(256 << 20).unwrap();
        let refused = one.grow(1).unwrap_err().to_string();
        assert!(refused.contains("publish less at once"), "{refused}");
    }
}
