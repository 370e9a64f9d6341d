//! Room on the disk that a store lives on: puts end before it does.
//!
//! A disk that is full to the last byte stops everything, also what would make room again: deletes are commits, and
//! a commit is a file. So puts are refused while the file system has less free space than a margin, before they
//! give any row and while they stream; reads and deletes go on within the margin. Only rows are held back, so only
//! what writes them asks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Cause, Result};

/// So many bytes are written between two looks at the disk.
const LOOK_BYTES: u64 = 4 << 20;

/// How many bytes of the file system that holds a folder are free for this process.
type Measure = Arc<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// Watches the free space of a local folder.
pub(crate) struct Space {
    folder: PathBuf,
    low: u64,
    measure: Measure,
    /// Bytes written since the last look.
    unseen: AtomicU64,
}

impl Space {
    /// Puts are refused when the file system of `folder` has less than `low` bytes free.
    pub(crate) fn new(folder: &Path, low: u64) -> Self {
        Self::measured(folder, low, Arc::new(free_bytes))
    }

    fn measured(folder: &Path, low: u64, measure: Measure) -> Self {
        Self {
            folder: folder.to_owned(),
            low,
            measure,
            unseen: AtomicU64::new(0),
        }
    }

    /// Looks at the disk.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`](crate::ErrorKind::NoSpace) if there is too little.
    pub(crate) async fn check(&self) -> Result<()> {
        self.unseen.store(0, Ordering::Relaxed);
        if self.low == 0 {
            return Ok(());
        }
        match self.free().await? {
            Some(free) if free < self.low => Err(Cause::NoSpace {
                folder: self.folder.display().to_string(),
                free,
                low: self.low,
            }
            .into()),
            // If nobody can tell, the write itself will.
            Some(_) | None => Ok(()),
        }
    }

    /// How many bytes are free; none if that cannot be told.
    pub(crate) async fn free(&self) -> Result<Option<u64>> {
        let (folder, measure) = (self.folder.clone(), Arc::clone(&self.measure));
        let measured = tokio::task::spawn_blocking(move || measure(&folder)).await;
        let measured = measured.map_err(|ended| Cause::Task(ended.to_string()))?;
        Ok(measured.map_or_else(
            |error| {
                let folder = self.folder.display();
                tracing::warn!(%error, "the free space of {folder} cannot be told");
                None
            },
            Some,
        ))
    }

    /// Below how many free bytes puts are refused; none if there is no such limit.
    pub(crate) fn low(&self) -> Option<u64> {
        (self.low > 0).then_some(self.low)
    }

    /// Notes that so many bytes are about to be written, and looks at the disk every few MiB.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) async fn admit(&self, bytes: u64) -> Result<()> {
        let unseen = self.unseen.fetch_add(bytes, Ordering::Relaxed);
        if unseen.saturating_add(bytes) < LOOK_BYTES {
            return Ok(());
        }
        self.check().await
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("folder", &self.folder)
            .field("low", &self.low)
            .finish_non_exhaustive()
    }
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let told = rustix::fs::statvfs(folder)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// A disk with as many free bytes as the returned number says, and how often it was looked at.
    fn disk(low: u64) -> (Space, Arc<AtomicU64>, Arc<AtomicU64>) {
        let (free, looks) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (told, counted) = (Arc::clone(&free), Arc::clone(&looks));
        let measure = move |_: &Path| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(told.load(Ordering::Relaxed))
        };
        let space = Space::measured(Path::new("/data"), low, Arc::new(measure));
        (space, free, looks)
    }

    #[tokio::test]
    async fn too_little_space_is_refused_with_what_is_free_and_the_setting() {
        let (space, free, _) = disk(1_000);
        free.store(1_000, Ordering::Relaxed);
        space.check().await.unwrap();
        free.store(999, Ordering::Relaxed);
        let error = space.check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        for part in ["/data", " 999 ", " 1000 ", "low_space_bytes"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn the_disk_is_looked_at_every_few_mebibytes() {
        let (space, free, looks) = disk(1_000);
        free.store(5_000, Ordering::Relaxed);
        for _ in 0..64 {
            space.admit(1 << 20).await.unwrap();
        }
        assert_eq!(looks.load(Ordering::Relaxed), 16);
        free.store(0, Ordering::Relaxed);
        space.admit(3 << 20).await.unwrap();
        assert!(space.admit(1 << 20).await.is_err());
        assert!(space.admit(100 << 20).await.is_err());
    }

    #[tokio::test]
    async fn no_margin_is_no_look_and_a_disk_that_cannot_tell_is_no_reason_to_refuse() {
        let (space, _, looks) = disk(0);
        space.check().await.unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 0);
        let silent = |_: &Path| Err(io::Error::other("no answer"));
        let space = Space::measured(Path::new("/data"), 1, Arc::new(silent));
        space.check().await.unwrap();
    }

    #[test]
    fn a_real_folder_has_some_space() {
        assert!(free_bytes(&std::env::temp_dir()).unwrap() > 0);
        assert!(free_bytes(Path::new("/no/such/folder")).is_err());
    }
}
