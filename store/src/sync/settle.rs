//! Puts the history of a frame and one that was fetched from a remote together.
//!
//! What was fetched lies in bundles beside the log, so this needs no remote: a pull merges at once, and a merge that
//! was put off is made in the same way later. If nothing has happened here since, it [moves forward](forward) instead.

mod forward;
mod there;

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, stream};
use shoots_proto::action::{Favour, SyncOutcome, SyncedFrame};

use super::beside;
use super::local::readable;
use super::peer::{HistoryRecord, ObjectName};
use super::promise;
use super::stored;
use super::told;
use super::transfer::has_own_list;
use super::walk::{Divergence, Walk, Walked};
use super::wanted;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::{Listed, Record};
use crate::lineage::tracking::Tracking;
use crate::log::commit::{CommitId, Operation};
use crate::log::entry::Entry;
use crate::log::foreign::Merged;
use crate::log::publish::Hold;
use crate::log::tip::Tip;
use crate::merge::{self, Conflict, Histories, Kind, Outcome, Start};

/// How often a merge looks anew for what it takes, because some of that was removed after it had been found.
const MAX_LOOKS: u32 = 4;

/// What became of putting two histories together.
#[derive(Debug)]
pub(super) enum Settled {
    /// They are one now, which ends with this commit.
    Merged(CommitId),
    /// Nothing had happened here: what was fetched became so many versions, of which this commit is the last.
    Forwarded(CommitId, u64),
    /// The other one has nothing that is not here.
    Unchanged,
    /// The frame has moved meanwhile.
    Moved,
    /// It takes rows that were left at the remote, which has given them up since.
    Lacking,
    /// Their side is to be taken, and what was fetched does not tell it: that is in the way.
    Untold(Conflict),
}

impl Settled {
    /// What was done, of a frame of which this was known before; none: nothing was.
    pub(super) fn told_of(self, told: SyncedFrame) -> Option<SyncedFrame> {
        match self {
            Self::Moved | Self::Lacking | Self::Untold(_) => None,
            Self::Unchanged => Some(SyncedFrame {
                outcome: SyncOutcome::Unchanged,
                ..told
            }),
            Self::Merged(commit) => Some(SyncedFrame {
                outcome: SyncOutcome::Merged,
                versions: 1,
                ahead: told.ahead + 1,
                behind: 0,
                commit: Some(commit),
                ..told
            }),
            Self::Forwarded(commit, versions) => Some(SyncedFrame {
                outcome: SyncOutcome::Moved,
                versions,
                ahead: 0,
                behind: 0,
                commit: Some(commit),
                ..told
            }),
        }
    }
}

/// Merges what was fetched from a remote. `hold`: the frame's writers wait meanwhile.
///
/// What has expired may be there until it is swept. So an object that is missing is a reason to look anew, and what is
/// missing still was not found for a moment.
pub(super) async fn merge(
    log: &FrameLog,
    remote: &str,
    favour: Option<Favour>,
    hold: bool,
) -> Result<Settled> {
    let mut missing: Option<Error> = None;
    for _ in 0..MAX_LOOKS {
        match merge_as_found(log, remote, favour, hold).await {
            Err(error) if error.is_missing() => {
                let known = missing.as_ref().and_then(Error::missing_object);
                if known == error.missing_object() || promise::of(log, &error).await?.is_some() {
                    return Err(error);
                }
                missing = Some(error);
            }
            settled => return settled,
        }
    }
    missing.map_or(Ok(Settled::Moved), Err)
}

async fn merge_as_found(
    log: &FrameLog,
    remote: &str,
    favour: Option<Favour>,
    hold: bool,
) -> Result<Settled> {
    log.shared().check_writable()?;
    let publisher = &log.shared().publisher;
    let hold = hold.then(|| publisher.hold(log.frame())).flatten();
    let head = log.newest().await?.ok_or_else(|| log.not_found())?.entry;
    let tracking = head.state.tracking.get(remote).cloned();
    let tracking = tracking.ok_or_else(|| never_fetched(log, remote))?;
    let fetched = log.bundles(&tracking.history).await?;
    if fetched.is_empty() {
        return Ok(Settled::Unchanged);
    }
    let settling = Settling::of(log, head, remote, tracking, fetched).await?;
    Settling { hold, ..settling }.run(favour).await
}

/// Keeps the state after the last commit at a remote in a bundle, if what was fetched does not tell it as rows lie here;
/// gives the bundle's hash.
pub(super) async fn keep_state_there(
    log: &FrameLog,
    remote: &str,
    tracking: &Tracking,
) -> Result<Option<String>> {
    let head = log.newest().await?.ok_or_else(|| log.not_found())?.entry;
    let fetched = log.bundles(&tracking.history).await?;
    if fetched.is_empty() || beside::tells(log, &head, &fetched, &tracking.tip).await? {
        return Ok(None);
    }
    let settling = Settling::of(log, head, remote, tracking.clone(), fetched).await?;
    settling.keep_state_there().await
}

