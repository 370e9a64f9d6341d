//! What servers ask each other, so that one can be an end of a transfer: frames, heads, histories, objects.
//!
//! Each call is about one frame, and answers from that frame's folder alone. What travels besides is told by its hash:
//! objects as streams of bytes, records of a history as lines of text. Whoever receives checks them, so that nothing
//! here has to be believed.
//!
//! | call | in | out |
//! |---|---|---|
//! | `sync_frames` | [`SyncFramesRequest`] | [`SyncFramesResult`] |
//! | `sync_head` | [`SyncHeadRequest`] | where the history ends, or `null` |
//! | `sync_history` | [`SyncHistoryRequest`] | lines, newest first, several in each result |
//! | `sync_list` | [`SyncListRequest`] | lines, several in each result; none if the state is gone |
//! | `sync_have` | [`SyncHaveRequest`] | [`SyncHaveResult`] |
//! | `sync_read` | [`SyncReadRequest`] | bytes, at most [`CHUNK_BYTES`] in each result |
//! | `DoPut` | [`SyncWriteCommand`], bytes | [`SyncWriteResult`] |
//! | `DoPut` | [`SyncPublishCommand`], lines | what was published |
//!
//! A `DoPut` carries the bytes in the bodies of its messages, none longer than [`CHUNK_BYTES`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::field;
use crate::mode::UnknownMode;
use crate::name::{BucketName, FrameId};
use crate::request::{Coherent, Misfit, request};

/// The most bytes in one message of a stream of bytes.
pub const CHUNK_BYTES: usize = 1 << 20;
/// The most objects that one `sync_have` asks for.
pub const MAX_OBJECTS: usize = 4096;

request! {
    /// Asks for the frames of a bucket, or for the buckets.
    ///
    /// ```
    /// use shoots_proto::action::{SYNC_FRAMES, SyncFramesRequest};
    /// use shoots_proto::decode;
    ///
    /// let request: SyncFramesRequest = decode(SYNC_FRAMES, br#"{"buckets":true}"#)?;
    /// assert!(request.buckets);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Default, Eq)]
    pub struct SyncFramesRequest () {
        /// The bucket; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// Asks for the names of the buckets instead.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub buckets: bool,
    }
}

impl Coherent for SyncFramesRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.buckets && self.bucket.is_some() {
            let problem = "goes without `bucket`; leave one of them out";
            return Err(Misfit::new("buckets", problem));
        }
        Ok(())
    }
}

/// The names that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncFramesResult {
    /// The names of frames, or of buckets without the default one.
    pub names: Vec<String>,
}

request! {
    /// Asks where a frame's history ends.
    #[derive(Eq)]
    pub struct SyncHeadRequest (frame) {}
}

impl Coherent for SyncHeadRequest {}

request! {
    /// Asks for a frame's history from a commit on, newest first: all of it, or the commits that `skip` and `limit` name.
    /// The history of a commit never changes its order, so its parts can be asked for one after the other.
    #[derive(Eq)]
    pub struct SyncHistoryRequest (frame) {
        /// The id of the commit, in hexadecimal digits.
        #[serde(deserialize_with = "commit_id")]
        pub from: String,
        /// How many of the newest commits to leave out.
        #[serde(
            default,
            deserialize_with = "field::count",
            skip_serializing_if = "Option::is_none"
        )]
        pub skip: Option<u64>,
        /// The greatest number of commits to tell after those, at least 1; `None`: all.
        #[serde(
            default,
            deserialize_with = "field::positive_count",
            skip_serializing_if = "Option::is_none"
        )]
        pub limit: Option<u64>,
    }
}

impl Coherent for SyncHistoryRequest {}

request! {
    /// Asks for all segments of a frame as they are after a commit.
    #[derive(Eq)]
    pub struct SyncListRequest (frame) {
        /// The id of the commit, in hexadecimal digits.
        #[serde(deserialize_with = "commit_id")]
        pub commit: String,
    }
}

impl Coherent for SyncListRequest {}

request! {
    /// Asks which of these objects of a frame are there.
    ///
    /// ```
    /// use shoots_proto::action::{SYNC_HAVE, SyncHaveRequest, SyncObjectKind};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"name":"prices","objects":[{"kind":"segment","id":"0f0e"}]}"#;
    /// let request: SyncHaveRequest = decode(SYNC_HAVE, json)?;
    /// assert_eq!(request.objects[0].kind, SyncObjectKind::Segment);
    ///
    /// let hostile = br#"{"name":"prices","objects":[{"kind":"segment","id":"../../log/latest"}]}"#;
    /// let refused = decode::<SyncHaveRequest>(SYNC_HAVE, hostile).unwrap_err();
    /// assert_eq!(refused.field(), Some("objects[0].id"));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct SyncHaveRequest (frame) {
        /// The objects, at most [`MAX_OBJECTS`].
        #[serde(deserialize_with = "objects")]
        pub objects: Vec<SyncObject>,
    }
}

