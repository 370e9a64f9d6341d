//! What commits of another store do to the list of segments here: see [`super::foreign`].

use std::collections::HashSet;

use super::change::{Change, Segment, SegmentList, totals};
use super::commit::{Base, Commit, CommitId, Operation, Own, SegmentRecord, Totals};
use super::entry::Entry;
use super::foreign::{Arrival, Arriving, misfit};
use super::invariants;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::record::{Listed, Record};

/// Segments that the lists of an entry hold without a checkpoint, all together.
const MAX_LISTED: usize = 256;

/// What is known of the list of segments.
#[derive(Debug)]
pub(super) enum Known {
    /// All of it.
    List(SegmentList),
    /// It will have been given.
    Something,
    /// Commits that are gone have changed it, nobody knows how.
    Nothing,
}

/// The list of segments, while commits are published.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) known: Known,
    totals: Totals,
    /// The frame is deleted, and its rows are gone, too.
    pub(super) emptied: bool,
    /// The commit after which that is so; none: the next one may begin in the middle of a history.
    last: Option<CommitId>,
}

impl Present {
    /// What is known after an entry; `begins`: of a history that begins anew, perhaps in its middle.
    pub(super) async fn after(
        log: &FrameLog,
        before: Option<&Entry>,
        begins: bool,
    ) -> Result<Self> {
        if begins {
            return Ok(Self {
                known: Known::Nothing,
                totals: Totals::default(),
                emptied: false,
                last: None,
            });
        }
        let Some(entry) = before else {
            return Ok(Self {
                known: Known::List(SegmentList::default()),
                totals: Totals::default(),
                emptied: false,
                last: None,
            });
        };
        let list = entry.list_through(entry.last_version());
        let segments = log.checkpoints().segments(list).await?;
        Ok(Self {
            known: Known::List(SegmentList::of(segments)),
            totals: entry.state.totals(),
            emptied: entry.state.retained.emptied,
            last: log.tip(entry).await?.map(|tip| tip.commit),
        })
    }

    /// A commit is the next one. If it does not follow the last one, what lies between comes along beside the log, and
    /// nobody knows what that has done to the list.
    pub(super) fn meet(&mut self, next: &Record) -> Result<()> {
        if let Some(last) = self.last.replace(next.id.clone())
            && !next.follows()?.contains(&last)
        {
            self.known = Known::Nothing;
        }
        Ok(())
    }

    /// Whether a commit says itself what the list is after it.
    pub(super) fn says_all(&self, commit: &Commit) -> bool {
        let added: HashSet<&str> = commit.added.iter().map(|own| own.id.as_str()).collect();
        let own = |id: &str| added.contains(id);
        let removed = commit.removed.iter().map(String::as_str);
        let hidden = || commit.hidden.iter().map(|hidden| hidden.segment.as_str());
        match commit.operation {
            Operation::Restore | Operation::Copy | Operation::Merge => false,
            Operation::Undelete if self.emptied => false,
            operation if operation.clears() => hidden().all(own),
            _ => match &self.known {
                Known::List(list) => {
                    removed.chain(hidden()).all(|id| own(id) || list.holds(id))
                        && !added.iter().any(|id| list.holds(id))
                }
                Known::Something => removed.chain(hidden()).all(own),
                Known::Nothing => false,
            },
        }
    }

    /// Applies what a commit says of itself.
    pub(super) fn apply(&mut self, commit: &Commit, version: Option<u64>) {
        let change = Change::of(version.unwrap_or_default(), commit, None);
        self.emptied &= !commit.operation.clears();
        if change.clears {
            self.known = Known::List(SegmentList::default());
        }
        if let Known::List(list) = &mut self.known {
            list.apply(&change);
            self.totals = totals(list.segments());
        }
    }