/// What a frame has beyond a remote and the remote beyond it, as far as that was fetched.
pub(super) async fn apart(log: &FrameLog, head: &Entry, tracking: &Tracking) -> Result<Divergence> {
    let Some(tip) = log.tip(head).await? else {
        return Ok(Divergence::none(None));
    };
    let fetched = log.bundles(&tracking.history).await?;
    let mut walk = Walk::new(
        Some((tip.commit.clone(), told::history(log, head, &tip.commit))),
        Some((tracking.tip.clone(), told_again(fetched))),
    );
    walk.diverge().await?;
    Ok(walk.finish().found)
}

/// Fetched commits as a history, newest first.
fn told_again(mut fetched: Vec<Kept>) -> super::peer::HistoryStream {
    fetched.sort_by_cached_key(|kept| std::cmp::Reverse(kept.record.place()));
    fetched.dedup_by(|one, other| one.record.id == other.record.id);
    let records = fetched.into_iter().map(|kept| {
        Ok(HistoryRecord {
            record: kept.record,
            version: None,
            kept: !kept.gone,
            // What is known of the remote holds all of it.
            readable: true,
        })
    });
    stream::iter(records).boxed()
}

fn never_fetched(log: &FrameLog, remote: &str) -> Error {
    let (what, name) = (
        "history",
        format!("of frame {} at {remote} here: fetch it first", log.frame()),
    );
    Cause::NotFound { what, name }.into()
}

struct Settling<'a> {
    log: &'a FrameLog,
    head: Arc<Entry>,
    tip: Tip,
    remote: &'a str,
    tracking: Tracking,
    found: Divergence,
    /// The newest commit that all later ones follow and that can be read here.
    cut: Option<HistoryRecord>,
    /// What both have and is later, newest first.
    shared: Vec<HistoryRecord>,
    /// All of both histories is known.
    is_whole: bool,
    /// The newest commit that all later ones follow, with the list that the remote has told of it.
    told_fork: Option<Record>,
    /// Keeps the frame from moving.
    hold: Option<Hold>,
}

impl<'a> Settling<'a> {
    /// What was `fetched` from a remote, as `tracking` says, and what the frame is here.
    async fn of(
        log: &'a FrameLog,
        head: Arc<Entry>,
        remote: &'a str,
        tracking: Tracking,
        fetched: Vec<Kept>,
    ) -> Result<Self> {
        let tip = log.tip(&head).await?.ok_or_else(|| log.not_found())?;
        let mut walk = Walk::new(
            Some((tip.commit.clone(), told::history(log, &head, &tip.commit))),
            Some((tracking.tip.clone(), told_again(fetched.clone()))),
        );
        walk.diverge().await?;
        walk.find_cut().await?;
        let Walked {
            found,
            shared,
            cut,
            is_whole,
        } = walk.finish();
        let told_fork = found.fork.as_ref().and_then(|fork| {
            let mut fetched = fetched.into_iter().map(|kept| kept.record);
            fetched.find(|record| record.id == fork.record.id && record.list.is_some())
        });
        Ok(Self {
            log,
            head,
            tip,
            remote,
            tracking,
            found,
            cut,
            shared,
            is_whole,
            told_fork,
            hold: None,
        })
    }

    async fn run(self, favour: Option<Favour>) -> Result<Settled> {
        if self.found.theirs.is_empty() {
            return Ok(Settled::Unchanged);
        }
        if self.found.ours.is_empty() {
            return self.forward().await;
        }
        let outcome = self.replay(None).await?;
        let conflict = match outcome {
            Outcome::Merged(merged) => return self.publish(*merged, None).await,
            Outcome::Conflict(conflict) => conflict,
        };
        match favour {
            None => Err(conflict.into_error(self.log.frame())),
            Some(Favour::Ours) => {
                let merged = self.as_here().await?;
                let settled = self.tip.commit.clone();
                self.publish(merged, Some(settled)).await
            }
            Some(Favour::Theirs) => self.take_theirs().await,
        }
    }

    /// Commits with all that doing them again takes, and those of them whose own rows are gone.
    async fn to_replay(
        &self,
        commits: impl Iterator<Item = &HistoryRecord>,
    ) -> Result<(Vec<Record>, HashSet<CommitId>)> {
        let mut records = Vec::new();
        let mut gone = HashSet::new();
        for record in commits {
            let (whole, is_gone) = self.whole(record).await?;
            if is_gone {
                gone.insert(whole.id.clone());
            }
            records.push(whole);
        }
        if !gone.is_empty() {
            self.list_readable(&mut records).await?;
        }
        Ok((records, gone))
    }

