//! Remotes that lie, or whose objects have rotted: what they send is refused, and nothing of it is published.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::put::PutMode::{self, Append, Error, Upsert};
use shoots_store::{
    Arrival, ByteStream, ErrorKind, HistoryRecord, HistoryStream, ListedSegment, LocalPeer,
    ObjectKind, ObjectName, Peer, PeerHead, Publish, PublishOutcome, PullOptions, PutOptions,
    Record, RemoteEnd, Result, SentObject, Store, Travellers,
};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, put, rows, try_put_with};
use crate::sync::{assert_sound, clone, origin};

on_every_place!(
    a_commit_that_lies_is_refused_and_nothing_is_published,
    an_object_that_rotted_is_refused_on_arrival,
    an_object_that_lay_here_already_is_checked_all_the_same,
    a_commit_whose_objects_did_not_come_is_refused,
    names_that_lead_elsewhere_are_refused,
);

type Forge = Arc<dyn Fn(&mut Value) + Send + Sync>;
/// What arrives of an object; none: nothing ever does.
type Rot = Arc<dyn Fn(&ObjectName, Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

/// A remote that tells another newest commit than it has, or sends other bytes.
#[derive(Clone)]
struct Liar {
    honest: LocalPeer,
    forge: Forge,
    rot: Rot,
}

impl fmt::Debug for Liar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liar")
    }
}

impl Liar {
    fn new(store: &Store) -> Self {
        Self {
            honest: origin(store),
            forge: Arc::new(|_| {}),
            rot: Arc::new(|_, bytes| Some(bytes)),
        }
    }

    fn forging(store: &Store, forge: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self {
            forge: Arc::new(forge),
            ..Self::new(store)
        }
    }

    fn forged(&self, record: &Record) -> Record {
        let mut line: Value = serde_json::from_str(&record.to_json_line().unwrap()).unwrap();
        let mut commit: Value = serde_json::from_str(line["commit"].as_str().unwrap()).unwrap();
        let before = commit.clone();
        (self.forge)(&mut commit);
        if commit == before {
            return record.clone();
        }
        line["commit"] = Value::String(commit.to_string());
        Record::from_json_line(&line.to_string()).unwrap()
    }

    async fn newest(&self, frame: &FrameId, tip: &str) -> Result<HistoryRecord> {
        let newest = self.honest.history(frame, tip).await?.try_next().await?;
        let newest = newest.unwrap();
        let record = self.forged(&newest.record);
        Ok(HistoryRecord { record, ..newest })
    }
}

