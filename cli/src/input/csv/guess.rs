//! Which type a column of texts has: the narrowest that all values seen are written as.
//!
//! It errs on the side of text: numbers with zeros before them are codes, and numbers with more digits than a `double`
//! holds are names.

use arrow_cast::parse::string_to_datetime;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};

use super::values::{Nulls, with_seconds};

/// Whole numbers with more digits than this are not told apart as `double`.
const EXACT_DIGITS: usize = 15;

/// What the values seen so far have in common.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    values: u64,
    null_words: u64,
    boolean: bool,
    signed: bool,
    unsigned: bool,
    double: bool,
    date: bool,
    time: bool,
    dates: u64,
    zoned: u64,
    nanoseconds_reach: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            values: 0,
            null_words: 0,
            boolean: true,
            signed: true,
            unsigned: true,
            double: true,
            date: true,
            time: true,
            dates: 0,
            zoned: 0,
            nanoseconds_reach: true,
        }
    }
}

impl Guess {
    /// Takes a value into account.
    pub(super) fn observe(&mut self, text: &str, nulls: &Nulls) {
        if nulls.is_null(text) {
            return;
        }
        let text = text.trim();
        if nulls.is_null_word(text) {
            self.null_words += 1;
            return;
        }
        self.values += 1;
        self.boolean &= matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE");
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let code = digits.len() > 1 && digits.starts_with('0') && whole;
        self.signed &= whole && !code && text.parse::<i64>().is_ok();
        self.unsigned &= whole && !code && text.parse::<u64>().is_ok();
        self.double &= !code && is_number(text) && !(whole && digits.len() > EXACT_DIGITS);
        self.date &= is_date(text);
        if !self.time {
            return;
        }
        match moment(text) {
            Some(moment) => {
                self.dates += u64::from(moment.date);
                self.zoned += u64::from(moment.zoned);
                self.nanoseconds_reach &= moment.time.timestamp_nanos_opt().is_some();
            }
            None => self.time = false,
        }
    }

    /// Whether no value was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// Whether words that mean null elsewhere are texts here.
    pub(super) fn keeps_null_words(&self) -> bool {
        self.null_words > 0 && self.data_type() == DataType::Utf8
    }

    /// The type.
    pub(super) fn data_type(&self) -> DataType {
        let unit = match self.nanoseconds_reach {
            true => TimeUnit::Nanosecond,
            false => TimeUnit::Microsecond,
        };
        match () {
            () if self.values == 0 => DataType::Utf8,
            () if self.boolean => DataType::Boolean,
            () if self.signed => DataType::Int64,
            () if self.unsigned => DataType::UInt64,
            () if self.double => DataType::Float64,
            () if self.date => DataType::Date32,
            // Times with a zone and times without one have nothing in common.
            () if self.time && self.zoned == self.values => {
                DataType::Timestamp(unit, Some("UTC".into()))
            }
            () if self.time && self.zoned == 0 => DataType::Timestamp(unit, None),
            () => DataType::Utf8,
        }
    }
}

fn is_number(text: &str) -> bool {
    let begins = text.trim_start_matches(['-', '+']);
    let digit = begins.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let word = ["nan", "inf", "infinity"].contains(&begins.to_ascii_lowercase().as_str());
    (digit || word) && text.parse::<f64>().is_ok()
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.is_ascii() && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

struct Moment {
    time: DateTime<Utc>,
    date: bool,
    zoned: bool,
}

/// A point of time in ISO 8601, from the year to at least the minute, or a date.
fn moment(text: &str) -> Option<Moment> {
    let (day, rest) = text.split_at_checked(10)?;
    if !is_date(day) || !(rest.is_empty() || rest.starts_with(['T', 't', ' '])) {
        return None;
    }
    let time = string_to_datetime(&Utc, &with_seconds(text)).ok()?;
    let zoned = rest.ends_with(['Z', 'z']) || rest.contains(['+', '-']);
    Some(Moment {
        time,
        date: rest.is_empty(),
        zoned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(values: &[&str]) -> DataType {
        let nulls = Nulls::new(&[]);
        let mut guess = Guess::default();
        for value in values {
            guess.observe(value, &nulls);
        }
        guess.data_type()
    }

    #[test]
    fn values_tell_the_narrowest_type_that_holds_them() {
        let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let naive = DataType::Timestamp(TimeUnit::Nanosecond, None);
        for (values, expected) in [
            (&["1", "-2", ""][..], DataType::Int64),
            (&["1", "NA", "3"], DataType::Int64),
            (&["1", "18446744073709551615"], DataType::UInt64),
            (&["1", "2.5", "1e-3"], DataType::Float64),
            (&["1", "NaN", "-inf"], DataType::Float64),
            (&["true", "FALSE"], DataType::Boolean),
            (&["2013-01-01", "2013-02-28"], DataType::Date32),
            (&["2013-01-01T10:00:00Z", "2013-01-01T10:00:00+02:00"], utc),
            (
                &["2013-01-01 10:00:00", "2013-01-01T10:00:00.123456789"],
                naive.clone(),
            ),
            (&["2013-01-01 10:30", "2013-01-01T10:30:15"], naive.clone()),
            (&["2013-01-01", "2013-01-01 10:00:00"], naive),
            (
                &["0001-01-01 00:00:00"],
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ),
        ] {
            assert_eq!(guessed(values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_a_number_or_a_time_would_lose_stays_text() {
        for values in [
            &["01234", "10001"][..],
            &["12345678901234567890123"],
            &["1234567890123456789", "0.5"],
            &["2013-01-01T10:00:00Z", "2013-01-01T10:00:00"],
            &["2013-02-30"],
            &["1", "x"],
            &["yes", "no"],
            &["10:30"],
            &["2013-01-01 10"],
            &["1_000", "2,000"],
            &[],
            &["NA", "NA"],
        ] {
            assert_eq!(guessed(values), DataType::Utf8, "{values:?}");
        }
    }
}
