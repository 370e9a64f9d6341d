//! Storage that fails, before a call took effect or after, and writers that must tell the two apart.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use shoots_proto::put::PutMode::{Append, Error};
use shoots_store::{ErrorKind, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers, put, rows, try_put};

on_every_place!(
    a_lost_reply_is_settled_by_reading_back,
    a_request_that_never_arrived_is_sent_again,
    a_lost_reply_and_an_unreadable_entry_are_an_unknown_outcome,
    a_failed_segment_fails_the_put_and_changes_nothing,
    a_segment_whose_reply_was_lost_is_found_and_used,
    a_segment_that_only_seemed_to_exist_is_created_again,
    under_random_faults_what_was_acknowledged_is_there,
);

/// An object store in which calls fail.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    plan: Plan,
    calls: AtomicU64,
}

/// Which calls fail, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// The first creation of this log entry takes effect, but its reply is lost.
    LoseReply(u64),
    /// The first creation of this log entry never arrives.
    LoseRequest(u64),
    /// As `LoseReply`, and from then on the log cannot be read.
    GoDark(u64),
    /// No segment can be written.
    NoSegments,
    /// Every segment is written, and no reply to that arrives.
    LoseSegmentReplies,
    /// The first creation of a segment is answered with "exists", as S3 may when two attempts overlap, and there is
    /// none.
    PhantomSegment,
    /// No entry of a log from this one on can be created, and nothing can be removed.
    Stuck(u64),
    /// Who creates this log entry waits until another has.
    Outrun(u64),
    /// One call in eight fails, half of those after they took effect.
    Random { seed: u64 },
    /// The same, some calls take long, and hints are lost, or old when they are read.
    Chaos { seed: u64 },
}

#[derive(PartialEq)]
enum Fault {
    None,
    Before,
    After,
    Phantom,
    /// It takes long, and nothing else.
    Late,
    Outrun,
    /// What was written is not there.
    Lost,
}

impl Faulty {
    fn fault(&self, location: &Path, write: bool) -> Fault {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let entry = |sequence: u64| {
            location
                .as_ref()
                .ends_with(&format!("log/{sequence:020}.jsonl"))
        };
        let segment = || location.as_ref().contains("/segments/");
        let first = || self.calls.fetch_or(1 << 63, Ordering::SeqCst) >> 63 == 0;
        match self.plan {
            Plan::LoseReply(sequence) if write && entry(sequence) && first() => Fault::After,
            Plan::LoseRequest(sequence) if write && entry(sequence) && first() => Fault::Before,
            Plan::GoDark(sequence) if write && entry(sequence) && first() => Fault::After,
            Plan::GoDark(sequence) if entry(sequence) && call >> 63 == 1 => Fault::Before,
            Plan::Stuck(first)
                if write && sequence_of(location).is_some_and(|own| own >= first) =>
            {
                Fault::Before
            }
            Plan::Outrun(sequence) if write && entry(sequence) => Fault::Outrun,
            Plan::NoSegments if write && segment() => Fault::Before,
            Plan::LoseSegmentReplies if write && segment() => Fault::After,
            Plan::PhantomSegment if write && segment() && first() => Fault::Phantom,
            Plan::Chaos { seed } => match scramble(seed, call) % 32 {
                0..=3 if location.as_ref().ends_with("log/latest") => Fault::Lost,
                0 | 1 => Fault::Before,
                2 | 3 => Fault::After,
                4..=7 => Fault::Late,
                _ => Fault::None,
            },
            Plan::Random { seed } => match scramble(seed, call) % 16 {
                0 => Fault::Before,
                1 => Fault::After,
                _ => Fault::None,
            },
            _ => Fault::None,
        }
    }
}

/// The number of a log entry.
fn sequence_of(location: &Path) -> Option<u64> {
    let (_, entry) = location.as_ref().split_once("/log/")?;
    entry.strip_suffix(".jsonl")?.parse().ok()
}

/// A few well mixed bits of a seed and a number (the finaliser of SplitMix64).
pub(crate) fn scramble(seed: u64, number: u64) -> u64 {
    let mut bits = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn failure() -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: "the wire was cut".into(),
    }
}

