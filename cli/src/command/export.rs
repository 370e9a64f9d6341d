//! `export`: the frames of a bucket become files in a folder.

use std::path::{Path, PathBuf};

use arrow_cast::can_cast_types;
use arrow_schema::{DataType, Schema};
use clap::Args;
use futures::TryStreamExt;
use shoots_client::{AsOf, Batches, ErrorKind, FileFormat, FileWriter, FlightPeer, FrameId};
use shoots_store::{Peer, type_name};

use super::Context;
use super::state::AsOfArgs;
use crate::archive::{Archived, Collected, LIST, List, RowsFormat, write_schema};
use crate::failure::Failure;
use crate::output::{Listing, bytes, count};

/// What to write, and where.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The folder; it is made if there is none
    folder: PathBuf,
    /// The frames of the bucket to write [default: all]
    #[arg(long, value_name = "FRAME,…", value_delimiter = ',')]
    frames: Vec<String>,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    format: RowsFormat,
    /// Replace what an earlier export wrote into the folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    as_of: AsOfArgs,
}

/// Writes frames.
pub(super) async fn export(context: &Context, args: ExportArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    prepare(folder, args.overwrite)?;
    let frames = chosen(context, &args).await?;
    if frames.is_empty() {
        return Err(Failure::usage(
            "there is no frame to write in the bucket; name another with -b",
        ));
    }
    let asked = frames.len();
    let (mut written, mut sizes) = (Vec::new(), Vec::new());
    let mut unreadable = Vec::new();
    for frame in frames {
        match write(context, &frame, &args).await {
            Ok((archived, size)) => {
                written.push(archived);
                sizes.push(size);
            }
            Err(failure) if is_of_one_frame(&failure) => unreadable.push((frame, failure)),
            Err(failure) => return Err(failure),
        }
    }
    let list = List::new(context.bucket.clone(), args.format, written);
    list.write(folder)?;
    context.output.list(&list.frames, || {
        let mut listing = Listing::new(&["frame", "rows", "size", "file"]).right(&[1, 2]);
        for (frame, size) in list.frames.iter().zip(sizes) {
            let file = frame.rows_file(folder, args.format);
            listing.row([
                frame.name.to_string(),
                count(frame.rows),
                bytes(size),
                file.display().to_string(),
            ]);
        }
        listing
    })?;
    match unreadable.first() {
        None => Ok(()),
        Some((_, first)) => Err(Failure::with(first.code(), left_out(&unreadable, asked))),
    }
}

/// Whether others can be written all the same.
fn is_of_one_frame(failure: &Failure) -> bool {
    let Failure::Client(error, _) = failure else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::DamagedError | ErrorKind::ShootsIOError | ErrorKind::PromisedError
    )
}

fn left_out(unreadable: &[(FrameId, Failure)], asked: usize) -> String {
    let told = unreadable
        .iter()
        .map(|(frame, why)| format!("{frame}: {why}"));
    let told: Vec<String> = told.collect();
    format!(
        "{} of {asked} frames could not be written, the others were: {}",
        unreadable.len(),
        told.join("; ")
    )
}

