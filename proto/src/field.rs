//! How single fields are read: what each accepts, and what it says about everything else.
//!
//! serde's own messages speak of Rust types (`expected u64`). The readers here speak of the
//! contract, so that a caller who has never seen Rust knows what to send. The name of the field
//! comes from [`decode`](crate::decode::decode), never from here.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use crate::excerpt::excerpt;

/// The longest `request_id`, in bytes of UTF-8.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Reads a string and parses it, reporting the parser's own error.
pub(crate) fn parsed<'de, D, T>(deserializer: D, expecting: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    struct Parsed<T>(&'static str, PhantomData<T>);

    impl<T: FromStr<Err: Display>> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parsed(expecting, PhantomData))
}

/// Reads an optional field whose absence, like `null`, means its default value.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an optional number of rows: whole and not negative.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Count>::deserialize(deserializer)?.map(|count| count.0))
}

/// Reads an optional number of rows that is at least one.
pub(crate) fn positive_count<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    match count(deserializer)? {
        Some(0) => Err(D::Error::custom("must be at least 1 (got 0)")),
        other => Ok(other),
    }
}

/// Reads an optional `request_id`: 1 to 128 bytes of text.
pub(crate) fn request_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let id = Option::<String>::deserialize(deserializer)?;
    match &id {
        Some(text) if text.is_empty() || text.len() > MAX_REQUEST_ID_BYTES => {
            Err(D::Error::custom(format!(
                "must be 1 to {MAX_REQUEST_ID_BYTES} bytes long (got {})",
                text.len()
            )))
        }
        _ => Ok(id),
    }
}

/// Reads an optional list of column names, each given once.
pub(crate) fn columns<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let columns = Option::<Vec<String>>::deserialize(deserializer)?;
    each_once(columns.iter().flatten())?;
    Ok(columns)
}

/// Reads an optional list of column names that, if given, names at least one.
pub(crate) fn some_columns<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    match columns(deserializer)? {
        Some(columns) if columns.is_empty() => {
            Err(D::Error::custom("must name at least one column"))
        }
        columns => Ok(columns),
    }
}

/// Reads an optional list of column names, each given once; none by default.
pub(crate) fn any_columns<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    Ok(columns(deserializer)?.unwrap_or_default())
}

/// Refuses a column that is named twice.
pub(crate) fn each_once<'a, E: Error>(names: impl Iterator<Item = &'a String>) -> Result<(), E> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(E::custom(format!(
                "lists `{}` twice; name each column once",
                excerpt(name, 60)
            )));
        }
    }
    Ok(())
}

/// Reads an optional object that says something about columns by their names, each given once.
pub(crate) fn by_column<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct ByColumn;

    impl<'de> Visitor<'de> for ByColumn {
        type Value = Pairs;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a JSON object with the names of columns and strings")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
            let mut pairs = BTreeMap::new();
            while let Some((column, value)) = map.next_entry::<String, String>()? {
                let twice = pairs.insert(column.clone(), value).is_some();
                if twice {
                    each_once([&column, &column].into_iter())?;
                }
            }
            Ok(Pairs(pairs))
        }
    }

    struct Pairs(BTreeMap<String, String>);

    impl<'de> Deserialize<'de> for Pairs {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(ByColumn)
        }
    }

    let pairs = Option::<Pairs>::deserialize(deserializer)?;
    Ok(pairs.map(|pairs| pairs.0).unwrap_or_default())
}

/// Reads an optional field in which `null` has a meaning of its own: the outer `None` is a missing
/// field, the inner one `null`.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Reads an optional text that, if given, is not empty.
pub(crate) fn filled<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if text.trim().is_empty() => Err(D::Error::custom("must not be empty")),
        text => Ok(text),
    }
}

/// Reads an optional share of a whole: more than 0, at most 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(share) if !(share > 0.0 && share <= 1.0) => Err(D::Error::custom(format!(
            "must be more than 0 and at most 1 (got {share})"
        ))),
        share => Ok(share),
    }
}

/// A count of rows as JSON has it, before anything else is asked of it.
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number from 0 to {}", u64::MAX)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                u64::try_from(value)
                    .map(Count)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }
        }

        deserializer.deserialize_any(Whole)
    }
}
