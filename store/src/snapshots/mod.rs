//! Snapshots: names for the state of many frames at once.
//!
//! A snapshot is visible while the object with its name exists, and each of its frames holds on to its version by a
//! pin in its own log, under the snapshot's id ([`record`]). Taking one goes like this:
//!
//! 1. Versions are found that were the newest ones together ([`cut`]).
//! 2. An *attempt* is recorded under a fresh id: these frames may have pins of this id. It stays as long as they may.
//! 3. Every frame is pinned, by a commit.
//! 4. The object with the name is created, if there is none: that decides between several who take the same name.
//!    Whoever loses takes its own pins back, which are nobody else's.
//!
//! A crash on the way leaves an attempt and pins that no reader sees; the name is free, and dropping it cleans up, or
//! the sweep a day later ([`abandoned`]).
//! Dropping removes the object with the name first, then the pins of all attempts, each attempt last, so that it
//! can be repeated after a crash. A drop that meets a snapshot which is being taken wins: when the object
//! with the name is there, whoever takes the snapshot looks whether the attempt still is, and whoever drops it looks, when
//! the attempts are gone, whether the object came.

mod abandoned;
mod cut;
pub(crate) mod record;

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::SnapshotName;
use shoots_proto::action::{DropSnapshotResult, SnapshotResult, SnapshotsResult};
use shoots_proto::name::{BucketName, FrameId};

use crate::edit::marks::{DropPin, SetPin};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::layout;
use crate::objects::{CreateError, Created, Objects};
use crate::sealed::Sealed;
use crate::store::Store;
pub(crate) use abandoned::Abandoned;
use abandoned::NAMED_SECONDS;
use cut::Scope;
use record::Record;

/// How often a cut is made again because one of its versions expired before it was pinned.
const MAX_CUTS: u32 = 3;
/// Attempts to create the object with the name, or to learn what became of it, when replies are lost.
const MAX_CREATES: u32 = 5;

/// Whether a snapshot got its name.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Yes,
    /// Another has it.
    Taken,
    /// Somebody dropped the snapshot while it was taken.
    Dropped,
}

impl Store {
    /// Names the newest state of some frames, and of all frames of some buckets (none: the one without a name), all as
    /// they were at one point in time. They are kept whatever expires, and can be read as of the snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if there is a snapshot of this name, [`ErrorKind::NotFound`] for a frame or bucket
    /// that there is not, [`ErrorKind::Conflict`] if frames change so often that no common state was seen, or if the
    /// snapshot was dropped while it was taken.
    pub async fn take_snapshot(
        &self,
        snapshot: &SnapshotName,
        frames: &[FrameId],
        buckets: &[Option<BucketName>],
        message: Option<String>,
    ) -> Result<SnapshotResult> {
        self.shared().check_writable()?;
        let path = layout::snapshot(snapshot);
        if self.objects().size(&path).await?.is_some() {
            return Err(taken(snapshot));
        }
        let scope = Scope::new(frames, buckets);
        scope.adopt(self).await?;
        let mut expired = None;
        for _ in 0..MAX_CUTS {
            let versions = scope.cut(self).await?;
            let environment = &self.shared().environment;
            let (id, now) = (format!("{:032x}", environment.unique()), environment.now());
            let record = Record::new(id, snapshot.clone(), now, message.clone(), versions);
            let attempt = layout::snapshot_attempt(snapshot, &record.id);
            let bytes = record.seal()?;
            self.objects().create_immutable(&attempt, bytes).await?;
            if let Err(error) = self.pin(&record).await {
                self.give_up(&record).await;
                if error.kind() != ErrorKind::NotFound {
                    return Err(error);
                }
                expired = Some(error);
                continue;
            }
            return self.finish(record).await;
        }
        let why = expired.map_or_else(String::new, |error| format!(" ({error})"));
        let problem = format!("versions expire faster than they are pinned{why}");
        Err(Cause::Conflict(problem).into())
    }

