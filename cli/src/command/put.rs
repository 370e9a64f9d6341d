//! `put`: a file becomes rows of a frame, in one commit.

use std::path::PathBuf;

use arrow_schema::SchemaRef;
use clap::Args;
use futures::StreamExt;
use shoots_client::{Closed, FrameId, PutMode, PutResult, UpdateScope};
use tokio::sync::mpsc;

use super::Context;
use super::note::{NoteArgs, noted};
use super::state::in_any_case;
use crate::failure::Failure;
use crate::input::{self, Input, ReadArgs, describe};
use crate::output::{bytes, count, several};

/// Batches on their way from the file to the server.
const BATCHES_AHEAD: usize = 2;

/// What to put, and where.
#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// The file: .parquet, .csv, .json, .arrow, these with .gz or .zst too; `-` is standard input
    file: PathBuf,
    /// The frame, as `name` or `bucket/name` [default: the file's name without its endings]
    #[arg(long, value_name = "FRAME")]
    name: Option<String>,
    /// What happens to rows that are there: error, append, replace, update, upsert
    #[arg(long, value_name = "MODE", default_value = "error")]
    #[arg(value_parser = in_any_case::<PutMode>)]
    mode: PutMode,
    /// Columns that the rows of a new frame are sorted by, with commas between them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    index: Vec<String>,
    /// Mode update: where the range begins in which rows make way
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    start: Option<String>,
    /// Mode update: where that range stops
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    stop: Option<String>,
    /// Mode update: which of the given ends belong to it: left, right, both, neither
    #[arg(long, value_name = "ENDS", value_parser = in_any_case::<Closed>)]
    closed: Option<Closed>,
    /// Mode update: which rows in the range make way: range (all), keys (those with a key that comes)
    #[arg(long, value_name = "SCOPE", value_parser = in_any_case::<UpdateScope>)]
    scope: Option<UpdateScope>,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only say what columns the file has
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl PutArgs {
    /// Whether nothing is put.
    pub(crate) fn only_looks(&self) -> bool {
        self.dry_run
    }

    /// Says what columns the file has.
    pub(crate) fn look(&self, output: &crate::output::Output) -> Result<(), Failure> {
        let input = input::open(&self.file, &self.read, None)?;
        if output.json {
            let columns: Vec<serde_json::Value> = input
                .schema
                .fields()
                .iter()
                .map(|field| {
                    let name = shoots_store::type_name(field.data_type());
                    serde_json::json!({"name": field.name(), "type": name})
                })
                .collect();
            return output.line(&serde_json::Value::from(columns).to_string());
        }
        output.line(&describe(&input.schema))
    }
}

/// Puts a file.
pub(super) async fn put(context: &Context, args: PutArgs) -> Result<(), Failure> {
    let name = args
        .name
        .clone()
        .or_else(|| input::frame_named_after(&args.file));
    let name = name.ok_or_else(|| Failure::usage("say with --name which frame it is for"))?;
    let frame = context.frame(&name)?;
    let known = known_columns(context, &args, &frame).await;
    let (file, read) = (args.file.clone(), args.read.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let known = known.as_deref();
        input::open(&file, &read, known)
    })
    .await;
    let input = opened.map_err(Failure::here)??;
    for note in &input.notes {
        context.output.note(note);
    }
    let mut request = context.client.put(&frame).mode(args.mode);
    if !args.index.is_empty() {
        request = request.index(args.index);
    }
    if let Some(start) = args.start {
        request = request.start(start);
    }
    if let Some(stop) = args.stop {
        request = request.stop(stop);
    }
    if let Some(closed) = args.closed {
        request = request.closed(closed);
    }
    if let Some(scope) = args.scope {
        request = request.scope(scope);
    }
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    let request = noted!(request, context, args.note);
    let done = send(context, request, input, &frame).await?;
    if !done.columns_added.is_empty() {
        let columns = done.columns_added.join(", ");
        context.output.note(&format!(
            "{frame} has new columns: {columns} (if that is a mistake: shoots restore '{frame}' {})",
            done.version.saturating_sub(1)
        ));
    }
    context.output.answer(&done, || told(&frame, &done))
}

/// The columns of the frame that rows are to join, if the file does not say its types itself. Whoever may write there
/// need not be allowed to read them.
async fn known_columns(context: &Context, args: &PutArgs, frame: &FrameId) -> Option<SchemaRef> {
    let joins = matches!(
        args.mode,
        PutMode::Append | PutMode::Update | PutMode::Upsert
    );
    if !joins || !input::takes_types(&args.file, &args.read) {
        return None;
    }
    context.client.get(frame).schema().await.ok()
}

/// Sends the rows of an input as they are read.
pub(super) async fn send(
    context: &Context,
    request: shoots_client::PutRequest,
    input: Input,
    frame: &FrameId,
) -> Result<PutResult, Failure> {
    let progress = context
        .output
        .progress(&format!("putting {frame}"), input.length);
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let (batches, read, shown) = (input.batches, input.read, progress.clone());
    // Reading blocks, so it has a thread of its own, which ends when nobody takes its batches.
    let reading = tokio::task::spawn_blocking(move || {
        for batch in batches {
            let failed = batch.is_err();
            shown.set(read.get());
            if sender.blocking_send(batch).is_err() || failed {
                break;
            }
        }
    });
    let rows = futures::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let sent = request.send_stream(input.schema, rows.boxed()).await;
    progress.end();
    drop(reading);
    Ok(sent?)
}

/// What a put did, in words.
pub(super) fn told(frame: &FrameId, done: &PutResult) -> String {
    let commit: String = done.commit.chars().take(12).collect();
    let in_place = match done.rows_removed {
        0 => String::new(),
        removed => format!(" in place of {}", count(removed)),
    };
    format!(
        "{frame}: version {}, {} put{in_place} ({}), commit {commit}",
        done.version,
        several(done.rows, "row"),
        bytes(done.bytes)
    )
}
