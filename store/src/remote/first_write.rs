//! A bucket that is probed when something is first written to it, not when it is opened.
//!
//! A push opens the place that it goes to for writing, and finds out only then whether there is anything to be brought.
//! Where there is nothing, nothing is written: not even the object of the probe.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as ObjectError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as ObjectResult,
};
use tokio::sync::OnceCell;

use super::probe;
use crate::error::{Error, Result};

/// A bucket of which it is found out once, before the first write, whether it can hold a store.
#[derive(Debug)]
pub(crate) struct ProbedLater {
    bucket: Arc<dyn ObjectStore>,
    url: String,
    /// Names the object of the probe.
    unique: String,
    found: OnceCell<Result<()>>,
}

impl ProbedLater {
    pub(crate) fn new(bucket: Arc<dyn ObjectStore>, url: &str, unique: String) -> Self {
        Self {
            bucket,
            url: url.to_owned(),
            unique,
            found: OnceCell::new(),
        }
    }

    async fn expect_writable(&self) -> ObjectResult<()> {
        let probe = || probe::writable(&self.bucket, &self.url, &self.unique);
        let found = self.found.get_or_init(probe).await.clone();
        found.map_err(|error| ObjectError::Generic {
            store: "bucket",
            source: Box::new(error),
        })
    }
}

/// What the probe has said, if that is why a write failed.
pub(crate) fn refusal<'a>(failed: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    match failed.downcast_ref()? {
        ObjectError::Generic { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

impl fmt::Display for ProbedLater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bucket.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for ProbedLater {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> ObjectResult<PutResult> {
        self.expect_writable().await?;
        self.bucket.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> ObjectResult<Box<dyn MultipartUpload>> {
        self.expect_writable().await?;
        self.bucket.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> ObjectResult<GetResult> {
        self.bucket.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> ObjectResult<Vec<Bytes>> {
        self.bucket.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, ObjectResult<Path>>,
    ) -> BoxStream<'static, ObjectResult<Path>> {
        self.bucket.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
        self.bucket.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> ObjectResult<ListResult> {
        self.bucket.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> ObjectResult<()> {
        self.expect_writable().await?;
        self.bucket.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use shoots_proto::action::SyncOutcome;
    use shoots_proto::name::{FrameId, FrameName};
    use shoots_proto::put::PutMode::Append;

    use super::super::probe::tests::Careless;
    use super::*;
    use crate::activity::{Counted, Operations};
    use crate::{
        ErrorKind, LocalPeer, ProgressSink, PutOptions as RowOptions, RemoteEnd, Store, Travellers,
    };

    /// A store in a bucket that was opened for a push, and what the bucket was asked for.
    async fn opened(bucket: Arc<dyn ObjectStore>) -> (Store, Arc<Operations>) {
        let operations = Arc::new(Operations::default());
        let counted = Counted::before(bucket, &operations);
        let bucket = ProbedLater::new(counted, "s3://b", "1".to_owned());
        let store = Store::builder("s3://b").object_store(Arc::new(bucket));
        (store.open().await.unwrap(), operations)
    }

    fn writes(operations: &Operations) -> u64 {
        let told = operations.told().into_iter();
        let writing = told.filter(|told| ["put", "delete", "copy"].contains(&told.name));
        writing.map(|told| told.count).sum()
    }

    async fn push(from: &Store, to: &Store, frame: &FrameId) -> Result<SyncOutcome> {
        let peer = LocalPeer::new(to, "s3://b");
        let remote = RemoteEnd {
            name: "backup",
            peer: &peer,
        };
        let frames = Travellers::one(frame);
        let mut pushed = from.push(remote, &frames, &ProgressSink::default()).await?;
        Ok(pushed.remove(0).result?.outcome)
    }

    async fn with_rows(frame: &FrameId) -> Store {
        let store = Store::open("memory://").await.unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let rows = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let options = RowOptions::mode(Append);
        let mut put = store
            .frame(frame)
            .put(rows.schema(), options)
            .await
            .unwrap();
        put.write(rows).await.unwrap();
        put.commit().await.unwrap();
        store
    }

    fn frame() -> FrameId {
        FrameId::new(None, FrameName::parse("f").unwrap())
    }

    #[tokio::test]
    async fn a_push_that_has_nothing_to_send_writes_nothing() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let here = with_rows(&frame()).await;
        let (there, operations) = opened(Arc::clone(&bucket)).await;
        assert_eq!(writes(&operations), 0);
        assert_eq!(
            push(&here, &there, &frame()).await.unwrap(),
            SyncOutcome::Created
        );
        // Among others the probe's object, which was created, was to be created again, and was removed.
        assert!(writes(&operations) > 3);
        assert!(bucket.head(&Path::from("_probe-1")).await.is_err());
        let (there, operations) = opened(bucket).await;
        assert_eq!(
            push(&here, &there, &frame()).await.unwrap(),
            SyncOutcome::Unchanged
        );
        assert_eq!(writes(&operations), 0);
    }

    #[tokio::test]
    async fn a_place_that_cannot_hold_a_store_is_refused_at_the_first_write_in_the_words_of_the_probe()
     {
        let here = with_rows(&frame()).await;
        let (there, operations) = opened(Arc::new(Careless::default())).await;
        for _ in 0..2 {
            let refused = push(&here, &there, &frame()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{refused}");
            assert!(
                refused.to_string().contains("s3://b cannot hold a store"),
                "{refused}"
            );
        }
        // It was asked once.
        assert_eq!(writes(&operations), 3);
    }
}
