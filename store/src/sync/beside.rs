//! States of a frame that are no versions here: of commits that a merge brought, of those that were fetched and not
//! merged, and of those before a newest state that was cloned alone.
//!
//! Such a state is worked out when it is asked for. From its commit the history is followed back, one parent after the
//! other, to rows that are known: a version here that can be read, a commit that comes with the list of all segments, or
//! one that took the place of everything. From there on, what each commit says of segments is applied as it is recorded.
//! Nothing is written, and no row is read. A merge that came without its list has two parents and ends the way back.
//!
//! What a commit says of segments is about those that there were where it was made. If they were put together otherwise
//! here, that ends the way, too. For the state at a remote a fetch works out the list then ([`super::settle`]).

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;

use super::local::readable;
use super::peer::HistoryRecord;
use super::told;
use super::transfer::has_own_list;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::Record;
use crate::log::change::{Change, Segment, SegmentList};
use crate::log::commit::{Commit, CommitId, Operation};
use crate::log::entry::Entry;

/// The state after a commit.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    pub(crate) id: CommitId,
    pub(crate) commit: Commit,
    pub(crate) segments: Vec<Segment>,
}

/// The commit that the history of a frame at a remote ended with when it was looked at last.
pub(crate) fn tip_at(log: &FrameLog, head: &Entry, remote: &str) -> Result<CommitId> {
    let tracking = head.state.tracking.get(remote);
    let tracking = tracking.ok_or_else(|| {
        let name = format!(
            "of frame {} at the remote `{remote}` here: fetch it first",
            log.frame()
        );
        let what = "history";
        Error::from(Cause::NotFound { what, name })
    })?;
    Ok(tracking.tip.clone())
}

/// The commits of the history that are no versions here and whose ids begin with these digits, oldest first.
pub(crate) async fn find(log: &FrameLog, head: &Entry, prefix: &str) -> Result<Vec<CommitId>> {
    let mut found: Vec<CommitId> = Vec::new();
    let fetched = fetched(log, head).await?;
    found.extend(fetched.into_keys().filter(|id| id.starts_with(prefix)));
    if let Some(tip) = log.tip(head).await? {
        let mut history = told::history(log, head, &tip.commit);
        while let Some(record) = history.try_next().await? {
            let id = &record.record.id;
            if id.starts_with(prefix) && !found.contains(id) {
                found.push(id.clone());
            }
        }
    }
    Ok(found)
}

/// The state after a commit; none if the frame's history has no such commit.
///
/// # Errors
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the frame was deleted then, or if the state cannot be worked out.
pub(crate) async fn state(log: &FrameLog, head: &Entry, id: &str) -> Result<Option<Beside>> {
    let fetched = fetched(log, head).await?;
    Back::new(log, head, id).run(fetched).await
}

