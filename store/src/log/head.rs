//! Finding the newest entry of a log, usually with one look.
//!
//! Entries are dense and never change, so whoever knows entry N only has to look whether N+1 exists. A process
//! that knows nothing starts from the hint: it looks for the entry *after* the hinted one first. If there is none,
//! the hinted one is the newest; if there is one, the hint was one behind (the put that wrote a checkpoint leaves it
//! so), and one more look says whether it is two. Either takes two looks.
//! A log is listed only when there is no usable hint, or when it has run far ahead of what is known.
//!
//! A hint may be behind the log, and it may be gone. It is never ahead of it: it is written after its entry was made
//! durable, and the newest entry of a log is never removed. So a log that ends before its hint has lost its end, and
//! versions that were acknowledged with it. That is damage: whoever took the entry before it for the newest would show
//! old rows as new ones, and publish other rows under a version that somebody holds the number of. Of a log without any
//! entry nothing is said: it may be that of a bucket that was emptied, whose hint was still being written.

use std::sync::Arc;

use shoots_proto::name::FrameId;

use super::entry::{self, Entry};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::FramePaths;
use crate::objects::Objects;
use crate::time::Timestamp;

/// After so many entries found one by one, the log is listed instead.
const STEPS_BEFORE_LISTING: u32 = 8;

/// The newest entry, as far as this process knows.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) entry: Arc<Entry>,
    /// When it was last known to be the newest.
    pub(crate) confirmed: Timestamp,
}

/// Reads one frame's log.
#[derive(Debug, Clone)]
pub(crate) struct LogReader {
    /// Whose log it is, for people who read errors.
    pub(crate) frame: Arc<FrameId>,
    pub(crate) objects: Objects,
    pub(crate) paths: FramePaths,
}

impl LogReader {
    /// The entry of this number, if it exists.
    pub(crate) async fn entry(&self, sequence: u64) -> Result<Option<Arc<Entry>>> {
        let path = self.paths.entry(sequence);
        let Some(bytes) = self.objects.read(&path).await? else {
            return Ok(None);
        };
        let entry = entry::decode(&path, sequence, &bytes)?;
        Ok(Some(Arc::new(entry)))
    }

    /// The newest entry; `known` is one that exists, if any is known.
    pub(crate) async fn newest(&self, known: Option<Arc<Entry>>) -> Result<Option<Arc<Entry>>> {
        match known {
            Some(known) => self.forward(known).await.map(Some),
            None => match self.hint().await? {
                Some(hint) => self.after_hint(hint).await,
                None => self.listed().await,
            },
        }
    }

    /// Which entry the hint names, if there is one that can be read.
    pub(crate) async fn hint(&self) -> Result<Option<u64>> {
        let hint = match self.objects.read(&self.paths.hint()).await {
            // Nobody trusts it.
            Err(error) if error.kind() == ErrorKind::Damaged => None,
            hint => hint?,
        };
        let hint = hint.as_deref().map(str::from_utf8);
        let hinted = hint.and_then(|text| text.ok()?.trim().parse().ok());
        Ok(hinted.filter(|sequence| *sequence < u64::MAX))
    }

    async fn after_hint(&self, hint: u64) -> Result<Option<Arc<Entry>>> {
        if let Some(newest) = self.hinted(hint).await? {
            return Ok(Some(newest));
        }
        let listed = self.listed().await?;
        let ends_before = |hint: &u64| {
            let last = listed.as_ref().map(|last| last.header.sequence);
            last.is_some_and(|last| last < *hint)
        };
        if !ends_before(&hint) {
            return Ok(listed);
        }
        // The whole log may have been purged and begun anew since the hint was read.
        let hint = self.hint().await?.filter(ends_before);
        hint.map_or(Ok(listed), |hint| Err(self.lost(hint)))
    }

    /// That the log ends before an entry which was published.
    fn lost(&self, sequence: u64) -> Error {
        let hint = self.paths.hint();
        let problem = format!(
            "it is missing, and `{hint}` says that it was published: bring it back, or remove `{hint}` to go on without the \
             versions that were lost"
        );
        Error::damaged(self.paths.entry(sequence), problem)
    }

    /// The newest entry, if what the hint names is there.
    async fn hinted(&self, hinted: u64) -> Result<Option<Arc<Entry>>> {
        match self.entry(hinted + 1).await? {
            Some(next) => self.forward(next).await.map(Some),
            // That nothing follows it was seen after the call began, so nobody has to look again.
            None => self.entry(hinted).await,
        }
    }

    async fn forward(&self, mut entry: Arc<Entry>) -> Result<Arc<Entry>> {
        for _ in 0..STEPS_BEFORE_LISTING {
            match self.entry(entry.header.sequence + 1).await? {
                Some(next) => entry = next,
                None => return Ok(entry),
            }
        }
        self.listed().await.map(|found| found.unwrap_or(entry))
    }

    async fn listed(&self) -> Result<Option<Arc<Entry>>> {
        let objects = self.objects.list_all(&self.paths.log()).await?;
        let sequences = objects
            .iter()
            .filter_map(|object| FramePaths::sequence_of(&object.location));
        let Some(last) = sequences.max() else {
            return Ok(None);
        };
        let missing = || Error::damaged(self.paths.entry(last), "it was listed but is missing");
        let mut entry = self.entry(last).await?.ok_or_else(missing)?;
        while let Some(next) = self.entry(entry.header.sequence + 1).await? {
            entry = next;
        }
        Ok(Some(entry))
    }
}
