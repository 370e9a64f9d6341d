//! Storage that is far away: what is read from it twice, what is seen while it is away, and by whom.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as ObjectError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use shoots_proto::action::BucketDeleteMode;
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace};
use shoots_store::{
    Environment, ErrorKind, SegmentLimits, Store, StoreBuilder, SystemEnvironment, Timestamp,
};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id_in, numbers, numbers_as_of, numbers_of, put, rows};

on_every_place!(
    two_stores_see_each_others_commits,
    reading_a_frame_twice_fetches_no_segment_twice,
    readers_at_the_same_time_fetch_each_segment_once,
    a_cache_on_disk_serves_the_next_process,
    a_cached_reader_sees_what_others_commit,
    while_the_storage_is_away_reads_say_so_and_the_cached_state_is_marked,
    a_tolerant_reader_asks_again_when_its_time_is_over,
    writers_never_rely_on_what_readers_tolerate,
);

/// An object store that counts reads by object, and can be away.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn ObjectStore>,
    reads: Mutex<BTreeMap<String, u64>>,
    away: AtomicBool,
}

impl Watched {
    fn new(place: &Place) -> Arc<Self> {
        Arc::new(Self {
            inner: place.objects(),
            reads: Mutex::default(),
            away: AtomicBool::new(false),
        })
    }

    fn builder(self: &Arc<Self>) -> StoreBuilder {
        let limits = SegmentLimits {
            max_rows: 10,
            ..SegmentLimits::default()
        };
        Store::builder("memory://")
            .object_store(self.clone())
            .segment_limits(limits)
    }

    async fn cached(self: &Arc<Self>) -> Store {
        let builder = self.builder().cache_memory_bytes(64 << 20);
        builder.open().await.unwrap()
    }

    fn is_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn check(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(ObjectError::Generic {
                store: "watched",
                source: "nobody answers".into(),
            });
        }
        Ok(())
    }

    fn note(&self, location: &Path) -> Result<()> {
        let mut reads = self.reads.lock().unwrap();
        *reads.entry(location.to_string()).or_default() += 1;
        self.check()
    }

    /// How often each object whose path holds this text was read since the last call.
    fn reads_of(&self, text: &str) -> BTreeMap<String, u64> {
        let mut reads = self.reads.lock().unwrap();
        let mut taken = std::mem::take(&mut *reads);
        taken.retain(|path, _| path.contains(text));
        taken
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watched {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.check()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.note(location)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.note(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(std::future::ready(Err(error))).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A clock that is set by hand.
#[derive(Debug)]
struct Clock(AtomicI64);

impl Clock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000_000_000)))
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanoseconds(self.0.load(Ordering::SeqCst))
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

async fn two_stores_see_each_others_commits(place: &Place) {
    let (left, right) = (place.open().await, place.open().await);
    let mut expected = Vec::new();
    for n in 0..6 {
        let (writer, reader) = if n % 2 == 0 {
            (&left, &right)
        } else {
            (&right, &left)
        };
        let published = put(&frame(writer, "f"), Append, rows([n])).await;
        expected.push(n);
        let seen = frame(reader, "f").snapshot(None).await.unwrap();
        assert_eq!(seen.version(), Some(published.version));
        assert_eq!(numbers_of(&seen).await, expected);
    }
    frame(&left, "f").delete().await.unwrap();
    assert!(!frame(&right, "f").exists().await.unwrap());
    put(&right.frame(&id_in("b", "g")), Error, rows([1])).await;
    let listed = left.frames(Some(&bucket("b"))).await.unwrap();
    assert_eq!(listed.len(), 1);
}

async fn reading_a_frame_twice_fetches_no_segment_twice(place: &Place) {
    let watched = Watched::new(place);
    let expected: Vec<i64> = (0..35).collect();
    put(&frame(&watched.cached().await, "f"), Error, rows(0..35)).await;
    watched.reads_of("");

    let store = watched.cached().await;
    assert_eq!(numbers(&frame(&store, "f")).await, expected);
    let first = watched.reads_of("/segments/");
    assert_eq!(first.values().collect::<Vec<_>>(), [&1; 4]);
    assert_eq!(numbers(&frame(&store, "f")).await, expected);
    assert_eq!(
        watched.reads_of(""),
        [("_default/f/log/00000000000000000002.jsonl".to_owned(), 1)].into()
    );
}

async fn readers_at_the_same_time_fetch_each_segment_once(place: &Place) {
    let watched = Watched::new(place);
    put(&frame(&watched.cached().await, "f"), Error, rows(0..35)).await;
    watched.reads_of("");
    let store = watched.cached().await;
    let readers = (0..8).map(|_| {
        let frame = frame(&store, "f");
        tokio::spawn(async move { numbers(&frame).await })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), (0..35).collect::<Vec<_>>());
    }
    let reads = watched.reads_of("/segments/");
    assert_eq!(reads.values().collect::<Vec<_>>(), [&1; 4]);
}

