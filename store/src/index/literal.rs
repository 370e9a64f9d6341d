//! A bound of a read, from the text or number that was sent, for the type of the column it is compared with.
//!
//! A bound need not be a value that the column can have: half a second for a column of seconds, a year beyond what
//! nanoseconds count, a number that 8 bits do not hold. So a literal is read exactly, as the greatest value of the
//! column's unit that is not above it and what lies [beyond](Literal::Count) that.

use std::cmp::Ordering;

use arrow_buffer::i256;
use arrow_schema::DataType;
use chrono::NaiveDate;
use serde_json::Value;

use super::number::one_zero;
use super::readable::{self, DAY, nanoseconds};
use super::value::{KeyValue, unhex};

/// Numbers are read up to this many places before and behind their point. All columns end far below.
const PLACES: i64 = 400;

/// What was sent, read for a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// `floor` of the column's units, and the digits of the fraction of a unit beyond, without zeros at the end.
    Count { floor: i256, beyond: String },
    /// A value that the column can have.
    Value(KeyValue),
}

impl Literal {
    /// Reads `value` for a column of this type, if it makes sense there.
    pub(super) fn read(value: &Value, data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Dictionary(_, values) => Self::read(value, values),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Some(Self::Value(KeyValue::text(value.as_str()?)))
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Some(Self::Value(KeyValue::bytes(unhex(value.as_str()?)?)))
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => float(value, data_type),
            DataType::Boolean => match value {
                Value::Bool(value) => Some(Self::count(i256::from(i64::from(*value)))),
                Value::String(text) => {
                    let value = text.parse::<bool>().ok()?;
                    Some(Self::count(i256::from(i64::from(value))))
                }
                _ => None,
            },
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => match value {
                Value::String(text) => decimal(text, i64::from(*scale)),
                Value::Number(number) => decimal(&number.to_string(), i64::from(*scale)),
                _ => None,
            },
            integer if integer.is_integer() => match value {
                Value::String(text) => decimal(text, 0),
                Value::Number(number) => decimal(&number.to_string(), 0),
                _ => None,
            },
            DataType::Duration(_) => match value {
                Value::Number(number) => decimal(&number.to_string(), 0),
                Value::String(text) => moment(text, data_type),
                other => count_of(other),
            },
            time => match value {
                // A number says no unit, and 20240103 is not meant as microseconds.
                Value::Number(number) => {
                    let count = number.as_i128()?;
                    readable::time(count, time)
                        .is_none()
                        .then(|| Self::count(i256::from_i128(count)))
                }
                Value::String(text) => moment(text, time),
                other => count_of(other),
            },
        }
    }

    fn count(floor: i256) -> Self {
        let beyond = String::new();
        Self::Count { floor, beyond }
    }

    /// How two literals for one column compare.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (
                Self::Count { floor, beyond },
                Self::Count {
                    floor: other_floor,
                    beyond: other_beyond,
                },
            ) => (floor, beyond).cmp(&(other_floor, other_beyond)),
            (Self::Value(one), Self::Value(other)) => one.compare(other),
            (Self::Count { .. }, Self::Value(_)) => Ordering::Less,
            (Self::Value(_), Self::Count { .. }) => Ordering::Greater,
        }
    }

    /// The value of the column that leaves the same rows on either side: with `above` the least one that is not
    /// below this, otherwise the greatest one that is not above.
    pub(super) fn into_value(self, above: bool) -> KeyValue {
        match self {
            Self::Count { floor, beyond } if above && !beyond.is_empty() => {
                KeyValue::Int(floor.checked_add(i256::ONE).unwrap_or(floor))
            }
            Self::Count { floor, .. } => KeyValue::Int(floor),
            Self::Value(value) => value,
        }
    }
}

