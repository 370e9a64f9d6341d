//! Ranges of an index: the values at their ends, and which ends belong to them.
//!
//! A range is on the first column of a frame's index, from `start` to `stop`; an end that is not
//! given is open. What a value means is decided where the column's type is known.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use crate::excerpt::excerpt;
use crate::field;
use crate::mode::UnknownMode;
use crate::time::format_time;

/// A value of an index column, as a JSON string, number or boolean.
///
/// Integers of 64 bits are exact, signed or not. What JSON's numbers cannot hold is written as
/// text: times in RFC 3339, decimals, integers beyond 64 bits.
///
/// ```
/// use shoots_proto::IndexValue;
///
/// let read = |json| serde_json::from_str::<IndexValue>(json);
/// assert_eq!(read("18446744073709551615")?, IndexValue::from(u64::MAX));
/// assert_eq!(read(r#""2024-01-31""#)?, IndexValue::from("2024-01-31"));
/// assert_eq!(read("true")?, IndexValue::from(true));
/// assert!(read("null").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexValue {
    /// A text, or whatever the column's type reads from one.
    Text(String),
    /// An integer of 64 bits or a finite floating-point number.
    Number(Number),
    /// A truth value.
    Bool(bool),
}

impl IndexValue {
    /// A floating-point number; `None` if it is not finite, which no place in an order is.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        Number::from_f64(value).map(Self::Number)
    }
}

impl From<&str> for IndexValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for IndexValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for IndexValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for IndexValue {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for IndexValue {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for IndexValue {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<DateTime<Utc>> for IndexValue {
    /// The time as text; nanoseconds survive.
    fn from(time: DateTime<Utc>) -> Self {
        Self::Text(format_time(&time))
    }
}

impl From<IndexValue> for Value {
    fn from(value: IndexValue) -> Self {
        match value {
            IndexValue::Text(text) => Self::String(text),
            IndexValue::Number(number) => Self::Number(number),
            IndexValue::Bool(value) => Self::Bool(value),
        }
    }
}

impl fmt::Display for IndexValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "`{}`", excerpt(text, 60)),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Bool(value) => write!(formatter, "{value}"),
        }
    }
}

impl Serialize for IndexValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => number.serialize(serializer),
            Self::Bool(value) => serializer.serialize_bool(*value),
        }
    }
}

impl<'de> Deserialize<'de> for IndexValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue(
            "a value of the index (a string, a number or a boolean)",
        ))
    }
}

/// Reads a value; in it stands what it is to be.
pub(crate) struct AnyValue(pub(crate) &'static str);

impl Visitor<'_> for AnyValue {
    type Value = IndexValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<IndexValue, E> {
        Ok(text.into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<IndexValue, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<IndexValue, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<IndexValue, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<IndexValue, E> {
        IndexValue::from_f64(value).ok_or_else(|| E::custom("must be a finite number"))
    }
}

/// Which ends of a range belong to it.
///
/// ```
/// use shoots_proto::Closed;
///
/// assert_eq!(Closed::default(), Closed::Left);
/// assert_eq!("both".parse(), Ok(Closed::Both));
/// assert!(Closed::Left.includes_start() && !Closed::Left.includes_stop());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Closed {
    /// `start`, so that ranges that follow each other share no row.
    #[default]
    Left,
    /// `stop`.
    Right,
    /// `start` and `stop`.
    Both,
    /// Only what lies between.
    Neither,
}

impl Closed {
    /// The word as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Both => "both",
            Self::Neither => "neither",
        }
    }

    /// Whether rows at `start` belong to the range.
    #[must_use]
    pub fn includes_start(self) -> bool {
        matches!(self, Self::Left | Self::Both)
    }

    /// Whether rows at `stop` belong to the range.
    #[must_use]
    pub fn includes_stop(self) -> bool {
        matches!(self, Self::Right | Self::Both)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Closed {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            "both" => Ok(Self::Both),
            "neither" => Ok(Self::Neither),
            _ => Err(UnknownMode::new(
                "`left`, `right`, `both` or `neither`",
                text,
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Closed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "which ends belong to the range (a string)")
    }
}

#[cfg(test)]
mod tests {
    use super::IndexValue;

    #[test]
    fn every_value_is_written_as_it_was_read() {
        for json in [
            "0",
            "-9223372036854775808",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "1.5",
            "-0.25",
            "true",
            "false",
            r#""""#,
            r#""2024-01-31T09:30:00.123456789Z""#,
        ] {
            let value: IndexValue = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
    }

    #[test]
    fn what_has_no_place_in_an_order_is_no_value() {
        for json in ["null", "[1]", r#"{"a":1}"#] {
            let error = serde_json::from_str::<IndexValue>(json).unwrap_err();
            assert!(error.to_string().contains("a value of the index"), "{json}");
        }
        assert_eq!(IndexValue::from_f64(f64::NAN), None);
        assert_eq!(IndexValue::from_f64(f64::INFINITY), None);
    }

    #[test]
    fn a_number_is_the_same_however_it_was_made() {
        assert_eq!(IndexValue::from(5_i32), IndexValue::from(5_u64));
        assert_ne!(IndexValue::from(5_i64), IndexValue::from("5"));
    }
}
