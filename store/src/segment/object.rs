//! Reads parts of one stored object, for Parquet's reader.
//!
//! The first thing read is the end of the object, where the footer is. Most of the time that read brings all that
//! is needed before the pages (footer, page index, dictionaries), and for a small object everything, so it is kept
//! and later reads are answered from it where possible.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// Bytes read from the end of an object at first.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads an object whose size is known.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    tail: Option<Bytes>,
    fetched: Arc<AtomicU64>,
}

impl ObjectReader {
    /// A reader of the object at `path`, which has `size` bytes.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self {
            store,
            path,
            size,
            tail: None,
            fetched: Arc::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Where the object is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes were fetched so far, by this reader and its clones.
    #[cfg(test)]
    pub(crate) fn bytes_fetched(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.fetched)
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
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        self.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(parts)
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

    /// The part of the tail that is `range`, if the tail was read and has all of it.
    fn tail_part(&self, range: &Range<u64>) -> Option<Bytes> {
        let tail = self.tail.as_ref()?;
        let start = self.size - tail.len() as u64;
        if range.start < start || range.end > self.size || range.start > range.end {
            return None;
        }
        let at = |offset: u64| usize::try_from(offset - start).ok();
        Some(tail.slice(at(range.start)?..at(range.end)?))
    }

    async fn read_tail(&mut self) -> Result<(), ParquetError> {
        if self.tail.is_none() && self.size > 0 {
            let start = self.size.saturating_sub(TAIL_BYTES);
            let range = start..self.size;
            self.tail = self.fetch(std::slice::from_ref(&range)).await?.pop();
        }
        Ok(())
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            if let Some(bytes) = self.tail_part(&range) {
                return Ok(bytes);
            }
            let mut parts = self.fetch(std::slice::from_ref(&range)).await?;
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
        async move {
            let known: Option<Vec<Bytes>> =
                ranges.iter().map(|range| self.tail_part(range)).collect();
            match known {
                Some(parts) => Ok(parts),
                None => self.fetch(&ranges).await,
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            self.read_tail().await?;
            let size = self.size;
            let metadata = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
