//! The formats that rows are written in, and what each has no form for.

use std::path::Path;

use arrow_schema::{DataType, Schema};
use shoots_proto::{ErrorKind, RequestError};

use super::packing;
use crate::Error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Apache Parquet. Types and metadata come back as they were; of a dictionary only the values that rows use.
    Parquet,
    /// Text with a line of names first, commas between values, and nothing where there is null.
    Csv,
    /// JSON Lines: an object for each row.
    Json,
    /// An Arrow IPC file, also known as Feather.
    Arrow,
    /// An Arrow IPC stream, which is read from the beginning to the end.
    ArrowStream,
}

impl FileFormat {
    /// The format that the end of a file's name stands for: `.parquet` (also `.pq`), `.csv`, `.json` (also `.jsonl`,
    /// `.ndjson`), `.arrow` (also `.feather`, `.ipc`) or `.arrows`, in any case. Behind it `.gz` or `.zst` may say that the
    /// file is compressed as a whole, unless it is Parquet, which is so inside.
    ///
    /// ```
    /// use shoots_client::FileFormat;
    ///
    /// assert_eq!(FileFormat::of("flights.parquet".as_ref())?, FileFormat::Parquet);
    /// assert_eq!(FileFormat::of("flights.JSONL".as_ref())?, FileFormat::Json);
    /// assert_eq!(FileFormat::of("flights.csv.gz".as_ref())?, FileFormat::Csv);
    /// assert!(FileFormat::of("flights.xlsx".as_ref()).is_err());
    /// assert!(FileFormat::of("flights.parquet.gz".as_ref()).is_err());
    /// # Ok::<_, shoots_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it stands for none of them.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let inside = packing::inside(path);
        let named = inside.as_deref().unwrap_or(path);
        let extension = named.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_lowercase).as_deref() {
            Some("parquet" | "pq") if inside.is_some() => {
                let problem = format!(
                    "Parquet is compressed inside: leave out what follows `{}`",
                    named.display()
                );
                Err(RequestError::new("export", Some("path"), problem).into())
            }
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("json" | "jsonl" | "ndjson") => Ok(Self::Json),
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("arrows") => Ok(Self::ArrowStream),
            _ => {
                let problem = format!(
                    "must end in `.parquet`, `.csv`, `.json` or `.arrow`, or in one of the last three and `.gz` or `.zst` (got `{}`)",
                    path.display()
                );
                Err(RequestError::new("export", Some("path"), problem).into())
            }
        }
    }

    /// Refuses columns that have no form in a file of this format. CSV has none for lists, structs, maps and bytes.
    ///
    /// # Errors
    /// A [`SchemaError`](ErrorKind::SchemaError) that names the columns.
    pub fn check(self, schema: &Schema) -> Result<(), Error> {
        if self != Self::Csv {
            return Ok(());
        }
        let fields = schema.fields().iter();
        let without_form = fields.filter(|field| !has_text(field.data_type()));
        let names: Vec<String> = without_form
            .map(|field| format!("`{}` ({})", field.name(), field.data_type()))
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "CSV cannot hold {}; choose other columns, or another format such as Parquet",
            names.join(", ")
        );
        Err(Error::new(ErrorKind::SchemaError, problem))
    }
}

/// Whether every value of a type is one text.
fn has_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has_text(values),
        other => {
            !other.is_nested()
                && !other.is_binary()
                && !matches!(other, DataType::FixedSizeBinary(_))
        }
    }
}