/// Whether the state after a commit can be worked out from what is here and what was `fetched`.
pub(super) async fn tells(
    log: &FrameLog,
    head: &Entry,
    fetched: &[Kept],
    id: &str,
) -> Result<bool> {
    let mut by_id = HashMap::new();
    take_in(&mut by_id, fetched.to_vec());
    match Back::new(log, head, id).run(by_id).await {
        Ok(state) => Ok(state.is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fetched commits, and those that tell the state at a remote.
async fn fetched(log: &FrameLog, head: &Entry) -> Result<HashMap<CommitId, Kept>> {
    let mut fetched = HashMap::new();
    for tracking in head.state.tracking.values() {
        take_in(&mut fetched, log.bundles(&tracking.history).await?);
    }
    Ok(fetched)
}

/// A commit may come more than once: the one with a list says more.
fn take_in(fetched: &mut HashMap<CommitId, Kept>, more: Vec<Kept>) {
    for kept in more {
        let known = fetched.get(&kept.record.id);
        if known.is_none_or(|known| known.record.list.is_none()) {
            fetched.insert(kept.record.id.clone(), kept);
        }
    }
}

/// The way back to rows that are known.
struct Back<'a> {
    log: &'a FrameLog,
    head: Arc<Entry>,
    /// The next commit.
    wanted: CommitId,
    /// Those that come after it, newest first.
    line: Vec<Record>,
}

impl<'a> Back<'a> {
    fn new(log: &'a FrameLog, head: &Entry, from: &str) -> Self {
        Self {
            log,
            head: Arc::new(head.clone()),
            wanted: from.to_owned(),
            line: Vec::new(),
        }
    }

    async fn run(mut self, mut fetched: HashMap<CommitId, Kept>) -> Result<Option<Beside>> {
        while let Some(kept) = fetched.remove(&self.wanted) {
            let record = HistoryRecord {
                record: kept.record,
                version: None,
                kept: !kept.gone,
                readable: false,
            };
            if let Some(list) = self.step(record).await? {
                return self.forth(list).map(Some);
            }
        }
        let Some(tip) = self.log.tip(&self.head).await? else {
            return Ok(None);
        };
        let mut history = told::history(self.log, &self.head, &tip.commit);
        while let Some(record) = history.try_next().await? {
            if record.record.id != self.wanted {
                continue;
            }
            if let Some(list) = self.step(record).await? {
                return self.forth(list).map(Some);
            }
        }
        match self.line.first() {
            None => Ok(None),
            Some(asked) => Err(self.lost(&asked.id, "what it follows is not here")),
        }
    }

    /// Takes the wanted commit into the line, and gives the rows after it if those are known.
    async fn step(&mut self, record: HistoryRecord) -> Result<Option<SegmentList>> {
        let HistoryRecord {
            record,
            version,
            kept,
            ..
        } = record;
        let asked = self.line.first().map_or(&record.id, |first| &first.id);
        let operation = record.commit.operation;
        let known = if let Some(list) = &record.list {
            let segments = list.iter().map(|listed| listed.clone().at(0));
            Some(SegmentList::of(segments.collect()))
        } else if version.is_some()
            && let Some(found) = readable(self.log, &self.head, &record.id).await?
        {
            let list = found.entry.list_through(found.version);
            let segments = self.log.checkpoints().segments(list).await?;
            Some(SegmentList::of(segments))
        } else if operation == Operation::Delete || operation == Operation::Undelete {
            None
        } else if !kept {
            let problem = format!("the rows of commit {} have expired", record.id);
            return Err(self.lost(asked, &problem));
        } else if operation.clears() && !has_own_list(operation) {
            let mut own = SegmentList::default();
            own.apply(&Change::of(0, &record.commit, None));
            Some(own)
        } else if has_own_list(operation) {
            let problem = format!("commit {} came without its rows", record.id);
            return Err(self.lost(asked, &problem));
        } else {
            None
        };
        if known.is_none() {
            let follows = record.follows()?;
            let [parent] = follows.as_slice() else {
                let problem = format!("commit {} does not follow one other", record.id);
                return Err(self.lost(asked, &problem));
            };
            self.wanted.clone_from(parent);
        }
        self.line.push(record);
        Ok(known)
    }

    /// Does again what was done since.
    fn forth(self, mut list: SegmentList) -> Result<Beside> {
        let mut line = self.line.iter().rev();
        let mut last = line.next();
        let mut deleted = last.is_some_and(|first| first.commit.leaves_deleted(false));
        for record in line {
            let commit = &record.commit;
            let added = |id: &str| commit.added.iter().any(|own| own.id == id);
            let hidden = commit.hidden.iter().map(|hidden| &hidden.segment);
            let mut named = commit.removed.iter().chain(hidden);
            if !named.all(|id| added(id) || list.holds(id)) {
                let problem = format!(
                    "commit {} speaks of segments that were put together otherwise here",
                    record.id
                );
                return Err(self.lost(&self.line[0].id, &problem));
            }
            list.apply(&Change::of(0, commit, None));
            deleted = commit.leaves_deleted(deleted);
            last = Some(record);
        }
        let Some(record) = last else {
            return Err(self.log.not_found());
        };
        if deleted {
            let (what, name) = (
                "frame",
                format!(
                    "{}: it was deleted in commit {}",
                    self.log.frame(),
                    record.id
                ),
            );
            return Err(Cause::NotFound { what, name }.into());
        }
        Ok(Beside {
            id: record.id.clone(),
            commit: record.commit.clone(),
            segments: list.into_segments(),
        })
    }

    fn lost(&self, asked: &str, problem: &str) -> Error {
        let name = format!(
            "after commit {asked} of frame {} here: it is no version of this store, and {problem}; read it where it was made",
            self.log.frame()
        );
        let what = "state";
        Cause::NotFound { what, name }.into()
    }
}
