//! `rm`, `undelete`, `mv`, `cp`, `delete-rows`, `alter`: changes of frames that bring no rows.

use clap::Args;
use shoots_client::proto::action::NewFrame;
use shoots_client::{FrameId, ToFrameId};

use super::Context;
use super::history::short;
use super::note::{NoteArgs, noted};
use super::state::{AsOfArgs, RangeArgs};
use crate::failure::Failure;
use crate::output::{count, several};

/// Which frames to delete.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// The frames, as `name` or `bucket/name`
    #[arg(required = true)]
    frames: Vec<String>,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which frame to bring back.
#[derive(Args, Debug)]
pub(crate) struct UndeleteArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which frame to rename.
#[derive(Args, Debug)]
pub(crate) struct MvArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// What it is to be called, as `name` or `bucket/name`; `bucket/` keeps its name
    target: String,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which frame to copy.
#[derive(Args, Debug)]
pub(crate) struct CpArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// What the copy is to be called, as `name` or `bucket/name`; `bucket/` keeps its name
    target: String,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which rows to delete.
#[derive(Args, Debug)]
pub(crate) struct DeleteRowsArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    #[command(flatten)]
    range: RangeArgs,
    /// Only rows for which this SQL expression over the frame's columns is true
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
}

/// Which columns to change.
#[derive(Args, Debug)]
#[command(group(
    clap::ArgGroup::new("changes")
        .required(true)
        .multiple(true)
        .args(["add", "drop", "rename", "widen"])
))]
pub(crate) struct AlterArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// A column to add, as NAME=TYPE; may be given several times
    #[arg(long, value_name = "NAME=TYPE", value_parser = pair)]
    add: Vec<(String, String)>,
    /// A column to drop; may be given several times
    #[arg(long, value_name = "NAME")]
    drop: Vec<String>,
    /// A column to rename, as OLD=NEW; may be given several times
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    rename: Vec<(String, String)>,
    /// A column to widen to a type that holds all its values, as NAME=TYPE; may be given several times
    #[arg(long, value_name = "NAME=TYPE", value_parser = pair)]
    widen: Vec<(String, String)>,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (one, other) = text
        .split_once('=')
        .ok_or("must have a `=` between its two parts")?;
    Ok((one.to_owned(), other.to_owned()))
}

/// Deletes frames.
pub(super) async fn rm(context: &Context, args: RmArgs) -> Result<(), Failure> {
    let frames = args.frames.iter().map(|frame| context.frame(frame));
    let frames = frames.collect::<Result<Vec<FrameId>, Failure>>()?;
    let names: Vec<String> = frames.iter().map(ToString::to_string).collect();
    context
        .output
        .confirm(&format!("delete {}?", names.join(", ")))
        .await?;
    for frame in &frames {
        let request = context.client.frame(frame).delete();
        let done = noted!(request, context, args.note.clone()).send().await?;
        context.output.answer(&done, || done.message.clone())?;
    }
    Ok(())
}

/// Brings a frame back.
pub(super) async fn undelete(context: &Context, args: UndeleteArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let request = context.client.frame(&frame).undelete();
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        let rows = several(done.rows, "row");
        let commit = short(&done.commit);
        format!("{frame}: version {}, {rows}, commit {commit}", done.version)
    })
}

/// The frame that a target means: `bucket/` is a bucket in which the frame keeps its name.
fn target(context: &Context, frame: &FrameId, target: &str) -> Result<FrameId, Failure> {
    match target.strip_suffix('/') {
        Some("") => Ok(FrameId::new(None, frame.name.clone())),
        Some(bucket) => Ok((bucket, frame.name.as_str()).to_frame_id()?),
        None => context.frame(target),
    }
}

/// Renames a frame.
pub(super) async fn mv(context: &Context, args: MvArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let target = target(context, &frame, &args.target)?;
    let request = context.client.frame(&frame).rename(target);
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || new_frame(&done))
}

/// Copies a frame.
pub(super) async fn cp(context: &Context, args: CpArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let target = target(context, &frame, &args.target)?;
    let mut request = context.client.frame(&frame).copy(target);
    if let Some(state) = args.as_of.as_of {
        request = request.as_of(state);
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || new_frame(&done))
}

fn new_frame(done: &NewFrame) -> String {
    let frame = FrameId::new(done.bucket.clone(), done.name.clone());
    let (rows, commit) = (several(done.rows, "row"), short(&done.commit));
    format!("{frame}: version {}, {rows}, commit {commit}", done.version)
}

/// Deletes rows.
pub(super) async fn delete_rows(context: &Context, args: DeleteRowsArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    let mut request = context.client.frame(&frame).delete_rows();
    if let Some(start) = args.range.start {
        request = request.start(start);
    }
    if let Some(stop) = args.range.stop {
        request = request.stop(stop);
    }
    if let Some(closed) = args.range.closed {
        request = request.closed(closed);
    }
    if let Some(condition) = args.condition {
        request = request.condition(condition);
    }
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    context
        .output
        .confirm(&format!("delete rows of {frame}?"))
        .await?;
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || match done.version {
        Some(version) => format!(
            "{frame}: version {version}, {} deleted",
            several(done.rows_removed, "row")
        ),
        None => format!("{frame}: no such rows, nothing was changed"),
    })
}

/// Changes columns.
pub(super) async fn alter(context: &Context, args: AlterArgs) -> Result<(), Failure> {
    let frame = context.frame(&args.frame)?;
    if !args.drop.is_empty() {
        let columns = args.drop.join(", ");
        context
            .output
            .confirm(&format!("drop {columns} from {frame}?"))
            .await?;
    }
    let mut request = context.client.frame(&frame).alter();
    for (name, data_type) in args.add {
        request = request.add(name, data_type);
    }
    for name in args.drop {
        request = request.drop(name);
    }
    for (old, new) in args.rename {
        request = request.rename(old, new);
    }
    for (name, data_type) in args.widen {
        request = request.widen(name, data_type);
    }
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        let columns = count(done.columns.len() as u64);
        format!("{frame}: version {}, {columns} columns", done.version)
    })
}
