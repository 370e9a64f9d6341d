//! `describe`, `files`: what there is to say about a frame.

use clap::Args;
use serde_json::Value;
use shoots_client::proto::Time;
use shoots_client::proto::action::{FrameDescription, Retention};

use super::Context;
use super::state::AsOfArgs;
use crate::failure::Failure;
use crate::output::{Listing, bytes, count, several};

/// Which state of which frame to describe.
#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    #[command(flatten)]
    as_of: AsOfArgs,
}

impl DescribeArgs {
    /// The newest state of a frame.
    pub(super) fn of(frame: &str) -> Self {
        Self {
            frame: frame.to_owned(),
            as_of: AsOfArgs::default(),
        }
    }
}

/// A time to the second, in UTC.
pub(super) fn moment(time: &Time) -> String {
    time.0.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Describes a frame.
pub(super) async fn describe(context: &Context, args: DescribeArgs) -> Result<(), Failure> {
    let frame = context.client.frame(context.frame(&args.frame)?);
    let told = frame.describe(args.as_of.as_of).send().await?;
    if context.output.json {
        return context.output.answer(&told, String::new);
    }
    let facts = facts(&told);
    let widest = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, fact) in facts {
        context.output.line(&format!("{name:widest$}  {fact}"))?;
    }
    context.output.line("")?;
    context.output.list(&told.columns, || {
        let mut listing = Listing::new(&["column", "type", "null", "index"]);
        for column in &told.columns {
            let place = told
                .index
                .iter()
                .position(|index| index.name == column.name);
            let null = if column.nullable { "yes" } else { "no" };
            let place = place.map_or_else(String::new, |place| (place + 1).to_string());
            listing.row([
                column.name.clone(),
                column.r#type.clone(),
                null.to_owned(),
                place,
            ]);
        }
        listing
    })
}

fn facts(told: &FrameDescription) -> Vec<(&'static str, String)> {
    let name = match &told.bucket {
        Some(bucket) => format!("{bucket}/{}", told.name),
        None => told.name.to_string(),
    };
    let mut facts = vec![
        ("frame", name),
        ("rows", count(told.rows)),
        (
            "size",
            format!(
                "{} in {}",
                bytes(told.bytes),
                several(told.segments, "file")
            ),
        ),
    ];
    if told.hidden_rows > 0 {
        facts.push(("hidden rows", count(told.hidden_rows)));
    }
    if !told.index.is_empty() {
        let names = told.index.iter().map(|column| column.name.as_str());
        facts.push(("index", names.collect::<Vec<_>>().join(", ")));
    }
    if let (Some(first), Some(last)) = (&told.index_min, &told.index_max) {
        facts.push(("from", key(first)));
        facts.push(("to", key(last)));
    }
    if let (Some(version), Some(kept)) = (told.version, told.versions) {
        let of = format!(
            "{version} ({} from {} to {})",
            kept.count, kept.first, kept.last
        );
        facts.push(("version", of));
    }
    if let (Some(operation), Some(published)) = (&told.operation, &told.published) {
        let mut last = format!("{operation} at {} UTC", moment(published));
        if let Some(author) = &told.author {
            last = format!("{last} by {author}");
        }
        if let Some(message) = &told.message {
            last = format!("{last}: {message}");
        }
        facts.push(("last change", crate::output::printable(&last)));
    }
    if !told.tags.is_empty() {
        facts.push(("tags", told.tags.join(", ")));
    }
    facts.push(("kept", kept(&told.retention)));
    for remote in &told.remotes {
        facts.push(("remote", format!("{}: {remote}", remote.remote)));
    }
    facts
}

/// Which versions are kept, in words.
pub(super) fn kept(rules: &Retention) -> String {
    let mut parts = Vec::new();
    if let Some(versions) = rules.keep_versions {
        parts.push(format!("the last {}", several(versions, "version")));
    }
    if let Some(seconds) = rules.keep_seconds {
        parts.push(format!("those of the last {}", several(seconds, "second")));
    }
    if parts.is_empty() {
        return "every version".to_owned();
    }
    if rules.keep_tagged {
        parts.push("those with a tag".to_owned());
    }
    parts.join(", ")
}

/// A key of the index.
fn key(values: &[Value]) -> String {
    let shown = values.iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Lists files.
pub(super) async fn files(context: &Context, args: DescribeArgs) -> Result<(), Failure> {
    let frame = context.client.frame(context.frame(&args.frame)?);
    let told = frame.files(args.as_of.as_of).send().await?;
    context.output.list(&told.files, || {
        let heading = ["rows", "hidden", "size", "from", "to", "path"];
        let mut listing = Listing::new(&heading).right(&[0, 1, 2]);
        for file in &told.files {
            listing.row([
                count(file.rows),
                count(file.hidden_rows),
                bytes(file.bytes),
                file.min.as_deref().map(key).unwrap_or_default(),
                file.max.as_deref().map(key).unwrap_or_default(),
                file.path.clone(),
            ]);
        }
        listing
    })
}
