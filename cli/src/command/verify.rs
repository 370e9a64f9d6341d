//! `verify`, `usage`: how a store is.

use clap::Args;

use super::Context;
use crate::failure::{Failure, code};
use crate::output::{Listing, bytes, count, several};

/// What to check.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The frame, as `name` or `bucket/name` [default: every frame of the bucket]
    frame: Option<String>,
    /// The frames of every bucket
    #[arg(short, long, conflicts_with = "frame")]
    all: bool,
    /// Read the bytes of only this share of the files, more than 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    sample: Option<f64>,
}

/// What to ask about.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    /// Every bucket
    #[arg(short, long)]
    all: bool,
}

/// Checks stored files.
pub(super) async fn verify(context: &Context, args: VerifyArgs) -> Result<(), Failure> {
    let client = &context.client;
    let mut request = match (&args.frame, &context.bucket) {
        (Some(frame), _) => client.frame(context.frame(frame)?).verify(),
        (None, _) if args.all => client.verify().all_buckets(),
        (None, Some(bucket)) => client.verify().bucket(bucket.as_str()),
        (None, None) => client.verify(),
    };
    if let Some(share) = args.sample {
        request = request.sample(share);
    }
    let progress = context.output.progress("checking", None);
    let told = request.send().await?;
    progress.end();
    context.output.answer(&told, || {
        let mut lines = vec![format!(
            "{}, {} checked, {} read",
            several(told.frames, "frame"),
            several(told.objects, "file"),
            bytes(told.bytes)
        )];
        for faulty in &told.missing {
            lines.push(format!("missing: {}: {}", faulty.object, faulty.problem));
        }
        for faulty in &told.damaged {
            lines.push(format!("damaged: {}: {}", faulty.object, faulty.problem));
        }
        if !told.unreferenced.is_empty() {
            let size = told.unreferenced.iter().map(|object| object.bytes).sum();
            let files = several(told.unreferenced.len() as u64, "file");
            lines.push(format!(
                "{files} ({}) that nothing refers to; they do no harm, and the sweep removes them",
                bytes(size)
            ));
        }
        lines.join("\n")
    })?;
    match told.ok {
        true => Ok(()),
        false => {
            let problem = "files are missing or damaged; restore them from a copy, or pull the frames from a remote";
            Err(Failure::with(code::DAMAGED, problem))
        }
    }
}

/// Tells what buckets take up.
pub(super) async fn usage(context: &Context, args: UsageArgs) -> Result<(), Failure> {
    let mut request = context.client.usage();
    if args.all {
        request = request.all_buckets();
    } else if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    let told = request.send().await?;
    if context.output.json {
        return context.output.answer(&told, String::new);
    }
    context.output.list(&told.buckets, || {
        let heading = [
            "bucket",
            "frames",
            "rows",
            "newest versions",
            "stored",
            "files",
        ];
        let mut listing = Listing::new(&heading).right(&[1, 2, 3, 4, 5]);
        for bucket in &told.buckets {
            let name = bucket.bucket.as_ref().map(ToString::to_string);
            listing.row([
                name.unwrap_or_else(|| "(default)".to_owned()),
                count(bucket.frames),
                count(bucket.rows),
                bytes(bucket.live_bytes),
                bytes(bucket.stored_bytes),
                count(bucket.objects),
            ]);
        }
        listing
    })?;
    if let Some(free) = told.free_bytes {
        context.output.note(&format!("{} are free", bytes(free)));
    }
    Ok(())
}
