//! Types that values of two columns have in common, so that they can be compared, or stand in one column.
//!
//! Only what loses nothing is done: equal things in another encoding, integers and floats that get wider, times in a
//! finer unit. A time with a zone and one without have nothing in common, and neither have a number and a text.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use std::sync::Arc;

/// The type that holds the values of both, if there is one.
pub(super) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => common(values, other),
        (Timestamp(of_a, None), Timestamp(of_b, None)) => {
            Some(Timestamp(finer(*of_a, *of_b), None))
        }
        (Timestamp(of_a, Some(zone)), Timestamp(of_b, Some(other))) => {
            let zone = if zone == other {
                zone.clone()
            } else {
                "UTC".into()
            };
            Some(Timestamp(finer(*of_a, *of_b), Some(zone)))
        }
        (Duration(of_a), Duration(of_b)) => Some(Duration(finer(*of_a, *of_b))),
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        _ if is_text(a) && is_text(b) => Some(LargeUtf8),
        _ if is_bytes(a) && is_bytes(b) => Some(LargeBinary),
        _ => numbers(a, b),
    }
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    if per_second(a) > per_second(b) { a } else { b }
}

/// How many of a unit are in a second.
pub(super) fn per_second(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn is_text(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_bytes(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

/// Bits that a number takes, and whether it has a sign.
fn integer(of: &DataType) -> Option<(u8, bool)> {
    use DataType::*;
    Some(match of {
        Int8 => (8, true),
        Int16 => (16, true),
        Int32 => (32, true),
        Int64 => (64, true),
        UInt8 => (8, false),
        UInt16 => (16, false),
        UInt32 => (32, false),
        UInt64 => (64, false),
        _ => return None,
    })
}

/// Bits of integers that a floating-point number holds exactly.
fn exact_bits(of: &DataType) -> Option<u8> {
    match of {
        DataType::Float16 => Some(11),
        DataType::Float32 => Some(24),
        DataType::Float64 => Some(53),
        _ => None,
    }
}

fn numbers(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    match (integer(a), integer(b), exact_bits(a), exact_bits(b)) {
        (Some((bits_a, signed_a)), Some((bits_b, signed_b)), ..) => {
            if signed_a == signed_b {
                return Some(if bits_a > bits_b {
                    a.clone()
                } else {
                    b.clone()
                });
            }
            let unsigned = if signed_a { bits_b } else { bits_a };
            Some(match bits_a.max(bits_b).max(unsigned.saturating_mul(2)) {
                ..=16 => Int16,
                17..=32 => Int32,
                33..=64 => Int64,
                _ => Decimal128(20, 0),
            })
        }
        (.., Some(of_a), Some(of_b)) => Some(if of_a > of_b { a.clone() } else { b.clone() }),
        (Some((bits, _)), _, _, Some(of_float)) => float_for(bits, of_float),
        (_, Some((bits, _)), Some(of_float), _) => float_for(bits, of_float),
        _ => None,
    }
}

/// A floating-point type that holds integers of so many bits, and what one of `exact` bits does.
fn float_for(bits: u8, exact: u8) -> Option<DataType> {
    match bits.max(exact) {
        ..=11 => Some(DataType::Float16),
        12..=24 => Some(DataType::Float32),
        25..=53 => Some(DataType::Float64),
        _ => None,
    }
}

/// The type of a column's values in a form that compares: without a dictionary.
pub(super) fn plain(of: &DataType) -> &DataType {
    match of {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether values of the type have an order that keys can be compared by.
pub(super) fn is_orderable(of: &DataType) -> bool {
    use DataType::*;
    match of {
        Dictionary(_, values) => is_orderable(values),
        Null | Boolean | Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Duration(_) => {
            true
        }
        FixedSizeBinary(_) => true,
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => true,
        _ => is_text(of) || is_bytes(of) || integer(of).is_some() || exact_bits(of).is_some(),
    }
}

/// The values in another type; what does not fit is an error.
pub(super) fn convert(values: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, to, &options)
}

/// Values as keys: of one type, with one zero, and null for NaN as pandas has it, so that what is equal has equal bytes.
pub(super) fn as_key(values: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let values = convert(values, to)?;
    Ok(match to {
        DataType::Float16 => canonical::<Float16Type>(&values, |x| x.is_nan()),
        DataType::Float32 => canonical::<Float32Type>(&values, f32::is_nan),
        DataType::Float64 => canonical::<Float64Type>(&values, f64::is_nan),
        _ => values,
    })
}

fn canonical<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    is_nan: impl Fn(T::Native) -> bool,
) -> ArrayRef {
    let values: &PrimitiveArray<T> = values.as_primitive();
    let zero = T::Native::ZERO;
    let one_zero = |x: T::Native| {
        if x.is_eq(zero) || x.is_eq(zero.neg_wrapping()) {
            zero
        } else {
            x
        }
    };
    Arc::new(values.unary_opt::<_, T>(|x| (!is_nan(x)).then(|| one_zero(x))))
}

/// A column of another type, and perhaps with nulls, that is the same in everything else.
pub(super) fn retyped(field: &Field, to: &DataType, nullable: bool) -> Field {
    let mut field = field.clone();
    if field.data_type() != to {
        field = field.with_data_type(to.clone());
    }
    if nullable {
        field = field.with_nullable(true);
    }
    field
}

#[cfg(test)]
mod tests {
    use arrow_array::Float64Array;

    use super::*;

    #[test]
    fn only_what_loses_nothing_is_common() {
        use DataType::*;
        let ns = || Timestamp(TimeUnit::Nanosecond, None);
        let zoned = |zone: &str| Timestamp(TimeUnit::Second, Some(zone.into()));
        for (a, b, both) in [
            (Int8, Int64, Some(Int64)),
            (UInt8, Int8, Some(Int16)),
            (UInt32, Int8, Some(Int64)),
            (UInt64, Int8, Some(Decimal128(20, 0))),
            (Int32, Float32, Some(Float64)),
            (Int64, Float64, None),
            (Float16, Float64, Some(Float64)),
            (Utf8, Utf8View, Some(LargeUtf8)),
            (Utf8, Int64, None),
            (Null, Int64, Some(Int64)),
            (Dictionary(Box::new(Int8), Box::new(Utf8)), Utf8, Some(Utf8)),
            (Timestamp(TimeUnit::Second, None), ns(), Some(ns())),
            (ns(), zoned("UTC"), None),
            (
                zoned("Europe/Berlin"),
                zoned("Asia/Tokyo"),
                Some(zoned("UTC")),
            ),
            (Date32, ns(), None),
        ] {
            assert_eq!(common(&a, &b), both, "{a} {b}");
            assert_eq!(common(&b, &a), both, "{b} {a}");
        }
    }

    #[test]
    fn keys_have_one_zero_and_null_for_nan() {
        let odd = f64::from_bits(0xfff8_0000_0000_0001);
        let values: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, odd, 1.5]));
        let keys = as_key(&values, &DataType::Float64).unwrap();
        let keys: &Float64Array = keys.as_primitive();
        let bits: Vec<Option<u64>> = keys.iter().map(|key| key.map(f64::to_bits)).collect();
        assert_eq!(bits, [Some(0), None, Some(1.5_f64.to_bits())]);
    }
}
