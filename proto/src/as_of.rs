//! Which state of a frame a request means.
//!
//! Every place of the wire contract that names a version reads an [`AsOf`]. Reading one says only
//! what was asked for; whether it exists, and what a short form stands for, is the store's work.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::excerpt::excerpt;
use crate::label::SnapshotName;
use crate::remote::RemoteName;
use crate::time::{Time, format_time};
pub use crate::time::{TimeError, parse_time};

/// The length of a whole commit id, in hexadecimal digits.
const COMMIT_DIGITS: usize = 64;

/// How much of a caller's text is shown, in characters.
const QUOTED_CHARS: usize = 60;

/// A state of a frame: by version, time, tag, commit or snapshot.
///
/// In JSON one of `{"version":3}` (negative counts back), `{"time":"2024-01-31T09:30:00Z"}`,
/// `{"tag":"eod"}`, `{"commit":"3fa9"}`, `{"snapshot":"year end"}` and `{"remote":"office"}`, or a short form: a number is
/// a version, and a string is [`Short`](Self::Short). `{"remote":"office"}` can be read like the others, and is no version
/// here.
///
/// ```
/// use shoots_proto::AsOf;
///
/// let read = |json| serde_json::from_str::<AsOf>(json);
/// assert_eq!(read(r#"{"version":-2}"#)?, AsOf::Version(-2));
/// assert_eq!(read("3")?, AsOf::Version(3));
/// assert_eq!(read(r#"{"tag":"eod"}"#)?, AsOf::Tag("eod".to_owned()));
/// assert_eq!(read(r#""2024-01-31""#)?, AsOf::Short("2024-01-31".to_owned()));
/// assert!(read(r#"{"version":1,"tag":"eod"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// The commit with this version number; negative numbers count back from the newest.
    Version(i64),
    /// The state that was published at this time.
    Time(DateTime<Utc>),
    /// The version that carries this tag.
    Tag(String),
    /// The one commit whose id begins with these lower-case hexadecimal digits.
    Commit(String),
    /// The version that this snapshot of many frames pins.
    Snapshot(SnapshotName),
    /// The state that this remote had when it was fetched from, pulled from or pushed to last.
    Remote(RemoteName),
    /// A tag if one has this name, else a time, else a remote that the frame is known to be at, else a commit prefix. The
    /// text is kept as given.
    Short(String),
}

impl fmt::Display for AsOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(number) => write!(formatter, "version {number}"),
            Self::Time(time) => write!(formatter, "time {}", format_time(time)),
            Self::Tag(name) => write!(formatter, "tag `{}`", excerpt(name, QUOTED_CHARS)),
            Self::Commit(prefix) => write!(formatter, "commit {prefix}"),
            Self::Snapshot(name) => write!(formatter, "snapshot `{name}`"),
            Self::Remote(name) => write!(formatter, "remote `{name}`"),
            Self::Short(text) => write!(formatter, "`{}`", excerpt(text, QUOTED_CHARS)),
        }
    }
}

impl Serialize for AsOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (form, value) = match self {
            Self::Short(text) => return serializer.serialize_str(text),
            Self::Version(number) => ("version", Value::from(*number)),
            Self::Time(time) => ("time", Value::from(format_time(time))),
            Self::Tag(name) => ("tag", Value::from(name.as_str())),
            Self::Commit(prefix) => ("commit", Value::from(prefix.as_str())),
            Self::Snapshot(name) => ("snapshot", Value::from(name.as_str())),
            Self::Remote(name) => ("remote", Value::from(name.as_str())),
        };
        serializer.collect_map([(form, value)])
    }
}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsOfVisitor)
    }
}

struct AsOfVisitor;

