//! How each column is encoded: the choice that decides a frame's speed and size.
//!
//! A type has one encoding, chosen by measurement: `store/ENCODINGS.md` has the numbers, what follows from them, and
//! the command that repeats them. Decoding speed comes first, because rows are read more often than written, then
//! size, then encoding speed:
//!
//! | columns | encoding | compression |
//! |---|---|---|
//! | integers, times, dates, durations, decimals up to 18 digits | delta | none |
//! | floats | plain | none on a local disk, LZ4 elsewhere: see [`Packing`] |
//! | booleans, intervals, fixed size binary, longer decimals | plain | LZ4 |
//! | dictionaries of strings or binary | dictionary, of any size | none |
//! | other strings and binary | dictionary up to 1 MiB, delta length beyond | LZ4 |
//!
//! Floats never get a dictionary: it would take `0.0` and `-0.0` for one value. Every column has statistics and a
//! page index, and a page holds at most [`PAGE_ROWS`] rows, so that a range of rows costs its pages.

use parquet::basic::{Compression, Encoding, LogicalType, Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// The most rows in a page: what reading one row costs at most.
pub(super) const PAGE_ROWS: usize = 20_000;

/// A dictionary type stays a dictionary whatever its size, so that its codes can be read as codes.
const CATEGORY_DICTIONARY_BYTES: usize = 1 << 30;

/// What is dear where segments lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// Processors: a local disk, and its cache in memory, hand out floats faster than LZ4 unpacks them.
    #[default]
    Fast,
    /// Bytes: an object store is behind a network. Rounded floats take half the room.
    Small,
}

/// The encodings of a file with the columns `columns`. `categories` says for each leaf whether it is a dictionary
/// type; `metadata` goes into the footer.
pub(crate) fn properties(
    columns: &SchemaDescriptor,
    packing: Packing,
    categories: &[bool],
    metadata: Vec<KeyValue>,
) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("shoots version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_dictionary_enabled(false)
        .set_compression(Compression::UNCOMPRESSED);
    for (column, category) in columns.columns().iter().zip(categories) {
        builder = encode_column(builder, column, packing, *category);
    }
    builder.build()
}

fn encode_column(
    builder: WriterPropertiesBuilder,
    column: &ColumnDescriptor,
    packing: Packing,
    category: bool,
) -> WriterPropertiesBuilder {
    let path = column.path().clone();
    let unknown = column.logical_type_ref() == Some(&LogicalType::Unknown);
    match column.physical_type() {
        Type::BYTE_ARRAY if category => builder
            .set_column_dictionary_enabled(path.clone(), true)
            .set_column_dictionary_page_size_limit(path, CATEGORY_DICTIONARY_BYTES),
        Type::BYTE_ARRAY => builder
            .set_column_dictionary_enabled(path.clone(), true)
            .set_column_encoding(path.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_compression(path, Compression::LZ4_RAW),
        Type::INT32 | Type::INT64 if !unknown => {
            builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
        }
        Type::FLOAT | Type::DOUBLE if packing == Packing::Fast => {
            builder.set_column_encoding(path, Encoding::PLAIN)
        }
        _ => builder
            .set_column_encoding(path.clone(), Encoding::PLAIN)
            .set_column_compression(path, Compression::LZ4_RAW),
    }
}
