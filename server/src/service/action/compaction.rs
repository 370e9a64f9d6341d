//! Joining segments: `compact`.

use std::sync::Arc;

use shoots_proto::action::{CompactRequest, CompactResult};

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Compacts a frame, or every frame of a bucket that needs it.
pub(super) async fn compact(
    shared: Arc<Shared>,
    request: CompactRequest,
) -> Result<CompactResult, Failure> {
    let CompactRequest {
        name,
        bucket,
        dry_run,
    } = request;
    shared.check_writable_unless(dry_run, "to compact")?;
    let mut frames = Vec::new();
    for frame in shared.frames_of(name, bucket).await? {
        frames.push(carry_through(async move { frame.compact(dry_run).await }).await?);
    }
    Ok(CompactResult { frames, dry_run })
}
