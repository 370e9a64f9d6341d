//! A value of a key as an Arrow array of its column's type.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float64Array,
    Int32Array, Int64Array, StringArray, UInt64Array,
};
use arrow_buffer::i256;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType};

use super::value::KeyValue;
use crate::schema::type_name::name as type_name;

impl KeyValue {
    /// An array of this value alone, of the type of its column; `None` if it only bounds the value it stands for.
    ///
    /// # Errors
    /// If values of that type do not look like this.
    pub(crate) fn to_array(&self, data_type: &DataType) -> Result<Option<ArrayRef>, ArrowError> {
        if self.is_inexact() {
            return Ok(None);
        }
        let plain: ArrayRef = match self {
            Self::Text { value, .. } => Arc::new(StringArray::from(vec![value.as_str()])),
            Self::Bytes { value, .. } => Arc::new(BinaryArray::from(vec![value.as_slice()])),
            Self::Float(value) => Arc::new(Float64Array::from(vec![*value])),
            Self::Int(value) => {
                let of = match data_type {
                    DataType::Dictionary(_, values) => values,
                    other => other,
                };
                integer(*value, of)?
            }
        };
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(&plain, data_type, &strict).map(Some)
    }
}

/// The number in a type that is cast to the column's without another meaning.
fn integer(value: i256, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let misfit = || {
        ArrowError::CastError(format!(
            "{value} is no value of type {}",
            type_name(data_type)
        ))
    };
    let wide = value.to_i128();
    let long = wide.and_then(|value| i64::try_from(value).ok());
    Ok(match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![value != i256::ZERO])),
        DataType::UInt64 => {
            let value = wide.and_then(|value| u64::try_from(value).ok());
            Arc::new(UInt64Array::from(vec![value.ok_or_else(misfit)?]))
        }
        DataType::Date32 | DataType::Time32(_) => {
            let value = long.and_then(|value| i32::try_from(value).ok());
            Arc::new(Int32Array::from(vec![value.ok_or_else(misfit)?]))
        }
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale) => {
            let digits = Decimal128Array::from(vec![wide.ok_or_else(misfit)?]);
            Arc::new(digits.with_precision_and_scale(38, *scale)?)
        }
        DataType::Decimal256(_, scale) => {
            let digits = Decimal256Array::from(vec![value]);
            Arc::new(digits.with_precision_and_scale(76, *scale)?)
        }
        _ => Arc::new(Int64Array::from(vec![long.ok_or_else(misfit)?])),
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{TimestampNanosecondType, UInt64Type};
    use arrow_schema::TimeUnit;
    use proptest::prelude::*;

    use super::super::samples::any_batches;
    use super::*;

    #[test]
    fn what_only_bounds_a_value_is_none() {
        let cut = KeyValue::text("x".repeat(900)).lower_bound();
        assert!(cut.to_array(&DataType::Utf8).unwrap().is_none());
    }

    #[test]
    fn numbers_keep_their_meaning() {
        let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
        let time = KeyValue::int(-17).to_array(&zoned).unwrap().unwrap();
        assert_eq!(time.data_type(), &zoned);
        let value = time.as_primitive::<TimestampNanosecondType>().value(0);
        assert_eq!(value, -17);
        let large = KeyValue::int(u64::MAX);
        let large = large.to_array(&DataType::UInt64).unwrap().unwrap();
        assert_eq!(large.as_primitive::<UInt64Type>().value(0), u64::MAX);
        assert!(KeyValue::int(300).to_array(&DataType::Int8).is_err());
    }

    proptest! {
        #[test]
        fn the_array_holds_the_value((index, batches) in any_batches(1..3, 1..5)) {
            for batch in &batches {
                for row in 0..batch.num_rows() {
                    let key = index.key_of(batch, row).unwrap();
                    for (value, column) in key.iter().zip(index.columns()) {
                        let of = batch.column(*column).data_type();
                        let array = value.to_array(of).unwrap().unwrap();
                        prop_assert_eq!(array.data_type(), of);
                        prop_assert_eq!(&KeyValue::of(array.as_ref(), 0).unwrap(), value);
                    }
                }
            }
        }
    }
}
