//! What a cache keeps, fetches and drops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::block::BLOCK_BYTES;
use super::*;
use crate::environment::SystemEnvironment;

const SEGMENT: &str = "b/f/segments/ab.parquet";
const ENTRY: &str = "b/f/log/00000000000000000001.jsonl";

/// Counts what is fetched, and answers reads only when there is a permit.
#[derive(Debug)]
struct Bucket {
    objects: InMemory,
    fetches: AtomicU64,
    fetched_bytes: AtomicU64,
    permits: Semaphore,
    away: AtomicBool,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bucket")
    }
}

impl Bucket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            objects: InMemory::new(),
            fetches: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            permits: Semaphore::new(1_000_000),
            away: AtomicBool::new(false),
        })
    }

    async fn with(path: &str, bytes: &Bytes) -> Arc<Self> {
        let bucket = Self::new();
        bucket.put_raw(path, bytes).await;
        bucket
    }

    async fn put_raw(&self, path: &str, bytes: &Bytes) {
        let path = Path::from(path);
        self.objects.put(&path, bytes.clone().into()).await.unwrap();
    }

    /// Fetches since the last call.
    fn fetches(&self) -> u64 {
        self.fetches.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> ObjectResult<PutResult> {
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> ObjectResult<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> ObjectResult<GetResult> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        if self.away.load(Ordering::SeqCst) {
            return Err(ObjectError::Generic {
                store: "bucket",
                source: "it is away".into(),
            });
        }
        let answer = self.objects.get_opts(location, options).await?;
        let bytes = answer.range.end - answer.range.start;
        self.fetched_bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(answer)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, ObjectResult<Path>>,
    ) -> BoxStream<'static, ObjectResult<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> ObjectResult<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> ObjectResult<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

fn environment() -> Arc<dyn Environment> {
    Arc::new(SystemEnvironment::default())
}

fn memory_only(bytes: u64) -> Settings {
    Settings {
        memory_bytes: Some(bytes),
        ..Settings::default()
    }
}

fn disk_only(folder: &TempDir, bytes: u64) -> Settings {
    Settings {
        memory_bytes: Some(0),
        folder: Some(folder.path().to_owned()),
        disk_bytes: bytes,
        ..Settings::default()
    }
}

async fn cached(bucket: &Arc<Bucket>, settings: &Settings) -> Arc<dyn ObjectStore> {
    let inner = Arc::clone(bucket) as Arc<dyn ObjectStore>;
    settings
        .wrap(inner, "bucket", &environment())
        .await
        .unwrap()
}

fn content(bytes: u64) -> Bytes {
    (0..bytes)
        .map(|n| (n % 253) as u8)
        .collect::<Vec<_>>()
        .into()
}

async fn read(store: &Arc<dyn ObjectStore>, path: &str) -> ObjectResult<Bytes> {
    store.get(&Path::from(path)).await?.bytes().await
}

/// The files of blocks below a cache folder.
fn files(folder: &TempDir) -> Vec<PathBuf> {
    let below = |folder: &std::path::Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let folders = below(folder.path());
    let folders = folders.iter().filter(|path| path.is_dir());
    folders.flat_map(|folder| below(folder)).collect()
}

#[tokio::test]
async fn any_part_of_an_object_reads_as_without_a_cache_and_is_fetched_once() {
    let bytes = content(3 * BLOCK_BYTES + 17);
    let bucket = Bucket::with(SEGMENT, &bytes).await;
    let store = cached(&bucket, &memory_only(64 << 20)).await;
    let path = Path::from(SEGMENT);
    let ranges = [5..10, BLOCK_BYTES - 1..2 * BLOCK_BYTES + 1, 0..4];
    for fetches in [1, 0] {
        let parts = store.get_ranges(&path, &ranges).await.unwrap();
        for (range, part) in ranges.iter().zip(parts) {
            let range = range.start as usize..range.end as usize;
            assert_eq!(part, bytes.slice(range));
        }
        assert_eq!(bucket.fetches(), fetches);
    }
    assert_eq!(read(&store, SEGMENT).await.unwrap(), bytes);
    assert_eq!(bucket.fetches(), 1);
    let end = bytes.len() as u64;
    let last = store.get_range(&path, end - 3..end).await.unwrap();
    assert_eq!(last, bytes.slice(bytes.len() - 3..));
    assert_eq!(bucket.fetches(), 0);
    assert_eq!(bucket.fetched_bytes.load(Ordering::SeqCst), end);
}

#[tokio::test]
async fn bytes_beyond_the_end_and_objects_that_are_empty_or_absent_are_no_news() {
    let bucket = Bucket::with(SEGMENT, &content(10)).await;
    let store = cached(&bucket, &memory_only(1 << 20)).await;
    let path = Path::from(SEGMENT);
    let beyond = std::slice::from_ref(&(5..11));
    assert!(store.get_ranges(&path, beyond).await.is_err());
    assert_eq!(store.get_range(&path, 5..10).await.unwrap().len(), 5);
    bucket.put_raw("b/f/schemas/ab.arrow", &Bytes::new()).await;
    assert!(
        read(&store, "b/f/schemas/ab.arrow")
            .await
            .unwrap()
            .is_empty()
    );
    let absent = read(&store, ENTRY).await.unwrap_err();
    assert!(matches!(absent, ObjectError::NotFound { .. }), "{absent}");
}

#[tokio::test]
async fn what_may_change_and_what_was_absent_is_asked_for_every_time() {
    let bucket = Bucket::new();
    let store = cached(&bucket, &memory_only(1 << 20)).await;
    for path in ["b/f/log/latest", "b/f.parquet", "b/_bucket.json"] {
        for state in ["1", "2"] {
            bucket.put_raw(path, &Bytes::from(state)).await;
            assert_eq!(read(&store, path).await.unwrap(), state, "{path}");
        }
    }
    assert!(read(&store, ENTRY).await.is_err());
    bucket.put_raw(ENTRY, &Bytes::from("entry")).await;
    assert_eq!(read(&store, ENTRY).await.unwrap(), "entry");
    bucket.fetches();
    assert_eq!(read(&store, ENTRY).await.unwrap(), "entry");
    assert_eq!(bucket.fetches(), 0);
}

#[tokio::test]
async fn an_entry_that_is_deleted_is_forgotten_and_never_kept_on_disk() {
    let folder = TempDir::new().unwrap();
    let bucket = Bucket::with(ENTRY, &Bytes::from("first life")).await;
    let settings = Settings {
        memory_bytes: Some(1 << 20),
        ..disk_only(&folder, 1 << 30)
    };
    let store = cached(&bucket, &settings).await;
    assert_eq!(read(&store, ENTRY).await.unwrap(), "first life");
    assert!(files(&folder).is_empty());
    store.delete(&Path::from(ENTRY)).await.unwrap();
    bucket.put_raw(ENTRY, &Bytes::from("second life")).await;
    assert_eq!(read(&store, ENTRY).await.unwrap(), "second life");
}

#[tokio::test]
async fn many_readers_of_a_block_wait_for_one_fetch() {
    let bytes = content(BLOCK_BYTES + 5);
    let bucket = Bucket::with(SEGMENT, &bytes).await;
    for memory in [64 << 20, 1] {
        let store = cached(&bucket, &memory_only(memory)).await;
        let held = bucket.permits.forget_permits(usize::MAX);
        let readers = (0..20).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get_range(&Path::from(SEGMENT), 3..9).await })
        });
        let readers: Vec<_> = readers.collect();
        // One that gives up, the first to have asked, takes nothing with it.
        tokio::task::yield_now().await;
        readers[0].abort();
        while bucket.fetches.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        bucket.permits.add_permits(held);
        for reader in join_all(readers).await.into_iter().skip(1) {
            assert_eq!(reader.unwrap().unwrap(), bytes.slice(3..9));
        }
        assert_eq!(bucket.fetches(), 1);
    }
}

