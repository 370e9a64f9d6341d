//! `log`, `diff`, `restore`, `tag`, `untag`, `tags`: the versions of a frame.

use clap::Args;
use shoots_client::proto::action::{BroughtCommit, CommitRecord, FrameDiff, VersionSummary};
use shoots_client::{AsOf, Frame};

use super::Context;
use super::describe::moment;
use super::note::{NoteArgs, noted};
use super::state::{AsOfArgs, as_of};
use crate::failure::Failure;
use crate::output::{Listing, RowsArgs, count, several};

/// A frame.
#[derive(Args, Debug)]
pub(crate) struct FrameArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
}

/// Which part of a history to tell.
#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// At most so many commits
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
    /// Only what is newer than this state
    #[arg(long, value_name = "STATE", value_parser = as_of, allow_negative_numbers = true)]
    since: Option<AsOf>,
    /// Also the commits that merges brought, which are no versions here
    #[arg(long)]
    all: bool,
}

/// Which states to compare.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// The state to start from: a version (-2 is the last but one), a tag, a time, a commit [default: the one before the
    /// last change]
    #[arg(value_parser = as_of, allow_negative_numbers = true)]
    from: Option<AsOf>,
    /// The state to arrive at [default: the newest]
    #[arg(value_parser = as_of, allow_negative_numbers = true)]
    to: Option<AsOf>,
    /// Show the rows that differ, with a column `_change`, instead of counting them
    #[arg(long)]
    show_rows: bool,
    /// Only these columns of the rows, with commas between them
    #[arg(
        long,
        value_name = "COLUMN,…",
        value_delimiter = ',',
        requires = "show_rows"
    )]
    columns: Vec<String>,
    #[command(flatten)]
    rows: RowsArgs,
}

/// Which state to go back to.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// The state to go back to: a version (-2 is the last but one), a tag, a time, a commit
    #[arg(value_parser = as_of, allow_negative_numbers = true)]
    state: AsOf,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which version to name, and how.
#[derive(Args, Debug)]
pub(crate) struct TagArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// The name
    tag: String,
    /// The state to name: a version (3; -1 is the newest), a tag, a time, a commit [default: the newest]
    #[arg(value_parser = as_of, allow_negative_numbers = true, conflicts_with = "as_of")]
    state: Option<AsOf>,
    #[command(flatten)]
    as_of: AsOfArgs,
    /// Take the name from another version that has it
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which name to take away.
#[derive(Args, Debug)]
pub(crate) struct UntagArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// The name
    tag: String,
    #[command(flatten)]
    note: NoteArgs,
}

/// The beginning of a commit's id, which is long enough to tell commits of a frame apart.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// Tells a history.
pub(super) async fn log(context: &Context, args: LogArgs) -> Result<(), Failure> {
    let mut request = context.client.frame(context.frame(&args.frame)?).log();
    if let Some(limit) = args.limit {
        request = request.limit(limit);
    }
    if let Some(since) = args.since {
        request = request.since(since);
    }
    if args.all {
        request = request.all();
    }
    let told = request.send().await?;
    context.output.list(&told.commits, || {
        let heading = [
            "version",
            "published",
            "operation",
            "rows",
            "added",
            "removed",
            "commit",
            "author",
            "message",
        ];
        let mut listing = Listing::new(&heading).right(&[0, 3, 4, 5]);
        for commit in &told.commits {
            listing.row([
                commit.version.to_string(),
                moment(&commit.published),
                commit.operation.clone(),
                count(commit.rows),
                count(commit.rows_added),
                count(commit.rows_removed),
                short(&commit.commit),
                commit.author.clone().unwrap_or_default(),
                remarks(commit),
            ]);
            for brought in &commit.brings {
                listing.row(brought_row(brought));
            }
        }
        listing
    })?;
    if told.more {
        context
            .output
            .note("there are older ones; -n says how many to tell");
    }
    Ok(())
}

/// A commit that is no version here, when it was made.
fn brought_row(commit: &BroughtCommit) -> [String; 9] {
    let expired = commit.expired.then(|| "(expired)".to_owned());
    let remarks: Vec<String> = expired.into_iter().chain(commit.message.clone()).collect();
    [
        String::new(),
        moment(&commit.time),
        commit.operation.clone(),
        String::new(),
        count(commit.rows_added),
        count(commit.rows_removed),
        short(&commit.commit),
        commit.author.clone().unwrap_or_default(),
        remarks.join(" "),
    ]
}

