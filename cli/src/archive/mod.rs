//! A bucket as files in a folder: a file of rows for each frame, beside it the frame without its rows, and a list.
//!
//! ```text
//! bucket.json                which frames there are, and their indexes
//! weather.parquet            the rows, in Parquet or CSV
//! weather.schema.arrow       an Arrow file without rows: types, metadata, and what dictionaries hold
//! ```
//!
//! Parquet keeps of a dictionary the values that rows use, in the order they occur; the third file keeps all of them in
//! their order, so that categories come back as they were. CSV keeps texts; the third file says what they stand for.

mod categories;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter as ArrowFileWriter;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use shoots_client::{BucketName, FrameName};

pub(crate) use categories::{Collected, Recorded};

use crate::failure::Failure;

/// The name of the list.
pub(crate) const LIST: &str = "bucket.json";
/// What this version writes and reads.
const FORMAT: u32 = 1;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowsFormat {
    /// Apache Parquet: everything comes back exactly
    Parquet,
    /// Comma-separated values: an empty text comes back as null
    Csv,
}

/// Which frames are in a folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    shoots: u32,
    /// The bucket they come from; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<BucketName>,
    /// How their rows are written.
    pub(crate) rows: RowsFormat,
    pub(crate) frames: Vec<Archived>,
}

/// A frame in a folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Archived {
    pub(crate) name: FrameName,
    /// The columns that its rows are sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) index: Vec<String>,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// The version that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u64>,
    /// The id of that version's commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
}

impl Archived {
    /// The file of its rows.
    pub(crate) fn rows_file(&self, folder: &Path, format: RowsFormat) -> PathBuf {
        let end = match format {
            RowsFormat::Parquet => "parquet",
            RowsFormat::Csv => "csv",
        };
        folder.join(format!("{}.{end}", self.name.encoded()))
    }

    /// The file of the frame without its rows.
    pub(crate) fn schema_file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.schema.arrow", self.name.encoded()))
    }
}

impl List {
    pub(crate) fn new(bucket: Option<BucketName>, rows: RowsFormat, frames: Vec<Archived>) -> Self {
        Self {
            shoots: FORMAT,
            bucket,
            rows,
            frames,
        }
    }

    /// Writes the list last: a folder without it is not complete.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(LIST);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::here(format!("cannot write {}: {error}", path.display()))
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        let unfinished = folder.join(format!(".{LIST}.part"));
        std::fs::write(&unfinished, text + "\n")
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .map_err(|error| failed(&error))
    }

    /// Reads the list of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(LIST);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::usage(format!(
                "cannot read {}: {error}; name a folder that `shoots export` wrote",
                path.display()
            ))
        })?;
        let list: Self = serde_json::from_str(&text)
            .map_err(|error| Failure::data(format!("{}: {error}", path.display())))?;
        match list.shoots {
            FORMAT => Ok(list),
            other => Err(Failure::data(format!(
                "{} is of format {other}, and this version reads {FORMAT}; use a newer one",
                path.display()
            ))),
        }
    }
}

/// Writes a frame without its rows.
pub(crate) fn write_schema(path: &Path, empty: &RecordBatch) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::here(format!("cannot write {}: {error}", path.display()))
    };
    let file = File::create(path).map_err(|error| failed(&error))?;
    let written =
        ArrowFileWriter::try_new_buffered(file, &empty.schema()).and_then(|mut writer| {
            writer.write(empty)?;
            writer.finish()
        });
    written.map_err(|error| failed(&error))
}

/// Reads a frame without its rows.
pub(crate) fn read_schema(path: &Path) -> Result<(SchemaRef, RecordBatch), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::data(format!("cannot read {}: {error}", path.display()))
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut reader = FileReader::try_new_buffered(file, None).map_err(|error| failed(&error))?;
    let schema = reader.schema();
    let empty = match reader.next() {
        Some(batch) => batch.map_err(|error| failed(&error))?,
        None => RecordBatch::new_empty(Arc::clone(&schema)),
    };
    Ok((schema, empty))
}
