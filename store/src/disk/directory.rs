//! The root directory of a disk store: making objects appear in it, durably.
//!
//! A name is durable when the directory that holds it was fsynced after it appeared, and that directory's own
//! name is durable too. [`Directory::create`] therefore needs to know which directories are. It remembers those
//! that this process has seen to ([`Known`]); the first time it meets one, it fsyncs the whole chain above, even
//! if the directory exists, because another process may have made it a moment ago and not have come that far.
//! The chain ends at the parent of the root: what is above was there before the store.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{PutPayload, Result};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

use super::deeds::Deeds;
use super::failure::{self, Refused};

/// Where files live until they get their name. A name of a bucket or frame never starts with `_`.
pub(super) const TEMPORARIES: &str = "_tmp";

/// How many directories are remembered as durable. At the limit all are forgotten, which costs fsyncs only.
const KNOWN_DIRECTORIES: usize = 16 * 1024;

/// Gives a new name each time, different from all others ever given.
pub(crate) type IdSource = Arc<dyn Fn() -> String + Send + Sync>;

/// The state that clones of a disk store share.
pub(super) struct Directory {
    /// As it was given; may not exist.
    wanted: PathBuf,
    opened: OnceLock<Root>,
    ids: IdSource,
    deeds: Arc<dyn Deeds>,
    fsyncs: AtomicU64,
    known: Known,
}

/// The root directory once it exists, with its links resolved.
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) files: LocalFileSystem,
    identity: Option<Identity>,
}

/// Tells a directory from others that get its path later: the numbers of its file system and in it.
type Identity = (u64, u64);

impl Root {
    /// Refuses what has taken the place of the directory. Where a file system was unmounted that is the empty directory
    /// below it: what was written there would be out of sight once it is back, and that nothing is in it says nothing.
    pub(super) fn check_place(&self) -> Result<(), Refused> {
        let found = match identity(&self.path) {
            Ok(found) if found == self.identity => return Ok(()),
            Ok(_) => io::Error::other(
                "another directory is there than the one that this process began with; bring that one back (was it \
                unmounted?), or restart to go on with what is there now",
            ),
            Err(error) => error,
        };
        Err(failure::refused("use", &self.path, found))
    }
}

#[cfg(unix)]
fn identity(directory: &FsPath) -> io::Result<Option<Identity>> {
    use std::os::unix::fs::MetadataExt;

    let found = fs::metadata(directory)?;
    Ok(Some((found.dev(), found.ino())))
}

/// Other systems have no such numbers that cost nothing.
#[cfg(not(unix))]
fn identity(directory: &FsPath) -> io::Result<Option<Identity>> {
    fs::metadata(directory).map(|_| None)
}

impl Directory {
    pub(super) fn new(wanted: PathBuf, ids: IdSource, deeds: Arc<dyn Deeds>) -> Self {
        // A relative path must not change its meaning with the working directory. It stays as it is where there
        // is none, and fails at the first use.
        let wanted = std::path::absolute(&wanted).unwrap_or(wanted);
        Self {
            wanted,
            opened: OnceLock::new(),
            ids,
            deeds,
            fsyncs: AtomicU64::new(0),
            known: Known::new(KNOWN_DIRECTORIES),
        }
    }

    pub(super) fn root(&self) -> &FsPath {
        &self.wanted
    }

    pub(super) fn fsyncs(&self) -> u64 {
        self.fsyncs.load(Ordering::Relaxed)
    }

    pub(super) fn opened(&self) -> Option<&Root> {
        self.opened.get()
    }

