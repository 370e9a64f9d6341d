//! A frame by its name: look at it, write it, delete it, bring it back.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use futures::TryStreamExt;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::{FrameLog, Freshness};
use crate::history::LogRecord;
use crate::log::commit::Published;
use crate::log::plan::{CommitNote, Proposal, Wish};
use crate::log::seek::Found;
use crate::plain;
use crate::put::{self, FrameWriter, PutOptions};
use crate::shared::Shared;
use crate::snapshot::Snapshot;

/// A name in a store, whether there is a frame of that name or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frame {
    log: FrameLog,
}

impl Frame {
    pub(crate) fn new(shared: Arc<Shared>, id: &FrameId) -> Self {
        let log = FrameLog::new(shared, id);
        Self { log }
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &FrameId {
        self.log.frame()
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
        let found = match as_of {
            None => Found::newest(head.entry),
            Some(as_of) => self.log.reader().seek(head.entry, as_of).await?,
        };
        Snapshot::at(self.log.clone(), found).await
    }

    async fn plain_snapshot(&self, as_of: Option<&AsOf>) -> Result<Snapshot> {
        let plain = plain::find(&self.log).await?;
        let plain = plain.ok_or_else(|| self.not_found())?;
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
        match self.snapshot(None).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts to write rows of this schema.
    ///
    /// # Errors
    /// Before any row is taken: [`ErrorKind::AlreadyExists`] in mode `error`, [`ErrorKind::Schema`] for types that
    /// cannot be stored or that are not those of the frame.
    pub async fn put(&self, schema: SchemaRef, options: PutOptions) -> Result<FrameWriter> {
        FrameWriter::start(self.log.clone(), schema, options).await
    }

    /// Deletes the frame. Its history stays, and [`undelete`](Self::undelete) brings it back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame.
    pub async fn delete(&self) -> Result<Published> {
        self.log.shared().check_writable()?;
        let plain = match self.log.newest().await? {
            Some(_) => None,
            None => plain::find(&self.log).await?,
        };
        let adopt = match plain {
            Some(plain) => Some(plain.adopt(&self.log).await?),
            None => None,
        };
        self.submit(Wish::Delete { adopt }).await
    }

    /// Brings a deleted frame back as it was.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there never was such a frame, [`ErrorKind::AlreadyExists`] if it is not deleted.
    pub async fn undelete(&self) -> Result<Published> {
        self.log.shared().check_writable()?;
        self.submit(Wish::Undelete).await
    }

    /// What was done to the frame, newest first, so many records at most.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there never was such a frame.
    pub async fn history(&self, limit: usize) -> Result<Vec<LogRecord>> {
        let Some(head) = self.log.newest_for(Freshness::Tolerant).await? else {
            return Err(self.not_found());
        };
        let mut entries = self.log.reader().walk_back(head.entry);
        let mut records = Vec::new();
        while records.len() < limit {
            let Some(entry) = entries.try_next().await? else {
                break;
            };
            let mut own = LogRecord::of_entry(&entry);
            own.reverse();
            records.extend(own);
        }
        records.truncate(limit);
        Ok(records)
    }

    async fn submit(&self, wish: Wish) -> Result<Published> {
        let proposal = Proposal {
            wish,
            write_id: self.log.unique_id(),
            note: CommitNote::default(),
        };
        put::submit(&self.log, proposal).await
    }

    fn not_found(&self) -> Error {
        let (what, name) = ("frame", self.id().to_string());
        Cause::NotFound { what, name }.into()
    }
}
