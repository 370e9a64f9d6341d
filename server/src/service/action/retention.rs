//! How long old versions and their bytes stay: `retention`, `expire`, `forget`, `sweep`, `purge`.

use std::sync::Arc;

use shoots_proto::action::{
    ExpireRequest, ExpireResult, ForgetRequest, PURGE, PurgeRequest, PurgeResult, RetentionRequest,
    RetentionResult, SweepRequest, SweepResult,
};
use shoots_proto::{FrameId, Note};
use shoots_store::{Error, ErrorKind};
use tracing::{info, warn};

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Asks or sets which versions are kept, of a frame or in a bucket.
pub(super) async fn retention(
    shared: Arc<Shared>,
    request: RetentionRequest,
) -> Result<RetentionResult, Failure> {
    let RetentionRequest { name, bucket, set } = request;
    if set.is_some() {
        shared.check_writable("to set which versions are kept")?;
    }
    let store = shared.store.clone();
    let frame = name.map(|name| FrameId::new(bucket.clone(), name));
    carry_through(async move {
        match (frame, set) {
            (Some(frame), Some(rules)) => {
                let frame = store.write(&frame, Note::default())?;
                Ok(frame.set_retention(rules).await?)
            }
            (Some(frame), None) => Ok(store.read(&frame)?.retention().await?),
            (None, Some(rules)) => store.set_retention(bucket.as_ref(), rules).await,
            (None, None) => store.retention(bucket.as_ref()).await,
        }
    })
    .await
}

/// Lets versions expire that no rule keeps.
pub(super) async fn expire(
    shared: Arc<Shared>,
    request: ExpireRequest,
) -> Result<ExpireResult, Failure> {
    let ExpireRequest {
        name,
        bucket,
        dry_run,
    } = request;
    shared.check_writable_unless(dry_run, "to let versions expire")?;
    let whole_bucket = name.is_none();
    let mut frames = Vec::new();
    for frame in shared.logged_frames_of(name, bucket).await? {
        let id = frame.id().clone();
        let expire = async move { Ok::<_, Failure>(frame.expire(dry_run).await) };
        let expired = passed_over(&id, whole_bucket, carry_through(expire).await?)?;
        frames.extend(expired.filter(|expired| expired.versions_expired > 0 || expired.bytes > 0));
    }
    Ok(ExpireResult { frames, dry_run })
}

/// In a whole bucket, what never became a frame or is none any more is passed over, and a frame that cannot be read does
/// not hinder the others.
pub(super) fn passed_over<T>(
    frame: &FrameId,
    whole_bucket: bool,
    outcome: Result<T, Error>,
) -> Result<Option<T>, Failure> {
    match outcome {
        Err(error) if whole_bucket && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if whole_bucket && error.is_of_one_frame() => {
            warn!(%error, %frame, "a frame was passed over");
            Ok(None)
        }
        outcome => Ok(Some(outcome?)),
    }
}

/// Forgets chosen versions of a frame.
pub(super) async fn forget(
    shared: Arc<Shared>,
    request: ForgetRequest,
) -> Result<ExpireResult, Failure> {
    shared.check_writable_unless(request.dry_run, "to forget versions")?;
    let id = request.frame();
    let frame = shared.store.whole("forget versions")?.frame(&id);
    let dry_run = request.dry_run;
    let forgotten = carry_through(async move {
        let forgotten = frame.forget(&request.versions, dry_run).await;
        shared.drop_files_of(&id).await;
        forgotten
    })
    .await?;
    Ok(ExpireResult {
        frames: vec![forgotten],
        dry_run,
    })
}

/// Removes objects that nothing needs any more.
pub(super) async fn sweep(
    shared: Arc<Shared>,
    request: SweepRequest,
) -> Result<SweepResult, Failure> {
    let SweepRequest {
        name,
        bucket,
        dry_run,
    } = request;
    shared.check_writable_unless(dry_run, "to sweep")?;
    let mut total = SweepResult {
        objects: 0,
        bytes: 0,
        waiting_objects: 0,
        waiting_bytes: 0,
        in_use_objects: 0,
        in_use_bytes: 0,
        dry_run,
    };
    let whole_bucket = name.is_none();
    for frame in shared.logged_frames_of(name, bucket).await? {
        let id = frame.id().clone();
        let sweep = async move { Ok::<_, Failure>(frame.sweep(dry_run).await) };
        let swept = carry_through(sweep).await?;
        let Some(swept) = passed_over(&id, whole_bucket, swept)? else {
            continue;
        };
        total.objects += swept.objects;
        total.bytes += swept.bytes;
        total.waiting_objects += swept.waiting_objects;
        total.waiting_bytes += swept.waiting_bytes;
        total.in_use_objects += swept.in_use_objects;
        total.in_use_bytes += swept.in_use_bytes;
    }
    Ok(total)
}

/// Removes a frame and its history for good.
pub(super) async fn purge(
    shared: Arc<Shared>,
    request: PurgeRequest,
) -> Result<PurgeResult, Failure> {
    shared.check_writable_unless(request.dry_run, "to purge a frame")?;
    let id = request.frame();
    let frame = shared.store.whole("purge a frame")?.frame(&id);
    let (purged, whole) = (id.clone(), frame.clone());
    let result = carry_through(async move {
        let result = frame.purge(request.dry_run).await;
        shared.drop_files_of(&purged).await;
        result
    })
    .await;
    let result = match result {
        Err(failure) if failure.is_not_found() && whole.exists().await? => {
            let problem = "is a plain file, of which nothing else is kept: delete the file instead";
            return Err(Failure::invalid(PURGE, Some("name"), problem));
        }
        result => result?,
    };
    info!(frame = %id, objects = result.objects, dry_run = result.dry_run, "purged");
    Ok(result)
}
