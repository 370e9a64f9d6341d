//! The folder with the files of one server, and what crashed servers have left.
//!
//! It has a name that nobody can guess, nobody but the server's user can look into it, and its files can only be read, by
//! that user. The server holds a lock on a file in it. A folder whose lock is free is of a server that is no more; whoever
//! starts next removes it. The lock gets its name when it is held, so that no folder is taken for such a one before.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use super::shelf::EXTENSION;

/// What the names of folders begin with; the random rest has as many digits as [`random_name`] gives.
const PREFIX: &str = "shoots-shm-";
const RANDOM_DIGITS: usize = 32;
/// What the name of a file ends with while it is written.
const PART: &str = "part";
const LOCK: &str = "lock";
const LOCK_TO_BE: &str = "lock.part";
/// How old a folder without a lock must be to be one that was never finished.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes a folder below another one, which is made if it is missing, and removes what others have left there.
    pub(super) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Readers have another working folder.
        let parent = parent.canonicalize()?;
        let path = parent.join(format!("{PREFIX}{}", random_name()?));
        if path.to_str().is_none() {
            let problem = "its name is no UTF-8, so that no client could be told of it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = create_file(&path.join(LOCK_TO_BE), 0o600)?;
        let folder = Self { path, _lock: lock };
        folder._lock.lock()?;
        fs::rename(folder.path.join(LOCK_TO_BE), folder.path.join(LOCK))?;
        folder.sweep(&parent);
        Ok(folder)
    }

    /// A file to be written, under a name of its own.
    pub(super) fn create_file(&self) -> io::Result<(PathBuf, File)> {
        let path = self.path.join(format!("{}.{PART}", random_name()?));
        // Others may only read it; the writer has it open already.
        let file = create_file(&path, 0o400)?;
        Ok((path, file))
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%error, folder = %self.path.display(), "files for clients on this machine are left behind");
            }
            _ => {}
        }
    }

    /// Removes folders beside this one that no server holds.
    fn sweep(&self, parent: &Path) {
        let entries = match fs::read_dir(parent) {
            Ok(entries) => entries,
            Err(error) => {
                warn!(%error, "cannot look for files that servers have left");
                return;
            }
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if is_of_a_server(&entry.file_name()) && path != self.path && self.is_abandoned(&path) {
                match remove_own(&path) {
                    Ok(()) => info!(folder = %path.display(), "removed what a server had left"),
                    Err(error) => warn!(%error, folder = %path.display(), "cannot remove it"),
                }
            }
        }
    }

    /// Whether a folder is of the same user, and of a server that is no more. Others may have put anything there.
    fn is_abandoned(&self, path: &Path) -> bool {
        let owner = |path: &Path| fs::symlink_metadata(path).map(|about| (about.uid(), about));
        let (Ok((own, _)), Ok((other, about))) = (owner(&self.path), owner(path)) else {
            return false;
        };
        if own != other || !about.is_dir() {
            return false;
        }
        match File::open(path.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let age = about.modified().ok().and_then(|time| time.elapsed().ok());
                age.is_some_and(|age| age > UNFINISHED)
            }
            Err(_) => false,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.remove();
    }
}

fn is_of_a_server(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(is_random)
}

fn is_random(text: &str) -> bool {
    text.len() == RANDOM_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether a file in a folder has a name that a server gives.
fn is_of_a_folder(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
    let known = |(stem, ending)| is_random(stem) && (ending == PART || ending == EXTENSION);
    name == LOCK || name == LOCK_TO_BE || parts.is_some_and(known)
}

/// Removes a folder of a server, if there is nothing in it but what a server puts there. Anybody may have made a folder of
/// such a name, so nothing else is ever touched.
fn remove_own(folder: &Path) -> io::Result<()> {
    let files: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    if let Some(other) = files.iter().find(|file| !is_of_a_folder(&file.file_name())) {
        let problem = format!("{} is in it", other.path().display());
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, problem));
    }
    for file in files {
        fs::remove_file(file.path())?;
    }
    fs::remove_dir(folder)
}

fn create_file(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)
}

/// A name that nobody guesses.
fn random_name() -> io::Result<String> {
    let random = (getrandom::u64()?, getrandom::u64()?);
    Ok(format!("{:016x}{:016x}", random.0, random.1))
}
