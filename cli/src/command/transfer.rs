//! `clone`, `fetch`, `pull`, `push`, `merge`: histories that travel between stores.

use clap::Args;
use shoots_client::{
    Favour, FrameId, Selecting, SyncOutcome, SyncResult, SyncedFrame, TransferCall, TransferRequest,
};

use super::Context;
use super::state::{RangeArgs, in_any_case};
use crate::failure::{Failure, of_kind};
use crate::output::{Listing, bytes, count};

/// Which frames of which remote.
#[derive(Args, Debug)]
pub(crate) struct SelectArgs {
    /// The remote
    remote: String,
    /// The frame, as it is called where it comes from [default: every frame of the bucket]
    frame: Option<String>,
    /// Only frames in whose names this regular expression finds a match
    #[arg(long = "match", value_name = "REGEX", conflicts_with = "frame")]
    pattern: Option<String>,
    /// The frames of every bucket
    #[arg(short, long, conflicts_with = "frame")]
    all: bool,
    /// What the frame is called where it goes to
    #[arg(long, value_name = "FRAME", requires = "frame")]
    target: Option<String>,
    /// The bucket that frames go to [default: the one they come from]
    #[arg(long, value_name = "BUCKET", conflicts_with = "all")]
    target_bucket: Option<String>,
}

/// Which frames to bring here, and how much of them.
#[derive(Args, Debug)]
pub(crate) struct CloneArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Only the newest state, without what led to it
    #[arg(long)]
    newest_only: bool,
    #[command(flatten)]
    range: RangeArgs,
}

/// Which frames to bring up to date.
#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Leave histories that went apart as they are, to be settled by `merge`
    #[arg(long, conflicts_with = "favour")]
    no_merge: bool,
    /// Whose side is taken where histories cannot be merged: ours, theirs
    #[arg(long, value_name = "SIDE", value_parser = in_any_case::<Favour>)]
    favour: Option<Favour>,
}

/// Whose histories to bring here, and how far back.
#[derive(Args, Debug)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Also the commits before a newest state that was cloned alone
    #[arg(long)]
    unshallow: bool,
}

/// Which histories to settle. Without a target, frames are called as they are here.
#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Whose side is taken where histories cannot be merged: ours, theirs
    #[arg(long, value_name = "SIDE", value_parser = in_any_case::<Favour>)]
    favour: Option<Favour>,
}

fn selected<Q: Selecting>(
    context: &Context,
    mut call: TransferCall<Q>,
    args: SelectArgs,
) -> Result<TransferCall<Q>, Failure> {
    match (&args.frame, &context.bucket) {
        (Some(frame), _) => call = call.frame(context.frame(frame)?),
        (None, _) if args.all => call = call.all_buckets(),
        (None, Some(bucket)) => call = call.bucket(bucket.as_str()),
        (None, None) => {}
    }
    if let Some(pattern) = args.pattern {
        call = call.matching(pattern);
    }
    if let Some(target) = &args.target {
        if args.target_bucket.is_some() && target.contains('/') {
            let problem =
                "--target: names a bucket, as --target-bucket does; leave one of them out";
            return Err(Failure::usage(problem));
        }
        call = call.target(context.frame(target)?);
    }
    if let Some(bucket) = &args.target_bucket {
        call = call.target_bucket(bucket);
    }
    Ok(call)
}

/// Brings frames here.
pub(super) async fn clone(context: &Context, args: CloneArgs) -> Result<(), Failure> {
    let call = context.client.clone_frames(&args.select.remote);
    let mut call = selected(context, call, args.select)?;
    if args.newest_only {
        call = call.newest_only();
    }
    if let Some(start) = args.range.start {
        call = call.from(start);
    }
    if let Some(stop) = args.range.stop {
        call = call.until(stop);
    }
    if let Some(closed) = args.range.closed {
        call = call.closed(closed);
    }
    carry_out(context, call).await
}

/// Brings histories here.
pub(super) async fn fetch(context: &Context, args: FetchArgs) -> Result<(), Failure> {
    let call = context.client.fetch(&args.select.remote);
    let mut call = selected(context, call, args.select)?;
    if args.unshallow {
        call = call.unshallow();
    }
    carry_out(context, call).await
}

/// Brings frames up to date.
pub(super) async fn pull(context: &Context, args: PullArgs) -> Result<(), Failure> {
    let call = context.client.pull(&args.select.remote);
    let mut call = selected(context, call, args.select)?.merge(!args.no_merge);
    if let Some(favour) = args.favour {
        call = call.favour(favour);
    }
    carry_out(context, call).await
}

/// Brings what is new to a remote.
pub(super) async fn push(context: &Context, args: SelectArgs) -> Result<(), Failure> {
    let call = context.client.push(&args.remote);
    carry_out(context, selected(context, call, args)?).await
}

/// Settles histories.
pub(super) async fn merge(context: &Context, args: MergeArgs) -> Result<(), Failure> {
    let call = context.client.merge(&args.select.remote);
    let mut call = selected(context, call, args.select)?;
    if let Some(favour) = args.favour {
        call = call.favour(favour);
    }
    carry_out(context, call).await
}

async fn carry_out<Q: TransferRequest>(
    context: &Context,
    call: TransferCall<Q>,
) -> Result<(), Failure> {
    let progress = context.output.progress("asking", None);
    let done = call
        .start()
        .await?
        .finish_telling(|told| {
            progress.say(format!(
                "{}: {} of {} files, {} of {}",
                told.frame,
                count(told.objects_done),
                count(told.objects),
                bytes(told.bytes_done),
                bytes(told.bytes)
            ));
        })
        .await?;
    progress.end();
    told(context, &done)
}

fn told(context: &Context, done: &SyncResult) -> Result<(), Failure> {
    context.output.list(&done.frames, || {
        let heading = [
            "frame", "outcome", "versions", "files", "size", "ahead", "behind", "problem",
        ];
        let mut listing = Listing::new(&heading).right(&[2, 3, 4, 5, 6]);
        for frame in &done.frames {
            let problem = frame
                .problem
                .as_ref()
                .map(|problem| problem.message.clone());
            listing.row([
                named(frame),
                outcome(frame.outcome).to_owned(),
                count(frame.versions),
                count(frame.objects),
                bytes(frame.bytes),
                count(frame.ahead),
                count(frame.behind),
                problem.unwrap_or_default(),
            ]);
        }
        listing
    })?;
    let problems = done
        .frames
        .iter()
        .filter_map(|frame| frame.problem.as_ref());
    let mut codes: Vec<u8> = problems.map(|problem| of_kind(problem.kind)).collect();
    codes.sort_unstable();
    codes.dedup();
    match codes.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::with(*one, "some frames could not be transferred")),
        _ => Err(Failure::here("some frames could not be transferred")),
    }
}

fn named(frame: &SyncedFrame) -> String {
    let from = FrameId::new(frame.bucket.clone(), frame.name.clone());
    let to = FrameId::new(frame.target_bucket.clone(), frame.target.clone());
    match from == to {
        true => from.to_string(),
        false => format!("{from} → {to}"),
    }
}

fn outcome(outcome: SyncOutcome) -> &'static str {
    match outcome {
        SyncOutcome::Unchanged => "unchanged",
        SyncOutcome::Created => "created",
        SyncOutcome::Moved => "moved",
        SyncOutcome::Merged => "merged",
        SyncOutcome::Fetched => "fetched",
        SyncOutcome::Diverged => "diverged",
        SyncOutcome::Failed => "failed",
        SyncOutcome::Other => "other",
    }
}
