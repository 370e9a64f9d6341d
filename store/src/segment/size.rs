//! How many bytes rows take when nothing is compressed.
//!
//! The encoder asks before it writes rows into a segment that must not grow beyond its limit. The answer costs a
//! look at offsets, not at rows, but for views and for dictionaries' records.

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, ByteViewType};
use arrow_array::{Array, ArrayRef, GenericByteArray, GenericByteViewArray, OffsetSizeTrait};
use arrow_schema::DataType;

/// Bytes of a length or a code.
const PREFIX: usize = 4;

/// The size of `array` in Parquet's plain encoding; for a dictionary, of its codes, or of its values where Parquet
/// gets those.
pub(crate) fn plain_size(array: &ArrayRef) -> usize {
    let rows = array.len();
    match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => rows.div_ceil(8),
        DataType::Utf8 => byte_array(array.as_string::<i32>()),
        DataType::LargeUtf8 => byte_array(array.as_string::<i64>()),
        DataType::Binary => byte_array(array.as_binary::<i32>()),
        DataType::LargeBinary => byte_array(array.as_binary::<i64>()),
        DataType::Utf8View => views(array.as_string_view()),
        DataType::BinaryView => views(array.as_binary_view()),
        DataType::FixedSizeBinary(width) => rows * usize::try_from(*width).unwrap_or_default(),
        DataType::Dictionary(_, values) => rows * values.primitive_width().unwrap_or(PREFIX),
        DataType::List(_) => list::<i32>(array),
        DataType::LargeList(_) => list::<i64>(array),
        DataType::ListView(_) => list_view::<i32>(array),
        DataType::LargeListView(_) => list_view::<i64>(array),
        DataType::FixedSizeList(_, _) => rows + plain_size(array.as_fixed_size_list().values()),
        DataType::Struct(_) => {
            rows.div_ceil(8)
                + array
                    .as_struct()
                    .columns()
                    .iter()
                    .map(plain_size)
                    .sum::<usize>()
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let (first, last) = ends(map.offsets());
            let pairs = map.entries().slice(first, last - first);
            rows + pairs.columns().iter().map(plain_size).sum::<usize>()
        }
        other => rows * other.primitive_width().unwrap_or(PREFIX),
    }
}

fn byte_array<T: ByteArrayType>(array: &GenericByteArray<T>) -> usize {
    let (first, last) = ends(array.offsets());
    array.len() * PREFIX + last - first
}

fn views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    // The low 32 bits of a view are the length of its value.
    let bytes: usize = array.views().iter().map(|view| *view as u32 as usize).sum();
    array.len() * PREFIX + bytes
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> usize {
    let list = array.as_list::<O>();
    let (first, last) = ends(list.offsets());
    array.len() + plain_size(&list.values().slice(first, last - first))
}

fn list_view<O: OffsetSizeTrait>(array: &ArrayRef) -> usize {
    let list = array.as_list_view::<O>();
    let items: usize = list.sizes().iter().map(|size| size.as_usize()).sum();
    // Views may share items, each of which is then written as often as it is seen.
    let average = plain_size(list.values()).div_ceil(list.values().len().max(1));
    array.len() + items * average
}

fn ends<O: OffsetSizeTrait>(offsets: &[O]) -> (usize, usize) {
    let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    (at(offsets.first()), at(offsets.last()))
}
