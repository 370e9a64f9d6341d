//! The actions on a frame as a whole: `delete`, `undelete`, `rename`, `copy`, `describe`, `files`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::columns::Column;
use super::history::ColumnType;
use super::retention::Retention;
use super::sync::TrackedFrame;
use crate::as_of::AsOf;
use crate::field;
use crate::name::{BucketName, FrameId, FrameName};
use crate::request::{Coherent, Misfit, request};
use crate::time::Time;

request! {
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
    pub struct DeleteRequest (frame, note) {}
}

impl DeleteRequest {
    /// Deletes `frame`, with nothing to say about it.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for DeleteRequest {}

/// What deleting a frame did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct DeleteResult {
    /// Whether the frame was deleted. What prevents it is an error, so this is `true`.
    pub success: bool,
    /// The same for people.
    pub message: String,
}

request! {
    /// Brings a deleted frame back as it was.
    pub struct UndeleteRequest (frame, note) {}
}

impl UndeleteRequest {
    /// Brings `frame` back, with nothing to say about it.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for UndeleteRequest {}

request! {
    /// Gives a frame another name, another bucket, or both.
    ///
    /// ```
    /// use shoots_proto::action::{RENAME, RenameRequest};
    /// use shoots_proto::decode;
    ///
    /// let target = |json| decode::<RenameRequest>(RENAME, json).map(|r| r.target().to_string());
    /// assert_eq!(target(br#"{"name":"a","bucket":"x","new_name":"b"}"#)?, "x/b");
    /// assert_eq!(target(br#"{"name":"a","bucket":"x","new_bucket":"y"}"#)?, "y/a");
    /// assert_eq!(target(br#"{"name":"a","bucket":"x","new_bucket":null}"#)?, "a");
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct RenameRequest (frame, note) {
        /// The name it gets; `None` leaves it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub new_name: Option<FrameName>,
        /// The bucket it moves to. A missing field leaves it where it is, and `null` moves it to the
        /// default bucket.
        #[serde(
            default,
            deserialize_with = "field::given",
            skip_serializing_if = "Option::is_none"
        )]
        pub new_bucket: Option<Option<BucketName>>,
    }
}

impl RenameRequest {
    /// Makes `target` the name of `frame`, with nothing to say about it.
    #[must_use]
    pub fn new(frame: FrameId, target: FrameId) -> Self {
        let (new_name, new_bucket) = difference(&frame, target);
        Self {
            name: frame.name,
            bucket: frame.bucket,
            new_name,
            new_bucket,
            message: None,
            author: None,
            metadata: None,
        }
    }

    /// What the frame is to be called.
    #[must_use]
    pub fn target(&self) -> FrameId {
        target(
            self.frame(),
            self.new_name.as_ref(),
            self.new_bucket.as_ref(),
        )
    }
}

impl Coherent for RenameRequest {
    fn check(&self) -> Result<(), Misfit> {
        expect_another(&self.frame(), &self.target())
    }
}

request! {
    /// Copies a frame, encoding no rows again.
    pub struct CopyRequest (frame, note) {
        /// The name of the copy; `None` is the frame's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub new_name: Option<FrameName>,
        /// The bucket of the copy. A missing field is the frame's bucket, and `null` is the default
        /// bucket.
        #[serde(
            default,
            deserialize_with = "field::given",
            skip_serializing_if = "Option::is_none"
        )]
        pub new_bucket: Option<Option<BucketName>>,
        /// The state to copy; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl CopyRequest {
    /// Copies the newest state of `frame` to `target`, with nothing to say about it.
    #[must_use]
    pub fn new(frame: FrameId, target: FrameId) -> Self {
        let (new_name, new_bucket) = difference(&frame, target);
        Self {
            name: frame.name,
            bucket: frame.bucket,
            new_name,
            new_bucket,
            as_of: None,
            message: None,
            author: None,
            metadata: None,
        }
    }

    /// What the copy is to be called.
    #[must_use]
    pub fn target(&self) -> FrameId {
        target(
            self.frame(),
            self.new_name.as_ref(),
            self.new_bucket.as_ref(),
        )
    }
}

impl Coherent for CopyRequest {
    fn check(&self) -> Result<(), Misfit> {
        expect_another(&self.frame(), &self.target())
    }
}

