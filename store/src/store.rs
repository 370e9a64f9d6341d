//! A store: its buckets, and which frames are in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use shoots_proto::Note;
use shoots_proto::action::BucketDeleteMode;
use shoots_proto::name::{BucketName, FrameId, FrameName};

use crate::activity::{Activity, PutMemory};
use crate::builder::StoreBuilder;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::Freshness;
use crate::lanes::in_lanes;
use crate::layout;
use crate::nearest::nearest;
use crate::objects::{Created, Requests};
use crate::segment::RowCache;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::upkeep::retention;

/// Temporary files that are older belong to no put that is still under way.
const TEMPORARY_SECONDS: u64 = 24 * 3600;
/// How many names that are near to a missing one are looked at.
const NEAREST: usize = 3;

/// What a look into a bucket finds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) live: Vec<Snapshot>,
    /// Frames with a log that cannot be read, and why: nobody knows whether they are deleted.
    pub(crate) unreadable: Vec<(FrameName, Error)>,
    /// Plain files that cannot be read: no frames to whoever lists them, and nothing that a copy of all leaves out
    /// without a word.
    pub(crate) spoilt: Vec<FrameName>,
}

impl Found {
    /// Whether nothing lives there, as far as anybody can tell.
    fn is_empty(&self) -> bool {
        self.live.is_empty() && self.unreadable.is_empty()
    }
}

