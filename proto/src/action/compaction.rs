//! The action that makes a frame's segments fewer and larger: `compact`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::{BucketName, FrameName};

/// Joins small and overlapping segments, and leaves hidden rows behind.
///
/// ```
/// use shoots_proto::action::{COMPACT, CompactRequest};
/// use shoots_proto::decode;
///
/// let request: CompactRequest = decode(COMPACT, br#"{"bucket":"nyc","dry_run":true}"#)?;
/// assert_eq!(request.name, None); // every frame of the bucket
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct CompactRequest {
    /// The frame; `None` is every frame of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FrameName>,
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// Say what would be done, and do nothing.
    #[serde(
        default,
        deserialize_with = "field::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub dry_run: bool,
}

/// What compaction did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CompactResult {
    /// The frames that were looked at, by name.
    pub frames: Vec<CompactedFrame>,
    /// Whether this only says what would be done.
    pub dry_run: bool,
}

/// What compaction did to a frame, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CompactedFrame {
    /// The frame's name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// How many segments it had.
    pub segments_before: u64,
    /// How many it has then.
    pub segments_after: u64,
    /// The size of the segments that are read.
    pub bytes_read: u64,
    /// The size of the segments that were written; `None` if none was, as in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_written: Option<u64>,
    /// How many hidden rows are left behind.
    pub rows_dropped: u64,
    /// Why it is, or is not, worth doing, for people.
    pub reason: String,
    /// The version that it got; `None` if there was no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of its commit, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}
