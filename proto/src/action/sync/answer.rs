//! What the verbs that move frames answer with: progress, and last what was done.

use serde::{Deserialize, Serialize};

use crate::error::ErrorBody;
use crate::name::{BucketName, FrameName};

/// One of the answers of a verb: progress, or, as the last one, what was done.
///
/// ```
/// use shoots_proto::action::SyncAnswer;
/// use shoots_proto::decode;
///
/// let progress = br#"{"frame":"prices","objects_done":3,"objects":9,"bytes_done":4096,"bytes":20480}"#;
/// assert!(matches!(decode("pull", progress)?, SyncAnswer::Progress(_)));
/// assert!(matches!(decode("pull", br#"{"frames":[]}"#)?, SyncAnswer::Done(_)));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "progress of a transfer, or what it did")]
pub enum SyncAnswer {
    /// How far it has come.
    Progress(SyncProgress),
    /// What was done.
    Done(SyncResult),
}

/// How far the transfer of one frame has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncProgress {
    /// The frame, with its bucket before it: `nyc/prices`.
    pub frame: String,
    /// How many objects have arrived.
    pub objects_done: u64,
    /// How many there are to be sent, as far as is known.
    pub objects: u64,
    /// How many bytes have arrived.
    pub bytes_done: u64,
    /// How many there are to be sent, as far as is known.
    pub bytes: u64,
}

/// What a transfer did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncResult {
    /// Each frame that it was about.
    pub frames: Vec<SyncedFrame>,
}

/// What was done about one frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncedFrame {
    /// Its name where it came from.
    pub name: FrameName,
    /// Its bucket there; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// Its name where it went to.
    pub target: FrameName,
    /// Its bucket there; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_bucket: Option<BucketName>,
    /// What became of it.
    pub outcome: SyncOutcome,
    /// How many versions were added.
    pub versions: u64,
    /// How many objects were sent.
    pub objects: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many commits are here and not at the remote.
    pub ahead: u64,
    /// How many commits are at the remote and not here.
    pub behind: u64,
    /// The commit that its history ends with where it went to, in hexadecimal digits; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Why nothing was done, where others of the same transfer succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ErrorBody>,
}

/// What became of a frame in a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncOutcome {
    /// Nothing was missing.
    Unchanged,
    /// It was not there before.
    Created,
    /// What was missing was added to its history.
    Moved,
    /// Two histories that had gone apart are one.
    Merged,
    /// What is new elsewhere is here, and the frame is as it was.
    Fetched,
    /// Two histories have gone apart and stay so.
    Diverged,
    /// It could not be done; `problem` says why.
    Failed,
    /// What this version does not know.
    #[serde(other)]
    Other,
}
