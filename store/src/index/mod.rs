//! Indexed frames: rows that are kept sorted by the values of one or more columns.
//!
//! An [`Index`] says which columns those are. The values of a row in them, in their order, are its **key**. Keys are
//! never null and never NaN, may occur any number of times, and compare like numbers, like times, or like text in
//! byte order; `-0.0` and `0.0` are one value, and dictionaries compare by what they hold.
//!
//! Each segment of an indexed frame is sorted. Segments may overlap, and the log knows within which keys each lies:
//!
//! | module | what it is for |
//! |---|---|
//! | [`keys`] | keys of batches in a form that compares fast |
//! | [`order`] | sorting what is put |
//! | [`value`], [`range`] | one value of a key, and bounds of a segment, as the log records them |
//! | [`scalar`] | one value of a key as an array |
//! | [`span`], [`literal`] | what a reader asks for, from the text or number that was sent |
//! | [`arrange`], [`merge`] | reading overlapping segments as one sorted stream |
//! | [`key_set`] | which stored rows an upsert meets |
//! | [`gather`], [`codes`] | batches made of rows of several others, dictionaries included |

mod arrange;
mod codes;
mod gather;
mod key_set;
mod keys;
mod literal;
mod merge;
mod number;
mod order;
mod range;
mod readable;
#[cfg(test)]
mod samples;
mod scalar;
mod span;
mod value;

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, Schema};

pub(crate) use arrange::arrange;
pub(crate) use gather::{Gather, Place};
pub(crate) use key_set::KeySet;
#[cfg(test)]
pub(crate) use key_set::Match;
pub(crate) use keys::Keys;
pub use literal::{counted_time, time_bound};
pub(crate) use merge::{Input, merge};
pub(crate) use range::KeyRange;
pub(crate) use span::Span;
pub(crate) use value::{KeyValue, compare_keys};

use crate::error::{Error, Result};
use crate::schema::type_name::name as type_name;

/// The field that errors about an index name.
const FIELD: &str = "index";

/// The columns that the rows of a frame are sorted by.
#[derive(Debug)]
pub(crate) struct Index {
    names: Vec<String>,
    columns: Vec<usize>,
    types: Vec<DataType>,
    /// Encodes keys that one machine word cannot hold.
    converter: Option<RowConverter>,
}

impl Index {
    /// The index on the columns `names` of frames with this schema. Each of them has to exist, to occur once, and
    /// to have a type whose values have an order.
    pub(crate) fn new(schema: &Schema, names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Err(Error::invalid(FIELD, "name at least one column"));
        }
        let mut seen = HashSet::new();
        let mut columns = Vec::new();
        let mut types = Vec::new();
        for name in names {
            if !seen.insert(name) {
                return Err(Error::invalid(
                    FIELD,
                    format!("column {name} occurs more than once: name it once"),
                ));
            }
            let (column, field) = schema.column_with_name(name).ok_or_else(|| {
                Error::invalid(
                    FIELD,
                    format!("there is no column {name}: name columns that the rows have"),
                )
            })?;
            if !is_orderable(field.data_type()) {
                return Err(Error::invalid(
                    FIELD,
                    format!(
                        "rows cannot be sorted by column {name} of type {}: choose one of numbers, booleans, times, \
                         text or binary",
                        type_name(field.data_type())
                    ),
                ));
            }
            columns.push(column);
            types.push(field.data_type().clone());
        }
        let converter = match types.as_slice() {
            [one] if keys::is_word(one) => None,
            _ => Some(converter(&types).map_err(failed)?),
        };
        Ok(Self {
            names: names.to_vec(),
            columns,
            types,
            converter,
        })
    }

    /// Where the columns are in the schema, in the order of the index.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// What the columns are called, in the order of the index.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Refuses rows whose key is null or NaN somewhere. So many rows of the put came `before` them.
    pub(crate) fn check(&self, batch: &RecordBatch, before: u64) -> Result<()> {
        for (name, column) in self.names.iter().zip(self.key_columns(batch)?) {
            let refuse = |row: usize, what: &str, cure: &str| {
                let row = before + row as u64;
                let problem = format!(
                    "column {name} is {what} in row {row} of the put, counting from 0: {cure} before putting the rows"
                );
                Err(Error::invalid(FIELD, problem))
            };
            let nulls = column.logical_nulls();
            if let Some(row) = nulls.and_then(|nulls| (!nulls.inner()).set_indices().next()) {
                return refuse(row, "null", "fill it or leave such rows out");
            }
            if let Some(row) = first_nan(column.as_ref())? {
                return refuse(row, "NaN", "replace it or leave such rows out");
            }
        }
        Ok(())
    }

    /// The columns of the index, if `batch` has them with the types that the index was made for.
    fn key_columns<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<&'a ArrayRef>> {
        let expected = self.names.iter().zip(&self.columns).zip(&self.types);
        expected
            .map(|((name, column), expected)| {
                batch
                    .columns()
                    .get(*column)
                    .filter(|array| array.data_type() == expected)
                    .ok_or_else(|| {
                        let problem = format!(
                            "column {name} of type {} is missing in a batch",
                            type_name(expected)
                        );
                        Error::invalid(FIELD, problem)
                    })
            })
            .collect()
    }
}

