//! Merges of frames of which a part was left at a remote.
//!
//! Doing the changes of the other side again may take rows that were left there: an update of a range hides those that
//! were in it. What a pull finds out to be needed, it brings, one segment after the other; the rest stays where it is.
//! A merge of what was fetched before asks no remote, and says where the rows are.

use shoots_proto::action::Favour;

use super::exchange::Exchange;
use super::promise::{self, Promised};
use super::receive;
use super::settle::{self, Settled};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::lineage::record::Listed;

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

impl Exchange<'_> {
    /// Merges what was fetched from the remote, with what that takes of the rows that were left there.
    pub(super) async fn merge_here(&self, favour: Option<Favour>, hold: bool) -> Result<Settled> {
        let log = self.local.log(self.here);
        for _ in 0..MAX_BROUGHT {
            match settle::merge(&log, self.remote.name, favour, hold).await {
                Err(error) if self.bring_left(&log, &error).await? => {}
                Err(error) => return Err(explained(&log, error).await),
                settled => return settled,
            }
        }
        merge(&log, self.remote.name, favour, hold).await
    }

    /// Brings the segment whose absence is an error, if it is one that was left at the remote; says whether it was.
    async fn bring_left(&self, log: &FrameLog, error: &Error) -> Result<bool> {
        let Some((object, head)) = error.missing_object().zip(log.newest().await?) else {
            return Ok(false);
        };
        let head = head.entry;
        let promised = Promised::of(&head.state);
        let Some(promised) = promised.filter(|promised| promised.remote == self.remote.name) else {
            return Ok(false);
        };
        let left = promised.ids(log.objects(), log.paths()).await?;
        let needed = left
            .iter()
            .find(|id| log.paths().segment(id).as_ref() == object);
        let list = head.list_through(head.last_version());
        let segments = log.checkpoints().segments(list).await?;
        let mut segments = segments.iter();
        let Some(segment) = segments.find(|segment| Some(&segment.record.id) == needed) else {
            return Ok(false);
        };
        let segments = [Listed::of(segment)];
        self.inward().bring(&segments).await?;
        receive::check_brought(log, &head, &segments).await?;
        Ok(true)
    }
}
