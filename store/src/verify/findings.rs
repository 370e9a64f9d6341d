//! What a check finds, and what is a finding: damage is told and the check goes on, a storage that is away ends it.

use std::collections::HashSet;

use object_store::path::Path;
use shoots_proto::action::{FaultyObject, UnreferencedObject, VerifyResult};

use crate::error::{Error, Result};

/// What became of looking at one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// So many bytes of it were read, and all are as they were written.
    Sound(u64),
    Missing,
    Damaged(String),
}

impl Checked {
    /// The outcome of a check that read so many bytes.
    pub(super) fn after<T>(bytes: u64, outcome: Result<T>) -> Result<Self> {
        match outcome {
            Ok(_) => Ok(Self::Sound(bytes)),
            Err(error) if error.is_of_the_storage() => Err(error),
            Err(error) => Ok(Self::Damaged(error.without_paths())),
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) frames: u64,
    objects: u64,
    bytes: u64,
    missing: Vec<FaultyObject>,
    damaged: Vec<FaultyObject>,
    pub(super) unreferenced: Vec<UnreferencedObject>,
}

impl Findings {
    /// Notes an object that was looked at.
    pub(super) fn note(&mut self, object: &Path, checked: Checked) {
        self.objects += 1;
        let faulty = |problem: String| FaultyObject {
            object: object.to_string(),
            problem,
        };
        match checked {
            Checked::Sound(bytes) => self.bytes += bytes,
            Checked::Missing => {
                let problem = "it is missing, and versions that are kept need it";
                self.missing.push(faulty(problem.to_owned()));
            }
            Checked::Damaged(problem) => self.damaged.push(faulty(problem)),
        }
    }

    /// Notes what is wrong with an object that is as it was written.
    pub(super) fn contradiction(&mut self, object: &Path, problem: &str) {
        self.damaged.push(FaultyObject {
            object: object.to_string(),
            problem: Error::damaged(object, problem).to_string(),
        });
    }

    pub(super) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.missing.extend(other.missing);
        self.damaged.extend(other.damaged);
        self.unreferenced.extend(other.unreferenced);
    }

    /// Drops what a second look does not confirm: objects that are sound in it, or that nothing refers to any more. It
    /// need not have read all that the first look has, so what was damaged stays if it is still referred to.
    pub(super) fn confirm(&mut self, again: Self, referenced: &HashSet<Path>) {
        let faulty = again.missing.iter().chain(&again.damaged);
        let faulty: HashSet<&str> = faulty.map(|faulty| faulty.object.as_str()).collect();
        let referenced: HashSet<&str> = referenced.iter().map(Path::as_ref).collect();
        let still = |known: &FaultyObject| faulty.contains(known.object.as_str());
        self.missing.retain(still);
        self.damaged
            .retain(|known| still(known) || referenced.contains(known.object.as_str()));
        self.unreferenced = again.unreferenced;
    }

    /// Whether nothing is missing and nothing damaged.
    pub(super) fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty()
    }

    pub(super) fn told(self) -> VerifyResult {
        VerifyResult {
            frames: self.frames,
            objects: self.objects,
            bytes: self.bytes,
            ok: self.is_clean(),
            missing: self.missing,
            damaged: self.damaged,
            unreferenced: self.unreferenced,
        }
    }
}
