//! The modes of a put: what it does with rows that are already there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::excerpt::excerpt;
use crate::field;

/// A text that is none of a field's few allowed words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {allowed} (got `{got}`)")]
pub struct UnknownMode {
    allowed: &'static str,
    got: String,
}

impl UnknownMode {
    /// `got`, where only the words that `allowed` lists in prose are.
    pub(crate) fn new(allowed: &'static str, got: &str) -> Self {
        Self {
            allowed,
            got: excerpt(got, 60),
        }
    }
}

/// What a put does with rows that are already there.
///
/// `append`, `replace`, `update` and `upsert` create a missing frame. `update` and `upsert` need an
/// index.
///
/// ```
/// use shoots_proto::PutMode;
///
/// assert_eq!(PutMode::default(), PutMode::Error);
/// assert_eq!("append".parse(), Ok(PutMode::Append));
/// assert_eq!(PutMode::Replace.to_string(), "replace");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PutMode {
    /// Refuse if the frame exists, before any row is read.
    #[default]
    Error,
    /// Add the rows to those that are there; after them, or in the order of the index if there is one.
    Append,
    /// Let the rows, and their schema, take the place of those that are there.
    Replace,
    /// Let the rows take the place of those in a range of the index; see [`UpdateScope`].
    Update,
    /// Let each row take the place of those with the same key: its values in all index columns.
    Upsert,
}

impl PutMode {
    /// The mode as it is written in a command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Upsert => "upsert",
        }
    }
}

impl fmt::Display for PutMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for PutMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "error" => Ok(Self::Error),
            "append" => Ok(Self::Append),
            "replace" => Ok(Self::Replace),
            "update" => Ok(Self::Update),
            "upsert" => Ok(Self::Upsert),
            _ => Err(UnknownMode::new(
                "`error`, `append`, `replace`, `update` or `upsert`",
                text,
            )),
        }
    }
}

impl<'de> Deserialize<'de> for PutMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the mode of a put (a string)")
    }
}

/// Which rows in the range of an update make way for the given ones.
///
/// ```
/// use shoots_proto::UpdateScope;
///
/// assert_eq!(UpdateScope::default(), UpdateScope::Range);
/// assert_eq!("keys".parse(), Ok(UpdateScope::Keys));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateScope {
    /// All rows in the range.
    #[default]
    Range,
    /// Only the rows in the range whose keys occur in the given rows.
    Keys,
}

impl UpdateScope {
    /// The word as it is written in a command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Keys => "keys",
        }
    }
}

impl fmt::Display for UpdateScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for UpdateScope {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "range" => Ok(Self::Range),
            "keys" => Ok(Self::Keys),
            _ => Err(UnknownMode::new("`range` or `keys`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for UpdateScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the scope of an update (a string)")
    }
}
