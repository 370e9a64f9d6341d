//! What a disk store does to the file system, each step a call.
//!
//! A test can stand in for the machine here: write the steps down and take away what was not synced, as a power cut
//! does, or have no room left. Reading is none of these steps.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Changes of a file system. What is not said otherwise is done as the operating system does it.
pub(crate) trait Deeds: Send + Sync {
    /// Makes a directory in one that exists.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Makes a file, unless there is one.
    fn create_file(&self, path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    /// Writes bytes at the end of a file.
    fn write(&self, file: &mut File, _path: &Path, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Makes an open file or directory durable.
    fn sync(&self, file: &File, _path: &Path) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a file a second name, unless something has that name.
    fn hard_link(&self, existing: &Path, path: &Path) -> io::Result<()> {
        fs::hard_link(existing, path)
    }

    /// Gives a file another name, which it takes from whatever has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Takes a name from a file.
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

/// The machine itself.
pub(super) struct Machine;

impl Deeds for Machine {}
