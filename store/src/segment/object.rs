//! Reads parts of one stored object, for Parquet's reader, and checks every byte of a segment that it hands out.
//!
//! The first thing read is the end of the object, where the footer is. For a segment the log says how long that end
//! is and what its hash is, and the end says what the blocks before it must be ([`super::blocks`]): it is fetched
//! exactly and checked, and later ranges are widened to whole blocks, joined where they meet, and checked too. Whatever
//! does not fit is an error, so no rotten byte reaches a decoder.
//!
//! A segment that was recorded without that, and a file that others wrote, are read as they are: a guess at how long
//! the footer is, then what is asked for. An object that is not longer than the guess is read as a whole at once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::blocks::Blocks;
use super::footer::{Footer, FooterCache};
use super::kept::RowCache;
use crate::log::commit::FooterRecord;
use crate::objects::SegmentTraffic;
use crate::read::ReadWatch;

/// Bytes read from the end of an object at first, if nothing says how many to read.
const TAIL_BYTES: u64 = 64 << 10;

/// Neighbouring ranges become one fetch up to this size. Beyond it their buffers stay apart, so that each can be
/// freed on its own, and a block that two of them share is fetched with both.
const JOINED_BYTES: u64 = 8 << 20;

/// Reads an object whose size is known. Clones are cheap, and count as one reader.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// Whether a read costs little more than its bytes.
    near: bool,
    /// How the end is checked; `None`: nothing is.
    record: Option<Arc<FooterRecord>>,
    footers: Option<FooterCache>,
    rows: Option<RowCache>,
    traffic: Arc<SegmentTraffic>,
    watch: Option<Arc<dyn ReadWatch>>,
    counted: Arc<AtomicBool>,
    /// The last bytes of the object, once they were read.
    tail: Option<Bytes>,
    /// Known once the end was checked.
    footer: Option<Footer>,
}

