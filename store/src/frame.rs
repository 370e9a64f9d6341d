//! A frame by its name: look at it, write it, change it, go back in its history.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use futures::TryStreamExt;
use shoots_proto::action::{
    AlterResult, Column, CommitResult, DeleteRowsResult, LogResult, TagRecord, TagResult,
    UntagResult,
};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;
use shoots_proto::{Note, TagName};

use crate::edit::columns::AlterColumns;
use crate::edit::delete::{DeleteRows, RowsToDelete};
use crate::edit::marks::{DropTag, SetTag};
use crate::edit::restore::RestoreVersion;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::{FrameLog, Freshness};
use crate::history;
use crate::log::commit::{Published, State};
use crate::log::derive::Derive;
use crate::log::entry::Entry;
use crate::log::plan::{Proposal, Rows, Wish};
use crate::log::remembered::RequestKey;
use crate::log::seek::Found;
use crate::plain;
use crate::put::{self, FrameWriter, PutOptions};
use crate::schema::evolve::ColumnEdit;
use crate::schema::type_name;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::sync::beside;

/// A name in a store, whether there is a frame of that name or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frame {
    log: FrameLog,
    note: Note,
    request_id: Option<String>,
}

impl Frame {
    pub(crate) fn new(shared: Arc<Shared>, id: &FrameId) -> Self {
        let log = FrameLog::new(shared, id);
        Self {
            log,
            note: Note::default(),
            request_id: None,
        }
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &FrameId {
        self.log.frame()
    }

    pub(crate) fn frame_log(&self) -> &FrameLog {
        &self.log
    }

    /// The same frame, with something to be noted with every change that is made through it (but for
    /// [`put`](Self::put), whose options have a note of their own).
    #[must_use]
    pub fn noted(mut self, note: Note) -> Self {
        self.note = note;
        self
    }

    /// The same frame, with an id that makes it safe to retry the one change that is made through it: while the frame
    /// remembers it, the change is not made again.
    #[must_use]
    pub fn request_id(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }

    /// The frame's state: the newest at the time of the call (or as old as the store's
    /// [`max_staleness`](crate::StoreBuilder::max_staleness) tolerates), or an older one.
    ///
    /// Older states can be had of a deleted frame too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame or version, [`ErrorKind::Io`] if the storage cannot be
    /// reached; see [`cached_snapshot`](Self::cached_snapshot).
    pub async fn snapshot(&self, as_of: Option<&AsOf>) -> Result<Snapshot> {
        match self.snapshot_with(as_of, Freshness::Tolerant).await {
            Err(error)
                if error.kind() == ErrorKind::NotFound && self.log.shared().is_tolerant() =>
            {
                // It may have come since.
                self.snapshot_with(as_of, Freshness::AsOfNow).await
            }
            Err(error) if error.is_missing() => {
                // What was remembered may have been purged or swept since.
                self.log.forget_head();
                self.snapshot_with(as_of, Freshness::AsOfNow).await
            }
            outcome => outcome,
        }
    }

    /// The newest state at the time of the call, whatever staleness the store tolerates.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub async fn newest(&self) -> Result<Snapshot> {
        match self.snapshot_with(None, Freshness::AsOfNow).await {
            Err(error) if error.is_missing() => {
                self.log.forget_head();
                self.snapshot_with(None, Freshness::AsOfNow).await
            }
            outcome => outcome,
        }
    }

    /// The newest state that this process has seen, without asking whether there is a newer one; none if it has
    /// seen none. It is marked [stale](Snapshot::is_stale). For when the storage cannot be reached: reading it
    /// succeeds as far as its objects are cached.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the frame was deleted, [`ErrorKind::Io`] if what the state consists of is not
    /// cached and cannot be read.
    pub async fn cached_snapshot(&self) -> Result<Option<Snapshot>> {
        let Some(head) = self.log.remembered_head() else {
            return Ok(None);
        };
        let found = Found::newest(head.entry);
        let snapshot = Snapshot::at(self.log.clone(), found).await?;
        Ok(Some(snapshot.marked_stale()))
    }

    pub(crate) async fn snapshot_with(
        &self,
        as_of: Option<&AsOf>,
        freshness: Freshness,
    ) -> Result<Snapshot> {
        let Some(head) = self.log.newest_for(freshness).await? else {
            return self.plain_snapshot(as_of).await;
        };
        let Some(as_of) = as_of else {
            let found = Found::newest(head.entry);
            return Snapshot::at(self.log.clone(), found).await;
        };
        if let Some(remote) = remote_of(&head.entry.state, as_of) {
            let tip = beside::tip_at(&self.log, &head.entry, remote)?;
            return self.at_commit(&head.entry, &tip).await;
        }
        match self.log.reader().seek(Arc::clone(&head.entry), as_of).await {
            Ok(found) => Snapshot::at(self.log.clone(), found).await,
            Err(absent) if absent.kind() == ErrorKind::NotFound => {
                let beside = self.beside(&head.entry, as_of).await?;
                beside.ok_or(absent)
            }
            Err(error) => Err(error),
        }
    }

