//! Which files there are, which are being written, and how much they take together.
//!
//! The bound holds for what is being written, too: a writer asks for the bytes of each piece before it writes it, and files
//! that nobody uses give way to it, those first that were asked for longest ago.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shoots_proto::{FrameId, SharedFile};
use tokio::sync::watch;
use tracing::warn;

use super::Answer;
use super::folder::Folder;

/// How many answers are remembered that do not fit.
const REMEMBERED: usize = 256;
/// How long nothing is written after the storage had failed.
const REST: Duration = Duration::from_secs(30);
/// What the names of finished files end with: an IPC stream of Arrow.
pub(super) const EXTENSION: &str = "arrows";

/// The files of one server.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Folder,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<Answer, Kept>,
    coming: HashMap<Answer, Arc<watch::Sender<Outcome>>>,
    too_large: VecDeque<Answer>,
    /// Bytes of all files, and of what is being written.
    used: u64,
    rest_until: Option<Instant>,
    closed: bool,
    hits: u64,
    misses: u64,
    evictions: u64,
}

#[derive(Debug)]
struct Kept {
    file: SharedFile,
    last_used: Instant,
}

/// What became of a file.
#[derive(Debug, Clone)]
enum Outcome {
    /// It is being written.
    Pending,
    Written(SharedFile),
    /// There will be none.
    Abandoned,
}

/// What there is of an answer.
#[derive(Debug)]
pub(super) enum Found {
    Kept(SharedFile),
    Coming(Coming),
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Coming(watch::Receiver<Outcome>);

impl Coming {
    /// The file, once it is written; nothing if it cannot be.
    pub(super) async fn file(mut self) -> Option<SharedFile> {
        let settled = |outcome: &Outcome| !matches!(outcome, Outcome::Pending);
        match &*self.0.wait_for(settled).await.ok()? {
            Outcome::Written(file) => Some(file.clone()),
            Outcome::Pending | Outcome::Abandoned => None,
        }
    }
}

/// What is known of the files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SharedUsage {
    /// What they may take together.
    pub(crate) bytes: u64,
    pub(crate) used_bytes: u64,
    pub(crate) files: u64,
    /// Gets that were told of a file.
    pub(crate) hits: u64,
    /// Files that were begun to be written.
    pub(crate) misses: u64,
    /// Files that were removed, because nobody used them.
    pub(crate) evictions: u64,
}

impl Shelf {
    pub(super) fn new(folder: Folder, limit: u64) -> Self {
        Self {
            folder,
            limit,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether an answer was found not to fit, even alone.
    pub(super) fn is_too_large(&self, answer: &Answer) -> bool {
        self.state().too_large.contains(answer)
    }

    /// What there is of an answer.
    pub(super) fn find(&self, answer: &Answer) -> Option<Found> {
        let mut state = self.state();
        let found = state.find(answer);
        if found.is_some() {
            state.hits += 1;
        }
        found
    }

    /// Begins to write an answer, if nobody else has; nothing is found if it cannot be written.
    pub(super) fn begin(
        self: &Arc<Self>,
        answer: Answer,
    ) -> Result<(Coming, Flight), Option<Found>> {
        let mut state = self.state();
        if let Some(found) = state.find(&answer) {
            state.hits += 1;
            return Err(Some(found));
        }
        let rests = state.rest_until.is_some_and(|end| Instant::now() < end);
        if state.closed || rests {
            return Err(None);
        }
        state.misses += 1;
        let (sender, receiver) = watch::channel(Outcome::Pending);
        let outcome = Arc::new(sender);
        state.coming.insert(answer.clone(), Arc::clone(&outcome));
        let flight = Flight {
            shelf: Arc::clone(self),
            answer,
            outcome,
            bytes: 0,
            part: None,
        };
        Ok((Coming(receiver), flight))
    }

    /// Takes so many bytes, for which files give way that nobody uses. Whether there is room.
    fn reserve(&self, bytes: u64) -> bool {
        loop {
            let mut state = self.state();
            if state.used.saturating_add(bytes) <= self.limit {
                state.used += bytes;
                return true;
            }
            let Some((answer, lock)) = state.oldest_unused() else {
                return false;
            };
            let Some(kept) = state.files.remove(&answer) else {
                return false;
            };
            state.evictions += 1;
            // Giving back the memory of a large file takes a while, which nobody else has to wait for.
            drop(state);
            remove_file(Path::new(&kept.file.path));
            drop(lock);
            self.give_back(kept.file.bytes);
        }
    }

    fn give_back(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Removes the files that were not used in this time.
    pub(super) fn remove_unused(&self, time: Duration) {
        let unused: Vec<(Kept, Lock)> = {
            let mut state = self.state();
            let old = |kept: &Kept| kept.last_used.elapsed() >= time;
            let old = state.files.iter().filter(|(_, kept)| old(kept));
            let old: Vec<Answer> = old.map(|(answer, _)| answer.clone()).collect();
            old.iter()
                .filter_map(|answer| state.take_if_unused(answer))
                .collect()
        };
        for (kept, lock) in unused {
            remove_file(Path::new(&kept.file.path));
            drop(lock);
            self.give_back(kept.file.bytes);
        }
    }

    /// Removes the files of some frames, used or not, and those that are being written.
    pub(super) fn forget(&self, is_meant: impl Fn(&FrameId) -> bool) {
        let forgotten: Vec<Kept> = {
            let mut state = self.state();
            state.coming.retain(|answer, _| !is_meant(&answer.frame));
            let meant = state.files.extract_if(|answer, _| is_meant(&answer.frame));
            meant.map(|(_, kept)| kept).collect()
        };
        for kept in forgotten {
            remove_file(Path::new(&kept.file.path));
            self.give_back(kept.file.bytes);
        }
    }

    /// Removes all files, and takes no more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.coming.clear();
        state.files.clear();
        drop(state);
        self.folder.remove();
    }

    pub(super) fn usage(&self) -> SharedUsage {
        let state = self.state();
        SharedUsage {
            bytes: self.limit,
            used_bytes: state.used,
            files: state.files.len() as u64,
            hits: state.hits,
            misses: state.misses,
            evictions: state.evictions,
        }
    }
}

impl State {
    fn find(&mut self, answer: &Answer) -> Option<Found> {
        if let Some(kept) = self.files.get_mut(answer) {
            // Somebody may have tidied up in the place where they lie.
            if fs::symlink_metadata(&kept.file.path).is_ok() {
                kept.last_used = Instant::now();
                return Some(Found::Kept(kept.file.clone()));
            }
            self.used = self.used.saturating_sub(kept.file.bytes);
            self.files.remove(answer);
        }
        let coming = self.coming.get(answer)?;
        Some(Found::Coming(Coming(coming.subscribe())))
    }

    /// Of the files that nobody has locked, the one that was asked for longest ago, with the lock on it.
    fn oldest_unused(&self) -> Option<(Answer, Lock)> {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(_, kept)| kept.last_used);
        let mut files = files.into_iter();
        files.find_map(|(answer, kept)| Some((answer.clone(), lock_unused(&kept.file)?)))
    }

    /// Takes a file out that nobody has locked, with the lock on it. One that is in use counts as just used.
    fn take_if_unused(&mut self, answer: &Answer) -> Option<(Kept, Lock)> {
        let kept = self.files.get_mut(answer)?;
        match lock_unused(&kept.file) {
            Some(lock) => {
                self.evictions += 1;
                self.files.remove(answer).map(|kept| (kept, lock))
            }
            None => {
                kept.last_used = Instant::now();
                None
            }
        }
    }
}

/// The exclusive lock on a file; on none, if somebody else has removed it.
type Lock = Option<File>;

/// The lock on a file, if nobody has any.
fn lock_unused(file: &SharedFile) -> Option<Lock> {
    let file = match File::open(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(None),
        opened => opened.ok()?,
    };
    file.try_lock().ok()?;
    Some(Some(file))
}

fn remove_file(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%error, "cannot remove a file for clients on this machine");
        }
        _ => {}
    }
}

