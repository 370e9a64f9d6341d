//! What a store takes up: rows and bytes of its buckets, and the room that is left.

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::{BucketUsage, UsageResult};
use shoots_proto::name::BucketName;

use crate::error::Result;
use crate::frame_log::Freshness;
use crate::layout;
use crate::store::Store;

/// Buckets that are looked at at the same time.
const PARALLEL_BUCKETS: usize = 4;

impl Store {
    /// What a bucket takes up (`Some(None)`: the one without a name), or each of them (`None`).
    ///
    /// The rows are those of the newest states; the stored bytes are all there are, older versions' and those that wait
    /// for the sweep too. It looks at every frame and lists every object. Of all buckets, one that the system does not let
    /// this program look into is left out with a warning in the program's log, as are the objects of such folders.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such bucket.
    pub async fn usage(&self, bucket: Option<Option<&BucketName>>) -> Result<UsageResult> {
        match bucket {
            Some(bucket) => {
                let used = self.bucket_usage(bucket.cloned()).await?;
                self.told(vec![used]).await
            }
            None => {
                let named = self.buckets().await?.into_iter().map(Some);
                self.usage_of_each(std::iter::once(None).chain(named).collect())
                    .await
            }
        }
    }

    /// The same of some of all buckets; `None` is the one without a name.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn usage_of_each(&self, buckets: Vec<Option<BucketName>>) -> Result<UsageResult> {
        let used = stream::iter(buckets)
            .map(|bucket| async move {
                match self.bucket_usage(bucket).await {
                    Err(error) if error.is_of_one_frame() => {
                        tracing::warn!(%error, "a bucket is left out of what is used");
                        Ok(None)
                    }
                    used => used.map(Some),
                }
            })
            .buffered(PARALLEL_BUCKETS)
            .try_filter_map(|used| std::future::ready(Ok(used)));
        self.told(used.try_collect().await?).await
    }

    /// What buckets take up, beside the room that is left.
    async fn told(&self, buckets: Vec<BucketUsage>) -> Result<UsageResult> {
        let space = self.shared().space.as_ref();
        let free_bytes = match space {
            Some(space) => space.free().await?,
            None => None,
        };
        Ok(UsageResult {
            buckets,
            free_bytes,
            low_space_bytes: space.and_then(|space| space.low()),
        })
    }

    async fn bucket_usage(&self, bucket: Option<BucketName>) -> Result<BucketUsage> {
        let found = self.look(bucket.as_ref(), Freshness::Tolerant).await?;
        let frames = found.live.len() + found.unreadable.len();
        if let Some(bucket) = bucket.as_ref().filter(|_| found.unreadable.is_empty()) {
            self.expect_bucket(bucket, &found.live).await?;
        }
        let (objects, stored_bytes) = self.stored(bucket.as_ref()).await?;
        Ok(BucketUsage {
            bucket,
            frames: frames as u64,
            rows: found.live.iter().map(|frame| frame.rows()).sum(),
            live_bytes: found.live.iter().map(|frame| frame.bytes()).sum(),
            stored_bytes,
            objects,
        })
    }

    /// How many objects are stored for a bucket, and how many bytes they have.
    async fn stored(&self, bucket: Option<&BucketName>) -> Result<(u64, u64)> {
        let objects = &self.shared().objects;
        let own = layout::bucket_folder(bucket);
        let (mut count, mut bytes) = objects.measure(&own).await?;
        let mut elsewhere = layout::plain_folders(bucket);
        elsewhere.retain(|folder| *folder != own);
        for folder in elsewhere {
            let listed = objects.list_folder(&folder).await?.objects;
            let plain = listed.iter();
            for file in plain.filter(|file| layout::plain_name(&file.location).is_some()) {
                count += 1;
                bytes += file.size;
            }
        }
        Ok((count, bytes))
    }
}
