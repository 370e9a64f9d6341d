//! Batches made of rows of several others, in any order.
//!
//! Where Arrow would make one array of more than an array can hold, or one dictionary of more values than its keys
//! can count, there are more and smaller batches instead.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;

use super::codes::{Coded, compact};
use super::failed;
use crate::error::Result;
use crate::schema::nested::dictionary_count;

/// A row: the number of its batch, and its number there.
pub(crate) type Place = (usize, usize);

/// Batches of one schema, prepared so that their rows can be mixed.
#[derive(Debug)]
pub(crate) struct Gather {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    columns: Vec<Column>,
}

/// How a column of all batches is mixed.
#[derive(Debug)]
enum Column {
    /// As it is: it has no dictionaries.
    Plain,
    /// With one dictionary for all.
    Coded(Coded),
    /// With a dictionary for each result, because one for all would be too large.
    Apart,
}

impl Gather {
    /// There must be at least one batch.
    pub(crate) fn new(batches: Vec<RecordBatch>) -> Result<Self> {
        let schema = batches[0].schema();
        let columns = (0..schema.fields().len())
            .map(|column| {
                if dictionary_count(schema.field(column).data_type()) == 0 {
                    return Ok(Column::Plain);
                }
                let arrays: Vec<ArrayRef> = batches
                    .iter()
                    .map(|batch| Arc::clone(batch.column(column)))
                    .collect();
                match Coded::new(&arrays) {
                    Ok(coded) => Ok(Column::Coded(coded)),
                    Err(ArrowError::DictionaryKeyOverflowError) => Ok(Column::Apart),
                    Err(problem) => Err(failed(problem)),
                }
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            schema,
            batches,
            columns,
        })
    }

    /// These rows in this order: one batch, or more if they do not fit into one.
    pub(crate) fn rows(&self, places: &[Place]) -> Result<Vec<RecordBatch>> {
        let mut rows = Vec::new();
        self.append(places, &mut rows)?;
        Ok(rows)
    }

    fn append(&self, places: &[Place], rows: &mut Vec<RecordBatch>) -> Result<()> {
        if let Some(slice) = self.slice(places) {
            rows.push(slice);
            return Ok(());
        }
        match self.interleave(places) {
            Ok(batch) => rows.push(batch),
            // A single row is a slice, so this ends.
            Err(problem) if is_overflow(&problem) => {
                let (one, other) = places.split_at(places.len() / 2);
                self.append(one, rows)?;
                self.append(other, rows)?;
            }
            Err(problem) => return Err(failed(problem)),
        }
        Ok(())
    }

    /// The rows without a copy, if they follow each other in one batch.
    fn slice(&self, places: &[Place]) -> Option<RecordBatch> {
        let &(batch, first) = places.first()?;
        let together = places
            .iter()
            .zip(first..)
            .all(|(place, row)| *place == (batch, row));
        together.then(|| self.batches[batch].slice(first, places.len()))
    }

    fn interleave(&self, places: &[Place]) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(number, column)| match column {
                Column::Plain => {
                    let arrays = self.batches.iter().map(|batch| batch.column(number));
                    interleave(&references(arrays), places)
                }
                Column::Coded(coded) => {
                    let codes = interleave(&references(&coded.columns), places)?;
                    coded.restore(&codes)
                }
                Column::Apart => self.interleave_apart(number, places),
            })
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }

    /// Mixes rows under a dictionary of the values that they use.
    fn interleave_apart(&self, column: usize, places: &[Place]) -> Result<ArrayRef, ArrowError> {
        let mut rows = vec![Vec::new(); self.batches.len()];
        let mut moved = Vec::with_capacity(places.len());
        for &(batch, row) in places {
            moved.push((batch, rows[batch].len()));
            rows[batch].push(row as u64);
        }
        let parts: Vec<ArrayRef> = self
            .batches
            .iter()
            .zip(rows)
            .map(|(batch, rows)| {
                let rows = UInt64Array::from(rows);
                compact(&arrow_select::take::take(
                    batch.column(column),
                    &rows,
                    None,
                )?)
            })
            .collect::<Result<_, _>>()?;
        let coded = Coded::new(&parts)?;
        coded.restore(&interleave(&references(&coded.columns), &moved)?)
    }
}

fn references<'a>(arrays: impl IntoIterator<Item = &'a ArrayRef>) -> Vec<&'a dyn Array> {
    arrays.into_iter().map(AsRef::as_ref).collect()
}

/// Whether fewer rows might have done.
fn is_overflow(problem: &ArrowError) -> bool {
    match problem {
        ArrowError::OffsetOverflowError(_) | ArrowError::DictionaryKeyOverflowError => true,
        other => other.to_string().contains("overflow"),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int8Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int8Type, UInt64Type};
    use arrow_array::{DictionaryArray, LargeStringArray, StringArray};
    use arrow_schema::DataType;

    use super::*;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([("column", column)]).unwrap()
    }

    #[test]
    fn rows_that_follow_each_other_are_not_copied() {
        let numbers = Arc::new(UInt64Array::from_iter_values(0..10));
        let gather = Gather::new(vec![batch(numbers.clone()), batch(numbers.clone())]).unwrap();
        let rows = gather.rows(&[(1, 3), (1, 4), (1, 5)]).unwrap();
        let [rows] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        let rows = rows.column(0).as_primitive::<UInt64Type>();
        assert_eq!(rows.values(), &[3, 4, 5]);
        assert_eq!(rows.values().as_ptr(), numbers.values()[3..].as_ptr());
    }

    #[test]
    fn more_categories_than_keys_count_become_several_batches_with_the_same_rows() {
        let part = |from: i32| -> RecordBatch {
            let values: StringArray = (from..from + 120).map(|n| Some(n.to_string())).collect();
            let codes = Int8Array::from_iter_values(0..120);
            batch(Arc::new(
                DictionaryArray::<Int8Type>::try_new(codes, Arc::new(values)).unwrap(),
            ))
        };
        let gather = Gather::new(vec![part(0), part(120), part(240)]).unwrap();
        let places: Vec<Place> = (0..360).map(|row| (row % 3, row / 3)).collect();
        let batches = gather.rows(&places).unwrap();
        assert!((3..=8).contains(&batches.len()), "{}", batches.len());
        let mut found = Vec::new();
        for batch in batches {
            let texts = arrow_cast::cast(batch.column(0), &DataType::LargeUtf8).unwrap();
            let texts: &LargeStringArray = texts.as_string();
            found.extend(texts.iter().flatten().map(str::to_owned));
        }
        let expected: Vec<String> = places
            .iter()
            .map(|(batch, row)| (batch * 120 + row).to_string())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn more_text_than_an_array_can_hold_is_told_from_other_failures() {
        let text = "x".repeat(1 << 20);
        let part = batch(Arc::new(StringArray::from(vec![text.as_str()])));
        let gather = Gather::new(vec![part]).unwrap();
        let problem = gather.interleave(&[(0, 0); 2_100]).unwrap_err();
        assert!(is_overflow(&problem), "{problem}");
        assert!(!is_overflow(&ArrowError::SchemaError("differs".into())));
    }
}
