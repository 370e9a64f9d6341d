//! Rewriting columns that would otherwise send bytes nobody asked for.
//!
//! The IPC writer trims plain, string, list and struct columns to the rows that a slice
//! shows. It does not trim three things, and this module does: the data buffers of views, the
//! children of list views and dense unions, and (where it would even send the wrong rows)
//! unions and runs inside a sliced parent. Rewritten columns are logically equal to the
//! originals and have the same type; columns without such types are left untouched.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericByteViewArray, GenericListArray,
    GenericListViewArray, MapArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    RecordBatchOptions, RunArray, StructArray, UnionArray,
    cast::AsArray,
    make_array, new_empty_array,
    types::{
        BinaryViewType, ByteViewType, Int16Type, Int32Type, Int64Type, RunEndIndexType,
        StringViewType,
    },
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::{ArrayData, transform::MutableArrayData};
use arrow_schema::{ArrowError, DataType, UnionMode};

use crate::Error;
use crate::extent::{self, Extent};
use crate::schema::children;
use crate::size::viewed_bytes;

/// The batch with every column trimmed to what its rows use.
///
/// Cheap where there is nothing to trim: only columns that contain views, list views, unions
/// or runs are looked at.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    if !batch.columns().iter().any(|c| is_untrimmed(c.data_type())) {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().map(trim).collect::<Result<_, _>>();
    columns
        .and_then(|columns| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(batch.schema(), columns, &options)
        })
        .map_err(Error::Encode)
}

/// Whether a column of this type may hold bytes that the IPC writer does not trim.
fn is_untrimmed(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(_, _)
        | DataType::RunEndEncoded(_, _) => true,
        DataType::Dictionary(_, values) => is_untrimmed(values),
        other => children(other)
            .into_iter()
            .any(|child| is_untrimmed(child.data_type())),
    }
}

fn trim(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !is_untrimmed(array.data_type()) {
        return Ok(array.clone());
    }
    if array.is_empty() && !matches!(array.data_type(), DataType::Dictionary(_, _)) {
        return Ok(new_empty_array(array.data_type()));
    }
    Ok(match array.data_type() {
        DataType::Utf8View => trim_views(array, array.as_byte_view::<StringViewType>()),
        DataType::BinaryView => trim_views(array, array.as_byte_view::<BinaryViewType>()),
        DataType::List(_) => Arc::new(trim_list(array.as_list::<i32>())?),
        DataType::LargeList(_) => Arc::new(trim_list(array.as_list::<i64>())?),
        DataType::Map(_, _) => Arc::new(trim_map(array.as_map())?),
        DataType::ListView(_) => Arc::new(trim_list_view(array.as_list_view::<i32>())?),
        DataType::LargeListView(_) => Arc::new(trim_list_view(array.as_list_view::<i64>())?),
        DataType::FixedSizeList(_, _) => Arc::new(trim_fixed(array.as_fixed_size_list())?),
        DataType::Struct(_) => Arc::new(trim_struct(array.as_struct())?),
        DataType::Union(_, mode) => Arc::new(trim_union(array.as_union(), *mode)?),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => trim_runs(array.as_run::<Int16Type>())?,
            DataType::Int32 => trim_runs(array.as_run::<Int32Type>())?,
            _ => trim_runs(array.as_run::<Int64Type>())?,
        },
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            dictionary.with_values(trim(dictionary.values())?)
        }
        _ => array.clone(),
    })
}

/// Copies the values into buffers of their own if a quarter or more of the buffers is waste.
fn trim_views<T: ByteViewType>(array: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
    let buffers: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    let used = viewed_bytes(views);
    if buffers - used.min(buffers) > buffers / 4 {
        Arc::new(views.gc())
    } else {
        array.clone()
    }
}

fn trim_list<O: OffsetSizeTrait>(
    list: &GenericListArray<O>,
) -> Result<GenericListArray<O>, ArrowError> {
    let extent = extent::of_offsets(list.offsets());
    let values = trim(&list.values().slice(extent.start, extent.len()))?;
    let offsets = rebase(list.offsets());
    match list.data_type() {
        DataType::List(field) | DataType::LargeList(field) => {
            GenericListArray::try_new(field.clone(), offsets, values, significant(list.nulls()))
        }
        other => Err(unexpected(other)),
    }
}

fn trim_map(map: &MapArray) -> Result<MapArray, ArrowError> {
    let extent = extent::of_offsets(map.offsets());
    let entries = trim_struct(&map.entries().slice(extent.start, extent.len()))?;
    let offsets = rebase(map.offsets());
    match map.data_type() {
        DataType::Map(field, sorted) => MapArray::try_new(
            field.clone(),
            offsets,
            entries,
            significant(map.nulls()),
            *sorted,
        ),
        other => Err(unexpected(other)),
    }
}

