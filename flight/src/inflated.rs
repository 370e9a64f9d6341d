//! Compressed bodies: how much they become is known before they are.
//!
//! A buffer that is compressed begins with the length that it has when it is not. The reader of `arrow-ipc` takes that
//! much memory at once, whatever the number, and reads an LZ4 frame to its end, however long that is. So both are looked
//! at first: a few bytes could ask for more memory than there is, which ends the process.

use std::io::{self, Read};

use arrow_ipc::{CompressionType, RecordBatch};
use arrow_schema::ArrowError;
use lz4_flex::frame::FrameDecoder;

/// The length of a buffer that is not compressed although the others are.
const AS_IT_IS: i64 = -1;

/// Refuses a batch whose buffers, which lie within `body`, become more than `limit` bytes, or not what they announce.
pub(crate) fn check(batch: RecordBatch<'_>, body: &[u8], limit: u64) -> Result<(), ArrowError> {
    let Some(compression) = batch.compression() else {
        return Ok(());
    };
    let mut sum = 0_u64;
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
        sum = sum.saturating_add(announced);
        if sum > limit {
            return Err(ArrowError::ParseError(format!(
                "its body becomes more than {limit} bytes when it is decompressed: send smaller batches"
            )));
        }
        if compression.codec() == CompressionType::LZ4_FRAME && !holds(frame, announced) {
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
