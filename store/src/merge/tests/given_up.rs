//! One side has given up the rows of its oldest commits, and knows only what there was after them.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::site::Site;
use crate::lineage::record::{Listed, Record};
use crate::log::commit::{CommitId, Operation};
use crate::merge::{Conflict, Histories, Merged, Outcome, merge};

/// What came of a merge without the rows of some commits.
pub(super) struct Without {
    pub(super) outcome: Result<Box<Merged>, Conflict>,
    /// Whether commits of this side lie before what is known of the other side's.
    pub(super) interleaved: bool,
}

impl Site {
    /// Merges as if the other site had lost what the first so many of its own commits brought. None: it has no such
    /// commits.
    pub(super) async fn merge_without(&self, other: &Self, lost: usize) -> Option<Without> {
        let (start, mut records) = self.histories(other).await;
        let theirs = |record: &Record| !self.has(&record.id);
        let own: Vec<CommitId> = records
            .iter()
            .filter(|record| theirs(record) && record.commit.operation != Operation::Merge)
            .map(|record| record.id.clone())
            .collect();
        let gone: HashSet<CommitId> = own.iter().take(lost).cloned().collect();
        let last = own.get(..lost)?.last()?;
        let interleaved = records
            .iter()
            .take_while(|record| record.id != *last)
            .any(|record| self.has(&record.id) && !other.has(&record.id));
        for record in &mut records {
            if gone.contains(&record.id) {
                record.list = None;
            }
            if record.id == *last {
                record.list = Some(other.list_of(last).await);
            }
        }
        let histories = Histories {
            start,
            records,
            gone,
            ours: self.head().clone(),
            theirs: other.head().clone(),
        };
        let version = self.newest().await?.last_version() + 1;
        let outcome = match merge(self.log(), histories, version).await.unwrap() {
            Outcome::Merged(merged) => Ok(merged),
            Outcome::Conflict(conflict) => Err(conflict),
        };
        Some(Without {
            outcome,
            interleaved,
        })
    }

    /// All segments after a commit that was made here.
    async fn list_of(&self, id: &CommitId) -> Vec<Listed> {
        let head = self.newest().await.unwrap();
        let mut entries = self.log().reader().walk_back(head, 1000).boxed();
        while let Some(entry) = entries.try_next().await.unwrap() {
            let found = entry.versions().find(|(_, own, _)| *own == id);
            if let Some(version) = found.map(|(version, ..)| version) {
                let list = Arc::clone(&entry).list_through(version);
                let segments = self.log().checkpoints().segments(list).await.unwrap();
                return segments.iter().map(Listed::of).collect();
            }
        }
        panic!("{id} was not made here");
    }
}