impl ObjectReader {
    /// A reader of the object at `path`, which has `size` bytes.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self {
            store,
            path,
            size,
            near: false,
            record: None,
            footers: None,
            rows: None,
            traffic: Arc::default(),
            watch: None,
            counted: Arc::default(),
            tail: None,
            footer: None,
        }
    }

    /// Says whether the object lies on a local disk, where a read costs little more than its bytes.
    #[must_use]
    pub(crate) fn near(mut self, near: bool) -> Self {
        self.near = near;
        self
    }

    pub(crate) fn is_near(&self) -> bool {
        self.near
    }

    /// Checks all that is read, if the log knows how.
    #[must_use]
    pub(crate) fn checked(mut self, record: Option<&FooterRecord>) -> Self {
        self.record = record.map(|record| Arc::new(record.clone()));
        self
    }

    /// Looks for the footer there first, and leaves it there; only footers that are checked.
    #[must_use]
    pub(crate) fn remembering(mut self, footers: &FooterCache) -> Self {
        self.footers = Some(Arc::clone(footers));
        self
    }

    /// Looks for decoded rows there first, and leaves them there; only those of objects that are checked.
    #[must_use]
    pub(crate) fn keeping(mut self, rows: Option<&RowCache>) -> Self {
        self.rows = rows.cloned();
        self
    }

    /// Where decoded rows of the object are kept, and the hash that they are kept by.
    pub(crate) fn kept(&self) -> Option<(RowCache, [u8; 32])> {
        let end = blake3::Hash::from_hex(&self.record.as_ref()?.hash).ok()?;
        Some((self.rows.clone()?, *end.as_bytes()))
    }

    /// Notes whether rows were found where they are kept.
    pub(crate) fn count_kept(&self, hit: bool) {
        self.traffic.rows.count(hit);
    }

    /// Counts what is fetched there.
    #[must_use]
    pub(crate) fn counting(mut self, traffic: &Arc<SegmentTraffic>) -> Self {
        self.traffic = Arc::clone(traffic);
        self
    }

    /// Tells what reading it costs.
    #[must_use]
    pub(crate) fn watched(mut self, watch: Option<Arc<dyn ReadWatch>>) -> Self {
        self.watch = watch;
        self
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where the object is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that bytes have come from the object.
    pub(crate) fn count(&self, bytes: usize) {
        let first = bytes > 0 && !self.counted.swap(true, Ordering::Relaxed);
        self.traffic.count(first, bytes as u64);
        if let Some(watch) = &self.watch {
            watch.fetched(bytes as u64);
        }
    }

    /// Notes that pages of the object are decoded, if anybody wants to know how many.
    pub(crate) fn count_pages(&self, pages: impl FnOnce() -> u64) {
        if let Some(watch) = &self.watch {
            watch.decoding(pages());
        }
    }

    async fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        if let Some(bad) = ranges
            .iter()
            .find(|range| range.start > range.end || range.end > self.size)
        {
            return Err(ParquetError::EOF(format!(
                "bytes {} to {} are wanted of {}",
                bad.start, bad.end, self.size
            )));
        }
        let parts = match self.store.get_ranges(&self.path, ranges).await {
            Ok(parts) => parts,
            Err(problem) => return Err(self.explain(problem).await),
        };
        let whole =
            |(range, part): (&Range<u64>, &Bytes)| range.end - range.start == part.len() as u64;
        if parts.len() != ranges.len() || !ranges.iter().zip(&parts).all(whole) {
            return Err(ParquetError::EOF(format!(
                "it ends before its {} bytes",
                self.size
            )));
        }
        self.count(parts.iter().map(Bytes::len).sum());
        Ok(parts)
    }

    async fn fetch_one(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let mut parts = self.fetch(std::slice::from_ref(&range)).await?;
        parts
            .pop()
            .ok_or_else(|| ParquetError::EOF("nothing was read".to_owned()))
    }

    /// Why a read failed: an object that is not as long as it was written is damaged, and the storage is fine.
    async fn explain(&self, problem: object_store::Error) -> ParquetError {
        match self.store.head(&self.path).await {
            Ok(found) if found.size != self.size => ParquetError::EOF(format!(
                "it has {} bytes, {} were written",
                found.size, self.size
            )),
            _ => ParquetError::External(Box::new(problem)),
        }
    }

    /// Ranges before the end, checked. Those that share a block share a fetch, unless they are large.
    async fn fetch_blocks(
        &self,
        blocks: &Blocks,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, ParquetError> {
        let bad = |range: &&Range<u64>| range.start > range.end || range.end > blocks.covered();
        if let Some(bad) = ranges.iter().find(bad) {
            return Err(ParquetError::EOF(format!(
                "bytes {} to {} are wanted of {}",
                bad.start,
                bad.end,
                blocks.covered()
            )));
        }
        let wanted = ranges.iter().filter(|range| !range.is_empty());
        let spans = joined(wanted.map(|range| blocks.around(range)).collect());
        let parts = self.fetch(&spans).await?;
        for (span, part) in spans.iter().zip(&parts) {
            blocks
                .check(span.start, part)
                .map_err(ParquetError::General)?;
        }
        let slice = |range: &Range<u64>| {
            if range.is_empty() {
                return Some(Bytes::new());
            }
            let after = spans.partition_point(|span| span.start <= range.start);
            let number = after.checked_sub(1)?;
            part_of(spans.get(number)?.start, parts.get(number)?, range)
        };
        ranges
            .iter()
            .map(|range| slice(range).ok_or_else(|| ParquetError::EOF("too little".to_owned())))
            .collect()
    }

    async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let known: Option<Vec<Bytes>> = ranges.iter().map(|range| self.tail_part(range)).collect();
        match (known, &self.footer, &self.record) {
            (Some(parts), _, _) => Ok(parts),
            (None, Some(footer), _) => self.fetch_blocks(&footer.blocks, ranges).await,
            (None, None, None) => self.fetch(ranges).await,
            (None, None, Some(_)) => Err(ParquetError::General(
                "its footer says that it begins before its end".to_owned(),
            )),
        }
    }

    /// The part of the tail that is `range`, if the tail was read and has all of it.
    fn tail_part(&self, range: &Range<u64>) -> Option<Bytes> {
        let tail = self.tail.as_ref()?;
        part_of(self.size - tail.len() as u64, tail, range)
    }

    async fn read_tail(&mut self, bytes: u64) -> Result<(), ParquetError> {
        if self.tail.is_none() && self.size > 0 {
            let range = self.size.saturating_sub(bytes)..self.size;
            self.tail = Some(self.fetch_one(range).await?);
        }
        Ok(())
    }

    async fn unchecked_metadata(
        &mut self,
        options: Option<&ArrowReaderOptions>,
    ) -> Result<Arc<ParquetMetaData>, ParquetError> {
        self.read_tail(TAIL_BYTES).await?;
        self.parse_metadata(options).await
    }

    async fn checked_footer(
        &mut self,
        record: &FooterRecord,
        options: Option<&ArrowReaderOptions>,
    ) -> Result<Footer, ParquetError> {
        if let Some(footers) = &self.footers {
            let remembered = footers.get(&record.hash);
            self.traffic.footers.count(remembered.is_some());
            if let Some(footer) = remembered {
                return Ok(footer);
            }
        }
        let Some(covered) = self.size.checked_sub(record.bytes) else {
            let problem = "its footer is recorded as longer than the whole";
            return Err(ParquetError::General(problem.to_owned()));
        };
        let whole = self.size <= TAIL_BYTES;
        self.read_tail(if whole { self.size } else { record.bytes })
            .await?;
        let end = self.tail_part(&(covered..self.size)).unwrap_or_default();
        if blake3::hash(&end).to_hex().as_str() != record.hash {
            let problem = "its footer is not what was written";
            return Err(ParquetError::General(problem.to_owned()));
        }
        let metadata = self.parse_metadata(options).await?;
        let blocks = Blocks::of(&metadata, covered, &end).map_err(ParquetError::General)?;
        if let Some(before) = self.tail_part(&(0..covered)) {
            blocks.check(0, &before).map_err(ParquetError::General)?;
        }
        let footer = Footer {
            metadata,
            blocks: Arc::new(blocks),
        };
        if let Some(footers) = &self.footers {
            footers.insert(record.hash.clone(), footer.clone());
        }
        Ok(footer)
    }

    async fn parse_metadata(
        &mut self,
        options: Option<&ArrowReaderOptions>,
    ) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let size = self.size;
        let metadata = ParquetMetaDataReader::new()
            .with_arrow_reader_options(options)
            .load_and_finish(self, size)
            .await?;
        Ok(Arc::new(metadata))
    }
}