    /// The state after a commit that is no version here, if that is what is meant.
    async fn beside(&self, head: &Arc<Entry>, as_of: &AsOf) -> Result<Option<Snapshot>> {
        let (AsOf::Commit(prefix) | AsOf::Short(prefix)) = as_of else {
            return Ok(None);
        };
        if shoots_proto::as_of::parse_time(prefix).is_ok() {
            return Ok(None);
        }
        let prefix = prefix.to_ascii_lowercase();
        match beside::find(&self.log, head, &prefix).await?.as_slice() {
            [] => Ok(None),
            [id] if self.log.version_of(head, id).await?.is_some() => Ok(None),
            [id] => self.at_commit(head, id).await.map(Some),
            [one, other, ..] => {
                let problem = format!("`{prefix}` could be {one} or {other}: give more digits");
                Err(Error::invalid("as_of", problem))
            }
        }
    }

    /// The state after a commit of the history, whether it is a version here or not.
    async fn at_commit(&self, head: &Arc<Entry>, id: &str) -> Result<Snapshot> {
        if let Some(found) = self.log.version_of(head, id).await?
            && head.state.keeps(found.version)
        {
            return Snapshot::at(self.log.clone(), found).await;
        }
        match beside::state(&self.log, head, id).await? {
            Some(beside) => Snapshot::beside(self.log.clone(), beside).await,
            None => {
                let (what, name) = ("commit", format!("{id} of frame {} here", self.id()));
                Err(Cause::NotFound { what, name }.into())
            }
        }
    }

    async fn plain_snapshot(&self, as_of: Option<&AsOf>) -> Result<Snapshot> {
        let plain = plain::find(&self.log).await?;
        let plain = plain.ok_or_else(|| self.log.not_found())?;
        if as_of.is_some() {
            let problem = "the frame is a plain file and has no versions until it is written";
            return Err(Error::invalid("as_of", problem));
        }
        Ok(Snapshot::of_plain(self.log.clone(), plain))
    }

