//! One end of a transfer: a store that this process has opened, or a server that has one.
//!
//! A transfer is the same whichever kind of peer is at either end, and neither end trusts the other. Names are those
//! that the frame has *at that peer*. Everything that crosses can be written as JSON with serde, and bytes of objects
//! are streams. Calls may be repeated after a failure: each of them is harmless when it is done twice.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shoots_proto::action::Retention;
use shoots_proto::name::{BucketName, FrameId, FrameName};

use crate::error::Result;
use crate::lineage::record::{Listed, Record};
use crate::lineage::tracking::Tracking;

/// The bytes of one object, in pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Records of a history, newest first.
pub type HistoryStream = BoxStream<'static, Result<HistoryRecord>>;

/// One end of a transfer.
///
/// Errors: [`ErrorKind::Io`](crate::ErrorKind::Io) if it cannot be reached, and what each call says. An implementation
/// that reaches a server makes its errors with [`Error::elsewhere`](crate::Error::elsewhere).
#[async_trait]
pub trait Peer: fmt::Debug + Send + Sync {
    /// Where it is, for people: without credentials.
    fn location(&self) -> &str;

    /// The buckets that exist there, by name; the one without a name is not among them.
    async fn buckets(&self) -> Result<Vec<BucketName>>;

    /// The frames of a bucket (none: the one without a name) that exist there and are not deleted, by name. No such
    /// bucket: none. A frame that cannot be read there is among them: what is asked of it says why.
    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>>;

    /// What the newest state of a frame is, deleted or not; `None` if there never was such a frame, or if it was purged.
    /// A plain file becomes a frame with a history first, where the peer may be written to.
    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>>;

    /// The commit `from` and everything that it follows, newest first by (time, id): side lines that merges brought
    /// included, upkeep not. The caller drops the stream when it has enough. It ends where the peer knows nothing older:
    /// the last record may have parents.
    ///
    /// `from` is the tip that [`head`](Self::head) told; another commit, or one that is not a version there, is
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream>;

    /// All segments of the frame after a commit, in order; `None` if the commit is no version there that can be read.
    async fn list(&self, frame: &FrameId, commit: &str) -> Result<Option<Vec<Listed>>>;

    /// How many bytes each of these objects has there; `None`: it is not there. Only the frame's own objects are looked
    /// for.
    async fn have(&self, frame: &FrameId, objects: &[ObjectName]) -> Result<Vec<Option<u64>>>;

    /// The bytes of one of the frame's objects: [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it is not there.
    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream>;

    /// Stores an object of a frame, which need not exist yet. Its size and its hash are checked on the way: what does
    /// not fit is [`ErrorKind::Damaged`](crate::ErrorKind::Damaged), and nothing is stored. It is durable when this returns; that it is there already, with this size, is
    /// success. Nobody can see it until it is [published](Self::publish).
    async fn write(&self, frame: &FrameId, object: &SentObject, bytes: ByteStream) -> Result<()>;

    /// Publishes commits that other stores have made, each as a version of its own. Everything is checked anew before:
    /// hashes, ids, times, parents, and for segments that the frame does not have yet their rows, their order and
    /// ranges. What does not fit is [`ErrorKind::Damaged`](crate::ErrorKind::Damaged), and nothing is published.
    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome>;
}

/// What a frame is at a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerHead {
    /// The newest commit of its history: 64 hexadecimal digits.
    pub tip: String,
    /// The newest version there.
    pub version: u64,
    /// Visible rows.
    pub rows: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: u64,
    /// Whether the frame is deleted.
    #[serde(default)]
    pub deleted: bool,
    /// Commits by the name of the version that they became there. Names of versions made by upkeep are left out.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The frame's own rule of retention.
    #[serde(default)]
    pub retention: Option<Retention>,
}

