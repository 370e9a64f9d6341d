//! Nested arrays taken apart and put together again under other fields.
//!
//! Names, nullability and types of children change between what is put, what a frame has and what Parquet holds. The
//! rows do not, so everything here shares the buffers that say where lists begin and which rows are null.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray,
    OffsetSizeTrait, StructArray, make_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};

/// The fields right below a nested type; none for any other.
pub(crate) fn children(data_type: &DataType) -> &[FieldRef] {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => std::slice::from_ref(field),
        DataType::Struct(fields) => fields,
        DataType::Map(entries, _) => children(entries.data_type()),
        _ => &[],
    }
}

/// The arrays of those fields.
pub(crate) fn child_arrays(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => vec![Arc::clone(array.as_list::<i32>().values())],
        DataType::LargeList(_) => vec![Arc::clone(array.as_list::<i64>().values())],
        DataType::ListView(_) => vec![Arc::clone(array.as_list_view::<i32>().values())],
        DataType::LargeListView(_) => vec![Arc::clone(array.as_list_view::<i64>().values())],
        DataType::FixedSizeList(_, _) => vec![Arc::clone(array.as_fixed_size_list().values())],
        DataType::Struct(_) => array.as_struct().columns().to_vec(),
        DataType::Map(_, _) => array.as_map().entries().columns().to_vec(),
        _ => Vec::new(),
    }
}

/// How many dictionaries a column of this type has, those of nested types included.
pub(crate) fn dictionary_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Dictionary(_, _) => 1,
        _ => children(data_type)
            .iter()
            .map(|child| dictionary_count(child.data_type()))
            .sum(),
    }
}

/// How the children of an array are taken to their fields.
pub(crate) type Child<'a> = &'a mut dyn FnMut(&ArrayRef, &FieldRef) -> Result<ArrayRef, ArrowError>;

/// `array` under the type `to`, which differs from its own in its children only; `child` takes each of those to its
/// field. Lists start at their first item afterwards, whatever they were cut from.
pub(crate) fn rebuild(
    array: &ArrayRef,
    to: &DataType,
    child: Child<'_>,
) -> Result<ArrayRef, ArrowError> {
    Ok(match (array.data_type(), to) {
        (from, to) if from == to && children(from).is_empty() => Arc::clone(array),
        (DataType::List(_), DataType::List(item)) => rebuild_list::<i32>(array, item, child)?,
        (DataType::LargeList(_), DataType::LargeList(item)) => {
            rebuild_list::<i64>(array, item, child)?
        }
        (DataType::ListView(_), DataType::ListView(item)) => {
            rebuild_list_view::<i32>(array, item, child)?
        }
        (DataType::LargeListView(_), DataType::LargeListView(item)) => {
            rebuild_list_view::<i64>(array, item, child)?
        }
        (DataType::FixedSizeList(_, from), DataType::FixedSizeList(item, to)) if from == to => {
            let list = array.as_fixed_size_list();
            let hidden = list
                .nulls()
                .map(|nulls| nulls.expand(list.value_length() as usize));
            let values = hide(list.values(), item, hidden.as_ref())?;
            Arc::new(FixedSizeListArray::try_new_with_length(
                Arc::clone(item),
                *to,
                child(&values, item)?,
                list.nulls().cloned(),
                list.len(),
            )?)
        }
        (DataType::Struct(from), DataType::Struct(to)) if from.len() == to.len() => {
            let list = array.as_struct();
            Arc::new(rebuild_struct(list, to, child)?)
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let (offsets, pairs) = used(map.offsets(), map.entries(), |pairs, from, len| {
                pairs.slice(from, len)
            });
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(mismatch(array.data_type(), to));
            };
            Arc::new(MapArray::try_new(
                Arc::clone(entries),
                offsets,
                rebuild_struct(&pairs, pair, child)?,
                map.nulls().cloned(),
                *sorted,
            )?)
        }
        (from, to) => return Err(mismatch(from, to)),
    })
}

fn rebuild_list<O: OffsetSizeTrait>(
    array: &ArrayRef,
    item: &FieldRef,
    child: Child<'_>,
) -> Result<ArrayRef, ArrowError> {
    let list = array.as_list::<O>();
    let (offsets, values) = used(list.offsets(), list.values(), |values, from, len| {
        values.slice(from, len)
    });
    Ok(Arc::new(GenericListArray::<O>::try_new(
        Arc::clone(item),
        offsets,
        child(&values, item)?,
        list.nulls().cloned(),
    )?))
}

fn rebuild_list_view<O: OffsetSizeTrait>(
    array: &ArrayRef,
    item: &FieldRef,
    child: Child<'_>,
) -> Result<ArrayRef, ArrowError> {
    let list = array.as_list_view::<O>();
    Ok(Arc::new(GenericListViewArray::<O>::try_new(
        Arc::clone(item),
        list.offsets().clone(),
        list.sizes().clone(),
        child(list.values(), item)?,
        list.nulls().cloned(),
    )?))
}

fn rebuild_struct(
    array: &StructArray,
    fields: &Fields,
    child: Child<'_>,
) -> Result<StructArray, ArrowError> {
    let columns = array
        .columns()
        .iter()
        .zip(fields)
        .map(|(column, field)| child(&hide(column, field, array.nulls())?, field))
        .collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())
}

/// `child` with nulls where its parent is null, if it has dictionaries: there Parquet's reader makes values up, which
/// no dictionary knows.
fn hide(
    child: &ArrayRef,
    field: &Field,
    parent: Option<&NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    if parent.is_none() || dictionary_count(field.data_type()) == 0 {
        return Ok(Arc::clone(child));
    }
    let nulls = NullBuffer::union(child.nulls(), parent);
    let data = child.to_data().into_builder().nulls(nulls).build()?;
    Ok(make_array(data))
}

/// The part of a list's values that its offsets reach, so that a slice of a long list costs what its rows cost.
fn used<O: OffsetSizeTrait, V: Clone>(
    offsets: &OffsetBuffer<O>,
    values: &V,
    slice: impl Fn(&V, usize, usize) -> V,
) -> (OffsetBuffer<O>, V) {
    let first = offsets.first().copied().unwrap_or_default();
    let last = offsets.last().copied().unwrap_or_default();
    let values = slice(values, first.as_usize(), last.as_usize() - first.as_usize());
    if first == O::default() {
        return (offsets.clone(), values);
    }
    let rebased = offsets.iter().map(|offset| *offset - first).collect();
    (OffsetBuffer::new(rebased), values)
}

/// The error for an array that is not what is expected.
pub(crate) fn mismatch(from: &DataType, to: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("holds {from} where {to} is expected"))
}
