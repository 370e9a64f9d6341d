//! A replay whose rows are not known for a while.
//!
//! Where a store has compacted a frame and given up the versions before, the rows that single commits brought are gone
//! there. What the frame was *after* such a commit, or a later one, may still be known: as a list of segments. Such a
//! list can be put in the place of all that was replayed, if that is just what the commit follows: then both are the
//! same rows in the same order. So commits without rows are passed over as long as they come one after the other in
//! their line, and the next list makes up for them. If a commit of the other side comes between, nobody can tell what it
//! would have done to the missing rows, and the replay ends in a conflict, unless something takes the place of all rows.

use super::conflict::{Kind, Stop};
use super::meaning::begins_anew;
use super::replay::Replay;
use super::settle::Node;
use crate::lineage::record::Record;
use crate::log::commit::{CommitId, Operation};

/// Since when the rows of a replay are not known.
#[derive(Debug)]
pub(super) struct Unknown {
    /// The commit whose rows are gone.
    commit: CommitId,
    place: u32,
    /// The commit that would have to be done to rows that are not known.
    needed_by: Option<u32>,
}

impl Unknown {
    /// From the commit at a place on.
    pub(super) fn since(place: u32, record: &Record) -> Self {
        Self {
            commit: record.id.clone(),
            place,
            needed_by: None,
        }
    }

    /// The conflict that this ends in, and where.
    pub(super) fn stop(self) -> (u32, Stop) {
        let problem = format!(
            "the rows that commit {} brought have expired where it was made, and changes of the other side come before what is kept of them",
            self.commit
        );
        let place = self.needed_by.unwrap_or(self.place);
        (place, Stop::Conflict(Kind::Expired, problem))
    }
}

impl Replay<'_> {
    /// Whether the rows that a commit brought are no longer here.
    pub(super) fn is_gone(&self, record: &Record) -> bool {
        self.gone.contains(&record.id)
    }

    /// Goes on although rows are not known: those before the commit, or its own.
    pub(super) async fn step_unknown(
        &mut self,
        place: u32,
        record: &Record,
        own_epoch: Node,
    ) -> Result<(), Stop> {
        let commit = &record.commit;
        let operation = commit.operation;
        let alone = self.finds_its_line(place, own_epoch);
        if let Some(list) = record.list.as_ref().filter(|_| alone) {
            let after = self.log.schema(&commit.schema).await?;
            let rows = self.listed(list);
            if let Some(table) = &mut self.table {
                table.columns.set(after.schema, commit.index.clone());
                table.rows = rows;
                self.unknown = None;
            }
        } else if begins_anew(operation, self.deleted) {
            if self.is_gone(record) {
                // The frame is there again; with which rows, nobody knows.
                self.unknown = Some(Unknown::since(place, record));
                self.deleted = false;
            } else {
                let meant = self.meant(place, record, own_epoch).await?;
                self.begin_anew(&meant).await?;
                self.unknown = None;
            }
            self.enter(place);
        } else if changes_rows(operation) {
            let unknown = self.unknown.get_or_insert(Unknown::since(place, record));
            if !alone {
                unknown.needed_by.get_or_insert(place);
            }
        }
        match operation {
            Operation::Delete => self.deleted = true,
            Operation::Undelete => self.deleted = false,
            Operation::Merge if alone => self.deleted = commit.leaves_deleted(self.deleted),
            _ => {}
        }
        Ok(())
    }
}

/// Whether the rows after a commit are others than before it, or seen otherwise.
fn changes_rows(operation: Operation) -> bool {
    !operation.is_upkeep()
        && !matches!(
            operation,
            Operation::Merge | Operation::Purge | Operation::Delete | Operation::Undelete
        )
}
