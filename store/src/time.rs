//! A point in time with nanoseconds, as the log records it: RFC 3339 in UTC.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Nanoseconds since 1970-01-01T00:00:00Z; good for the years 1678 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point in time that lies `nanoseconds` after the Unix epoch.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The next representable point in time.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// This much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        let nanoseconds = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanoseconds))
    }

    /// How long after `earlier` this is, in seconds; zero if it is not.
    pub(crate) fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000_000_000).unwrap_or(0)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    /// Times beyond what nanoseconds can count become the nearest one that they can.
    fn from(time: DateTime<Utc>) -> Self {
        let out_of_range = if time.timestamp() < 0 {
            i64::MIN
        } else {
            i64::MAX
        };
        Self(time.timestamp_nanos_opt().unwrap_or(out_of_range))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        DateTime::<Utc>::from(time).into()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_nanos(self.0);
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|time| time.to_utc().into())
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Timestamp;

    #[test]
    fn nanoseconds_survive_the_text_form() {
        let time = Timestamp::from_nanoseconds(1_785_000_000_123_456_789);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(json, r#""2026-07-25T17:20:00.123456789Z""#);
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }

    #[test]
    fn a_clock_may_say_that_it_is_before_1970() {
        let early = SystemTime::UNIX_EPOCH - Duration::from_millis(1_500);
        assert_eq!(Timestamp::from(early), Timestamp(-1_500_000_000));
    }

    #[test]
    fn seconds_since_a_later_time_are_zero() {
        let (early, late) = (Timestamp(0), Timestamp(5_000_000_000));
        assert_eq!(late.seconds_since(early), 5);
        assert_eq!(early.seconds_since(late), 0);
    }
}
