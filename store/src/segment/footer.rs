//! What a reader must know of a file before it reads pages, and a bounded memory for it.
//!
//! A footer is found by the BLAKE3 hash that the log records for a segment's end: whoever has the hash has the right
//! footer, whatever the segment is called, and a copied frame shares it.

use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::blocks::Blocks;

/// Footers that a cache is laid out for; it takes more when they are small.
const EXPECTED_FOOTERS: usize = 10_000;

/// A footer that was checked against the log.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(crate) blocks: Arc<Blocks>,
}

/// Footers by the hash that the log records for them.
pub(crate) type FooterCache = Arc<Cache<String, Footer, FooterWeight>>;

/// A cache of footers that takes so much memory at most.
pub(crate) fn footer_cache(bytes: u64) -> FooterCache {
    Arc::new(Cache::with_weighter(EXPECTED_FOOTERS, bytes, FooterWeight))
}

/// Weighs footers by the memory that they take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FooterWeight;

impl Weighter<String, Footer> for FooterWeight {
    fn weight(&self, hash: &String, footer: &Footer) -> u64 {
        let bytes = hash.len() + footer.metadata.memory_size() + footer.blocks.memory();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
