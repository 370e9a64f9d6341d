//! The calls of one end of a transfer, as a server answers them.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::sync::peer::MAX_OBJECTS;
use shoots_proto::action::{
    self, SyncFramesRequest, SyncFramesResult, SyncHaveRequest, SyncHaveResult, SyncHeadRequest,
    SyncListRequest, SyncPublishCommand, SyncReadRequest, SyncWriteCommand, SyncWriteResult,
};
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_store::{
    ByteStream, Error, HistoryStream, ListedSegment, ObjectName, Peer, PeerHead, Publish,
    PublishOutcome, Result, SentObject,
};

use super::{FlightPeer, failure, history, object};

/// The longest list of segments, as text, in bytes: as much as can be published at once.
const LIST_BYTES: usize = 256 << 20;

#[async_trait]
impl Peer for FlightPeer {
    fn location(&self) -> &str {
        &self.location
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        let request = SyncFramesRequest {
            bucket: None,
            buckets: true,
        };
        self.names(&request, BucketName::parse).await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>> {
        let request = SyncFramesRequest {
            bucket: bucket.cloned(),
            buckets: false,
        };
        self.names(&request, FrameName::parse).await
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>> {
        let FrameId { bucket, name } = frame.clone();
        let request = SyncHeadRequest { name, bucket };
        self.ask(action::SYNC_HEAD, &request).await
    }

    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream> {
        history::told(self, frame, from).await
    }

    async fn list(&self, frame: &FrameId, commit: &str) -> Result<Option<Vec<ListedSegment>>> {
        let FrameId { bucket, name } = frame.clone();
        let commit = commit.to_owned();
        let request = SyncListRequest {
            name,
            bucket,
            commit,
        };
        let pieces = self.pieces(action::SYNC_LIST, &request).await?;
        let mut pieces = self.at_most(action::SYNC_LIST, LIST_BYTES, pieces);
        // An empty list has one line without a value; a state that is gone has none.
        let Some(first) = pieces.try_next().await? else {
            return Ok(None);
        };
        let pieces = stream::iter([Ok(first)]).chain(pieces).boxed();
        Ok(Some(self.lines(pieces).try_collect().await?))
    }

    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
        let mut sizes = Vec::with_capacity(objects.len());
        for objects in objects.chunks(MAX_OBJECTS) {
            let FrameId { bucket, name } = frame.clone();
            let objects: Vec<_> = objects.iter().map(object::sent).collect();
            let asked = objects.len();
            let request = SyncHaveRequest {
                name,
                bucket,
                objects,
            };
            let answer: SyncHaveResult = self.ask(action::SYNC_HAVE, &request).await?;
            if answer.sizes.len() != asked {
                let problem = format!("{} sizes for {asked} objects", answer.sizes.len());
                return Err(failure::nonsense(&self.location, problem));
            }
            sizes.extend(answer.sizes);
        }
        Ok(sizes)
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream> {
        let FrameId { bucket, name } = frame.clone();
        let object = object::sent(object);
        let request = SyncReadRequest {
            name,
            bucket,
            object,
        };
        self.pieces(action::SYNC_READ, &request).await
    }

    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()> {
        let name = object::sent(&object.name);
        let hash = object.hash.as_str();
        let command = SyncWriteCommand::new(frame.clone(), name, object.bytes, hash);
        let SyncWriteResult { bytes } = self.bring("the transfer", &command, bytes).await?;
        if bytes == object.bytes {
            return Ok(());
        }
        let problem = format!("{bytes} bytes were written of {}", object.bytes);
        Err(failure::nonsense(&self.location, problem))
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome> {
        let command = SyncPublishCommand::new(frame.clone());
        let json = serde_json::to_vec(&request);
        let json = json.map_err(|problem| failure::nonsense(&self.location, problem))?;
        let bytes = stream::iter([Ok(Bytes::from(json))]).boxed();
        self.bring("the publication", &command, bytes).await
    }
}

impl FlightPeer {
    async fn names<T, E: std::fmt::Display>(
        &self,
        request: &SyncFramesRequest,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>> {
        let answer: SyncFramesResult = self.ask(action::SYNC_FRAMES, request).await?;
        let names = answer.names.iter().map(|name| parse(name));
        let nonsense = |problem| -> Error { failure::nonsense(&self.location, problem) };
        names
            .map(|name| name.map_err(nonsense))
            .collect::<Result<Vec<T>>>()
    }
}
