//! Rows from files and standard input: Parquet, Arrow, CSV and JSON.
//!
//! Rows are read as they are taken, so memory follows batches. What a file does not say, the types of CSV and JSON, is
//! inferred, told, and can be said otherwise. A value that its type cannot hold ends the reading with its place.

mod csv;
mod json;
mod packed;
mod source;
mod types;

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{Schema, SchemaRef};
use clap::{Args, ValueEnum};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) use source::Count;
use source::Source;
pub(crate) use types::{Types, describe};

use crate::failure::Failure;
use crate::input::packed::{check_readable, without_packing};
use crate::output::several;

/// How many rows are in a batch of what has none by itself.
const BATCH_ROWS: usize = 16 << 10;

/// The flags that say how a file is read.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How the file is read")]
pub(crate) struct ReadArgs {
    /// What kind of file it is, if its name and first bytes do not tell
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Types of columns instead of those inferred: `time=timestamp[us],carrier=string` (CSV, JSON)
    #[arg(long, value_name = "COLUMN=TYPE,…")]
    pub(crate) types: Vec<Types>,
    /// Where times are from that say no zone: America/New_York, UTC, +02:00 (CSV, JSON)
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<csv::Zone>,
    /// How many rows to look at for the types: a number, or `all` (CSV)
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(crate) infer_rows: InferRows,
    /// A text that stands for null in every column, such as NA; may be given several times (CSV)
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Vec<String>,
    /// What stands between values; \t for a tab (CSV)
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// Tell the types that were inferred, column by column
    #[arg(long)]
    pub(crate) explain: bool,
    /// The first line holds values, and columns are called column_1, column_2, … (CSV)
    #[arg(long)]
    pub(crate) no_header: bool,
}

impl ReadArgs {
    /// How a file is read that is known to be Parquet.
    pub(crate) fn parquet() -> Self {
        Self {
            format: Some(Format::Parquet),
            ..Self::default()
        }
    }

    /// How CSV is read whose columns are known.
    pub(crate) fn csv_of(schema: &SchemaRef) -> Self {
        Self {
            format: Some(Format::Csv),
            types: vec![Types::of(schema)],
            ..Self::default()
        }
    }
}

/// What kinds of files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// JSON Lines, or a list of objects
    Json,
    /// Arrow IPC: a file, also known as Feather, or a stream
    Arrow,
}

/// How many rows of a file its types are inferred from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum InferRows {
    #[default]
    All,
    First(usize),
}

impl std::str::FromStr for InferRows {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(0) => Err("must be at least 1, or `all`"),
            Ok(rows) => Ok(Self::First(rows)),
            Err(_) if text == "all" => Ok(Self::All),
            Err(_) => Err("must be a number of rows, or `all`"),
        }
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
            _ => Err("must be one ASCII character, or \\t".to_owned()),
        },
    }
}

/// Batches of a file, in turn.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Failure>> + Send>;

/// A file that is open, with the columns it has.
pub(crate) struct Input {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Batches,
    /// What was inferred, to be told.
    pub(crate) notes: Vec<String>,
    /// How far it has been read.
    pub(crate) read: Count,
    /// How long it is, if that is known.
    pub(crate) length: Option<u64>,
}

/// What to call a file, and what its name and first bytes say of it.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    let name = Path::new(without_packing(path.to_str()?));
    let extension = name.extension()?.to_str()?.to_lowercase();
    match extension.as_str() {
        "parquet" | "pq" => Some(Format::Parquet),
        "csv" | "tsv" | "txt" => Some(Format::Csv),
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        "arrow" | "arrows" | "feather" | "ipc" => Some(Format::Arrow),
        _ => None,
    }
}