    fn conflict(&self, kind: Kind, problem: String) -> Outcome {
        Outcome::Conflict(Conflict {
            kind,
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
            problem,
        })
    }

    /// Does the changes of both again, on the state that all of them follow. `settled` takes one side.
    async fn replay(&self, settled: Option<&CommitId>) -> Result<Outcome> {
        let Some((start, later)) = self.begin().await? else {
            let problem = "the rows of their last common commit are kept on neither side any more";
            return Ok(self.conflict(Kind::Expired, problem.to_owned()));
        };
        let both = self.found.ours.iter().chain(&self.found.theirs);
        let (mut records, gone) = self.to_replay(both.chain(later)).await?;
        let theirs = self.found.theirs.first();
        if let (Some(settled), Some(theirs)) = (settled, theirs) {
            let taken = &theirs.record.commit;
            let chosen = Merged {
                schema: taken.schema.clone(),
                index: taken.index.clone(),
                ..self.joined(Some(settled.clone()))
            };
            records.push(Record {
                list: None,
                ..chosen.record()?
            });
        }
        self.done_again(start, records, gone).await
    }

    /// Does changes again on the state that they begin with, for the version after the newest one here.
    async fn done_again(
        &self,
        start: Start,
        records: Vec<Record>,
        gone: HashSet<CommitId>,
    ) -> Result<Outcome> {
        let histories = Histories {
            start,
            records,
            gone,
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
        };
        merge::merge(self.log, histories, self.head.last_version() + 1).await
    }

    /// The state that a replay begins with, and the common commits that are later; none if nobody keeps one.
    async fn begin(&self) -> Result<Option<(Start, Vec<&HistoryRecord>)>> {
        let told = self.told_fork.as_ref().filter(|told| {
            let cut = self.cut.as_ref().map(|cut| cut.record.place());
            cut.is_none_or(|cut| cut <= told.place())
        });
        if let Some(told) = told {
            let start = self.listed_start(told).await?;
            let place = told.place();
            let later = self.shared.iter();
            let later = later.filter(|record| record.record.place() > place);
            return Ok(Some((start, later.collect())));
        }
        let Some(cut) = &self.cut else {
            // Histories that are known from their beginnings need no state to begin with.
            let from_nothing = || (Start::default(), self.shared.iter().collect());
            let is_known = self.is_whole || self.found.common.is_none();
            return Ok(is_known.then(from_nothing));
        };
        let start = self.start(cut).await?;
        Ok(start.map(|start| (start, self.shared.iter().collect())))
    }

    /// The state after a commit that comes with the list of all segments.
    async fn listed_start(&self, listed: &Record) -> Result<Start> {
        let commit = &listed.commit;
        let segments = listed.list.iter().flatten().cloned();
        Ok(Start {
            commit: Some(listed.id.clone()),
            schema: Some(self.log.schema(&commit.schema).await?),
            index: commit.index.clone(),
            deleted: commit.leaves_deleted(false),
            segments: segments.map(|listed| listed.at(0)).collect(),
        })
    }

    /// The state after a commit that can be read here.
    async fn start(&self, cut: &HistoryRecord) -> Result<Option<Start>> {
        let id = &cut.record.id;
        let Some(found) = readable(self.log, &self.head, id).await? else {
            return Ok(None);
        };
        let commit = found
            .entry
            .versions()
            .find(|(version, ..)| *version == found.version);
        let Some((_, _, commit)) = commit else {
            return Ok(None);
        };
        let list = found.entry.list_through(found.version);
        let segments = self.log.checkpoints().segments(list).await?;
        Ok(Some(Start {
            commit: Some(id.clone()),
            schema: Some(self.log.schema(&commit.schema).await?),
            index: commit.index.clone(),
            deleted: found.entry.deleted_at(found.version),
            segments,
        }))
    }

    /// A commit with all that doing it again takes, and whether its own rows are gone.
    async fn whole(&self, record: &HistoryRecord) -> Result<(Record, bool)> {
        let mut whole = record.record.clone();
        let operation = whole.commit.operation;
        let unsure = record.version.is_none() && !record.readable && whole.list.is_some();
        if unsure && !self.has_listed(&whole).await? {
            whole.list = None;
        }
        if has_own_list(operation) {
            let listed = self.listed(whole).await?;
            let gone = operation != Operation::Merge && listed.list.is_none();
            return Ok((listed, gone));
        }
        if record.kept {
            return Ok((whole, false));
        }
        let names: Vec<ObjectName> = whole
            .commit
            .added
            .iter()
            .map(|segment| wanted::segment_name(&segment.id))
            .collect();
        let found = stored::have(self.log, &names).await?;
        Ok((whole, !found.iter().all(Option::is_some)))
    }

