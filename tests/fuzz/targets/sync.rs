//! What other stores bring: objects and commits, as a transfer sends them, in another order, doubled, and changed.
//!
//! An input is a word, `as it is` or `with its hash`, and then pairs: JSON that says what is brought, and bytes. With
//! the second word every object is announced with the hash and the length of the bytes that come, so that what is inside
//! of it is looked at.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::{PutMode, TagName};
use shoots_store::{
    ByteStream, ErrorKind, HistoryStream, ListedSegment, LocalPeer, ObjectName, Peer, PeerHead,
    ProgressSink, Publish, PublishOutcome, PutOptions, ReadOptions, RemoteEnd, Result,
    RowsToDelete, SentObject, Store, Travellers, time_bound,
};

use super::{bytes, text};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::prices;

pub(super) struct Sync;

fn id() -> FrameId {
    FrameId::new(None, FrameName::parse("prices").unwrap())
}

impl Target for Sync {
    const NAME: &'static str = "sync";

    async fn begin() -> Self {
        Self
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let brought = brought().await;
        let words = ["as it is", "with its hash"];
        let seed = |word: &str| [vec![word.as_bytes().to_vec()], brought.clone()].concat();
        words.map(seed).to_vec()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let store = Store::open("memory://").await.unwrap();
        let peer = LocalPeer::new(&store, "here");
        let announced = text(input, 0) == "with its hash";
        let mut told = Vec::new();
        for pair in input.get(1..).unwrap_or_default().chunks(2) {
            let outcome = bring(&peer, announced, &pair[0], &bytes(&pair.to_vec(), 1)).await;
            told.push(outcome.unwrap_or_else(|error| format!("{:?} {error}", error.kind())));
        }
        match readable(&store).await {
            Ok(()) => Verdict::told(told.join("; ")),
            Err(defect) => Verdict::defect(format!("{defect} after {told:?}")),
        }
    }
}

async fn bring(peer: &LocalPeer, announced: bool, meta: &[u8], bytes: &[u8]) -> Result<String> {
    if let Ok(mut object) = serde_json::from_slice::<SentObject>(meta) {
        if announced {
            object.bytes = bytes.len() as u64;
            object.hash = blake3::hash(bytes).to_hex().to_string();
        }
        let body = stream::iter([Ok(Bytes::copy_from_slice(bytes))]).boxed();
        peer.write(&id(), &object, body).await?;
        return Ok(format!("{:?}", object.name.kind));
    }
    match serde_json::from_slice::<Publish>(meta) {
        Ok(publish) => Ok(format!("{:?}", peer.publish(&id(), publish).await?)),
        Err(error) => Ok(error.to_string()),
    }
}

/// What was published can be read as a whole.
async fn readable(store: &Store) -> std::result::Result<(), String> {
    let frame = store.frame(&id());
    let failed = |error: shoots_store::Error| format!("what was published fails: {error}");
    let snapshot = match frame.snapshot(None).await {
        Ok(snapshot) => snapshot,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    frame.history(usize::MAX, None).await.map_err(failed)?;
    let rows = snapshot
        .read(ReadOptions::default())
        .await
        .map_err(failed)?;
    let rows: usize = rows
        .collect()
        .await
        .map_err(failed)?
        .iter()
        .map(|batch| batch.num_rows())
        .sum();
    if rows as u64 != snapshot.rows() {
        return Err(format!("{rows} rows instead of {}", snapshot.rows()));
    }
    Ok(())
}

/// What a push of a frame with a history of all kinds brings.
async fn brought() -> Input {
    let source = Store::open("memory://").await.unwrap();
    let frame = source.frame(&id());
    for (number, mode) in [PutMode::Error, PutMode::Append, PutMode::Upsert]
        .into_iter()
        .enumerate()
    {
        let batch = prices(10 * i64::try_from(number).unwrap()..40);
        let options = PutOptions::mode(mode).index(["time", "symbol"]);
        let mut writer = frame.put(batch.schema(), options).await.unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
    }
    let rows = RowsToDelete {
        stop: Some(time_bound(1_700_000_300)),
        ..RowsToDelete::default()
    };
    frame.delete_rows(rows).await.unwrap();
    let tag = TagName::parse("first").unwrap();
    frame.tag(&tag, None, false).await.unwrap();
    let target = Store::open("memory://").await.unwrap();
    let recorder = Recorder {
        inner: LocalPeer::new(&target, "there"),
        brought: Arc::default(),
    };
    let remote = RemoteEnd {
        name: "there",
        peer: &recorder,
    };
    let travelled = source
        .push(remote, &Travellers::one(&id()), &ProgressSink::default())
        .await;
    assert_eq!(travelled.unwrap().len(), 1);
    let brought = recorder.brought.lock().unwrap();
    assert!(brought.len() > 6);
    brought.clone()
}

/// A peer that writes down what it is brought.
#[derive(Debug)]
struct Recorder {
    inner: LocalPeer,
    brought: Arc<Mutex<Input>>,
}

#[async_trait]
impl Peer for Recorder {
    fn location(&self) -> &str {
        self.inner.location()
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.inner.buckets().await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>> {
        self.inner.frames(bucket).await
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>> {
        self.inner.head(frame).await
    }

    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream> {
        self.inner.history(frame, from).await
    }

    async fn list(&self, frame: &FrameId, commit: &str) -> Result<Option<Vec<ListedSegment>>> {
        self.inner.list(frame, commit).await
    }

    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
        self.inner.have(frame, objects).await
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream> {
        self.inner.read(frame, object).await
    }

    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()> {
        let pieces: Vec<Bytes> = bytes.try_collect().await?;
        let whole = pieces.concat();
        let meta = serde_json::to_vec(object).unwrap();
        self.brought.lock().unwrap().extend([meta, whole.clone()]);
        let body = stream::iter([Ok(Bytes::from(whole))]).boxed();
        self.inner.write(frame, object, body).await
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome> {
        let meta = serde_json::to_vec(&request).unwrap();
        self.brought.lock().unwrap().extend([meta, Vec::new()]);
        self.inner.publish(frame, request).await
    }
}
