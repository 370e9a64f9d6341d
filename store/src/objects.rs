//! The few things that a store asks of the place it lives in, each with its honest outcomes.
//!
//! Creating an object has three outcomes, not two: it was created, another one is there already, or nobody can
//! tell, because the reply was lost or a disk did not confirm that the bytes will survive. The third is a value
//! of its own ([`CreateError::Ambiguous`], [`CreateError::NotKnownDurable`]), so that nothing above mistakes it
//! for a failure. See the protocol in [`crate::log`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error as ObjectError, ListResult, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutPayload,
};

use crate::activity::{BlockUse, CacheUse, Operations};
use crate::disk;
use crate::error::{Error, Result};
use crate::remote::trouble;

/// The most that an object may have that is read as a whole. Lists of segments are the largest, with some hundred bytes
/// for each; segments themselves are read in parts.
const MOST_BYTES: u64 = 1 << 30;

/// Attempts to create an object that is said to exist and cannot be found.
const IMMUTABLE_ATTEMPTS: u32 = 3;

/// An object store and a count of what was asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// The place itself, without the cache that may be in front of it.
    source: Arc<dyn ObjectStore>,
    requests: Arc<RequestCounters>,
    operations: Arc<Operations>,
    blocks: Arc<BlockUse>,
}

#[derive(Debug, Default)]
struct RequestCounters {
    creates: AtomicU64,
    overwrites: AtomicU64,
    reads: AtomicU64,
    lists: AtomicU64,
    bytes_written: AtomicU64,
    segments: Arc<SegmentTraffic>,
}

/// What readers fetch of segments, and of plain files, which are segments too in this.
#[derive(Debug, Default)]
pub(crate) struct SegmentTraffic {
    reads: AtomicU64,
    bytes: AtomicU64,
    /// Of what use remembering their footers is.
    pub(crate) footers: CacheUse,
    /// Of what use keeping decoded rows is.
    pub(crate) rows: CacheUse,
}

