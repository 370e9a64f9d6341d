//! Blocks: the pieces in which objects are fetched and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{Error as ObjectError, Result as ObjectResult};

/// Bytes of every block but the last of an object. Large enough that a request pays, small enough that a page of
/// one column does not bring all others with it.
pub(super) const BLOCK_BYTES: u64 = 1 << 20;
/// Blocks that one request fetches at most.
const RUN_BLOCKS: u64 = 8;

/// Which block of which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockKey {
    pub(super) path: Path,
    pub(super) number: u64,
}

/// A piece of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) bytes: Bytes,
    /// Size of the whole object.
    pub(super) object_bytes: u64,
}

/// The numbers of the blocks that hold these ranges.
pub(super) fn covering(ranges: &[Range<u64>]) -> BTreeSet<u64> {
    let held = ranges.iter().filter(|range| !range.is_empty());
    held.flat_map(|range| range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES))
        .collect()
}

/// Puts numbers that follow each other together, as far as one request goes.
pub(super) fn runs(numbers: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == number && run.end - run.start < RUN_BLOCKS => run.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}

/// The bytes that a run of blocks spans; the object may end before.
pub(super) fn span(run: &Range<u64>) -> Range<u64> {
    run.start * BLOCK_BYTES..run.end * BLOCK_BYTES
}

/// Cuts the bytes of a run into blocks that each own their memory, so that one can outlive the others.
pub(super) fn cut(bytes: &Bytes, object_bytes: u64) -> Vec<Block> {
    let length = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
    let pieces = bytes.chunks(length);
    pieces
        .map(|piece| Block {
            bytes: Bytes::copy_from_slice(piece),
            object_bytes,
        })
        .collect()
}

/// Some blocks of one object.
#[derive(Debug, Default)]
pub(super) struct Blocks(BTreeMap<u64, Block>);

impl Blocks {
    pub(super) fn insert(&mut self, number: u64, block: Block) {
        self.0.insert(number, block);
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The blocks of a run, up to the first that is not there.
    pub(super) fn into_run(mut self, run: Range<u64>) -> Vec<Block> {
        run.map_while(|number| self.0.remove(&number)).collect()
    }

    /// Size of the whole object, which every block knows; 0 if there is none.
    pub(super) fn object_bytes(&self) -> u64 {
        self.0.values().next().map_or(0, |block| block.object_bytes)
    }

    /// These bytes of the object.
    pub(super) fn slice(&self, path: &Path, range: &Range<u64>) -> ObjectResult<Bytes> {
        let mut parts = Vec::new();
        for number in covering(std::slice::from_ref(range)) {
            let start = number * BLOCK_BYTES;
            let from = range.start.max(start) - start;
            let to = range.end.min(start + BLOCK_BYTES) - start;
            let part = self
                .0
                .get(&number)
                .and_then(|block| cut_out(block, from..to));
            parts.push(part.ok_or_else(|| self.beyond(path, range))?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        for part in parts {
            joined.extend_from_slice(&part);
        }
        Ok(joined.freeze())
    }

    fn beyond(&self, path: &Path, range: &Range<u64>) -> ObjectError {
        let (start, end, size) = (range.start, range.end, self.object_bytes());
        ObjectError::Generic {
            store: "cache",
            source: format!("bytes {start} to {end} of {path} are wanted, it has {size}").into(),
        }
    }
}

fn cut_out(block: &Block, range: Range<u64>) -> Option<Bytes> {
    let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
    let within = range.start <= range.end && range.end <= block.bytes.len();
    within.then(|| block.bytes.slice(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_held_by_the_blocks_that_they_touch() {
        let b = BLOCK_BYTES;
        let numbers = |ranges: &[Range<u64>]| covering(ranges).into_iter().collect::<Vec<_>>();
        assert_eq!(numbers(&[0..1, 0..b]), [0]);
        assert_eq!(numbers(&[b - 1..b + 1, 5 * b..5 * b + 1]), [0, 1, 5]);
        assert!(numbers(&[7..7, 0..0]).is_empty());
    }

    #[test]
    fn neighbours_are_fetched_together_within_bounds() {
        assert_eq!(runs([0, 1, 2, 5, 7, 8]), [0..3, 5..6, 7..9]);
        assert_eq!(runs(0..2 * RUN_BLOCKS + 1).len(), 3);
        assert!(runs([]).is_empty());
    }

    #[test]
    fn slices_cross_blocks_and_stop_at_the_end_of_the_object() {
        let size = BLOCK_BYTES + 10;
        let bytes: Bytes = (0..size)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>()
            .into();
        let mut blocks = Blocks::default();
        for (number, block) in (0..).zip(cut(&bytes, size)) {
            blocks.insert(number, block);
        }
        let path = Path::from("p");
        for range in [0..5, BLOCK_BYTES - 3..BLOCK_BYTES + 3, 0..size, 4..4] {
            let (start, end) = (range.start as usize, range.end as usize);
            assert_eq!(
                blocks.slice(&path, &range).unwrap(),
                bytes.slice(start..end)
            );
        }
        assert!(blocks.slice(&path, &(size - 1..size + 1)).is_err());
        assert!(
            blocks
                .slice(&path, &(2 * BLOCK_BYTES..2 * BLOCK_BYTES + 1))
                .is_err()
        );
    }
}
