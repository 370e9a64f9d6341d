//! Compressed bodies: whether they become what they say.
//!
//! A buffer that is compressed begins with the length that it has when it is not. The reader of `arrow-ipc` takes that
//! much memory at once, which [`DecodeLimits`](crate::DecodeLimits) bounds, and reads an LZ4 frame to its end, however
//! long that is. So frames are looked at first: a few bytes could ask for more memory than there is, which ends the process.

use std::io::{self, Read};

use arrow_ipc::{CompressionType, RecordBatch};
use arrow_schema::ArrowError;
use lz4_flex::frame::FrameDecoder;

/// The length of a buffer that is not compressed although the others are.
pub(crate) const AS_IT_IS: i64 = -1;

/// Refuses a batch with a buffer, within `body`, that does not become what it announces.
pub(crate) fn check(batch: RecordBatch<'_>, body: &[u8]) -> Result<(), ArrowError> {
    let codec = batch.compression().map(|compression| compression.codec());
    if codec != Some(CompressionType::LZ4_FRAME) {
        return Ok(());
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let place = usize::try_from(buffer.offset()).ok();
        let length = usize::try_from(buffer.length()).ok();
        let bytes = place
            .zip(length)
            .and_then(|(place, length)| body.get(place..)?.get(..length));
        let Some((announced, frame)) = bytes.and_then(<[u8]>::split_first_chunk) else {
            // Empty, or too short to be one: the reader says so.
            continue;
        };
        let announced = match i64::from_le_bytes(*announced) {
            AS_IT_IS => continue,
            announced => u64::try_from(announced).unwrap_or(u64::MAX),
        };
        if !holds(frame, announced) {
            return Err(ArrowError::ParseError(format!(
                "a compressed buffer is not the {announced} bytes that it announces"
            )));
        }
    }
    Ok(())
}

/// Whether an LZ4 frame becomes so many bytes. None of them is kept.
fn holds(frame: &[u8], announced: u64) -> bool {
    let mut bytes = FrameDecoder::new(frame).take(announced.saturating_add(1));
    announced == 0 || io::copy(&mut bytes, &mut io::sink()).is_ok_and(|found| found == announced)
}