#[tokio::test]
async fn a_reader_who_comes_later_does_not_believe_that_an_object_is_absent() {
    let bucket = Bucket::new();
    let store = cached(&bucket, &memory_only(1 << 20)).await;
    let held = bucket.permits.forget_permits(usize::MAX);
    let early = tokio::spawn({
        let store = Arc::clone(&store);
        async move { read(&store, ENTRY).await }
    });
    while bucket.fetches.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let late = tokio::spawn({
        let store = Arc::clone(&store);
        async move { read(&store, ENTRY).await }
    });
    tokio::task::yield_now().await;
    bucket.permits.add_permits(1);
    assert!(early.await.unwrap().is_err());
    bucket.put_raw(ENTRY, &Bytes::from("entry")).await;
    bucket.permits.add_permits(held - 1);
    assert_eq!(late.await.unwrap().unwrap(), "entry");
}

#[tokio::test]
async fn an_error_reaches_all_who_wait_and_is_not_kept() {
    let bytes = content(10);
    let bucket = Bucket::with(SEGMENT, &bytes).await;
    let store = cached(&bucket, &memory_only(1 << 20)).await;
    bucket.away.store(true, Ordering::SeqCst);
    let path = Path::from(SEGMENT);
    let both = tokio::join!(store.get_range(&path, 0..5), store.get_range(&path, 5..10));
    for failed in [both.0.unwrap_err(), both.1.unwrap_err()] {
        assert!(failed.to_string().contains("it is away"), "{failed}");
    }
    assert_eq!(bucket.fetches(), 1);
    bucket.away.store(false, Ordering::SeqCst);
    assert_eq!(
        store.get_range(&path, 0..5).await.unwrap(),
        bytes.slice(0..5)
    );
}

