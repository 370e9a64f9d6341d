//! Reading files and parts of them.
//!
//! Only the disk is waited for: a named pipe or a device in the place of a file is refused. What is short, as log entries
//! are, is read in the trip to the blocking pool that opens it. Parts are read straight into memory that was not zeroed
//! before, which would take as long as copying the bytes from the disk's cache.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use object_store::path::Path;
use object_store::{Attributes, Error, GetOptions, GetResult, GetResultPayload, Result};

use super::directory::Directory;
use super::failure::{not_found, refused};
use super::listing::describe;
use super::misplaced;

/// What is read at once when it is opened, in bytes.
const SHORT: u64 = 64 << 10;

/// What was opened is none.
#[derive(Debug, thiserror::Error)]
#[error("it is a named pipe, a socket or a device, and no file")]
pub(crate) struct NoFile;

/// A file, or a part of it.
pub(super) fn get(
    directory: &Directory,
    location: &Path,
    options: &GetOptions,
) -> Result<GetResult> {
    let mut opened = Opened::open(directory, location)?;
    let meta = describe(location.clone(), &opened.metadata);
    let meta = meta.map_err(|error| opened.failed(error))?;
    options.check_preconditions(&meta)?;
    let range = match &options.range {
        Some(range) => range
            .as_range(meta.size)
            .map_err(|error| opened.failed(io::Error::other(error)))?,
        None => 0..meta.size,
    };
    let payload = if options.head {
        GetResultPayload::Stream(stream::empty().boxed())
    } else if range.end - range.start <= SHORT {
        let bytes = opened.read(&range)?;
        GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed())
    } else {
        GetResultPayload::File(opened.file, opened.path)
    };
    Ok(GetResult {
        payload,
        meta,
        range,
        attributes: Attributes::default(),
    })
}

/// The bytes of `ranges` of a file, those behind its end left out. A range that begins at its end or behind it is
/// refused.
pub(super) fn read(
    directory: &Directory,
    location: &Path,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    let mut opened = Opened::open(directory, location)?;
    ranges.iter().map(|range| opened.read(range)).collect()
}

/// A file that is open.
struct Opened {
    file: File,
    metadata: Metadata,
    path: PathBuf,
    location: Path,
}

impl Opened {
    /// Opens what may be read; a directory is none of it, and not found, unless there ought to be an object.
    fn open(directory: &Directory, location: &Path) -> Result<Self> {
        let root = directory.open()?;
        let path = root.files.path_to_filesystem(location)?;
        let opened = open_file(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    root.check_place()?;
                }
                let misplaced = misplaced::object(location, &path);
                return Err(misplaced.unwrap_or_else(|| failed(location, &path, error)));
            }
        };
        let opened = Self {
            file,
            metadata,
            path,
            location: location.clone(),
        };
        if !opened.metadata.is_file()
            && let Some(error) = misplaced::object(location, &opened.path)
        {
            return Err(error);
        }
        if opened.metadata.is_dir() {
            return Err(not_found(location));
        }
        if !opened.metadata.is_file() {
            return Err(opened.failed(io::Error::other(NoFile)));
        }
        Ok(opened)
    }

    fn read(&mut self, range: &Range<u64>) -> Result<Bytes> {
        read_range(&mut self.file, range).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        failed(&self.location, &self.path, error)
    }
}

fn failed(location: &Path, path: &std::path::Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => not_found(location),
        _ => refused("read", path, error).into(),
    }
}

/// Opens without waiting: a named pipe would be waited for until somebody writes to it.
#[cfg(unix)]
fn open_file(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_file(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

fn read_range(file: &mut File, range: &Range<u64>) -> io::Result<Bytes> {
    let backwards = || io::Error::other(format!("the range {range:?} ends before it begins"));
    let length = range.end.checked_sub(range.start).ok_or_else(backwards)?;
    let room = usize::try_from(length).map_err(io::Error::other)?;
    if room == 0 {
        return Ok(Bytes::new());
    }
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(room).map_err(io::Error::other)?;
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        let problem = format!("the range {range:?} begins behind its end");
        return Err(io::Error::other(problem));
    }
    Ok(bytes.into())
}