fn prepare(folder: &Path, overwrite: bool) -> Result<(), Failure> {
    let failed = |error| Failure::here(format!("cannot use {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let list = folder.join(LIST);
    if list.exists() {
        if !overwrite {
            return Err(Failure::with(
                crate::failure::code::EXISTS,
                format!(
                    "{} holds an export; choose another folder, or say --overwrite",
                    folder.display()
                ),
            ));
        }
        // Until the new one is complete, the folder holds none.
        std::fs::remove_file(&list).map_err(failed)?;
    }
    Ok(())
}

/// The frames that are meant: those that were named, those of a snapshot, or all of the bucket.
async fn chosen(context: &Context, args: &ExportArgs) -> Result<Vec<FrameId>, Failure> {
    let of_bucket = |frame: &FrameId| frame.bucket == context.bucket;
    if !args.frames.is_empty() {
        let frames = args.frames.iter().map(|frame| context.frame(frame));
        let frames = frames.collect::<Result<Vec<_>, _>>()?;
        return match frames.iter().find(|frame| !of_bucket(frame)) {
            Some(other) => Err(Failure::usage(format!(
                "{other} is in another bucket; export one bucket at a time, named with -b"
            ))),
            None => Ok(frames),
        };
    }
    if let Some(AsOf::Snapshot(name)) = &args.as_of.as_of {
        let told = context.client.snapshots().send().await?;
        let snapshot = told
            .snapshots
            .into_iter()
            .find(|one| one.snapshot == name.as_str());
        let pinned = snapshot.map(|snapshot| snapshot.frames).unwrap_or_default();
        let frames = pinned
            .into_iter()
            .map(|one| FrameId::new(one.bucket, one.name));
        return Ok(frames.filter(of_bucket).collect());
    }
    let mut request = context.client.list();
    if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    request.send().await?;
    // Listings leave out what cannot be read, and an export must not.
    let peer = FlightPeer::of(&context.client, "listing frames");
    let names = peer.frames(context.bucket.as_ref()).await;
    let names = names.map_err(Failure::here)?;
    let frame = |name| FrameId::new(context.bucket.clone(), name);
    Ok(names.into_iter().map(frame).collect())
}

/// Writes one frame, and says how long the file of its rows is.
async fn write(
    context: &Context,
    frame: &FrameId,
    args: &ExportArgs,
) -> Result<(Archived, u64), Failure> {
    let handle = context.client.frame(frame);
    let told = handle.describe(args.as_of.as_of.clone()).send().await?;
    let mut request = handle.get();
    // The rows of the very version that was described.
    if let Some(version) = told.version.and_then(|version| i64::try_from(version).ok()) {
        request = request.as_of(AsOf::Version(version));
    }
    let batches = request.stream().await?;
    if args.format == RowsFormat::Csv {
        check_texts(frame, &batches.schema())?;
    }
    let mut archived = Archived {
        name: frame.name.clone(),
        index: told.index.into_iter().map(|column| column.name).collect(),
        rows: 0,
        version: told.version,
        commit: told.commit,
    };
    let progress = context
        .output
        .progress(&format!("writing {frame}"), Some(told.rows))
        .of_rows();
    let path = archived.rows_file(&args.folder, args.format);
    let format = match args.format {
        RowsFormat::Parquet => FileFormat::Parquet,
        RowsFormat::Csv => FileFormat::Csv,
    };
    let (file, collected) = rows(batches, &path, format, |rows| progress.add(rows)).await?;
    let empty = collected.empty().map_err(Failure::here)?;
    write_schema(&archived.schema_file(&args.folder), &empty)?;
    let done = file.finish()?;
    progress.end();
    archived.rows = done.rows;
    Ok((archived, done.bytes))
}

async fn rows(
    mut batches: Batches,
    path: &Path,
    format: FileFormat,
    written: impl Fn(u64),
) -> Result<(FileWriter, Collected), Failure> {
    let schema = batches.schema();
    let mut file = FileWriter::create(path, format, &schema)?;
    let mut collected = Collected::new(&schema).map_err(Failure::here)?;
    while let Some(batch) = batches.try_next().await? {
        collected.add(&batch).map_err(Failure::here)?;
        file.write(&batch)?;
        written(batch.num_rows() as u64);
    }
    Ok((file, collected))
}

/// Refuses columns whose texts cannot be read back.
fn check_texts(frame: &FrameId, schema: &Schema) -> Result<(), Failure> {
    let lost = schema.fields().iter().filter(|field| {
        let data_type = field.data_type();
        let length = matches!(data_type, DataType::Duration(_) | DataType::Interval(_));
        let parts = data_type.is_nested() && !matches!(data_type, DataType::Dictionary(..));
        length || parts || data_type.is_binary() || !can_cast_types(&DataType::Utf8, data_type)
    });
    let names = lost.map(|field| format!("{} ({})", field.name(), type_name(field.data_type())));
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Failure::data(format!(
            "{frame}: CSV cannot give back {}; export as Parquet",
            names.join(", ")
        ))),
    }
}
