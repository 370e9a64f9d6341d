//! Writing what a get delivers to a file on this side of the wire: Parquet or CSV.
//!
//! Rows are written as they come, so memory follows batches. The file appears whole or not at all: rows go to a file
//! of another name beside it, which takes its name once everything is on the disk. What is given up half-way, by an
//! error or because nobody waits for it any more, leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use shoots_proto::{ErrorKind, RequestError};
use tokio::sync::mpsc;

use crate::{Error, GetRequest};

/// Batches on their way from the server to the disk.
const BATCHES_AHEAD: usize = 2;
/// A row group of a Parquet file is complete when it takes so much memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many rows.
    pub rows: u64,
    /// How long the file is.
    pub bytes: u64,
}

impl GetRequest {
    /// Writes the rows to a file, whose name says how: `.parquet` or `.csv`. A file of that name is replaced.
    ///
    /// In CSV, the first line has the names of the columns, and null is an empty field. Columns of lists, structs,
    /// maps and bytes have no form there: choose [others](Self::columns), or Parquet.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
    /// use shoots_client::{AsOf, ShootsClient};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let url = server.url();
    /// # let client = ShootsClient::connect(url).await?;
    /// # let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    /// # client.put("numbers").send_batch(RecordBatch::try_from_iter([("n", n)])?).await?;
    /// # let path = std::env::temp_dir().join(format!("numbers-{}.csv", std::process::id()));
    /// let exported = client.get("numbers").as_of(AsOf::Version(1)).export(&path).await?;
    /// assert_eq!(exported.rows, 2);
    /// assert_eq!(std::fs::read_to_string(&path)?, "n\n1\n2\n");
    /// # std::fs::remove_file(&path)?;
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub async fn export(self, path: impl AsRef<Path>) -> Result<Exported, Error> {
        let path = path.as_ref().to_owned();
        let format = Format::of(&path)?;
        let mut batches = self.stream().await?;
        let schema = batches.schema();
        format.check(&schema)?;
        let (sender, taken) = mpsc::channel(BATCHES_AHEAD);
        let writing = tokio::task::spawn_blocking(move || write(&path, format, &schema, taken));
        loop {
            // An error drops the sender without a word, which gives the file up.
            let batch = batches.try_next().await?;
            let last = batch.is_none();
            if sender.send(batch).await.is_err() || last {
                break;
            }
        }
        match writing.await {
            Ok(written) => written,
            Err(error) => Err(Error::new(ErrorKind::InternalError, error.to_string())),
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Parquet,
    Csv,
}

impl Format {
    fn of(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_lowercase).as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            _ => {
                let problem = format!(
                    "must end in `.parquet` or `.csv` (got `{}`)",
                    path.display()
                );
                Err(RequestError::new("export", Some("path"), problem).into())
            }
        }
    }

    /// Refuses columns that have no form in a file.
    fn check(self, schema: &Schema) -> Result<(), Error> {
        if self == Self::Parquet {
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
            "CSV cannot hold {}; choose other columns, or export to Parquet",
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

/// Writes batches until `None` comes. If the batches end without it, the file is given up.
fn write(
    path: &Path,
    format: Format,
    schema: &SchemaRef,
    mut batches: mpsc::Receiver<Option<RecordBatch>>,
) -> Result<Exported, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        let problem = format!("cannot write {}: {error}", path.display());
        Error::new(ErrorKind::ShootsIOError, problem)
    };
    let (file, named) = NewFile::beside(path).map_err(|error| failed(&error))?;
    let mut rows = 0;
    let mut writer = Writer::new(format, file, schema).map_err(|error| failed(&*error))?;
    while let Some(batch) = batches.blocking_recv() {
        let Some(batch) = batch else {
            let written = writer.finish().map_err(|error| failed(&*error))?;
            let bytes = named
                .publish(&written, path)
                .map_err(|error| failed(&error))?;
            return Ok(Exported { rows, bytes });
        };
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(|error| failed(&*error))?;
    }
    Err(Error::new(
        ErrorKind::CancelledError,
        format!("the export to {} was given up", path.display()),
    ))
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

enum Writer {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<arrow_csv::Writer<BufWriter<File>>>),
}

impl Writer {
    fn new(format: Format, file: File, schema: &SchemaRef) -> Result<Self, Cause> {
        Ok(match format {
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .build();
                let writer =
                    ArrowWriter::try_new(file, SchemaRef::clone(schema), Some(properties))?;
                Self::Parquet(Box::new(writer))
            }
            Format::Csv => {
                let mut writer = arrow_csv::WriterBuilder::new().build(BufWriter::new(file));
                // The header comes with the first batch, and a frame without rows has columns too.
                writer.write(&RecordBatch::new_empty(SchemaRef::clone(schema)))?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Cause> {
        match self {
            Self::Parquet(writer) => {
                writer.write(batch)?;
                if writer.in_progress_size() >= ROW_GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Self::Csv(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// The complete file.
    fn finish(self) -> Result<File, Cause> {
        match self {
            Self::Parquet(writer) => Ok(writer.into_inner()?),
            Self::Csv(writer) => {
                let mut buffered = writer.into_inner();
                buffered.flush()?;
                Ok(buffered
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)?)
            }
        }
    }
}

/// A file under a name of its own, which goes away unless it is published.
struct NewFile {
    path: PathBuf,
}

impl NewFile {
    fn beside(path: &Path) -> io::Result<(File, Self)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{name}.{}-{number}.part", std::process::id());
        let path = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok((file, Self { path }))
    }

    /// Gives the file its name once it is on the disk, and says how long it is.
    fn publish(self, written: &File, path: &Path) -> io::Result<u64> {
        written.sync_all()?;
        let bytes = written.metadata()?.len();
        std::fs::rename(&self.path, path)?;
        sync_folder(path)?;
        Ok(bytes)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes a rename durable.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened as files here.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