    /// The root directory; a not-found error if there is none.
    pub(super) fn open(&self) -> Result<&Root> {
        if let Some(root) = self.opened.get() {
            return Ok(root);
        }
        let path = fs::canonicalize(&self.wanted).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => object_store::Error::NotFound {
                path: self.wanted.display().to_string(),
                source: Box::new(error),
            },
            _ => failure::refused("open directory", &self.wanted, error).into(),
        })?;
        let files = LocalFileSystem::new_with_prefix(&path)?;
        let identity =
            identity(&path).map_err(|error| failure::refused("open directory", &path, error))?;
        Ok(self.opened.get_or_init(|| Root {
            path,
            files,
            identity,
        }))
    }

    /// An error if there is no root directory, or another one than was opened, or one that this process is not let into.
    pub(super) fn check_place(&self) -> Result<()> {
        let root = self.open()?;
        root.check_place()?;
        match fs::read_dir(&root.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(failure::refused("list", &root.path, error).into()),
        }
    }

    /// The root directory, made if need be, and if it is still the one that was opened.
    fn open_for_writing(&self) -> Result<&Root> {
        let root = match self.open() {
            Err(object_store::Error::NotFound { .. }) => {
                self.make_directory(&self.wanted)?;
                self.open()?
            }
            opened => opened?,
        };
        root.check_place()?;
        Ok(root)
    }

    /// Makes directories, and makes them last.
    pub(super) fn prepare(&self, directories: &[Path]) -> Result<()> {
        let root = self.open_for_writing()?;
        let paths: Vec<PathBuf> = directories
            .iter()
            .map(|directory| root.path.join(directory.as_ref()))
            .collect();
        let paths: Vec<&FsPath> = paths.iter().map(PathBuf::as_path).collect();
        Ok(self.establish(root, &paths)?)
    }

    /// Durable create-if-absent.
    pub(super) fn create(&self, location: &Path, payload: &PutPayload) -> Result<()> {
        let root = self.open_for_writing()?;
        let (directory, destination) = resolve(root, location)?;
        if fs::symlink_metadata(&destination).is_ok() {
            return Err(self.lost_to(root, &directory, &destination));
        }

        let temporary = self.write_temporary(root, payload)?;
        self.sync(&temporary.file, &temporary.path)?;
        self.give_name(root, &temporary.path, &directory, &destination)
    }

    /// Durable second name for an object, unless there is one of that name. The bytes are durable already: nobody
    /// copies what no log refers to.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let root = self.open_for_writing()?;
        let (_, source) = resolve(root, from)?;
        let (directory, destination) = resolve(root, to)?;
        if fs::symlink_metadata(&destination).is_ok() {
            return Err(self.lost_to(root, &directory, &destination));
        }
        let file = File::open(&source).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failure::not_found(from),
            _ => failure::refused("open", &source, error).into(),
        })?;
        touch(&file).map_err(|error| failure::refused("link", &source, error))?;
        self.give_name(root, &source, &directory, &destination)
    }

    /// Makes `destination` a name of the file at `existing`, durably, unless there is one of that name.
    fn give_name(
        &self,
        root: &Root,
        existing: &FsPath,
        directory: &FsPath,
        destination: &FsPath,
    ) -> Result<()> {
        self.establish(root, &[directory])?;
        let mut linked = self.deeds.hard_link(existing, destination);
        if matches!(&linked, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            // Somebody removed a directory that was known: make it again.
            self.known.forget(directory);
            self.establish(root, &[directory])?;
            linked = self.deeds.hard_link(existing, destination);
        }
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(self.lost_to(root, directory, destination));
            }
            Err(error) => return Err(not_linked(destination, error)),
        }
        self.sync_directory(directory)
            .map_err(|refused| failure::not_known_durable(destination, refused))
    }

    /// Atomic replacement, for what may be lost.
    pub(super) fn overwrite(&self, location: &Path, payload: &PutPayload) -> Result<()> {
        let root = self.open_for_writing()?;
        let (directory, destination) = resolve(root, location)?;
        let temporary = self.write_temporary(root, payload)?;
        let mut renamed = self.deeds.rename(&temporary.path, &destination);
        if matches!(&renamed, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.make_directory(&directory)?;
            renamed = self.deeds.rename(&temporary.path, &destination);
        }
        renamed.map_err(|error| failure::refused("replace", &destination, error))?;
        Ok(())
    }

    /// Removes an object.
    pub(super) fn remove(&self, location: &Path) -> Result<()> {
        let root = match self.open() {
            Err(object_store::Error::NotFound { .. }) => return Err(failure::not_found(location)),
            opened => opened?,
        };
        let (_, path) = resolve(root, location)?;
        self.deeds
            .remove_file(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => failure::not_found(location),
                _ => failure::refused("delete", &path, error).into(),
            })
    }

    /// Removes temporary files that were last written before `older_than`.
    pub(super) fn sweep_temporaries(&self, older_than: SystemTime) -> Result<u64> {
        let directory = match self.open() {
            Ok(root) => root.path.join(TEMPORARIES),
            Err(object_store::Error::NotFound { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failure::refused("list directory", &directory, error).into()),
        };
        let mut removed = 0;
        for entry in entries {
            let entry =
                entry.map_err(|error| failure::refused("list directory", &directory, error))?;
            // Another process sweeps and finishes puts at the same time: what is gone needs no work.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let old = metadata
                .modified()
                .is_ok_and(|modified| modified < older_than);
            if metadata.is_file() && old {
                match self.deeds.remove_file(&entry.path()) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(failure::refused("delete", &entry.path(), error).into());
                    }
                }
            }
        }
        Ok(removed)
    }

    /// The answer to a writer that came second. It may build on what it found, so that has to be durable first:
    /// the winner may be between its link and its fsync, and may never come to the fsync.
    fn lost_to(
        &self,
        root: &Root,
        directory: &FsPath,
        destination: &FsPath,
    ) -> object_store::Error {
        let durable = self
            .establish(root, &[directory])
            .and_then(|()| self.sync_directory(directory));
        match durable {
            Ok(()) => failure::already_exists(destination),
            Err(refused) => failure::not_known_durable(destination, refused),
        }
    }

    fn write_temporary(&self, root: &Root, payload: &PutPayload) -> Result<Temporary<'_>> {
        let directory = root.path.join(TEMPORARIES);
        let path = directory.join((self.ids)());
        let mut opened = self.deeds.create_file(&path);
        if matches!(&opened, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.make_directory(&directory)?;
            opened = self.deeds.create_file(&path);
        }
        let file = opened.map_err(|error| failure::refused("create", &path, error))?;
        let deeds = &*self.deeds;
        let mut temporary = Temporary { path, file, deeds };
        for chunk in payload.iter() {
            deeds
                .write(&mut temporary.file, &temporary.path, chunk)
                .map_err(|error| failure::refused("write", &temporary.path, error))?;
        }
        Ok(temporary)
    }

    /// Makes sure that `directories`, each of which is the root or below it, exist and will last.
    fn establish(&self, root: &Root, directories: &[&FsPath]) -> Result<(), Refused> {
        let mut names: Vec<&FsPath> = Vec::new();
        for directory in directories {
            if self.known.contains(directory) {
                continue;
            }
            self.make_directory(directory)?;
            let above = directory.ancestors();
            let above = above.take_while(|above| above.starts_with(&root.path));
            let unsure = above.filter(|above| !self.known.contains(above));
            names.extend(unsure);
        }
        let mut synced: Vec<&FsPath> = Vec::new();
        for name in &names {
            let Some(parent) = name.parent().filter(|parent| !synced.contains(parent)) else {
                continue;
            };
            match self.sync_directory(parent) {
                Ok(()) => {}
                // The parent of the root may be closed to this user. Then the root is older than this process:
                // making it would have failed.
                Err(refused)
                    if *name == root.path && refused.kind() == io::ErrorKind::PermissionDenied => {}
                Err(refused) => return Err(refused),
            }
            synced.push(parent);
        }
        self.known.add(&names);
        Ok(())
    }

    /// Makes a directory and those above it that are missing. What it makes above the objects, the root included,
    /// is durable when it returns, or is gone again.
    fn make_directory(&self, directory: &FsPath) -> Result<(), Refused> {
        self.known.forget(directory);
        let mut made = self.deeds.create_dir(directory);
        if matches!(&made, Err(error) if error.kind() == io::ErrorKind::NotFound)
            && let Some(parent) = directory.parent()
        {
            self.make_directory(parent)?;
            made = self.deeds.create_dir(directory);
        }
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            Err(error) => return Err(failure::refused("create directory", directory, error)),
            Ok(()) if self.wanted.starts_with(directory) => {
                if let Some(parent) = directory.parent()
                    && let Err(refused) = self.sync_directory(parent)
                {
                    // Left in place it would look as if it had been there before the store.
                    let _ = self.deeds.remove_dir(directory);
                    return Err(refused);
                }
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn sync_directory(&self, directory: &FsPath) -> Result<(), Refused> {
        let opened = File::open(directory)
            .map_err(|error| failure::refused("open directory", directory, error))?;
        self.sync(&opened, directory)
    }

    fn sync(&self, file: &File, path: &FsPath) -> Result<(), Refused> {
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
        self.deeds
            .sync(file, path)
            .map_err(|error| failure::refused("sync", path, error))
    }
}

/// The directory and the full path of an object. A [`Path`] holds no `..`, so it cannot lead out of the root.
fn resolve(root: &Root, location: &Path) -> Result<(PathBuf, PathBuf)> {
    if !reachable(location) {
        return Err(failure::unreachable_name(location));
    }
    let destination = root.path.join(location.as_ref());
    let directory = destination.parent().unwrap_or(&root.path).to_path_buf();
    Ok((directory, destination))
}

/// Whether `object_store`'s own backend, with which others may read the directory, can open an object of this name: it
/// keeps `#` and digits for itself.
pub(super) fn reachable(location: &Path) -> bool {
    let Some(name) = location.filename() else {
        return false;
    };
    match name.split_once('#') {
        Some((_, suffix)) => suffix.is_empty() || !suffix.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    }
}

/// Makes a file look as if it was written a moment ago. Its names share one age, and what no log refers to yet is
/// swept by age.
fn touch(file: &File) -> io::Result<()> {
    let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps {
        last_access: at(UTIME_OMIT),
        last_modification: at(UTIME_NOW),
    };
    futimens(file, &times).map_err(io::Error::from)
}

/// What a link that failed means: nothing, unless there is an object now.
fn not_linked(destination: &FsPath, error: io::Error) -> object_store::Error {
    let refused = failure::refused("create", destination, error);
    match fs::symlink_metadata(destination) {
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => refused.into(),
        _ => failure::not_known_durable(destination, refused),
    }
}

/// A file under its temporary name. Dropping it removes that name, unless a rename took it; what fails there is
/// swept later.
struct Temporary<'a> {
    path: PathBuf,
    file: File,
    deeds: &'a dyn Deeds,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        let _ = self.deeds.remove_file(&self.path);
    }
}