/// A commit of a history, and what it is at the peer that tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The commit. A version comes without its list of segments: ask for that with [`list`](Peer::list).
    pub record: Record,
    /// The version that it is there; `None`: a merge brought it.
    #[serde(default)]
    pub version: Option<u64>,
    /// Whether the commit's own objects are there for sure: that version can be read there, or a merge brought them.
    #[serde(default)]
    pub kept: bool,
    /// Whether the rows after it can be read there, at that version or at one with the same rows: [`list`](Peer::list)
    /// tells them.
    #[serde(default)]
    pub readable: bool,
}

/// What an object is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Rows.
    Segment,
    /// Which rows of a segment are invisible.
    Vector,
    /// Columns.
    Schema,
}

/// The name of one of a frame's objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// What it is for.
    pub kind: ObjectKind,
    /// Its id, or its hash: hexadecimal digits.
    pub id: String,
}

/// An object that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentObject {
    /// Its name.
    pub name: ObjectName,
    /// How many bytes it has.
    pub bytes: u64,
    /// BLAKE3 hash of these bytes in lower-case hexadecimal.
    pub hash: String,
}

/// Commits that are to become versions of a frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    /// The tip that the frame must have; `None`: it must have no history (a frame that was never there, or was purged),
    /// and what the first commit follows need not be known.
    #[serde(default)]
    pub expected: Option<String>,
    /// The first commit begins a new history, although there was a frame, which must be deleted.
    #[serde(default)]
    pub begins: bool,
    /// The commits, parents before children, at most [`MAX_ARRIVALS`](Self::MAX_ARRIVALS).
    pub arrivals: Vec<Arrival>,
    /// Segments of the last commit's list that are not sent.
    #[serde(default)]
    pub promise: Option<Promise>,
    /// What the frame knows of a remote from then on. It is a matter of the store that publishes, and never crosses.
    #[serde(skip)]
    pub tracked: Tracked,
}

/// What a frame is to know of its history at a remote, by the remote's name; by default nothing new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracked(pub(crate) Option<(String, Tracking)>);

impl Tracked {
    pub(crate) fn of(remote: &str, tracking: Tracking) -> Self {
        Self(Some((remote.to_owned(), tracking)))
    }
}

impl Publish {
    /// How many commits can be published at once.
    pub const MAX_ARRIVALS: usize = 64;

    /// What the commits say for programs, those that a merge brings, too.
    pub fn facts(&self) -> impl Iterator<Item = &Map<String, Value>> {
        let records = self.arrivals.iter().flat_map(|arrival| {
            let brought = arrival.brings.iter().map(|brought| &brought.record);
            brought.chain([&arrival.record])
        });
        records.filter_map(|record| record.commit.metadata.as_ref())
    }
}

/// One commit that arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The commit, with its list where that was asked for or the commit alone does not say it: then that list counts, and
    /// what the commit names itself need not come along. Among what it follows, or what the commits that it brings follow,
    /// is the arrival before it, or, of the first one, the expected tip.
    pub record: Record,
    /// Whether its rows come along; otherwise it becomes a version that can be named and not read.
    pub kept: bool,
    /// The commits that come with it and are not versions of the frame, parents before children: the other side of a
    /// merge, or what lies before it and has expired at the sender.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brings: Vec<Brought>,
}

/// A commit that a merge brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brought {
    /// The commit.
    pub record: Record,
    /// Whether the objects that it speaks of come along; otherwise they are gone, and only those of its list come along,
    /// if it has one.
    pub kept: bool,
}

/// Segments that were left where they came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The remote's name or URL, for people and for the fetch that completes them.
    pub remote: String,
    /// Where that is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Their ids.
    pub segments: Vec<String>,
}

/// What became of commits that were to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum PublishOutcome {
    /// They are versions now.
    Published {
        /// How many became versions by this call: those that were versions before are not counted.
        versions: u64,
        /// The newest version.
        version: u64,
    },
    /// The frame has another tip than expected; nothing was published.
    Moved {
        /// The tip that it has; `None`: it has no history.
        tip: Option<String>,
    },
    /// These commits cannot be applied to the segments that the frame has here (its own upkeep has rewritten them);
    /// nothing was published. Send the objects of their whole lists, and try again with the lists.
    NeedsLists {
        /// Their ids, in the order in which they came.
        commits: Vec<String>,
    },
}
