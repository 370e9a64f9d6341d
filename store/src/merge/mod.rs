//! Merging: the changes of two histories in one order.
//!
//! Two stores changed a frame apart from each other. Merging takes the **union** of what both did since the last
//! commit that all of it descends from, and does it again in the order of commit times (and of commit ids, where
//! times are equal), on the rows of that last common commit. What comes out depends on the set of commits alone: not
//! on who merges, not on what was merged before, not on how either store keeps its rows. So merging is commutative,
//! associative and idempotent. Compaction, expiry, tags and settings are no part of it.
//!
//! | operation | replayed, it |
//! |---|---|
//! | `create`, `adopt`, `replace` | takes the place of everything: the frame has its rows, columns and index |
//! | `restore`, `copy` | the same, with the rows that it brought then |
//! | `append` | its rows follow; a frame that is deleted by then begins anew with them |
//! | `update` | the rows in its range (or with its rows' keys) go, also those that its author did not see; its rows follow |
//! | `upsert` | the rows with its rows' keys go, its rows follow; columns that it did not give keep the values that they have by then |
//! | `delete_rows` | the rows in its range that fulfil its condition go, also those that its author did not see |
//! | `alter` | does to the columns what it did in its line; a column that both sides added is one |
//! | `delete`, `undelete` | the frame is deleted; it is not |
//! | `merge` | does nothing; one that settled a conflict leaves out what the other side had done ([`settle`]) |
//!
//! A commit is first tried as it is recorded. That gives the same rows for less work, if it comes upon the frame as its
//! author did: then all that was replayed so far is what it follows. ([`replay`]) Otherwise it is done by what it means
//! ([`meaning`]), to columns that the other side may have changed meanwhile ([`columns`]). A put that took the place of
//! all rows makes everything before it invisible, so the replay begins with the last one.
//!
//! Where one side has given up the rows of a commit, the replay goes on without them as long as nothing of the other
//! side comes between, until a commit of that line says which rows the frame had after it ([`unknown`]).
//!
//! What cannot be put together is a [`Conflict`], a value: columns of types that do not hold each other's values, rows
//! that are sorted by other columns, histories without a common ancestor, and conditions that cannot be asked anew.
//!
//! The commit that says that two histories were merged is made of its parents ([`crate::lineage::joined`]).

mod columns;
mod conflict;
mod meaning;
mod replay;
mod rows;
mod settle;
#[cfg(test)]
mod tests;
mod unknown;

use std::collections::HashSet;

use self::conflict::Stop;
pub(crate) use self::conflict::{Conflict, Kind};
use self::replay::Replay;
use self::settle::{Graph, Node};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::lineage::record::Record;
use crate::log::change::Segment;
use crate::log::commit::CommitId;
use crate::log::plan::NamedSchema;

/// The state that a replay begins with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// The commit that led to it, which all others follow; none: there was no frame.
    pub(crate) commit: Option<CommitId>,
    pub(crate) schema: Option<NamedSchema>,
    pub(crate) index: Vec<String>,
    pub(crate) deleted: bool,
    pub(crate) segments: Vec<Segment>,
}

/// Two histories that went apart.
#[derive(Debug)]
pub(crate) struct Histories {
    pub(crate) start: Start,
    /// All commits of both after the start, in any order. What they name is in the frame's folder. Those that bring back
    /// rows (`restore`, `copy`) say which; any other may, and is then understood if it names segments that are not here
    /// any more.
    pub(crate) records: Vec<Record>,
    /// Those of them whose own rows are no longer here. Any commit that says which rows the frame had after it makes up
    /// for such commits in its own line, see [`replay`].
    pub(crate) gone: HashSet<CommitId>,
    /// The last commit of this side.
    pub(crate) ours: CommitId,
    /// The last commit of the other side.
    pub(crate) theirs: CommitId,
}

/// What a frame is when two histories are put together. Its objects are durable.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) schema: NamedSchema,
    pub(crate) index: Vec<String>,
    pub(crate) deleted: bool,
    pub(crate) segments: Vec<Segment>,
    /// Those of the segments that were written for this: nobody else knows them, so they are to be
    /// [discarded](FrameLog::discard) if this is not published.
    pub(crate) written: Vec<String>,
}