#[async_trait]
impl Peer for Liar {
    fn location(&self) -> &str {
        "liar"
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.honest.buckets().await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>> {
        self.honest.frames(bucket).await
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>> {
        let head = self.honest.head(frame).await?.unwrap();
        let tip = self.newest(frame, &head.tip).await?.record.id().to_owned();
        Ok(Some(PeerHead { tip, ..head }))
    }

    async fn history(&self, frame: &FrameId, _: &str) -> Result<HistoryStream> {
        let tip = self.honest.head(frame).await?.unwrap().tip;
        let newest = self.newest(frame, &tip).await?;
        let older = self.honest.history(frame, &tip).await?.skip(1);
        let newest = stream::iter([Ok(newest)]);
        Ok(newest.chain(older).boxed())
    }

    async fn list(&self, frame: &FrameId, _: &str) -> Result<Option<Vec<ListedSegment>>> {
        let tip = self.honest.head(frame).await?.unwrap().tip;
        self.honest.list(frame, &tip).await
    }

    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
        self.honest.have(frame, objects).await
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream> {
        let pieces: Vec<Bytes> = self.honest.read(frame, object).await?.try_collect().await?;
        let Some(bytes) = (self.rot)(object, pieces.concat()) else {
            return Ok(stream::pending().boxed());
        };
        Ok(stream::iter([Ok(Bytes::from(bytes))]).boxed())
    }

    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()> {
        self.honest.write(frame, object, bytes).await
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome> {
        self.honest.publish(frame, request).await
    }
}

async fn indexed(store: &Store, mode: PutMode, numbers: impl IntoIterator<Item = i64>) {
    let options = PutOptions {
        index: vec!["n".to_owned()],
        ..PutOptions::mode(mode)
    };
    let frame = frame(store, "f");
    try_put_with(&frame, options, rows(numbers)).await.unwrap();
}

/// Pulls from a liar, which is refused, and leaves everything as it was.
async fn refused(target: &Store, liar: &Liar) -> String {
    let before = origin(target).head(&id("f")).await.unwrap();
    let remote = RemoteEnd {
        name: "liar",
        peer: liar,
    };
    let frames = Travellers::one(&id("f"));
    let pulled = target.pull(remote, &frames, &PullOptions::default()).await;
    let error = pulled.unwrap().remove(0).result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(origin(target).head(&id("f")).await.unwrap(), before);
    error.to_string()
}

/// A source that is one commit ahead of the target.
async fn ahead(place: &Place) -> (Store, Store) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    indexed(&source, Error, 0..500).await;
    clone(&target, &source, "f").await;
    indexed(&source, Upsert, (0..600).step_by(2)).await;
    (source, target)
}

async fn a_commit_that_lies_is_refused_and_nothing_is_published(place: &Place) {
    let (source, target) = ahead(place).await;
    let lies: Vec<(&str, Forge)> = vec![
        (
            "rows",
            Arc::new(|commit| commit["added"][0]["rows"] = json!(299)),
        ),
        (
            "add up",
            Arc::new(|commit| commit["rows_removed"] = json!(1)),
        ),
        (
            "bytes",
            Arc::new(|commit| commit["added"][0]["bytes"] = json!(77)),
        ),
        (
            "not what was written",
            Arc::new(|commit| commit["added"][0]["hash"] = json!("ab".repeat(32))),
        ),
        (
            "keys",
            Arc::new(|commit| commit["added"][0]["range"]["max"][0]["i"] = json!(5000)),
        ),
        (
            "footer",
            Arc::new(|commit| commit["added"][0]["footer"]["hash"] = json!("ab".repeat(32))),
        ),
        (
            "older",
            Arc::new(|commit| commit["time"] = json!("1999-01-01T00:00:00.000000000Z")),
        ),
        (
            "expire",
            Arc::new(|commit| commit["operation"] = json!("expire")),
        ),
        (
            "hides",
            Arc::new(|commit| commit["hidden"][0]["rows"] = json!(249)),
        ),
        (
            "are recorded",
            Arc::new(|commit| commit["hidden"][0]["vector"]["bytes"] = json!(9)),
        ),
        (
            "not what was",
            Arc::new(|commit| commit["hidden"][0]["vector"]["hash"] = json!("ab".repeat(32))),
        ),
        (
            "index",
            Arc::new(|commit| commit["index"] = json!(["nobody"])),
        ),
        (
            "other columns",
            Arc::new(|commit| commit["index"] = json!(["s"])),
        ),
    ];
    for (told, forge) in lies {
        let liar = Liar {
            forge,
            ..Liar::new(&source)
        };
        let error = refused(&target, &liar).await;
        assert!(error.contains(told), "{told}: {error}");
    }
    // The truth is still welcome.
    crate::sync::pull(&target, &source, "f").await;
    assert_eq!(
        numbers(&frame(&target, "f")).await,
        numbers(&frame(&source, "f")).await
    );
    assert_sound(&target, "f").await;
}

async fn an_object_that_rotted_is_refused_on_arrival(place: &Place) {
    let (source, target) = ahead(place).await;
    for kind in [ObjectKind::Segment, ObjectKind::Vector] {
        for shape in 0..3 {
            let liar = Liar {
                rot: Arc::new(move |object, mut bytes| {
                    // What is sound, and came before what is not, would not be sent once more.
                    if object.kind != kind {
                        return (object.kind == ObjectKind::Schema).then_some(bytes);
                    }
                    match shape {
                        0 => {
                            let middle = bytes.len() / 2;
                            bytes[middle] ^= 1;
                        }
                        1 => bytes.truncate(bytes.len() - 1),
                        _ => bytes.push(0),
                    }
                    Some(bytes)
                }),
                ..Liar::new(&source)
            };
            let error = refused(&target, &liar).await;
            assert!(error.contains("arrived"), "{error}");
        }
    }
    crate::sync::pull(&target, &source, "f").await;
    assert_sound(&target, "f").await;
}

async fn an_object_that_lay_here_already_is_checked_all_the_same(place: &Place) {
    let (source, target) = ahead(place).await;
    let peer = origin(&source);
    let tip = peer.head(&id("f")).await.unwrap().unwrap().tip;
    let newest = peer.history(&id("f"), &tip).await.unwrap().try_next().await;
    let line = newest.unwrap().unwrap().record.to_json_line().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let commit: Value = serde_json::from_str(line["commit"].as_str().unwrap()).unwrap();
    let segment = commit["added"][0]["id"].as_str().unwrap();
    let bytes = usize::try_from(commit["added"][0]["bytes"].as_u64().unwrap()).unwrap();
    place
        .write(
            &format!("_default/f/segments/{segment}.parquet"),
            vec![7; bytes],
        )
        .await;
    let error = refused(&target, &Liar::new(&source)).await;
    assert!(error.contains(segment), "{error}");
    place
        .write(
            &format!("_default/f/segments/{segment}.parquet"),
            vec![7; 9],
        )
        .await;
    let error = refused(&target, &Liar::new(&source)).await;
    assert!(error.contains(segment), "{error}");
}

async fn a_commit_whose_objects_did_not_come_is_refused(place: &Place) {
    let (source, target) = ahead(place).await;
    let peer = origin(&source);
    let tip = peer.head(&id("f")).await.unwrap().unwrap().tip;
    let newest = peer.history(&id("f"), &tip).await.unwrap().try_next().await;
    let record = newest.unwrap().unwrap().record;
    let here = origin(&target);
    let expected = here.head(&id("f")).await.unwrap().unwrap().tip;
    let request = Publish {
        expected: Some(expected.clone()),
        arrivals: vec![Arrival {
            record,
            kept: true,
            brings: Vec::new(),
        }],
        ..Publish::default()
    };
    let error = here.publish(&id("f"), request.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(here.head(&id("f")).await.unwrap().unwrap().tip, expected);
    let elsewhere = Publish {
        expected: Some("ab".repeat(32)),
        ..request.clone()
    };
    let moved = here.publish(&id("f"), elsewhere).await.unwrap();
    assert_eq!(
        moved,
        PublishOutcome::Moved {
            tip: Some(expected)
        }
    );
    let empty = Publish {
        arrivals: Vec::new(),
        ..request
    };
    let error = here.publish(&id("f"), empty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

async fn names_that_lead_elsewhere_are_refused(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "f"), Append, rows(0..3)).await;
    let peer = origin(&store);
    for name in ["../log/latest", "", "..", "ab/../../x", "AB CD"] {
        let object = ObjectName {
            kind: ObjectKind::Segment,
            id: name.to_owned(),
        };
        let read = peer.read(&id("f"), &object).await.err().unwrap();
        assert_eq!(read.kind(), ErrorKind::InvalidRequest, "{name}");
        let have = peer.have(&id("f"), std::slice::from_ref(&object)).await;
        assert_eq!(
            have.unwrap_err().kind(),
            ErrorKind::InvalidRequest,
            "{name}"
        );
        let sent = SentObject {
            name: object,
            bytes: 1,
            hash: "ab".repeat(32),
        };
        let bytes = stream::iter([Ok(Bytes::from_static(b"x"))]).boxed();
        let write = peer.write(&id("f"), &sent, bytes).await.unwrap_err();
        assert_eq!(write.kind(), ErrorKind::InvalidRequest, "{name}");
    }
    let absent = ObjectName {
        kind: ObjectKind::Schema,
        id: "ab".repeat(32),
    };
    let read = peer.read(&id("f"), &absent).await.err().unwrap();
    assert_eq!(read.kind(), ErrorKind::NotFound);
    let traversal = json!({
        "parents": [], "time": "2026-01-01T00:00:00.000000000Z", "write_id": "ab",
        "operation": "append", "schema": "../../x",
    });
    let line = json!({ "commit": traversal.to_string() }).to_string();
    let error = Record::from_json_line(&line).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let liar = Liar::forging(&store, |_| {});
    assert!(liar.head(&id("f")).await.unwrap().is_some());
}