/// What a commit says, and what is said of its version.
fn remarks(commit: &CommitRecord) -> String {
    let mut remarks: Vec<String> = commit.tags.iter().map(|tag| format!("[{tag}]")).collect();
    if commit.expired {
        remarks.push("(expired)".to_owned());
    }
    remarks.extend(commit.message.clone());
    remarks.join(" ")
}

/// Compares two states.
pub(super) async fn diff(context: &Context, args: DiffArgs) -> Result<(), Failure> {
    let frame = context.client.frame(context.frame(&args.frame)?);
    let from = match args.from {
        Some(from) => from,
        None => before_last_change(&frame).await?,
    };
    if args.show_rows {
        let target = args.rows.target(&context.output)?;
        let mut request = frame.diff_rows(from, args.to);
        if !args.columns.is_empty() {
            request = request.columns(args.columns);
        }
        let batches = request.stream().await?;
        return target.take(&context.output, batches, None).await;
    }
    let told = frame.diff(from, args.to).send().await?;
    context.output.answer(&told, || difference(&told))
}

/// The version before the newest one that has other rows or columns: tags, upkeep and pushes make versions, too.
async fn before_last_change(frame: &Frame) -> Result<AsOf, Failure> {
    let told = frame.log().send().await?;
    let changed = |commit: &&CommitRecord| {
        commit.rows_added > 0 || commit.rows_removed > 0 || commit.operation == "alter"
    };
    let newest = told.commits.iter().find(changed);
    let before = newest.and_then(|commit| i64::try_from(commit.version).ok());
    let before = before
        .map(|version| version - 1)
        .filter(|version| *version > 0);
    Ok(AsOf::Version(before.unwrap_or(-2)))
}

/// What a state is called: a commit of another store is no version here.
fn state(told: &VersionSummary) -> String {
    match told.version {
        Some(version) => format!("version {version}"),
        None => format!("commit {}", told.commit),
    }
}

fn difference(told: &FrameDiff) -> String {
    let mut lines = vec![
        format!(
            "from {} ({}) to {} ({})",
            state(&told.from),
            several(told.from.rows, "row"),
            state(&told.to),
            several(told.to.rows, "row")
        ),
        format!(
            "rows: {} added, {} removed",
            count(told.rows_added),
            count(told.rows_removed)
        ),
    ];
    for column in &told.columns_added {
        lines.push(format!("column {} added: {}", column.name, column.r#type));
    }
    for column in &told.columns_dropped {
        lines.push(format!("column {} dropped: {}", column.name, column.r#type));
    }
    for column in &told.columns_renamed {
        lines.push(format!("column {} renamed to {}", column.from, column.to));
    }
    for column in &told.columns_changed {
        lines.push(format!(
            "column {} changed from {} to {}",
            column.name, column.from, column.to
        ));
    }
    lines.join("\n")
}

/// Goes back.
pub(super) async fn restore(context: &Context, args: RestoreArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let mut request = context.client.frame(&frame).restore(args.state);
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        let rows = several(done.rows, "row");
        let commit = short(&done.commit);
        format!("{frame}: version {}, {rows}, commit {commit}", done.version)
    })
}

/// Names a version.
pub(super) async fn tag(context: &Context, args: TagArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let mut request = context.client.frame(&frame).tag(&args.tag);
    if let Some(state) = args.state.or(args.as_of.as_of) {
        request = request.as_of(state);
    }
    if args.replace {
        request = request.replace();
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        format!("{frame}: {} is version {}", done.tag, done.version)
    })
}

/// Takes a name away.
pub(super) async fn untag(context: &Context, args: UntagArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let request = context.client.frame(&frame).untag(&args.tag);
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        format!("{frame}: {} was version {}", done.tag, done.version)
    })
}

/// Lists names.
pub(super) async fn tags(context: &Context, args: FrameArgs) -> Result<(), Failure> {
    let frame = context.client.frame(context.frame(&args.frame)?);
    let told = frame.tags().send().await?;
    context.output.list(&told.tags, || {
        let heading = ["version", "published", "commit", "tag"];
        let mut listing = Listing::new(&heading).right(&[0]);
        for tag in &told.tags {
            listing.row([
                tag.version.to_string(),
                moment(&tag.published),
                short(&tag.commit),
                tag.tag.clone(),
            ]);
        }
        listing
    })
}
