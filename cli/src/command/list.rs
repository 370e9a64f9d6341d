//! `ls`, `buckets`: what there is.

use clap::Args;
use serde::Serialize;
use shoots_client::{FrameInfo, FrameSummary, Unreadable};

use super::Context;
use crate::failure::Failure;
use crate::output::{Listing, bytes, count, several};

/// Which frames to list.
#[derive(Args, Debug, Default)]
pub(crate) struct LsArgs {
    /// The bucket to list
    bucket_name: Option<String>,
    /// The frames of every bucket
    #[arg(short, long, conflicts_with = "bucket_name")]
    all: bool,
    /// Only frames in whose names this regular expression finds a match
    #[arg(long = "match", value_name = "REGEX")]
    pattern: Option<String>,
}

/// A frame, as `ls --json` tells it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    columns: usize,
    #[serde(flatten)]
    summary: &'a FrameSummary,
}

impl<'a> Listed<'a> {
    fn new(info: &'a FrameInfo) -> Self {
        Self {
            name: info.frame.name.as_str(),
            bucket: info.frame.bucket.as_ref().map(|bucket| bucket.as_str()),
            columns: info.schema.fields().len(),
            summary: &info.summary,
        }
    }
}

/// Lists frames.
pub(super) async fn ls(context: &Context, args: LsArgs) -> Result<(), Failure> {
    let mut request = context.client.list();
    if args.all {
        request = request.all_buckets();
    } else if let Some(bucket) = &args.bucket_name {
        if !bucket.is_empty() {
            request = request.bucket(bucket);
        }
    } else if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    if let Some(pattern) = args.pattern {
        request = request.pattern(pattern);
    }
    let found = request.send_all().await?;
    let frames = found.frames;
    let listed: Vec<Listed<'_>> = frames.iter().map(Listed::new).collect();
    context.output.list(&listed, || {
        let heading = ["frame", "rows", "columns", "size", "version", "message"];
        let mut listing = Listing::new(&heading).right(&[1, 2, 3, 4]);
        for info in &frames {
            let summary = &info.summary;
            listing.row([
                info.frame.to_string(),
                count(summary.rows),
                info.schema.fields().len().to_string(),
                bytes(summary.bytes),
                summary
                    .version
                    .map_or_else(|| "-".to_owned(), |version| version.to_string()),
                summary.message.clone().unwrap_or_default(),
            ]);
        }
        listing
    })?;
    if found.unreadable.is_empty() {
        return Ok(());
    }
    let left_out = LeftOut {
        unreadable: found.unreadable.iter().map(Named::new).collect(),
    };
    context
        .output
        .warn(&left_out, || in_words(&found.unreadable))
}

/// The frames that are not in the list, as `ls --json` tells them on standard error.
#[derive(Serialize)]
struct LeftOut<'a> {
    unreadable: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    problem: &'a str,
}

impl<'a> Named<'a> {
    fn new(of: &'a Unreadable) -> Self {
        Self {
            name: of.name.as_ref().map(|name| name.as_str()),
            bucket: of.bucket.as_ref().map(|bucket| bucket.as_str()),
            problem: &of.problem,
        }
    }
}

fn in_words(unreadable: &[Unreadable]) -> String {
    let told = unreadable
        .iter()
        .map(|one| format!("\n  {}: {}", place(one), one.problem));
    let buckets = unreadable.iter().filter(|one| one.name.is_none()).count() as u64;
    let frames = unreadable.len() as u64 - buckets;
    let of = [(frames, "frame"), (buckets, "bucket")];
    let counted = of.into_iter().filter(|(number, _)| *number > 0);
    let counted: Vec<String> = counted
        .map(|(number, what)| several(number, what))
        .collect();
    format!(
        "{} cannot be read and left out; `shoots verify` tells what is damaged:{}",
        counted.join(" and "),
        told.collect::<String>()
    )
}

/// The frame, or the bucket with a slash behind it.
fn place(of: &Unreadable) -> String {
    let bucket = of.bucket.as_ref().map(|bucket| format!("{bucket}/"));
    let name = of.name.as_ref().map(|name| name.as_str());
    bucket.unwrap_or_default() + name.unwrap_or_default()
}

/// Lists buckets.
pub(super) async fn buckets(context: &Context) -> Result<(), Failure> {
    for bucket in context.client.buckets().await? {
        match context.output.json {
            true => context.output.line(&crate::output::json(&bucket)?)?,
            false => context.output.line(bucket.as_str())?,
        }
    }
    Ok(())
}