/// The fields that lead from `frame` to `target`.
fn difference(frame: &FrameId, target: FrameId) -> (Option<FrameName>, Option<Option<BucketName>>) {
    let new_bucket = (target.bucket != frame.bucket).then_some(target.bucket);
    let new_name = (target.name != frame.name).then_some(target.name);
    (new_name, new_bucket)
}

fn target(
    frame: FrameId,
    new_name: Option<&FrameName>,
    new_bucket: Option<&Option<BucketName>>,
) -> FrameId {
    FrameId {
        bucket: new_bucket.cloned().unwrap_or(frame.bucket),
        name: new_name.cloned().unwrap_or(frame.name),
    }
}

fn expect_another(frame: &FrameId, target: &FrameId) -> Result<(), Misfit> {
    if frame != target {
        return Ok(());
    }
    let problem =
        "must name another frame, together with `new_bucket`; both together are where the frame is";
    Err(Misfit::new("new_name", problem))
}

/// A frame that got its name from a rename or a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct NewFrame {
    /// Its name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The version of the frame of that name.
    pub version: u64,
    /// The id of that version's commit, in hexadecimal digits.
    pub commit: String,
    /// How many rows it has.
    pub rows: u64,
}

request! {
    /// Describes a state of a frame.
    pub struct DescribeRequest (frame) {
        /// The state to describe; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl Coherent for DescribeRequest {}

/// What there is to say about a state of a frame.
///
/// A plain Parquet file has neither versions nor commits; the fields about them are `None`.
///
/// ```
/// use shoots_proto::action::{DESCRIBE, FrameDescription};
/// use shoots_proto::decode;
///
/// let json = br#"{"name":"days","rows":365,"bytes":4096,"segments":1,"overlapping_segments":0,
///     "hidden_rows":0,"index":[{"name":"day","type":"Date32"}],"index_min":["2024-01-01"],
///     "columns":[{"name":"day","type":"Date32","nullable":false}],"tags":[],
///     "retention":{"keep_versions":10,"keep_tagged":true}}"#;
/// let frame: FrameDescription = decode(DESCRIBE, json)?;
/// assert_eq!(frame.index[0].name, "day");
/// assert_eq!(frame.version, None);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FrameDescription {
    /// The frame's name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The version described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of its commit, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Time>,
    /// When the oldest version that is kept was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// What its commit did, such as `append`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What its commit says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who made its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Facts that its commit carries for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// How many rows there are.
    pub rows: u64,
    /// How many bytes their segments have in the store.
    pub bytes: u64,
    /// How many segments hold them.
    pub segments: u64,
    /// How many of the segments overlap another in the order of the index.
    pub overlapping_segments: u64,
    /// How many rows lie in the segments that are not part of this state.
    pub hidden_rows: u64,
    /// The columns that the rows are sorted by; none if there is no index.
    pub index: Vec<ColumnType>,
    /// The first key in the order of the index, a value for each of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_min: Option<Vec<Value>>,
    /// The last key in the order of the index, a value for each of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_max: Option<Vec<Value>>,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// Which versions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<VersionRange>,
    /// The tags of this version.
    pub tags: Vec<String>,
    /// Which versions of the frame are kept, and how long.
    pub retention: Retention,
    /// How far the frame is ahead of remotes and behind, as far as is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<TrackedFrame>,
}

/// The versions of a frame that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct VersionRange {
    /// The oldest.
    pub first: u64,
    /// The newest.
    pub last: u64,
    /// How many there are: fewer than from `first` to `last` if some between them are gone.
    pub count: u64,
}

request! {
    /// Lists the files of a state of a frame.
    pub struct FilesRequest (frame) {
        /// The state to list; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl Coherent for FilesRequest {}

/// The files of a state of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FilesResult {
    /// The segments, in the order of their rows.
    pub files: Vec<FileRecord>,
}

/// A Parquet file that holds rows of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FileRecord {
    /// Where it is, from the root of the store.
    pub path: String,
    /// How many of its rows belong to the state.
    pub rows: u64,
    /// How many of its rows do not.
    pub hidden_rows: u64,
    /// How long it is.
    pub bytes: u64,
    /// The BLAKE3 hash of its bytes, in hexadecimal digits; `None` for a plain Parquet file, of
    /// which none is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The first key in the order of the index, a value for each of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Vec<Value>>,
    /// The last key in the order of the index, a value for each of its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Vec<Value>>,
}