/// `range` of an object, from `bytes` of it that begin at `start`; `None` if they do not have all of it.
fn part_of(start: u64, bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

/// Ascending ranges of which each of `ranges`, which are whole blocks, lies in one; those that overlap or touch are
/// joined, up to [`JOINED_BYTES`].
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.end <= last.end => {}
            Some(last) if range.start <= last.end && range.end - last.start <= JOINED_BYTES => {
                last.end = range.end;
            }
            _ => joined.push(range),
        }
    }
    joined
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let mut parts = self.ranges(std::slice::from_ref(&range)).await?;
            parts
                .pop()
                .ok_or_else(|| ParquetError::EOF("nothing was read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.ranges(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let Some(record) = self.record.clone() else {
                return self.unchecked_metadata(options).await;
            };
            let footer = match self.footer.take() {
                Some(footer) => footer,
                None => self.checked_footer(&record, options).await?,
            };
            let metadata = Arc::clone(&footer.metadata);
            self.footer = Some(footer);
            Ok(metadata)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_are_joined_until_they_are_large() {
        let joined = |list: &[(u64, u64)]| -> Vec<(u64, u64)> {
            let ranges = list.iter().map(|(start, end)| *start..*end).collect();
            let joined = joined(ranges).into_iter();
            joined.map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(joined(&[(50, 70), (0, 10), (10, 30)]), [(0, 30), (50, 70)]);
        assert_eq!(joined(&[(0, 100), (20, 30), (90, 120)]), [(0, 120)]);
        let large = JOINED_BYTES;
        assert_eq!(joined(&[(0, large), (large - 9, large + 1)]).len(), 2);
        assert_eq!(joined(&[(0, 2 * large), (9, 18)]), [(0, 2 * large)]);
    }

    #[tokio::test]
    async fn large_ranges_that_share_a_block_are_each_whole() {
        let (rows, columns) = (1_100_000_u64, 3);
        let batch = |column: u64| {
            let values = (0..rows)
                .map(|row| f64::from_bits(row.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ column));
            Arc::new(arrow_array::Float64Array::from_iter_values(values)) as _
        };
        let columns = (0..columns).map(|column| (format!("c{column}"), batch(column)));
        let batch = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
        let limits = super::super::Limits {
            max_rows: usize::MAX,
            ..super::super::Limits::default()
        };
        let segment =
            super::super::samples::encode(&batch.schema(), std::slice::from_ref(&batch), limits)
                .remove(0);
        let mut file = super::super::samples::open_segment(&segment);
        file.get_metadata(None).await.unwrap();
        let third = segment.bytes.len() as u64 / 3;
        assert!(third > JOINED_BYTES);
        let wanted = [
            5..third,
            third..2 * third,
            third + 7..third + 99,
            2 * third..3 * third - 90_000,
        ];
        let parts = file.get_byte_ranges(wanted.to_vec()).await.unwrap();
        for (range, part) in wanted.into_iter().zip(parts) {
            let expected = range.start as usize..range.end as usize;
            assert!(part == segment.bytes[expected], "{range:?}");
        }
    }
}
