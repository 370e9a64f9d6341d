//! What a location leads to, before a store is opened there.
//!
//! Opening a store to write makes its folder, so a path with a typing error becomes a store without a word. Whoever opens
//! stores that people name asks here first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::layout;
use crate::place::Place;

/// A folder that is a store, or may become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFolder(PathBuf);

/// What is in such a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There is no such folder.
    Nothing,
    /// It holds nothing, as a store does to which nothing was put.
    Empty,
    /// A store, or plain Parquet files, which are frames.
    Store,
    /// Other things, one of which has this name.
    Other(String),
}

impl StoreFolder {
    /// The folder that a location means; `None` where it means no folder of this machine.
    ///
    /// ```
    /// use shoots_store::{Found, StoreFolder};
    ///
    /// let folder = StoreFolder::of("/no/such/folder")?.unwrap();
    /// assert_eq!(folder.look().unwrap(), Found::Nothing);
    /// assert_eq!(StoreFolder::of("memory://")?, None);
    /// # Ok::<_, shoots_store::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it is no location.
    pub fn of(location: &str) -> Result<Option<Self>> {
        Ok(match Place::parse(location)? {
            Place::Folder(folder) => Some(Self(folder)),
            Place::Memory | Place::Remote(_) => None,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Looks what is in it.
    ///
    /// # Errors
    /// If it cannot be read, or is no folder.
    pub fn look(&self) -> io::Result<Found> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let mut found = Found::Empty;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if layout::is_store_part(&name) {
                return Ok(Found::Store);
            }
            match bucket(&entry.path()) {
                Bucket::Full => return Ok(Found::Store),
                Bucket::Empty => {}
                Bucket::None if is_of_the_system(&name) => {}
                Bucket::None => found = Found::Other(name),
            }
        }
        Ok(found)
    }
}

/// Whether an entry of the folder is the folder of a bucket.
enum Bucket {
    Full,
    Empty,
    None,
}

fn bucket(path: &Path) -> Bucket {
    // What cannot be looked into does not tell that this is a store.
    let Ok(mut entries) = fs::read_dir(path) else {
        return Bucket::None;
    };
    let mut empty = true;
    let full = entries.any(|entry| {
        empty = false;
        entry.is_ok_and(|entry| {
            let part = layout::is_bucket_part(&entry.file_name().to_string_lossy());
            part || entry.path().join(layout::HINT_IN_FRAME).is_file()
        })
    });
    match (full, empty) {
        (true, _) => Bucket::Full,
        (false, true) => Bucket::Empty,
        (false, false) => Bucket::None,
    }
}

/// Whether a name is one that systems put into folders by themselves.
fn is_of_the_system(name: &str) -> bool {
    name.starts_with('.') || name == "lost+found"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    fn look(folder: &Path) -> Found {
        let location = folder.to_str().unwrap();
        let folder = StoreFolder::of(location).unwrap().unwrap();
        folder.look().unwrap()
    }

    #[test]
    fn folders_are_told_by_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        for (entries, expected) in [
            (&[][..], Found::Empty),
            (&[".DS_Store", "lost+found/", "empty/"], Found::Empty),
            (&["notes.txt"], Found::Other("notes.txt".to_owned())),
            (&["src/main.rs"], Found::Other("src".to_owned())),
            (&["notes.txt", "_default/f/"], Found::Store),
            (&["notes.txt", "nyc/_bucket.json"], Found::Store),
            (&["flights.parquet"], Found::Store),
            (&["nyc/flights.parquet"], Found::Store),
            (&["nyc/flights/log/latest"], Found::Store),
            (&["_snapshots/"], Found::Store),
        ] {
            let root = folder.path().join("root");
            fs::create_dir(&root).unwrap();
            for entry in entries {
                let path = root.join(entry);
                if entry.ends_with('/') {
                    fs::create_dir_all(path).unwrap();
                } else {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, b"").unwrap();
                }
            }
            assert_eq!(look(&root), expected, "{entries:?}");
            fs::remove_dir_all(&root).unwrap();
        }
        assert_eq!(look(&folder.path().join("absent")), Found::Nothing);
    }

    #[tokio::test]
    async fn what_a_store_writes_first_tells_that_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
        assert_eq!(look(folder.path()), Found::Empty);
        let bucket = shoots_proto::BucketName::parse("nyc").unwrap();
        store.create_bucket(&bucket).await.unwrap();
        assert_eq!(look(folder.path()), Found::Store);
    }
}