/// What a column of this type takes, in the words of an error.
pub(super) fn example(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Dictionary(_, values) => example(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => r#"a text like "abc""#,
        DataType::Boolean => "true or false",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "a number like 1.5",
        DataType::Date32 | DataType::Date64 => r#"a date like "2024-01-31""#,
        DataType::Time32(_) | DataType::Time64(_) => r#"a time of day like "12:00:00""#,
        DataType::Timestamp(_, Some(_)) => r#"a time like "2024-01-31T12:00:00Z" or "2024-01-31""#,
        DataType::Timestamp(_, None) => r#"a time like "2024-01-31T12:00:00" or "2024-01-31""#,
        DataType::Duration(_) => r#"a duration like "90s", or an integer in the column's unit"#,
        integer if integer.is_integer() => "an integer like 17",
        decimal if decimal.is_decimal() => r#"a decimal like "1.50""#,
        _ => r#"bytes in hex like "00ff""#,
    }
}

/// What code that knows a column's values sends for a time, which text need not hold exactly: how many of the column's
/// units it is from zero. Requests cannot say this, since an [`IndexValue`](shoots_proto::IndexValue) is no object.
///
/// ```
/// let bound = shoots_store::time_bound(1_704_067_200_000);
/// assert_eq!(shoots_store::counted_time(&bound), Some(1_704_067_200_000));
/// ```
pub fn time_bound(count: i64) -> Value {
    serde_json::json!({ COUNT: count })
}

const COUNT: &str = "count";

/// What a [`time_bound`] counts; `None` for every other value.
pub fn counted_time(bound: &Value) -> Option<i64> {
    bound.as_object()?.get(COUNT)?.as_i64()
}

fn count_of(value: &Value) -> Option<Literal> {
    Some(Literal::count(i256::from(counted_time(value)?)))
}

fn float(value: &Value, data_type: &DataType) -> Option<Literal> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    if number.is_nan() {
        return None;
    }
    // A narrow number is shown with few digits, which are meant to find it.
    let narrow = match data_type {
        DataType::Float64 => None,
        DataType::Float16 => {
            use arrow_array::types::{ArrowPrimitiveType, Float16Type};
            type Half = <Float16Type as ArrowPrimitiveType>::Native;
            Some(Half::from_f64(number).to_f32())
        }
        _ => Some(number as f32),
    };
    let shown = narrow.filter(|narrow| narrow.to_string().parse() == Ok(one_zero(number)));
    let number = shown.map_or(number, f64::from);
    Some(Literal::Value(KeyValue::float(number)))
}

/// A number in decimal notation, in units of 10 to the power of `-scale`.
fn decimal(text: &str, scale: i64) -> Option<Literal> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let point =
        i64::try_from(whole.len()).ok()? - i64::try_from(digits.len() - significant.len()).ok()?;
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return Some(Literal::count(i256::ZERO));
    }
    let point = point.saturating_add(exponent).saturating_add(scale);
    Some(shifted(negative, significant, point.clamp(-PLACES, PLACES)))
}

/// The number with these `digits` of which `point` stand before the point.
fn shifted(negative: bool, digits: &str, point: i64) -> Literal {
    let places = usize::try_from(point.unsigned_abs()).unwrap_or_default();
    let (whole, beyond) = if point <= 0 {
        (String::new(), format!("{}{digits}", "0".repeat(places)))
    } else if places >= digits.len() {
        (format!("{digits:0<places$}"), String::new())
    } else {
        let (whole, beyond) = digits.split_at(places);
        (whole.to_owned(), beyond.to_owned())
    };
    let magnitude = if whole.is_empty() {
        Some(i256::ZERO)
    } else {
        i256::from_string(&whole)
    };
    match (magnitude, negative) {
        (Some(floor), false) => Literal::Count { floor, beyond },
        (Some(magnitude), true) if beyond.is_empty() => Literal::count(magnitude.wrapping_neg()),
        (Some(magnitude), true) => Literal::Count {
            floor: magnitude.wrapping_neg().wrapping_sub(i256::ONE),
            beyond: complement(&beyond),
        },
        (None, false) => Literal::count(i256::MAX),
        (None, true) => Literal::count(i256::MIN),
    }
}

