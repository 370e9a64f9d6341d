//! Categories whose keys are small: columns of dictionaries with keys of 8 or 16 bits.
//!
//! A batch of a frame has as many values in such a dictionary as its keys can tell apart, but other batches may have
//! others. Operators that join rows of several batches would need one dictionary for all, which the keys may not tell
//! apart. So queries compute with keys of 32 bits ([`widened`]), and a result gets the small keys again, in as many
//! batches as that takes ([`narrow`]).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::dictionary::garbage_collect_any_dictionary;

/// A type as queries compute with it.
pub(crate) fn widened_type(of: &DataType) -> Option<DataType> {
    match of {
        DataType::Dictionary(key, values) if small_keys(key).is_some() => Some(
            DataType::Dictionary(Box::new(DataType::Int32), values.clone()),
        ),
        _ => None,
    }
}

/// How many values keys of this type tell apart, if they are small.
fn small_keys(key: &DataType) -> Option<usize> {
    match key {
        DataType::Int8 => Some(1 << 7),
        DataType::UInt8 => Some(1 << 8),
        DataType::Int16 => Some(1 << 15),
        DataType::UInt16 => Some(1 << 16),
        _ => None,
    }
}

/// A schema whose keys are wide enough to compute with.
pub(in crate::query) fn widened(schema: &SchemaRef) -> SchemaRef {
    if !schema
        .fields()
        .iter()
        .any(|f| widened_type(f.data_type()).is_some())
    {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| {
        let wide = widened_type(field.data_type());
        wide.map_or_else(
            || Arc::clone(field),
            |wide| Arc::new(Field::clone(field).with_data_type(wide)),
        )
    });
    let fields: Fields = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A batch with the types of `schema`, which differ from its own in keys at most.
pub(in crate::query) fn widen(
    batch: RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| {
        if column.data_type() == field.data_type() {
            Ok(Arc::clone(column))
        } else {
            cast(column, field.data_type())
        }
    });
    let columns = columns.collect::<Result<_, _>>()?;
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

/// The rows of a batch with the types of `schema`, which may have smaller keys, in as few batches as have no more
/// values than the keys tell apart.
pub(in crate::query) fn narrow(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        match narrowed(column, field.data_type())? {
            Some(column) => columns.push(column),
            None => {
                let half = batch.num_rows() / 2;
                let mut parts = narrow(&batch.slice(0, half), schema)?;
                parts.extend(narrow(&batch.slice(half, batch.num_rows() - half), schema)?);
                return Ok(parts);
            }
        }
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows).map(|batch| vec![batch])
}

/// A column of another type; `None` if the keys of that type cannot tell its values apart.
fn narrowed(column: &ArrayRef, of: &DataType) -> Result<Option<ArrayRef>, ArrowError> {
    if column.data_type() == of {
        return Ok(Some(Arc::clone(column)));
    }
    let (DataType::Dictionary(key, _), Some(dictionary)) = (of, column.as_any_dictionary_opt())
    else {
        return cast(column, of).map(Some);
    };
    let Some(most) = small_keys(key) else {
        return cast(column, of).map(Some);
    };
    if dictionary.values().len() <= most {
        return cast(column, of).map(Some);
    }
    let used = garbage_collect_any_dictionary(dictionary)?;
    let values = used.as_any_dictionary().values().len();
    // One row has one value: there is an end to cutting.
    if values > most && column.len() > 1 {
        return Ok(None);
    }
    cast(&used, of).map(Some)
}

#[cfg(test)]
mod tests {
    use arrow_array::types::{Int8Type, Int32Type};
    use arrow_array::{DictionaryArray, StringArray};
    use arrow_select::concat::concat_batches;

    use super::*;

    fn schema(key: DataType) -> SchemaRef {
        let of = DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
        Arc::new(Schema::new(vec![Field::new("c", of, true)]))
    }

    fn texts(batch: &RecordBatch) -> Vec<Option<String>> {
        let plain = cast(batch.column(0), &DataType::Utf8).unwrap();
        let plain: &StringArray = plain.as_string();
        plain.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn what_small_keys_cannot_tell_apart_comes_in_several_batches() {
        let names = (0..1_000).map(|n| (n % 11 != 0).then(|| format!("{}", n % 300)));
        let names: Vec<Option<String>> = names.collect();
        let column: DictionaryArray<Int32Type> = names.iter().map(Option::as_deref).collect();
        let batch = RecordBatch::try_new(schema(DataType::Int32), vec![Arc::new(column)]).unwrap();
        let parts = narrow(&batch, &schema(DataType::Int8)).unwrap();
        assert!(parts.len() > 2);
        let all: Vec<Option<String>> = parts.iter().flat_map(texts).collect();
        assert_eq!(all, names);
        for part in &parts {
            let dictionary = part.column(0).as_dictionary::<Int8Type>();
            assert!(dictionary.values().len() <= 128);
        }
        assert_eq!(narrow(&batch, &schema(DataType::Int16)).unwrap().len(), 1);
    }

    #[test]
    fn batches_whose_dictionaries_differ_can_be_joined_when_widened() {
        let batches: Vec<RecordBatch> = (0..3)
            .map(|batch| {
                let names: Vec<String> = (0..100).map(|n| format!("{batch}-{n}")).collect();
                let column: DictionaryArray<Int8Type> =
                    names.iter().map(|name| Some(name.as_str())).collect();
                let narrow =
                    RecordBatch::try_new(schema(DataType::Int8), vec![Arc::new(column)]).unwrap();
                widen(narrow, &widened(&schema(DataType::Int8))).unwrap()
            })
            .collect();
        let joined = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(texts(&joined).len(), 300);
        assert_eq!(joined.schema(), schema(DataType::Int32));
    }
}
