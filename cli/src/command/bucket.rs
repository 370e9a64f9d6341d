//! `delete-bucket`.

use clap::Args;
use shoots_client::BucketDeleteMode;

use super::Context;
use crate::failure::Failure;

/// Which bucket to delete.
#[derive(Args, Debug)]
pub(crate) struct DeleteBucketArgs {
    /// The bucket
    name: String,
    /// Delete the frames in it, too
    #[arg(long)]
    with_frames: bool,
}

/// Deletes a bucket.
pub(super) async fn delete_bucket(
    context: &Context,
    args: DeleteBucketArgs,
) -> Result<(), Failure> {
    let mode = match args.with_frames {
        true => BucketDeleteMode::Delete,
        false => BucketDeleteMode::Error,
    };
    if args.with_frames {
        let frames = context.client.list().bucket(&args.name).send().await?;
        let question = format!(
            "delete the bucket {} and its {} frames?",
            args.name,
            frames.len()
        );
        context.output.confirm(&question).await?;
    }
    let done = context.client.delete_bucket(&args.name, mode).await?;
    context.output.answer(&done, || done.message.clone())
}
