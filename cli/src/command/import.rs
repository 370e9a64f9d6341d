//! `import`: the files that `export` wrote become frames of a bucket.

use std::path::PathBuf;

use clap::Args;
use shoots_client::{FrameId, PutMode, PutResult};

use super::Context;
use super::note::{NoteArgs, noted};
use super::put::{send, told};
use super::state::in_any_case;
use crate::archive::{Archived, List, Recorded, RowsFormat, read_schema};
use crate::failure::Failure;
use crate::input::{self, Input};

/// What to put, and where.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The folder
    folder: PathBuf,
    /// The frames to put [default: all]
    #[arg(long, value_name = "FRAME,…", value_delimiter = ',')]
    frames: Vec<String>,
    /// What happens to rows that are there: error, append, replace, update, upsert
    #[arg(long, value_name = "MODE", default_value = "error")]
    #[arg(value_parser = in_any_case::<PutMode>)]
    mode: PutMode,
    #[command(flatten)]
    note: NoteArgs,
}

/// Puts the frames of a folder, each in one commit. `-b` names another bucket than the one that they come from.
pub(super) async fn import(context: &Context, args: ImportArgs) -> Result<(), Failure> {
    let list = List::read(&args.folder)?;
    let bucket = match context.bucket_said {
        true => context.bucket.clone(),
        false => list.bucket,
    };
    let unknown = args.frames.iter().find(|name| {
        !list
            .frames
            .iter()
            .any(|frame| frame.name.as_str() == **name)
    });
    if let Some(unknown) = unknown {
        return Err(Failure::usage(format!(
            "{} holds no frame {unknown:?}",
            args.folder.display()
        )));
    }
    for archived in &list.frames {
        let name = archived.name.as_str();
        if !args.frames.is_empty() && !args.frames.iter().any(|chosen| chosen == name) {
            continue;
        }
        let frame = FrameId::new(bucket.clone(), archived.name.clone());
        let done = put(context, &frame, archived, list.rows, &args).await?;
        match context.output.answer(&done, || told(&frame, &done)) {
            // The frames that are left are wanted all the same.
            Ok(()) | Err(Failure::NobodyReads) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn put(
    context: &Context,
    frame: &FrameId,
    archived: &Archived,
    format: RowsFormat,
    args: &ImportArgs,
) -> Result<PutResult, Failure> {
    let (folder, archived) = (args.folder.clone(), archived.clone());
    let index = archived.index.clone();
    let opened = tokio::task::spawn_blocking(move || open(&folder, &archived, format)).await;
    let input = opened.map_err(Failure::here)??;
    let mut request = context.client.put(frame).mode(args.mode);
    if !index.is_empty() {
        request = request.index(index);
    }
    let note = args.note.clone();
    send(context, noted!(request, context, note), input, frame).await
}

/// The rows of a frame as they were.
fn open(
    folder: &std::path::Path,
    archived: &Archived,
    format: RowsFormat,
) -> Result<Input, Failure> {
    let (schema, empty) = read_schema(&archived.schema_file(folder))?;
    let path = archived.rows_file(folder, format);
    let input = match format {
        RowsFormat::Parquet => input::open(&path, &input::ReadArgs::parquet(), None)?,
        RowsFormat::Csv => input::open(&path, &input::ReadArgs::csv_of(&schema), None)?,
    };
    let misfit = move |error: &dyn std::fmt::Display| {
        Failure::data(format!(
            "{} does not fit what is recorded beside it: {error}",
            path.display()
        ))
    };
    let recorded = Recorded::new(&schema, &empty).map_err(|error| misfit(&error))?;
    let batches = input.batches;
    let batches =
        batches.map(move |batch| recorded.restore(&batch?).map_err(|error| misfit(&error)));
    Ok(Input {
        schema,
        batches: Box::new(batches),
        ..input
    })
}
