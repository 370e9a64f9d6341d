//! Frames that follow others: `continuous`.

use std::sync::Arc;

use shoots_proto::action::{CONTINUOUS, ContinuousRequest, ContinuousResult, FollowingFrame};
use shoots_proto::{FrameId, Note, PutMode};
use shoots_store::{ErrorKind, PutOptions, Snapshot};

use crate::service::follow::{Declaration, KEY};
use crate::service::{Shared, target};
use crate::status::Failure;

/// So often a frame may be brought up to its source while that is being ended.
const ATTEMPTS: usize = 16;

/// Lists the frames that follow others, or ends that for one.
pub(super) async fn continuous(
    shared: Arc<Shared>,
    request: ContinuousRequest,
) -> Result<ContinuousResult, Failure> {
    let ContinuousRequest { name, bucket, stop } = request;
    if stop {
        shared.check_writable("to end that a frame follows another one")?;
        let Some(name) = &name else {
            let problem = "is missing; name the frame that is to follow no longer";
            return Err(Failure::invalid(CONTINUOUS, Some("name"), problem));
        };
        let frame = FrameId::new(bucket.clone(), name.clone());
        shared.store.may_write(&frame)?;
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
            end(&shared, snapshot).await?;
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
    let frame = snapshot.frame().clone();
    // Of a source that the caller may not read, no more is told than the frame itself says.
    let (newest_version, problem) = match shared.store.read(&request.source()) {
        Ok(source) => match source.newest().await {
            Ok(source) => (source.version(), shared.followers.problem(&frame)),
            Err(error) => (None, Some(error.to_string())),
        },
        Err(_) => (None, None),
    };
    Ok(Some(FollowingFrame {
        problem,
        name: frame.name,
        bucket: frame.bucket,
        source: request.source,
        source_bucket: request.source_bucket,
        rule: request.rule.unwrap_or_default(),
        source_version: declaration.version,
        newest_version,
    }))
}

/// Ends that a frame follows its source, also when it has just been brought up to it.
async fn end(shared: &Arc<Shared>, mut snapshot: Snapshot) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        match try_end(shared, &snapshot).await {
            Err(failure) if failure.is_conflict() => {}
            outcome => return outcome,
        }
        snapshot = shared.store.read(snapshot.frame())?.newest().await?;
    }
    try_end(shared, &snapshot).await
}

/// Publishes a commit without rows that says nothing about a source.
async fn try_end(shared: &Arc<Shared>, snapshot: &Snapshot) -> Result<(), Failure> {
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
    let (store, frame) = (&shared.store, snapshot.frame());
    let writer = store.put(frame, snapshot.schema(), options).await?;
    target::commit(writer).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampSecondArray};
    use shoots_proto::action::{ResampleRequest, Resampling};

    use super::*;
    use crate::Config;
    use crate::service::action::resample::resample;

    #[tokio::test]
    async fn a_frame_that_was_brought_up_to_its_source_meanwhile_is_stopped_all_the_same() {
        let shared = Shared::in_memory(&Config::default()).await;
        let id = |name: &str| FrameId::from_path(&[name.to_owned()]).unwrap();
        let request = ResampleRequest {
            continuous: true,
            mode: PutMode::Replace,
            ..ResampleRequest::time(id("ticks"), id("bars"), Resampling::new("1h", "max"))
        };
        let bars = shared.store.unasked(&id("bars"));
        let mut seen = None;
        for time in [5, 7_000] {
            let columns: [(&str, ArrayRef); 2] = [
                ("t", Arc::new(TimestampSecondArray::from(vec![time]))),
                ("v", Arc::new(Int64Array::from(vec![time]))),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let options = PutOptions::mode(PutMode::Append).index(["t"]);
            let ticks = id("ticks");
            let writer = shared.store.put(&ticks, batch.schema(), options);
            let mut writer = writer.await.unwrap();
            writer.write(batch).await.unwrap();
            writer.commit().await.unwrap();
            let made = resample(Arc::clone(&shared), request.clone()).await;
            made.unwrap();
            if seen.is_none() {
                seen = Some(bars.newest().await.unwrap());
            }
        }
        let refused = try_end(&shared, seen.as_ref().unwrap()).await;
        assert!(refused.unwrap_err().is_conflict());
        end(&shared, seen.unwrap()).await.unwrap();
        let ended = bars.newest().await.unwrap();
        assert_eq!(Declaration::of(&ended).unwrap(), None);
        assert_eq!(ended.rows(), 2);
    }
}
