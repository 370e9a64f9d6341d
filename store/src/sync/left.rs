//! What a clone of a part has left at a remote, and how it comes here.
//!
//! A fetch brings all of it. Doing the changes of the other side again may take some of it: an update of a range hides the
//! rows that were in it. What a pull finds out to be needed, it brings, one segment after the other; the rest stays where
//! it is. A merge of what was fetched before asks no remote, and says where the rows are.
//!
//! The remote may have given up what was left there: rows that it has compacted lie in other segments then. A fetch
//! brings the newest version [in those](super::relist), a merge begins with what both had in common as it lies there.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use shoots_proto::action::Favour;

use super::exchange::Exchange;
use super::promise::{self, Promised, newest_list};
use super::receive;
use super::settle::{self, Settled};
use super::stored;
use super::walk::Divergence;
use super::wanted;
use crate::edit::properties::SetProperty;
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::lineage::record::Listed;
use crate::log::entry::Entry;
use crate::merge::Conflict;
use crate::upkeep::garbage::{needed_by_marks, spoken_of};

/// Segments that one merge brings: each is found out by another attempt. Whoever needs more fetches all.
const MAX_BROUGHT: u32 = 64;

/// Merges what was fetched from a remote; `hold`: see [`settle::merge`].
pub(super) async fn merge(
    log: &FrameLog,
    remote: &str,
    favour: Option<Favour>,
    hold: bool,
) -> Result<Settled> {
    match settle::merge(log, remote, favour, hold).await {
        Err(error) => Err(explained(log, error).await),
        Ok(Settled::Untold(conflict)) => {
            let problem = format!(
                "{}; what was fetched does not tell which rows there are at {remote}, a pull with `favour` asks for them",
                conflict.problem
            );
            Err(Conflict {
                problem,
                ..conflict
            }
            .into_error(log.frame()))
        }
        settled => settled,
    }
}

/// The error of a merge, which says of rows that were left at a remote that they are there.
async fn explained(log: &FrameLog, error: Error) -> Error {
    match log.newest().await {
        Ok(Some(head)) => promise::explain(log, &head.entry.state, error).await,
        _ => error,
    }
}

/// What became of a segment that a merge lacks.
enum Lacked {
    /// It is here.
    Brought,
    /// The remote has given it up.
    Gone,
    /// It was not left there.
    Elsewhere,
}

/// Segments that were left at the remote and that some version here takes.
struct Left {
    head: Arc<Entry>,
    promised: Promised,
    /// Those that the remote still keeps.
    there: Vec<Listed>,
    /// Those that it has given up.
    gone: Vec<Listed>,
}

impl Left {
    /// Whether the newest version here takes what the remote has given up.
    async fn newest_lacks_some(&self, log: &FrameLog) -> Result<bool> {
        let gone: HashSet<&str> = self.gone.iter().map(Listed::id).collect();
        let newest = newest_list(log, &self.head).await?;
        Ok(newest.iter().any(|listed| gone.contains(listed.id())))
    }
}

