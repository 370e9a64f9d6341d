//! What all frames of an open store share: the place it lives in, caches, queues, and the memory for puts.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roaring::RoaringBitmap;
use shoots_proto::action::Retention;
use shoots_proto::name::{BucketName, FrameId};

use crate::budget::Budget;
use crate::disk::Disk;
use crate::edit::delete::Conditions;
use crate::environment::Environment;
use crate::error::{Cause, Result};
use crate::log::checkpoint::{CheckpointCache, CheckpointWeight};
use crate::log::head::Head;
use crate::log::publish::Publisher;
use crate::objects::Objects;
use crate::read::Readers;
use crate::segment::{FooterCache, Limits, Packing, RowCache, footer_cache};
use crate::space::Space;
use crate::time::Timestamp;
use crate::upkeep::background::Touched;
use crate::upkeep::borders::Borders;

/// Schemas that are kept decoded.
const CACHED_SCHEMAS: usize = 1_000;
/// Buckets whose rules of retention are remembered.
const CACHED_RULES: usize = 1_000;
/// Segments, and jobs of compaction, that are remembered because nothing was gained.
const FUTILE_JOBS: usize = 100_000;
/// Memory for deletion vectors.
const VECTOR_CACHE_BYTES: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) objects: Objects,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) heads: Cache<FrameId, Head, HeadWeight>,
    pub(crate) checkpoints: CheckpointCache,
    /// Deletion vectors by id.
    pub(crate) vectors: Cache<String, Arc<RoaringBitmap>, VectorWeight>,
    pub(crate) footers: FooterCache,
    /// Rows of segments, once they were decoded.
    pub(crate) rows: Option<RowCache>,
    /// By hash.
    pub(crate) schemas: Cache<String, SchemaRef>,
    pub(crate) publisher: Publisher,
    /// Whoever removes what a put has left holds on to it.
    pub(crate) removals: Arc<()>,
    pub(crate) put_memory: Budget,
    pub(crate) limits: Limits,
    pub(crate) packing: Packing,
    /// How long ago a head may have been confirmed that a reader is given.
    pub(crate) max_staleness: Duration,
    pub(crate) retention: Retention,
    /// After so long, what was condemned is removed.
    pub(crate) sweep_grace_seconds: u64,
    /// Buckets' rules of retention, and when they were looked up.
    pub(crate) rules: Cache<Option<BucketName>, (Timestamp, Option<Retention>)>,
    /// Jobs of compaction that gained nothing, and the segments in them.
    pub(crate) futile: Cache<String, ()>,
    /// Neighbours that cannot become one segment.
    pub(crate) borders: Borders,
    /// Frames for upkeep to look at.
    pub(crate) touched: Arc<Touched>,
    /// Who reads which version of a frame.
    pub(crate) readers: Arc<Readers>,
    pub(crate) read_only: bool,
    /// Reads conditions that commits have kept.
    pub(crate) conditions: Option<Arc<dyn Conditions>>,
    /// Where the store lives, if that is a local folder.
    pub(crate) disk: Option<Arc<Disk>>,
    /// The room there, for rows.
    pub(crate) space: Option<Space>,
}

/// Bounds that a store is opened with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How long versions are kept, if neither their frame nor its bucket says so.
    pub(crate) retention: Retention,
    pub(crate) sweep_grace_seconds: u64,
    pub(crate) head_cache_bytes: u64,
    pub(crate) checkpoint_cache_bytes: u64,
    pub(crate) footer_cache_bytes: u64,
    pub(crate) row_cache_bytes: u64,
    pub(crate) put_memory_bytes: u64,
    pub(crate) low_space_bytes: u64,
    pub(crate) limits: Limits,
    /// None: as it is best where the store lives.
    pub(crate) packing: Option<Packing>,
    pub(crate) max_staleness: Duration,
}

impl Shared {
    pub(crate) fn new(
        objects: Objects,
        disk: Option<Arc<Disk>>,
        environment: Arc<dyn Environment>,
        sizes: Sizes,
        read_only: bool,
        conditions: Option<Arc<dyn Conditions>>,
    ) -> Self {
        let Sizes {
            head_cache_bytes,
            checkpoint_cache_bytes,
            footer_cache_bytes,
            row_cache_bytes,
            put_memory_bytes,
            low_space_bytes,
            limits,
            packing,
            max_staleness,
            retention,
            sweep_grace_seconds,
        } = sizes;
        let packing = packing.unwrap_or(match disk {
            Some(_) => Packing::Fast,
            None => Packing::Small,
        });
        let space = disk
            .as_ref()
            .map(|disk| Space::new(disk.root(), low_space_bytes));
        Self {
            space,
            objects,
            environment,
            heads: Cache::with_weighter(10_000, head_cache_bytes, HeadWeight),
            checkpoints: Arc::new(Cache::with_weighter(
                10_000,
                checkpoint_cache_bytes,
                CheckpointWeight,
            )),
            vectors: Cache::with_weighter(1_000, VECTOR_CACHE_BYTES, VectorWeight),
            footers: footer_cache(footer_cache_bytes),
            rows: RowCache::new(row_cache_bytes),
            schemas: Cache::new(CACHED_SCHEMAS),
            publisher: Publisher::default(),
            removals: Arc::default(),
            put_memory: Budget::new(put_memory_bytes),
            limits,
            packing,
            max_staleness,
            retention,
            sweep_grace_seconds,
            rules: Cache::new(CACHED_RULES),
            futile: Cache::new(FUTILE_JOBS),
            borders: Borders::default(),
            touched: Arc::default(),
            readers: Arc::default(),
            read_only,
            conditions,
            disk,
        }
    }

    /// How many frames are looked at, or worked on, at the same time. A bucket answers slowly and many at once.
    pub(crate) fn parallel_frames(&self) -> usize {
        match self.disk {
            Some(_) => 16,
            None => 128,
        }
    }

    /// Whether readers may be given a state that is not the newest.
    pub(crate) fn is_tolerant(&self) -> bool {
        !self.max_staleness.is_zero()
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Cause::ReadOnly.into());
        }
        Ok(())
    }

    /// An error if there is no room for rows.
    pub(crate) async fn check_space(&self) -> Result<()> {
        match &self.space {
            Some(space) => space.check().await,
            None => Ok(()),
        }
    }
}

/// Weighs entries in memory by their encoded size, which is close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadWeight;

impl Weighter<FrameId, Head> for HeadWeight {
    fn weight(&self, _: &FrameId, head: &Head) -> u64 {
        2 * head.entry.encoded_bytes as u64 + 256
    }
}

/// Weighs deletion vectors by their serialized size, which is close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VectorWeight;

impl Weighter<String, Arc<RoaringBitmap>> for VectorWeight {
    fn weight(&self, _: &String, rows: &Arc<RoaringBitmap>) -> u64 {
        rows.serialized_size() as u64 + 256
    }
}
