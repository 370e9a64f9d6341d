//! Brings what lies before a history that begins in its middle, because only the newest state of the frame was cloned.
//!
//! Versions are numbered from the first one on, so older commits cannot become versions afterwards. They come beside the
//! log, as the other side of a merge does: a commit of upkeep brings them into the history. They are told with it, travel
//! on, can be read by their ids, and their rows are kept as long as the version that brought them.

use std::collections::HashSet;

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::exchange::Exchange;
use super::peer::HistoryRecord;
use super::told;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::tracking::spare_brought;
use crate::log::commit::{CommitId, Operation};
use crate::log::derive::{Derive, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;

/// Older commits become part of the history.
#[derive(Debug)]
struct BringOlder {
    remote: String,
    history: Vec<String>,
}

#[async_trait]
impl Derive for BringOlder {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let spared = spare_brought(log, entry, &self.history).await?;
        let changed = [("history".to_owned(), json!(self.remote))];
        Ok(Some(Step {
            history: self.history.clone(),
            details: Details {
                properties: changed.into(),
                ..Details::default()
            },
            edits: spared.into_iter().collect(),
            ..Step::bare(log, entry, Operation::Configure).await?
        }))
    }

    fn asked(&self) -> Value {
        json!(["history", self.remote])
    }
}

impl Exchange<'_> {
    /// Brings the commits that the history here follows and does not have; says whether there were any.
    pub(super) async fn unshallow(&self, tip_there: &str) -> Result<bool> {
        let log = self.local.log(self.here);
        let missing = missing(&log).await?;
        if missing.is_empty() {
            return Ok(false);
        }
        let mut older = self.older(tip_there, missing).await?;
        if older.is_empty() {
            return Ok(false);
        }
        older.reverse();
        let brought = BringOlder {
            remote: self.remote.name.to_owned(),
            history: self.gathered(&log, None, older, false).await?,
        };
        self.store.frame(self.here).change(brought).await?;
        Ok(true)
    }

    /// The commits there that lead to some, and those themselves, newest first.
    async fn older(&self, tip: &str, mut wanted: HashSet<CommitId>) -> Result<Vec<HistoryRecord>> {
        let mut history = self.remote.peer.history(self.there, tip).await?;
        let mut older = Vec::new();
        while let Some(record) = history.try_next().await? {
            if wanted.remove(&record.record.id) {
                wanted.extend(record.record.follows()?);
                older.push(record);
            }
        }
        Ok(older)
    }
}

/// What the history of a frame follows and does not have.
async fn missing(log: &FrameLog) -> Result<HashSet<CommitId>> {
    let mut missing = HashSet::new();
    let Some(head) = log.newest().await?.map(|head| head.entry) else {
        return Ok(missing);
    };
    let Some(tip) = log.tip(&head).await? else {
        return Ok(missing);
    };
    let mut history = told::history(log, &head, &tip.commit);
    while let Some(record) = history.try_next().await? {
        missing.remove(&record.record.id);
        missing.extend(record.record.follows()?);
    }
    Ok(missing)
}