    /// Whether there is such a frame now.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn exists(&self) -> Result<bool> {
        match self.exists_with(Freshness::Tolerant).await? {
            // It may have come since.
            false if self.log.shared().is_tolerant() => self.exists_with(Freshness::AsOfNow).await,
            exists => Ok(exists),
        }
    }

    async fn exists_with(&self, freshness: Freshness) -> Result<bool> {
        match self.log.newest_for(freshness).await? {
            Some(head) => Ok(!head.entry.state.deleted),
            None => Ok(plain::find(&self.log).await?.is_some()),
        }
    }

    /// The newest state; none if the frame was deleted.
    pub(crate) async fn live_snapshot(&self, freshness: Freshness) -> Result<Option<Snapshot>> {
        match self.log.newest_for(freshness).await? {
            Some(head) if head.entry.state.deleted => Ok(None),
            Some(head) => {
                let found = Found::newest(head.entry);
                Snapshot::at(self.log.clone(), found).await.map(Some)
            }
            None => self.plain_snapshot(None).await.map(Some),
        }
    }

    /// Starts to write rows of this schema. A frame without rows is made by committing none.
    ///
    /// # Errors
    /// Before any row is taken: [`ErrorKind::AlreadyExists`] in mode `error`, [`ErrorKind::Schema`] for types that
    /// cannot be stored or that are not those of the frame, [`ErrorKind::InvalidRequest`] for an index that the rows
    /// cannot have or that is not the frame's.
    pub async fn put(&self, schema: SchemaRef, options: PutOptions) -> Result<FrameWriter> {
        FrameWriter::start(self.log.clone(), schema, options).await
    }

    /// Deletes the frame. Its history stays, and [`undelete`](Self::undelete) brings it back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame.
    pub async fn delete(&self) -> Result<Published> {
        self.log.shared().check_writable()?;
        let adopt = self.plain_rows().await?;
        let written: Vec<String> = adopt.iter().flat_map(Rows::ids).collect();
        let deleted = put::submit(&self.log, self.proposal(Wish::Delete { adopt })).await;
        self.let_go_of_failed(&written, &deleted).await;
        deleted
    }

    /// Brings a deleted frame back as it was.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there never was such a frame, [`ErrorKind::AlreadyExists`] if it is not deleted.
    pub async fn undelete(&self) -> Result<Published> {
        self.log.shared().check_writable()?;
        put::submit(&self.log, self.proposal(Wish::Undelete)).await
    }

    /// Deletes rows: those in a range of the index, those that fulfil a condition, or those for which both is true.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame, [`ErrorKind::InvalidRequest`] if nothing says which rows, or
    /// if a range is given and the frame has no index.
    pub async fn delete_rows(&self, rows: RowsToDelete) -> Result<DeleteRowsResult> {
        let published = self.change(DeleteRows::new(rows)?).await?;
        Ok(match published {
            Some(published) => DeleteRowsResult {
                version: Some(published.version),
                commit: Some(published.commit),
                rows_removed: published.rows_removed,
            },
            None => DeleteRowsResult {
                version: None,
                commit: None,
                rows_removed: 0,
            },
        })
    }

    /// Adds, drops, renames and widens columns. No row is rewritten.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame, [`ErrorKind::InvalidRequest`] naming the column that it
    /// cannot be done to.
    pub async fn alter(&self, edit: ColumnEdit) -> Result<AlterResult> {
        let snapshot = match self.change(AlterColumns(edit)).await? {
            Some(published) => {
                let version = i64::try_from(published.version).unwrap_or(i64::MAX);
                self.read_back(&AsOf::Version(version)).await?
            }
            None => self.snapshot(None).await?,
        };
        let result = commit_result(&snapshot);
        let columns = columns(&snapshot.schema());
        Ok(AlterResult {
            version: result.version,
            commit: result.commit,
            rows: result.rows,
            columns,
        })
    }

    /// Makes an older version the newest one. The versions between stay in the history.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such version, or if the frame was deleted in it.
    pub async fn restore(&self, as_of: &AsOf) -> Result<CommitResult> {
        let published = self.change(RestoreVersion(as_of.clone())).await?;
        match published {
            Some(published) => Ok(CommitResult {
                version: published.version,
                commit: published.commit,
                rows: published.frame_rows,
            }),
            None => Ok(commit_result(&self.snapshot(None).await?)),
        }
    }

    /// Names a version; none: the newest one. A version with a name is kept whatever expires.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if the name is another version's and is not to be replaced.
    pub async fn tag(
        &self,
        tag: &TagName,
        as_of: Option<&AsOf>,
        replace: bool,
    ) -> Result<TagResult> {
        let change = SetTag {
            name: tag.to_string(),
            as_of: as_of.cloned(),
            replace,
        };
        let as_of = AsOf::Tag(tag.to_string());
        let tagged = match self.change(change).await? {
            Some(_) => self.read_back(&as_of).await?,
            None => self.snapshot(Some(&as_of)).await?,
        };
        let result = commit_result(&tagged);
        Ok(TagResult {
            tag: tag.to_string(),
            version: result.version,
            commit: result.commit,
        })
    }

    /// The state that a change has led to. That it cannot be read does not mean that nothing has changed.
    async fn read_back(&self, as_of: &AsOf) -> Result<Snapshot> {
        let snapshot = self.snapshot(Some(as_of)).await;
        snapshot.map_err(|error| {
            let problem = format!("reading back what it has led to: {error}");
            Cause::OutcomeUnknown { problem }.into()
        })
    }

    /// Takes a name back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if no version has this name.
    pub async fn untag(&self, tag: &TagName) -> Result<UntagResult> {
        let head = self.log.newest().await?;
        let known = head.and_then(|head| head.entry.state.tags.get(tag.as_str()).copied());
        let name = tag.to_string();
        self.change(DropTag { name: name.clone() }).await?;
        Ok(UntagResult {
            tag: name,
            version: known.map_or(0, |mark| mark.version),
        })
    }

    /// The names of versions, by name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there never was such a frame.
    pub async fn tags(&self) -> Result<Vec<TagRecord>> {
        let head = self.log.newest_for(Freshness::Tolerant).await?;
        let head = head.ok_or_else(|| self.log.not_found())?.entry;
        let mut records = Vec::new();
        for (tag, mark) in &head.state.tags {
            let found = self.log.reader().marked(Arc::clone(&head), *mark).await?;
            let mut versions = found.entry.versions();
            let own = versions.find(|(version, ..)| *version == mark.version);
            records.push(TagRecord {
                tag: tag.clone(),
                version: mark.version,
                commit: own.map(|(_, id, _)| id.clone()).unwrap_or_default(),
                published: history::time(found.entry.header.published),
            });
        }
        Ok(records)
    }

    /// What was done to the frame, newest first: so many changes at most, and only those after `since`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there never was such a frame, or no such version.
    pub async fn history(&self, limit: usize, since: Option<&AsOf>) -> Result<LogResult> {
        self.told(limit, since, false).await
    }

    /// The same, and with each version the commits that it brought and that are no versions here.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    pub async fn whole_history(&self, limit: usize, since: Option<&AsOf>) -> Result<LogResult> {
        self.told(limit, since, true).await
    }

    async fn told(&self, limit: usize, since: Option<&AsOf>, all: bool) -> Result<LogResult> {
        let Some(head) = self.log.newest_for(Freshness::Tolerant).await? else {
            return Err(self.log.not_found());
        };
        let after = match since {
            Some(as_of) => {
                let found = self.log.seek(&head.entry, Some(as_of)).await;
                found.map_err(|error| error.of_state("since"))?.version
            }
            None => 0,
        };
        let newest = Arc::clone(&head.entry);
        let mut entries = self.log.reader().walk_back(head.entry, limit);
        let mut commits = Vec::new();
        while commits.len() <= limit {
            let Some(entry) = entries.try_next().await? else {
                break;
            };
            let records = history::records(&self.log, &entry, &newest.state, all).await?;
            let count = commits.len() + records.len();
            commits.extend(records.into_iter().filter(|record| record.version > after));
            if commits.len() < count {
                break;
            }
        }
        let more = commits.len() > limit;
        commits.truncate(limit);
        Ok(LogResult { commits, more })
    }

    pub(crate) fn log_writable(&self) -> Result<()> {
        self.log.shared().check_writable()
    }

    /// Publishes a change that is worked out from the newest state.
    pub(crate) async fn change(&self, change: impl Derive + 'static) -> Result<Option<Published>> {
        self.log.shared().check_writable()?;
        self.adopt().await?;
        let wish = Wish::Derived(Arc::new(change));
        put::try_submit(&self.log, self.proposal(wish)).await
    }

    /// Gives a plain file a log, so that it can be changed.
    pub(crate) async fn adopt(&self) -> Result<()> {
        let Some(rows) = self.plain_rows().await? else {
            return Ok(());
        };
        let written: Vec<String> = rows.ids().collect();
        let adoption = Proposal {
            wish: Wish::Adopt(rows),
            write_id: self.log.unique_id(),
            request: None,
            basis: None,
            absent: None,
            expected: None,
            note: Note::default(),
        };
        let adopted = put::try_submit(&self.log, adoption).await;
        self.let_go_of_failed(&written, &adopted).await;
        adopted.map(drop)
    }

    /// Removes segments of a change that has failed, and of which nobody can have seen any.
    async fn let_go_of_failed<T>(&self, written: &[String], outcome: &Result<T>) {
        if outcome.is_err() && !put::is_unknown(outcome) {
            self.log.let_go(written).await;
        }
    }

    /// The rows of a plain file, copied into segments, if the frame is one that was never written.
    async fn plain_rows(&self) -> Result<Option<Rows>> {
        let plain = match self.log.newest().await? {
            Some(_) => None,
            None => plain::find(&self.log).await?,
        };
        match plain {
            Some(plain) => Ok(Some(plain.adopt(&self.log).await?.hand_over())),
            None => Ok(None),
        }
    }

    pub(crate) fn proposal(&self, wish: Wish) -> Proposal {
        let id = self.request_id.as_deref();
        let request = id.map(|id| RequestKey::new(id, &wish.asked()));
        Proposal {
            wish,
            write_id: self.log.unique_id(),
            request,
            basis: None,
            absent: None,
            expected: None,
            note: self.note.clone(),
        }
    }
}

/// The remote whose state is meant.
fn remote_of<'a>(state: &State, as_of: &'a AsOf) -> Option<&'a str> {
    match as_of {
        AsOf::Remote(remote) => Some(remote.as_str()),
        AsOf::Short(text) => {
            let is_other =
                state.tags.contains_key(text) || shoots_proto::as_of::parse_time(text).is_ok();
            (!is_other && state.tracking.contains_key(text)).then_some(text)
        }
        _ => None,
    }
}

/// A version as the result of a change.
pub(crate) fn commit_result(snapshot: &Snapshot) -> CommitResult {
    CommitResult {
        version: snapshot.version().unwrap_or_default(),
        commit: snapshot.commit().unwrap_or_default(),
        rows: snapshot.rows(),
    }
}

fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Column {
            name: field.name().clone(),
            r#type: type_name::name(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}
