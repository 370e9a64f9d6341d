//! Where blocks are kept, and the one way by which a missing one comes.
//!
//! Whoever misses blocks starts **flights** for them, tasks of their own that look on disk and in the bucket;
//! whoever misses one that is under way waits for its flight. A reader that goes away leaves its flights to those
//! who wait. A block is in memory before its flight ends, and both are looked up under one lock, so no block is
//! fetched twice while it fits.
//!
//! An error is shared by all who wait, with one exception: that an object is absent may be older news than the
//! call of somebody who joined later. They look again.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use object_store::path::Path;
use object_store::{
    Error as ObjectError, GetOptions, GetRange, ObjectStore, Result as ObjectResult,
};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::block::{self, BLOCK_BYTES, Block, BlockKey, Blocks};
use super::folder::Folder;
use crate::activity::BlockUse;
use crate::layout::{self, Immutability};

/// What a block takes in memory besides its bytes, roughly.
const OVERHEAD_BYTES: u64 = 256;

/// Two levels of blocks in front of an object store.
#[derive(Debug)]
pub(super) struct Shelf {
    inner: Arc<dyn ObjectStore>,
    memory: Cache<BlockKey, Block, Weight>,
    folder: Option<Arc<Folder>>,
    flights: Mutex<HashMap<BlockKey, Flight>>,
    uses: Arc<BlockUse>,
}

/// Weighs blocks by their bytes.
#[derive(Debug, Clone, Copy)]
struct Weight;

impl Weighter<BlockKey, Block> for Weight {
    fn weight(&self, key: &BlockKey, block: &Block) -> u64 {
        OVERHEAD_BYTES + (key.path.as_ref().len() + block.bytes.len()) as u64
    }
}

/// Blocks on their way.
#[derive(Debug, Clone)]
struct Flight {
    run: Range<u64>,
    landing: Shared<BoxFuture<'static, Landed>>,
}

/// What a flight brings, for all who wait for it.
type Landed = Result<Arc<[Block]>, Arc<ObjectError>>;

/// The flights that one call waits for.
#[derive(Default)]
struct Waiting {
    own: Vec<Flight>,
    joined: HashMap<u64, Flight>,
}

