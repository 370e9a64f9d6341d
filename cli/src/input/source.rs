//! Bytes of a file or of standard input, counted as they are read, with a look at the first of them.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::Format;
use super::packed::Packing;
use crate::failure::Failure;

/// How many bytes are looked at before any is taken.
const HEAD_BYTES: u64 = 4 << 20;

/// How many bytes have been read; clones are the same number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A file or standard input, of which the first bytes are known.
pub(super) struct Source {
    name: String,
    head: Vec<u8>,
    rest: Rest,
    length: Option<u64>,
    read: Count,
}

enum Rest {
    File(File),
    Stdin(io::Stdin),
    /// What comes out of a compressed file or standard input. What goes into it is counted.
    Unpacked(Box<dyn Read + Send>),
}

/// What can be read at any place: a file, or a copy of standard input.
pub(super) struct Whole {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) length: Option<u64>,
    /// How many rows it says it has.
    pub(super) rows: Option<u64>,
    pub(super) read: Count,
}

/// Bytes that are counted.
pub(super) struct Counted<R> {
    bytes: R,
    read: Count,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.bytes.read(buffer)?;
        self.read.0.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }
}

/// All bytes from the first.
pub(super) type Bytes = Counted<Box<dyn Read + Send>>;

impl Source {
    pub(super) fn open(path: &Path, name: &str) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| Failure::usage(format!("cannot read {name}: {error}"));
        let mut head = Vec::new();
        let (rest, length) = if path == Path::new("-") {
            let stdin = io::stdin();
            stdin
                .lock()
                .take(HEAD_BYTES)
                .read_to_end(&mut head)
                .map_err(unreadable)?;
            (Rest::Stdin(stdin), None)
        } else {
            let mut file = File::open(path).map_err(unreadable)?;
            (&mut file)
                .take(HEAD_BYTES)
                .read_to_end(&mut head)
                .map_err(unreadable)?;
            let about = file.metadata().map_err(unreadable)?;
            (Rest::File(file), about.is_file().then_some(about.len()))
        };
        let source = Self {
            name: name.to_owned(),
            head,
            rest,
            length,
            read: Count::default(),
        };
        match Packing::of(&source.head) {
            Some(packing) => source.unpacked(packing),
            None => Ok(source),
        }
    }

    /// The source of what is compressed in this one.
    fn unpacked(self, packing: Packing) -> Result<Self, Failure> {
        let (name, length, read) = (self.name.clone(), self.length, self.read.clone());
        let unreadable = |error: io::Error| Failure::data(format!("cannot unpack {name}: {error}"));
        let mut bytes = packing.reader(self.into_bytes()).map_err(unreadable)?;
        let mut head = Vec::new();
        (&mut bytes)
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(unreadable)?;
        Ok(Self {
            name: name.clone(),
            head,
            rest: Rest::Unpacked(bytes),
            length,
            read,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes, and whether they are all.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn is_whole(&self) -> bool {
        (self.head.len() as u64) < HEAD_BYTES
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(super) fn count(&self) -> Count {
        self.read.clone()
    }

    /// What kind of file the first bytes are of.
    pub(super) fn guess(&self) -> Result<Format, Failure> {
        let head = &self.head;
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        if head.starts_with(b"PAR1") {
            return Ok(Format::Parquet);
        }
        if head.starts_with(b"ARROW1") || head.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
            return Ok(Format::Arrow);
        }
        match first {
            Some(b'{' | b'[') => Ok(Format::Json),
            Some(_) if !head.contains(&0) => Ok(Format::Csv),
            Some(_) => Err(Failure::usage(format!(
                "{} is neither Parquet, Arrow, CSV nor JSON, as far as its first bytes tell; say --format",
                self.name
            ))),
            None => Err(Failure::usage(format!("{} is empty", self.name))),
        }
    }

    /// All bytes, one after the other.
    pub(super) fn into_bytes(self) -> Bytes {
        let head = Cursor::new(self.head);
        let (bytes, read): (Box<dyn Read + Send>, Count) = match self.rest {
            Rest::File(file) => (Box::new(head.chain(BufReader::new(file))), self.read),
            Rest::Stdin(stdin) => (Box::new(head.chain(stdin)), self.read),
            Rest::Unpacked(bytes) => (Box::new(head.chain(bytes)), Count::default()),
        };
        Counted { bytes, read }
    }

    /// Something to read at any place. Standard input, and what is no plain file, is copied to a temporary file.
    pub(super) fn into_file(self) -> Result<Whole, Failure> {
        let (name, read, length) = (self.name.clone(), self.read.clone(), self.length);
        let broken = |error: io::Error| Failure::here(format!("cannot read {name}: {error}"));
        let mut file = match (self.rest, length) {
            (Rest::File(file), Some(_)) => file,
            (rest, _) => {
                let mut copy = tempfile::tempfile().map_err(broken)?;
                let mut head = Cursor::new(&self.head);
                io::copy(&mut head, &mut copy).map_err(broken)?;
                match rest {
                    Rest::File(mut file) => io::copy(&mut file, &mut copy),
                    Rest::Stdin(stdin) => io::copy(&mut stdin.lock(), &mut copy),
                    Rest::Unpacked(mut bytes) => io::copy(&mut bytes, &mut copy),
                }
                .map_err(broken)?;
                copy
            }
        };
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        let rows = file.try_clone().ok().and_then(|file| {
            let about = SerializedFileReader::new(file).ok()?;
            u64::try_from(about.metadata().file_metadata().num_rows()).ok()
        });
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        Ok(Whole {
            name: self.name,
            file,
            length,
            rows,
            read,
        })
    }

    /// The same source again after a copy of all its bytes was looked at.
    pub(super) fn spooled(self) -> Result<(Self, File), Failure> {
        let name = self.name.clone();
        let broken = |error: io::Error| Failure::here(format!("cannot read {name}: {error}"));
        let head = self.head.clone();
        let whole = self.into_file()?;
        let length = whole.file.metadata().map_err(broken)?.len();
        let again = whole.file.try_clone().map_err(broken)?;
        let mut rest = whole.file;
        rest.seek(SeekFrom::Start(head.len() as u64))
            .map_err(broken)?;
        Ok((
            Self {
                name: whole.name,
                head,
                rest: Rest::File(rest),
                length: Some(length),
                read: Count::default(),
            },
            again,
        ))
    }

    /// The same after others read from the same file: its place is where the first bytes end.
    pub(super) fn rewound(mut self) -> Result<Self, Failure> {
        if let Rest::File(file) = &mut self.rest {
            let sought = file.seek(SeekFrom::Start(self.head.len() as u64));
            let broken = |error| Failure::here(format!("cannot read {}: {error}", self.name));
            sought.map_err(broken)?;
        }
        Ok(self)
    }
}