impl Exchange<'_> {
    /// Merges what was fetched from the remote, with what that takes of the rows that were left there.
    pub(super) async fn merge_here(&self, favour: Option<Favour>, hold: bool) -> Result<Settled> {
        let log = self.local.log(self.here);
        for _ in 0..MAX_BROUGHT {
            let error = match settle::merge(&log, self.remote.name, favour, hold).await {
                Err(error) => error,
                settled => return settled,
            };
            match self.bring_lacked(&log, &error).await? {
                Lacked::Brought => {}
                Lacked::Gone => return Ok(Settled::Lacking),
                Lacked::Elsewhere => return Err(explained(&log, error).await),
            }
        }
        merge(&log, self.remote.name, favour, hold).await
    }

    /// Brings the segment whose absence is an error, if it is one that was left at the remote.
    async fn bring_lacked(&self, log: &FrameLog, error: &Error) -> Result<Lacked> {
        let promised = promise::of(log, error).await?;
        let promised = promised.filter(|promised| promised.remote == self.remote.name);
        let (Some(promised), Some(head)) = (promised, log.newest().await?) else {
            return Ok(Lacked::Elsewhere);
        };
        let head = head.entry;
        let left = promised.segments(log, &head).await?;
        let path = |listed: &Listed| log.paths().segment(listed.id());
        let mut left = left.into_iter();
        let lacked = left.find(|listed| Some(path(listed).as_ref()) == error.missing_object());
        let Some(lacked) = lacked else {
            return Ok(Lacked::Elsewhere);
        };
        let (there, _) = self.kept_there(vec![lacked]).await?;
        if there.is_empty() {
            return Ok(Lacked::Gone);
        }
        self.bring(log, &head, &there).await?;
        Ok(Lacked::Brought)
    }

    /// Brings segments here that a clone has left at the remote; says whether there were any.
    pub(super) async fn complete(&self, found: &Divergence) -> Result<bool> {
        let log = self.local.log(self.here);
        let Some(left) = self.left(&log).await? else {
            return Ok(false);
        };
        self.bring(&log, &left.head, &left.there).await?;
        let rest = match left.gone.is_empty() {
            true => Value::Null,
            false => left.promised.given_up().value()?,
        };
        if left.newest_lacks_some(&log).await? {
            self.relist(&log, &left.head, found, rest).await?;
            return Ok(true);
        }
        if left.there.is_empty() && left.promised.gone && !rest.is_null() {
            return Ok(false);
        }
        let completed = SetProperty {
            key: promise::PROPERTY,
            value: rest,
        };
        self.store.frame(self.here).change(completed).await?;
        Ok(true)
    }

    /// Whether the newest version here takes rows that were left at the remote, which has given them up since.
    pub(super) async fn has_lost_what_was_left(&self) -> Result<bool> {
        let log = self.local.log(self.here);
        match self.left(&log).await? {
            Some(left) => left.newest_lacks_some(&log).await,
            None => Ok(false),
        }
    }

    /// What was left at the remote and is not here so far; none: nothing was left there.
    async fn left(&self, log: &FrameLog) -> Result<Option<Left>> {
        let Some(head) = log.newest().await?.map(|head| head.entry) else {
            return Ok(None);
        };
        let promised = Promised::of(&head.state);
        let Some(promised) = promised.filter(|promised| promised.remote == self.remote.name) else {
            return Ok(None);
        };
        let oldest = head.state.retained.oldest.max(1);
        let mut needed = spoken_of(log, &head, oldest..=head.last_version()).await?;
        needed.extend(needed_by_marks(log, head.state.marks()).await?);
        let mut left = promised.segments(log, &head).await?;
        left.retain(|listed| needed.has_segment(listed.id()));
        let names: Vec<_> = left
            .iter()
            .map(|listed| wanted::segment_name(listed.id()))
            .collect();
        let here = stored::have(log, &names).await?;
        let absent = left.into_iter().zip(here);
        let absent = absent.filter_map(|(listed, here)| here.is_none().then_some(listed));
        let (there, gone) = self.kept_there(absent.collect()).await?;
        Ok(Some(Left {
            head,
            promised,
            there,
            gone,
        }))
    }

    /// Which of these segments the remote keeps, and which it has given up.
    async fn kept_there(&self, segments: Vec<Listed>) -> Result<(Vec<Listed>, Vec<Listed>)> {
        let names: Vec<_> = segments
            .iter()
            .map(|listed| wanted::segment_name(listed.id()))
            .collect();
        let found = match names.is_empty() {
            true => Vec::new(),
            false => self.remote.peer.have(self.there, &names).await?,
        };
        let (there, gone): (Vec<_>, Vec<_>) = segments
            .into_iter()
            .zip(found)
            .partition(|(_, found)| found.is_some());
        let only = |pairs: Vec<(Listed, Option<u64>)>| pairs.into_iter().map(|(one, _)| one);
        Ok((only(there).collect(), only(gone).collect()))
    }

    async fn bring(&self, log: &FrameLog, head: &Entry, segments: &[Listed]) -> Result<()> {
        self.inward().bring(segments).await?;
        receive::check_brought(log, head, segments).await
    }
}