/// What came of a merge.
#[derive(Debug)]
pub(crate) enum Outcome {
    Merged(Box<Merged>),
    Conflict(Conflict),
}

/// Puts two histories together. Segments that join are noted under `version`.
///
/// # Errors
/// If objects of the frame cannot be read or written, or are damaged.
pub(crate) async fn merge(log: &FrameLog, histories: Histories, version: u64) -> Result<Outcome> {
    let Histories {
        start,
        mut records,
        gone,
        ours,
        theirs,
    } = histories;
    records.sort_by_key(Record::place);
    records.dedup_by(|one, other| one.id == other.id);
    let graph = match Graph::new(&records, start.commit.as_ref()) {
        Ok(graph) => graph,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Conflict(kind, problem)) => {
            return Ok(Outcome::Conflict(Conflict {
                kind,
                ours,
                theirs,
                problem,
            }));
        }
    };
    let mut replay = Replay::new(log, &records, &graph, &start, version);
    replay.gone = gone;
    let done = match replay.run().await {
        Ok(()) => finish(&mut replay).await.map_err(|error| (0, error.into())),
        Err(stop) => Err(stop),
    };
    let written = replay.written;
    match done {
        Ok(mut merged) => {
            let kept: HashSet<&str> = merged
                .segments
                .iter()
                .map(|s| s.record.id.as_str())
                .collect();
            let (kept, rest) = written
                .into_iter()
                .partition(|id| kept.contains(id.as_str()));
            merged.written = kept;
            log.let_go(&rest).await;
            Ok(Outcome::Merged(Box::new(merged)))
        }
        Err((place, stop)) => {
            log.let_go(&written).await;
            match stop {
                Stop::Failed(error) => Err(error),
                Stop::Conflict(kind, problem) => {
                    let (ours, theirs) = between(&records, &graph, place, &ours, &theirs);
                    Ok(Outcome::Conflict(Conflict {
                        kind,
                        ours,
                        theirs,
                        problem,
                    }))
                }
            }
        }
    }
}

async fn finish(replay: &mut Replay<'_>) -> Result<Merged> {
    let log = replay.log;
    let table = replay.table.take().ok_or_else(|| {
        let problem = "none of their commits begins the frame";
        Error::damaged(format!("the histories of frame {}", log.frame()), problem)
    })?;
    let segments = table.rows.settle(log).await?;
    Ok(Merged {
        schema: log.keep_schema(table.columns.schema().clone()).await?,
        index: table.columns.index().to_vec(),
        deleted: replay.deleted,
        segments,
        written: Vec::new(),
    })
}

/// The commit of each side between which a conflict is: the one that was replayed when it showed, and the last one
/// before it that is not in its line, one that changed columns if there is any.
fn between(
    records: &[Record],
    graph: &Graph,
    place: u32,
    ours: &CommitId,
    theirs: &CommitId,
) -> (CommitId, CommitId) {
    let line = graph.history(Node::At(place));
    let schema_before = |of: u32| match graph.parents(of) {
        [Node::At(parent)] => Some(&records[*parent as usize].commit.schema),
        _ => None,
    };
    let others = records.iter().zip(0..place);
    let others = others.filter(|(_, of)| !line.contains(*of) && !graph.excludes(*of));
    let others: Vec<_> = others.collect();
    let changes = |(record, of): &&(&Record, u32)| {
        schema_before(*of).is_none_or(|before| *before != record.commit.schema)
    };
    let other = others.iter().rev().find(changes).or(others.last());
    let (Some(record), Some((other, _))) = (records.get(place as usize), other) else {
        return (ours.clone(), theirs.clone());
    };
    let head = records
        .iter()
        .zip(0..)
        .find(|(record, _)| record.id == *ours);
    let is_ours = head.is_some_and(|(_, head)| graph.history(Node::At(head)).contains(place));
    if is_ours {
        (record.id.clone(), other.id.clone())
    } else {
        (other.id.clone(), record.id.clone())
    }
}
