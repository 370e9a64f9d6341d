//! How large rows become when they are decoded.
//!
//! What a file takes on disk says little about that: a text of 60 kB that stands in every row is stored once. But
//! Parquet counts the bytes of all values, and from those follows how many rows make a batch of bounded size.

use parquet::basic::Type;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// A batch has about this many bytes at most, unless a single row has more.
const BATCH_BYTES: u64 = 2 << 20;

/// The most rows of the columns `roots` that a batch should have; they are of about the same size throughout.
pub(crate) fn batch_rows(metadata: &ParquetMetaData, roots: &[usize]) -> u64 {
    (BATCH_BYTES / row_bytes(metadata, roots)).max(1)
}

/// Bytes of a row of the columns `roots` once it is decoded: the average, and at least one.
pub(crate) fn row_bytes(metadata: &ParquetMetaData, roots: &[usize]) -> u64 {
    let columns = metadata.file_metadata().schema_descr();
    let wanted = |leaf: &usize| roots.contains(&columns.get_column_root_idx(*leaf));
    let leaves: Vec<usize> = (0..columns.num_columns()).filter(wanted).collect();
    let (mut bytes, mut rows) = (0_u64, 0_u64);
    for group in metadata.row_groups() {
        rows += u64::try_from(group.num_rows()).unwrap_or(0);
        let decoded = leaves.iter().map(|leaf| decoded_bytes(group.column(*leaf)));
        bytes = decoded.fold(bytes, u64::saturating_add);
    }
    bytes.div_ceil(rows.max(1)).max(1)
}

fn decoded_bytes(column: &ColumnChunkMetaData) -> u64 {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let values = count(column.num_values());
    let width = match column.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => count(column.column_descr().type_length().into()),
        Type::BYTE_ARRAY => {
            let told = column.unencoded_byte_array_data_bytes();
            let texts = count(told.unwrap_or(0)).max(count(column.uncompressed_size()));
            return texts.saturating_add(values.saturating_mul(4));
        }
    };
    values.saturating_mul(width)
}