/// The directories that this process knows to be durable, up to a limit.
struct Known {
    directories: Mutex<HashSet<PathBuf>>,
    limit: usize,
}

impl Known {
    fn new(limit: usize) -> Self {
        Self {
            directories: Mutex::new(HashSet::new()),
            limit,
        }
    }

    fn contains(&self, directory: &FsPath) -> bool {
        self.locked().contains(directory)
    }

    fn add(&self, directories: &[&FsPath]) {
        let mut known = self.locked();
        if known.len() + directories.len() > self.limit {
            known.clear();
        }
        known.extend(directories.iter().map(|directory| directory.to_path_buf()));
    }

    fn forget(&self, directory: &FsPath) {
        self.locked().remove(directory);
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.directories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_directories_stay_within_their_limit() {
        let known = Known::new(3);
        for name in ["/a", "/b", "/c"] {
            known.add(&[FsPath::new(name)]);
        }
        assert!(known.contains(FsPath::new("/a")));
        known.add(&[FsPath::new("/d")]);
        assert!(known.contains(FsPath::new("/d")));
        assert!(!known.contains(FsPath::new("/a")));
        known.forget(FsPath::new("/d"));
        assert!(!known.contains(FsPath::new("/d")));
    }

    #[test]
    fn a_failed_link_is_unknown_only_if_the_object_is_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("object");
        let broken = || io::Error::other("broken");
        assert!(!failure::outcome_unknown(&not_linked(&path, broken())));
        fs::write(&path, "x").unwrap();
        assert!(failure::outcome_unknown(&not_linked(&path, broken())));
    }
}
