//! The action about frames that follow others: `continuous`.
//!
//! A frame begins to follow another one by the action [`resample`](super::resample) with `continuous`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::{BucketName, FrameName};

/// Lists the frames that follow others, or ends that for one.
///
/// ```
/// use shoots_proto::action::{CONTINUOUS, ContinuousRequest};
/// use shoots_proto::decode;
///
/// let request: ContinuousRequest = decode(CONTINUOUS, br#"{"name":"bars","stop":true}"#)?;
/// assert!(request.stop);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ContinuousRequest {
    /// The frame that follows another; `None` is every one of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FrameName>,
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// End it: the frame stays as it is. Needs a name.
    #[serde(
        default,
        deserialize_with = "field::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub stop: bool,
}

/// The frames that follow others; after `stop` the one that did so until now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ContinuousResult {
    /// By name.
    pub frames: Vec<FollowingFrame>,
}

/// A frame that follows another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FollowingFrame {
    /// The frame's name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The frame that it follows.
    pub source: FrameName,
    /// The bucket of that one; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_bucket: Option<BucketName>,
    /// How long a bin is.
    pub rule: String,
    /// The version of the source that the rows are made of.
    pub source_version: u64,
    /// The newest version of the source; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_version: Option<u64>,
    /// Why it does not follow at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
