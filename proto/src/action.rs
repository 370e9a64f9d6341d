//! Actions: for each its name, the body it takes and the body it gives.
//!
//! An action is a verb with a JSON object in and JSON out. `ping` is the exception: no body in, and
//! the bytes [`PING_REPLY`] out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::field;
use crate::name::{BucketName, FrameId, FrameName};
use crate::put::UnknownMode;

/// The action that deletes a frame: [`DeleteRequest`] → [`DeleteResult`].
pub const DELETE: &str = "delete";
/// The action that deletes a bucket: [`DeleteBucketRequest`] → [`DeleteBucketResult`].
pub const DELETE_BUCKET: &str = "delete_bucket";
/// The action that lists buckets: [`BucketsRequest`] → [`BucketsResult`].
pub const BUCKETS: &str = "buckets";
/// The action that stops the server: [`ShutdownRequest`] → [`ShutdownResult`].
pub const SHUTDOWN: &str = "shutdown";
/// The action that asks whether the server answers: no body → [`PING_REPLY`].
pub const PING: &str = "ping";

/// What `ping` answers.
pub const PING_REPLY: &[u8] = b"pong";

/// An action as `ListActions` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionDescription {
    /// The action's type.
    pub name: &'static str,
    /// What it does, takes and gives, in one sentence.
    pub description: &'static str,
}

/// Every action of the contract.
///
/// ```
/// use shoots_proto::action::{ACTIONS, PING};
///
/// assert!(ACTIONS.iter().any(|action| action.name == PING));
/// ```
pub const ACTIONS: &[ActionDescription] = &[
    ActionDescription {
        name: BUCKETS,
        description: "List the buckets: {} gives a list of names, without the default bucket.",
    },
    ActionDescription {
        name: DELETE,
        description: r#"Delete a frame: {"name","bucket"} gives {"success","message"}."#,
    },
    ActionDescription {
        name: DELETE_BUCKET,
        description: r#"Delete a bucket: {"name","mode":"error"|"delete"} gives {"message"}; "error" refuses a bucket with frames, "delete" deletes them too."#,
    },
    ActionDescription {
        name: PING,
        description: "Ask whether the server answers: no body gives `pong`.",
    },
    ActionDescription {
        name: SHUTDOWN,
        description: "Stop the server once running calls are done: {} gives a list with one message.",
    },
];

/// Deletes a frame.
///
/// ```
/// use shoots_proto::action::{DELETE, DeleteRequest};
/// use shoots_proto::decode;
///
/// let request: DeleteRequest = decode(DELETE, br#"{"name":"weather","bucket":"nyc"}"#)?;
/// assert_eq!(request.frame().to_string(), "nyc/weather");
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct DeleteRequest {
    /// The frame to delete.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
}

impl DeleteRequest {
    /// The frame to delete.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        FrameId::new(self.bucket.clone(), self.name.clone())
    }
}

/// What deleting a frame did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct DeleteResult {
    /// Whether the frame was deleted. What prevents it is an error, so this is `true`.
    pub success: bool,
    /// The same for people.
    pub message: String,
}

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

/// Stops the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ShutdownRequest {}

/// What a server says before it stops: a list of messages for people.
///
/// ```
/// use shoots_proto::action::ShutdownResult;
/// use shoots_proto::encode;
///
/// assert_eq!(encode(&ShutdownResult::received())?, br#"["shutdown command received"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShutdownResult(pub Vec<String>);

impl ShutdownResult {
    /// The answer to a shutdown that was accepted.
    #[must_use]
    pub fn received() -> Self {
        Self(vec!["shutdown command received".to_owned()])
    }
}
