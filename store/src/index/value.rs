//! One value of an index column, as the log records it: ordered like the column, whatever the column's type.
//!
//! Integers, booleans, dates, times, timestamps, durations and decimals are integers in the column's own unit, floats
//! are 64 bits wide, and the rest is text or bytes. In JSON:
//!
//! | value | JSON |
//! |---|---|
//! | integer | `{"i":17}`, beyond 64 bits `{"i":"170141183460469231731"}` |
//! | float | `{"f":"0.1"}`, as text because JSON has no infinity |
//! | text | `{"t":"abc"}` |
//! | bytes | `{"b":"00ff"}` |
//!
//! A bound of long text or bytes is cut, and is then a little below or above the value it stands for:
//! `{"inexact_t":"ab"}`, `{"inexact_b":"00"}`.

use std::cmp::Ordering;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type};
use arrow_buffer::i256;
use arrow_schema::DataType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::FIELD;
use super::number::{for_number, one_zero};
use crate::error::{Error, Result};

/// Text and bytes in bounds are no longer than this, if they can be cut.
const BOUND_BYTES: usize = 64;

/// One value of an index column. Values of one column compare like the column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeyValue {
    /// Of every type that counts something.
    Int(i256),
    /// Never NaN, never `-0.0`.
    Float(f64),
    /// `inexact` if it is only near the value it stands for.
    Text { value: String, inexact: bool },
    /// `inexact` if it is only near the value it stands for.
    Bytes { value: Vec<u8>, inexact: bool },
}

impl KeyValue {
    /// The value of `array` at `row`, exactly.
    pub(crate) fn of(array: &dyn Array, row: usize) -> Result<Self> {
        if row >= array.len() || array.is_null(row) {
            let problem = format!("a key has no value in row {row} of {}", array.len());
            return Err(Error::invalid(FIELD, problem));
        }
        macro_rules! integer {
            ($primitive:ty) => {
                Self::int(array.as_primitive::<$primitive>().value(row))
            };
        }
        macro_rules! float {
            ($primitive:ty) => {
                Self::float(array.as_primitive::<$primitive>().value(row).into())
            };
        }
        Ok(for_number!(array.data_type(), integer, float, {
            match array.data_type() {
                DataType::Boolean => Self::int(array.as_boolean().value(row)),
                DataType::Decimal128(_, _) => {
                    Self::int(array.as_primitive::<Decimal128Type>().value(row))
                }
                DataType::Decimal256(_, _) => {
                    Self::Int(array.as_primitive::<Decimal256Type>().value(row))
                }
                DataType::Utf8 => Self::text(array.as_string::<i32>().value(row)),
                DataType::LargeUtf8 => Self::text(array.as_string::<i64>().value(row)),
                DataType::Utf8View => Self::text(array.as_string_view().value(row)),
                DataType::Binary => Self::bytes(array.as_binary::<i32>().value(row)),
                DataType::LargeBinary => Self::bytes(array.as_binary::<i64>().value(row)),
                DataType::BinaryView => Self::bytes(array.as_binary_view().value(row)),
                DataType::FixedSizeBinary(_) => {
                    Self::bytes(array.as_fixed_size_binary().value(row))
                }
                DataType::Dictionary(_, _) => {
                    let dictionary = array.as_any_dictionary();
                    let code = dictionary.keys().slice(row, 1);
                    let value = arrow_select::take::take(dictionary.values(), &code, None)
                        .map_err(super::failed)?;
                    return Self::of(value.as_ref(), 0);
                }
                other => {
                    let problem = format!("values of type {other} cannot be keys");
                    return Err(Error::invalid(FIELD, problem));
                }
            }
        }))
    }

    pub(crate) fn int(value: impl Into<i128>) -> Self {
        Self::Int(i256::from_i128(value.into()))
    }

    /// `value` must not be NaN.
    pub(crate) fn float(value: f64) -> Self {
        Self::Float(one_zero(value))
    }

    pub(crate) fn text(value: impl Into<String>) -> Self {
        Self::Text {
            value: value.into(),
            inexact: false,
        }
    }

    pub(crate) fn bytes(value: impl Into<Vec<u8>>) -> Self {
        Self::Bytes {
            value: value.into(),
            inexact: false,
        }
    }

