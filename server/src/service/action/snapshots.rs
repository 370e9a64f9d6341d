//! What is done with the named states of many frames: `snapshot`, `snapshots`, `drop_snapshot`.

use std::sync::Arc;

use shoots_proto::action::{
    DropSnapshotRequest, DropSnapshotResult, SnapshotRequest, SnapshotResult, SnapshotsRequest,
    SnapshotsResult,
};
use tracing::info;

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Names the newest state of many frames.
pub(super) async fn take(
    shared: Arc<Shared>,
    request: SnapshotRequest,
) -> Result<SnapshotResult, Failure> {
    shared.check_writable("to take a snapshot")?;
    let store = shared.store.clone();
    let result = carry_through(async move { store.take_snapshot(request).await }).await?;
    info!(
        snapshot = result.snapshot,
        frames = result.frames.len(),
        "taken"
    );
    Ok(result)
}

/// Lists the snapshots.
pub(super) async fn list(
    shared: Arc<Shared>,
    SnapshotsRequest {}: SnapshotsRequest,
) -> Result<SnapshotsResult, Failure> {
    shared.store.snapshots().await
}

/// Lets go of the states that a snapshot keeps.
pub(super) async fn drop(
    shared: Arc<Shared>,
    request: DropSnapshotRequest,
) -> Result<DropSnapshotResult, Failure> {
    shared.check_writable("to drop a snapshot")?;
    let store = shared.store.clone();
    carry_through(async move { store.drop_snapshot(&request.snapshot).await }).await
}