impl Shelf {
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        memory_bytes: u64,
        folder: Option<Arc<Folder>>,
        uses: &Arc<BlockUse>,
    ) -> Arc<Self> {
        let items = usize::try_from(memory_bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
        let items = items.clamp(16, 1 << 16);
        Arc::new(Self {
            inner,
            memory: Cache::with_weighter(items, memory_bytes, Weight),
            folder,
            flights: Mutex::default(),
            uses: Arc::clone(uses),
        })
    }

    /// These blocks of an object. One that begins beyond the object's end is left out.
    pub(super) async fn blocks(
        self: &Arc<Self>,
        path: &Path,
        mut wanted: BTreeSet<u64>,
    ) -> ObjectResult<Blocks> {
        let mut found = Blocks::default();
        let joined_absent = self.gather(path, &wanted, &mut found).await?;
        if joined_absent {
            wanted.retain(|number| !found.has(*number));
            // A flight that is joined now began after this call did.
            if self.gather(path, &wanted, &mut found).await? {
                let source = "it was not there twice".into();
                let path = path.to_string();
                return Err(ObjectError::NotFound { path, source });
            }
        }
        Ok(found)
    }

    /// Adds what can be had to `found`. Whether a flight of somebody else found no object.
    async fn gather(
        self: &Arc<Self>,
        path: &Path,
        wanted: &BTreeSet<u64>,
        found: &mut Blocks,
    ) -> ObjectResult<bool> {
        let waiting = self.claim(path, wanted, found);
        for flight in waiting.own {
            let blocks = flight.landing.await.map_err(shared)?;
            land(&flight.run, &blocks, found);
        }
        let mut absent = false;
        for flight in waiting.joined.into_values() {
            match flight.landing.await {
                Ok(blocks) => land(&flight.run, &blocks, found),
                Err(error) if matches!(*error, ObjectError::NotFound { .. }) => absent = true,
                Err(error) => return Err(shared(error)),
            }
        }
        Ok(absent)
    }

    /// Finds each block in memory or on its way, or starts a flight for it.
    fn claim(self: &Arc<Self>, path: &Path, wanted: &BTreeSet<u64>, found: &mut Blocks) -> Waiting {
        let mut waiting = Waiting::default();
        let mut missing = Vec::new();
        let mut flights = self.flights();
        for number in wanted {
            let key = BlockKey {
                path: path.clone(),
                number: *number,
            };
            let kept = self.memory.get(&key);
            self.uses.memory.count(kept.is_some());
            if let Some(block) = kept {
                found.insert(*number, block);
            } else if let Some(flight) = flights.get(&key) {
                waiting.joined.insert(flight.run.start, flight.clone());
            } else {
                missing.push(*number);
            }
        }
        for run in block::runs(missing) {
            let flight = self.start(path, run.clone());
            for number in run {
                let path = path.clone();
                flights.insert(BlockKey { path, number }, flight.clone());
            }
            waiting.own.push(flight);
        }
        waiting
    }

    fn start(self: &Arc<Self>, path: &Path, run: Range<u64>) -> Flight {
        let registered = Registered {
            shelf: Arc::clone(self),
            path: path.clone(),
            run: run.clone(),
        };
        let task = tokio::spawn(registered.fly());
        let landing = task.map(|joined| match joined {
            Ok(outcome) => outcome,
            Err(ended) => Err(Arc::new(ended.into())),
        });
        Flight {
            run,
            landing: landing.boxed().shared(),
        }
    }

    /// A run of blocks, from disk where they are there, and else from the bucket.
    async fn load(&self, path: &Path, run: Range<u64>) -> ObjectResult<Vec<Block>> {
        let folder = self
            .folder
            .as_ref()
            .filter(|_| layout::immutability(path) == Immutability::Content);
        let Some(folder) = folder else {
            return self.fetch(path, &run).await;
        };
        let mut blocks = Blocks::default();
        for number in run.clone() {
            let path = path.clone();
            let kept = folder.read(BlockKey { path, number }).await;
            self.uses.disk.count(kept.is_some());
            if let Some(block) = kept {
                blocks.insert(number, block);
            }
        }
        let missing = run.clone().filter(|number| !blocks.has(*number));
        for part in block::runs(missing) {
            for (number, block) in part.clone().zip(self.fetch(path, &part).await?) {
                let path = path.clone();
                folder.write(BlockKey { path, number }, block.clone()).await;
                blocks.insert(number, block);
            }
        }
        Ok(blocks.into_run(run))
    }

    async fn fetch(&self, path: &Path, run: &Range<u64>) -> ObjectResult<Vec<Block>> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(block::span(run))),
            ..GetOptions::default()
        };
        let answer = self.inner.get_opts(path, options).await?;
        let size = answer.meta.size;
        Ok(block::cut(&answer.bytes().await?, size))
    }

    /// Drops an object that was deleted from memory: the name of a log entry may come back.
    pub(super) fn forget(&self, path: &Path) {
        self.memory.retain(|key, _| key.path != *path);
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.weight()
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<BlockKey, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn land(run: &Range<u64>, blocks: &[Block], found: &mut Blocks) {
    for (number, block) in run.clone().zip(blocks) {
        found.insert(number, block.clone());
    }
}

/// A flight that others can find, until it is dropped, however it ends.
struct Registered {
    shelf: Arc<Shelf>,
    path: Path,
    run: Range<u64>,
}

impl Registered {
    async fn fly(self) -> Landed {
        let blocks = self.shelf.load(&self.path, self.run.clone()).await;
        let blocks = blocks.map_err(Arc::new)?;
        for (number, block) in self.run.clone().zip(&blocks) {
            let path = self.path.clone();
            self.shelf
                .memory
                .insert(BlockKey { path, number }, block.clone());
        }
        Ok(blocks.into())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut flights = self.shelf.flights();
        for number in self.run.clone() {
            let path = self.path.clone();
            flights.remove(&BlockKey { path, number });
        }
    }
}

/// One error for all who waited, of the same kind.
fn shared(error: Arc<ObjectError>) -> ObjectError {
    let path = String::new();
    let source = Box::new(SharedError(Arc::clone(&error)));
    match &*error {
        ObjectError::NotFound { path, .. } => ObjectError::NotFound {
            path: path.clone(),
            source,
        },
        ObjectError::PermissionDenied { .. } => ObjectError::PermissionDenied { path, source },
        ObjectError::Unauthenticated { .. } => ObjectError::Unauthenticated { path, source },
        _ => ObjectError::Generic {
            store: "cache",
            source,
        },
    }
}

#[derive(Debug)]
struct SharedError(Arc<ObjectError>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for SharedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}
