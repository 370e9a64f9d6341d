//! Answers in files that clients on this machine map into memory: nothing is sent, and nobody copies.
//!
//! A file holds the rows of one get ([`Answer`]): of one commit of a frame, with the columns and the range that were asked
//! for. It is written once, by whoever asks first while others wait ([`writing`]), and never changes after it got its name.
//! So whoever asks for the same rows is told its path, however many rows there are.
//!
//! **In use is what is locked.** A reader holds a shared lock (`flock`) on a file for as long as it has it mapped; the
//! system lets go of it when the reader ends, however it ends. To make room for others, or because nobody has asked for
//! it for a while, a file is removed only with the exclusive lock, which is there at once or not at all. A reader that gets
//! its lock just after that finds that the file has no name any more, and asks for a stream.
//!
//! All files together are bounded ([`shelf`]). What does not fit, or cannot be written, is streamed as if there were no
//! files: nothing fails because of them. They lie in a folder that only this server's user can look into ([`folder`]); who
//! is told of a path was allowed to read the rows.

mod folder;
mod shelf;
mod writing;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::Stream;
use shoots_proto::{BucketName, FrameId, SharedFile};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use self::folder::Folder;
pub(crate) use self::shelf::SharedUsage;
use self::shelf::{Found, Shelf};
use crate::config::Config;
use crate::status::Failure;

/// How many files may be written at the same time; further gets are streamed. Each takes some batches of memory.
const WRITERS: usize = 2;
/// How often it is looked for files that nobody uses, in the time that they may go unused.
const LOOKS: u32 = 4;

/// What a file holds: of which frame, in which state, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub(crate) frame: FrameId,
    pub(crate) commit: String,
    /// The ticket, without what names the state.
    pub(crate) part: Vec<u8>,
}

/// Rows on their way into a file.
pub(crate) type Source = Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>;

/// The files of one server. Clones are of the same files.
#[derive(Debug, Clone)]
pub(crate) struct SharedFiles {
    shelf: Arc<Shelf>,
    writers: Arc<Semaphore>,
    min_bytes: usize,
    unused: Duration,
}

impl SharedFiles {
    /// Makes the folder for the files, if there are to be any, and removes those of servers that have crashed.
    pub(crate) fn open(config: &Config) -> io::Result<Option<Self>> {
        if config.shm_dir.is_empty() || config.shm_bytes == 0 {
            return Ok(None);
        }
        let folder = Folder::create(&PathBuf::from(&config.shm_dir))?;
        Ok(Some(Self {
            shelf: Arc::new(Shelf::new(folder, config.shm_bytes)),
            writers: Arc::new(Semaphore::new(WRITERS)),
            min_bytes: usize::try_from(config.shm_min_bytes).unwrap_or(usize::MAX),
            unused: config.shm_unused(),
        }))
    }

    /// Whether who asks is on this machine, as far as its address tells.
    pub(crate) fn are_within_reach_of(caller: Option<SocketAddr>) -> bool {
        caller.is_some_and(|caller| caller.ip().to_canonical().is_loopback())
    }

    /// Below how many bytes rows are streamed.
    pub(crate) fn min_bytes(&self) -> usize {
        self.min_bytes
    }

    /// Whether so many rows of a schema could fit; `None` if their number is not known.
    pub(crate) fn could_hold(
        &self,
        answer: &Answer,
        schema: &SchemaRef,
        rows: Option<u64>,
    ) -> bool {
        let fields = schema.fields().iter();
        let width: usize = fields
            .filter_map(|field| field.data_type().primitive_width())
            .sum();
        let least = rows.unwrap_or(0).saturating_mul(width as u64);
        least <= self.shelf.limit() && !self.shelf.is_too_large(answer)
    }

    /// The file with these rows, if there is one, or will be: then this waits for it.
    pub(crate) async fn find(&self, answer: &Answer) -> Option<SharedFile> {
        match self.shelf.find(answer)? {
            Found::Kept(file) => Some(file),
            Found::Coming(coming) => coming.file().await,
        }
    }

    /// Writes these rows to a file, or waits until somebody else has; nothing if that is not possible. It goes on for as
    /// long as anybody waits for it.
    pub(crate) async fn make(
        &self,
        answer: Answer,
        schema: SchemaRef,
        rows: Source,
    ) -> Option<SharedFile> {
        let (coming, flight) = match self.shelf.begin(answer) {
            Ok(begun) => begun,
            Err(Some(Found::Kept(file))) => return Some(file),
            Err(Some(Found::Coming(coming))) => {
                drop(rows);
                return coming.file().await;
            }
            Err(None) => return None,
        };
        let place = Arc::clone(&self.writers).try_acquire_owned().ok()?;
        let runtime = tokio::runtime::Handle::current();
        // Rows are joined and encoded in large pieces, which is no work between others.
        tokio::task::spawn_blocking(move || {
            runtime.block_on(writing::write(flight, schema, rows));
            drop(place);
        });
        coming.file().await
    }

    /// Removes the files of a frame, or of all frames of a bucket, also those that somebody has open.
    pub(crate) async fn forget(&self, bucket: Option<BucketName>, frame: Option<FrameId>) {
        let is_meant = move |of: &FrameId| match &frame {
            Some(frame) => frame == of,
            None => bucket == of.bucket,
        };
        let shelf = Arc::clone(&self.shelf);
        // Giving back the memory of a large file takes a while.
        let _ = tokio::task::spawn_blocking(move || shelf.forget(is_meant)).await;
    }

    /// Removes files that nobody has used for a while, for ever.
    pub(crate) async fn look_after(self) {
        let mut looks = interval(self.unused / LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let (shelf, unused) = (Arc::clone(&self.shelf), self.unused);
            let _ = tokio::task::spawn_blocking(move || shelf.remove_unused(unused)).await;
        }
    }

    /// Removes all files. Who has one mapped keeps its rows.
    pub(crate) async fn close(self) {
        let _ = tokio::task::spawn_blocking(move || self.shelf.close()).await;
    }

    pub(crate) fn usage(&self) -> SharedUsage {
        self.shelf.usage()
    }
}
