//! The history of a frame as its own log tells it: newest first, upkeep left out, side lines that merges brought in
//! their places.
//!
//! Along a log the commits of the history get older, each of them followed by the next. Merges refer to bundles of
//! commits that are not versions here; those are told when their turn comes, in the one order that all stores have.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::peer::{HistoryRecord, HistoryStream};
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::{Place, Record};
use crate::log::commit::{CommitId, Operation, State};
use crate::log::entry::{self, Entry};

/// Entries that are read ahead.
const AHEAD: usize = 4;

/// One version of the log.
struct Version {
    number: u64,
    id: CommitId,
    line: Bytes,
    operation: Operation,
    parents: Vec<CommitId>,
    /// Whether its list of segments follows from what it says itself: otherwise what it names may never have come here.
    applied: bool,
    /// Bundles with commits that it brought.
    history: Vec<String>,
}

/// How far a history has been told.
struct Telling {
    log: FrameLog,
    /// The newest one, which says what is kept.
    state: State,
    /// Entries that are still to be read, newest first.
    entries: BoxStream<'static, Result<Vec<Version>>>,
    /// What has been read of the log, newest first.
    read: VecDeque<Version>,
    /// The next commit of the log.
    next: Option<HistoryRecord>,
    /// Commits of bundles that are still to be told, and whether a version that is kept holds what they name.
    beside: BTreeMap<Place, (Kept, bool)>,
    /// Whether this or a later version with the same rows can be read.
    readable: bool,
    /// The commit to begin with, until it was found.
    from: Option<CommitId>,
    /// What the last commit of the log that was told follows, and what those follow that it brought.
    follows: Option<Vec<CommitId>>,
}

/// The history that ends with the commit `from`, which is one of the log that `head` is the newest entry of.
pub(super) fn history(log: &FrameLog, head: &Entry, from: &str) -> HistoryStream {
    let first = head.state.retained.first_entry.max(1);
    let reading = log.clone();
    let entries = stream::iter((first..=head.header.sequence).rev())
        .map(move |sequence| versions(reading.clone(), sequence))
        .buffered(AHEAD)
        .try_take_while(|versions| std::future::ready(Ok(!versions.is_empty())))
        .boxed();
    let telling = Telling {
        log: log.clone(),
        state: head.state.clone(),
        entries,
        read: VecDeque::new(),
        next: None,
        beside: BTreeMap::new(),
        readable: false,
        from: Some(from.to_owned()),
        follows: None,
    };
    stream::try_unfold(telling, |mut telling| async move {
        let record = telling.tell().await?;
        Ok(record.map(|record| (record, telling)))
    })
    .boxed()
}

/// The versions of an entry, newest first; none if there is no such entry.
async fn versions(log: FrameLog, sequence: u64) -> Result<Vec<Version>> {
    let path = log.paths().entry(sequence);
    let Some(bytes) = log.objects().read(&path).await? else {
        return Ok(Vec::new());
    };
    let entry = entry::decode(&path, sequence, &bytes)?;
    // Between the header and the state.
    let lines = bytes.split(|byte| *byte == b'\n').skip(1);
    let lines = lines.map(|line| bytes.slice_ref(line));
    let versions = entry.versions().zip(lines);
    let mut versions: Vec<Version> = versions
        .map(|((number, id, commit), line)| Version {
            number,
            id: id.clone(),
            line,
            operation: commit.operation,
            parents: commit.parents.clone(),
            applied: entry.own_at(number).is_none_or(|own| !own.unapplied),
            history: entry
                .own_at(number)
                .map_or_else(Vec::new, |own| own.history.clone()),
        })
        .collect();
    versions.reverse();
    Ok(versions)
}

impl Telling {
    async fn tell(&mut self) -> Result<Option<HistoryRecord>> {
        if self.next.is_none() {
            self.next = self.next_of_log().await?;
        }
        let beside = self.beside.last_key_value().map(|(place, _)| place);
        let own = self.next.as_ref().map(|next| next.record.place());
        if own.is_none() && self.from.is_some() {
            return Ok(None);
        }
        if beside > own.as_ref() {
            let kept = self.beside.pop_last().map(|(_, kept)| kept);
            return Ok(kept.map(|(kept, held)| HistoryRecord {
                record: kept.record,
                version: None,
                kept: !kept.gone && held,
                readable: held,
            }));
        }
        let brought = own.and_then(|own| self.beside.remove(&own));
        let next = self.next.take();
        Ok(next.map(|mut next| {
            if let Some((brought, _)) = brought {
                // A bundle knows what lies between a commit of another store and what it follows.
                next.record.links = brought.record.links;
            }
            next
        }))
    }

    /// The next commit of the log that is part of the history.
    async fn next_of_log(&mut self) -> Result<Option<HistoryRecord>> {
        while let Some(version) = self.pop().await? {
            if version.operation == Operation::Purge {
                return Ok(self.end());
            }
            let is_kept = self.state.keeps(version.number);
            self.readable |= is_kept;
            if version.operation.is_upkeep() {
                self.bring(&version).await?;
                continue;
            }
            let readable = std::mem::take(&mut self.readable);
            if self.from.as_ref().is_some_and(|from| *from != version.id) {
                continue;
            }
            self.from = None;
            let follows = self.follows.take();
            if follows.is_some_and(|follows| !follows.contains(&version.id)) {
                // What is older belongs to another history, of a frame that was deleted.
                return Ok(self.end());
            }
            let brought = self.log.bundles(&version.history).await?;
            let links = self.links(version.parents).await?;
            let record = Record::new(version.line, links, None)?;
            let mut follows = record.follows()?;
            for kept in brought {
                follows.extend(kept.record.follows()?);
                self.beside.insert(kept.record.place(), (kept, is_kept));
            }
            self.follows = Some(follows);
            return Ok(Some(HistoryRecord {
                record,
                version: Some(version.number),
                kept: is_kept && version.applied,
                readable,
            }));
        }
        Ok(None)
    }

    /// What upkeep brought lies before the beginning of the history: it was cloned in part, and the rest came later.
    async fn bring(&mut self, upkeep: &Version) -> Result<()> {
        let held = self.state.keeps(upkeep.number);
        for kept in self.log.bundles(&upkeep.history).await? {
            self.beside.insert(kept.record.place(), (kept, held));
        }
        Ok(())
    }

    fn end(&mut self) -> Option<HistoryRecord> {
        self.read.clear();
        self.entries = stream::empty().boxed();
        None
    }

    /// Upkeep that an older program put between a commit with these parents and the next one of the history.
    async fn links(&mut self, mut parents: Vec<CommitId>) -> Result<Vec<Bytes>> {
        let mut links = Vec::new();
        while let Some(older) = self.peek().await? {
            if !older.operation.is_upkeep() || parents != [older.id.clone()] {
                break;
            }
            parents.clone_from(&older.parents);
            links.push(older.line.clone());
            let number = older.number;
            let older = self.read.pop_front();
            self.readable |= self.state.keeps(number);
            if let Some(older) = older {
                self.bring(&older).await?;
            }
        }
        Ok(links)
    }

    async fn pop(&mut self) -> Result<Option<Version>> {
        self.peek().await?;
        Ok(self.read.pop_front())
    }

    async fn peek(&mut self) -> Result<Option<&Version>> {
        while self.read.is_empty() {
            match self.entries.try_next().await? {
                Some(versions) => self.read.extend(versions),
                None => return Ok(None),
            }
        }
        Ok(self.read.front())
    }
}
