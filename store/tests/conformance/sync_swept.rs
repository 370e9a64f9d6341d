//! Stores that give up and remove rows while a frame travels: whoever counted on them looks anew.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use shoots_proto::action::{Retention, SyncOutcome, SyncedFrame};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::put::PutMode::{Append, Error, Replace, Upsert};
use shoots_store::{
    ByteStream, CloneOptions, ErrorKind, FetchOptions, HistoryStream, ListedSegment, LocalPeer,
    ObjectName, Peer, PeerHead, ProgressSink, Publish, PublishOutcome, PullOptions, PutOptions,
    RemoteEnd, Result, SentObject, Store, Travellers,
};
use tokio::sync::Mutex;

use crate::faults::{Plan, faulty};
use crate::meddler::Meddler;
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, rows, try_put_with};
use crate::sync::{assert_same, assert_sound, clone, indexed, only, origin, remote};
use crate::sync_expiry::{forget_older, give_up, sweeping};

on_every_place!(
    rows_that_are_removed_before_they_are_sent_are_looked_for_anew,
    rows_that_are_removed_before_they_are_published_are_sent_again,
    a_remote_that_never_comes_to_rest_is_told,
    rows_that_are_removed_while_a_merge_is_made_are_done_without,
    rows_that_are_removed_while_a_merge_is_made_and_cannot_be_done_without_have_expired,
    a_merge_that_cannot_be_published_says_why_although_nothing_can_be_removed_either,
);

type Deed = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A remote to which something happens before it hears a call of this name, as often as that is said.
struct Restless {
    there: LocalPeer,
    before: &'static str,
    times: u64,
    calls: AtomicU64,
    deed: Deed,
    /// One thing at a time.
    busy: Mutex<()>,
}

impl fmt::Debug for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restless")
    }
}

impl Restless {
    fn new(store: &Store, before: &'static str, deed: Deed) -> Self {
        Self {
            there: origin(store),
            before,
            times: 1,
            calls: AtomicU64::new(0),
            deed,
            busy: Mutex::new(()),
        }
    }

    /// One that gives up all but its newest state.
    fn giving_up(store: &Store, before: &'static str) -> Self {
        let own = store.clone();
        let deed = move || {
            let own = own.clone();
            async move { give_up(&own).await }.boxed()
        };
        Self::new(store, before, Arc::new(deed))
    }

    async fn hear(&self, call: &str) {
        let _turn = self.busy.lock().await;
        if call == self.before && self.calls.fetch_add(1, Ordering::SeqCst) < self.times {
            (self.deed)().await;
        }
    }

    fn end(&self) -> RemoteEnd<'_> {
        RemoteEnd {
            name: "origin",
            peer: self,
        }
    }
}

#[async_trait]
impl Peer for Restless {
    fn location(&self) -> &str {
        "restless"
    }