impl SegmentTraffic {
    /// Notes bytes that came from a segment, and whether they are the first that this reader of it has got.
    pub(crate) fn count(&self, first: bool, bytes: u64) {
        self.reads.fetch_add(u64::from(first), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Readers that fetched something.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Bytes that they fetched.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// How often a store has asked for something since it was opened, and how many bytes it has written and fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Objects that were created (or tried to be).
    pub creates: u64,
    /// Objects that were replaced: hints.
    pub overwrites: u64,
    /// Small objects that were read or looked for; reads of segments' pages are not among them.
    pub reads: u64,
    /// Listings of a folder.
    pub lists: u64,
    /// Bytes of all objects that were created or replaced.
    pub bytes_written: u64,
    /// Segments, and plain files, of which bytes were fetched: one for each reader of each of them.
    pub segment_reads: u64,
    /// Bytes that were fetched of them: pages and footers.
    pub segment_bytes: u64,
}

/// What became of an attempt to create an object that must not exist yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there, durably, with our bytes.
    Yes,
    /// An object of that name exists; it may even be ours, from an attempt whose reply was lost.
    Exists,
}

/// Why it is not known that an object was created.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// The storage refused it: nothing was created by this attempt.
    Refused(Error),
    /// Something failed on the way there or back: the object may exist. Read back.
    Ambiguous(Error),
    /// The object exists, but may not survive a loss of power. Reading back tells nothing.
    NotKnownDurable(Error),
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(error)
            | CreateError::Ambiguous(error)
            | CreateError::NotKnownDurable(error) => error,
        }
    }
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self::cached(Arc::clone(&store), store)
    }

    /// Objects that lie in `source` and are read through `store`, which keeps some of them.
    pub(crate) fn cached(source: Arc<dyn ObjectStore>, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            source,
            requests: Arc::default(),
            operations: Arc::default(),
            blocks: Arc::default(),
        }
    }

    /// The same objects, of which others count what becomes of requests for them.
    pub(crate) fn counted_by(self, operations: Arc<Operations>, blocks: Arc<BlockUse>) -> Self {
        Self {
            operations,
            blocks,
            ..self
        }
    }

    /// What the place was asked for.
    pub(crate) fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Of what use the cache before it was.
    pub(crate) fn blocks(&self) -> &BlockUse {
        &self.blocks
    }

    /// The same objects as they lie there, not as they were when they came into a cache.
    pub(crate) fn uncached(&self) -> Self {
        Self {
            store: Arc::clone(&self.source),
            ..self.clone()
        }
    }

    pub(crate) fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where readers of segments note what they fetch.
    pub(crate) fn segment_traffic(&self) -> &Arc<SegmentTraffic> {
        &self.requests.segments
    }

    pub(crate) fn requests(&self) -> Requests {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            creates: read(&self.requests.creates),
            overwrites: read(&self.requests.overwrites),
            reads: read(&self.requests.reads),
            lists: read(&self.requests.lists),
            bytes_written: read(&self.requests.bytes_written),
            segment_reads: self.requests.segments.reads(),
            segment_bytes: self.requests.segments.bytes(),
        }
    }

    /// Creates an object, durably, unless one of that name exists.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<Created, CreateError> {
        self.requests.creates.fetch_add(1, Ordering::Relaxed);
        self.count_written(&bytes);
        let payload = PutPayload::from_bytes(bytes);
        match self
            .store
            .put_opts(path, payload, PutMode::Create.into())
            .await
        {
            Ok(_) => Ok(Created::Yes),
            Err(ObjectError::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(error) => {
                let durable_unknown = disk::outcome_unknown(&error);
                let nothing_done = disk::nothing_done(&error);
                let error = Error::io(format!("creating {path}"), error);
                Err(if durable_unknown {
                    CreateError::NotKnownDurable(error)
                } else if nothing_done {
                    CreateError::Refused(error)
                } else {
                    CreateError::Ambiguous(error)
                })
            }
        }
    }

    /// Creates an object whose name is unique or says its content, so that finding it there is success.
    ///
    /// That another is there, or that a reply was lost, is looked into: an object store may say "exists" of one that
    /// is only being written.
    pub(crate) async fn create_immutable(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let size = bytes.len() as u64;
        let mut problem = None;
        for _ in 0..IMMUTABLE_ATTEMPTS {
            match self.create(path, bytes.clone()).await {
                Ok(Created::Yes) => return Ok(()),
                Ok(Created::Exists) => {}
                Err(CreateError::Refused(error) | CreateError::Ambiguous(error)) => {
                    problem = Some(error);
                }
                Err(CreateError::NotKnownDurable(error)) => return Err(error),
            }
            match (self.size(path).await, problem.take()) {
                (Ok(Some(found)), _) if found == size => return Ok(()),
                (Ok(Some(found)), _) => {
                    let problem = format!("it has {found} bytes, {size} were to be written");
                    return Err(Error::damaged(path, problem));
                }
                (_, Some(problem)) => return Err(problem),
                (Ok(None), None) => {}
                (Err(error), None) => return Err(error),
            }
        }
        let problem = "another is said to exist, and cannot be found";
        Err(Error::io(format!("creating {path}"), problem))
    }

    /// Gives an object whose name is unique or says its content another such name, durably and without moving its
    /// bytes through this process. Finding it there is success. `None` if there is no such object.
    pub(crate) async fn copy_immutable(&self, from: &Path, to: &Path) -> Result<Option<()>> {
        let mut problem = None;
        for _ in 0..IMMUTABLE_ATTEMPTS {
            self.requests.creates.fetch_add(1, Ordering::Relaxed);
            match self.copy(from, to).await {
                Ok(()) => return Ok(Some(())),
                Err(ObjectError::NotFound { .. }) => return Ok(None),
                Err(ObjectError::AlreadyExists { .. }) => {}
                Err(error) => {
                    let durable_unknown = disk::outcome_unknown(&error);
                    let error = Error::io(format!("copying {from} to {to}"), error);
                    if durable_unknown {
                        return Err(error);
                    }
                    problem = Some(error);
                }
            }
            let Some(wanted) = self.size(from).await? else {
                return Ok(None);
            };
            match (self.size(to).await, problem.take()) {
                (Ok(Some(found)), _) if found == wanted => return Ok(Some(())),
                (Ok(Some(found)), _) => {
                    let problem = format!("it has {found} bytes, {from} has {wanted}");
                    return Err(Error::damaged(to, problem));
                }
                (_, Some(problem)) => return Err(problem),
                (Ok(None), None) => {}
                (Err(error), None) => return Err(error),
            }
        }
        let problem = "another is said to exist, and cannot be found";
        Err(Error::io(format!("copying {from} to {to}"), problem))
    }

    /// Some places can only copy over what may be there. It would be the same bytes.
    async fn copy(&self, from: &Path, to: &Path) -> Result<(), ObjectError> {
        let create = CopyOptions::new().with_mode(CopyMode::Create);
        match self.store.copy_opts(from, to, create).await {
            Err(ObjectError::NotSupported { .. } | ObjectError::NotImplemented { .. }) => {
                let overwrite = CopyOptions::new().with_mode(CopyMode::Overwrite);
                self.store.copy_opts(from, to, overwrite).await
            }
            copied => copied,
        }
    }

    /// Replaces an object that nobody trusts; it need not survive.
    pub(crate) async fn overwrite_hint(&self, path: &Path, bytes: Bytes) -> Result<()> {
        self.requests.overwrites.fetch_add(1, Ordering::Relaxed);
        self.count_written(&bytes);
        let payload = PutPayload::from_bytes(bytes);
        let written = self
            .store
            .put_opts(path, payload, PutMode::Overwrite.into())
            .await;
        written.map_err(|error| Error::io(format!("writing {path}"), error))?;
        Ok(())
    }

    /// The whole object, or `None` if there is none. One that cannot have been written by a store is damaged, and not
    /// taken into memory.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<Bytes>> {
        self.requests.reads.fetch_add(1, Ordering::Relaxed);
        let Some(opened) = found(self.store.get(path).await, "reading", path)? else {
            return Ok(None);
        };
        let size = opened.meta.size;
        if size > MOST_BYTES {
            let problem = format!(
                "it has {size} bytes, and no object of its kind has more than {MOST_BYTES}"
            );
            return Err(Error::damaged(path, problem));
        }
        found(opened.bytes().await, "reading", path)
    }

    /// The object's size, or `None` if there is none.
    pub(crate) async fn size(&self, path: &Path) -> Result<Option<u64>> {
        self.requests.reads.fetch_add(1, Ordering::Relaxed);
        let meta = found(self.store.head(path).await, "looking at", path)?;
        Ok(meta.map(|meta| meta.size))
    }

    /// The objects and folders directly below a folder; none if it does not exist.
    pub(crate) async fn list_folder(&self, folder: &Path) -> Result<ListResult> {
        self.requests.lists.fetch_add(1, Ordering::Relaxed);
        let listed = self.store.list_with_delimiter(Some(folder)).await;
        let listed = found(listed, "listing", folder)?;
        Ok(listed.unwrap_or(ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
        }))
    }

    /// Every object below a folder.
    pub(crate) async fn list_all(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        self.requests.lists.fetch_add(1, Ordering::Relaxed);
        let objects: BoxStream<'_, _> = self.store.list(Some(folder));
        let listed = found(objects.try_collect().await, "listing", folder)?;
        Ok(listed.unwrap_or_default())
    }

    /// How many objects there are below a folder, and how many bytes they have together. Those below a folder that the system
    /// does not let this program read are left out.
    pub(crate) async fn measure(&self, folder: &Path) -> Result<(u64, u64)> {
        self.requests.lists.fetch_add(1, Ordering::Relaxed);
        let objects = self.store.list(Some(folder));
        let objects = objects.filter_map(|object| {
            let object = match object {
                Err(error) if trouble::is_of_one_file(&error) => {
                    tracing::warn!(%error, "objects are left out of what is used");
                    None
                }
                object => Some(object),
            };
            std::future::ready(object)
        });
        let measured = objects.try_fold((0, 0), |(count, bytes), object| {
            std::future::ready(Ok((count + 1, bytes + object.size)))
        });
        let measured = found(measured.await, "listing", folder)?;
        Ok(measured.unwrap_or_default())
    }

    /// Removes an object; that it is gone already is success.
    pub(crate) async fn remove(&self, path: &Path) -> Result<()> {
        found(self.store.delete(path).await, "removing", path)?;
        Ok(())
    }

    fn count_written(&self, bytes: &Bytes) {
        let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.requests
            .bytes_written
            .fetch_add(written, Ordering::Relaxed);
    }
}

