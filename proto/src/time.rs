//! Points in time as people and programs write them: RFC 3339 and its common relaxations.
//!
//! Nanoseconds survive in both directions. What would lose something is refused instead of
//! rounded: more than nine digits of a second, a leap second, a year beyond 9999.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::excerpt::excerpt;
use crate::field;

/// A point in time as messages carry it: a string in RFC 3339, in UTC, exact to the nanosecond.
///
/// ```
/// use shoots_proto::Time;
///
/// let time: Time = serde_json::from_str(r#""2024-01-31 09:30:00.000000001""#)?;
/// assert_eq!(time.0.timestamp_subsec_nanos(), 1);
/// assert_eq!(serde_json::to_string(&time)?, r#""2024-01-31T09:30:00.000000001Z""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&format_time(&self.0))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse_time(text).map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "a time (a string)")
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a time (got `{got}`); write it like `2024-01-31T09:30:00.123456789Z` or `2024-01-31`"
)]
pub struct TimeError {
    got: String,
}

/// Reads a time: `2024-01-31`, `2024-01-31T09:30`, `2024-01-31 09:30:00.123456789`, each of the
/// latter two also with a zone such as `Z` or `+05:30`.
///
/// Without a zone the time is UTC; a date alone is its midnight in UTC.
///
/// # Errors
/// [`TimeError`] if the text has another shape or names no point in time, such as 30 February.
///
/// ```
/// use shoots_proto::as_of::parse_time;
///
/// assert_eq!(parse_time("2024-01-31")?, parse_time("2024-01-31T05:30:00+05:30")?);
/// assert_eq!(parse_time("2024-01-31 09:30:00.000000001")?.timestamp_subsec_nanos(), 1);
/// assert!(parse_time("2024-02-30").is_err());
/// # Ok::<(), shoots_proto::as_of::TimeError>(())
/// ```
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, TimeError> {
    parse(text).ok_or_else(|| TimeError {
        got: excerpt(text, 60),
    })
}

/// Writes a time so that [`parse_time`] reads the same nanosecond back.
pub(crate) fn format_time(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    let mut rest = Digits(text);
    let year = rest.take(4)?;
    rest.expect('-')?;
    let month = rest.take(2)?;
    rest.expect('-')?;
    let day = rest.take(2)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    if rest.0.is_empty() {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    rest.expect_any(&['T', 't', ' '])?;
    let hour = rest.take(2)?;
    rest.expect(':')?;
    let minute = rest.take(2)?;
    let (mut second, mut nanosecond) = (0, 0);
    if rest.expect(':').is_some() {
        second = rest.take(2)?;
        if rest.expect('.').is_some() {
            nanosecond = rest.fraction()?;
        }
    }
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanosecond)?;
    in_zone(date.and_time(time), rest)
}

/// `local` in the zone that `zone` spells, as UTC.
fn in_zone(local: NaiveDateTime, mut zone: Digits<'_>) -> Option<DateTime<Utc>> {
    if zone.0.is_empty() || matches!(zone.0, "Z" | "z") {
        return Some(local.and_utc());
    }
    let east = if zone.expect('+').is_some() {
        1
    } else {
        zone.expect('-')?;
        -1
    };
    let hours = zone.take(2)?;
    let minutes = if zone.0.is_empty() {
        0
    } else {
        let _ = zone.expect(':');
        zone.take(2)?
    };
    if !zone.0.is_empty() || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    let offset = FixedOffset::east_opt(east * seconds)?;
    let time = local.and_local_timezone(offset).single()?.to_utc();
    (0..=9999).contains(&time.year()).then_some(time)
}

/// What is left to read of a time.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    /// Takes exactly `count` digits.
    fn take(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    /// Takes one to nine digits after a decimal point, as nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let unit = 10_u32.pow(u32::try_from(9_usize.checked_sub(count)?).ok()?);
        self.take(count).map(|digits| digits * unit)
    }

    /// Takes `character` if it comes next.
    fn expect(&mut self, character: char) -> Option<()> {
        self.0 = self.0.strip_prefix(character)?;
        Some(())
    }

    /// Takes one of `characters` if it comes next.
    fn expect_any(&mut self, characters: &[char]) -> Option<()> {
        self.0 = self.0.strip_prefix(characters)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{format_time, parse_time};

    #[test]
    fn every_accepted_shape_names_its_nanosecond() {
        for (text, expected) in [
            ("2024-01-31", "2024-01-31T00:00:00Z"),
            ("2024-01-31T09:30", "2024-01-31T09:30:00Z"),
            ("2024-01-31 09:30", "2024-01-31T09:30:00Z"),
            ("2024-01-31t09:30:05z", "2024-01-31T09:30:05Z"),
            ("2024-01-31T09:30:05.1", "2024-01-31T09:30:05.100Z"),
            (
                "2024-01-31T09:30:05.123456789Z",
                "2024-01-31T09:30:05.123456789Z",
            ),
            ("2024-01-31T09:30:05+05:30", "2024-01-31T04:00:05Z"),
            ("2024-01-31T09:30-0130", "2024-01-31T11:00:00Z"),
            ("2024-01-31T23:00:00-02", "2024-02-01T01:00:00Z"),
            ("0000-01-01", "0000-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999",
                "9999-12-31T23:59:59.999999999Z",
            ),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(format_time(&time), expected, "{text}");
            assert_eq!(parse_time(expected).unwrap(), time, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "now",
            "2024",
            "2024-1-31",
            "24-01-31",
            "+2024-01-31",
            " 2024-01-31",
            "2024-01-31 ",
            "2024-02-30",
            "2024-13-01",
            "2024-01-31Z",
            "2024-01-31T",
            "2024-01-31T9:30",
            "2024-01-31T24:00",
            "2024-01-31T09:30:60Z",
            "2024-01-31T09:30:05.",
            "2024-01-31T09:30:05.1234567891Z",
            "2024-01-31T09:30:05+",
            "2024-01-31T09:30:05+5",
            "2024-01-31T09:30:05+24:00",
            "2024-01-31T09:30:05+05:60",
            "2024-01-31T09:30:05+05:30:00",
            "2024-01-31T09:30:05 Europe/Berlin",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "２０２４-01-31",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_error_quotes_the_text_and_shows_what_to_write() {
        assert_eq!(
            parse_time("yesterday").unwrap_err().to_string(),
            "is not a time (got `yesterday`); write it like `2024-01-31T09:30:00.123456789Z` or `2024-01-31`"
        );
    }
}
