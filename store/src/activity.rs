//! What a store has done since it was opened, for whoever watches it: counts, not events.
//!
//! Each count is an atomic addition where something happens. [`Counted`] stands directly before the place that the store
//! lives in, behind all caches, so what it counts is what the place was asked for.

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
    CopyOptions, Error as ObjectError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result as ObjectResult,
};

/// What a store has done since it was opened, and what it holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// What the place that it lives in was asked for, one of each kind: get, put, list, delete, copy.
    pub operations: [OperationCount; 5],
    /// Bytes of objects that were asked for there.
    pub read_bytes: u64,
    /// Bytes of objects that were written there.
    pub written_bytes: u64,
    /// Segments, and plain files, of which bytes were fetched: one for each reader of each of them.
    pub segment_reads: u64,
    /// Bytes that were fetched of them, from a cache or not.
    pub segment_bytes: u64,
    /// How often each cache had what was looked for: blocks in memory, blocks on disk, footers of segments, decoded rows.
    pub caches: [CacheCount; 4],
    /// Memory for rows of puts.
    pub put_memory: PutMemory,
    /// Memory that decoded rows take, in bytes, and the most that they may take.
    pub row_cache: RowMemory,
}

/// Memory of decoded rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowMemory {
    /// What they may take, in bytes.
    pub bytes: u64,
    /// What they take, in bytes.
    pub used_bytes: u64,
}

/// How often one kind of thing was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationCount {
    /// What it is called.
    pub name: &'static str,
    /// How often it was asked for.
    pub count: u64,
    /// How often that failed. That an object is absent, or there already, is an answer.
    pub errors: u64,
}

/// How often a cache was of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCount {
    /// What it is called.
    pub name: &'static str,
    /// How often it had what was looked for.
    pub hits: u64,
    /// How often it had not.
    pub misses: u64,
}

/// The memory that the rows of all puts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutMemory {
    /// How much there is, in bytes.
    pub bytes: u64,
    /// How much of it is taken, in bytes.
    pub used_bytes: u64,
    /// Puts that wait for some of it.
    pub waiting: u64,
}