#[tokio::test]
async fn memory_stays_within_its_bound_and_keeps_something() {
    let limit = 8 * BLOCK_BYTES;
    let bucket = Bucket::new();
    let inner = Arc::clone(&bucket) as Arc<dyn ObjectStore>;
    let shelf = Shelf::new(inner, limit, None, &Arc::default());
    for n in 0..40 {
        let path = format!("b/f/segments/{n:x}.parquet");
        bucket.put_raw(&path, &content(BLOCK_BYTES)).await;
        shelf.blocks(&Path::from(path), [0].into()).await.unwrap();
        assert!(shelf.memory_bytes() <= limit, "{}", shelf.memory_bytes());
    }
    assert!(shelf.memory_bytes() > limit / 2, "{}", shelf.memory_bytes());
}

#[tokio::test]
async fn the_folder_survives_a_restart_and_stays_within_its_bound() {
    let folder = TempDir::new().unwrap();
    let limit = 5 * BLOCK_BYTES;
    let bucket = Bucket::new();
    let path = |n: u64| format!("b/f/segments/{n:x}.parquet");
    let on_disk = || -> u64 {
        let files = files(&folder);
        files
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum()
    };
    {
        let store = cached(&bucket, &disk_only(&folder, limit)).await;
        for n in 0..12 {
            bucket.put_raw(&path(n), &content(BLOCK_BYTES)).await;
            read(&store, &path(n)).await.unwrap();
            // The first is used again and again, and stays.
            read(&store, &path(0)).await.unwrap();
            assert!(on_disk() <= limit, "{} bytes", on_disk());
        }
        assert_eq!(bucket.fetches(), 12);
    }
    let store = reopened(&bucket, &disk_only(&folder, limit)).await;
    for n in [11, 0] {
        assert_eq!(read(&store, &path(n)).await.unwrap(), content(BLOCK_BYTES));
    }
    assert_eq!(bucket.fetches(), 0);
    drop(store);
    drop(reopened(&bucket, &disk_only(&folder, BLOCK_BYTES + 4096)).await);
    assert_eq!(files(&folder).len(), 1);
}

