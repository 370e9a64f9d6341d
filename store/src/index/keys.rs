//! The keys of many rows in a form that compares fast, whatever their types.
//!
//! A single column of at most 64 bits becomes one integer for each row. Everything else becomes Arrow's row format,
//! which compares as bytes. The same types always take the same form, so keys of different batches, and those of
//! different [`Index`] values over equal types, can be compared.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, RecordBatch};
use arrow_row::Rows;
use arrow_schema::DataType;

use super::number::{Number, for_number};
use super::{FIELD, Index, failed};
use crate::error::{Error, Result};

/// The keys of some rows, by position.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Ordered like the values of the only column.
    Words(Vec<u64>),
    /// Ordered like the values of all columns.
    Rows(Rows),
}

impl Keys {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Rows(rows) => rows.num_rows(),
        }
    }

    /// How the key at `row` compares to that of `other` at `other_row`.
    pub(crate) fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        match (self, other) {
            (Self::Words(one), Self::Words(other)) => one[row].cmp(&other[other_row]),
            (Self::Rows(one), Self::Rows(other)) => one.row(row).cmp(&other.row(other_row)),
            // Only keys of different types have different forms.
            (Self::Words(_), Self::Rows(_)) => Ordering::Less,
            (Self::Rows(_), Self::Words(_)) => Ordering::Greater,
        }
    }

    /// Whether no key is less than the one before it.
    pub(crate) fn is_sorted(&self) -> bool {
        match self {
            Self::Words(words) => words.is_sorted(),
            Self::Rows(rows) => rows.iter().is_sorted(),
        }
    }

    /// The first position from `from` on where `before` does not hold; it must hold for a leading part only.
    /// Costs the logarithm of how far away that is.
    pub(super) fn gallop(&self, from: usize, before: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut step) = (from, 1);
        while low < self.len() {
            let probe = (low + step - 1).min(self.len() - 1);
            if !before(probe) {
                return partition(low, probe, before);
            }
            low = probe + 1;
            step *= 2;
        }
        low
    }
}

/// The first position in `low..high` where `before` does not hold, else `high`.
fn partition(mut low: usize, mut high: usize, before: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl Index {
    /// The keys of all rows of `batches`, one batch after the other.
    pub(crate) fn keys(&self, batches: &[RecordBatch]) -> Result<Keys> {
        let total = batches.iter().map(RecordBatch::num_rows).sum();
        let Some(converter) = &self.converter else {
            let mut words = Vec::with_capacity(total);
            for batch in batches {
                for column in self.key_columns(batch)? {
                    append_words(column.as_ref(), &mut words)?;
                }
            }
            return Ok(Keys::Words(words));
        };
        let mut rows = converter.empty_rows(total, 0);
        for batch in batches {
            let columns = self.key_columns(batch)?.into_iter();
            let columns: Vec<ArrayRef> = columns.map(with_one_zero).collect::<Result<_>>()?;
            converter.append(&mut rows, &columns).map_err(failed)?;
        }
        Ok(Keys::Rows(rows))
    }
}

/// Whether a machine word orders values of this type.
pub(super) fn is_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean => true,
        DataType::Dictionary(_, values) => is_word(values),
        DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => false,
        DataType::Interval(_) => false,
        other => other.is_primitive(),
    }
}

fn append_words(column: &dyn Array, words: &mut Vec<u64>) -> Result<()> {
    macro_rules! append {
        ($primitive:ty) => {{
            let values = column.as_primitive::<$primitive>().values();
            words.extend(values.iter().map(|value| value.word()));
        }};
    }
    macro_rules! append_float {
        ($primitive:ty) => {{
            let values = column.as_primitive::<$primitive>().values();
            words.extend(values.iter().map(|value| f64::from(*value).word()));
        }};
    }
    for_number!(column.data_type(), append, append_float, {
        match column.data_type() {
            DataType::Boolean => words.extend(column.as_boolean().values().iter().map(u64::from)),
            DataType::Dictionary(_, _) => append_words(plain(column)?.as_ref(), words)?,
            other => {
                let problem = format!("rows cannot be sorted by a column of type {other}");
                return Err(Error::invalid(FIELD, problem));
            }
        }
    });
    Ok(())
}

/// The values of a dictionary array, row by row.
pub(super) fn plain(dictionary: &dyn Array) -> Result<ArrayRef> {
    let dictionary = dictionary.as_any_dictionary();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None).map_err(failed)
}

/// `column` with `0.0` wherever it has `-0.0`.
fn with_one_zero(column: &ArrayRef) -> Result<ArrayRef> {
    fn replace<T: ArrowPrimitiveType>(column: &ArrayRef) -> ArrayRef {
        let floats = column.as_primitive::<T>();
        Arc::new(floats.unary::<_, T>(|value| {
            // Arrow compares floats in total order, where only 0.0 is zero.
            if value.neg_wrapping().is_zero() {
                T::Native::ZERO
            } else {
                value
            }
        }))
    }
    Ok(match column.data_type() {
        DataType::Float16 => replace::<Float16Type>(column),
        DataType::Float32 => replace::<Float32Type>(column),
        DataType::Float64 => replace::<Float64Type>(column),
        DataType::Dictionary(_, values) if values.is_floating() => {
            let dictionary = column.as_any_dictionary();
            dictionary.with_values(with_one_zero(dictionary.values())?)
        }
        _ => Arc::clone(column),
    })
}
