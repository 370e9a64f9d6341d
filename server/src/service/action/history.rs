//! What is asked of a frame's history and done with it: `log`, `diff`, `restore`.

use std::sync::Arc;

use shoots_proto::action::{
    CommitResult, DiffRequest, FrameDiff, LogRequest, LogResult, RestoreRequest,
};
use tracing::info;

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Tells the history of a frame.
pub(super) async fn log(shared: Arc<Shared>, request: LogRequest) -> Result<LogResult, Failure> {
    let frame = shared.store.frame(&request.frame());
    let limit = usize::try_from(request.limit()).unwrap_or(usize::MAX);
    let since = request.since.as_ref();
    Ok(match request.all {
        true => frame.whole_history(limit, since).await?,
        false => frame.history(limit, since).await?,
    })
}

/// Compares two states of a frame.
pub(super) async fn diff(shared: Arc<Shared>, request: DiffRequest) -> Result<FrameDiff, Failure> {
    let frame = shared.store.frame(&request.frame());
    Ok(frame.diff(&request.from, request.to.as_ref()).await?)
}

/// Makes an older state the newest.
pub(super) async fn restore(
    shared: Arc<Shared>,
    request: RestoreRequest,
) -> Result<CommitResult, Failure> {
    shared.check_writable("to restore a version")?;
    let id = request.frame();
    let frame = shared.store.frame(&id).noted(request.note());
    let frame = frame.request_id(request.request_id);
    let result = carry_through(async move { frame.restore(&request.as_of).await }).await?;
    info!(frame = %id, version = result.version, "restored");
    Ok(result)
}