impl<'de> Visitor<'de> for AsOfVisitor {
    type Value = AsOf;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a version number, a string, or one of {\"version\":…}, {\"time\":…}, {\"tag\":…}, {\"commit\":…}, {\"snapshot\":…}, {\"remote\":…}",
        )
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<AsOf, E> {
        Ok(AsOf::Version(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<AsOf, E> {
        version(number).map(AsOf::Version)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AsOf, E> {
        filled(text.to_owned()).map(AsOf::Short)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AsOf, A::Error> {
        let Some(form) = map.next_key::<Form>()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let as_of = match form {
            Form::Version => AsOf::Version(map.next_value::<Number>()?.0),
            Form::Time => AsOf::Time(map.next_value::<Time>()?.0),
            Form::Tag => AsOf::Tag(map.next_value::<Filled>()?.0),
            Form::Commit => AsOf::Commit(map.next_value::<CommitPrefix>()?.0),
            Form::Snapshot => AsOf::Snapshot(map.next_value()?),
            Form::Remote => AsOf::Remote(map.next_value()?),
        };
        if map.next_key::<Form>()?.is_some() {
            return Err(A::Error::custom(
                "names more than one state; give exactly one of `version`, `time`, `tag`, `commit`, `snapshot`, `remote`",
            ));
        }
        Ok(as_of)
    }
}

/// The one key of a spelled-out form.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Form {
    Version,
    Time,
    Tag,
    Commit,
    Snapshot,
    Remote,
}

/// A version number inside `{"version":…}`.
struct Number(i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a version number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                version(number).map(Number)
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A string that is not empty.
struct Filled(String);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        filled(String::deserialize(deserializer)?).map(Self)
    }
}

/// The beginning of a commit id inside `{"commit":…}`.
struct CommitPrefix(String);

impl<'de> Deserialize<'de> for CommitPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut prefix = filled(String::deserialize(deserializer)?)?;
        if prefix.len() > COMMIT_DIGITS || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(D::Error::custom(format!(
                "must be the beginning of a commit id, 1 to {COMMIT_DIGITS} hexadecimal digits (got `{}`)",
                excerpt(&prefix, COMMIT_DIGITS)
            )));
        }
        prefix.make_ascii_lowercase();
        Ok(Self(prefix))
    }
}

/// A version number as JSON's unsigned integers hold it.
fn version<E: Error>(number: u64) -> Result<i64, E> {
    i64::try_from(number)
        .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &"a version number below 2^63"))
}

fn filled<E: Error>(text: String) -> Result<String, E> {
    if text.is_empty() {
        return Err(E::custom("must not be empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{AsOf, RemoteName, SnapshotName, parse_time};

    fn read(json: &str) -> Result<AsOf, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        let time = parse_time("2024-01-31T09:30:00.123456789Z").unwrap();
        for (json, as_of, written) in [
            (r#"{"version":3}"#, AsOf::Version(3), r#"{"version":3}"#),
            (r#"{"version":-1}"#, AsOf::Version(-1), r#"{"version":-1}"#),
            ("7", AsOf::Version(7), r#"{"version":7}"#),
            ("-7", AsOf::Version(-7), r#"{"version":-7}"#),
            (
                r#"{"time":"2024-01-31 09:30:00.123456789"}"#,
                AsOf::Time(time),
                r#"{"time":"2024-01-31T09:30:00.123456789Z"}"#,
            ),
            (
                r#"{"tag":"eod"}"#,
                AsOf::Tag("eod".to_owned()),
                r#"{"tag":"eod"}"#,
            ),
            (
                r#"{"commit":"3FA9"}"#,
                AsOf::Commit("3fa9".to_owned()),
                r#"{"commit":"3fa9"}"#,
            ),
            (
                r#"{"snapshot":"year end"}"#,
                AsOf::Snapshot(SnapshotName::parse("year end").unwrap()),
                r#"{"snapshot":"year end"}"#,
            ),
            (
                r#"{"remote":"office"}"#,
                AsOf::Remote(RemoteName::parse("office").unwrap()),
                r#"{"remote":"office"}"#,
            ),
            (r#""3fa9""#, AsOf::Short("3fa9".to_owned()), r#""3fa9""#),
        ] {
            assert_eq!(read(json), Ok(as_of.clone()), "{json}");
            assert_eq!(serde_json::to_string(&as_of).unwrap(), written, "{json}");
            assert_eq!(read(written), Ok(as_of), "{written}");
        }
    }

    #[test]
    fn messages_name_the_state_in_words() {
        assert_eq!(AsOf::Version(-2).to_string(), "version -2");
        assert_eq!(
            AsOf::Time(parse_time("2024-01-31").unwrap()).to_string(),
            "time 2024-01-31T00:00:00Z"
        );
        assert_eq!(AsOf::Tag("eod".to_owned()).to_string(), "tag `eod`");
        assert_eq!(AsOf::Commit("3fa9".to_owned()).to_string(), "commit 3fa9");
        assert_eq!(AsOf::Short("a\nb".to_owned()).to_string(), r"`a\nb`");
    }
}
