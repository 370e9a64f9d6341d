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
    /// File to write, whose name says how: .parquet, .csv, .json, .arrow, .csv.gz, .json.zst; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write; on a terminal a table if it is not said, in a pipe CSV
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// At most so many rows; 0 for all [default: 40 in a table, all in a pipe or a file]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
}

/// How many rows a table shows, if that is not said.
const TABLE_ROWS: usize = 40;

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
    /// A table on standard output.
    Table(Most),
    /// The bytes of a file on standard output.
    Stdout(FileFormat, Most),
    /// A file.
    File(PathBuf, FileFormat, Most),
}

/// How many rows are taken.
#[derive(Clone, Copy)]
pub(crate) enum Most {
    All,
    Rows(usize),
}

impl Most {
    fn of(said: Option<usize>, otherwise: Self) -> Self {
        match said {
            None => otherwise,
            Some(0) => Self::All,
            Some(rows) => Self::Rows(rows),
        }
    }

    /// What of a batch is taken, if something is; less is left to be taken then.
    fn take(&mut self, batch: &RecordBatch) -> Option<RecordBatch> {
        match self {
            Self::All => Some(batch.clone()),
            Self::Rows(0) => None,
            Self::Rows(left) => {
                let taken = batch.slice(0, batch.num_rows().min(*left));
                *left -= taken.num_rows();
                Some(taken)
            }
        }
    }
}

impl RowsArgs {
    /// Lets a table show every row that comes.
    pub(crate) fn show_all(&mut self) {
        self.rows = self.rows.or(Some(0));
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
                        "{} must end in .parquet, .csv, .json or .arrow, all but Parquet also with .gz or .zst behind \
                         it; or say --format",
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
            let most = Most::of(self.rows, Most::All);
            return Ok(Target::File(path.to_owned(), format, most));
        }
        let of_table = Most::of(self.rows, Most::Rows(TABLE_ROWS));
        let format = match (self.format, output.json) {
            (Some(Format::Table), _) => return Ok(Target::Table(of_table)),
            (Some(Format::Parquet), _) => FileFormat::Parquet,
            (Some(Format::Csv), _) => FileFormat::Csv,
            (Some(Format::Arrow), _) => FileFormat::ArrowStream,
            (Some(Format::Json), _) | (None, true) => FileFormat::Json,
            (None, false) if output.terminal => return Ok(Target::Table(of_table)),
            (None, false) => FileFormat::Csv,
        };
        let bytes_for_programs = matches!(format, FileFormat::Parquet | FileFormat::ArrowStream);
        if bytes_for_programs && output.terminal {
            let problem = "a terminal cannot show this format; name a file with -o, or use a pipe";
            return Err(Failure::usage(problem));
        }
        Ok(Target::Stdout(format, Most::of(self.rows, Most::All)))
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
            Self::Table(most) => show(output, batches, most, expected).await,
            Self::Stdout(format, most) => write_out(format, batches, most).await,
            Self::File(path, format, most) => {
                write_file(output, &path, (format, most), batches, expected).await
            }
        }
    }
}

/// A table of the first rows. What is not shown is not fetched.
async fn show(
    output: &Output,
    mut batches: Batches,
    mut most: Most,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let schema = batches.schema();
    let mut shown: Vec<RecordBatch> = Vec::new();
    let (mut rows, mut more) = (0, false);
    while let Some(batch) = batches.try_next().await? {
        let taken = most.take(&batch);
        let room = taken.as_ref().map_or(0, RecordBatch::num_rows);
        rows += room;
        shown.extend(taken);
        more = batch.num_rows() > room;
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

async fn write_out(
    format: FileFormat,
    mut batches: Batches,
    mut most: Most,
) -> Result<(), Failure> {
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
        let Some(taken) = most.take(&batch) else {
            break;
        };
        writer.write(&taken).map_err(failed)?;
    }
    let written = writer.finish().map_err(failed);
    written.map(|_| ())
}

async fn write_file(
    output: &Output,
    path: &Path,
    (format, mut most): (FileFormat, Most),
    mut batches: Batches,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let progress = output.progress("writing", expected).of_rows();
    let mut file = FileWriter::create(path, format, &batches.schema())?;
    while let Some(batch) = batches.try_next().await? {
        let Some(taken) = most.take(&batch) else {
            break;
        };
        // Writing may wait for the disk; the connection goes on meanwhile, on other threads.
        file.write(&taken)?;
        progress.add(taken.num_rows() as u64);
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
