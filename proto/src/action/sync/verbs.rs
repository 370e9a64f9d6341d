//! What moves frames between here and a remote: `clone`, `fetch`, `pull`, `push`, `merge`.
//!
//! `name` and `bucket` say what is moved, where it comes from; `target` and `target_bucket` what it is called where it
//! goes to. Without a name it is every frame of the bucket, `regex` finds a match in some of their names, and
//! `all_buckets` is everything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::field;
use crate::mode::UnknownMode;
use crate::name::{BucketName, FrameId, FrameName};
use crate::range::{Closed, IndexValue};
use crate::request::{Coherent, Misfit, request};

request! {
    /// Brings frames here that are not here, with their histories.
    ///
    /// ```
    /// use shoots_proto::action::{CLONE, CloneRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"remote":"origin","name":"prices","start":"2024-01-01","stop":"2025-01-01"}"#;
    /// let request: CloneRequest = decode(CLONE, json)?;
    /// assert_eq!(request.depth(), Some(1)); // a range is of the newest state
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct CloneRequest (transfer) {
        /// 1 brings only the newest state of each frame, without what led to it.
        #[serde(
            default,
            deserialize_with = "depth",
            skip_serializing_if = "Option::is_none"
        )]
        pub depth: Option<u64>,
        /// Brings only what may hold rows that are not before this in the index. The rest stays at the remote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub start: Option<IndexValue>,
        /// Brings only what may hold rows that are before this in the index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop: Option<IndexValue>,
        /// Which of the given ends belong to the range; `None` is `left`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub closed: Option<Closed>,
    }
}

impl CloneRequest {
    /// How many states are brought; `None` is all. A range is of the newest one.
    #[must_use]
    pub fn depth(&self) -> Option<u64> {
        let ranged = self.start.is_some() || self.stop.is_some();
        self.depth.or(ranged.then_some(1))
    }
}

impl Coherent for CloneRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.selected().check()?;
        if self.closed.is_some() && self.start.is_none() && self.stop.is_none() {
            let problem = "is about `start` and `stop`; give one of them, or leave it out";
            return Err(Misfit::new("closed", problem));
        }
        Ok(())
    }
}

request! {
    /// Brings the history of frames here, and what it is made of, without changing the frames.
    #[derive(Eq)]
    pub struct FetchRequest (transfer) {
        /// Brings the commits, too, that lie before a newest state which was cloned alone.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub unshallow: bool,
    }
}

impl Coherent for FetchRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.selected().check()
    }
}

request! {
    /// Brings what is new at a remote into the frames here. Histories that went apart are merged.
    ///
    /// ```
    /// use shoots_proto::action::{PULL, PullRequest};
    /// use shoots_proto::decode;
    ///
    /// let request: PullRequest = decode(PULL, br#"{"remote":"origin","name":"prices"}"#)?;
    /// assert!(request.merge);
    /// let refused = decode::<PullRequest>(PULL, br#"{"remote":"origin","merge":false,"favour":"ours"}"#);
    /// assert_eq!(refused.unwrap_err().field(), Some("favour"));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct PullRequest (transfer) {
        /// Whether histories that went apart are merged; if not, both stay as they are, to be settled later.
        #[serde(
            default = "yes",
            deserialize_with = "or_yes",
            skip_serializing_if = "is_yes"
        )]
        pub merge: bool,
        /// Whose side is taken where the two cannot be merged; `None` refuses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub favour: Option<Favour>,
    }
}

impl Coherent for PullRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.selected().check()?;
        if self.favour.is_some() && !self.merge {
            let problem = "settles a merge; leave it out, or let `merge` be true";
            return Err(Misfit::new("favour", problem));
        }
        Ok(())
    }
}

request! {
    /// Brings what is new here to a remote. It only adds to histories there: one that has moved on is refused.
    #[derive(Eq)]
    pub struct PushRequest (transfer) {}
}

impl Coherent for PushRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.selected().check()
    }
}