fn found<T>(result: Result<T, ObjectError>, doing: &str, path: &Path) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ObjectError::NotFound { .. }) => Ok(None),
        Err(error) => Err(match disk::misplaced(&error) {
            Some((place, problem)) => Error::damaged(place, problem),
            None => Error::io(format!("{doing} {path}"), error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn an_immutable_object_may_exist_but_not_with_another_size() {
        let objects = Objects::new(Arc::new(InMemory::new()));
        let path = Path::from("b/f/schemas/ab.arrow");
        let create =
            async |bytes: &'static str| objects.create_immutable(&path, bytes.into()).await;
        create("schema").await.unwrap();
        create("schema").await.unwrap();
        let other = create("something else").await.unwrap_err();
        assert_eq!(other.kind(), crate::ErrorKind::Damaged);
        assert!(
            other.to_string().contains("b/f/schemas/ab.arrow"),
            "{other}"
        );
    }

    #[tokio::test]
    async fn a_copy_may_exist_but_not_with_another_size() {
        let objects = Objects::new(Arc::new(InMemory::new()));
        let (from, to) = (Path::from("b/f/segments/ab"), Path::from("b/g/segments/ab"));
        assert_eq!(objects.copy_immutable(&from, &to).await.unwrap(), None);
        objects
            .create_immutable(&from, "rows".into())
            .await
            .unwrap();
        for _ in 0..2 {
            assert_eq!(objects.copy_immutable(&from, &to).await.unwrap(), Some(()));
        }
        assert_eq!(objects.read(&to).await.unwrap().unwrap(), "rows");
        objects.remove(&to).await.unwrap();
        objects.create_immutable(&to, "other".into()).await.unwrap();
        let other = objects.copy_immutable(&from, &to).await.unwrap_err();
        assert_eq!(other.kind(), crate::ErrorKind::Damaged);
        assert!(other.to_string().contains("b/g/segments/ab"), "{other}");
    }
}