/// Buckets of versioned frames under one root. Cheap to clone; clones share caches and queues.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    pub(crate) fn new(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// Whether this process has nothing more to write or remove: a change is acknowledged a moment before the hint is
    /// written where its log ends, and what an abandoned put has written is removed a moment after. Nothing is lost
    /// otherwise, but the next one to open the frame looks longer, and what is left takes room until it is swept.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.publisher.is_idle() && Arc::strong_count(&self.shared.removals) == 1
    }

    /// The store that frames share this with.
    pub(crate) fn sharing(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens the store at a path, a `file://` URL, `memory://` (a fresh store that ends with the process), or in a
    /// bucket: `s3://bucket/folder`, `gs://bucket/folder`, `az://container/folder`. Endpoints, regions and
    /// credentials of buckets come from the environment, as the providers' own tools read them.
    /// A folder on disk that does not exist is made, unless the store is opened for reading only.
    ///
    /// # Errors
    /// If the location means nothing, or the folder or bucket cannot be used.
    pub async fn open(location: &str) -> Result<Self> {
        Self::builder(location).open().await
    }

    /// Opens a store with other settings than the defaults.
    #[must_use]
    pub fn builder(location: &str) -> StoreBuilder {
        StoreBuilder::new(location)
    }

    /// The frame of this name, whether it exists or not.
    #[must_use]
    pub fn frame(&self, id: &FrameId) -> Frame {
        Frame::new(Arc::clone(&self.shared), id)
    }

    /// The buckets that exist, by name. The bucket without a name is not among them. One that the system does not let this
    /// program look into is: it must not hide the others, and whoever uses it is told.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn buckets(&self) -> Result<Vec<BucketName>> {
        let names = self.bucket_folders().await?;
        let existing = stream::iter(names)
            .map(|name| async move {
                let exists = match self.bucket_exists(&name).await {
                    Err(error) if error.is_of_one_frame() => {
                        tracing::warn!(bucket = %name, %error, "a bucket cannot be looked at");
                        true
                    }
                    exists => exists?,
                };
                Ok::<_, Error>(exists.then_some(name))
            })
            .buffered(self.shared.parallel_frames())
            .try_filter_map(|name| std::future::ready(Ok(name)));
        existing.try_collect().await
    }

    /// Makes an empty bucket; that it exists already is success.
    ///
    /// # Errors
    /// If the storage cannot be written.
    pub async fn create_bucket(&self, bucket: &BucketName) -> Result<()> {
        self.shared.check_writable()?;
        let marker = layout::bucket_marker(bucket);
        match self
            .shared
            .objects
            .create(&marker, Bytes::from_static(b"{}\n"))
            .await?
        {
            Created::Yes | Created::Exists => Ok(()),
        }
    }

    /// Whether a bucket was made or holds a frame.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn bucket_exists(&self, bucket: &BucketName) -> Result<bool> {
        if self.is_marked(bucket).await? {
            return Ok(true);
        }
        let found = self.look(Some(bucket), Freshness::Tolerant).await?;
        Ok(!found.is_empty())
    }

    /// Deletes a bucket with its rule of retention, and says how many frames were deleted with it. Those can be undeleted,
    /// for as long as their own rules or the store's keep what was there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such bucket, [`ErrorKind::BucketNotEmpty`] if it holds frames and the
    /// mode is `error`, [`ErrorKind::Damaged`] or [`ErrorKind::Io`] if the log of one of them cannot be read.
    pub async fn delete_bucket(&self, bucket: &BucketName, mode: BucketDeleteMode) -> Result<u64> {
        self.delete_bucket_noted(bucket, mode, &Note::default())
            .await
    }

    /// The same, with something to be noted with the deletion of each frame.
    ///
    /// # Errors
    /// As [`delete_bucket`](Self::delete_bucket).
    pub async fn delete_bucket_noted(
        &self,
        bucket: &BucketName,
        mode: BucketDeleteMode,
        note: &Note,
    ) -> Result<u64> {
        self.shared.check_writable()?;
        let found = self.look(Some(bucket), Freshness::AsOfNow).await?;
        if let Some((_, error)) = found.unreadable.into_iter().next() {
            return Err(error);
        }
        let frames = found.live;
        self.expect_bucket(bucket, &frames).await?;
        if let (BucketDeleteMode::Error, [first, ..]) = (mode, frames.as_slice()) {
            let cause = Cause::BucketNotEmpty {
                bucket: bucket.to_string(),
                frames: frames.len(),
                example: first.frame().name.to_string(),
            };
            return Err(cause.into());
        }
        let ruled = retention::is_ruled(&self.shared, bucket).await?;
        if ruled {
            // Until its rule is gone, too, it exists and can be deleted once more.
            self.create_bucket(bucket).await?;
        }
        let deleted = stream::iter(frames)
            .map(|snapshot| async move {
                match self
                    .frame(snapshot.frame())
                    .noted(note.clone())
                    .delete()
                    .await
                {
                    Ok(_) => Ok(1),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(self.shared.parallel_frames());
        let deleted = deleted
            .try_fold(0, |sum, one| std::future::ready(Ok(sum + one)))
            .await?;
        if ruled
            && self
                .look(Some(bucket), Freshness::AsOfNow)
                .await?
                .is_empty()
        {
            // Not before: what still lives must not expire by another rule.
            retention::take_back(&self.shared, bucket).await?;
        }
        let marker = layout::bucket_marker(bucket);
        self.shared.objects.remove(&marker).await?;
        let left = self.look(Some(bucket), Freshness::AsOfNow).await?;
        if !left.live.is_empty() {
            // A frame was put meanwhile, and its bucket must outlive it.
            self.create_bucket(bucket).await?;
        }
        Ok(deleted)
    }

    /// The newest states of the frames in a bucket (none: the one without a name), by name.
    ///
    /// What cannot be read, a plain file that is not Parquet or a log that is damaged or that the system does not let
    /// this program read, is left out with a warning in the program's log: it must not hide the others.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such bucket.
    pub async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<Snapshot>> {
        let (frames, _) = self.frames_and_unreadable(bucket).await?;
        Ok(frames)
    }

    /// The same, and the frames whose log cannot be read, with what is in the way.
    ///
    /// # Errors
    /// As [`frames`](Self::frames).
    pub async fn frames_and_unreadable(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<(Vec<Snapshot>, Vec<(FrameName, Error)>)> {
        let found = self.look(bucket, Freshness::Tolerant).await?;
        for (frame, error) in &found.unreadable {
            tracing::warn!(%frame, %error, "a frame is left out of the listing");
        }
        if let Some(bucket) = bucket.filter(|_| found.unreadable.is_empty()) {
            self.expect_bucket(bucket, &found.live).await?;
        }
        Ok((found.live, found.unreadable))
    }

    /// Whether a bucket was made. What lies in the place of its marker says so, too: without it there was nothing to take
    /// the place of.
    async fn is_marked(&self, bucket: &BucketName) -> Result<bool> {
        let marker = layout::bucket_marker(bucket);
        match self.shared.objects.size(&marker).await {
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tracing::warn!(%bucket, %error, "a bucket has no marker to be read");
                Ok(true)
            }
            size => Ok(size?.is_some()),
        }
    }

    /// An error if a bucket has neither frames nor a marker.
    pub(crate) async fn expect_bucket<F>(&self, bucket: &BucketName, frames: &[F]) -> Result<()> {
        if frames.is_empty() && !self.is_marked(bucket).await? {
            let (what, name) = ("bucket", bucket.to_string());
            return Err(Cause::NotFound { what, name }.into());
        }
        Ok(())
    }

    pub(crate) async fn look(
        &self,
        bucket: Option<&BucketName>,
        freshness: Freshness,
    ) -> Result<Found> {
        let candidates = self.candidates(bucket).await?;
        let (store, of) = (self.clone(), bucket.cloned());
        let look = move |(name, plain)| {
            let bucket = of.clone();
            let frame = store.frame(&FrameId { bucket, name });
            async move {
                let snapshot = frame.live_snapshot(freshness).await;
                (frame.id().name.clone(), snapshot, plain)
            }
        };
        let candidates = candidates.into_iter().collect();
        let looks = in_lanes(candidates, self.shared.parallel_frames(), look).await?;
        let mut found = Found::default();
        for (name, snapshot, plain) in looks {
            match snapshot {
                Ok(snapshot) => found.live.extend(snapshot),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if plain => {
                    tracing::warn!(%error, "a plain file is left out of the listing");
                    found.spoilt.push(name);
                }
                Err(error) if error.is_of_one_frame() => found.unreadable.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The frames of a bucket that are more than a plain file: those that have a log, deleted ones too, and those that
    /// a writer has begun and not finished. By name. What expires and what the sweep removes is theirs.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such bucket and none of its frames has left anything.
    pub async fn logged_frames(&self, bucket: Option<&BucketName>) -> Result<Vec<Frame>> {
        let candidates = self.candidates(bucket).await?;
        let names: Vec<_> = candidates.keys().collect();
        if let Some(bucket) = bucket {
            self.expect_bucket(bucket, &names).await?;
        }
        let logged = candidates.into_iter().filter(|(_, plain)| !plain);
        let frame = |name| {
            let bucket = bucket.cloned();
            self.frame(&FrameId { bucket, name })
        };
        Ok(logged.map(|(name, _)| frame(name)).collect())
    }

    /// Whatever may be a bucket, those that were deleted and have left frames too.
    pub(crate) async fn bucket_folders(&self) -> Result<BTreeSet<BucketName>> {
        let listed = self.shared.objects.list_folder(&Path::ROOT).await?;
        let names = listed.common_prefixes.iter();
        let names = names.filter_map(layout::folder_name);
        Ok(names
            .filter_map(|name| BucketName::parse(&name).ok())
            .collect())
    }

    /// Names that may be frames of a bucket, and whether a plain file is all that stands for them.
    pub(crate) async fn candidates(
        &self,
        bucket: Option<&BucketName>,
    ) -> Result<BTreeMap<FrameName, bool>> {
        let own = layout::bucket_folder(bucket);
        let mut elsewhere = layout::plain_folders(bucket);
        elsewhere.retain(|folder| *folder != own);
        let objects = &self.shared.objects;
        let elsewhere = elsewhere.iter().map(|folder| objects.list_folder(folder));
        let (listed, elsewhere) =
            tokio::try_join!(objects.list_folder(&own), try_join_all(elsewhere))?;
        let files = elsewhere.iter().chain([&listed]);
        let files = files.flat_map(|listed| &listed.objects);
        let plain = files.filter_map(|object| layout::plain_name(&object.location));
        let mut candidates: BTreeMap<_, _> = frame_names(plain).map(|name| (name, true)).collect();
        let folders: Vec<String> = listed
            .common_prefixes
            .iter()
            .filter_map(layout::folder_name)
            .collect();
        let folders = frame_names(folders.iter().map(String::as_str));
        // Where there is a log, a plain file is of no account.
        candidates.extend(folders.map(|name| (name, false)));
        Ok(candidates)
    }

    /// The frame of the bucket whose name is nearest to one that is not there, if one is near.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn nearest_frame(&self, missing: &FrameId) -> Result<Option<FrameName>> {
        let candidates = self.candidates(missing.bucket.as_ref()).await?;
        let names = candidates.keys().map(FrameName::as_str);
        for name in nearest(missing.name.as_str(), names)
            .into_iter()
            .take(NEAREST)
        {
            let Ok(name) = FrameName::parse(name) else {
                continue;
            };
            let frame = self.frame(&FrameId::new(missing.bucket.clone(), name.clone()));
            // Names of deleted frames are among them.
            if frame.live_snapshot(Freshness::Tolerant).await?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// What this store has asked of the place it lives in since it was opened.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.objects.requests()
    }

    /// What this store has done since it was opened, and what it holds at the moment. Cheap enough to be asked for often.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = shoots_store::Store::open("memory://").await?;
    /// store.buckets().await?;
    /// let lists = store.activity().operations.iter().find(|one| one.name == "list").map(|one| one.count);
    /// assert_eq!(lists, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn activity(&self) -> Activity {
        let objects = &self.shared.objects;
        let (operations, blocks) = (objects.operations(), objects.blocks());
        let segments = objects.segment_traffic();
        let memory = &self.shared.put_memory;
        Activity {
            operations: operations.told(),
            read_bytes: operations.read_bytes(),
            written_bytes: operations.written_bytes(),
            segment_reads: segments.reads(),
            segment_bytes: segments.bytes(),
            caches: [
                blocks.memory.told("memory"),
                blocks.disk.told("disk"),
                segments.footers.told("footers"),
                segments.rows.told("rows"),
            ],
            put_memory: PutMemory {
                bytes: memory.bytes(),
                used_bytes: memory.used_bytes(),
                waiting: memory.waiting(),
            },
            row_cache: self
                .shared
                .rows
                .as_ref()
                .map(RowCache::memory)
                .unwrap_or_default(),
        }
    }

    /// How often files and folders were synced to disk since the store was opened; 0 in memory.
    #[must_use]
    pub fn fsyncs(&self) -> u64 {
        self.shared.disk.as_ref().map_or(0, |disk| disk.fsyncs())
    }

    /// Looks whether the folder that this store lives in is there, and the one that it began with: one question to the
    /// file system, which waits for as long as that takes. What is not in a local folder is not looked at.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] with what is in the way.
    pub async fn check_place(&self) -> Result<()> {
        let Some(disk) = &self.shared.disk else {
            return Ok(());
        };
        let checked = disk.check_place().await;
        checked.map_err(|error| Error::io("looking for the folder of the store", error))
    }

    /// Removes files that writers left unfinished more than a day ago, and says how many. A process that is still
    /// writing is never disturbed.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub async fn sweep_temporaries(&self) -> Result<u64> {
        self.shared.check_writable()?;
        let Some(disk) = &self.shared.disk else {
            return Ok(0);
        };
        let now = self.shared.environment.cautious_now().nanoseconds();
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(now).unwrap_or(0));
        let cutoff = now.checked_sub(Duration::from_secs(TEMPORARY_SECONDS));
        let swept = disk
            .sweep_temporaries(cutoff.unwrap_or(SystemTime::UNIX_EPOCH))
            .await;
        swept.map_err(|error| Error::io("sweeping temporary files", error))
    }
}

fn frame_names<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = FrameName> {
    names.filter_map(|name| FrameName::parse(name).ok())
}