    /// The snapshots, by name. One whose record is damaged is left out with a warning in the program's log.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn snapshots(&self) -> Result<SnapshotsResult> {
        let listed = self.objects().list_folder(&layout::snapshots()).await?;
        let paths = listed.objects.into_iter().map(|object| object.location);
        let mut records = stream::iter(paths)
            .map(|path| async move { record::read(self.objects(), &path).await })
            .buffered(self.shared().parallel_frames());
        let mut snapshots = Vec::new();
        while let Some(read) = records.next().await {
            match read {
                Ok(Some(record)) => snapshots.push(record.told()),
                Ok(None) => {}
                Err(error) if is_unreadable(&error) => {
                    tracing::warn!(%error, "a snapshot is left out of the listing");
                }
                Err(error) => return Err(error),
            }
        }
        snapshots.sort_by(|one, other| one.snapshot.cmp(&other.snapshot));
        Ok(SnapshotsResult { snapshots })
    }

    /// Drops a snapshot: its frames no longer hold on to their versions for it. What was left of one that was never
    /// finished goes, too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is nothing of this name.
    pub async fn drop_snapshot(&self, snapshot: &SnapshotName) -> Result<DropSnapshotResult> {
        self.shared().check_writable()?;
        let path = layout::snapshot(snapshot);
        let existed = match self.objects().size(&path).await {
            // It goes all the same.
            Err(error) if is_unreadable(&error) => true,
            size => size?.is_some(),
        };
        let visible = readable(record::visible(self.objects(), snapshot).await)?;
        let frames = visible.as_ref().map(|record| record.frames.len());
        self.objects().remove(&path).await?;
        let attempts = self.attempts(snapshot).await?;
        if !existed && attempts.is_empty() {
            return Err(not_found(snapshot));
        }
        let mut records: BTreeMap<String, Record> = BTreeMap::new();
        for record in visible.into_iter().chain(attempts) {
            records.insert(record.id.clone(), record);
        }
        let frames = frames.or_else(|| records.values().map(|record| record.frames.len()).max());
        for record in records.values() {
            self.withdraw(record).await?;
        }
        self.unname(snapshot, |id| records.contains_key(id)).await?;
        Ok(DropSnapshotResult {
            snapshot: snapshot.to_string(),
            frames: frames.unwrap_or(0) as u64,
        })
    }

    fn objects(&self) -> &Objects {
        &self.shared().objects
    }

    /// Gives a pinned snapshot its name.
    async fn finish(&self, record: Record) -> Result<SnapshotResult> {
        let age = self
            .shared()
            .environment
            .now()
            .seconds_since(record.created);
        if age >= NAMED_SECONDS {
            self.give_up(&record).await;
            let problem = format!("snapshot `{}` took too long to take", record.snapshot);
            return Err(Cause::Conflict(problem).into());
        }
        match self.name(&record).await? {
            Named::Yes => Ok(SnapshotResult {
                snapshot: record.snapshot.to_string(),
                frames: record.frames,
            }),
            Named::Taken => {
                self.give_up(&record).await;
                Err(taken(&record.snapshot))
            }
            Named::Dropped => {
                self.unname(&record.snapshot, |id| *id == record.id).await?;
                self.give_up(&record).await;
                let problem = format!("snapshot `{}` was dropped meanwhile", record.snapshot);
                Err(Cause::Conflict(problem).into())
            }
        }
    }

    /// Creates the object with the name. After an error nobody knows whether it exists.
    async fn name(&self, record: &Record) -> Result<Named> {
        let path = layout::snapshot(&record.snapshot);
        let bytes = record.seal()?;
        let mut problem = None;
        for _ in 0..MAX_CREATES {
            match self.objects().create(&path, bytes.clone()).await {
                Ok(Created::Yes) => return self.confirm(record).await,
                Ok(Created::Exists) => {}
                Err(CreateError::Refused(error) | CreateError::Ambiguous(error)) => {
                    problem = Some(error);
                }
                Err(CreateError::NotKnownDurable(error)) => return Err(unknown(error)),
            }
            match readable(record::visible(self.objects(), &record.snapshot).await) {
                Ok(Some(found)) if found.id == record.id => return self.confirm(record).await,
                Ok(Some(_)) => return Ok(Named::Taken),
                Ok(None) => {}
                Err(error) => return Err(unknown(problem.unwrap_or(error))),
            }
        }
        match problem {
            Some(problem) => Err(unknown(problem)),
            // It is there, and damaged.
            None => Ok(Named::Taken),
        }
    }

    /// Whether a snapshot that has its name was not dropped before it had.
    async fn confirm(&self, record: &Record) -> Result<Named> {
        let attempt = layout::snapshot_attempt(&record.snapshot, &record.id);
        match self.objects().size(&attempt).await.map_err(unknown)? {
            Some(_) => Ok(Named::Yes),
            None => Ok(Named::Dropped),
        }
    }

    /// Takes the name from a snapshot if it has one of these ids.
    async fn unname(&self, snapshot: &SnapshotName, of: impl Fn(&String) -> bool) -> Result<()> {
        let found = readable(record::visible(self.objects(), snapshot).await)?;
        if found.is_some_and(|found| of(&found.id)) {
            self.objects().remove(&layout::snapshot(snapshot)).await?;
        }
        Ok(())
    }

    /// What was begun under a name and is not cleaned up.
    async fn attempts(&self, snapshot: &SnapshotName) -> Result<Vec<Record>> {
        let folder = layout::snapshot_attempts(snapshot);
        let listed = self.objects().list_folder(&folder).await?;
        let mut attempts = Vec::new();
        for object in listed.objects {
            attempts.extend(readable(
                record::read(self.objects(), &object.location).await,
            )?);
        }
        Ok(attempts)
    }

    async fn pin(&self, record: &Record) -> Result<()> {
        let pinned = stream::iter(&record.frames).map(Ok);
        let pinned = pinned.try_for_each_concurrent(self.shared().parallel_frames(), |frame| {
            let pin = SetPin {
                id: record.id.clone(),
                snapshot: record.snapshot.to_string(),
                version: frame.version,
            };
            let frame = self.frame(&record::frame_of(frame));
            async move { frame.change(pin).await.map(drop) }
        });
        pinned.await
    }

    /// Takes the pins of an attempt back, and then its record. A frame that is gone has none.
    async fn withdraw(&self, record: &Record) -> Result<()> {
        let dropped = stream::iter(&record.frames).map(Ok);
        let dropped = dropped.try_for_each_concurrent(self.shared().parallel_frames(), |frame| {
            let frame = self.frame(&record::frame_of(frame));
            let pin = DropPin {
                id: record.id.clone(),
                snapshot: record.snapshot.to_string(),
            };
            async move {
                let head = frame.frame_log().newest().await?;
                let pinned = head.is_some_and(|head| head.entry.state.pins.contains_key(&pin.id));
                match pinned {
                    true => frame.change(pin).await.map(drop),
                    false => Ok(()),
                }
            }
        });
        dropped.await?;
        let attempt = layout::snapshot_attempt(&record.snapshot, &record.id);
        self.objects().remove(&attempt).await
    }

    /// The same after a failure, which is what the caller hears of. What is left over, dropping the name cleans up, or
    /// the sweep.
    async fn give_up(&self, record: &Record) {
        if let Err(error) = self.withdraw(record).await {
            let snapshot = &record.snapshot;
            tracing::warn!(%error, "pins of snapshot `{snapshot}`, which was not taken, are left");
        }
    }
}

/// Nothing for what nobody can read: damage must not keep what is damaged.
fn readable(read: Result<Option<Record>>) -> Result<Option<Record>> {
    match read {
        Err(error) if is_unreadable(&error) => {
            tracing::warn!(%error, "a record of a snapshot cannot be read");
            Ok(None)
        }
        read => read,
    }
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Newer)
}

fn taken(snapshot: &SnapshotName) -> Error {
    let (what, name) = ("snapshot", format!("`{snapshot}`"));
    Cause::AlreadyExists { what, name }.into()
}

fn not_found(snapshot: &SnapshotName) -> Error {
    let (what, name) = ("snapshot", format!("`{snapshot}`"));
    Cause::NotFound { what, name }.into()
}

fn unknown(problem: Error) -> Error {
    let problem = problem.to_string();
    Cause::OutcomeUnknown { problem }.into()
}
