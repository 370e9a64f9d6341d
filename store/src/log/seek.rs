//! From "as of" to an entry and a version, by reading few entries.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::SnapshotName;
use shoots_proto::as_of::{self, AsOf};

use super::commit::{CommitId, Mark};
use super::entry::Entry;
use super::head::LogReader;
use crate::error::{Cause, Error, Result};
use crate::nearest::meant;
use crate::snapshots::record;
use crate::time::Timestamp;

/// Fewer digits than this are refused as a commit prefix.
const SHORTEST_PREFIX: usize = 4;
/// Entries that are read at the same time when a log is walked.
const PARALLEL_READS: usize = 16;

/// A version and the entry that published it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) entry: Arc<Entry>,
    pub(crate) version: u64,
}

impl Found {
    /// The newest version of an entry.
    pub(crate) fn newest(entry: Arc<Entry>) -> Self {
        let version = entry.last_version();
        Self { entry, version }
    }
}

impl LogReader {
    /// Finds what `as_of` means, given the newest entry.
    pub(crate) async fn seek(&self, head: Arc<Entry>, as_of: &AsOf) -> Result<Found> {
        match as_of {
            AsOf::Version(number) => self.seek_version(head, *number).await,
            AsOf::Time(time) => self.seek_time(head, (*time).into()).await,
            AsOf::Tag(tag) => self.seek_tag(head, tag).await,
            AsOf::Commit(prefix) => self.seek_commit(head, prefix).await,
            AsOf::Snapshot(name) => self.seek_pin(head, name).await,
            AsOf::Remote(remote) => {
                let problem = format!(
                    "what the remote `{remote}` has is no version here, so it can be read, and nothing else: give a version, a time, a tag or a commit"
                );
                Err(Error::invalid("as_of", problem))
            }
            AsOf::Short(text) if head.state.tags.contains_key(text) => {
                self.seek_tag(head, text).await
            }
            AsOf::Short(text) => match as_of::parse_time(text) {
                Ok(time) => self.seek_time(head, time.into()).await,
                Err(_) => self.seek_commit(head, text).await,
            },
        }
    }

    async fn seek_version(&self, head: Arc<Entry>, number: i64) -> Result<Found> {
        let last = head.last_version();
        let version = match number.cmp(&0) {
            Ordering::Greater => Some(number.unsigned_abs()),
            Ordering::Equal => None,
            Ordering::Less => (last + 1).checked_sub(number.unsigned_abs()),
        };
        match version {
            Some(version @ 1..) if version <= last => {
                let entry = self.entry_of_version(head, version).await?;
                Ok(Found { entry, version })
            }
            _ => {
                let why = format!("; the versions are 1 to {last}");
                Err(self.no_version(&number.to_string(), &why))
            }
        }
    }

    /// Every entry publishes at least one version, which bounds where a version can be from both sides: to
    /// one place if puts were never grouped.
    async fn entry_of_version(&self, head: Arc<Entry>, version: u64) -> Result<Arc<Entry>> {
        if version >= head.header.first_version {
            return Ok(head);
        }
        if let Some(mark) = head.state.marks().find(|mark| mark.version == version) {
            return self.kept(mark.sequence).await;
        }
        if !head.state.keeps(version) {
            return Err(self.expired(&version.to_string()));
        }
        self.locate(head, version).await
    }

    /// The entry that published a version, whether users may still read that or not.
    pub(crate) async fn locate(&self, head: Arc<Entry>, version: u64) -> Result<Arc<Entry>> {
        if version >= head.header.first_version {
            return Ok(head);
        }
        let newest = head.header.sequence;
        let first = head.state.retained.first_entry.max(1);
        let mut low = newest
            .saturating_sub(head.last_version() - version)
            .max(first);
        let mut high = newest.min(version);
        while low <= high {
            let middle = low + (high - low) / 2;
            let entry = self.kept(middle).await?;
            if version < entry.header.first_version {
                high = middle - 1;
            } else if version > entry.last_version() {
                low = middle + 1;
            } else {
                return Ok(entry);
            }
        }
        Err(Error::damaged(
            self.paths.log(),
            format!("version {version} is missing"),
        ))
    }

    async fn seek_time(&self, head: Arc<Entry>, time: Timestamp) -> Result<Found> {
        let first = head.state.retained.first_entry.max(1);
        match self.newest_until(Arc::clone(&head), time).await? {
            Some(found) if head.state.keeps(found.version) => Ok(found),
            None if first == 1 => {
                Err(self.no_version(&format!("at {time}"), "; the frame is younger"))
            }
            _ => Err(self.expired(&format!("at {time}"))),
        }
    }

