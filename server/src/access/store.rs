//! The store as one caller may use it.
//!
//! Every way to a frame or a bucket is a method here that says what it needs, and is refused to whoever does not have
//! it before anything is looked up: so nobody learns from a refusal whether a name is taken. Listings leave out what
//! may not be read. A call has no other store.

use std::time::Duration;

use arrow_schema::SchemaRef;
use shoots_proto::action::{
    BucketDeleteMode, DropSnapshotResult, Retention, RetentionResult, SnapshotRequest,
    SnapshotResult, SnapshotsResult, UsageResult,
};
use shoots_proto::{BucketName, FrameId, FrameName, Note, SnapshotName};
use shoots_store::{Error, Frame, FrameWriter, LocalPeer, PutOptions, Snapshot, Store, nearest};
use tokio::time::timeout;
use tracing::warn;

use super::{Access, ReadableFrame, Right};
use crate::status::Failure;

/// How long an error may wait for the name that may be meant.
const SUGGESTING: Duration = Duration::from_millis(500);

/// A store, and what may be done with it.
#[derive(Debug, Clone)]
pub(crate) struct CallerStore {
    store: Store,
    /// The same, as one end of a transfer.
    peer: LocalPeer,
    access: Access,
}

impl CallerStore {
    /// The store for the server's own work, which no call is given.
    pub(crate) fn new(store: Store, location: impl Into<String>) -> Self {
        Self {
            peer: LocalPeer::new(&store, location),
            store,
            access: Access::everything(),
        }
    }

