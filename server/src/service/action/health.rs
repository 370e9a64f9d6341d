//! How the store is doing: `verify`, `usage`.

use std::sync::Arc;

use shoots_proto::action::{UsageRequest, UsageResult, VerifyRequest, VerifyResult};

use crate::service::Shared;
use crate::status::Failure;

/// Checks stored objects against their hashes.
pub(super) async fn verify(
    shared: Arc<Shared>,
    request: VerifyRequest,
) -> Result<VerifyResult, Failure> {
    Ok(shared.store.whole("verify")?.verify(&request).await?)
}

/// Tells what buckets take up.
pub(super) async fn usage(
    shared: Arc<Shared>,
    request: UsageRequest,
) -> Result<UsageResult, Failure> {
    let bucket = (!request.all_buckets).then_some(request.bucket.as_ref());
    shared.store.usage(bucket).await
}
