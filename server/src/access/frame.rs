//! A frame for whoever may read it: nothing that changes it can be asked of this.

use shoots_proto::action::{
    FilesResult, FrameDescription, FrameDiff, LogResult, RetentionResult, TagRecord,
};
use shoots_proto::{AsOf, FrameId};
use shoots_store::{Frame, Result, Rows, Snapshot};

/// A frame that may be read.
#[derive(Debug, Clone)]
pub(crate) struct ReadableFrame(Frame);

impl ReadableFrame {
    pub(super) fn new(frame: Frame) -> Self {
        Self(frame)
    }

    pub(crate) fn id(&self) -> &FrameId {
        self.0.id()
    }

    pub(crate) async fn snapshot(&self, as_of: Option<&AsOf>) -> Result<Snapshot> {
        self.0.snapshot(as_of).await
    }

    pub(crate) async fn newest(&self) -> Result<Snapshot> {
        self.0.newest().await
    }

    pub(crate) async fn cached_snapshot(&self) -> Result<Option<Snapshot>> {
        self.0.cached_snapshot().await
    }

    pub(crate) async fn exists(&self) -> Result<bool> {
        self.0.exists().await
    }

    pub(crate) async fn history(&self, limit: usize, since: Option<&AsOf>) -> Result<LogResult> {
        self.0.history(limit, since).await
    }

    pub(crate) async fn describe(&self, as_of: Option<&AsOf>) -> Result<FrameDescription> {
        self.0.describe(as_of).await
    }

    pub(crate) async fn files(&self, as_of: Option<&AsOf>) -> Result<FilesResult> {
        self.0.files(as_of).await
    }

    pub(crate) async fn tags(&self) -> Result<Vec<TagRecord>> {
        self.0.tags().await
    }

    pub(crate) async fn diff(&self, from: &AsOf, to: Option<&AsOf>) -> Result<FrameDiff> {
        self.0.diff(from, to).await
    }

    pub(crate) async fn diff_rows(&self, from: &AsOf, to: Option<&AsOf>) -> Result<Rows> {
        self.0.diff_rows(from, to).await
    }

    pub(crate) async fn retention(&self) -> Result<RetentionResult> {
        self.0.retention().await
    }
}
