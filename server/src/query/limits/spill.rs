//! The folder for what queries cannot hold in memory, and what killed servers left of theirs.
//!
//! Each server has a folder of its own and keeps it locked. The system takes the lock away with the process, however that
//! ends, so a folder that can be locked is nobody's any more: whoever comes upon it at a start removes it. Where folders
//! cannot be locked, nothing is known about them and they stay.
//!
//! Temporary folders are cleaned by more than us: one that was removed under the server is made again for the next query.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

/// What the names of such folders begin with.
const PREFIX: &str = "shoots-spill-";

/// Servers in one process have folders of their own, too.
static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// A server's folder. It is removed when this is dropped.
#[derive(Debug)]
pub(in crate::query) struct SpillFolder {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl SpillFolder {
    /// Makes a folder, after removing those that are nobody's.
    ///
    /// # Errors
    /// If nothing can be made there.
    pub(in crate::query) fn below(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent);
        loop {
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", process::id()));
            match fs::create_dir(&path) {
                // A process of this number is there in another container.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            if let Some(folder) = Self::take(path) {
                return Ok(folder);
            }
        }
    }

    /// Makes a new folder this server's own; none if another server's sweep came between.
    fn take(path: PathBuf) -> Option<Self> {
        let lock = Mutex::new(lock(&path)?);
        path.exists().then_some(Self { path, lock })
    }

    /// Makes a folder in this one again, and this one, if somebody has removed them.
    ///
    /// # Errors
    /// If nothing can be made there.
    pub(in crate::query) fn restore(&self, inside: &Path) -> io::Result<()> {
        if inside.exists() {
            return Ok(());
        }
        let mut own = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(inside)?;
        // If a sweep of another server is at it, the next query makes it once more.
        if let Some(lock) = lock(&self.path) {
            *own = lock;
        }
        Ok(())
    }

    pub(in crate::query) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What stays behind is removed by the next server.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The lock of a folder, where there are locks; none if somebody else has it.
fn lock(folder: &Path) -> Option<Option<File>> {
    let lock = File::open(folder).ok();
    match lock.as_ref().map(File::try_lock) {
        Some(Err(TryLockError::WouldBlock)) => None,
        _ => Some(lock),
    }
}

/// Removes folders whose servers are gone.
fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let is_folder = entry.file_type().is_ok_and(|of| of.is_dir());
        if !is_ours || !is_folder {
            continue;
        }
        let path = entry.path();
        let Ok(folder) = File::open(&path) else {
            continue;
        };
        if folder.try_lock().is_err() {
            continue;
        }
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                info!(folder = %path.display(), "removed what queries of a killed server left")
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                warn!(folder = %path.display(), %error, "what queries of a killed server left stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn folders_of_servers_that_live_stay_and_others_go_at_the_next_start() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        let one = SpillFolder::below(parent.path()).unwrap();
        fs::write(one.path().join("rows"), "sorted").unwrap();
        // As a killed server leaves it, and what is nobody's business.
        fs::create_dir_all(at("shoots-spill-1-0/datafusion-x")).unwrap();
        fs::write(at("shoots-spill-1-0/datafusion-x/rows"), "left").unwrap();
        fs::create_dir(at("datafusion-y")).unwrap();
        fs::write(at("shoots-spill-note"), "a file").unwrap();
        let other = SpillFolder::below(parent.path()).unwrap();
        let name = |folder: &SpillFolder| {
            let name = folder.path().file_name().unwrap();
            name.to_str().unwrap().to_owned()
        };
        let mut expected = vec![
            "datafusion-y".to_owned(),
            "shoots-spill-note".to_owned(),
            name(&one),
            name(&other),
        ];
        expected.sort();
        assert_eq!(names(parent.path()), expected);
        assert!(one.path().join("rows").exists());
        drop(one);
        drop(other);
        assert_eq!(names(parent.path()), ["datafusion-y", "shoots-spill-note"]);
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again_and_stays_this_servers() {
        let parent = tempfile::tempdir().unwrap();
        let folder = SpillFolder::below(parent.path()).unwrap();
        let inside = folder.path().join("datafusion-x");
        for gone in [parent.path(), folder.path()] {
            fs::remove_dir_all(gone).unwrap();
            folder.restore(&inside).unwrap();
            assert!(inside.exists());
            sweep(parent.path());
            assert!(inside.exists(), "another server took it for nobody's");
        }
        fs::remove_dir_all(parent.path()).unwrap();
        fs::write(parent.path(), "a file").unwrap();
        folder.restore(&inside).unwrap_err();
        fs::remove_file(parent.path()).unwrap();
        fs::create_dir(parent.path()).unwrap();
    }

    #[test]
    fn a_folder_that_was_swept_before_it_was_locked_is_not_taken() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("shoots-spill-1-1");
        fs::create_dir(&path).unwrap();
        let sweeping = File::open(&path).unwrap();
        sweeping.try_lock().unwrap();
        assert!(SpillFolder::take(path.clone()).is_none());
        drop(sweeping);
        fs::remove_dir(&path).unwrap();
        assert!(SpillFolder::take(path).is_none());
    }
}
