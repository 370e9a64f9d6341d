//! Decoded rows of segments, kept in a bounded memory: whoever reads them again pays neither for fetching nor for
//! decoding.
//!
//! Rows are kept column by column, in **units** of so many rows of a file, so that a read of some columns finds what a read
//! of others left. A segment never changes, so a unit is known by the hash that the log records for the segment's end
//! (which covers the checksums of everything before it), and nothing that is kept ever gets old. What is read once and
//! never again does not push out what is read often: the cache sees to that.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::activity::RowMemory;

/// What a unit takes in a cache that is laid out for its size; it takes more when they are small.
const EXPECTED_BYTES: u64 = 64 << 10;
/// What a unit takes besides its values: the entry of the cache, and an array's own parts.
const ENTRY_BYTES: u64 = 256;

/// Decoded rows of segments, by the hash of the segment's end.
#[derive(Debug, Clone)]
pub(crate) struct RowCache(Arc<Cache<UnitKey, ArrayRef, UnitWeight>>);

/// The rows of one column in one unit of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UnitKey {
    /// The BLAKE3 hash of the file's end.
    pub(crate) end: [u8; 32],
    /// The column, by its place in the file.
    pub(crate) root: u32,
    /// How many rows a unit of this file has.
    pub(crate) rows: u32,
    /// Which unit, from the start of the file.
    pub(crate) number: u32,
}

/// Weighs arrays by the memory that they take.
#[derive(Debug, Clone, Copy)]
struct UnitWeight;

impl Weighter<UnitKey, ArrayRef> for UnitWeight {
    fn weight(&self, _: &UnitKey, array: &ArrayRef) -> u64 {
        let array: &dyn Array = match array.data_type() {
            // The units of a column share one dictionary.
            DataType::Dictionary(..) => array.as_any_dictionary().keys(),
            _ => array,
        };
        ENTRY_BYTES + u64::try_from(array.get_array_memory_size()).unwrap_or(u64::MAX)
    }
}

impl RowCache {
    /// A cache that takes so much memory at most; none for 0.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let expected = usize::try_from(bytes / EXPECTED_BYTES).unwrap_or(usize::MAX);
        (bytes > 0).then(|| Self(Arc::new(Cache::with_weighter(expected, bytes, UnitWeight))))
    }

    pub(crate) fn get(&self, key: &UnitKey) -> Option<ArrayRef> {
        self.0.get(key)
    }

    pub(crate) fn keep(&self, key: UnitKey, array: ArrayRef) {
        self.0.insert(key, array);
    }

    /// The memory that it takes.
    pub(crate) fn memory(&self) -> RowMemory {
        RowMemory {
            bytes: self.0.capacity(),
            used_bytes: self.0.weight(),
        }
    }
}
