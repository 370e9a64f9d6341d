//! Writes down what a store does to the file system, step by step, and what it told its callers in between.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::Deeds;

/// A step, with paths relative to the folder in which the store's root lies.
#[derive(Clone, Debug)]
pub(super) enum Step<T> {
    MakeDirectory(PathBuf),
    MakeFile(PathBuf),
    Write(PathBuf, Vec<u8>),
    SyncFile(PathBuf),
    SyncDirectory(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    RemoveFile(PathBuf),
    RemoveDirectory(PathBuf),
    /// What a caller was told after all steps before.
    Told(T),
}

/// The machine, with somebody who writes down what is done to it. Steps are done one after the other, so that their
/// order is known.
#[derive(Debug)]
pub(super) struct Recorder<T> {
    top: PathBuf,
    steps: Mutex<Vec<Step<T>>>,
}

impl<T: Clone> Recorder<T> {
    /// Paths are told relative to `top`.
    pub(super) fn new(top: &Path) -> Arc<Self> {
        Arc::new(Self {
            top: top.to_owned(),
            steps: Mutex::default(),
        })
    }

    pub(super) fn tell(&self, told: T) {
        self.steps.lock().unwrap().push(Step::Told(told));
    }

    pub(super) fn steps(&self) -> Vec<Step<T>> {
        self.steps.lock().unwrap().clone()
    }

    fn step<R>(&self, deed: impl FnOnce() -> io::Result<R>, step: Step<T>) -> io::Result<R> {
        let mut steps = self.steps.lock().unwrap();
        let done = deed()?;
        steps.push(step);
        Ok(done)
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.top).unwrap().to_owned()
    }
}

impl<T: Clone + Send + Sync> Deeds for Recorder<T> {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let step = Step::MakeDirectory(self.below(path));
        self.step(|| fs::create_dir(path), step)
    }

    fn create_file(&self, path: &Path) -> io::Result<File> {
        let step = Step::MakeFile(self.below(path));
        self.step(|| File::create_new(path), step)
    }

    fn write(&self, file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let step = Step::Write(self.below(path), bytes.to_vec());
        self.step(|| io::Write::write_all(file, bytes), step)
    }

    /// Nothing here is to outlast a real power cut.
    fn sync(&self, _file: &File, path: &Path) -> io::Result<()> {
        let step = match path.is_dir() {
            true => Step::SyncDirectory(self.below(path)),
            false => Step::SyncFile(self.below(path)),
        };
        self.step(|| Ok(()), step)
    }

    fn hard_link(&self, existing: &Path, path: &Path) -> io::Result<()> {
        let step = Step::Link(self.below(existing), self.below(path));
        self.step(|| fs::hard_link(existing, path), step)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let step = Step::Rename(self.below(from), self.below(to));
        self.step(|| fs::rename(from, to), step)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let step = Step::RemoveFile(self.below(path));
        self.step(|| fs::remove_file(path), step)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let step = Step::RemoveDirectory(self.below(path));
        self.step(|| fs::remove_dir(path), step)
    }
}
