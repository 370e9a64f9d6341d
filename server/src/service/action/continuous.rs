//! Frames that follow others: `continuous`.

use std::sync::Arc;

use shoots_proto::action::{CONTINUOUS, ContinuousRequest, ContinuousResult, FollowingFrame};
use shoots_proto::{Note, PutMode};
use shoots_store::{ErrorKind, PutOptions, Snapshot};

use crate::service::follow::{Declaration, KEY};
use crate::service::{Shared, target};
use crate::status::Failure;

/// Lists the frames that follow others, or ends that for one.
pub(super) async fn continuous(
    shared: Arc<Shared>,
    request: ContinuousRequest,
) -> Result<ContinuousResult, Failure> {
    let ContinuousRequest { name, bucket, stop } = request;
    if stop {
        shared.check_writable("to end that a frame follows another one")?;
        if name.is_none() {
            let problem = "is missing; name the frame that is to follow no longer";
            return Err(Failure::invalid(CONTINUOUS, Some("name"), problem));
        }
    }
    let one = name.is_some();
    let mut frames = Vec::new();
    for frame in shared.frames_of(name, bucket).await? {
        let snapshot = match frame.newest().await {
            // It was deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && !one => continue,
            snapshot => snapshot?,
        };
        let Some(following) = describe(&shared, &snapshot).await? else {
            continue;
        };
        shared.followers.note(&snapshot);
        if stop {
            end(&snapshot, &shared).await?;
        }
        frames.push(following);
    }
    if stop && frames.is_empty() {
        let problem = "is a frame that follows no other one";
        return Err(Failure::invalid(CONTINUOUS, Some("name"), problem));
    }
    Ok(ContinuousResult { frames })
}

async fn describe(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
) -> Result<Option<FollowingFrame>, Failure> {
    let Some((declaration, _)) = Declaration::of(snapshot)? else {
        return Ok(None);
    };
    let request = declaration.request;
    let (newest_version, gone) = match shared.store.frame(&request.source()).newest().await {
        Ok(source) => (source.version(), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let frame = snapshot.frame().clone();
    Ok(Some(FollowingFrame {
        problem: gone.or_else(|| shared.followers.problem(&frame)),
        name: frame.name,
        bucket: frame.bucket,
        source: request.source,
        source_bucket: request.source_bucket,
        rule: request.rule.unwrap_or_default(),
        source_version: declaration.version,
        newest_version,
    }))
}

/// Publishes a commit without rows that says nothing about a source.
async fn end(snapshot: &Snapshot, shared: &Arc<Shared>) -> Result<(), Failure> {
    let Some((declaration, said)) = Declaration::of(snapshot)? else {
        return Ok(());
    };
    let source = declaration.request.source();
    let options = PutOptions {
        note: Note {
            message: Some(format!("follows {source} no longer")),
            ..Note::default()
        },
        expected: Some((KEY.to_owned(), said)),
        ..PutOptions::mode(PutMode::Append)
    };
    let frame = shared.store.frame(snapshot.frame());
    let writer = frame.put(snapshot.schema(), options).await?;
    target::commit(writer).await?;
    Ok(())
}