/// The way of a file from its first byte to its name. If it is dropped on the way, nothing is left of it, and those who
/// wait for it are told.
#[derive(Debug)]
pub(super) struct Flight {
    shelf: Arc<Shelf>,
    answer: Answer,
    outcome: Arc<watch::Sender<Outcome>>,
    /// What was reserved for it.
    bytes: u64,
    part: Option<PathBuf>,
}

impl Flight {
    /// The file to write to.
    pub(super) fn create(&mut self) -> io::Result<File> {
        let (path, file) = self.shelf.folder.create_file()?;
        self.part = Some(path);
        Ok(file)
    }

    /// Waits until nobody waits for it any more.
    pub(super) fn unwanted(&self) -> impl Future<Output = ()> + use<> {
        let outcome = Arc::clone(&self.outcome);
        async move { outcome.closed().await }
    }

    /// Takes room for so many bytes more. Whether there is some.
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        if !self.shelf.reserve(bytes) {
            if self.bytes.saturating_add(bytes) > self.shelf.limit {
                self.remember_too_large();
            }
            return false;
        }
        self.bytes += bytes;
        true
    }

    fn remember_too_large(&self) {
        let mut state = self.shelf.state();
        if state.too_large.len() == REMEMBERED {
            state.too_large.pop_front();
        }
        state.too_large.push_back(self.answer.clone());
    }

    /// After the storage failed, others do not try at once.
    pub(super) fn rest(&self) {
        self.shelf.state().rest_until = Some(Instant::now() + REST);
    }

    /// Whether it is still this flight that brings the answer.
    fn is_expected(&self, state: &State) -> bool {
        let coming = state.coming.get(&self.answer);
        coming.is_some_and(|coming| Arc::ptr_eq(coming, &self.outcome))
    }

    /// Gives the file its name, unless its frame was removed meanwhile.
    pub(super) fn arrive(mut self, rows: u64) -> io::Result<()> {
        let shelf = Arc::clone(&self.shelf);
        let mut state = shelf.state();
        let Some(part) = self.part.as_ref().filter(|_| self.is_expected(&state)) else {
            return Ok(());
        };
        let path = part.with_extension(EXTENSION);
        fs::rename(part, &path)?;
        self.part = None;
        let file = SharedFile {
            path: path.to_string_lossy().into_owned(),
            rows,
            bytes: std::mem::take(&mut self.bytes),
        };
        state.coming.remove(&self.answer);
        let kept = Kept {
            file: file.clone(),
            last_used: Instant::now(),
        };
        state.files.insert(self.answer.clone(), kept);
        self.outcome.send_replace(Outcome::Written(file));
        Ok(())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            remove_file(&part);
        }
        let mut state = self.shelf.state();
        state.used = state.used.saturating_sub(self.bytes);
        if self.is_expected(&state) {
            state.coming.remove(&self.answer);
        }
        drop(state);
        self.outcome.send_if_modified(|outcome| {
            let open = matches!(outcome, Outcome::Pending);
            if open {
                *outcome = Outcome::Abandoned;
            }
            open
        });
    }
}