/// Counts of one cache.
#[derive(Debug, Default)]
pub(crate) struct CacheUse {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl CacheUse {
    pub(crate) fn count(&self, hit: bool) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn told(&self, name: &'static str) -> CacheCount {
        CacheCount {
            name,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

/// Counts of the two levels of blocks before a bucket.
#[derive(Debug, Default)]
pub(crate) struct BlockUse {
    pub(crate) memory: CacheUse,
    pub(crate) disk: CacheUse,
}

#[derive(Debug, Default)]
struct OperationUse {
    count: AtomicU64,
    errors: AtomicU64,
}

impl OperationUse {
    fn begin(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether it failed, and passes the outcome on.
    fn note<T>(&self, outcome: ObjectResult<T>) -> ObjectResult<T> {
        if outcome.as_ref().is_err_and(is_failure) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    fn told(&self, name: &'static str) -> OperationCount {
        OperationCount {
            name,
            count: self.count.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }
}

fn is_failure(error: &ObjectError) -> bool {
    !matches!(
        error,
        ObjectError::NotFound { .. }
            | ObjectError::AlreadyExists { .. }
            | ObjectError::Precondition { .. }
            | ObjectError::NotModified { .. }
            | ObjectError::NotSupported { .. }
            | ObjectError::NotImplemented { .. }
    )
}

/// Counts of what a place was asked for.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    get: OperationUse,
    put: OperationUse,
    list: OperationUse,
    delete: OperationUse,
    copy: OperationUse,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Operations {
    pub(crate) fn told(&self) -> [OperationCount; 5] {
        [
            self.get.told("get"),
            self.put.told("put"),
            self.list.told("list"),
            self.delete.told("delete"),
            self.copy.told("copy"),
        ]
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }
}

/// An object store that counts what it is asked for.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn ObjectStore>,
    operations: Arc<Operations>,
}

impl Counted {
    /// Stands before a place, and counts there from now on.
    pub(crate) fn before(
        inner: Arc<dyn ObjectStore>,
        operations: &Arc<Operations>,
    ) -> Arc<dyn ObjectStore> {
        Arc::new(Self {
            inner,
            operations: Arc::clone(operations),
        })
    }

    fn count_read(&self, bytes: u64) {
        self.operations
            .read_bytes
            .fetch_add(bytes, Ordering::Relaxed);
    }

    fn listed(
        &self,
        objects: BoxStream<'static, ObjectResult<ObjectMeta>>,
    ) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.operations.list.begin();
        let operations = Arc::clone(&self.operations);
        objects
            .map(move |object| operations.list.note(object))
            .boxed()
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> ObjectResult<PutResult> {
        let bytes = payload.content_length() as u64;
        self.operations.put.begin();
        let put = self.inner.put_opts(location, payload, options).await;
        if put.is_ok() {
            self.operations
                .written_bytes
                .fetch_add(bytes, Ordering::Relaxed);
        }
        self.operations.put.note(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> ObjectResult<Box<dyn MultipartUpload>> {
        self.operations.put.begin();
        let begun = self.inner.put_multipart_opts(location, options).await;
        self.operations.put.note(begun)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> ObjectResult<GetResult> {
        let only_looks = options.head;
        self.operations.get.begin();
        let got = self.inner.get_opts(location, options).await;
        if let (Ok(got), false) = (&got, only_looks) {
            self.count_read(got.range.end.saturating_sub(got.range.start));
        }
        self.operations.get.note(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> ObjectResult<Vec<Bytes>> {
        self.operations.get.begin();
        let got = self.inner.get_ranges(location, ranges).await;
        if let Ok(parts) = &got {
            self.count_read(parts.iter().map(|part| part.len() as u64).sum());
        }
        self.operations.get.note(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, ObjectResult<Path>>,
    ) -> BoxStream<'static, ObjectResult<Path>> {
        let operations = Arc::clone(&self.operations);
        let deleted = self.inner.delete_stream(locations);
        deleted
            .map(move |deleted| {
                operations.delete.begin();
                operations.delete.note(deleted)
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.listed(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.listed(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> ObjectResult<ListResult> {
        self.operations.list.begin();
        let listed = self.inner.list_with_delimiter(prefix).await;
        self.operations.list.note(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> ObjectResult<()> {
        self.operations.copy.begin();
        let copied = self.inner.copy_opts(from, to, options).await;
        self.operations.copy.note(copied)
    }

    async fn rename_opts(
        &self,
        from: &Path,
        to: &Path,
        options: RenameOptions,
    ) -> ObjectResult<()> {
        self.operations.copy.begin();
        let renamed = self.inner.rename_opts(from, to, options).await;
        self.operations.copy.note(renamed)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::PutMode;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn what_was_asked_for_is_counted_and_an_absent_object_is_no_error() {
        let operations = Arc::new(Operations::default());
        let store = Counted::before(Arc::new(InMemory::new()), &operations);
        let path = Path::from("a/b");
        store.put(&path, "twelve bytes".into()).await.unwrap();
        let again = store
            .put_opts(&path, "other".into(), PutMode::Create.into())
            .await;
        assert!(matches!(again, Err(ObjectError::AlreadyExists { .. })));
        store.get(&path).await.unwrap();
        store.get_range(&path, 0..6).await.unwrap();
        store.head(&path).await.unwrap();
        store.get(&Path::from("nothing")).await.unwrap_err();
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
        store.copy(&path, &Path::from("c")).await.unwrap();
        store.delete(&path).await.unwrap();
        let counts = operations
            .told()
            .map(|one| (one.name, one.count, one.errors));
        let expected = [
            ("get", 4, 0),
            ("put", 2, 0),
            ("list", 1, 0),
            ("delete", 1, 0),
            ("copy", 1, 0),
        ];
        assert_eq!(counts, expected);
        assert_eq!(
            (operations.read_bytes(), operations.written_bytes()),
            (18, 12)
        );
    }

    #[test]
    fn only_what_the_place_could_not_do_is_an_error() {
        let generic = || ObjectError::Generic {
            store: "test",
            source: "no answer".into(),
        };
        let operations = Operations::default();
        operations.get.note(Err::<(), _>(generic())).unwrap_err();
        let absent = ObjectError::NotFound {
            path: "a".into(),
            source: "absent".into(),
        };
        operations.get.note(Err::<(), _>(absent)).unwrap_err();
        assert_eq!(operations.told()[0].errors, 1);
    }
}