    async fn buckets(&self) -> Result<Vec<BucketName>> {
        self.there.buckets().await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>> {
        self.there.frames(bucket).await
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>> {
        self.there.head(frame).await
    }

    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream> {
        self.there.history(frame, from).await
    }

    async fn list(&self, frame: &FrameId, commit: &str) -> Result<Option<Vec<ListedSegment>>> {
        self.there.list(frame, commit).await
    }

    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
        self.there.have(frame, objects).await
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream> {
        self.hear("read").await;
        self.there.read(frame, object).await
    }

    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()> {
        self.there.write(frame, object, bytes).await
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome> {
        self.hear("publish").await;
        self.there.publish(frame, request).await
    }
}

/// Two stores with the same frame, of which the second follows the first, which has gone on since.
async fn behind(place: &Place) -> (Store, Store) {
    let (source, target) = (sweeping(&Place::in_memory()).await, sweeping(place).await);
    indexed(&frame(&source, "f"), Error, 0..20).await;
    clone(&target, &source, "f").await;
    indexed(&frame(&source, "f"), Append, 20..30).await;
    indexed(&frame(&source, "f"), Append, 30..40).await;
    (source, target)
}

async fn pull(to: &Store, from: &Restless) -> Result<SyncedFrame> {
    let frames = Travellers::one(&id("f"));
    only(
        to.pull(from.end(), &frames, &PullOptions::default())
            .await?,
    )
}

async fn rows_that_are_removed_before_they_are_sent_are_looked_for_anew(place: &Place) {
    let (source, target) = behind(place).await;
    let pulled = pull(&target, &Restless::giving_up(&source, "read")).await;
    assert_eq!(pulled.unwrap().outcome, SyncOutcome::Moved);
    assert_same(&source, &target, "f").await;

    // With changes on both sides.
    for n in [50, 60] {
        indexed(&frame(&source, "f"), Append, n..n + 5).await;
    }
    indexed(&frame(&target, "f"), Append, [70]).await;
    let restless = Restless::giving_up(&source, "read");
    let (frames, options) = (Travellers::one(&id("f")), FetchOptions::default());
    let fetched = target.fetch(restless.end(), &frames, &options).await;
    assert_eq!(only(fetched.unwrap()).unwrap().behind, 2);
    assert_sound(&target, "f").await;
    let merged = frame(&target, "f").merge("origin", None).await.unwrap();
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    let expected: Vec<i64> = (0..40).chain(50..55).chain(60..65).chain([70]).collect();
    assert_eq!(numbers(&frame(&target, "f")).await, expected);

    for newest_only in [false, true] {
        indexed(&frame(&source, "f"), Append, [80]).await;
        let restless = Restless::giving_up(&source, "read");
        let fresh = Place::in_memory().open().await;
        let options = CloneOptions {
            newest_only,
            ..CloneOptions::default()
        };
        let cloned = fresh.clone_frames(restless.end(), &frames, &options).await;
        let cloned = only(cloned.unwrap()).unwrap();
        assert_eq!(cloned.outcome, SyncOutcome::Created);
        assert_same(&source, &fresh, "f").await;
    }
}

async fn rows_that_are_removed_before_they_are_published_are_sent_again(place: &Place) {
    let (source, target) = (sweeping(&Place::in_memory()).await, sweeping(place).await);
    indexed(&frame(&source, "f"), Error, 0..20).await;
    clone(&target, &source, "f").await;
    indexed(&frame(&source, "f"), Replace, 20..30).await;
    let follow = only(
        target
            .pull(
                remote(&origin(&source)),
                &Travellers::one(&id("f")),
                &PullOptions::default(),
            )
            .await
            .unwrap(),
    );
    assert_eq!(follow.unwrap().outcome, SyncOutcome::Moved);
    frame(&source, "f")
        .restore(&AsOf::Version(1))
        .await
        .unwrap();
    // What it brings back has expired there, and is there until it is swept.
    let newest = Retention {
        keep_versions: Some(1),
        ..Retention::default()
    };
    frame(&target, "f")
        .set_retention(Some(newest))
        .await
        .unwrap();
    assert_eq!(frame(&target, "f").expire(false).await.unwrap().segments, 1);
    let own = target.clone();
    let deed = move || {
        let own = own.clone();
        async move {
            let swept = frame(&own, "f").sweep(false).await.unwrap();
            assert!(swept.objects > 0, "{swept:?}");
        }
        .boxed()
    };
    let restless = Restless::new(&target, "publish", Arc::new(deed));
    let frames = Travellers::one(&id("f"));
    let pushed = source
        .push(restless.end(), &frames, &ProgressSink::default())
        .await;
    let pushed = only(pushed.unwrap()).unwrap();
    assert_eq!((pushed.outcome, pushed.objects), (SyncOutcome::Moved, 1));
    assert_same(&source, &target, "f").await;
}

async fn a_remote_that_never_comes_to_rest_is_told(place: &Place) {
    let (source, target) = behind(place).await;
    let own = source.clone();
    let next = Arc::new(AtomicU64::new(100));
    let deed = move || {
        let (own, n) = (own.clone(), next.fetch_add(1, Ordering::SeqCst));
        async move {
            indexed(&frame(&own, "f"), Append, [i64::try_from(n).unwrap()]).await;
            give_up(&own).await;
        }
        .boxed()
    };
    let restless = Restless {
        times: u64::MAX,
        ..Restless::new(&source, "read", Arc::new(deed))
    };
    let refused = pull(&target, &restless).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert!(
        refused.to_string().contains("restless meanwhile"),
        "{refused}"
    );
    assert_eq!(
        numbers(&frame(&target, "f")).await,
        (0..20).collect::<Vec<i64>>()
    );
    assert_sound(&target, "f").await;
    clone(&Place::in_memory().open().await, &source, "f").await;
}

/// A store that has given up what single commits of its own brought and has not removed it so far, with what another one
/// did fetched: after those commits, or between them.
async fn half_given_up(place: &Place, between: bool) -> Store {
    let (ours, theirs) = (sweeping(place).await, sweeping(&Place::in_memory()).await);
    indexed(&frame(&ours, "f"), Error, 0..20).await;
    clone(&theirs, &ours, "f").await;
    indexed(&frame(&ours, "f"), Append, [40]).await;
    if between {
        indexed(&frame(&theirs, "f"), Upsert, [5, 41]).await;
    }
    indexed(&frame(&ours, "f"), Append, [41]).await;
    if !between {
        indexed(&frame(&theirs, "f"), Upsert, [5, 41]).await;
    }
    let (peer, frames) = (origin(&theirs), Travellers::one(&id("f")));
    let fetched = ours
        .fetch(remote(&peer), &frames, &FetchOptions::default())
        .await;
    only(fetched.unwrap()).unwrap();
    frame(&ours, "f").compact(false).await.unwrap();
    forget_older(&ours).await;
    ours
}

/// The same store, which is swept as soon as one looks into a segment.
async fn swept_when_read(place: &Place, store: Store) -> Store {
    let deed = move |_| {
        let store = store.clone();
        async move {
            let swept = frame(&store, "f").sweep(false).await.unwrap();
            assert!(swept.objects > 0, "{swept:?}");
        }
        .boxed()
    };
    let meddler = Meddler {
        inner: place.objects(),
        part: "/segments/",
        times: 1,
        reads: AtomicU64::new(0),
        deed: Box::new(deed),
    };
    let builder = Store::builder("memory://").object_store(Arc::new(meddler));
    builder.open().await.unwrap()
}

async fn rows_that_are_removed_while_a_merge_is_made_are_done_without(place: &Place) {
    let ours = half_given_up(place, false).await;
    let store = swept_when_read(place, ours.clone()).await;
    let merged = frame(&store, "f").merge("origin", None).await.unwrap();
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_sound(&ours, "f").await;
    let expected: Vec<i64> = (0..20).chain([40, 41]).collect();
    assert_eq!(numbers(&frame(&ours, "f")).await, expected);
}

async fn rows_that_are_removed_while_a_merge_is_made_and_cannot_be_done_without_have_expired(
    place: &Place,
) {
    let ours = half_given_up(place, true).await;
    let store = swept_when_read(place, ours.clone()).await;
    let before = numbers(&frame(&ours, "f")).await;
    let refused = frame(&store, "f").merge("origin", None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::MergeConflict, "{refused}");
    for told in ["(expired)", "favour"] {
        assert!(refused.to_string().contains(told), "{refused}");
    }
    assert_eq!(numbers(&frame(&ours, "f")).await, before);
    assert_sound(&ours, "f").await;
}

/// Of some columns, so that the replay writes a segment of its own where it comes upon other rows than its author.
async fn upsert_without_texts(store: &Store, number: i64) {
    let options = PutOptions {
        index: vec!["n".to_owned()],
        ..PutOptions::mode(Upsert)
    };
    let rows = rows([number]).project(&[0]).unwrap();
    try_put_with(&frame(store, "f"), options, rows)
        .await
        .unwrap();
}

async fn a_merge_that_cannot_be_published_says_why_although_nothing_can_be_removed_either(
    place: &Place,
) {
    for changed_here in [true, false] {
        let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
        indexed(&frame(&ours, "f"), Error, 0..20).await;
        indexed(&frame(&ours, "f"), Append, 20..30).await;
        clone(&theirs, &ours, "f").await;
        if changed_here {
            indexed(&frame(&ours, "f"), Upsert, [5]).await;
        } else {
            frame(&ours, "f").compact(false).await.unwrap();
        }
        upsert_without_texts(&theirs, 5).await;
        let (peer, frames) = (origin(&theirs), Travellers::one(&id("f")));
        let fetched = ours
            .fetch(remote(&peer), &frames, &FetchOptions::default())
            .await;
        only(fetched.unwrap()).unwrap();
        let segments = place.objects_below("_default/f/segments").await;
        let stuck = faulty(place, Plan::Stuck(4)).await;
        let error = frame(&stuck, "f").merge("origin", None).await.unwrap_err();
        assert!(error.to_string().contains("the wire was cut"), "{error}");
        let left = place.objects_below("_default/f/segments").await;
        assert!(left.len() > segments.len(), "nothing was written for it");
        frame(&ours, "f").purge(false).await.unwrap();
    }
}
