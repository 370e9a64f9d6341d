//! The errors of the disk, told apart by the one question that matters to a writer: can anybody see it?
//!
//! An [`object_store::Error`] has no case for "perhaps". [`NotKnownDurable`] is carried as the source of its
//! generic case and [`outcome_unknown`] finds it there. Every message names the path it is about.

use std::io;
use std::path::{Path as FsPath, PathBuf};

use object_store::Error;
use object_store::path::Path;

/// How this store names itself inside an [`object_store::Error`].
pub(super) const STORE: &str = "Disk";

/// The object can be seen, but the disk has not confirmed that it will survive a power cut.
#[derive(Debug, thiserror::Error)]
#[error("{} was written but may not last, the disk did not confirm it: {source}", path.display())]
pub(crate) struct NotKnownDurable {
    path: PathBuf,
    source: Refused,
}

/// The file system refused: "cannot `doing` `path`". By itself it means that there is nothing to be seen.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub(super) struct Refused {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Refused {
    pub(super) fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied {
                path: refused.path.display().to_string(),
                source: Box::new(refused),
            },
            _ => Self::Generic {
                store: STORE,
                source: Box::new(refused),
            },
        }
    }
}

/// Whether the write that ended with this error may have taken effect. A writer that stopped in the middle (it
/// panicked, or the runtime went away) counts as well.
pub(crate) fn outcome_unknown(error: &Error) -> bool {
    match error {
        Error::Generic { source, .. } => source.is::<NotKnownDurable>(),
        Error::JoinError { .. } => true,
        _ => false,
    }
}

/// Whether the write that ended with this error has done nothing that can be seen: the file system refused a step
/// before the one that gives the object its name.
pub(crate) fn nothing_done(error: &Error) -> bool {
    match error {
        Error::Generic { source, .. } | Error::PermissionDenied { source, .. } => {
            source.is::<Refused>()
        }
        _ => false,
    }
}

pub(super) fn refused(doing: &'static str, path: &FsPath, source: io::Error) -> Refused {
    Refused {
        doing,
        path: path.to_path_buf(),
        source,
    }
}

pub(super) fn not_known_durable(path: &FsPath, source: Refused) -> Error {
    Error::Generic {
        store: STORE,
        source: Box::new(NotKnownDurable {
            path: path.to_path_buf(),
            source,
        }),
    }
}

pub(super) fn already_exists(path: &FsPath) -> Error {
    Error::AlreadyExists {
        path: path.display().to_string(),
        source: Box::new(io::Error::from(io::ErrorKind::AlreadyExists)),
    }
}

pub(super) fn not_found(location: &Path) -> Error {
    Error::NotFound {
        path: location.to_string(),
        source: Box::new(io::Error::from(io::ErrorKind::NotFound)),
    }
}

pub(super) fn not_supported(what: &'static str) -> Error {
    Error::NotSupported {
        source: format!("a local store has no {what}").into(),
    }
}

/// The last component is one that the backend for reading takes for its own temporary files.
pub(super) fn unreachable_name(location: &Path) -> Error {
    Error::Generic {
        store: STORE,
        source: format!("{location}: a file name cannot end with # and digits").into(),
    }
}
