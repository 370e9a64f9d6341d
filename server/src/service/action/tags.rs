//! What is done with the names of versions: `tag`, `untag`, `tags`.

use std::sync::Arc;

use shoots_proto::action::{
    TagRequest, TagResult, TagsRequest, TagsResult, UntagRequest, UntagResult,
};

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Gives a version a name.
pub(super) async fn tag(shared: Arc<Shared>, request: TagRequest) -> Result<TagResult, Failure> {
    shared.check_writable("to tag a version")?;
    let frame = shared.store.write(&request.frame(), request.note())?;
    carry_through(async move {
        let TagRequest {
            tag,
            as_of,
            replace,
            ..
        } = request;
        frame.tag(&tag, as_of.as_ref(), replace).await
    })
    .await
}

/// Takes a name from a version.
pub(super) async fn untag(
    shared: Arc<Shared>,
    request: UntagRequest,
) -> Result<UntagResult, Failure> {
    shared.check_writable("to untag a version")?;
    let frame = shared.store.write(&request.frame(), request.note())?;
    carry_through(async move { frame.untag(&request.tag).await }).await
}

/// Lists the names of a frame's versions.
pub(super) async fn list(shared: Arc<Shared>, request: TagsRequest) -> Result<TagsResult, Failure> {
    let tags = shared.store.read(&request.frame())?.tags().await?;
    Ok(TagsResult { tags })
}