    /// How two values of a column compare. Values of different kinds, which no column mixes, have some order too.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.total_cmp(other),
            (Self::Text { value: one, .. }, Self::Text { value: other, .. }) => one.cmp(other),
            (Self::Bytes { value: one, .. }, Self::Bytes { value: other, .. }) => one.cmp(other),
            _ => self.kind().cmp(&other.kind()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Int(_) => 0,
            Self::Float(_) => 1,
            Self::Text { .. } => 2,
            Self::Bytes { .. } => 3,
        }
    }

    /// Whether this only bounds the value it stands for.
    pub(crate) fn is_inexact(&self) -> bool {
        match self {
            Self::Int(_) | Self::Float(_) => false,
            Self::Text { inexact, .. } | Self::Bytes { inexact, .. } => *inexact,
        }
    }

    /// A short value that is not above this one; below it if it is inexact.
    pub(crate) fn lower_bound(self) -> Self {
        match self {
            Self::Text { mut value, .. } if value.len() > BOUND_BYTES => {
                value.truncate(value.floor_char_boundary(BOUND_BYTES));
                let inexact = true;
                Self::Text { value, inexact }
            }
            Self::Bytes { mut value, .. } if value.len() > BOUND_BYTES => {
                value.truncate(BOUND_BYTES);
                let inexact = true;
                Self::Bytes { value, inexact }
            }
            short => short,
        }
    }

    /// A value that is not below this one; above it if it is inexact. It is short unless there is nothing short above.
    pub(crate) fn upper_bound(self) -> Self {
        let inexact = true;
        match &self {
            Self::Text { value, .. } if value.len() > BOUND_BYTES => text_above(value),
            Self::Bytes { value, .. } if value.len() > BOUND_BYTES => {
                bytes_above(value).map(|value| Self::Bytes { value, inexact })
            }
            _ => None,
        }
        .unwrap_or(self)
    }
}

/// The least short text above all that begin like `text`.
fn text_above(text: &str) -> Option<KeyValue> {
    let mut value = text[..text.floor_char_boundary(BOUND_BYTES)].to_owned();
    while let Some(last) = value.pop() {
        // The range steps over surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            value.push(next);
            let inexact = true;
            return Some(KeyValue::Text { value, inexact });
        }
    }
    None
}

/// The least short bytes above all that begin like `bytes`.
fn bytes_above(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut value = bytes[..BOUND_BYTES.min(bytes.len())].to_vec();
    while let Some(last) = value.pop() {
        if let Some(next) = last.checked_add(1) {
            value.push(next);
            return Some(value);
        }
    }
    None
}

/// How two keys compare, or leading parts of keys.
pub(crate) fn compare_keys(one: &[KeyValue], other: &[KeyValue]) -> Ordering {
    let pairs = one.iter().zip(other);
    pairs
        .map(|(one, other)| one.compare(other))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| one.len().cmp(&other.len()))
}

/// A value as it stands in the log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    #[serde(rename = "i")]
    Int(IntRecord),
    #[serde(rename = "f")]
    Float(String),
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "inexact_t")]
    InexactText(String),
    #[serde(rename = "b")]
    Bytes(String),
    #[serde(rename = "inexact_b")]
    InexactBytes(String),
}

/// JSON readers agree on integers of 64 bits only.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum IntRecord {
    Number(i64),
    Text(String),
}

