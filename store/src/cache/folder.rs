//! Blocks on local disk: found again after a restart, and believed only after a look at their checksum.
//!
//! ```text
//! <folder>/_lock                    held by the process that uses the folder
//! <folder>/_partial/<id>            files that are being written
//! <folder>/<2 digits>/<62 digits>   blocks, under the hash of store, object and number
//! ```
//!
//! A file is a header ([`MAGIC`], the object's size, a CRC-32C of everything else and of the name) and the block's
//! bytes. It gets its name when it is whole. Nothing is synced: what a crash leaves half-written or empty has a
//! wrong checksum, is dropped, and is fetched again.
//!
//! One process owns a folder, which is what makes its bound exact. The blocks that were not used for the longest
//! time go first; after a restart, those that were written first.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::block::{Block, BlockKey};
use crate::environment::Environment;
use crate::error::{Cause, Error, Result};

const MAGIC: [u8; 16] = *b"shoots-block-1\r\n";
const HEADER_BYTES: usize = MAGIC.len() + 8 + 4;
/// What a file system gives out at a time, roughly.
const FILE_UNIT_BYTES: u64 = 4096;

/// A folder with blocks, and what is known about them.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    identity: String,
    environment: Arc<dyn Environment>,
    index: Mutex<Index>,
    /// Held as long as the folder is used.
    _lock: File,
}

/// Which blocks there are, in the order of their last use.
#[derive(Debug)]
struct Index {
    limit: u64,
    total: u64,
    next_use: u64,
    files: HashMap<String, Kept>,
    uses: BTreeMap<u64, String>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    bytes: u64,
    last_use: u64,
}

impl Folder {
    /// Opens a folder, makes it if need be, and takes it for this process.
    pub(super) async fn open(
        root: &FilePath,
        limit: u64,
        identity: &str,
        environment: &Arc<dyn Environment>,
    ) -> Result<Arc<Self>> {
        let (root, identity) = (root.to_owned(), identity.to_owned());
        let environment = Arc::clone(environment);
        let opened = spawn_blocking(move || {
            let lock = lock(&root)?;
            let found = scan(&root).map_err(|error| unusable(&root, error))?;
            let folder = Self {
                root,
                identity,
                environment,
                index: Mutex::new(Index::new(limit)),
                _lock: lock,
            };
            for (name, bytes) in found {
                folder.make_room(&name, bytes);
            }
            Ok(Arc::new(folder))
        });
        opened
            .await
            .map_err(|error| Error::from(Cause::Task(error.to_string())))?
    }

    /// A block, if it is there and whole.
    pub(super) async fn read(self: &Arc<Self>, key: BlockKey) -> Option<Block> {
        let folder = Arc::clone(self);
        let read = spawn_blocking(move || {
            let name = folder.name(&key);
            if !folder.index().touch(&name) {
                return None;
            }
            let block = fs::read(folder.file(&name))
                .ok()
                .and_then(|file| decode(&name, file.into()));
            if block.is_none() {
                tracing::warn!(
                    "block {} of {} is damaged in the cache, and is fetched again",
                    key.number,
                    key.path
                );
                folder.index().remove(&name);
                folder.delete(&name);
            }
            block
        });
        read.await.ok().flatten()
    }

