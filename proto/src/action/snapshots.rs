//! The actions on snapshots, which name the state of many frames at once: `snapshot`, `snapshots`,
//! `drop_snapshot`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::label::SnapshotName;
use crate::name::{BucketName, FrameId, FrameName};
use crate::request::{Coherent, Misfit, request};
use crate::time::Time;

request! {
    /// Names the newest state of many frames, and so keeps it.
    ///
    /// ```
    /// use shoots_proto::action::{SNAPSHOT, SnapshotRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"snapshot":"year end","frames":[{"name":"rates"}],"buckets":["nyc",null]}"#;
    /// let request: SnapshotRequest = decode(SNAPSHOT, json)?;
    /// assert_eq!(request.buckets[1], None); // the default bucket
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct SnapshotRequest () {
        /// The name.
        pub snapshot: SnapshotName,
        /// Frames that belong to it.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub frames: Vec<FrameRef>,
        /// Buckets all of whose frames belong to it; `None` is the default bucket.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub buckets: Vec<Option<BucketName>>,
        /// What the snapshot says about itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub message: Option<String>,
    }
}

impl Coherent for SnapshotRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.frames.is_empty() && self.buckets.is_empty() {
            let problem = "names nothing, nor does `buckets`; name at least one frame or bucket";
            return Err(Misfit::new("frames", problem));
        }
        Ok(())
    }
}

request! {
    /// Names a frame inside a request.
    #[derive(Eq)]
    pub struct FrameRef (frame) {}
}

impl Coherent for FrameRef {}

impl From<FrameId> for FrameRef {
    fn from(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
        }
    }
}

/// What a snapshot pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SnapshotResult {
    /// The snapshot.
    pub snapshot: String,
    /// The frames in it.
    pub frames: Vec<FrameVersion>,
}

/// A version of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FrameVersion {
    /// The frame's name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The version.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
}

/// Lists the snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct SnapshotsRequest {}

/// The snapshots of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SnapshotsResult {
    /// The snapshots, by name.
    pub snapshots: Vec<SnapshotRecord>,
}

/// A snapshot and what it pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SnapshotRecord {
    /// The snapshot.
    pub snapshot: String,
    /// When it was made.
    pub created: Time,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The frames in it.
    pub frames: Vec<FrameVersion>,
}

request! {
    /// Drops a snapshot. Its frames stay; it no longer keeps their versions.
    #[derive(Eq)]
    pub struct DropSnapshotRequest () {
        /// The snapshot.
        pub snapshot: SnapshotName,
    }
}

impl Coherent for DropSnapshotRequest {}

/// What dropping a snapshot did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct DropSnapshotResult {
    /// The snapshot.
    pub snapshot: String,
    /// How many frames it pinned.
    pub frames: u64,
}
