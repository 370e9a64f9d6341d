//! Reading parts of a file, straight into memory that was not zeroed before.
//!
//! The backend that does the other reading fills each buffer with zeros first, which takes as long as copying the bytes
//! from the disk's cache.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, Result};

use super::directory::Directory;
use super::failure::{not_found, refused};

/// The bytes of `ranges` of a file, those behind its end left out. A range that begins at its end or behind it is
/// refused.
pub(super) fn read(
    directory: &Directory,
    location: &Path,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    let path = directory.open()?.files.path_to_filesystem(location)?;
    let failed = |error: io::Error| -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => not_found(location),
            _ => refused("read", &path, error).into(),
        }
    };
    let mut file = File::open(&path).map_err(failed)?;
    ranges
        .iter()
        .map(|range| read_range(&mut file, range).map_err(failed))
        .collect()
}

fn read_range(file: &mut File, range: &Range<u64>) -> io::Result<Bytes> {
    let backwards = || io::Error::other(format!("the range {range:?} ends before it begins"));
    let length = range.end.checked_sub(range.start).ok_or_else(backwards)?;
    let room = usize::try_from(length).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(room).map_err(io::Error::other)?;
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.is_empty() && length > 0 {
        let problem = format!("the range {range:?} begins behind its end");
        return Err(io::Error::other(problem));
    }
    Ok(bytes.into())
}
