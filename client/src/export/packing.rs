//! Files that are compressed as they are written, as the end of their name says.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How a file is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

/// The path without the end that says how the file is compressed, and how that is.
fn split(path: &Path) -> Option<(PathBuf, Packing)> {
    let packing = match path.extension()?.to_str()?.to_lowercase().as_str() {
        "gz" | "gzip" => Packing::Gzip,
        "zst" | "zstd" => Packing::Zstd,
        _ => return None,
    };
    Some((path.with_extension(""), packing))
}

/// The path that tells the format of what is compressed; `None` if nothing is.
pub(super) fn inside(path: &Path) -> Option<PathBuf> {
    split(path).map(|(inside, _)| inside)
}

/// A file whose bytes are compressed on their way, if its name says so.
pub(super) enum Packed {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Packed {
    /// Begins the file that is to have the name of this path.
    pub(super) fn new(path: &Path, file: File) -> io::Result<Self> {
        let out = BufWriter::new(file);
        Ok(match split(path).map(|(_, packing)| packing) {
            None => Self::Plain(out),
            Some(Packing::Gzip) => Self::Gzip(GzEncoder::new(out, Compression::default())),
            Some(Packing::Zstd) => Self::Zstd(zstd::stream::write::Encoder::new(
                out,
                zstd::DEFAULT_COMPRESSION_LEVEL,
            )?),
        })
    }

    /// Writes what ends the compressed bytes, and gives the file back.
    pub(super) fn finish(self) -> io::Result<File> {
        let out = match self {
            Self::Plain(out) => out,
            Self::Gzip(packed) => packed.finish()?,
            Self::Zstd(packed) => packed.finish()?,
        };
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(packed) => packed,
            Self::Zstd(packed) => packed,
        }
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out().flush()
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").finish_non_exhaustive()
    }
}
