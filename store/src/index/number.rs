//! Numbers of index columns as one order that needs no types.
//!
//! Everything that Arrow stores in at most 64 bits becomes a [word](Number::word): unsigned words of two values of a
//! column compare as the values do. So sorting, merging and looking up keys of a single such column compare plain
//! integers. Both zeros of a float have one word.

/// A native value of at most 64 bits.
pub(super) trait Number: Copy {
    /// Ordered like the values.
    fn word(self) -> u64;
}

macro_rules! signed {
    ($($native:ty)*) => {
        $(impl Number for $native {
            fn word(self) -> u64 {
                i64::from(self).cast_unsigned() ^ (1 << 63)
            }
        })*
    };
}

macro_rules! unsigned {
    ($($native:ty)*) => {
        $(impl Number for $native {
            fn word(self) -> u64 {
                u64::from(self)
            }
        })*
    };
}

signed!(i8 i16 i32 i64);
unsigned!(u8 u16 u32 u64);

impl Number for f64 {
    fn word(self) -> u64 {
        let bits = one_zero(self).to_bits();
        if bits >> 63 == 1 {
            !bits
        } else {
            bits | 1 << 63
        }
    }
}

/// `number`, with `0.0` for `-0.0`.
pub(super) fn one_zero(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number }
}

/// Expands to `$do!(<Arrow type>)` for an orderable primitive type of at most 64 bits that holds integers or floats,
/// else to `$other`.
macro_rules! for_number {
    ($data_type:expr, $integer:ident, $float:ident, $other:expr) => {{
        use arrow_array::types;
        use arrow_schema::TimeUnit;
        match $data_type {
            DataType::Int8 => $integer!(types::Int8Type),
            DataType::Int16 => $integer!(types::Int16Type),
            DataType::Int32 => $integer!(types::Int32Type),
            DataType::Int64 => $integer!(types::Int64Type),
            DataType::UInt8 => $integer!(types::UInt8Type),
            DataType::UInt16 => $integer!(types::UInt16Type),
            DataType::UInt32 => $integer!(types::UInt32Type),
            DataType::UInt64 => $integer!(types::UInt64Type),
            DataType::Float16 => $float!(types::Float16Type),
            DataType::Float32 => $float!(types::Float32Type),
            DataType::Float64 => $float!(types::Float64Type),
            DataType::Date32 => $integer!(types::Date32Type),
            DataType::Date64 => $integer!(types::Date64Type),
            DataType::Time32(TimeUnit::Second) => $integer!(types::Time32SecondType),
            DataType::Time32(TimeUnit::Millisecond) => $integer!(types::Time32MillisecondType),
            DataType::Time64(TimeUnit::Microsecond) => $integer!(types::Time64MicrosecondType),
            DataType::Time64(TimeUnit::Nanosecond) => $integer!(types::Time64NanosecondType),
            DataType::Timestamp(TimeUnit::Second, _) => $integer!(types::TimestampSecondType),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                $integer!(types::TimestampMillisecondType)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                $integer!(types::TimestampMicrosecondType)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                $integer!(types::TimestampNanosecondType)
            }
            DataType::Duration(TimeUnit::Second) => $integer!(types::DurationSecondType),
            DataType::Duration(TimeUnit::Millisecond) => $integer!(types::DurationMillisecondType),
            DataType::Duration(TimeUnit::Microsecond) => $integer!(types::DurationMicrosecondType),
            DataType::Duration(TimeUnit::Nanosecond) => $integer!(types::DurationNanosecondType),
            DataType::Decimal32(_, _) => $integer!(types::Decimal32Type),
            DataType::Decimal64(_, _) => $integer!(types::Decimal64Type),
            _ => $other,
        }
    }};
}
pub(super) use for_number;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Number;

    #[test]
    fn both_zeros_have_one_word() {
        assert_eq!((-0.0_f64).word(), 0.0_f64.word());
    }

    proptest! {
        #[test]
        fn words_of_integers_are_ordered_like_them(a: i64, b: i64, c: u64, d: u64, e: i8, f: i8) {
            prop_assert_eq!(a.word().cmp(&b.word()), a.cmp(&b));
            prop_assert_eq!(c.word().cmp(&d.word()), c.cmp(&d));
            prop_assert_eq!(e.word().cmp(&f.word()), e.cmp(&f));
        }

        #[test]
        fn words_of_floats_are_ordered_like_them(a: f64, b: f64) {
            prop_assert_eq!(Some(a.word().cmp(&b.word())), a.partial_cmp(&b));
        }
    }
}
