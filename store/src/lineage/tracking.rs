//! What a frame knows of its history at another place: the last commit there, and where the two went apart.
//!
//! This is a matter of one store. It stands in the state of the frame's log, is changed by commits that arrive or by one of
//! upkeep, and never travels.
//!
//! As long as it is there, the version where the two histories went apart is held like one with a tag, so that no
//! expiry takes the ground that a merge stands on.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shoots_proto::name::{BucketName, FrameName};

use crate::error::Result;
use crate::frame::Frame;
use crate::frame_log::FrameLog;
use crate::log::commit::{CommitId, Mark, Operation, Published};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::time::Timestamp;
use crate::upkeep::condemned;
use crate::upkeep::garbage::named_by;

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
    /// `histories/<hash>.jsonl`. Behind them, and also when they are merged, there may be one with just the last commit there
    /// and the list of all segments after it, as they lie here.
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

/// That a remote was looked at again is worth a commit when so much time has gone by, if nothing was new there.
const NEWS_SECONDS: u64 = 24 * 3600;

/// Keeps what was found at a remote; none: forgets it.
#[derive(Debug)]
struct SetTracking {
    remote: String,
    tracking: Option<Tracking>,
}

impl SetTracking {
    /// What is to be kept after an entry.
    async fn kept(&self, log: &FrameLog, entry: &Entry) -> Result<Option<Tracking>> {
        let Some(tracking) = &self.tracking else {
            return Ok(None);
        };
        let present = entry.state.tracking.get(&self.remote);
        let known = present.filter(|present| present.common == tracking.common);
        let fork = match (&tracking.common, known) {
            (None, _) => None,
            (_, Some(known)) => known.fork,
            (Some(common), None) => fork(log, entry, common).await?,
        };
        let fork = fork.filter(|fork| entry.state.keeps(fork.version));
        Ok(Some(Tracking {
            fork,
            ..tracking.clone()
        }))
    }
}

/// The version of a commit.
async fn fork(log: &FrameLog, entry: &Entry, common: &CommitId) -> Result<Option<Mark>> {
    if let Some(tip) = log.tip(entry).await?.filter(|tip| tip.commit == *common) {
        let (version, sequence) = (tip.version, tip.sequence);
        return Ok(Some(Mark { version, sequence }));
    }
    let found = log.version_of(entry, common).await?;
    Ok(found.map(|found| Mark {
        version: found.version,
        sequence: found.entry.header.sequence,
    }))
}

/// Whether there is nothing to tell, but perhaps that it was looked.
fn is_old_news(present: Option<&Tracking>, next: Option<&Tracking>) -> bool {
    let (Some(present), Some(next)) = (present, next) else {
        return present == next;
    };
    let same = Tracking {
        at: present.at,
        ..next.clone()
    };
    same == *present && next.at.seconds_since(present.at) < NEWS_SECONDS
}

/// Takes what the commits of some bundles name off the lists of what is to be removed, if it is on one.
pub(crate) async fn spare_brought(
    log: &FrameLog,
    entry: &Entry,
    history: &[String],
) -> Result<Option<StateEdit>> {
    let condemned_now = &entry.state.retained.condemned;
    if condemned_now.is_empty() {
        return Ok(None);
    }
    let named = named_by(log, history).await?;
    let spared = condemned::spare(log, condemned_now, &named).await?;
    Ok(spared.map(|spared| {
        let mut retained = entry.state.retained.clone();
        retained.condemned = spared;
        StateEdit::Retain(Box::new(retained))
    }))
}

#[async_trait]
impl Derive for SetTracking {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let next = self.kept(log, entry).await?;
        if is_old_news(entry.state.tracking.get(&self.remote), next.as_ref()) {
            return Ok(None);
        }
        let mut edits = Vec::new();
        if let Some(next) = &next {
            edits.extend(spare_brought(log, entry, &next.history).await?);
        }
        edits.push(StateEdit::Tracking(self.remote.clone(), next.map(Box::new)));
        let changed = [("tracking".to_owned(), json!(self.remote))];
        Ok(Some(Step {
            details: Details {
                properties: changed.into(),
                ..Details::default()
            },
            edits,
            ..Step::bare(log, entry, Operation::Configure).await?
        }))
    }

    fn asked(&self) -> Value {
        json!(["tracking", self.remote])
    }
}

impl Frame {
    /// Keeps what was found of the frame at a remote; none: forgets it, and lets go of what was fetched from there and not
    /// merged. `fork` is looked up, whatever it says. The objects that its bundles name are durable.
    ///
    /// None: there is nothing new to be kept.
    pub(crate) async fn set_tracking(
        &self,
        remote: &str,
        tracking: Option<Tracking>,
    ) -> Result<Option<Published>> {
        let remote = remote.to_owned();
        self.change(SetTracking { remote, tracking }).await
    }
}
