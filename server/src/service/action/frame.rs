//! What is done to a frame as a whole: `delete`, `undelete`.

use std::sync::Arc;

use shoots_proto::action::{CommitResult, DeleteRequest, DeleteResult, UndeleteRequest};
use tracing::info;

use crate::service::Shared;
use crate::status::Failure;

/// Deletes a frame. Its history stays.
pub(super) async fn delete(
    shared: Arc<Shared>,
    request: DeleteRequest,
) -> Result<DeleteResult, Failure> {
    shared.check_writable("to delete a frame")?;
    let id = request.frame();
    shared
        .store
        .frame(&id)
        .noted(request.note())
        .delete()
        .await?;
    info!(frame = %id, "deleted");
    Ok(DeleteResult {
        success: true,
        message: format!("frame {id} is deleted"),
    })
}

/// Brings a deleted frame back.
pub(super) async fn undelete(
    shared: Arc<Shared>,
    request: UndeleteRequest,
) -> Result<CommitResult, Failure> {
    shared.check_writable("to undelete a frame")?;
    let id = request.frame();
    let frame = shared.store.frame(&id).noted(request.note());
    let published = frame.undelete().await?;
    info!(frame = %id, version = published.version, "undeleted");
    Ok(CommitResult {
        version: published.version,
        commit: published.commit,
        rows: published.frame_rows,
    })
}