impl Coherent for SyncHaveRequest {}

/// Which objects are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncHaveResult {
    /// How many bytes each of them has, in the order in which they were asked for; `None` is not there.
    pub sizes: Vec<Option<u64>>,
}

request! {
    /// Asks for the bytes of an object.
    #[derive(Eq)]
    pub struct SyncReadRequest (frame) {
        /// The object.
        pub object: SyncObject,
    }
}

impl Coherent for SyncReadRequest {}

request! {
    /// An object of a frame. Its name is unique, or says its content.
    #[derive(Eq, Hash)]
    pub struct SyncObject () {
        /// What it is.
        pub kind: SyncObjectKind,
        /// Its id among the objects of this kind, in hexadecimal digits.
        #[serde(deserialize_with = "object_id")]
        pub id: String,
    }
}

impl Coherent for SyncObject {}

/// What an object of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncObjectKind {
    /// Rows.
    Segment,
    /// Which rows of a segment are invisible.
    Vector,
    /// A schema.
    Schema,
}

impl SyncObjectKind {
    /// The word as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Vector => "vector",
            Self::Schema => "schema",
        }
    }
}

impl fmt::Display for SyncObjectKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for SyncObjectKind {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "segment" => Ok(Self::Segment),
            "vector" => Ok(Self::Vector),
            "schema" => Ok(Self::Schema),
            _ => Err(UnknownMode::new("`segment`, `vector` or `schema`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for SyncObjectKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "what an object is (a string)")
    }
}

request! {
    /// The command of a `DoPut` that brings an object: `{"sync_object": {…}}`. The bytes follow.
    #[derive(Eq)]
    pub struct SyncWriteCommand () {
        /// The object and where it belongs.
        pub sync_object: WrittenObject,
    }
}

impl Coherent for SyncWriteCommand {}

request! {
    /// An object that is brought.
    #[derive(Eq)]
    pub struct WrittenObject (frame) {
        /// The object.
        pub object: SyncObject,
        /// How many bytes follow.
        pub bytes: u64,
        /// Their hash (BLAKE3), in hexadecimal digits.
        #[serde(deserialize_with = "commit_id")]
        pub hash: String,
    }
}

impl Coherent for WrittenObject {}

/// What became of an object that was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SyncWriteResult {
    /// How many bytes were written.
    pub bytes: u64,
}

request! {
    /// The command of a `DoPut` that adds to a frame's history: `{"sync_publish": {…}}`. What is to be published
    /// follows, as JSON.
    #[derive(Eq)]
    pub struct SyncPublishCommand () {
        /// The frame whose history it is.
        pub sync_publish: PublishedFrame,
    }
}

impl Coherent for SyncPublishCommand {}

request! {
    /// A frame whose history is added to.
    #[derive(Eq)]
    pub struct PublishedFrame (frame) {}
}

impl Coherent for PublishedFrame {}

impl SyncObject {
    /// An object by its kind and id.
    #[must_use]
    pub fn new(kind: SyncObjectKind, id: impl Into<String>) -> Self {
        let id = id.into();
        Self { kind, id }
    }
}

impl SyncWriteCommand {
    /// Whether the command of a `DoPut` is meant to be one of these.
    #[must_use]
    pub fn is_meant_by(command: &[u8]) -> bool {
        crate::columns::has_field(command, "sync_object")
    }

    /// Brings `object` of `frame`.
    #[must_use]
    pub fn new(frame: FrameId, object: SyncObject, bytes: u64, hash: impl Into<String>) -> Self {
        Self {
            sync_object: WrittenObject {
                name: frame.name,
                bucket: frame.bucket,
                object,
                bytes,
                hash: hash.into(),
            },
        }
    }
}

impl SyncPublishCommand {
    /// Whether the command of a `DoPut` is meant to be one of these.
    #[must_use]
    pub fn is_meant_by(command: &[u8]) -> bool {
        crate::columns::has_field(command, "sync_publish")
    }

    /// Adds to the history of `frame`.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            sync_publish: PublishedFrame {
                name: frame.name,
                bucket: frame.bucket,
            },
        }
    }
}

/// Reads the id of a commit, or another hash: 64 hexadecimal digits.
fn commit_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() == 64 && text.bytes().all(is_digit) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(
        "must be 64 hexadecimal digits, `0` to `9` and `a` to `f`",
    ))
}

/// Reads the id of an object: it is a part of a path, and leads nowhere else.
fn object_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if (1..=64).contains(&text.len()) && text.bytes().all(is_digit) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(
        "must be 1 to 64 hexadecimal digits, `0` to `9` and `a` to `f`",
    ))
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SyncObject>, D::Error> {
    let objects = Vec::deserialize(deserializer)?;
    if objects.len() > MAX_OBJECTS {
        let problem = format!(
            "names {} objects; ask for at most {MAX_OBJECTS} at once",
            objects.len()
        );
        return Err(serde::de::Error::custom(problem));
    }
    Ok(objects)
}