async fn a_cache_on_disk_serves_the_next_process(place: &Place) {
    let folder = tempfile::TempDir::new().unwrap();
    let watched = Watched::new(place);
    put(&frame(&watched.cached().await, "f"), Error, rows(0..35)).await;
    for fetched in [4, 0] {
        watched.reads_of("");
        let store = loop {
            // Reads of the store before this one may not have let go of the folder yet.
            let builder = watched.builder().cache_memory_bytes(0);
            match builder.cache_folder(folder.path()).open().await {
                Ok(store) => break store,
                Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(numbers(&frame(&store, "f")).await.len(), 35);
        assert_eq!(watched.reads_of("/segments/").len(), fetched);
    }
}

async fn a_cached_reader_sees_what_others_commit(place: &Place) {
    let watched = Watched::new(place);
    let (writer, reader) = (place.open().await, watched.cached().await);
    for n in 0..70 {
        put(&frame(&writer, "f"), Append, rows([n])).await;
        if n % 7 == 0 {
            let seen = frame(&reader, "f").snapshot(None).await.unwrap();
            assert_eq!(seen.rows(), n.unsigned_abs() + 1);
        }
    }
    put(&frame(&writer, "f"), Replace, rows([7])).await;
    assert_eq!(numbers(&frame(&reader, "f")).await, [7]);
    assert_eq!(
        numbers_as_of(&frame(&reader, "f"), &AsOf::Version(3)).await,
        [0, 1, 2]
    );
}

async fn while_the_storage_is_away_reads_say_so_and_the_cached_state_is_marked(place: &Place) {
    let watched = Watched::new(place);
    let store = watched.cached().await;
    let known = frame(&store, "f");
    assert!(known.cached_snapshot().await.unwrap().is_none());
    put(&known, Error, rows(0..20)).await;
    assert_eq!(numbers(&known).await.len(), 20);
    put(&store.frame(&id_in("b", "unread")), Error, rows([1])).await;

    watched.is_away(true);
    for failed in [
        known.snapshot(None).await.unwrap_err(),
        frame(&store, "never").snapshot(None).await.unwrap_err(),
        known.exists().await.unwrap_err(),
        known.history(1, None).await.unwrap_err(),
        store.buckets().await.unwrap_err(),
        store.frames(None).await.unwrap_err(),
        store.bucket_exists(&bucket("b")).await.unwrap_err(),
    ] {
        assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
        assert!(failed.to_string().contains("nobody answers"), "{failed}");
    }
    let named = known.snapshot(None).await.unwrap_err().to_string();
    assert!(named.contains("_default/f/log/"), "{named}");

    let cached = known.cached_snapshot().await.unwrap().unwrap();
    assert!(cached.is_stale());
    assert_eq!(numbers_of(&cached).await, (0..20).collect::<Vec<_>>());
    let unread = store.frame(&id_in("b", "unread"));
    let unread = unread.cached_snapshot().await.unwrap().unwrap();
    let rows_of_it = unread
        .read(shoots_store::ReadOptions::default())
        .await
        .unwrap();
    let failed = rows_of_it.collect().await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Io);
    assert!(failed.to_string().contains("/segments/"), "{failed}");

    watched.is_away(false);
    let fresh = known.snapshot(None).await.unwrap();
    assert!(!fresh.is_stale());
    assert_eq!(fresh.rows(), 20);
}

async fn a_tolerant_reader_asks_again_when_its_time_is_over(place: &Place) {
    let (clock, watched) = (Clock::new(), Watched::new(place));
    let tolerant = watched
        .builder()
        .environment(clock.clone())
        .max_staleness(Duration::from_secs(10));
    let (writer, reader) = (place.open().await, tolerant.open().await.unwrap());
    put(&frame(&writer, "f"), Error, rows([0])).await;
    assert_eq!(numbers(&frame(&reader, "f")).await, [0]);
    put(&frame(&writer, "f"), Append, rows([1])).await;
    watched.reads_of("");
    assert_eq!(numbers(&frame(&reader, "f")).await, [0]);
    assert!(watched.reads_of("/log/").is_empty());
    // What was asked for by its number is looked for.
    assert_eq!(
        numbers_as_of(&frame(&reader, "f"), &AsOf::Version(2)).await,
        [0, 1]
    );
    put(&frame(&writer, "f"), Append, rows([2])).await;
    clock.advance(9);
    assert_eq!(numbers(&frame(&reader, "f")).await, [0, 1]);
    clock.advance(1);
    assert_eq!(numbers(&frame(&reader, "f")).await, [0, 1, 2]);
    // A clock that was set back makes nothing fresh.
    put(&frame(&writer, "f"), Append, rows([3])).await;
    clock.advance(-5);
    assert_eq!(numbers(&frame(&reader, "f")).await, [0, 1, 2, 3]);
    // Frames that are not known yet are always asked for.
    put(&frame(&writer, "g"), Error, rows([7])).await;
    assert_eq!(numbers(&frame(&reader, "g")).await, [7]);
}

async fn writers_never_rely_on_what_readers_tolerate(place: &Place) {
    let tolerant = place.builder().max_staleness(Duration::from_secs(3600));
    let (other, store) = (place.open().await, tolerant.open().await.unwrap());
    put(&store.frame(&id_in("b", "f")), Error, rows([0])).await;
    put(&store.frame(&id_in("b", "g")), Error, rows([0])).await;
    put(&other.frame(&id_in("b", "f")), Append, rows([1])).await;
    let appended = put(&store.frame(&id_in("b", "f")), Append, rows([2])).await;
    assert_eq!(appended.version, 3);
    assert_eq!(numbers(&store.frame(&id_in("b", "f"))).await, [0, 1, 2]);

    // Deleted and brought back elsewhere, while the reader goes on to see the old state.
    let g = other.frame(&id_in("b", "g"));
    g.delete().await.unwrap();
    assert!(store.frame(&id_in("b", "g")).exists().await.unwrap());
    let deleted = store
        .delete_bucket(&bucket("b"), BucketDeleteMode::Delete)
        .await
        .unwrap();
    assert_eq!(deleted, 1);
}