/// Opens a file, or standard input if the path is `-`. Where a file does not say its types, it has those of the columns
/// of `frame`, if that is known.
pub(crate) fn open(path: &Path, args: &ReadArgs, frame: Option<&Schema>) -> Result<Input, Failure> {
    let name = match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let source = Source::open(path, &name)?;
    check_readable(&name, source.head())?;
    let format = match args.format.or_else(|| format_of(path)) {
        Some(format) => format,
        None => source.guess()?,
    };
    let types = Types::joined(&args.types)?;
    if !types.is_empty() && matches!(format, Format::Parquet | Format::Arrow) {
        return Err(Failure::usage(format!(
            "{name} says its types itself; leave --types out"
        )));
    }
    if args.zone.is_some() && matches!(format, Format::Parquet | Format::Arrow) {
        return Err(Failure::usage(format!(
            "{name} says the zones of its times itself; leave --zone out"
        )));
    }
    let types = csv::Wanted {
        said: types,
        frame: frame.map_or_else(Types::default, Types::of),
        zone: args.zone.clone(),
    };
    match format {
        Format::Parquet => parquet(source),
        Format::Arrow => arrow(source),
        Format::Json => json::open(source, types, args.explain),
        Format::Csv => {
            let tabs = Path::new(without_packing(&name))
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("tsv"));
            let delimiter = args.delimiter.unwrap_or(if tabs { b'\t' } else { b',' });
            csv::open(source, types, args, delimiter)
        }
    }
}

fn parquet(source: Source) -> Result<Input, Failure> {
    let file = source.into_file()?;
    let name = file.name;
    let unreadable = {
        let name = name.clone();
        move |error: &dyn std::fmt::Display| Failure::data(format!("{name}: {error}"))
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.file)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(|error| unreadable(&error))?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let read = file.read.clone();
    let (total, length) = (file.rows, file.length);
    let mut rows = 0_u64;
    let batches = reader.map(move |batch| {
        let batch = batch.map_err(|error| unreadable(&error))?;
        rows += batch.num_rows() as u64;
        // Its bytes are read in any order; so its rows say how far it has come.
        if let (Some(total), Some(length)) = (total.filter(|total| *total > 0), length) {
            read.set((u128::from(length) * u128::from(rows) / u128::from(total)) as u64);
        }
        Ok(batch)
    });
    Ok(Input {
        schema,
        batches: Box::new(batches),
        notes: Vec::new(),
        read: file.read,
        length,
    })
}

fn arrow(source: Source) -> Result<Input, Failure> {
    let is_file = source.head().starts_with(b"ARROW1");
    let name = source.name().to_owned();
    let unreadable = move |error: &dyn std::fmt::Display| Failure::data(format!("{name}: {error}"));
    if is_file {
        let file = source.into_file()?;
        let reader =
            FileReader::try_new_buffered(file.file, None).map_err(|error| unreadable(&error))?;
        let (schema, total) = (reader.schema(), reader.num_batches() as u64);
        let (read, length) = (file.read.clone(), file.length);
        let batches = (1_u64..).zip(reader).map(move |(number, batch)| {
            if let (Some(length), true) = (length, total > 0) {
                read.set((u128::from(length) * u128::from(number) / u128::from(total)) as u64);
            }
            batch.map_err(|error| unreadable(&error))
        });
        return Ok(Input {
            schema,
            batches: Box::new(batches),
            notes: Vec::new(),
            read: file.read,
            length,
        });
    }
    let (read, length) = (source.count(), source.length());
    let reader =
        StreamReader::try_new(source.into_bytes(), None).map_err(|error| unreadable(&error))?;
    Ok(Input {
        schema: reader.schema(),
        batches: Box::new(reader.map(move |batch| batch.map_err(|error| unreadable(&error)))),
        notes: Vec::new(),
        read,
        length,
    })
}

/// The name of a frame that a file is for: its own, without what says how it is written.
pub(crate) fn frame_named_after(path: &Path) -> Option<String> {
    let named = Path::new(without_packing(path.to_str()?));
    let named: PathBuf = named.with_extension("");
    Some(named.file_name()?.to_str()?.to_owned()).filter(|name| name != "-")
}

/// Whether the types of a file are those of a frame where they are not said.
pub(crate) fn takes_types(path: &Path, args: &ReadArgs) -> bool {
    let format = args.format.or_else(|| format_of(path));
    !matches!(format, Some(Format::Parquet | Format::Arrow))
}

/// What is told of the types of a file that were inferred.
fn inferred(name: &str, inferred: &Schema, explain: bool) -> String {
    match explain {
        true => format!(
            "{name}: inferred {} (--types says otherwise)",
            describe(inferred)
        ),
        false => {
            let columns = several(inferred.fields().len() as u64, "column");
            format!(
                "{name}: inferred the types of {columns} (--explain tells them, --types says otherwise)"
            )
        }
    }
}
