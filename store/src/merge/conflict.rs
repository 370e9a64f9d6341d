//! What keeps two histories apart.

use crate::error::{Cause, Error};
use crate::log::commit::CommitId;

/// Why two histories cannot be put together by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Columns that are one have types that do not hold each other's values, or columns got in each other's way.
    Types,
    /// The rows are sorted by other columns.
    Index,
    /// The two have no common ancestor.
    Unrelated,
    /// What the common ancestor, or a commit since, was made of is not kept any more.
    Expired,
    /// A condition would have to be asked of rows that it cannot be asked of.
    Condition,
    /// The same conflict was settled in opposite ways.
    Settled,
}

impl Kind {
    /// Its name, as users are told it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Index => "index",
            Self::Unrelated => "unrelated",
            Self::Expired => "expired",
            Self::Condition => "condition",
            Self::Settled => "settled",
        }
    }
}

/// Two commits, one of each side, that cannot be put in one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) kind: Kind,
    pub(crate) ours: CommitId,
    pub(crate) theirs: CommitId,
    /// In words for whoever is to settle it.
    pub(crate) problem: String,
}

impl Conflict {
    /// The same as an error of a frame.
    pub(crate) fn into_error(self, frame: impl ToString) -> Error {
        Cause::MergeConflict {
            frame: frame.to_string(),
            kind: self.kind.name(),
            ours: self.ours,
            theirs: self.theirs,
            problem: self.problem,
        }
        .into()
    }
}

/// What stops a replay: a conflict that is not attributed yet, or a failure of the store.
#[derive(Debug)]
pub(super) enum Stop {
    Conflict(Kind, String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A conflict about types, which most are.
pub(super) fn types(problem: impl Into<String>) -> Stop {
    Stop::Conflict(Kind::Types, problem.into())
}

/// A conflict about the index.
pub(super) fn index(problem: impl Into<String>) -> Stop {
    Stop::Conflict(Kind::Index, problem.into())
}
