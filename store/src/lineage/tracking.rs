//! What a frame knows of its history at another place: the last commit there, and where the two went apart.
//!
//! This is a matter of one store. It stands in the state of the frame's log, is changed by a commit of upkeep, and
//! never travels.
//!
//! As long as it is there, the version where the two histories went apart is held like one with a tag, so that no
//! expiry takes the ground that a merge stands on.

use serde::{Deserialize, Serialize};
use shoots_proto::name::{BucketName, FrameName};

use crate::log::commit::{CommitId, Mark};
use crate::time::Timestamp;

/// A frame's history at a remote, as it was found the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tracking {
    /// What the frame is called there.
    pub(crate) frame: FrameName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<BucketName>,
    /// The last commit there.
    pub(crate) tip: CommitId,
    /// The newest commit that both have; none: the histories have nothing to do with each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) common: Option<CommitId>,
    /// Commits here that are not there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) ahead: u64,
    /// Commits there that are not here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) behind: u64,
    /// Bundles with commits that were fetched and are no part of the frame's history so far, oldest first:
    /// `histories/<hash>.jsonl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<String>,
    /// When this was found.
    pub(crate) at: Timestamp,
    /// The version of `common` here, if it is one that can be read. It is looked up when the tracking is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fork: Option<Mark>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tracking {
    /// The ids and hashes in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        let commits = [&self.tip].into_iter().chain(&self.common);
        commits.chain(&self.history)
    }
}
