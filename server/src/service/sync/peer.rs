//! What other stores ask of this one: frames, heads, histories, lists, objects.
//!
//! Answers that may be long are streams, made as they are taken. Only the frame that is asked for is looked into.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::Result as ActionAnswer;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shoots_proto::FrameId;
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use shoots_proto::action::{
    SyncFramesRequest, SyncFramesResult, SyncHaveRequest, SyncHaveResult, SyncHeadRequest,
    SyncHistoryRequest, SyncListRequest, SyncObject, SyncObjectKind, SyncReadRequest,
};
use shoots_store::{ObjectKind, ObjectName, Peer, PeerHead};

use crate::service::Shared;
use crate::status::Failure;

/// How many lines are put together in one answer at most.
const LINES: usize = 64;

type Pieces = Pin<Box<dyn Stream<Item = Result<ActionAnswer, Failure>> + Send>>;

/// Names the frames of a bucket, or the buckets.
pub(in crate::service) async fn frames(
    shared: Arc<Shared>,
    request: SyncFramesRequest,
) -> Result<SyncFramesResult, Failure> {
    let names = if request.buckets {
        let buckets = shared.store.buckets().await?;
        buckets.iter().map(ToString::to_string).collect()
    } else {
        let bucket = request.bucket.as_ref();
        let frames = shared.store.peer_to_list(bucket)?.frames(bucket).await?;
        frames.iter().map(ToString::to_string).collect()
    };
    Ok(SyncFramesResult { names })
}

/// Tells where the history of a frame ends.
pub(in crate::service) async fn head(
    shared: Arc<Shared>,
    request: SyncHeadRequest,
) -> Result<Option<PeerHead>, Failure> {
    let frame = request.frame();
    Ok(shared.store.peer_to_read(&frame)?.head(&frame).await?)
}

/// Tells which objects of a frame are there.
pub(in crate::service) async fn have(
    shared: Arc<Shared>,
    request: SyncHaveRequest,
) -> Result<SyncHaveResult, Failure> {
    let objects: Vec<_> = request.objects.iter().map(object_name).collect();
    let frame = request.frame();
    let peer = shared.store.peer_to_read(&frame)?;
    let sizes = peer.have(&frame, &objects).await?;
    Ok(SyncHaveResult { sizes })
}

/// The history of a frame, or a part of it, newest first.
pub(in crate::service) async fn history(
    shared: Arc<Shared>,
    request: SyncHistoryRequest,
) -> Result<Pieces, Failure> {
    let frame = request.frame();
    let peer = shared.store.peer_to_read(&frame)?;
    let records = peer.history(&frame, &request.from).await?;
    let count = |commits: u64| usize::try_from(commits).unwrap_or(usize::MAX);
    let records = records
        .skip(request.skip.map_or(0, count))
        .take(request.limit.map_or(usize::MAX, count));
    Ok(lines(records.map_err(Failure::from)))
}

/// All segments of a state of a frame; nothing if it is gone.
pub(in crate::service) async fn list(
    shared: Arc<Shared>,
    request: SyncListRequest,
) -> Result<Pieces, Failure> {
    let frame: FrameId = request.frame();
    let peer = shared.store.peer_to_read(&frame)?;
    let Some(list) = peer.list(&frame, &request.commit).await? else {
        return Ok(Box::pin(stream::empty()));
    };
    // A line without a value tells a list without segments from a state that is gone.
    let begun = stream::iter([Ok(answer(Bytes::from_static(b"\n")))]);
    Ok(Box::pin(
        begun.chain(lines(stream::iter(list.into_iter().map(Ok)))),
    ))
}

/// The bytes of an object.
pub(in crate::service) async fn read(
    shared: Arc<Shared>,
    request: SyncReadRequest,
) -> Result<Pieces, Failure> {
    let object = object_name(&request.object);
    let frame = request.frame();
    let peer = shared.store.peer_to_read(&frame)?;
    let bytes = peer.read(&frame, &object).await?;
    let pieces = bytes.map_ok(|bytes| stream::iter(chunks(bytes).map(Ok)));
    let pieces = pieces.map_err(Failure::from).try_flatten();
    Ok(Box::pin(pieces.map_ok(answer)))
}

/// Bytes in pieces, none longer than one message of a stream may be.
fn chunks(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = bytes.len().min(CHUNK_BYTES);
        (length > 0).then(|| bytes.split_to(length))
    })
}

/// Values as lines of JSON, as many in one answer as are there at once.
fn lines<T: Serialize + Send + 'static>(
    values: impl Stream<Item = Result<T, Failure>> + Send + 'static,
) -> Pieces {
    let lines = values.map(|value| value.and_then(|value| super::super::json(&value)));
    let pieces = lines
        .ready_chunks(LINES)
        .flat_map(|lines| stream::iter(joined(lines)));
    Box::pin(pieces.map_ok(answer))
}

/// Lines put together, each with a line break after it, up to the size of one message; a failure ends them.
fn joined(lines: Vec<Result<Bytes, Failure>>) -> Vec<Result<Bytes, Failure>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for line in lines {
        match line {
            Ok(line) => {
                if !piece.is_empty() && piece.len() + line.len() > CHUNK_BYTES {
                    pieces.push(Ok(Bytes::from(std::mem::take(&mut piece))));
                }
                piece.extend_from_slice(&line);
                piece.push(b'\n');
            }
            Err(failure) => {
                pieces.push(Ok(Bytes::from(std::mem::take(&mut piece))));
                pieces.push(Err(failure));
                return pieces;
            }
        }
    }
    pieces.push(Ok(piece.into()));
    pieces
}

fn answer(body: Bytes) -> ActionAnswer {
    ActionAnswer { body }
}

/// The name of an object in the words of the store.
pub(super) fn object_name(object: &SyncObject) -> ObjectName {
    let kind = match object.kind {
        SyncObjectKind::Segment => ObjectKind::Segment,
        SyncObjectKind::Vector => ObjectKind::Vector,
        SyncObjectKind::Schema => ObjectKind::Schema,
    };
    ObjectName {
        kind,
        id: object.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use shoots_proto::ErrorKind;

    use super::*;

    #[test]
    fn lines_are_put_together_until_a_message_is_full() {
        let line = |length: usize| Ok(Bytes::from(vec![b'x'; length]));
        let lengths = |lines| -> Vec<Option<usize>> {
            let pieces = joined(lines).into_iter();
            pieces.map(|piece| piece.ok().map(|p| p.len())).collect()
        };
        assert_eq!(lengths(vec![line(1), line(2)]), [Some(5)]);
        let (long, short) = (CHUNK_BYTES - 1, 10);
        let found = lengths(vec![line(short), line(long), line(short)]);
        assert_eq!(found, [Some(11), Some(CHUNK_BYTES), Some(11)]);
        let failed = Err(Failure::new(ErrorKind::DamagedError, "rot"));
        assert_eq!(lengths(vec![line(1), failed, line(1)]), [Some(2), None]);
    }

    #[test]
    fn bytes_are_cut_into_messages() {
        let cut = |length: usize| -> Vec<usize> {
            chunks(Bytes::from(vec![0; length]))
                .map(|c| c.len())
                .collect()
        };
        assert_eq!(cut(0), [] as [usize; 0]);
        assert_eq!(cut(CHUNK_BYTES), [CHUNK_BYTES]);
        assert_eq!(cut(CHUNK_BYTES + 1), [CHUNK_BYTES, 1]);
    }
}