/// The same offsets, beginning at zero.
fn rebase<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> OffsetBuffer<O> {
    match offsets.first() {
        Some(first) if *first > O::zero() => {
            OffsetBuffer::new(offsets.iter().map(|offset| *offset - *first).collect())
        }
        _ => offsets.clone(),
    }
}

fn trim_list_view<O: OffsetSizeTrait>(
    list: &GenericListViewArray<O>,
) -> Result<GenericListViewArray<O>, ArrowError> {
    let extent = extent::of_views(list);
    let (offsets, values) = part(list.values(), extent, extent::view_ranges(list))?;
    let sizes: Vec<O> = extent::view_ranges(list)
        .map(|(start, end)| O::usize_as(end - start))
        .collect();
    let offsets: Vec<O> = offsets.into_iter().map(O::usize_as).collect();
    match list.data_type() {
        DataType::ListView(field) | DataType::LargeListView(field) => {
            GenericListViewArray::try_new(
                field.clone(),
                ScalarBuffer::from(offsets),
                ScalarBuffer::from(sizes),
                trim(&values)?,
                significant(list.nulls()),
            )
        }
        other => Err(unexpected(other)),
    }
}

/// The part of `child` that `ranges` refer to, and where each range begins in it: a slice, or
/// a copy of the used elements where they are few and far between.
fn part<I: Iterator<Item = (usize, usize)>>(
    child: &ArrayRef,
    extent: Extent,
    ranges: I,
) -> Result<(Vec<usize>, ArrayRef), ArrowError> {
    if !extent.is_sparse() {
        let starts = ranges
            .map(|(start, end)| if start < end { start - extent.start } else { 0 })
            .collect();
        return Ok((starts, child.slice(extent.start, extent.len())));
    }
    let source = child.to_data();
    let mut copy = MutableArrayData::new(vec![&source], false, extent.used);
    let mut starts = Vec::new();
    let mut next = 0;
    for (start, end) in ranges {
        starts.push(next);
        if start < end {
            copy.try_extend(0, start, end)?;
            next += end - start;
        }
    }
    Ok((starts, make_array(copy.freeze())))
}

fn trim_fixed(list: &FixedSizeListArray) -> Result<FixedSizeListArray, ArrowError> {
    match list.data_type() {
        DataType::FixedSizeList(field, size) => FixedSizeListArray::try_new_with_length(
            field.clone(),
            *size,
            trim(list.values())?,
            significant(list.nulls()),
            list.len(),
        ),
        other => Err(unexpected(other)),
    }
}

fn trim_struct(array: &StructArray) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().map(trim).collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(
        array.fields().clone(),
        columns,
        significant(array.nulls()),
        array.len(),
    )
}

fn trim_union(union: &UnionArray, mode: UnionMode) -> Result<UnionArray, ArrowError> {
    let DataType::Union(fields, _) = union.data_type() else {
        return Err(unexpected(union.data_type()));
    };
    let mut children = Vec::with_capacity(fields.len());
    let mut offsets = vec![
        0_i32;
        if mode == UnionMode::Dense {
            union.len()
        } else {
            0
        }
    ];
    for (type_id, _) in fields.iter() {
        let child = union.child(type_id);
        if mode == UnionMode::Sparse {
            children.push(trim(child)?);
            continue;
        }
        let extent = extent::of_dense(union, type_id);
        let (starts, values) = part(child, extent, extent::dense_elements(union, type_id))?;
        let rows = union.type_ids().iter().enumerate();
        let rows = rows.filter(|(_, id)| **id == type_id).map(|(row, _)| row);
        for (row, start) in rows.zip(starts) {
            offsets[row] = i32::try_from(start).map_err(|_| unexpected(union.data_type()))?;
        }
        children.push(trim(&values)?);
    }
    UnionArray::try_new(
        fields.clone(),
        union.type_ids().clone(),
        (mode == UnionMode::Dense).then(|| ScalarBuffer::from(offsets)),
        children,
    )
}

fn trim_runs<R: RunEndIndexType>(runs: &RunArray<R>) -> Result<ArrayRef, ArrowError> {
    let values = trim(&runs.values_slice())?;
    let ends = PrimitiveArray::<R>::from_iter_values(runs.run_ends().sliced_values());
    let data = ArrayData::builder(runs.data_type().clone())
        .len(runs.len())
        .add_child_data(ends.into_data())
        .add_child_data(values.into_data())
        .build()?;
    Ok(make_array(data))
}

/// Validity only where something is null, so that slices without nulls stay that way.
fn significant(nulls: Option<&NullBuffer>) -> Option<NullBuffer> {
    nulls.filter(|nulls| nulls.null_count() > 0).cloned()
}

fn unexpected(data_type: &DataType) -> ArrowError {
    ArrowError::InvalidArgumentError(format!(
        "an array does not have its own layout: {data_type}"
    ))
}
