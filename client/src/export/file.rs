//! A file that appears whole or not at all.
//!
//! Rows go to a file of another name beside it, which takes its name once everything is on the disk. What is given up
//! half-way leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use shoots_proto::ErrorKind;

use super::packing::Packed;
use super::{FileFormat, RowWriter};
use crate::Error;

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many rows.
    pub rows: u64,
    /// How long the file is.
    pub bytes: u64,
}

/// Writes rows to a file, which has its name once [`finish`](Self::finish) returns. Until then, and if this is dropped,
/// a file that had the name before stays.
///
/// Its calls block while the disk is busy: in an async program they belong on a thread of their own.
#[derive(Debug)]
pub struct FileWriter {
    path: PathBuf,
    rows: u64,
    writer: RowWriter<Packed>,
    named: NewFile,
}

impl FileWriter {
    /// Begins a file. If its name ends in `.gz` or `.zst`, it is compressed as a whole.
    ///
    /// # Errors
    /// If the format has no form for a column, or no file can be made there.
    pub fn create(path: &Path, format: FileFormat, schema: &SchemaRef) -> Result<Self, Error> {
        format.check(schema)?;
        let (file, named) = NewFile::beside(path).map_err(|error| failed(path, &error))?;
        let out = Packed::new(path, file).map_err(|error| failed(path, &error))?;
        let writer = RowWriter::new(format, out, schema);
        Ok(Self {
            path: path.to_owned(),
            rows: 0,
            writer: writer.map_err(|error| failed(path, &error))?,
            named,
        })
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        let written = self.writer.write(batch);
        written.map_err(|error| failed(&self.path, &error))
    }

    /// Completes the file and gives it its name, durably.
    ///
    /// # Errors
    /// If it cannot be completed; there is none then.
    pub fn finish(self) -> Result<Exported, Error> {
        let path = self.path;
        let written = self
            .writer
            .finish()
            .map_err(|error| failed(&path, &error))?;
        let file = written.finish();
        let published = file.and_then(|file| self.named.publish(&file, &path));
        Ok(Exported {
            rows: self.rows,
            bytes: published.map_err(|error| failed(&path, &error))?,
        })
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let problem = format!("cannot write {}: {error}", path.display());
    Error::new(ErrorKind::ShootsIOError, problem)
}

/// A file under a name of its own, which goes away unless it is published.
#[derive(Debug)]
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
