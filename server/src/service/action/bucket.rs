//! What is done to buckets: `buckets`, `delete_bucket`.

use std::sync::Arc;

use shoots_proto::BucketDeleteMode;
use shoots_proto::action::{
    BucketsRequest, BucketsResult, DeleteBucketRequest, DeleteBucketResult,
};
use tracing::info;

use crate::service::Shared;
use crate::status::Failure;

/// The names of the buckets.
pub(super) async fn list(
    shared: Arc<Shared>,
    BucketsRequest {}: BucketsRequest,
) -> Result<BucketsResult, Failure> {
    shared.store.buckets().await
}

/// Deletes a bucket, with its frames if the mode says so.
pub(super) async fn delete(
    shared: Arc<Shared>,
    request: DeleteBucketRequest,
) -> Result<DeleteBucketResult, Failure> {
    shared.check_writable("to delete a bucket")?;
    let DeleteBucketRequest { name, mode } = request;
    let frames = shared.store.delete_bucket(&name, mode).await?;
    shared.drop_files_in(&name).await;
    info!(bucket = %name, frames, "deleted");
    let message = match mode {
        BucketDeleteMode::Error => format!("bucket {name} is deleted"),
        BucketDeleteMode::Delete => format!("bucket {name} is deleted, with {frames} frame(s)"),
    };
    Ok(DeleteBucketResult { message })
}
