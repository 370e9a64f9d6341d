//! A cache in front of a bucket that is far away: what was read once is not fetched again.
//!
//! Only what can never change is kept: ranges of segments, schemas, checkpoints and log entries
//! ([`layout::immutability`]). Listings, hints, markers, plain files and the *absence* of an object always come from
//! the bucket, so a cache never makes a reader see an older state; it only makes seeing it cheaper.
//!
//! Objects are kept in aligned blocks of [`block::BLOCK_BYTES`]. A block is looked for in memory, then in a folder
//! on disk if there is one ([`folder`]), then in the bucket; blocks that are missing next to each other are fetched
//! in one request, and everybody who wants a block that is on its way waits for it ([`shelf`]). Each level has a
//! bound in bytes.

mod block;
mod folder;
mod shelf;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as ObjectError, GetOptions, GetRange, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result as ObjectResult,
};

use crate::activity::BlockUse;
use crate::environment::Environment;
use crate::error::Result;
use crate::layout::{self, Immutability};
use crate::remote::trouble::{self, Trouble};
use block::Blocks;
use folder::Folder;
use shelf::Shelf;

const DEFAULT_MEMORY_BYTES: u64 = 256 << 20;
const DEFAULT_DISK_BYTES: u64 = 10 << 30;

/// How much is kept, and where.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// None: the default for a bucket, and no cache for anything else.
    pub(crate) memory_bytes: Option<u64>,
    /// None: nothing is kept on disk.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) disk_bytes: u64,
    /// Where it is counted of what use it is.
    pub(crate) uses: Arc<BlockUse>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_bytes: None,
            folder: None,
            disk_bytes: DEFAULT_DISK_BYTES,
            uses: Arc::default(),
        }
    }
}

impl Settings {
    /// Whether somebody asked for a cache, or only for its defaults.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.memory_bytes.is_some() || self.folder.is_some()
    }

    /// Puts a cache in front of a store that `identity` tells from all others.
    pub(crate) async fn wrap(
        &self,
        inner: Arc<dyn ObjectStore>,
        identity: &str,
        environment: &Arc<dyn Environment>,
    ) -> Result<Arc<dyn ObjectStore>> {
        let memory_bytes = self.memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES);
        let folder = match &self.folder {
            Some(root) => {
                let opened = Folder::open(root, self.disk_bytes, identity, environment);
                Some(opened.await?)
            }
            None if memory_bytes == 0 => return Ok(inner),
            None => None,
        };
        let shelf = Shelf::new(Arc::clone(&inner), memory_bytes, folder, &self.uses);
        Ok(Arc::new(CachedStore { inner, shelf }))
    }
}

/// An object store whose immutable objects are fetched once.
#[derive(Debug)]
struct CachedStore {
    inner: Arc<dyn ObjectStore>,
    shelf: Arc<Shelf>,
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cached {}", self.inner)
    }
}

/// Which bytes a call asks for, if blocks can answer it.
fn answerable(options: &GetOptions) -> Option<Option<Range<u64>>> {
    let GetOptions {
        if_match: None,
        if_none_match: None,
        if_modified_since: None,
        if_unmodified_since: None,
        range,
        version: None,
        head: false,
        ..
    } = options
    else {
        return None;
    };
    match range {
        None => Some(None),
        Some(GetRange::Bounded(range)) => Some(Some(range.clone())),
        Some(GetRange::Offset(_) | GetRange::Suffix(_)) => None,
    }
}

impl CachedStore {
    async fn part(&self, location: &Path, range: Range<u64>) -> ObjectResult<GetResult> {
        let wanted = block::covering(std::slice::from_ref(&range));
        let blocks = self.shelf.blocks(location, wanted).await?;
        answer(location, &blocks, range)
    }

    async fn whole(&self, location: &Path) -> ObjectResult<GetResult> {
        let mut blocks = match self.shelf.blocks(location, [0].into()).await {
            Ok(blocks) => blocks,
            // An empty object has no first byte to ask for.
            Err(error) if is_answer(&error) => {
                return self.inner.get_opts(location, GetOptions::default()).await;
            }
            Err(error) => return Err(error),
        };
        let object = 0..blocks.object_bytes();
        let mut rest = block::covering(std::slice::from_ref(&object));
        if rest.remove(&0) && !rest.is_empty() {
            blocks.extend(self.shelf.blocks(location, rest).await?);
        }
        answer(location, &blocks, object)
    }
}

/// Whether the storage answered, and neither "there is no such object" nor "you may not".
fn is_answer(error: &ObjectError) -> bool {
    !matches!(error, ObjectError::NotFound { .. }) && trouble::of(error) == Trouble::Other
}

fn answer(location: &Path, blocks: &Blocks, range: Range<u64>) -> ObjectResult<GetResult> {
    let size = blocks.object_bytes();
    let range = range.start..range.end.min(size);
    let bytes = blocks.slice(location, &range)?;
    Ok(GetResult {
        payload: GetResultPayload::Stream(stream::once(std::future::ready(Ok(bytes))).boxed()),
        meta: ObjectMeta {
            location: location.clone(),
            // Not kept: an object that never changes is as old as its name says.
            last_modified: DateTime::UNIX_EPOCH,
            size,
            e_tag: None,
            version: None,
        },
        range,
        attributes: object_store::Attributes::default(),
    })
}

#[async_trait]
impl ObjectStore for CachedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> ObjectResult<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> ObjectResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> ObjectResult<GetResult> {
        match answerable(&options) {
            Some(range) if layout::immutability(location) != Immutability::Changes => match range {
                Some(range) => self.part(location, range).await,
                None => self.whole(location).await,
            },
            _ => self.inner.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> ObjectResult<Vec<Bytes>> {
        if layout::immutability(location) == Immutability::Changes {
            return self.inner.get_ranges(location, ranges).await;
        }
        let blocks = self.shelf.blocks(location, block::covering(ranges)).await?;
        let parts = ranges.iter().map(|range| blocks.slice(location, range));
        parts.collect()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, ObjectResult<Path>>,
    ) -> BoxStream<'static, ObjectResult<Path>> {
        let shelf = Arc::clone(&self.shelf);
        let deleted = self.inner.delete_stream(locations);
        let forgotten = deleted.inspect(move |deleted| {
            if let Ok(location) = deleted {
                shelf.forget(location);
            }
        });
        forgotten.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> ObjectResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> ObjectResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(
        &self,
        from: &Path,
        to: &Path,
        options: RenameOptions,
    ) -> ObjectResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
