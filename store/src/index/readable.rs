//! Values of keys as people read and write them: times as RFC 3339, numbers, text.
//!
//! What is written here is read back by [`literal`](super::literal) as the same value.

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta};
use serde_json::Value;

use super::value::{KeyValue, hex};

const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;

/// Nanoseconds of a day.
pub(super) const DAY: i128 = 86_400 * NANOSECONDS_PER_SECOND;

/// How many nanoseconds a unit has.
pub(super) fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => NANOSECONDS_PER_SECOND,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

impl KeyValue {
    /// This value of a column of type `data_type`, as JSON for people: times and dates as text, in UTC and with a `Z`
    /// where the column has a zone; integers and floats as numbers, decimals as text with all digits, bytes in hex.
    /// Times that have no calendar date are integers in the column's unit.
    pub(crate) fn to_json(&self, data_type: &DataType) -> Value {
        if let DataType::Dictionary(_, values) = data_type {
            return self.to_json(values);
        }
        match self {
            Self::Text { value, .. } => value.as_str().into(),
            Self::Bytes { value, .. } => hex(value).into(),
            Self::Float(value) => float(*value, data_type),
            Self::Int(value) => {
                let exact = value.to_i128();
                let time = exact.and_then(|value| time(value, data_type));
                match (exact, data_type) {
                    (Some(value), DataType::Boolean) => (value != 0).into(),
                    (
                        _,
                        DataType::Decimal32(_, scale)
                        | DataType::Decimal64(_, scale)
                        | DataType::Decimal128(_, scale)
                        | DataType::Decimal256(_, scale),
                    ) => decimal(&value.to_string(), *scale).into(),
                    (Some(value), _) => time.map_or_else(|| integer(value), Value::from),
                    (None, _) => value.to_string().into(),
                }
            }
        }
    }
}

fn integer(value: i128) -> Value {
    if let Ok(value) = i64::try_from(value) {
        return value.into();
    }
    u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from)
}

/// Narrow floats with the digits that they have, not those of their 64 bit form.
fn float(value: f64, data_type: &DataType) -> Value {
    let digits = match data_type {
        DataType::Float64 => None,
        _ => (value as f32).to_string().parse().ok(),
    };
    let number = serde_json::Number::from_f64(digits.unwrap_or(value));
    number.map_or_else(|| value.to_string().into(), Value::Number)
}

/// `unscaled` with its decimal point.
fn decimal(unscaled: &str, scale: i8) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    let shift = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        let zeros = if digits == "0" { 0 } else { shift };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let padded = format!("{digits:0>width$}", width = shift + 1);
    let (whole, fraction) = padded.split_at(padded.len() - shift);
    format!("{sign}{whole}.{fraction}")
}

/// The text of dates and times, if the type is one of those and the calendar has them.
pub(super) fn time(value: i128, data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Date32 => date(value),
        DataType::Date64 => match (value.div_euclid(86_400_000), value.rem_euclid(86_400_000)) {
            (days, 0) => date(days),
            _ => naive(date_time(value.checked_mul(1_000_000)?)?),
        },
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let nanoseconds = value.checked_mul(nanoseconds(*unit))?;
            let is_of_a_day = (0..DAY).contains(&nanoseconds);
            let text = date_time(nanoseconds)?.format("%H:%M:%S%.f").to_string();
            is_of_a_day.then_some(text)
        }
        DataType::Timestamp(unit, zone) => {
            let time = date_time(value.checked_mul(nanoseconds(*unit))?)?;
            match zone {
                Some(_) => has_plain_year(&time)
                    .then(|| time.and_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => naive(time),
            }
        }
        _ => None,
    }
}

fn date(days: i128) -> Option<String> {
    let date =
        NaiveDate::default().checked_add_signed(TimeDelta::try_days(days.try_into().ok()?)?)?;
    has_plain_year(&date.into()).then(|| date.to_string())
}

fn date_time(nanoseconds: i128) -> Option<NaiveDateTime> {
    let seconds = nanoseconds.div_euclid(NANOSECONDS_PER_SECOND);
    let fraction = nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND);
    let time = DateTime::from_timestamp(seconds.try_into().ok()?, fraction.try_into().ok()?)?;
    Some(time.naive_utc())
}

fn naive(time: NaiveDateTime) -> Option<String> {
    has_plain_year(&time).then(|| time.format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}

/// Whether the year has four digits and no sign, as RFC 3339 wants it.
fn has_plain_year(time: &NaiveDateTime) -> bool {
    use chrono::Datelike;
    (0..=9999).contains(&time.year())
}

#[cfg(test)]
mod tests {
    use arrow_buffer::i256;

    use super::*;

    #[test]
    fn values_are_written_for_people() {
        use DataType::*;
        let second = TimeUnit::Second;
        let utc = Some("Europe/Berlin".into());
        for (value, data_type, expected) in [
            (KeyValue::int(1), Boolean, "true"),
            (KeyValue::int(-7), Int8, "-7"),
            (KeyValue::int(u64::MAX), UInt64, "18446744073709551615"),
            (KeyValue::int(19_753), Date32, r#""2024-01-31""#),
            (
                KeyValue::int(19_753 * 86_400_000_i64),
                Date64,
                r#""2024-01-31""#,
            ),
            (KeyValue::int(43_200), Time32(second), r#""12:00:00""#),
            (
                KeyValue::int(1_706_702_400),
                Timestamp(second, None),
                r#""2024-01-31T12:00:00""#,
            ),
            (
                KeyValue::int(1_706_702_400),
                Timestamp(second, utc),
                r#""2024-01-31T12:00:00Z""#,
            ),
            (
                KeyValue::int(1_500_000_000),
                Timestamp(TimeUnit::Nanosecond, None),
                r#""1970-01-01T00:00:01.500""#,
            ),
            (
                KeyValue::int(i64::MAX),
                Timestamp(second, None),
                "9223372036854775807",
            ),
            (KeyValue::int(5), Duration(second), "5"),
            (KeyValue::int(-5), Decimal128(9, 2), r#""-0.05""#),
            (KeyValue::int(12), Decimal128(9, -2), r#""1200""#),
            (
                KeyValue::Int(i256::MAX),
                Decimal256(76, 0),
                &format!("\"{}\"", i256::MAX),
            ),
            (KeyValue::float(f64::from(0.1_f32)), Float32, "0.1"),
            (KeyValue::float(f64::INFINITY), Float64, r#""inf""#),
            (KeyValue::text("é"), Utf8, r#""é""#),
            (KeyValue::bytes([1, 255]), Binary, r#""01ff""#),
            (
                KeyValue::text("a"),
                Dictionary(Box::new(Int8), Box::new(Utf8)),
                r#""a""#,
            ),
        ] {
            assert_eq!(
                value.to_json(&data_type).to_string(),
                expected,
                "{data_type}"
            );
        }
    }
}