/// Opened once the flights of another store have let go of the folder.
async fn reopened(bucket: &Arc<Bucket>, settings: &Settings) -> Arc<dyn ObjectStore> {
    loop {
        let inner = Arc::clone(bucket) as Arc<dyn ObjectStore>;
        match settings.wrap(inner, "bucket", &environment()).await {
            Ok(store) => return store,
            Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_noticed_dropped_and_fetched_again() {
    let folder = TempDir::new().unwrap();
    let bytes = content(1000);
    let bucket = Bucket::with(SEGMENT, &bytes).await;
    let store = cached(&bucket, &disk_only(&folder, 1 << 30)).await;
    read(&store, SEGMENT).await.unwrap();
    assert_eq!(bucket.fetches(), 1);
    let file = files(&folder).pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    // Magic, size, checksum, first and last byte; then cut short, and empty.
    for at in [0, 16, 24, 28, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        assert_eq!(read(&store, SEGMENT).await.unwrap(), bytes, "byte {at}");
        assert_eq!(bucket.fetches(), 1, "byte {at}");
        assert_eq!(std::fs::read(&file).unwrap(), whole, "byte {at}");
    }
    for length in [whole.len() - 1, 20, 0] {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(
            read(&store, SEGMENT).await.unwrap(),
            bytes,
            "{length} bytes"
        );
        assert_eq!(bucket.fetches(), 1, "{length} bytes");
    }
    assert_eq!(read(&store, SEGMENT).await.unwrap(), bytes);
    assert_eq!(bucket.fetches(), 0);
}

#[tokio::test]
async fn a_block_under_the_name_of_another_is_not_believed() {
    let folder = TempDir::new().unwrap();
    let bucket = Bucket::with(SEGMENT, &Bytes::from("one")).await;
    let other = "b/f/segments/cd.parquet";
    bucket.put_raw(other, &Bytes::from("two")).await;
    let store = cached(&bucket, &disk_only(&folder, 1 << 30)).await;
    read(&store, SEGMENT).await.unwrap();
    let one = files(&folder).pop().unwrap();
    read(&store, other).await.unwrap();
    let two = files(&folder)
        .into_iter()
        .find(|file| *file != one)
        .unwrap();
    std::fs::copy(&one, &two).unwrap();
    assert_eq!(read(&store, other).await.unwrap(), "two");
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused_and_what_was_left_unfinished_is_removed() {
    let folder = TempDir::new().unwrap();
    let unfinished = folder.path().join("_partial");
    std::fs::create_dir(&unfinished).unwrap();
    let unfinished = unfinished.join("0".repeat(32));
    std::fs::write(&unfinished, "half").unwrap();
    let bucket = Bucket::new();
    let store = cached(&bucket, &disk_only(&folder, 1 << 20)).await;
    assert!(!unfinished.exists());
    let inner = Arc::clone(&bucket) as Arc<dyn ObjectStore>;
    let second = disk_only(&folder, 1 << 20);
    let refused = second
        .wrap(inner, "bucket", &environment())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), crate::ErrorKind::InvalidRequest);
    assert!(
        refused.to_string().contains("in use by another store"),
        "{refused}"
    );
    drop(store);
}

#[tokio::test]
async fn writes_and_listings_go_to_the_bucket() {
    let bucket = Bucket::new();
    let store = cached(&bucket, &memory_only(1 << 20)).await;
    let path = Path::from(ENTRY);
    let create = || store.put_opts(&path, "x".into(), PutMode::Create.into());
    create().await.unwrap();
    let refused = create().await.unwrap_err();
    assert!(
        matches!(refused, ObjectError::AlreadyExists { .. }),
        "{refused}"
    );
    let listed = store
        .list_with_delimiter(Some(&Path::from("b/f/log")))
        .await;
    assert_eq!(listed.unwrap().objects.len(), 1);
}