    /// The same store for somebody else.
    pub(crate) fn of(&self, access: Access) -> Self {
        Self {
            access,
            ..self.clone()
        }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn may_read(&self, bucket: Option<&BucketName>) -> bool {
        self.access.may(Right::Read, bucket)
    }

    /// A frame, to read it.
    pub(crate) fn read(&self, frame: &FrameId) -> Result<ReadableFrame, Failure> {
        self.access.require(Right::Read, frame.bucket.as_ref())?;
        Ok(ReadableFrame::new(self.store.frame(frame)))
    }

    /// A frame, to change it with this note, which says who does.
    pub(crate) fn write(&self, frame: &FrameId, note: Note) -> Result<Frame, Failure> {
        self.access.require(Right::Write, frame.bucket.as_ref())?;
        Ok(self.store.frame(frame).noted(self.access.sign(note)?))
    }

    /// A frame, to make another one of it with this note.
    pub(crate) fn copy(
        &self,
        frame: &FrameId,
        target: &FrameId,
        note: Note,
    ) -> Result<Frame, Failure> {
        self.access.require(Right::Read, frame.bucket.as_ref())?;
        self.may_write(target)?;
        Ok(self.store.frame(frame).noted(self.access.sign(note)?))
    }

    /// Refuses a frame that may not be changed.
    pub(crate) fn may_write(&self, frame: &FrameId) -> Result<(), Failure> {
        self.access.require(Right::Write, frame.bucket.as_ref())
    }

    /// Begins to write rows into a frame.
    pub(crate) async fn put(
        &self,
        frame: &FrameId,
        schema: SchemaRef,
        mut options: PutOptions,
    ) -> Result<FrameWriter, Failure> {
        self.access.require(Right::Write, frame.bucket.as_ref())?;
        options.note = self.access.sign(options.note)?;
        Ok(self.store.frame(frame).put(schema, options).await?)
    }

    /// The buckets that may be read, without the default bucket.
    pub(crate) async fn buckets(&self) -> Result<Vec<BucketName>, Failure> {
        let mut buckets = self.store.buckets().await?;
        buckets.retain(|bucket| self.may_read(Some(bucket)));
        Ok(buckets)
    }

    /// The same with the default bucket, which comes first.
    pub(crate) async fn all_buckets(&self) -> Result<Vec<Option<BucketName>>, Failure> {
        let named = self.buckets().await?.into_iter().map(Some);
        let default = self.may_read(None).then_some(None);
        Ok(default.into_iter().chain(named).collect())
    }

    pub(crate) async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool, Failure> {
        self.access.require(Right::Read, Some(bucket))?;
        Ok(self.store.bucket_exists(bucket).await?)
    }

    /// The frame whose name is nearest to one that is not there, as far as the caller may know it.
    pub(crate) async fn nearest_frame(&self, missing: &FrameId) -> Option<FrameName> {
        if !self.may_read(missing.bucket.as_ref()) {
            return None;
        }
        let nearest = timeout(SUGGESTING, self.store.nearest_frame(missing)).await;
        nearest.ok()?.ok()?
    }

    /// The bucket whose name is nearest to one that is not there, as far as the caller may know it.
    pub(crate) async fn nearest_bucket(&self, missing: &str) -> Option<BucketName> {
        let buckets = timeout(SUGGESTING, self.buckets()).await.ok()?.ok()?;
        let near = nearest(missing, buckets.iter().map(BucketName::as_str));
        BucketName::parse(near.first()?).ok()
    }

    /// The snapshot whose name is nearest to one that is not there, as far as the caller may know it.
    pub(crate) async fn nearest_snapshot(&self, missing: &str) -> Option<String> {
        let told = timeout(SUGGESTING, self.snapshots()).await.ok()?.ok()?;
        let names = told.snapshots.iter().map(|told| told.snapshot.as_str());
        Some((*nearest(missing, names).first()?).to_owned())
    }

    /// The newest states of the frames of a bucket.
    pub(crate) async fn frames(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<Vec<Snapshot>, Failure> {
        self.access.require(Right::Read, bucket)?;
        Ok(self.store.frames(bucket).await?)
    }

    /// The same of one of all buckets. There are none if it was deleted since these were listed, or cannot be listed: what
    /// is wrong with one should not keep the others from being found.
    pub(crate) async fn frames_of_each(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<Vec<Snapshot>, Failure> {
        match (self.frames(bucket).await, bucket) {
            (Err(failure), _) if failure.is_not_found() => Ok(Vec::new()),
            (Err(failure), Some(bucket)) if failure.is_of_storage() => {
                warn!(%bucket, %failure, "passed over, because it cannot be listed");
                Ok(Vec::new())
            }
            (frames, _) => frames,
        }
    }

    /// The newest states of the frames of a bucket, and the frames that cannot be read, with what is in the way.
    pub(crate) async fn frames_and_unreadable(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<(Vec<Snapshot>, Vec<(FrameName, Error)>), Failure> {
        self.access.require(Right::Read, bucket)?;
        Ok(self.store.frames_and_unreadable(bucket).await?)
    }

    /// All frames of a bucket that have left anything, deleted ones too, to look after them.
    pub(crate) async fn logged_frames(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<Vec<Frame>, Failure> {
        self.access.require(Right::Write, bucket)?;
        let note = self.access.sign(Note::default())?;
        let frames = self.store.logged_frames(bucket).await?;
        let frames = frames.into_iter().map(|frame| frame.noted(note.clone()));
        Ok(frames.collect())
    }

    pub(crate) async fn delete_bucket(
        &self,
        bucket: &BucketName,
        mode: BucketDeleteMode,
    ) -> Result<u64, Failure> {
        self.access.require(Right::Write, Some(bucket))?;
        let note = self.access.sign(Note::default())?;
        let deleted = self.store.delete_bucket_noted(bucket, mode, &note);
        Ok(deleted.await?)
    }

    pub(crate) async fn retention(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<RetentionResult, Failure> {
        self.access.require(Right::Read, bucket)?;
        Ok(self.store.retention(bucket).await?)
    }

    pub(crate) async fn set_retention(
        &self,
        bucket: Option<&BucketName>,
        rules: Option<Retention>,
    ) -> Result<RetentionResult, Failure> {
        self.access.require(Right::Write, bucket)?;
        Ok(self.store.set_retention(bucket, rules).await?)
    }

    /// What a bucket takes up, or each of those that may be read.
    pub(crate) async fn usage(
        &self,
        bucket: Option<Option<&BucketName>>,
    ) -> Result<UsageResult, Failure> {
        let Some(bucket) = bucket else {
            // What is wrong with others is not this caller's to know.
            let buckets = self.all_buckets().await?;
            return Ok(self.store.usage_of_each(buckets).await?);
        };
        self.access.require(Right::Read, bucket)?;
        Ok(self.store.usage(Some(bucket)).await?)
    }

    /// Takes a snapshot, which keeps versions of frames, so that it needs the right to write to all of their buckets.
    pub(crate) async fn take_snapshot(
        &self,
        request: SnapshotRequest,
    ) -> Result<SnapshotResult, Failure> {
        let SnapshotRequest {
            snapshot,
            frames,
            buckets,
            message,
        } = request;
        let frames: Vec<FrameId> = frames.iter().map(|frame| frame.frame()).collect();
        let of_frames = frames.iter().map(|frame| frame.bucket.as_ref());
        for bucket in of_frames.chain(buckets.iter().map(Option::as_ref)) {
            self.access.require(Right::Write, bucket)?;
        }
        let taken = self
            .store
            .take_snapshot(&snapshot, &frames, &buckets, message);
        Ok(taken.await?)
    }

    /// The snapshots, each with the frames that may be read, unless there are none of them.
    pub(crate) async fn snapshots(&self) -> Result<SnapshotsResult, Failure> {
        let mut all = self.store.snapshots().await?;
        all.snapshots.retain_mut(|snapshot| {
            let empty = snapshot.frames.is_empty();
            let frames = &mut snapshot.frames;
            frames.retain(|frame| self.may_read(frame.bucket.as_ref()));
            !frames.is_empty() || (empty && self.access.is_admin())
        });
        Ok(all)
    }

    /// Drops a snapshot, with the right to write to the buckets of all of its frames. One that nobody can see is an
    /// admin's to drop.
    pub(crate) async fn drop_snapshot(
        &self,
        snapshot: &SnapshotName,
    ) -> Result<DropSnapshotResult, Failure> {
        if !self.access.is_admin() {
            let all = self.store.snapshots().await?.snapshots;
            let record = all
                .iter()
                .find(|record| record.snapshot == snapshot.as_str());
            let frames = record.map(|record| record.frames.as_slice());
            let frames = frames.unwrap_or_default();
            if frames.is_empty() {
                self.access
                    .require_admin("drop a snapshot without frames")?;
            }
            for frame in frames {
                self.access.require(Right::Write, frame.bucket.as_ref())?;
            }
        }
        Ok(self.store.drop_snapshot(snapshot).await?)
    }

    /// One end of a transfer, to read a frame.
    pub(crate) fn peer_to_read(&self, frame: &FrameId) -> Result<&LocalPeer, Failure> {
        self.peer_to_list(frame.bucket.as_ref())
    }

    /// One end of a transfer, to list the frames of a bucket.
    pub(crate) fn peer_to_list(&self, bucket: Option<&BucketName>) -> Result<&LocalPeer, Failure> {
        self.access.require(Right::Read, bucket)?;
        Ok(&self.peer)
    }

    /// One end of a transfer, to bring something to a frame.
    pub(crate) fn peer_to_write(&self, frame: &FrameId) -> Result<&LocalPeer, Failure> {
        self.access.require(Right::Write, frame.bucket.as_ref())?;
        Ok(&self.peer)
    }

    /// One end of a transfer between this store and another, for an admin.
    pub(crate) fn peer(&self, what: &str) -> Result<&LocalPeer, Failure> {
        self.access.require_admin(what)?;
        Ok(&self.peer)
    }

    /// The whole store, for an admin.
    pub(crate) fn whole(&self, what: &str) -> Result<&Store, Failure> {
        self.access.require_admin(what)?;
        Ok(&self.store)
    }

    /// A frame for the server's own work, whoever asks for what it is done for: nothing of the frame may get to them.
    pub(crate) fn unasked(&self, frame: &FrameId) -> ReadableFrame {
        ReadableFrame::new(self.store.frame(frame))
    }
}

/// A store of which everything may be asked.
#[cfg(test)]
impl From<&Store> for CallerStore {
    fn from(store: &Store) -> Self {
        Self::new(store.clone(), "memory://")
    }
}