    /// Whether everything is here that is on the list which comes with a commit.
    async fn has_listed(&self, record: &Record) -> Result<bool> {
        let objects = wanted::of_list(record).into_iter();
        let names: Vec<ObjectName> = objects.map(|(name, _)| name).collect();
        let found = stored::have(self.log, &names).await?;
        Ok(found.iter().all(Option::is_some))
    }

    /// A commit with the list of all segments after it, if that can be read here.
    async fn listed(&self, mut record: Record) -> Result<Record> {
        if record.list.is_none()
            && let Some(found) = readable(self.log, &self.head, &record.id).await?
        {
            let list = found.entry.list_through(found.version);
            let segments = self.log.checkpoints().segments(list).await?;
            record.list = Some(segments.iter().map(Listed::of).collect());
        }
        Ok(record)
    }

    /// Some rows are gone: whatever says which ones there were later makes up for them.
    async fn list_readable(&self, records: &mut [Record]) -> Result<()> {
        let ours = self.found.ours.iter().chain(&self.shared);
        let ours = ours.filter(|record| record.readable && record.version.is_some());
        let readable: HashSet<&str> = ours.map(|record| record.record.id.as_str()).collect();
        for record in records {
            if readable.contains(record.id.as_str()) {
                *record = self.listed(record.clone()).await?;
            }
        }
        Ok(())
    }

    /// The frame as it is here.
    async fn as_here(&self) -> Result<merge::Merged> {
        let state = &self.head.state;
        let list = self.head.list_through(self.head.last_version());
        Ok(merge::Merged {
            schema: self.log.schema(&state.schema).await?,
            index: state.index.clone(),
            deleted: state.deleted,
            segments: self.log.checkpoints().segments(list).await?,
            written: Vec::new(),
        })
    }

    /// The merge without its state.
    fn joined(&self, settled: Option<CommitId>) -> Merged {
        let theirs = self
            .found
            .theirs
            .first()
            .map(|newest| newest.record.commit.time);
        Merged {
            ours: self.tip.commit.clone(),
            theirs: self.tracking.tip.clone(),
            time: theirs.map_or(self.tip.time, |theirs| theirs.max(self.tip.time)),
            settled,
            schema: String::new(),
            index: Vec::new(),
            deleted: false,
            list: Vec::new(),
            history: Vec::new(),
            basis: self.head.last_version(),
            tracked: Some((self.remote.to_owned(), self.tracking.clone())),
            tracks: None,
        }
    }

    async fn publish(self, merged: merge::Merged, settled: Option<CommitId>) -> Result<Settled> {
        let tracking = Tracking {
            common: Some(self.tracking.tip.clone()),
            ahead: self.found.ours.len() as u64 + 1,
            behind: 0,
            history: self.state_bundle().await?,
            at: self.log.now(),
            fork: None,
            ..self.tracking.clone()
        };
        let joined = Merged {
            schema: merged.schema.hash.to_string(),
            index: merged.index,
            deleted: merged.deleted,
            list: merged.segments.iter().map(Listed::of).collect(),
            history: self.bundles().await?,
            tracks: Some((self.remote.to_owned(), tracking.clone())),
            ..self.joined(settled)
        };
        let commit = joined.record()?.id;
        let published = self.log.publish_merge(joined).await;
        drop(self.hold);
        if !matches!(published, Ok(Some(_))) && !is_unknown(&published) {
            // Nobody else knows them.
            self.log.let_go(&merged.written).await;
        }
        match published {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Diverged => return Ok(Settled::Moved),
            // What was fetched has changed, or some of it is being removed.
            Err(error) if error.kind() == ErrorKind::Conflict => return Err(error.overtaken()),
            Err(error) => return Err(error),
        }
        // Another may have published the same merge, and not this.
        let store = crate::store::Store::sharing(self.log.shared());
        let frame = store.frame(self.log.frame());
        frame.set_tracking(self.remote, Some(tracking)).await?;
        Ok(Settled::Merged(commit))
    }

    /// Bundles with just what only the other side has.
    async fn bundles(&self) -> Result<Vec<String>> {
        let fetched = self.log.bundles(&self.tracking.history).await?;
        let theirs: HashSet<&str> = self
            .found
            .theirs
            .iter()
            .map(|record| record.record.id.as_str())
            .collect();
        if fetched.len() == theirs.len() {
            return Ok(self.tracking.history.clone());
        }
        let own = fetched
            .into_iter()
            .filter(|kept| theirs.contains(kept.record.id.as_str()));
        self.log.keep_bundles(own.collect()).await
    }
}

fn is_unknown<T>(published: &Result<T>) -> bool {
    let error = published.as_ref().err();
    error.is_some_and(|error| error.kind() == ErrorKind::OutcomeUnknown)
}
