//! What can go wrong in a store: many precise causes, few kinds.
//!
//! A [`Cause`] says what happened, in words for the person who reads it, and stays inside the crate. Callers
//! decide by [`ErrorKind`], which is named after what they can do: fix the request, try again, or report.
//! The kind is exhaustive on purpose, so that whoever maps it (the server does) is told by the compiler when
//! one is added.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::remote::first_write;
use crate::remote::trouble::{self, Trouble};

/// The result of most calls into a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller of a failed call can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bucket, frame or version does not exist.
    NotFound,
    /// The frame or bucket exists already, and the call asked that it should not.
    AlreadyExists,
    /// The bucket still holds frames, and the call asked that it should not.
    BucketNotEmpty,
    /// The request makes no sense as it stands: correct it.
    InvalidRequest,
    /// The rows' types cannot be stored, or are not those of the frame.
    Schema,
    /// Another writer came first; nothing was written. Read again and retry.
    Conflict,
    /// The history of the other side has changes that this one does not: pull first.
    Diverged,
    /// Two histories cannot be put together by themselves: say whose side is to be taken.
    MergeConflict,
    /// The write may or may not have taken effect. Read back (or retry with the same `request_id`).
    OutcomeUnknown,
    /// Rows that this takes were left at a remote when a part of the frame was cloned: fetch them.
    Promised,
    /// Stored bytes are not what was written.
    Damaged,
    /// The storage below failed; nothing was acknowledged.
    Io,
    /// The disk is nearly full: free some space, then try again. Reads and deletes go on.
    NoSpace,
    /// The store was opened for reading only.
    ReadOnly,
    /// Another server does not let this program do that: it needs another token there.
    PermissionDenied,
    /// Another server has a limit that this is past: ask for less of it, or later.
    Limit,
    /// Another server did not come to an end in the time that it was given: try again.
    TimedOut,
    /// Another server has ended the call: try again.
    Cancelled,
    /// The frame was written by a program that is newer than this one.
    Newer,
    /// The store was about to break one of its own rules, and did not. Report it.
    Internal,
}

/// A failed call: a [kind](Error::kind) to act on and a message to read.
///
/// Cloning is cheap: puts that were published together fail together.
#[derive(Clone)]
pub struct Error(Arc<Cause>);

