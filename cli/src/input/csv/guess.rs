//! Which type a column of texts has: the narrowest that all values seen are written as.
//!
//! It errs on the side of text: numbers with zeros before them are codes, and numbers with more digits than a `double`
//! holds are names.

use arrow_cast::parse::string_to_datetime;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};

use super::times::{Zone, says_zone, with_seconds};
use super::values::Nulls;

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
        self.null_words > 0 && self.data_type(None) == DataType::Utf8
    }

    /// Whether all values are times or dates.
    pub(super) fn tells_times(&self) -> bool {
        self.values > 0 && self.time
    }

    /// Whether all values are times, and say their zone.
    pub(super) fn tells_zones(&self) -> bool {
        self.tells_times() && self.zoned == self.values
    }

    /// The type. `zone` is that of the times that say none, if it is known.
    pub(super) fn data_type(&self, zone: Option<&Zone>) -> DataType {
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
            () if self.tells_zones() => DataType::Timestamp(unit, Some("UTC".into())),
            () if self.time => match zone {
                Some(zone) => DataType::Timestamp(unit, Some(zone.name())),
                None if self.zoned == 0 => DataType::Timestamp(unit, None),
                // Times with a zone and times without one have nothing in common.
                None => DataType::Utf8,
            },
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
    zoned: bool,
}

/// A point of time in ISO 8601, from the year to at least the minute, or a date.
fn moment(text: &str) -> Option<Moment> {
    let (day, rest) = text.split_at_checked(10)?;
    if !is_date(day) || !(rest.is_empty() || rest.starts_with(['T', 't', ' '])) {
        return None;
    }
    let time = string_to_datetime(&Utc, &with_seconds(text)).ok()?;
    Some(Moment {
        time,
        zoned: says_zone(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(values: &[&str]) -> DataType {
        guessed_in(None, values)
    }

    fn guessed_in(zone: Option<&Zone>, values: &[&str]) -> DataType {
        let nulls = Nulls::new(&[]);
        let mut guess = Guess::default();
        for value in values {
            guess.observe(value, &nulls);
        }
        guess.data_type(zone)
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
            (
                &[
                    "2013-01-01T10:00:00Z",
                    "2013-01-01T10:00:00+02:00",
                    "2013-01-01 10:00:00 UTC",
                ],
                utc,
            ),
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
    fn times_without_a_zone_are_in_the_one_that_is_said() {
        let paris: Zone = "Europe/Paris".parse().unwrap();
        let paris_times = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Paris".into()));
        let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        for (values, expected) in [
            (&["2013-01-01 10:00"][..], paris_times.clone()),
            (&["2013-01-01 10:00", "2013-01-01T10:00:00Z"], paris_times),
            (&["2013-01-01T10:00:00Z"], utc),
            (&["2013-01-01"], DataType::Date32),
            (&["1"], DataType::Int64),
        ] {
            assert_eq!(guessed_in(Some(&paris), values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_a_number_or_a_time_would_lose_stays_text() {
        for values in [
            &["01234", "10001"][..],
            &["12345678901234567890123"],
            &["1234567890123456789", "0.5"],
            &["2013-01-01T10:00:00Z", "2013-01-01T10:00:00"],
            &["2013-01-01 10:00:00 UTC", "2013-01-01T10:00:00"],
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
