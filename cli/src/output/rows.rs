//! Where rows go: a table on a terminal, lines in a pipe, a file.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use clap::{Args, ValueEnum};
use futures::TryStreamExt;
use shoots_client::{Batches, FileFormat, FileWriter, RowWriter};

use super::{Output, bytes, count, several};
use crate::failure::Failure;

/// The flags that say where rows go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RowsArgs {
    /// File to write, whose name says how: .parquet, .csv, .json, .arrow; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write; on a terminal a table if it is not said, in a pipe CSV
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// How many rows a table shows; 0 for all
    #[arg(long, value_name = "N", default_value_t = 40)]
    rows: usize,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// JSON Lines
    Json,
    /// Arrow IPC, also known as Feather
    Arrow,
}

/// Where rows go.
pub(crate) enum Target {
    /// A table on standard output, with so many rows; 0 for all.
    Table(usize),
    /// The bytes of a file on standard output.
    Stdout(FileFormat),
    /// A file.
    File(PathBuf, FileFormat),
}

impl RowsArgs {
    /// Lets a table show every row that comes.
    pub(crate) fn show_all(&mut self) {
        self.rows = 0;
    }

    /// Where rows go, before any is asked for.
    pub(crate) fn target(&self, output: &Output) -> Result<Target, Failure> {
        let file = self
            .output
            .as_deref()
            .filter(|path| *path != Path::new("-"));
        if let Some(path) = file {
            let format = match self.format {
                None => FileFormat::of(path).map_err(|_| {
                    Failure::usage(format!(
                        "{} must end in .parquet, .csv, .json or .arrow, or say --format",
                        path.display()
                    ))
                })?,
                Some(Format::Table) => {
                    return Err(Failure::usage(
                        "a file holds no table; choose another --format",
                    ));
                }
                Some(Format::Parquet) => FileFormat::Parquet,
                Some(Format::Csv) => FileFormat::Csv,
                Some(Format::Json) => FileFormat::Json,
                Some(Format::Arrow) => FileFormat::Arrow,
            };
            return Ok(Target::File(path.to_owned(), format));
        }
        let format = match (self.format, output.json) {
            (Some(Format::Table), _) => return Ok(Target::Table(self.rows)),
            (Some(Format::Parquet), _) => FileFormat::Parquet,
            (Some(Format::Csv), _) => FileFormat::Csv,
            (Some(Format::Arrow), _) => FileFormat::ArrowStream,
            (Some(Format::Json), _) | (None, true) => FileFormat::Json,
            (None, false) if output.terminal => return Ok(Target::Table(self.rows)),
            (None, false) => FileFormat::Csv,
        };
        let bytes_for_programs = matches!(format, FileFormat::Parquet | FileFormat::ArrowStream);
        if bytes_for_programs && output.terminal {
            let problem = "a terminal cannot show this format; name a file with -o, or use a pipe";
            return Err(Failure::usage(problem));
        }
        Ok(Target::Stdout(format))
    }
}

impl Target {
    /// Takes rows there. `expected` is how many there are, if that is known.
    pub(crate) async fn take(
        self,
        output: &Output,
        batches: Batches,
        expected: Option<u64>,
    ) -> Result<(), Failure> {
        match self {
            Self::Table(rows) => show(output, batches, rows, expected).await,
            Self::Stdout(format) => write_out(format, batches).await,
            Self::File(path, format) => write_file(output, &path, format, batches, expected).await,
        }
    }
}

/// A table of the first rows. What is not shown is not fetched.
async fn show(
    output: &Output,
    mut batches: Batches,
    most: usize,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let schema = batches.schema();
    let mut shown: Vec<RecordBatch> = Vec::new();
    let (mut rows, mut more) = (0, false);
    while let Some(batch) = batches.try_next().await? {
        let room = match most {
            0 => batch.num_rows(),
            most => most - rows,
        };
        more = batch.num_rows() > room;
        let taken = batch.slice(0, room.min(batch.num_rows()));
        rows += taken.num_rows();
        shown.push(taken);
        if more {
            break;
        }
    }
    let table = super::sample::table(&schema, &shown, output.width, output.colored);
    let table = table.map_err(|error| Failure::here(format!("cannot show the rows: {error}")))?;
    output.line(&table)?;
    let columns = several(schema.fields().len() as u64, "column");
    let told = match (more, expected) {
        (false, _) => format!("{}, {columns}", several(rows as u64, "row")),
        (true, Some(all)) => format!(
            "{} of {} rows, {columns}; --rows shows more, -o FILE takes all",
            count(rows as u64),
            count(all)
        ),
        (true, None) => format!(
            "the first {} rows, {columns}; --rows shows more, -o FILE takes all",
            count(rows as u64)
        ),
    };
    output.note(&told);
    Ok(())
}

/// Standard output, and whether nobody reads it any more: the writers of formats keep that to themselves.
struct Pipe {
    out: Stdout,
    closed: Arc<AtomicBool>,
}

impl Pipe {
    fn noting<T>(&self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.closed.store(true, Ordering::Relaxed);
            }
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.noting(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noting(flushed)
    }
}

async fn write_out(format: FileFormat, mut batches: Batches) -> Result<(), Failure> {
    let closed = Arc::new(AtomicBool::new(false));
    let pipe = BufWriter::new(Pipe {
        out: io::stdout(),
        closed: Arc::clone(&closed),
    });
    let failed = |error: shoots_client::Error| match closed.load(Ordering::Relaxed) {
        true => Failure::NobodyReads,
        false => error.into(),
    };
    let mut writer = RowWriter::new(format, pipe, &batches.schema()).map_err(failed)?;
    while let Some(batch) = batches.try_next().await? {
        writer.write(&batch).map_err(failed)?;
    }
    let written = writer.finish().map_err(failed);
    written.map(|_| ())
}

async fn write_file(
    output: &Output,
    path: &Path,
    format: FileFormat,
    mut batches: Batches,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let progress = output.progress("writing", expected).of_rows();
    let mut file = FileWriter::create(path, format, &batches.schema())?;
    while let Some(batch) = batches.try_next().await? {
        let rows = batch.num_rows() as u64;
        // Writing may wait for the disk; the connection goes on meanwhile, on other threads.
        file.write(&batch)?;
        progress.add(rows);
    }
    let done = file.finish()?;
    progress.end();
    output.note(&format!(
        "{}: {}, {}",
        path.display(),
        several(done.rows, "row"),
        bytes(done.bytes)
    ));
    Ok(())
}