    /// A commit that cannot be read: the list stays as it was.
    pub(super) fn give_up(&mut self, arrival: &Arrival, is_last: bool) -> Result<Arriving> {
        let commit = &arrival.record.commit;
        let empties = is_last && commit.operation == Operation::Delete;
        if is_last && !empties {
            return Err(misfit(&arrival.record, "the last commit must not be gone"));
        }
        let mut own = Own::plain(self.counted(commit), false);
        own.unapplied = true;
        if empties {
            own.totals = Totals::default();
            own.base = Some(Base::default());
        }
        self.known = Known::Nothing;
        self.totals = own.totals;
        Ok(Arriving {
            gone: !empties,
            empties,
            ..Arriving::of(&arrival.record, own)
        })
    }

    /// How many rows there are after a commit, by its own account.
    fn counted(&self, commit: &Commit) -> Totals {
        let added: u64 = commit.added.iter().map(|segment| segment.rows).sum();
        let start = match commit.operation {
            operation if operation.clears() => 0,
            Operation::Delete => return self.totals,
            _ => self.totals.rows.saturating_sub(commit.rows_removed),
        };
        let hidden = own_hidden(commit);
        Totals {
            rows: (start + added).saturating_sub(hidden),
            ..self.totals
        }
    }

    /// A commit with its effect here.
    pub(super) async fn take(
        &mut self,
        log: &FrameLog,
        version: u64,
        arrival: &Arrival,
        listed: &mut usize,
    ) -> Result<Arriving> {
        let record = &arrival.record;
        let start = match self.known {
            Known::List(_) => Some(self.totals),
            Known::Something | Known::Nothing => None,
        };
        if record.list.is_none() && self.says_all(&record.commit) {
            self.apply(&record.commit, Some(version));
            let start = start.filter(|_| !record.commit.operation.clears());
            if invariants::follows(start.unwrap_or_default(), &record.commit, self.totals) {
                return Ok(Arriving::of(record, Own::plain(self.totals, false)));
            }
            return Err(misfit(record, "its counts of rows do not add up"));
        }
        let Some(list) = &record.list else {
            let problem = "what it does cannot be told without the list of all segments";
            return Err(misfit(record, problem));
        };
        let segments = self.listed(version, list);
        self.totals = totals(&segments);
        if start.is_some_and(|start| !rows_follow(start, &record.commit, self.totals)) {
            return Err(misfit(record, "its counts of rows do not add up"));
        }
        let checkpoints = log.checkpoints();
        *listed += segments.len();
        let base = match *listed > MAX_LISTED {
            true => Base {
                checkpoint: Some(checkpoints.write_tree(&segments).await?),
                changes: Vec::new(),
            },
            false => checkpoints.list_of(&segments).await?,
        };
        self.known = Known::List(SegmentList::of(segments));
        self.emptied = false;
        let mut own = Own::plain(self.totals, false);
        own.base = Some(base);
        own.unapplied = true;
        Ok(Arriving {
            revives: true,
            ..Arriving::of(record, own)
        })
    }

    /// The segments of a list: those that are here already came with the version that brought them.
    fn listed(&self, version: u64, list: &[Listed]) -> Vec<Segment> {
        let known = match &self.known {
            Known::List(known) => Some(known),
            Known::Something | Known::Nothing => None,
        };
        let brought = |id: &str| Some(known?.get(id)?.version);
        let segments = list.iter().map(|listed| {
            let version = brought(&listed.segment.id).unwrap_or(version);
            listed.clone().at(version)
        });
        segments.collect()
    }
}

fn own_hidden(commit: &Commit) -> u64 {
    let added = |segment: &str| {
        let mut added = commit.added.iter();
        added.any(|own: &SegmentRecord| own.id == segment)
    };
    let hidden = commit.hidden.iter();
    let own = hidden.filter(|hidden| added(&hidden.segment));
    own.map(|hidden| hidden.rows).sum()
}

/// Whether there are as many rows after a commit as it says, however they lie in segments.
fn rows_follow(start: Totals, commit: &Commit, end: Totals) -> bool {
    let added: u64 = commit.added.iter().map(|segment| segment.rows).sum();
    match commit.operation {
        Operation::Restore | Operation::Copy | Operation::Merge | Operation::Undelete => true,
        Operation::Delete => end.rows == start.rows,
        operation if operation.clears() => end.rows + own_hidden(commit) == added,
        _ => end.rows + commit.rows_removed + own_hidden(commit) == start.rows + added,
    }
}
