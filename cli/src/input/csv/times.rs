//! Times as texts: which of them say a zone, and what those are that do not.
//!
//! A text without a zone is a point of time only together with one, and in the hours in which clocks are changed not even
//! then: such a time never was, or was twice. What a text leaves open is asked back, not guessed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::timezone::Tz;
use arrow_cast::parse::string_to_datetime;
use arrow_schema::DataType;
use chrono::{LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use shoots_store::type_name;

/// How long a date is that a time begins with.
const DATE: usize = "2013-01-01".len();

/// A zone that times are told in: its name in the IANA database, or an offset.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    name: Arc<str>,
    rules: Tz,
}

impl Zone {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The zone of the times of a type.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Timestamp(_, Some(zone)) => zone.parse().ok(),
            _ => None,
        }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let rules = name.parse().map_err(|_| {
            format!(
                "{name:?} is no time zone; name one as the IANA database does, such as America/New_York, or UTC, or an \
                 offset such as +02:00"
            )
        })?;
        Ok(Self {
            name: name.into(),
            rules,
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a time says its zone: something follows its date and its digits.
pub(super) fn says_zone(text: &str) -> bool {
    let clock = text.get(DATE + 1..).unwrap_or_default();
    clock.contains(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
}

/// A time that may end with its minutes, as one with seconds: `2013-01-01 05:00`.
pub(super) fn with_seconds(text: &str) -> Cow<'_, str> {
    const MINUTES: usize = "2013-01-01 05:00".len();
    let bytes = text.as_bytes();
    let ends = matches!(
        bytes.get(MINUTES),
        None | Some(b'Z' | b'z' | b'+' | b'-' | b' ')
    );
    if bytes.len() < MINUTES || bytes[MINUTES - 3] != b':' || !ends || !text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let (minutes, zone) = text.split_at(MINUTES);
    Cow::Owned(format!("{minutes}:00{zone}"))
}

/// The type that texts are read as so that those without a zone are in this one.
pub(super) fn read_as(data_type: &DataType, zone: Option<&Zone>) -> DataType {
    match (data_type, zone) {
        (DataType::Timestamp(unit, Some(_)), Some(zone)) => {
            DataType::Timestamp(*unit, Some(zone.name()))
        }
        _ => data_type.clone(),
    }
}

/// Why a text would be misread as a value of a type, and what helps.
pub(super) struct Doubt {
    pub(super) problem: String,
    pub(super) cure: String,
}

/// What a text leaves open, or says for nothing, about a time of this type.
pub(super) fn doubt(text: &str, data_type: &DataType, zone: Option<&Zone>) -> Option<Doubt> {
    let column_has_zone = match data_type {
        DataType::Timestamp(_, zone) => zone.is_some(),
        DataType::Date32 | DataType::Date64 => return of_date(text, data_type),
        _ => return None,
    };
    match (column_has_zone, says_zone(text), zone) {
        (true, true, _) | (false, false, _) => None,
        (false, true, _) => local(text).map(|_| Doubt {
            problem: format!("says a zone, and {} has none", type_name(data_type)),
            cure: "--types can give the column one".to_owned(),
        }),
        (true, false, None) => local(text).map(|_| Doubt {
            problem: format!("says no zone, and {} has one", type_name(data_type)),
            cure: "--zone says which one it is in".to_owned(),
        }),
        (true, false, Some(zone)) => unsettled(text, zone),
    }
}

/// A date has no time of day: it would be cut off.
fn of_date(text: &str, data_type: &DataType) -> Option<Doubt> {
    (text.len() > DATE && local(text).is_some()).then(|| Doubt {
        problem: format!("has a time of day, and {} has none", type_name(data_type)),
        cure: "--types can make the column one of times".to_owned(),
    })
}

/// A time in the zone that was not, or was twice.
fn unsettled(text: &str, zone: &Zone) -> Option<Doubt> {
    match zone.rules.offset_from_local_datetime(&local(text)?) {
        LocalResult::Single(_) => None,
        LocalResult::None => Some(Doubt {
            problem: format!("never was in {zone}: clocks were set forward over it"),
            cure: "if the times are in another zone, --zone says so".to_owned(),
        }),
        LocalResult::Ambiguous(first, second) => Some(Doubt {
            problem: format!("was twice in {zone}: clocks were set back over it"),
            cure: format!("write {} or {} behind it", first.fix(), second.fix()),
        }),
    }
}

/// What clocks showed.
fn local(text: &str) -> Option<NaiveDateTime> {
    let read = string_to_datetime(&Utc, &with_seconds(text)).ok()?;
    Some(read.naive_utc())
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn zoned(name: &str) -> DataType {
        DataType::Timestamp(TimeUnit::Nanosecond, Some(name.into()))
    }

    #[test]
    fn times_may_end_with_their_minutes() {
        for (text, expected) in [
            ("2013-01-01 05:00", "2013-01-01 05:00:00"),
            ("2013-01-01T05:00Z", "2013-01-01T05:00:00Z"),
            ("2013-01-01T05:00+02:00", "2013-01-01T05:00:00+02:00"),
            ("2013-01-01 05:00:30", "2013-01-01 05:00:30"),
            ("2013-01-01 05", "2013-01-01 05"),
            ("2013-01-01", "2013-01-01"),
            ("not a time at all", "not a time at all"),
        ] {
            assert_eq!(with_seconds(text), expected);
        }
    }

    #[test]
    fn a_zone_is_whatever_follows_the_clock() {
        for text in [
            "2013-01-01T05:00:00Z",
            "2013-01-01 05:00:00.5-05:00",
            "2013-01-01 05:00:00+0200",
            "2013-01-01 05:00:00 UTC",
            "2013-01-01 05:00:00 America/New_York",
        ] {
            assert!(says_zone(text), "{text}");
        }
        for text in ["2013-01-01", "2013-01-01T05:00", "2013-01-01 05:00:00.123"] {
            assert!(!says_zone(text), "{text}");
        }
    }

    #[test]
    fn a_text_is_read_only_where_it_is_one_point_of_time() {
        let new_york: Zone = "America/New_York".parse().unwrap();
        let naive = DataType::Timestamp(TimeUnit::Nanosecond, None);
        for (text, data_type, zone, said) in [
            ("2013-01-01 05:00:00", zoned("UTC"), Some(&new_york), None),
            ("2013-01-01", zoned("UTC"), Some(&new_york), None),
            ("2013-01-01 05:00:00Z", zoned("UTC"), None, None),
            ("2013-01-01 05:00:00", naive.clone(), None, None),
            ("2013-01-01 05:00:00", naive.clone(), Some(&new_york), None),
            (
                "2013-01-01 05:00:00",
                zoned("UTC"),
                None,
                Some("says no zone"),
            ),
            ("2013-01-01 05:00:00 UTC", naive, None, Some("says a zone")),
            (
                "2013-03-10 02:30:00",
                zoned("UTC"),
                Some(&new_york),
                Some("never was in America/New_York"),
            ),
            (
                "2013-11-03 01:30:00",
                zoned("UTC"),
                Some(&new_york),
                Some("was twice"),
            ),
            (
                "2013-11-03 01:30:00-04:00",
                zoned("UTC"),
                Some(&new_york),
                None,
            ),
            (
                "2013-01-01 05:00:00",
                DataType::Date32,
                None,
                Some("time of day"),
            ),
            ("2013-01-01", DataType::Date32, None, None),
        ] {
            let told = doubt(text, &data_type, zone).map(|doubt| doubt.problem);
            let as_expected = match said {
                Some(said) => told.as_ref().is_some_and(|told| told.contains(said)),
                None => told.is_none(),
            };
            assert!(as_expected, "{text}: {told:?}");
        }
        let twice = doubt("2013-11-03 01:30:00", &zoned("UTC"), Some(&new_york)).unwrap();
        assert_eq!(twice.cure, "write -04:00 or -05:00 behind it");
    }

    #[test]
    fn what_is_no_zone_is_told() {
        for name in ["Mars/Olympus", "", "america/new_york"] {
            let told = name.parse::<Zone>().unwrap_err();
            assert!(told.contains("America/New_York"), "{name}: {told}");
        }
        assert!("+02:00".parse::<Zone>().is_ok());
    }
}
