//! Checksums over everything in a segment that lies before its footer, so that rot is never taken for rows.
//!
//! A reader fetches some pages of a file, never all of it, so one hash of the whole file tells it nothing. The bytes
//! before the footer (pages and recorded dictionaries) are divided into blocks of [`BLOCK_BYTES`], and the CRC-32C of
//! each block is written behind them. What follows, from the first of these sums to the end of the file, is the
//! segment's **end**: the sums, Parquet's page index and its footer. The log records the end's length and BLAKE3
//! hash ([`FooterRecord`]), so a reader trusts the end because of the log, and every block because of the end.
//!
//! One entry of the footer says how large the blocks are and how many bytes they cover. To other readers of Parquet
//! the sums are bytes that no page lies in.

use std::ops::Range;

use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::writer::SerializedFileWriter;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::log::commit::FooterRecord;

/// What is checked, and fetched, at once: small beside a page, so that a page costs little more than itself, and
/// large beside a sum.
pub(crate) const BLOCK_BYTES: usize = 16 << 10;

/// Bytes of one sum.
const SUM_BYTES: usize = size_of::<u32>();

/// The footer's entry: how the blocks lie.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlocksRecord {
    /// Bytes of a block; the last one may have fewer.
    block: u64,
    /// Bytes of all blocks: the end begins there, with the sums.
    covered: u64,
}

impl BlocksRecord {
    /// The footer entry's name.
    pub(crate) const KEY: &str = "shoots.blocks";
}

/// Writes the sums of all that is in the file so far, and says how much that is.
pub(crate) fn write(file: &mut SerializedFileWriter<Vec<u8>>) -> Result<usize> {
    let failed = |problem| Error::io("encoding a segment", problem);
    file.flush().map_err(failed)?;
    let covered = file.inner().len();
    let sums: Vec<u8> = file
        .inner()
        .chunks(BLOCK_BYTES)
        .flat_map(|block| crc32c::crc32c(block).to_le_bytes())
        .collect();
    file.write_all(&sums).map_err(failed)?;
    let record = BlocksRecord {
        block: BLOCK_BYTES as u64,
        covered: covered as u64,
    };
    let json = serde_json::to_string(&record)
        .map_err(|problem| Error::io("encoding a segment", problem))?;
    file.append_key_value_metadata(KeyValue::new(BlocksRecord::KEY.to_owned(), json));
    Ok(covered)
}

/// What the log says about the end of a file that begins after `covered` bytes.
pub(crate) fn end_of(file: &[u8], covered: usize) -> FooterRecord {
    let end = &file[covered..];
    FooterRecord {
        bytes: end.len() as u64,
        hash: blake3::hash(end).to_hex().to_string(),
    }
}

/// The sums of a file's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    block: u64,
    covered: u64,
    sums: Box<[u32]>,
}

impl Blocks {
    /// The sums that stand in the end of a file; an error says what is wrong with it.
    pub(crate) fn of(metadata: &ParquetMetaData, covered: u64, end: &[u8]) -> Result<Self, String> {
        let entry = metadata
            .file_metadata()
            .key_value_metadata()
            .and_then(|entries| entries.iter().find(|entry| entry.key == BlocksRecord::KEY))
            .and_then(|entry| entry.value.as_deref())
            .ok_or("its footer does not say how its blocks lie")?;
        let record: BlocksRecord =
            serde_json::from_str(entry).map_err(|problem| problem.to_string())?;
        if record.covered != covered || record.block == 0 {
            return Err("its footer is that of another file".to_owned());
        }
        let sums = usize::try_from(covered.div_ceil(record.block))
            .ok()
            .and_then(|count| end.get(..count.checked_mul(SUM_BYTES)?))
            .ok_or("its checksums are not complete")?;
        let (sums, _) = sums.as_chunks::<SUM_BYTES>();
        Ok(Self {
            block: record.block,
            covered,
            sums: sums.iter().map(|sum| u32::from_le_bytes(*sum)).collect(),
        })
    }

    /// How many bytes are in blocks: everything before the end.
    pub(crate) fn covered(&self) -> u64 {
        self.covered
    }

    /// The whole blocks that a range of covered bytes lies in.
    pub(crate) fn around(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start - range.start % self.block;
        let end = range
            .end
            .div_ceil(self.block)
            .saturating_mul(self.block)
            .min(self.covered);
        start..end
    }

    /// Checks whole blocks, of which the first begins at `start`; an error says which one has rotted.
    pub(crate) fn check(&self, start: u64, bytes: &[u8]) -> Result<(), String> {
        let size = usize::try_from(self.block).unwrap_or(usize::MAX);
        let sums = usize::try_from(start / self.block)
            .ok()
            .and_then(|first| self.sums.get(first..))
            .unwrap_or_default();
        let mut known = sums.iter();
        for (number, block) in bytes.chunks(size).enumerate() {
            if known.next() != Some(&crc32c::crc32c(block)) {
                let at = start + number as u64 * self.block;
                let last = at + block.len() as u64 - 1;
                return Err(format!("bytes {at} to {last} are not what was written"));
            }
        }
        Ok(())
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(bytes: &[u8]) -> Blocks {
        Blocks {
            block: 10,
            covered: bytes.len() as u64,
            sums: bytes.chunks(10).map(crc32c::crc32c).collect(),
        }
    }

    #[test]
    fn ranges_are_widened_to_whole_blocks() {
        let blocks = blocks(&[7; 35]);
        assert_eq!(blocks.around(&(0..1)), 0..10);
        assert_eq!(blocks.around(&(9..11)), 0..20);
        assert_eq!(blocks.around(&(10..20)), 10..20);
        assert_eq!(blocks.around(&(31..35)), 30..35);
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_placed() {
        let bytes: Vec<u8> = (0..35).collect();
        let blocks = blocks(&bytes);
        assert_eq!(blocks.check(0, &bytes), Ok(()));
        assert_eq!(blocks.check(20, &bytes[20..]), Ok(()));
        for at in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[at] ^= 1 << (at % 8);
            let told = blocks.check(0, &rotten).unwrap_err();
            let start = at - at % 10;
            assert!(told.starts_with(&format!("bytes {start} to ")), "{told}");
        }
        assert!(blocks.check(10, &bytes[..10]).is_err());
        assert!(blocks.check(40, &bytes[..1]).is_err());
    }
}
