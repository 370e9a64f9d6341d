//! What is done to a frame as a whole: `delete`, `undelete`, `rename`, `copy`, `describe`, `files`.

use std::sync::Arc;

use shoots_proto::action::{
    CommitResult, CopyRequest, DeleteRequest, DeleteResult, DescribeRequest, FilesRequest,
    FilesResult, FrameDescription, NewFrame, RenameRequest, UndeleteRequest,
};
use tracing::info;

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Deletes a frame. Its history stays.
pub(super) async fn delete(
    shared: Arc<Shared>,
    request: DeleteRequest,
) -> Result<DeleteResult, Failure> {
    shared.check_writable("to delete a frame")?;
    let id = request.frame();
    shared.store.write(&id, request.note())?.delete().await?;
    shared.drop_files_of(&id).await;
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
    let frame = shared.store.write(&id, request.note())?;
    let published = frame.undelete().await?;
    info!(frame = %id, version = published.version, "undeleted");
    Ok(CommitResult {
        version: published.version,
        commit: published.commit,
        rows: published.frame_rows,
    })
}

/// Gives a frame another name.
pub(super) async fn rename(
    shared: Arc<Shared>,
    request: RenameRequest,
) -> Result<NewFrame, Failure> {
    shared.check_writable("to rename a frame")?;
    let (id, target) = (request.frame(), request.target());
    let frame = shared.store.write(&id, request.note())?;
    shared.store.may_write(&target)?;
    info!(frame = %id, %target, "renaming");
    carry_through(async move {
        let renamed = frame.rename_to(&target).await;
        shared.drop_files_of(&id).await;
        renamed
    })
    .await
}

/// Makes a frame of a state of another.
pub(super) async fn copy(shared: Arc<Shared>, request: CopyRequest) -> Result<NewFrame, Failure> {
    shared.check_writable("to copy a frame")?;
    let (id, target) = (request.frame(), request.target());
    let frame = shared.store.copy(&id, &target, request.note())?;
    info!(frame = %id, %target, "copying");
    carry_through(async move { frame.copy_to(&target, request.as_of.as_ref()).await }).await
}

/// Says what there is to say about a state of a frame.
pub(super) async fn describe(
    shared: Arc<Shared>,
    request: DescribeRequest,
) -> Result<FrameDescription, Failure> {
    let frame = shared.store.read(&request.frame())?;
    Ok(frame.describe(request.as_of.as_ref()).await?)
}

/// Lists the segments of a state of a frame.
pub(super) async fn files(
    shared: Arc<Shared>,
    request: FilesRequest,
) -> Result<FilesResult, Failure> {
    let frame = shared.store.read(&request.frame())?;
    Ok(frame.files(request.as_of.as_ref()).await?)
}
