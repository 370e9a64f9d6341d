//! Cutting a batch into parts that fit a message.

use arrow_array::RecordBatch;

use crate::encoded_size;

/// Cuts `batch` into consecutive parts of at most `max_bytes` encoded bytes each.
///
/// The parts share the batch's buffers, hold all of its rows in order, and are never empty
/// unless the batch is: a batch without rows comes back as it is. A single row larger than
/// `max_bytes` is a part of its own. Sizes are those of [`encoded_size`], so rows of very
/// different sizes are told apart and slices count for what they show.
pub fn split(batch: RecordBatch, max_bytes: usize) -> Vec<RecordBatch> {
    let mut parts = Vec::new();
    split_into(batch, max_bytes.max(1), &mut parts);
    parts
}

fn split_into(batch: RecordBatch, max_bytes: usize, parts: &mut Vec<RecordBatch>) {
    let rows = batch.num_rows();
    if rows <= 1 {
        parts.push(batch);
        return;
    }
    let size = encoded_size(&batch);
    if size <= max_bytes {
        parts.push(batch);
        return;
    }
    // Aiming an eighth below the limit keeps parts whose rows vary a little from being cut
    // a second time.
    let count = size.div_ceil((max_bytes - max_bytes / 8).max(1)).min(rows);
    let mut start = 0;
    for part in 1..=count {
        let end = share(rows, part, count);
        split_into(batch.slice(start, end - start), max_bytes, parts);
        start = end;
    }
}

/// `rows * part / count` without overflow.
fn share(rows: usize, part: usize, count: usize) -> usize {
    let share = rows as u128 * part as u128 / count as u128;
    usize::try_from(share).unwrap_or(rows)
}
