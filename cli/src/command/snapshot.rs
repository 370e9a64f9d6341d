//! `snapshot`, `snapshots`, `drop-snapshot`: the state of many frames at once.

use clap::Args;

use super::Context;
use super::describe::moment;
use crate::failure::Failure;
use crate::output::{Listing, several};

/// What belongs to a snapshot.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArgs {
    /// Its name
    name: String,
    /// Frames that belong to it, as `name` or `bucket/name` [default: all of the bucket]
    frames: Vec<String>,
    /// Buckets all of whose frames belong to it, with commas between them; '' is the default bucket
    #[arg(long, value_name = "BUCKET,…", value_delimiter = ',')]
    buckets: Vec<String>,
    /// What it says about itself
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// Which snapshot to drop.
#[derive(Args, Debug)]
pub(crate) struct DropArgs {
    /// Its name
    name: String,
}

/// Makes a snapshot.
pub(super) async fn snapshot(context: &Context, args: SnapshotArgs) -> Result<(), Failure> {
    let mut request = context.client.snapshot(&args.name);
    for frame in &args.frames {
        request = request.frame(context.frame(frame)?);
    }
    for bucket in &args.buckets {
        request = match bucket.as_str() {
            "" => request.default_bucket(),
            bucket => request.bucket(bucket),
        };
    }
    if args.frames.is_empty() && args.buckets.is_empty() {
        request = match &context.bucket {
            Some(bucket) => request.bucket(bucket.as_str()),
            None => request.default_bucket(),
        };
    }
    if let Some(message) = args.message {
        request = request.message(message);
    }
    let done = request.send().await?;
    context.output.answer(&done, || {
        let frames = several(done.frames.len() as u64, "frame");
        format!("{}: {frames}", done.snapshot)
    })
}

/// Lists snapshots.
pub(super) async fn snapshots(context: &Context) -> Result<(), Failure> {
    let told = context.client.snapshots().send().await?;
    context.output.list(&told.snapshots, || {
        let heading = ["snapshot", "created", "frames", "message"];
        let mut listing = Listing::new(&heading).right(&[2]);
        for snapshot in &told.snapshots {
            listing.row([
                snapshot.snapshot.clone(),
                moment(&snapshot.created),
                snapshot.frames.len().to_string(),
                snapshot.message.clone().unwrap_or_default(),
            ]);
        }
        listing
    })
}

/// Drops a snapshot.
pub(super) async fn drop(context: &Context, args: DropArgs) -> Result<(), Failure> {
    let question = format!(
        "drop the snapshot {}, so that its versions may expire?",
        args.name
    );
    context.output.confirm(&question).await?;
    let done = context.client.drop_snapshot(&args.name).send().await?;
    context.output.answer(&done, || {
        let frames = several(done.frames, "frame");
        format!("{}: dropped, it had {frames}", done.snapshot)
    })
}
