//! Putting a frame: the command in the Flight descriptor, and the metadata of the `PutResult`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::excerpt::excerpt;
use crate::field;
use crate::name::{BucketName, FrameId, FrameName};

/// What a put does with rows that are already there.
///
/// `append` and `replace` create a missing frame.
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
    /// Add the rows after those that are there.
    Append,
    /// Let the rows, and their schema, take the place of those that are there.
    Replace,
}

impl PutMode {
    /// The mode as it is written in a command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

impl fmt::Display for PutMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

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

impl FromStr for PutMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "error" => Ok(Self::Error),
            "append" => Ok(Self::Append),
            "replace" => Ok(Self::Replace),
            _ => Err(UnknownMode::new("`error`, `append` or `replace`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for PutMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the mode of a put (a string)")
    }
}

/// The command of a `DoPut`, in the descriptor of its first message.
///
/// ```
/// use shoots_proto::{FrameName, PutCommand, PutMode, decode, encode};
///
/// let command = PutCommand {
///     mode: PutMode::Append,
///     message: Some("end of day".to_owned()),
///     ..PutCommand::new(FrameName::parse("prices")?)
/// };
/// let json = br#"{"name":"prices","mode":"append","message":"end of day"}"#;
/// assert_eq!(encode(&command)?, json);
/// assert_eq!(decode::<PutCommand>("put command", json)?, command);
///
/// let refused = decode::<PutCommand>("put command", br#"{"name":"a","mode":"appendd"}"#);
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     "put command: mode: must be `error`, `append` or `replace` (got `appendd`)"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct PutCommand {
    /// The frame to put.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket. A missing bucket is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// What to do with rows that are there.
    #[serde(default, deserialize_with = "field::or_default")]
    pub mode: PutMode,
    /// How many rows the caller puts into one batch, at least 1. Only a hint.
    #[serde(
        default,
        deserialize_with = "field::positive_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub batch_size: Option<u64>,
    /// What the commit says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Facts that the commit carries for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Names this put, in 1 to 128 bytes: a second put of the same frame under the same id is not
    /// applied again, so a put whose answer got lost may be sent again.
    #[serde(
        default,
        deserialize_with = "field::request_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<String>,
}

impl PutCommand {
    /// A put of the frame `name` in the default bucket, with everything else at its default.
    #[must_use]
    pub fn new(name: FrameName) -> Self {
        Self {
            name,
            bucket: None,
            mode: PutMode::default(),
            batch_size: None,
            message: None,
            metadata: None,
            request_id: None,
        }
    }

    /// The frame this command puts.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        FrameId::new(self.bucket.clone(), self.name.clone())
    }
}

/// What a put did: the JSON in the metadata of the `PutResult`, sent once the rows are durable.
///
/// ```
/// use shoots_proto::{PutResult, decode};
///
/// let json = br#"{"version":3,"commit":"9f86d081","rows":100,"bytes":2048}"#;
/// let result: PutResult = decode("put result", json)?;
/// assert_eq!((result.version, result.rows), (3, 100));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct PutResult {
    /// The version this put got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
    /// How many rows it added.
    pub rows: u64,
    /// How many bytes it added to the store.
    pub bytes: u64,
}