fn converter(types: &[DataType]) -> Result<RowConverter, ArrowError> {
    RowConverter::new(types.iter().cloned().map(SortField::new).collect())
}

/// Whether values of this type have an order that keys can follow.
fn is_orderable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => {
            !matches!(**values, DataType::Dictionary(_, _)) && is_orderable(values)
        }
        DataType::Null | DataType::Interval(_) | DataType::RunEndEncoded(_, _) => false,
        other => !other.is_nested(),
    }
}

/// The first row that is NaN.
fn first_nan(column: &dyn Array) -> Result<Option<usize>> {
    Ok(match column.data_type() {
        DataType::Float16 => {
            let values = column.as_primitive::<Float16Type>().values();
            values.iter().position(|value| value.is_nan())
        }
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>().values();
            values.iter().position(|value| value.is_nan())
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            values.iter().position(|value| value.is_nan())
        }
        DataType::Dictionary(_, values) if values.is_floating() => {
            first_nan(keys::plain(column)?.as_ref())?
        }
        _ => None,
    })
}

/// Rows could not be put together.
fn failed(problem: ArrowError) -> Error {
    Error::io("ordering rows by their index", problem)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Float64Array, Int64Array, StringArray};
    use arrow_schema::{Field, Fields, IntervalUnit};
    use futures::executor::block_on;
    use futures::{StreamExt, TryStreamExt, stream};

    use super::samples::key_types;
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn refusal(data_type: DataType, columns: &[&str]) -> String {
        let schema = Schema::new(vec![Field::new("a", data_type, true)]);
        Index::new(&schema, &names(columns))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn columns_are_found_in_the_order_of_the_index() {
        let fields: Vec<Field> = ["a", "b", "c"]
            .map(|name| Field::new(name, DataType::Int64, false))
            .into();
        let index = Index::new(&Schema::new(fields), &names(&["c", "a"])).unwrap();
        assert_eq!(index.columns(), [2, 0]);
        assert_eq!(index.names(), ["c", "a"]);
    }

    #[test]
    fn columns_that_cannot_be_an_index_are_refused_by_name() {
        assert!(refusal(DataType::Int8, &[]).contains("at least one"));
        assert!(refusal(DataType::Int8, &["a", "a"]).contains("column a occurs more than once"));
        assert!(refusal(DataType::Int8, &["b"]).contains("no column b"));
        let item = Arc::new(Field::new("item", DataType::Int8, true));
        for data_type in [
            DataType::Null,
            DataType::List(item),
            DataType::Struct(Fields::empty()),
            DataType::Interval(IntervalUnit::DayTime),
        ] {
            let refusal = refusal(data_type.clone(), &["a"]);
            assert!(refusal.contains("column a"), "{data_type}: {refusal}");
        }
    }

    #[test]
    fn every_orderable_type_is_accepted() {
        for data_type in key_types() {
            let schema = Schema::new(vec![Field::new("a", data_type, true)]);
            Index::new(&schema, &names(&["a"])).unwrap();
        }
    }

    #[test]
    fn a_null_or_nan_key_is_refused_with_its_row() {
        let refusal = |array: ArrayRef| {
            let batch = RecordBatch::try_from_iter([("a", array)]).unwrap();
            let index = Index::new(&batch.schema(), &names(&["a"])).unwrap();
            index.check(&batch, 40).unwrap_err().to_string()
        };
        let null = refusal(Arc::new(Int64Array::from(vec![Some(1), None])));
        assert!(
            null.contains("column a is null in row 41 of the put"),
            "{null}"
        );
        let nan = refusal(Arc::new(Float64Array::from(vec![0.0, 1.0, f64::NAN])));
        assert!(
            nan.contains("column a is NaN in row 42 of the put"),
            "{nan}"
        );
        let keys = arrow_array::Int8Array::from(vec![0, 1]);
        let values = StringArray::from(vec![Some("x"), None]);
        let hidden = DictionaryArray::<Int8Type>::try_new(keys, Arc::new(values)).unwrap();
        let hidden = refusal(Arc::new(hidden));
        assert!(hidden.contains("null in row 41"), "{hidden}");
    }

    #[test]
    fn what_is_sorted_arranged_merged_and_looked_up_fits_together() {
        let put = |keys: Vec<i64>| {
            let keys = Arc::new(Int64Array::from(keys)) as ArrayRef;
            RecordBatch::try_from_iter([("a", keys)]).unwrap()
        };
        let index = Arc::new(Index::new(&put(vec![]).schema(), &names(&["a"])).unwrap());
        let puts = [vec![9, 7], vec![1, 3], vec![2, 4]].map(put);
        let segments = puts.map(|rows| index.sort(vec![rows], 10).unwrap().remove(0));
        let ranges: Vec<KeyRange> = segments
            .iter()
            .map(|segment| index.range_of(segment, segment).unwrap())
            .collect();
        let groups = arrange(&ranges);
        assert_eq!(groups, [vec![1, 2], vec![0]]);
        let span = Span::of_closed(KeyValue::int(2), KeyValue::int(3));
        assert!(span.excludes(&ranges[0]) && !span.excludes(&ranges[1]));

        let inputs = groups[0].iter().map(|number| {
            let segment = segments[*number].clone();
            Input {
                min: ranges[*number].min.clone(),
                open: Box::new(move || stream::iter([Ok(segment)]).boxed()),
            }
        });
        let merged = merge(Arc::clone(&index), inputs.collect(), 10);
        let merged: Vec<RecordBatch> = block_on(merged.try_collect()).unwrap();
        assert_eq!(merged, [put(vec![1, 2, 3, 4])]);
        assert_eq!(span.rows(merged[0].column(0).as_ref()).unwrap(), 1..3);
        let keys: Keys = index.keys(&merged).unwrap();
        assert!(keys.is_sorted() && keys.len() == 4);

        let upsert = [put(vec![3, 5])];
        let found = KeySet::new(&index, &upsert)
            .unwrap()
            .matches(&merged[0])
            .unwrap();
        assert_eq!(
            found,
            [Match {
                existing: 2,
                new: 0
            }]
        );
    }

    #[test]
    fn keys_without_nulls_and_nan_pass() {
        let floats = Arc::new(Float64Array::from(vec![f64::INFINITY, -0.0])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("a", floats)]).unwrap();
        let index = Index::new(&batch.schema(), &names(&["a"])).unwrap();
        index.check(&batch, 0).unwrap();
    }
}