request! {
    /// Settles histories that went apart and were fetched.
    ///
    /// Nothing comes from the remote any more, so without `target` and `target_bucket` the frames are called as they are
    /// here, also where they have another name at the remote.
    #[derive(Eq)]
    pub struct MergeRequest (transfer) {
        /// Whose side is taken where the two cannot be merged; `None` refuses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub favour: Option<Favour>,
    }
}

impl Coherent for MergeRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.selected().check()
    }
}

/// Which frames are moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameSelection {
    /// One.
    Frame(FrameId),
    /// Those of a bucket in whose names the regular expression finds a match.
    Bucket {
        /// The bucket; `None` is the default bucket.
        bucket: Option<BucketName>,
        /// The regular expression; `None` is every frame.
        regex: Option<String>,
    },
    /// Those of every bucket.
    Everything {
        /// The regular expression; `None` is every frame.
        regex: Option<String>,
    },
}

impl FrameSelection {
    /// The regular expression that names have to match, if there is one.
    #[must_use]
    pub fn regex(&self) -> Option<&str> {
        match self {
            Self::Frame(_) => None,
            Self::Bucket { regex, .. } | Self::Everything { regex } => regex.as_deref(),
        }
    }
}

/// The fields of a transfer that say which frames it is about and what they are called where they go to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selected<'a> {
    pub(crate) name: Option<&'a FrameName>,
    pub(crate) bucket: Option<&'a BucketName>,
    pub(crate) regex: Option<&'a str>,
    pub(crate) all_buckets: bool,
    pub(crate) target: Option<&'a FrameName>,
    pub(crate) target_bucket: Option<&'a Option<BucketName>>,
}

impl Selected<'_> {
    pub(crate) fn frames(self) -> FrameSelection {
        let regex = self.regex.map(str::to_owned);
        match self.name {
            Some(name) => FrameSelection::Frame(FrameId::new(self.bucket.cloned(), name.clone())),
            None if self.all_buckets => FrameSelection::Everything { regex },
            None => FrameSelection::Bucket {
                bucket: self.bucket.cloned(),
                regex,
            },
        }
    }

    pub(crate) fn target_of(self, frame: &FrameId) -> FrameId {
        FrameId {
            bucket: self.target_bucket.unwrap_or(&frame.bucket).clone(),
            name: self.target.unwrap_or(&frame.name).clone(),
        }
    }

    pub(crate) fn check(self) -> Result<(), Misfit> {
        let one = self.name.is_some();
        if self.all_buckets && (one || self.bucket.is_some() || self.target_bucket.is_some()) {
            let problem =
                "goes with neither `name` nor `bucket` nor `target_bucket`; leave it or them out";
            return Err(Misfit::new("all_buckets", problem));
        }
        if one && self.regex.is_some() {
            let problem = "finds frames by their names; leave it or `name` out";
            return Err(Misfit::new("regex", problem));
        }
        if self.target.is_some() && !one {
            let problem = "is for one frame; say which with `name`, or leave it out";
            return Err(Misfit::new("target", problem));
        }
        Ok(())
    }
}

/// Whose side is taken where two histories cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Favour {
    /// That of the frame here.
    Ours,
    /// That of the remote.
    Theirs,
}

impl Favour {
    /// The word as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

impl fmt::Display for Favour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Favour {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "ours" => Ok(Self::Ours),
            "theirs" => Ok(Self::Theirs),
            _ => Err(UnknownMode::new("`ours` or `theirs`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for Favour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "whose side is taken (a string)")
    }
}

fn depth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match field::positive_count(deserializer)? {
        Some(depth) if depth > 1 => Err(serde::de::Error::custom(format!(
            "must be 1, the newest state alone (got {depth}); leave it out for the whole history"
        ))),
        depth => Ok(depth),
    }
}

fn yes() -> bool {
    true
}

fn or_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn is_yes(value: &bool) -> bool {
    *value
}
