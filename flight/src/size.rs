//! How many bytes a batch takes on the wire.
//!
//! Arrow's own accounting answers how much memory stays allocated, which for a slice is the
//! whole buffer, and for arrays that share a received message the whole message once per
//! buffer. Cutting batches by that number cuts far too often. Here each array counts for what
//! the rows it shows would occupy after [`compact`](crate::compact), dictionaries' values
//! apart: they travel once, in their own message.

use arrow_array::{
    Array, ArrayRef, GenericByteArray, GenericByteViewArray, GenericListArray,
    GenericListViewArray, RecordBatch, RunArray, UnionArray,
    cast::AsArray,
    types::{
        BinaryType, BinaryViewType, ByteArrayType, ByteViewType, Int16Type, Int32Type, Int64Type,
        LargeBinaryType, LargeUtf8Type, RunEndIndexType, StringViewType, Utf8Type,
    },
};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, UnionMode};

use crate::extent::{self, Extent};

/// Bytes of a view; a value that is not longer than [`INLINE_BYTES`] lies inside it.
const VIEW_BYTES: usize = 16;
const INLINE_BYTES: u32 = 12;

/// The number of bytes that the rows of `batch` occupy in the body of a Flight message.
///
/// Padding, message headers and the values of dictionaries are not counted. For a sliced
/// batch only the slice counts, also inside nested columns and columns of views.
pub fn encoded_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_size).sum()
}

pub(crate) fn array_size(array: &ArrayRef) -> usize {
    let validity = match array.nulls() {
        Some(nulls) if nulls.null_count() > 0 => array.len().div_ceil(8),
        _ => 0,
    };
    validity + values_size(array)
}

fn values_size(array: &ArrayRef) -> usize {
    let len = array.len();
    match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => len.div_ceil(8),
        DataType::Utf8 => bytes_size(array.as_bytes::<Utf8Type>()),
        DataType::Binary => bytes_size(array.as_bytes::<BinaryType>()),
        DataType::LargeUtf8 => bytes_size(array.as_bytes::<LargeUtf8Type>()),
        DataType::LargeBinary => bytes_size(array.as_bytes::<LargeBinaryType>()),
        DataType::Utf8View => views_size(array.as_byte_view::<StringViewType>()),
        DataType::BinaryView => views_size(array.as_byte_view::<BinaryViewType>()),
        DataType::FixedSizeBinary(width) => len * usize::try_from(*width).unwrap_or(0),
        DataType::Dictionary(keys, _) => len * keys.primitive_width().unwrap_or(0),
        DataType::List(_) => list_size(array.as_list::<i32>()),
        DataType::LargeList(_) => list_size(array.as_list::<i64>()),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            (len + 1) * size_of::<i32>() + part_size(&entries, extent::of_offsets(map.offsets()))
        }
        DataType::ListView(_) => list_view_size(array.as_list_view::<i32>()),
        DataType::LargeListView(_) => list_view_size(array.as_list_view::<i64>()),
        DataType::FixedSizeList(_, _) => array_size(array.as_fixed_size_list().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(array_size).sum(),
        DataType::Union(_, mode) => union_size(array.as_union(), *mode),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run_size(array.as_run::<Int16Type>()),
            DataType::Int32 => run_size(array.as_run::<Int32Type>()),
            _ => run_size(array.as_run::<Int64Type>()),
        },
        other => len * other.primitive_width().unwrap_or(0),
    }
}

fn bytes_size<T: ByteArrayType>(array: &GenericByteArray<T>) -> usize {
    let offsets = array.value_offsets();
    let values = match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => last.as_usize() - first.as_usize(),
        _ => 0,
    };
    (array.len() + 1) * size_of::<T::Offset>() + values
}

fn views_size<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    let buffers: usize = array.data_buffers().iter().map(|buffer| buffer.len()).sum();
    array.len() * VIEW_BYTES + viewed_bytes(array).min(buffers)
}

/// Bytes outside the views that the values of `array` refer to, shared ones counted each time.
pub(crate) fn viewed_bytes<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    array
        .views()
        .iter()
        // The low half of the first word of a view is the length of its value.
        .map(|view| (*view & u128::from(u32::MAX)) as u32)
        .filter(|length| *length > INLINE_BYTES)
        .map(|length| length as usize)
        .sum()
}

fn list_size<O: arrow_array::OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    (list.len() + 1) * size_of::<O>() + part_size(list.values(), extent::of_offsets(list.offsets()))
}

fn list_view_size<O: arrow_array::OffsetSizeTrait>(list: &GenericListViewArray<O>) -> usize {
    2 * list.len() * size_of::<O>() + part_size(list.values(), extent::of_views(list))
}

fn union_size(union: &UnionArray, mode: UnionMode) -> usize {
    let offsets = match mode {
        UnionMode::Dense => union.len() * size_of::<i32>(),
        UnionMode::Sparse => 0,
    };
    let DataType::Union(fields, _) = union.data_type() else {
        return 0;
    };
    let children: usize = fields
        .iter()
        .map(|(type_id, _)| match mode {
            UnionMode::Sparse => array_size(union.child(type_id)),
            UnionMode::Dense => part_size(union.child(type_id), extent::of_dense(union, type_id)),
        })
        .sum();
    union.len() + offsets + children
}

fn run_size<R: RunEndIndexType>(array: &RunArray<R>) -> usize {
    if array.is_empty() {
        return 0;
    }
    let values = array.values_slice();
    values.len() * size_of::<R::Native>() + array_size(&values)
}

/// The size of the part of a child that its parent uses; where the use is sparse the used
/// elements are taken to be of average size.
fn part_size(child: &ArrayRef, extent: Extent) -> usize {
    if extent.len() == 0 {
        return 0;
    }
    let range = array_size(&child.slice(extent.start, extent.len()));
    if extent.is_sparse() {
        (range / extent.len() + 1) * extent.used
    } else {
        range
    }
}
