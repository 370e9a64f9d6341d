//! How large a batch may be that a peer sends, found out before memory is taken for it.
//!
//! A message is as large as it is, but what it holds can be larger: a compressed buffer says in its first bytes how long it
//! is going to be, and columns without values have as many rows as the message claims.

use arrow_ipc::RecordBatch;

use crate::Error;
use crate::inflated::AS_IT_IS;

/// Bounds of one batch, of rows or of a dictionary's values. By default 1 GiB of bytes, and as many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most rows.
    pub rows: u64,
    /// Most bytes in memory, once it is decompressed.
    pub bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            rows: 1 << 30,
            bytes: 1 << 30,
        }
    }
}

impl DecodeLimits {
    /// Refuses a batch that is too large, without decoding it.
    pub(crate) fn check(&self, batch: RecordBatch<'_>, body: &[u8]) -> Result<(), Error> {
        let rows = u64::try_from(batch.length()).unwrap_or(0);
        if rows > self.rows {
            let most = self.rows;
            return Err(Error::TooManyRows { rows, most });
        }
        let bytes = memory_bytes(batch, body);
        if bytes > self.bytes {
            let most = self.bytes;
            return Err(Error::TooManyBytes { bytes, most });
        }
        Ok(())
    }
}

/// What the buffers of a batch take when they are decompressed, as they say themselves.
fn memory_bytes(batch: RecordBatch<'_>, body: &[u8]) -> u64 {
    if batch.compression().is_none() {
        return body.len() as u64;
    }
    let buffers = batch.buffers().into_iter().flatten();
    buffers.fold(0, |bytes: u64, buffer| {
        bytes.saturating_add(decompressed_bytes(buffer, body).unwrap_or(0))
    })
}

/// The length of one buffer; none if it has none, or lies outside the body.
pub(crate) fn decompressed_bytes(buffer: &arrow_ipc::Buffer, body: &[u8]) -> Option<u64> {
    let start = usize::try_from(buffer.offset()).ok()?;
    let length = usize::try_from(buffer.length()).ok()?;
    let stored = body.get(start..start.checked_add(length)?)?;
    let (prefix, rest) = stored.split_first_chunk()?;
    Some(match i64::from_le_bytes(*prefix) {
        AS_IT_IS => rest.len() as u64,
        // No length at all is one that nothing has room for.
        length => u64::try_from(length).unwrap_or(u64::MAX),
    })
}
