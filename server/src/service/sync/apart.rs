//! Which frames a merge settles: those here that a fetch has left apart.
//!
//! A merge asks nothing of the remote, so what it is about is found here. A request without a target calls the frames as
//! they are here; with one it calls them as a pull does, as they are there, and the target is what they are called here.

use shoots_proto::action::{FrameSelection, MergeRequest, TrackedFrame};
use shoots_proto::{BucketName, FrameId, FrameName};
use shoots_store::{Error, ErrorKind, Result, Store};

use crate::pattern;

/// The frames that are meant, each as the request calls it and as it is called here.
pub(super) async fn find(store: &Store, request: &MergeRequest) -> Result<Vec<(FrameId, FrameId)>> {
    let retargeted = request.target.is_some() || request.target_bucket.is_some();
    let selection = request.frames();
    let regex = selection.regex().map(pattern::compile).transpose();
    let regex = regex.map_err(|problem| invalid(format!("regex: {problem}")))?;
    let matches = |name: &FrameName| {
        let regex = regex.as_ref();
        regex.is_none_or(|regex| regex.is_match(name.as_str()))
    };
    let buckets: Vec<Option<BucketName>> = match &selection {
        FrameSelection::Frame(source) => {
            let target = request.target_of(source);
            if retargeted {
                check_source(store, request, source, &target).await?;
            }
            return Ok(vec![(source.clone(), target)]);
        }
        FrameSelection::Bucket { bucket, .. } => {
            vec![request.target_bucket.clone().unwrap_or(bucket.clone())]
        }
        FrameSelection::Everything { .. } => {
            let named = store.buckets().await?.into_iter().map(Some);
            [None].into_iter().chain(named).collect()
        }
    };
    let mut found = Vec::new();
    for bucket in buckets {
        for frame in store.tracked_frames(bucket.as_ref()).await? {
            if frame.remote != request.remote.as_str() || frame.behind == 0 {
                continue;
            }
            let (here, there) = names(frame);
            let source = if retargeted { &there } else { &here };
            let of_bucket = !retargeted || source.bucket == request.bucket;
            if of_bucket && matches(&source.name) {
                found.push((source.clone(), here));
            }
        }
    }
    Ok(found)
}

/// Refuses a target that is another frame's.
async fn check_source(
    store: &Store,
    request: &MergeRequest,
    source: &FrameId,
    target: &FrameId,
) -> Result<()> {
    let tracked = store.frame(target).tracking().await?.into_iter();
    let known = tracked.map(|frame| (frame.remote.clone(), names(frame).1));
    let mut of_remote = known.filter(|(remote, _)| remote == request.remote.as_str());
    match of_remote.next() {
        Some((remote, there)) if there != *source => Err(invalid(format!(
            "target: frame {target} follows {there} of remote {remote}, not {source}; name the one that it follows, or leave `target` and `target_bucket` out"
        ))),
        _ => Ok(()),
    }
}

/// What a frame is called here and there.
fn names(frame: TrackedFrame) -> (FrameId, FrameId) {
    (
        FrameId::new(frame.bucket, frame.name),
        FrameId::new(frame.remote_bucket, frame.remote_name),
    )
}

fn invalid(problem: String) -> Error {
    Error::elsewhere(ErrorKind::InvalidRequest, problem)
}