async fn late() {
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let fault = self.fault(location, true);
        if fault == Fault::Before {
            return Err(failure());
        }
        if fault == Fault::Phantom {
            return Err(object_store::Error::AlreadyExists {
                path: location.to_string(),
                source: "409 ConditionalRequestConflict".into(),
            });
        }
        if fault == Fault::Late {
            late().await;
        }
        while fault == Fault::Outrun && self.inner.head(location).await.is_err() {
            late().await;
        }
        if fault == Fault::Lost {
            return Ok(PutResult {
                e_tag: None,
                version: None,
            });
        }
        let result = self.inner.put_opts(location, payload, options).await;
        if fault == Fault::After {
            Err(failure())
        } else {
            result
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.fault(location, false) {
            Fault::None => self.inner.get_opts(location, options).await,
            Fault::Late => {
                late().await;
                self.inner.get_opts(location, options).await
            }
            Fault::Lost => Err(object_store::Error::NotFound {
                path: location.to_string(),
                source: "404".into(),
            }),
            Fault::Before | Fault::After | Fault::Phantom | Fault::Outrun => Err(failure()),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.plan {
            Plan::Stuck(_) => {
                let stuck = || object_store::Error::Generic {
                    store: "faulty",
                    source: "nothing can be removed".into(),
                };
                locations.map(move |_| Err(stuck())).boxed()
            }
            _ => self.inner.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.fault(to, true);
        if fault == Fault::Before {
            return Err(failure());
        }
        if fault == Fault::Late {
            late().await;
        }
        let copied = self.inner.copy_opts(from, to, options).await;
        if fault == Fault::After {
            return Err(failure());
        }
        copied
    }
}

pub(crate) async fn faulty(place: &Place, plan: Plan) -> Store {
    let inner = place.objects();
    let calls = AtomicU64::new(0);
    let objects = Arc::new(Faulty { inner, plan, calls });
    Store::builder("memory://")
        .object_store(objects)
        .open()
        .await
        .unwrap()
}

async fn a_lost_reply_is_settled_by_reading_back(place: &Place) {
    let store = faulty(place, Plan::LoseReply(2)).await;
    let frame = frame(&store, "f");
    for n in 0..4 {
        assert_eq!(
            put(&frame, Append, rows([n])).await.version,
            n.unsigned_abs() + 1
        );
    }
    assert_eq!(numbers(&frame).await, [0, 1, 2, 3]);
}

async fn a_request_that_never_arrived_is_sent_again(place: &Place) {
    let store = faulty(place, Plan::LoseRequest(2)).await;
    let frame = frame(&store, "f");
    for n in 0..4 {
        assert_eq!(
            put(&frame, Append, rows([n])).await.version,
            n.unsigned_abs() + 1
        );
    }
    assert_eq!(numbers(&frame).await, [0, 1, 2, 3]);
}

async fn a_lost_reply_and_an_unreadable_entry_are_an_unknown_outcome(place: &Place) {
    put(&frame(&place.open().await, "f"), Error, rows([0])).await;
    let store = faulty(place, Plan::GoDark(2)).await;
    let unknown = try_put(&frame(&store, "f"), Append, rows([1]))
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [0, 1]);
}

async fn a_failed_segment_fails_the_put_and_changes_nothing(place: &Place) {
    put(&frame(&place.open().await, "f"), Error, rows([0])).await;
    let store = faulty(place, Plan::NoSegments).await;
    let failed = try_put(&frame(&store, "f"), Append, rows([1]))
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Io);
    assert!(failed.to_string().contains("the wire was cut"), "{failed}");
    assert_eq!(numbers(&frame(&store, "f")).await, [0]);
}

async fn a_segment_whose_reply_was_lost_is_found_and_used(place: &Place) {
    let store = faulty(place, Plan::LoseSegmentReplies).await;
    put(&frame(&store, "f"), Error, rows(0..5)).await;
    assert_eq!(
        numbers(&frame(&place.open().await, "f")).await,
        [0, 1, 2, 3, 4]
    );
}

async fn a_segment_that_only_seemed_to_exist_is_created_again(place: &Place) {
    let store = faulty(place, Plan::PhantomSegment).await;
    put(&frame(&store, "f"), Error, rows(0..5)).await;
    assert_eq!(
        numbers(&frame(&place.open().await, "f")).await,
        [0, 1, 2, 3, 4]
    );
}

async fn under_random_faults_what_was_acknowledged_is_there(place: &Place) {
    for seed in 0..12_u64 {
        println!("seed {seed}");
        let name = format!("f{seed}");
        let stores = [
            faulty(place, Plan::Random { seed }).await,
            faulty(place, Plan::Random { seed: !seed }).await,
        ];
        let writers = (0..4_i64).map(|writer| {
            let frame = frame(&stores[usize::try_from(writer).unwrap() % 2], &name);
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                for n in writer * 100..writer * 100 + 10 {
                    outcomes.push((n, try_put(&frame, Append, rows([n])).await));
                }
                outcomes
            })
        });
        let mut outcomes = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            outcomes.extend(writer.await.unwrap());
        }
        let present = match frame(&place.open().await, &name).exists().await.unwrap() {
            true => numbers(&frame(&place.open().await, &name)).await,
            false => Vec::new(),
        };
        for (n, outcome) in outcomes {
            let count = present.iter().filter(|present| **present == n).count();
            match outcome {
                Ok(_) => assert_eq!(count, 1, "{n} was acknowledged"),
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => assert!(count <= 1),
                Err(error) => assert_eq!(count, 0, "{n}: {error}"),
            }
        }
    }
}