/// What is missing from a fraction to one.
fn complement(fraction: &str) -> String {
    let last = fraction.len().saturating_sub(1);
    let digits = fraction.bytes().enumerate();
    digits
        .map(|(place, digit)| {
            let nine = if place == last { b'9' + 1 } else { b'9' };
            char::from(nine - digit + b'0')
        })
        .collect()
}

/// Text for a column of dates, times or durations.
fn moment(text: &str, data_type: &DataType) -> Option<Literal> {
    let text = text.trim();
    let (unit, (floor, beyond)) = match data_type {
        DataType::Date32 => (DAY, date_time(text)?),
        DataType::Date64 => (1_000_000, date_time(text)?),
        DataType::Timestamp(unit, _) => (nanoseconds(*unit), date_time(text)?),
        DataType::Time32(unit) | DataType::Time64(unit) => (nanoseconds(*unit), time_of_day(text)?),
        DataType::Duration(unit) => (nanoseconds(*unit), (duration(text)?, "")),
        _ => return None,
    };
    let rest = floor.rem_euclid(unit);
    // As many digits as the rest can have, so that fractions of one unit compare as text.
    let width = if unit == 1 {
        0
    } else {
        (unit - 1).to_string().len()
    };
    let padded = if width == 0 {
        String::new()
    } else {
        format!("{rest:0width$}")
    };
    Some(Literal::Count {
        floor: i256::from_i128(floor.div_euclid(unit)),
        beyond: format!("{padded}{beyond}").trim_end_matches('0').to_owned(),
    })
}

/// Nanoseconds, and digits beyond.
type Nanoseconds<'a> = (i128, &'a str);

/// A date, or a date and a time, with a zone or without: nanoseconds since 1970, in UTC.
fn date_time(text: &str) -> Option<Nanoseconds<'_>> {
    let (date, rest) = match text.split_once(['T', 't', ' ']) {
        Some((date, rest)) => (date, Some(rest)),
        None => (text, None),
    };
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    let midnight = i128::from(days) * DAY;
    let Some(rest) = rest else {
        return Some((midnight, ""));
    };
    let (time, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(zone) => (&rest[..zone], zone_offset(&rest[zone..])?),
        None => (rest, 0),
    };
    let (time, beyond) = time_of_day(time.trim_end())?;
    Some((midnight + time - offset, beyond))
}

/// What `Z`, `+01:00` or `-0530` is ahead of UTC.
fn zone_offset(text: &str) -> Option<i128> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    Some(sign * (part(hours, 23)? * 60 + part(minutes, 59)?) * DAY / (24 * 60))
}

/// `12:00`, `12:00:00` or `12:00:00.5`; midnight at the end of a day is `24:00`.
fn time_of_day(text: &str) -> Option<Nanoseconds<'_>> {
    let mut parts = text.splitn(3, ':');
    let hours = part(parts.next()?, 24)?;
    let minutes = part(parts.next()?, 59)?;
    let (seconds, fraction) = match parts.next() {
        Some(seconds) => match seconds.split_once('.') {
            Some((_, "")) => return None,
            Some((seconds, fraction)) => (seconds, fraction),
            None => (seconds, ""),
        },
        None => ("00", ""),
    };
    // A leap second is the first second of the next minute.
    let seconds = (hours * 60 + minutes) * 60 + part(seconds, 60)?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (near, beyond) = fraction.split_at_checked(9).unwrap_or((fraction, ""));
    let fraction: i128 = format!("{near:0<9}").parse().ok()?;
    Some((
        seconds * nanoseconds(arrow_schema::TimeUnit::Second) + fraction,
        beyond,
    ))
}

/// A number of two digits that is not above `most`.
fn part(text: &str, most: i128) -> Option<i128> {
    let is_number = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    (number <= most).then_some(number)
}

/// A whole number with its unit, like `90s`.
fn duration(text: &str) -> Option<i128> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let unit = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => DAY,
        _ => return None,
    };
    number.trim_end().parse::<i128>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests;