    /// The newest version that was published at or before a time, whether users may still read it or not.
    pub(crate) async fn newest_until(
        &self,
        head: Arc<Entry>,
        time: Timestamp,
    ) -> Result<Option<Found>> {
        if head.header.published <= time {
            return Ok(Some(Found::newest(head)));
        }
        let first = head.state.retained.first_entry.max(1);
        let (mut low, mut high) = (first, head.header.sequence - 1);
        let mut best = None;
        while low <= high {
            let middle = low + (high - low) / 2;
            let entry = self.kept(middle).await?;
            if entry.header.published <= time {
                best = Some(entry);
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        Ok(best.map(Found::newest))
    }

    async fn seek_tag(&self, head: Arc<Entry>, tag: &str) -> Result<Found> {
        let Some(mark) = head.state.tags.get(tag).copied() else {
            let meant = meant(tag, head.state.tags.keys().map(String::as_str));
            return Err(self.no_version(&format!("with the tag `{tag}`"), &meant));
        };
        self.marked(head, mark).await
    }

    async fn seek_pin(&self, head: Arc<Entry>, snapshot: &SnapshotName) -> Result<Found> {
        let visible = record::visible(&self.objects, snapshot).await?;
        let mark = visible.and_then(|record| head.state.pins.get(&record.id).copied());
        let Some(mark) = mark else {
            let name = format!("`{snapshot}` with frame {}", self.frame);
            return Err(Cause::NotFound {
                what: "snapshot",
                name,
            }
            .into());
        };
        self.marked(head, mark).await
    }

    /// The version that a mark stands for.
    pub(crate) async fn marked(&self, head: Arc<Entry>, mark: Mark) -> Result<Found> {
        let version = mark.version;
        let entry = self.entry_of_version(head, version).await?;
        Ok(Found { entry, version })
    }

    async fn seek_commit(&self, head: Arc<Entry>, prefix: &str) -> Result<Found> {
        let hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || prefix.len() < SHORTEST_PREFIX {
            let meant = meant(prefix, head.state.tags.keys().map(String::as_str));
            let problem = format!(
                "`{prefix}` is no tag of the frame, no time in RFC 3339, and no commit id of at least {SHORTEST_PREFIX} hexadecimal digits{meant}"
            );
            return Err(Error::invalid("as_of", problem));
        }
        let prefix = prefix.to_ascii_lowercase();
        let mut found: Option<(Found, CommitId)> = None;
        let state = head.state.clone();
        let marked = state
            .marks()
            .filter(|mark| mark.sequence < state.retained.first_entry);
        let marked: BTreeSet<u64> = marked.map(|mark| mark.sequence).collect();
        let marked = stream::iter(marked).then(|sequence| self.kept(sequence));
        let mut entries = self.walk_back(head, usize::MAX).chain(marked).boxed();
        while let Some(entry) = entries.try_next().await? {
            for (version, id, _) in entry
                .versions()
                .filter(|(_, id, _)| id.starts_with(&prefix))
            {
                match &found {
                    Some((_, other)) if other != id => {
                        let problem =
                            format!("`{prefix}` could be {other} or {id}: give more digits");
                        return Err(Error::invalid("as_of", problem));
                    }
                    // A history that was deleted here and cloned again has its commits once more: the newest count.
                    Some((newer, _)) if newer.version >= version => continue,
                    _ => {}
                }
                let entry = entry.clone();
                found = Some((Found { entry, version }, id.clone()));
            }
        }
        match found {
            Some((found, _)) if state.keeps(found.version) => Ok(found),
            Some((found, _)) => Err(self.expired(&found.version.to_string())),
            None => Err(self.no_version(&format!("with the commit `{prefix}`"), "")),
        }
    }

    /// The entries from the newest to the oldest that is still kept. Of so many that are wanted, few more are read. One that
    /// is missing in between is damage.
    pub(crate) fn walk_back(
        &self,
        head: Arc<Entry>,
        wanted: usize,
    ) -> impl futures::Stream<Item = Result<Arc<Entry>>> + Unpin + '_ {
        let first = head.state.retained.first_entry.max(1);
        let older = (first..head.header.sequence).rev();
        let older = stream::iter(older)
            .map(|sequence| self.entry_or_end(sequence))
            .buffered(wanted.clamp(1, PARALLEL_READS))
            .try_take_while(|entry| std::future::ready(Ok(entry.is_some())))
            .try_filter_map(|entry| std::future::ready(Ok(entry)));
        stream::once(std::future::ready(Ok(head)))
            .chain(older)
            .boxed()
    }

    /// The entry of a number that was kept when the walk began; none if it has expired since.
    async fn entry_or_end(&self, sequence: u64) -> Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.entry(sequence).await? {
            return Ok(Some(entry));
        }
        let newest = self.newest(None).await?;
        let kept = |newest: &Entry| sequence >= newest.state.retained.first_entry;
        match newest.is_some_and(|newest| kept(&newest)) {
            true => Err(Error::missing(self.paths.entry(sequence))),
            false => Ok(None),
        }
    }

    fn no_version(&self, which: &str, why: &str) -> Error {
        let (what, name) = ("version", format!("{which} of frame {}{why}", self.frame));
        Cause::NotFound { what, name }.into()
    }

    fn expired(&self, which: &str) -> Error {
        self.no_version(which, "; it has expired and is no longer kept")
    }

    /// An entry that must be there.
    pub(crate) async fn kept(&self, sequence: u64) -> Result<Arc<Entry>> {
        let entry = self.entry(sequence).await?;
        entry.ok_or_else(|| Error::missing(self.paths.entry(sequence)))
    }
}
