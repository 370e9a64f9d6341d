//! Which commits of another history become versions here, and which come along beside them.
//!
//! A log is a line, a history is a graph. From the tip that a frame has to the one that it is to get leads at least one
//! line of commits, each of which follows the one before it: these become versions. Whatever else the newest commit
//! follows was brought by merges on that line, and is kept with them.

use std::collections::{HashMap, HashSet};

use super::peer::{Brought, HistoryRecord};
use crate::error::{Error, Result};
use crate::log::commit::CommitId;

/// A commit that becomes a version, with those that it brings, parents before children.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) record: HistoryRecord,
    pub(super) brings: Vec<HistoryRecord>,
}

/// The line from a tip to the newest of some records (newest first), oldest stage first. `None` as the tip: from
/// nothing. The records are all that the newest one follows and the tip does not.
pub(super) fn course(tip: Option<&str>, records: Vec<HistoryRecord>) -> Result<Vec<Stage>> {
    let Some(newest) = records.first().map(|newest| newest.record.id.clone()) else {
        return Ok(Vec::new());
    };
    let mut parents: HashMap<CommitId, Vec<CommitId>> = HashMap::new();
    let mut leads: HashSet<CommitId> = HashSet::new();
    for record in records.iter().rev() {
        let id = &record.record.id;
        let followed = record.record.follows()?;
        let begins = match tip {
            Some(tip) => followed.iter().any(|parent| parent == tip),
            None => true,
        };
        if begins || followed.iter().any(|parent| leads.contains(parent)) {
            leads.insert(id.clone());
        }
        parents.insert(id.clone(), followed);
    }
    if !leads.contains(&newest) {
        let problem = format!("it does not follow commit {}", tip.unwrap_or_default());
        return Err(Error::damaged(format!("commit {newest}"), problem));
    }
    let mut by_id: HashMap<CommitId, HistoryRecord> = records
        .into_iter()
        .map(|record| (record.record.id.clone(), record))
        .collect();
    let mut line = vec![newest];
    while let Some(next) = line.last().and_then(|id| {
        let parents = parents.get(id)?;
        if tip.is_some_and(|tip| parents.iter().any(|parent| parent == tip)) {
            return None;
        }
        let leading = parents
            .iter()
            .filter(|parent| leads.contains(*parent))
            .filter_map(|parent| by_id.get(parent));
        // Versions there are complete states; what a merge brought there is none.
        let best = leading.max_by_key(|record| (record.version.is_some(), record.record.place()));
        best.map(|record| record.record.id.clone())
    }) {
        line.push(next);
    }
    let mut stages = Vec::with_capacity(line.len());
    let on_line: HashSet<CommitId> = line.iter().cloned().collect();
    for id in line.into_iter().rev() {
        let brought = beside(&id, &parents, &on_line, &mut by_id);
        if let Some(record) = by_id.remove(&id) {
            stages.push(Stage {
                record,
                brings: brought,
            });
        }
    }
    Ok(stages)
}

/// Commits beside the line, as they are.
pub(super) fn brought(records: Vec<HistoryRecord>) -> Vec<Brought> {
    let brought = records.into_iter().map(|record| Brought {
        record: record.record,
        kept: record.kept,
    });
    brought.collect()
}

/// Takes what a commit follows and the line does not have, oldest first.
fn beside(
    id: &str,
    parents: &HashMap<CommitId, Vec<CommitId>>,
    on_line: &HashSet<CommitId>,
    by_id: &mut HashMap<CommitId, HistoryRecord>,
) -> Vec<HistoryRecord> {
    let mut brought = Vec::new();
    let mut next = vec![id.to_owned()];
    while let Some(id) = next.pop() {
        for parent in parents.get(&id).into_iter().flatten() {
            if on_line.contains(parent) {
                continue;
            }
            if let Some(record) = by_id.remove(parent) {
                brought.push(record);
                next.push(parent.clone());
            }
        }
    }
    brought.sort_by_cached_key(|brought| brought.record.place());
    brought
}
