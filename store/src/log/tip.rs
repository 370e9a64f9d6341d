//! The tip: the last commit of a log that changed rows or columns, which the next commit follows.
//!
//! Commits of upkeep (tags, settings, compaction, expiry) are leaves of the history: nothing follows them. So the
//! history of a frame, the graph of the commits that are no upkeep, is the same in every store that has it, whatever
//! is done there to look after it. After a purge there is no tip, and the history begins anew.
//!
//! Older programs let every commit follow the one before it. In their entries upkeep stands in the line of parents,
//! and entries say nothing of a tip: it is the last commit that is no upkeep, in that entry or in one before it.

use std::sync::Arc;

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::commit::{Commit, CommitId, Operation};
use super::entry::Entry;
use super::seek::Found;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::time::Timestamp;

/// Entries that are read ahead when a commit is looked for.
const WANTED: usize = 4;

/// The last commit that changed rows or columns, and where this log published it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tip {
    pub(crate) commit: CommitId,
    /// The commit's own time.
    pub(crate) time: Timestamp,
    pub(crate) version: u64,
    /// The entry that published it.
    pub(crate) sequence: u64,
}

impl Tip {
    /// The tip after a commit that was published as `version` in the entry `sequence`; `before` was it until then.
    pub(crate) fn after(
        before: Option<Self>,
        id: &CommitId,
        commit: &Commit,
        version: u64,
        sequence: u64,
    ) -> Option<Self> {
        match commit.operation {
            Operation::Purge => None,
            operation if operation.is_upkeep() => before,
            _ => Some(Self {
                commit: id.clone(),
                time: commit.time,
                version,
                sequence,
            }),
        }
    }
}

impl Entry {
    /// The tip after this entry. None: the frame was purged.
    ///
    /// Where an older program wrote nothing but upkeep, this is the entry's last commit, although it is none that
    /// changed anything: [`FrameLog::tip`] finds the right one.
    pub(crate) fn tip(&self) -> Option<Tip> {
        if self.header.knows_lineage() {
            return self.state.tip.clone();
        }
        let content = self.versions().filter(|(.., commit)| !is_leaf(commit));
        let (version, id, commit) = content.last().or_else(|| self.versions().last())?;
        let tip = || Tip {
            commit: id.clone(),
            time: commit.time,
            version,
            sequence: self.header.sequence,
        };
        (commit.operation != Operation::Purge).then(tip)
    }

    /// Whether [`tip`](Self::tip) is what it says: not so after an entry of an older program with nothing but upkeep.
    pub(crate) fn knows_tip(&self) -> bool {
        self.header.knows_lineage() || self.versions().any(|(.., commit)| !is_leaf(commit))
    }
}

/// Whether nothing ever follows the commit.
fn is_leaf(commit: &Commit) -> bool {
    commit.operation.is_upkeep()
}

impl FrameLog {
    /// The tip after an entry, looked for in older ones if it takes that. None: the frame was purged.
    pub(crate) async fn tip(&self, entry: &Entry) -> Result<Option<Tip>> {
        if entry.knows_tip() {
            return Ok(entry.tip());
        }
        let first = entry.state.retained.first_entry.max(1);
        for sequence in (first..entry.header.sequence).rev() {
            let Some(older) = self.reader().entry(sequence).await? else {
                break;
            };
            if older.knows_tip() {
                return Ok(older.tip());
            }
        }
        Ok(entry.tip())
    }

    /// Where a commit was published as a version, if that is in an entry that is kept.
    pub(crate) async fn version_of(&self, head: &Entry, id: &str) -> Result<Option<Found>> {
        let mut entries = self.reader().walk_back(Arc::new(head.clone()), WANTED);
        while let Some(entry) = entries.try_next().await? {
            let found = entry.versions().find(|(_, own, _)| *own == id);
            if let Some(version) = found.map(|(version, ..)| version) {
                return Ok(Some(Found { entry, version }));
            }
        }
        Ok(None)
    }
}