impl Serialize for KeyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = match self {
            Self::Int(value) => Record::Int(match value.to_i128().map(i64::try_from) {
                Some(Ok(value)) => IntRecord::Number(value),
                _ => IntRecord::Text(value.to_string()),
            }),
            // The shortest text that is read back as the same number.
            Self::Float(value) => Record::Float(format!("{value:?}")),
            Self::Text { value, inexact } => {
                let record = if *inexact {
                    Record::InexactText
                } else {
                    Record::Text
                };
                record(value.clone())
            }
            Self::Bytes { value, inexact } => {
                let record = if *inexact {
                    Record::InexactBytes
                } else {
                    Record::Bytes
                };
                record(hex(value))
            }
        };
        record.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let problem = |what: &str, text: &str| de::Error::custom(format!("{text:?} is not {what}"));
        let bytes = |text: String, inexact| {
            let value = unhex(&text).ok_or_else(|| problem("bytes in hex", &text))?;
            Ok(Self::Bytes { value, inexact })
        };
        match Record::deserialize(deserializer)? {
            Record::Int(IntRecord::Number(value)) => Ok(Self::int(value)),
            Record::Int(IntRecord::Text(text)) => text
                .parse()
                .map(Self::Int)
                .map_err(|_| problem("an integer", &text)),
            Record::Float(text) => match text.parse::<f64>() {
                Ok(value) if !value.is_nan() => Ok(Self::float(value)),
                _ => Err(problem("a number", &text)),
            },
            Record::Text(value) => Ok(Self::text(value)),
            Record::InexactText(value) => Ok(Self::Text {
                value,
                inexact: true,
            }),
            Record::Bytes(text) => bytes(text, false),
            Record::InexactBytes(text) => bytes(text, true),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray};
    use proptest::prelude::*;

    use super::super::samples::{any_column, single};
    use super::*;

    fn json(value: &KeyValue) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn the_json_of_each_kind_is_compact() {
        let long = "x".repeat(100);
        for (value, expected) in [
            (KeyValue::int(-17), r#"{"i":-17}"#.to_owned()),
            (
                KeyValue::int(1_i128 << 64),
                r#"{"i":"18446744073709551616"}"#.to_owned(),
            ),
            (KeyValue::float(0.1), r#"{"f":"0.1"}"#.to_owned()),
            (
                KeyValue::float(f64::NEG_INFINITY),
                r#"{"f":"-inf"}"#.to_owned(),
            ),
            (KeyValue::text("é"), r#"{"t":"é"}"#.to_owned()),
            (KeyValue::bytes([0, 255]), r#"{"b":"00ff"}"#.to_owned()),
            (
                KeyValue::text(long.clone()).lower_bound(),
                format!(r#"{{"inexact_t":"{}"}}"#, &long[..64]),
            ),
            (
                KeyValue::bytes([255; 65]).lower_bound(),
                format!(r#"{{"inexact_b":"{}"}}"#, "ff".repeat(64)),
            ),
        ] {
            assert_eq!(json(&value), expected);
            assert_eq!(serde_json::from_str::<KeyValue>(&expected).unwrap(), value);
        }
    }

    #[test]
    fn json_that_is_no_value_is_refused() {
        for text in [
            "{}",
            r#"{"i":1.5}"#,
            r#"{"i":"x"}"#,
            r#"{"f":"NaN"}"#,
            r#"{"b":"0"}"#,
            r#"{"b":"0g"}"#,
            r#"{"i":1,"f":"1"}"#,
            r#"{"z":1}"#,
        ] {
            assert!(serde_json::from_str::<KeyValue>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn negative_zero_is_zero() {
        let array = Float64Array::from(vec![-0.0, 0.0]);
        let [one, other] = [0, 1].map(|row| KeyValue::of(&array, row).unwrap());
        assert_eq!(json(&one), json(&other));
        assert_eq!(one.compare(&other), Ordering::Equal);
    }

    #[test]
    fn a_null_has_no_value() {
        let array = StringArray::from(vec![None, Some("a")]);
        assert!(KeyValue::of(&array, 0).is_err());
        assert!(KeyValue::of(&array, 2).is_err());
    }

    #[test]
    fn what_has_nothing_short_above_it_stays_whole() {
        for value in [
            KeyValue::bytes([255; 65]),
            KeyValue::text(char::MAX.to_string().repeat(17)),
        ] {
            let bound = value.clone().upper_bound();
            assert_eq!(bound, value);
            assert!(!bound.is_inexact());
        }
    }

    #[test]
    fn the_character_before_the_surrogates_is_followed_by_the_one_behind_them() {
        let bound = KeyValue::text("\u{d7ff}".repeat(30)).upper_bound();
        let KeyValue::Text { value, inexact } = bound else {
            panic!("{bound:?}");
        };
        assert!(inexact && value.ends_with("\u{d7ff}\u{e000}"));
    }

    proptest! {
        #[test]
        fn bounds_enclose_text_and_bytes(text in "\\PC{0,80}", bytes: Vec<u8>, tail in 0_usize..80) {
            let bytes = [bytes, vec![255; tail]].concat();
            for value in [KeyValue::text(text), KeyValue::bytes(bytes)] {
                for (bound, outer) in [
                    (value.clone().lower_bound(), Ordering::Less),
                    (value.clone().upper_bound(), Ordering::Greater),
                ] {
                    let expected = if bound.is_inexact() { outer } else { Ordering::Equal };
                    prop_assert_eq!(bound.compare(&value), expected);
                    prop_assert_eq!(serde_json::from_str::<KeyValue>(&json(&bound)).unwrap(), bound);
                }
            }
        }

        #[test]
        fn values_are_ordered_like_keys_and_survive_json(column in any_column(1..20)) {
            let (index, batch) = single(&column);
            let keys = index.keys(&[batch]).unwrap();
            let values: Vec<KeyValue> = (0..column.len())
                .map(|row| KeyValue::of(column.as_ref(), row).unwrap())
                .collect();
            for (row, value) in values.iter().enumerate() {
                prop_assert_eq!(&serde_json::from_str::<KeyValue>(&json(value)).unwrap(), value);
                for (other_row, other) in values.iter().enumerate() {
                    prop_assert_eq!(value.compare(other), keys.compare(row, &keys, other_row));
                }
            }
        }
    }
}
