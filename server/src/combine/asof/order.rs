//! The values of the column `on`, and distances between them.
//!
//! Integers and times become 128-bit integers, in which no distance overflows; floating-point numbers become `f64`.

use std::ops::Sub;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{ArrowError, DataType};
use datafusion::common::plan_err;
use datafusion::error::Result;
use shoots_proto::IndexValue;
use shoots_store::type_name;

use super::duration;
use crate::combine::types::{convert, per_second};

/// How values of a type are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum OnType {
    /// Counts of something; of so many in a second, if it is time.
    Integer {
        per_second: Option<i128>,
    },
    Float,
}

/// A distance between two values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Distance {
    Integer(i128),
    Float(f64),
}

/// A value of `on`.
pub(super) trait Value:
    Copy + PartialOrd + Sub<Output = Self> + Send + Sync + 'static
{
    fn read(column: &ArrayRef) -> Result<Vec<Self>, ArrowError>;
    fn distance(distance: Distance) -> Self;
}

impl Value for i128 {
    fn read(column: &ArrayRef) -> Result<Vec<Self>, ArrowError> {
        Ok(match column.data_type() {
            DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().values().to_vec(),
            DataType::UInt64 => {
                let values = column.as_primitive::<UInt64Type>().values();
                values.iter().map(|value| Self::from(*value)).collect()
            }
            DataType::Date32 => Self::read(&convert(column, &DataType::Int32)?)?,
            _ => {
                let values = convert(column, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>().values();
                values.iter().map(|value| Self::from(*value)).collect()
            }
        })
    }

    fn distance(distance: Distance) -> Self {
        match distance {
            Distance::Integer(distance) => distance,
            // A cast of floats saturates.
            Distance::Float(distance) => distance as Self,
        }
    }
}

impl Value for f64 {
    fn read(column: &ArrayRef) -> Result<Vec<Self>, ArrowError> {
        let values = convert(column, &DataType::Float64)?;
        Ok(values.as_primitive::<Float64Type>().values().to_vec())
    }

    fn distance(distance: Distance) -> Self {
        match distance {
            Distance::Integer(distance) => distance as Self,
            Distance::Float(distance) => distance,
        }
    }
}

const DAY_MILLISECONDS: i128 = 86_400_000;

impl OnType {
    /// How a type is compared; `None` if values of it have no distance from each other.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        use DataType::*;
        let integer = |per_second| Some(Self::Integer { per_second });
        match data_type {
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => integer(None),
            Decimal128(_, 0) => integer(None),
            Timestamp(unit, _) | Duration(unit) | Time32(unit) | Time64(unit) => {
                integer(Some(per_second(*unit)))
            }
            // In days; text for such a tolerance is read in milliseconds.
            Date32 => integer(Some(0)),
            Date64 => integer(Some(1_000)),
            Float16 | Float32 | Float64 => Some(Self::Float),
            _ => None,
        }
    }

    /// Reads a tolerance: for times a text such as `5min`, for dates also a number of days, otherwise a number in the unit
    /// of the left column.
    pub(super) fn distance(self, value: &IndexValue, left: &DataType) -> Result<Distance> {
        let named = type_name(left);
        let distance = match (self, value) {
            (
                Self::Integer {
                    per_second: Some(rate),
                },
                IndexValue::Text(text),
            ) => {
                let Some(nanoseconds) = duration::nanoseconds(text) else {
                    return plan_err!(
                        "tolerance: '{text}' is no duration; give one such as '5min', '2s', '1h30min' or '250ms'"
                    );
                };
                Distance::Integer(match rate {
                    0 => nanoseconds.div_euclid(DAY_MILLISECONDS * 1_000_000),
                    rate => (nanoseconds * rate).div_euclid(1_000_000_000),
                })
            }
            // A number says no unit, and 120 is not meant as microseconds. Dates are counted in days, and durations are
            // numbers themselves.
            (
                Self::Integer {
                    per_second: Some(_),
                },
                IndexValue::Number(number),
            ) if !matches!(left, DataType::Duration(_) | DataType::Date32) => {
                return plan_err!(
                    "tolerance: {number} says no unit, and the column is of type {named}; give a text such as '5min', '2s' or '250ms'"
                );
            }
            (Self::Integer { per_second }, IndexValue::Number(number)) => {
                let Some(number) = number.as_i128() else {
                    return plan_err!(
                        "tolerance: must be an integer for columns of type {named} (got {number})"
                    );
                };
                // The columns are compared in the finer of their units.
                let of_left = match Self::of(left) {
                    Some(Self::Integer {
                        per_second: Some(rate @ 1..),
                    }) => rate,
                    _ => 1,
                };
                let factor = per_second.map_or(1, |rate| (rate / of_left).max(1));
                Distance::Integer(number.saturating_mul(factor))
            }
            (Self::Float, IndexValue::Number(number)) => match number.as_f64() {
                Some(number) => Distance::Float(number),
                None => return plan_err!("tolerance: {number} is no floating-point number"),
            },
            (
                Self::Integer {
                    per_second: Some(_),
                },
                other,
            ) => {
                return plan_err!(
                    "tolerance: must be a text such as '5min' for columns of type {named} (got {other})"
                );
            }
            (_, other) => {
                return plan_err!(
                    "tolerance: must be a number for columns of type {named} (got {other})"
                );
            }
        };
        let negative = match distance {
            Distance::Integer(distance) => distance < 0,
            Distance::Float(distance) => distance < 0.0,
        };
        if negative {
            return plan_err!("tolerance: must not be negative (got {value})");
        }
        Ok(distance)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn distance(compared: &DataType, value: &str, left: &DataType) -> Result<Distance> {
        let value = serde_json::from_str(value).unwrap();
        OnType::of(compared).unwrap().distance(&value, left)
    }

    #[test]
    fn tolerances_are_read_in_the_unit_of_the_column_or_as_durations() {
        let (s, ns) = (
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::Timestamp(TimeUnit::Nanosecond, None),
        );
        let (elapsed_s, elapsed_ns) = (
            DataType::Duration(TimeUnit::Second),
            DataType::Duration(TimeUnit::Nanosecond),
        );
        for (compared, value, left, expected) in [
            (&ns, "\"2s\"", &ns, 2_000_000_000),
            (&s, "\"1500ms\"", &s, 1),
            (&elapsed_ns, "3", &elapsed_ns, 3),
            (&elapsed_ns, "3", &elapsed_s, 3_000_000_000),
            (&DataType::Date32, "\"2D\"", &DataType::Date32, 2),
            (&DataType::Date32, "2", &DataType::Date32, 2),
            (&DataType::Int64, "7", &DataType::Int8, 7),
        ] {
            let read = distance(compared, value, left).unwrap();
            assert_eq!(read, Distance::Integer(expected), "{value}");
        }
        let float = distance(&DataType::Float64, "0.5", &DataType::Float64).unwrap();
        assert_eq!(float, Distance::Float(0.5));
    }

    #[test]
    fn tolerances_that_mean_nothing_are_refused() {
        let ns = DataType::Timestamp(TimeUnit::Nanosecond, None);
        for (compared, value, words) in [
            (&ns, "\"soon\"", "soon"),
            (&ns, "\"-1s\"", "negative"),
            (&ns, "120", "says no unit"),
            (&DataType::Int64, "-1", "negative"),
            (&ns, "true", "5min"),
            (&DataType::Int64, "1.5", "integer"),
            (&DataType::Int64, "\"5min\"", "must be a number"),
        ] {
            let refused = distance(compared, value, compared).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
