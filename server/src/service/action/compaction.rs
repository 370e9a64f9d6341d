//! Joining segments: `compact`.

use std::sync::Arc;

use shoots_proto::action::{CompactRequest, CompactResult};

use super::carry_through;
use super::retention::passed_over;
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
    let whole_bucket = name.is_none();
    let mut frames = Vec::new();
    for frame in shared.frames_to_compact(name, bucket).await? {
        let id = frame.id().clone();
        let compact = async move { Ok::<_, Failure>(frame.compact(dry_run).await) };
        let compacted = carry_through(compact).await?;
        frames.extend(passed_over(&id, whole_bucket, compacted)?);
    }
    Ok(CompactResult { frames, dry_run })
}
