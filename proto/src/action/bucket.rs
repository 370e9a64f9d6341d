//! The actions on buckets: `buckets`, `delete_bucket`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::field;
use crate::name::BucketName;
use crate::put::UnknownMode;

/// What deleting a bucket does with the frames in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BucketDeleteMode {
    /// Refuse if there are any.
    #[default]
    Error,
    /// Delete them too.
    Delete,
}

impl BucketDeleteMode {
    /// The mode as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for BucketDeleteMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for BucketDeleteMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "error" => Ok(Self::Error),
            "delete" => Ok(Self::Delete),
            _ => Err(UnknownMode::new("`error` or `delete`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for BucketDeleteMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the mode of deleting a bucket (a string)")
    }
}

/// Deletes a bucket.
///
/// ```
/// use shoots_proto::action::{BucketDeleteMode, DELETE_BUCKET, DeleteBucketRequest};
/// use shoots_proto::decode;
///
/// let request: DeleteBucketRequest = decode(DELETE_BUCKET, br#"{"name":"nyc"}"#)?;
/// assert_eq!(request.mode, BucketDeleteMode::Error);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct DeleteBucketRequest {
    /// The bucket to delete. The default bucket cannot be named, so it stays.
    pub name: BucketName,
    /// What to do with frames in it.
    #[serde(default, deserialize_with = "field::or_default")]
    pub mode: BucketDeleteMode,
}

/// What deleting a bucket did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct DeleteBucketResult {
    /// What was deleted, for people.
    pub message: String,
}

/// Lists the buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct BucketsRequest {}

/// The names of the buckets, without the default bucket, which has none.
pub type BucketsResult = Vec<BucketName>;
