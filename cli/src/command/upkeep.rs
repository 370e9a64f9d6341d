//! `compact`, `expire`, `sweep`, `forget`, `purge`, `retention`: what is kept, and for how long.

use clap::Args;
use shoots_client::proto::action::{ExpireResult, Retention};
use shoots_client::{AsOf, FrameId};

use super::Context;
use super::describe::kept;
use super::state::as_of;
use crate::failure::Failure;
use crate::output::{Listing, bytes, count, several};

/// What to look after.
#[derive(Args, Debug)]
pub(crate) struct UpkeepArgs {
    /// The frame, as `name` or `bucket/name` [default: every frame of the bucket]
    frame: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Which versions to forget.
#[derive(Args, Debug)]
pub(crate) struct ForgetArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// The versions: numbers, tags, times, commits
    #[arg(required = true, value_parser = as_of, allow_negative_numbers = true)]
    states: Vec<AsOf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Which frame to remove for good.
#[derive(Args, Debug)]
pub(crate) struct PurgeArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Which versions to keep.
#[derive(Args, Debug)]
pub(crate) struct RetentionArgs {
    /// The frame, as `name` or `bucket/name` [default: the bucket]
    frame: Option<String>,
    /// Keep so many of the newest versions
    #[arg(long, value_name = "N")]
    keep_versions: Option<u64>,
    /// Keep what was the newest version in the last so many seconds
    #[arg(long, value_name = "SECONDS")]
    keep_seconds: Option<u64>,
    /// Keep every version
    #[arg(long, conflicts_with_all = ["keep_versions", "keep_seconds", "forget_tagged"])]
    keep_all: bool,
    /// Let versions with tags expire like others
    #[arg(long)]
    forget_tagged: bool,
    /// Go back to what holds without rules of its own
    #[arg(long, conflicts_with_all = ["keep_versions", "keep_seconds", "forget_tagged", "keep_all"])]
    unset: bool,
}

/// The call about one frame, or about all of the bucket at hand.
macro_rules! of_frame_or_bucket {
    ($context:expr, $frame:expr, $action:ident) => {
        match &$frame {
            Some(frame) => $context.client.frame($context.frame(frame)?).$action(),
            None => match &$context.bucket {
                Some(bucket) => $context.client.$action().bucket(bucket.as_str()),
                None => $context.client.$action(),
            },
        }
    };
}

/// Joins files.
pub(super) async fn compact(context: &Context, args: UpkeepArgs) -> Result<(), Failure> {
    let mut request = of_frame_or_bucket!(context, args.frame, compact);
    if args.dry_run {
        request = request.dry_run();
    }
    let done = request.send().await?;
    context.output.list(&done.frames, || {
        let heading = [
            "frame",
            "files",
            "then",
            "read",
            "written",
            "rows dropped",
            "reason",
        ];
        let mut listing = Listing::new(&heading).right(&[1, 2, 3, 4, 5]);
        for frame in &done.frames {
            let written = frame.bytes_written;
            listing.row([
                FrameId::new(frame.bucket.clone(), frame.name.clone()).to_string(),
                count(frame.segments_before),
                count(frame.segments_after),
                bytes(frame.bytes_read),
                written.map_or_else(|| "-".to_owned(), bytes),
                count(frame.rows_dropped),
                frame.reason.clone(),
            ]);
        }
        listing
    })
}

/// Lets versions expire.
pub(super) async fn expire(context: &Context, args: UpkeepArgs) -> Result<(), Failure> {
    let mut request = of_frame_or_bucket!(context, args.frame, expire);
    if args.dry_run {
        request = request.dry_run();
    }
    let done = request.send().await?;
    expired(context, &done)
}

fn expired(context: &Context, done: &ExpireResult) -> Result<(), Failure> {
    context.output.list(&done.frames, || {
        let heading = [
            "frame",
            "versions",
            "files to remove",
            "size",
            "files still needed",
        ];
        let mut listing = Listing::new(&heading).right(&[1, 2, 3, 4]);
        for frame in &done.frames {
            listing.row([
                FrameId::new(frame.bucket.clone(), frame.name.clone()).to_string(),
                count(frame.versions_expired),
                count(frame.segments),
                bytes(frame.bytes),
                count(frame.still_needed_segments),
            ]);
        }
        listing
    })
}

/// Removes files whose time has come.
pub(super) async fn sweep(context: &Context, args: UpkeepArgs) -> Result<(), Failure> {
    let mut request = of_frame_or_bucket!(context, args.frame, sweep);
    if args.dry_run {
        request = request.dry_run();
    }
    let done = request.send().await?;
    context.output.answer(&done, || {
        let would = if done.dry_run {
            "would be removed"
        } else {
            "removed"
        };
        format!(
            "{} ({}) {would}; {} ({}) wait, {} ({}) are in use",
            several(done.objects, "file"),
            bytes(done.bytes),
            count(done.waiting_objects),
            bytes(done.waiting_bytes),
            count(done.in_use_objects),
            bytes(done.in_use_bytes)
        )
    })
}

/// Forgets versions.
pub(super) async fn forget(context: &Context, args: ForgetArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let named: Vec<String> = args.states.iter().map(ToString::to_string).collect();
    let mut request = context.client.frame(&frame).forget(args.states);
    match args.dry_run {
        true => request = request.dry_run(),
        false => {
            let question = format!("forget {} of {frame} for good?", named.join(", "));
            context.output.confirm_for_good(&question).await?;
        }
    }
    let done = request.send().await?;
    expired(context, &done)
}

/// Removes a frame for good.
pub(super) async fn purge(context: &Context, args: PurgeArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let mut request = context.client.frame(&frame).purge();
    match args.dry_run {
        true => request = request.dry_run(),
        false => {
            let question = format!("remove {frame} and all its versions for good?");
            context.output.confirm_for_good(&question).await?;
        }
    }
    let done = request.send().await?;
    context.output.answer(&done, || {
        let would = if done.dry_run {
            "would be removed"
        } else {
            "removed"
        };
        let files = several(done.objects, "file");
        format!("{frame}: {files} ({}) {would}", bytes(done.bytes))
    })
}

/// Asks or sets which versions are kept.
pub(super) async fn retention(context: &Context, args: RetentionArgs) -> Result<(), Failure> {
    let rules = Retention {
        keep_versions: args.keep_versions,
        keep_seconds: args.keep_seconds,
        keep_tagged: !args.forget_tagged,
    };
    let request = of_frame_or_bucket!(context, args.frame, retention);
    let sets = args.keep_all || rules != Retention::default();
    let request = match (sets, args.unset) {
        (true, _) => request.set(rules),
        (false, true) => request.unset(),
        (false, false) => request,
    };
    let told = request.send().await?;
    context.output.answer(&told, || {
        let whose = match told.own {
            Some(_) => "by rules of its own",
            None => "by the rules above it",
        };
        format!("kept {whose}: {}", kept(&told.effective))
    })
}