/// Everything that can go wrong, each with the words that its reader needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("no such {what}: {name}")]
    NotFound { what: &'static str, name: String },
    #[error("{what} {name} exists already")]
    AlreadyExists { what: &'static str, name: String },
    #[error(
        "frame {frame} exists already: say by the mode what happens to its rows (`append`, `update`, `upsert` or `replace`)"
    )]
    FrameThere { frame: String },
    #[error("bucket {bucket} is not empty: it holds {frames} frame(s), {example} among them")]
    BucketNotEmpty {
        bucket: String,
        frames: usize,
        example: String,
    },
    #[error("{field}: {problem}")]
    InvalidRequest {
        field: &'static str,
        problem: String,
    },
    #[error("cannot store these columns: {0}")]
    Unsupported(String),
    #[error("the rows do not fit frame {frame}: {columns}")]
    SchemaMismatch { frame: String, columns: String },
    #[error("{0}; nothing was written, try again")]
    Conflict(String),
    #[error("{0}: pull first, then push again")]
    Diverged(String),
    #[error(
        "the histories of frame {frame} cannot be merged ({kind}): {problem} (ours: commit {ours}, theirs: commit {theirs}); nothing was changed; settle it with `favour`: `ours` or `theirs`"
    )]
    MergeConflict {
        frame: String,
        kind: &'static str,
        ours: String,
        theirs: String,
        problem: String,
    },
    #[error(
        "the outcome of this write is unknown ({problem}): read the frame to see whether it took effect, or retry with the same request_id"
    )]
    OutcomeUnknown { problem: String },
    #[error(
        "the rename of frame {frame} to {target} stopped after the copy: {error}; made again, it goes on from there, and until then {}",
        both_are_there(error)
    )]
    HalfRenamed {
        frame: String,
        target: String,
        error: Error,
    },
    #[error("{object} is damaged: it is missing")]
    Missing { object: String },
    #[error("version {version} of frame {frame} was {how} while it was read: read again")]
    GivenUp {
        version: u64,
        frame: String,
        how: &'static str,
    },
    #[error(
        "rows of frame {frame} that this takes were left at {remote} when a part of it was cloned{}", what_helps(*.gone)
    )]
    LeftElsewhere {
        frame: String,
        remote: String,
        /// They are not kept there any more.
        gone: bool,
    },
    #[error("{0}")]
    Overtaken(Error),
    #[error("{object} is damaged: {problem}")]
    Damaged { object: String, problem: String },
    #[error("{doing}: {source}")]
    Io {
        doing: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error(
        "nothing can be put: the disk of {folder} has {free} bytes free, and below {low} (the setting low_space_bytes) puts are refused; free some space"
    )]
    NoSpace { folder: String, free: u64, low: u64 },
    #[error("{doing}: the disk is full: {source}; free some space, then try again")]
    Full {
        doing: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("{doing}: the storage cannot be reached: {source}")]
    Unreachable {
        doing: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error(
        "{doing}: access to the storage is refused ({reason}): check the credentials and their rights"
    )]
    Refused { doing: String, reason: String },
    #[error("the store was opened for reading only")]
    ReadOnly,
    #[error("{object} needs {needs}, which this version of Shoots does not know: upgrade Shoots")]
    Newer { object: String, needs: String },
    #[error(
        "nothing was written to {frame}, because it would have broken a rule of the log: {rule}; please report this"
    )]
    Invariant { frame: String, rule: String },
    #[error("there was nothing to change")]
    NothingToChange,
    #[error("a task of the store ended without an answer: {0}")]
    Task(String),
    #[error("{message}")]
    Elsewhere { kind: ErrorKind, message: String },
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match *self.0 {
            Cause::NotFound { .. } | Cause::GivenUp { .. } => ErrorKind::NotFound,
            Cause::LeftElsewhere { .. } => ErrorKind::Promised,
            Cause::AlreadyExists { .. } | Cause::FrameThere { .. } => ErrorKind::AlreadyExists,
            Cause::BucketNotEmpty { .. } => ErrorKind::BucketNotEmpty,
            Cause::InvalidRequest { .. } | Cause::NothingToChange => ErrorKind::InvalidRequest,
            Cause::Unsupported(_) | Cause::SchemaMismatch { .. } => ErrorKind::Schema,
            Cause::Conflict(_) => ErrorKind::Conflict,
            Cause::Diverged(_) => ErrorKind::Diverged,
            Cause::MergeConflict { .. } => ErrorKind::MergeConflict,
            Cause::OutcomeUnknown { .. } => ErrorKind::OutcomeUnknown,
            Cause::Damaged { .. } | Cause::Missing { .. } => ErrorKind::Damaged,
            Cause::NoSpace { .. } | Cause::Full { .. } => ErrorKind::NoSpace,
            Cause::Io { .. } | Cause::Unreachable { .. } | Cause::Refused { .. } => ErrorKind::Io,
            Cause::ReadOnly => ErrorKind::ReadOnly,
            Cause::Newer { .. } => ErrorKind::Newer,
            Cause::Invariant { .. } | Cause::Task(_) => ErrorKind::Internal,
            Cause::Elsewhere { kind, .. } => kind,
            Cause::Overtaken(ref error) | Cause::HalfRenamed { ref error, .. } => error.kind(),
        }
    }

    /// The same error of an exchange that one of the ends has overtaken: it has moved, or removed what was counted on.
    /// Whoever looks at both anew may come to the end.
    pub(crate) fn overtaken(self) -> Self {
        Cause::Overtaken(self).into()
    }

    /// Whether an end has moved on meanwhile.
    pub(crate) fn is_overtaken(&self) -> bool {
        matches!(*self.0, Cause::Overtaken(_))
    }

    /// The name that is missing, and what it would be the name of: `frame`, `bucket`, `snapshot` and the like.
    #[must_use]
    pub fn missing_name(&self) -> Option<(&'static str, &str)> {
        match &*self.0 {
            Cause::NotFound { what, name } => Some((what, name)),
            _ => None,
        }
    }

    /// What another store has answered, for implementations of [`Peer`](crate::Peer) that reach one.
    #[must_use]
    pub fn elsewhere(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Cause::Elsewhere { kind, message }.into()
    }

    /// Whether the storage was away or refused: that says nothing about a single object.
    pub(crate) fn is_of_the_storage(&self) -> bool {
        matches!(
            *self.0,
            Cause::Unreachable { .. } | Cause::Refused { .. } | Cause::Task(_)
        )
    }

    /// Whether it is about one frame or bucket, and others can be read all the same: its objects are damaged, or made by a
    /// newer program, or the system refuses this program one of its files.
    #[must_use]
    pub fn is_of_one_frame(&self) -> bool {
        match &*self.0 {
            Cause::Io { source, .. } => trouble::is_of_one_file(&**source),
            _ => matches!(self.kind(), ErrorKind::Damaged | ErrorKind::Newer),
        }
    }

    /// The same in words for whoever knows the objects and not where this machine keeps them.
    pub(crate) fn without_paths(&self) -> String {
        match &*self.0 {
            Cause::Io { doing, source } => match trouble::of_the_system(&**source) {
                Some(said) => format!("{doing}: {said}"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }

    /// Whether decoding failed because more was to become one array than an array can hold.
    pub(crate) fn is_overflow(&self) -> bool {
        matches!(&*self.0, Cause::Damaged { problem, .. } if problem.contains("overflow"))
    }

    /// The same error for a request that calls the state which it is about `field`. A state that makes no sense is
    /// told as `as_of`, which is what most requests call it.
    #[must_use]
    pub fn of_state(self, field: &'static str) -> Self {
        match &*self.0 {
            Cause::InvalidRequest {
                field: "as_of",
                problem,
            } => Self::invalid(field, problem.clone()),
            _ => self,
        }
    }

    /// The storage failed while `doing` something; the message says so when it was away or refused.
    pub(crate) fn io(
        doing: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let (doing, source) = (doing.into(), source.into());
        if let Some(refusal) = first_write::refusal(&*source) {
            return refusal.clone();
        }
        let cause = match trouble::of(&*source) {
            Trouble::Unreachable => Cause::Unreachable { doing, source },
            Trouble::NoCredentials => {
                let reason = "there are no credentials".to_owned();
                Cause::Refused { doing, reason }
            }
            Trouble::Refused(reason) => Cause::Refused { doing, reason },
            Trouble::Full => Cause::Full { doing, source },
            Trouble::Absent | Trouble::Other => Cause::Io { doing, source },
        };
        cause.into()
    }

    pub(crate) fn damaged(object: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Cause::Damaged {
            object: object.to_string(),
            problem: problem.to_string(),
        }
        .into()
    }

    /// An object that must be there is not.
    pub(crate) fn missing(object: impl fmt::Display) -> Self {
        let object = object.to_string();
        Cause::Missing { object }.into()
    }

    /// Whether an object was not there: damage, unless it was swept or purged since the reader learned of it.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(*self.0, Cause::Missing { .. })
    }

    /// The object that was not there, if that is what went wrong.
    pub(crate) fn missing_object(&self) -> Option<&str> {
        match &*self.0 {
            Cause::Missing { object } => Some(object),
            _ => None,
        }
    }

    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Cause::InvalidRequest {
            field,
            problem: problem.into(),
        }
        .into()
    }
}

/// What helps whoever needs rows that a clone has left at a remote.
fn what_helps(gone: bool) -> &'static str {
    match gone {
        false => ": fetch it from there",
        true => ", which does not keep them any more; the newest version is whole: read that",
    }
}

/// What is there of a frame whose rename stopped half-way.
fn both_are_there(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::OutcomeUnknown => "there may be a frame of either name",
        _ => "there is a frame of either name",
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self(Arc::new(cause))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