    /// Keeps a block if that can be done; a cache that cannot be written is no reason to fail a read.
    pub(super) async fn write(self: &Arc<Self>, key: BlockKey, block: Block) {
        let folder = Arc::clone(self);
        let written = spawn_blocking(move || {
            let name = folder.name(&key);
            let file = encode(&name, &block);
            if !folder.make_room(&name, file.len() as u64) {
                return;
            }
            if let Err(error) = folder.write_file(&name, &file) {
                tracing::warn!(%error, "the cache folder {} cannot be written", folder.root.display());
                folder.index().remove(&name);
            }
            if !folder.index().files.contains_key(&name) {
                // It had to make room again before it was there.
                folder.delete(&name);
            }
        });
        // A panic would have been reported where it happened.
        written.await.ok();
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unique = format!("{:032x}", self.environment.unique());
        let partial = partial(&self.root).join(unique);
        let file = self.file(name);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, &file));
        if written.is_err() {
            fs::remove_file(&partial).ok();
        }
        written
    }

    /// Enters a file and deletes others that the bound has no room for; false if it is too large for the bound.
    fn make_room(&self, name: &str, bytes: u64) -> bool {
        let Some(displaced) = self.index().add(name, bytes) else {
            self.delete(name);
            return false;
        };
        for name in displaced {
            self.delete(&name);
        }
        true
    }

    fn delete(&self, name: &str) {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "a file of the cache in {} was not deleted", self.root.display());
            }
            _ => {}
        }
    }

    fn name(&self, key: &BlockKey) -> String {
        let text = format!("{}\n{}\n{}", self.identity, key.path, key.number);
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        let (folder, file) = name.split_at(2);
        self.root.join(folder).join(file)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            total: 0,
            next_use: 0,
            files: HashMap::new(),
            uses: BTreeMap::new(),
        }
    }

    /// Notes that a file is used; false if there is none.
    fn touch(&mut self, name: &str) -> bool {
        let Some(kept) = self.files.get_mut(name) else {
            return false;
        };
        self.uses.remove(&kept.last_use);
        kept.last_use = self.next_use;
        self.uses.insert(self.next_use, name.to_owned());
        self.next_use += 1;
        true
    }

    /// Enters a file, and gives the names of those that have to go; `None` if it is too large itself.
    fn add(&mut self, name: &str, bytes: u64) -> Option<Vec<String>> {
        let bytes = bytes.next_multiple_of(FILE_UNIT_BYTES);
        self.remove(name);
        if bytes > self.limit {
            return None;
        }
        let mut displaced = Vec::new();
        while self.total + bytes > self.limit
            && let Some((_, oldest)) = self.uses.first_key_value()
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
            displaced.push(oldest);
        }
        let last_use = self.next_use;
        self.next_use += 1;
        self.total += bytes;
        self.files.insert(name.to_owned(), Kept { bytes, last_use });
        self.uses.insert(last_use, name.to_owned());
        Some(displaced)
    }

    fn remove(&mut self, name: &str) {
        if let Some(kept) = self.files.remove(name) {
            self.uses.remove(&kept.last_use);
            self.total -= kept.bytes;
        }
    }
}

fn partial(root: &FilePath) -> PathBuf {
    root.join("_partial")
}

fn unusable(root: &FilePath, error: io::Error) -> Error {
    Error::io(
        format!("the cache folder {} cannot be used", root.display()),
        error,
    )
}

/// Makes the folder and takes it, or says who has it.
fn lock(root: &FilePath) -> Result<File> {
    fs::create_dir_all(partial(root)).map_err(|error| unusable(root, error))?;
    let lock = File::create(root.join("_lock")).map_err(|error| unusable(root, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let folder = root.display();
            let problem =
                format!("{folder} is in use by another store: give each a folder of its own");
            Err(Error::invalid("cache_folder", problem))
        }
        Err(TryLockError::Error(error)) => Err(unusable(root, error)),
    }
}

/// The names and sizes of all blocks, the oldest first. Removes what a process left unfinished.
fn scan(root: &FilePath) -> io::Result<Vec<(String, u64)>> {
    for entry in fs::read_dir(partial(root))? {
        let entry = entry?;
        if is_hex(&entry.file_name().to_string_lossy(), 32) {
            fs::remove_file(entry.path())?;
        }
    }
    let mut found: Vec<(SystemTime, String, u64)> = Vec::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        let start = folder.file_name().to_string_lossy().into_owned();
        if !is_hex(&start, 2) {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let rest = file.file_name().to_string_lossy().into_owned();
            if is_hex(&rest, 62) {
                let meta = file.metadata()?;
                found.push((meta.modified()?, start.clone() + &rest, meta.len()));
            }
        }
    }
    found.sort();
    Ok(found
        .into_iter()
        .map(|(_, name, bytes)| (name, bytes))
        .collect())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn checksum(name: &str, object_bytes: [u8; 8], bytes: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(name.as_bytes());
    let sum = crc32c::crc32c_append(sum, &object_bytes);
    crc32c::crc32c_append(sum, bytes).to_le_bytes()
}

fn encode(name: &str, block: &Block) -> Vec<u8> {
    let object_bytes = block.object_bytes.to_le_bytes();
    let checksum = checksum(name, object_bytes, &block.bytes);
    [&MAGIC[..], &object_bytes, &checksum, &block.bytes].concat()
}

fn decode(name: &str, file: Bytes) -> Option<Block> {
    let (magic, rest) = file.split_first_chunk::<{ MAGIC.len() }>()?;
    let (object_bytes, rest) = rest.split_first_chunk::<8>()?;
    let (found, rest) = rest.split_first_chunk::<4>()?;
    if *magic != MAGIC || *found != checksum(name, *object_bytes, rest) {
        return None;
    }
    Some(Block {
        object_bytes: u64::from_le_bytes(*object_bytes),
        bytes: file.slice(HEADER_BYTES..),
    })
}
