//! What an error about a missing name adds: the nearest name that the caller may know of.
//!
//! It is looked up only once a call has failed, and not for long; without one the error is as good.

use shoots_proto::{BucketName, FrameId, FrameName};

use crate::access::CallerStore;
use crate::status::{Failure, Missing};

/// Does the work, and adds to its failure about a name that is not there which one may be meant.
pub(super) async fn suggesting<T>(
    store: &CallerStore,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match work.await {
        Err(Failure::Missing(missing)) => Err(match near(store, &missing).await {
            // A plain file is there, and not for every call.
            Some(near) if near != missing.name => missing.meaning(&near),
            _ => Failure::Missing(missing),
        }),
        done => done,
    }
}

async fn near(store: &CallerStore, missing: &Missing) -> Option<String> {
    match missing.what {
        "frame" => {
            let id = frame(&missing.name)?;
            if let Some(near) = store.nearest_frame(&id).await {
                return Some(FrameId::new(id.bucket, near).to_string());
            }
            // The frame may be as it was said, and its bucket not.
            let bucket = store.nearest_bucket(id.bucket.as_ref()?.as_str()).await?;
            let there = FrameId::new(Some(bucket), id.name);
            let near = store.nearest_frame(&there).await?;
            Some(FrameId::new(there.bucket, near).to_string())
        }
        "bucket" => Some(store.nearest_bucket(&missing.name).await?.to_string()),
        "snapshot" => store.nearest_snapshot(missing.name.trim_matches('`')).await,
        _ => None,
    }
}

/// The frame that an error calls by this name.
fn frame(name: &str) -> Option<FrameId> {
    let (bucket, name) = match name.split_once('/') {
        Some((bucket, name)) => (Some(BucketName::parse(bucket).ok()?), name),
        None => (None, name),
    };
    Some(FrameId::new(bucket, FrameName::parse(name).ok()?))
}
