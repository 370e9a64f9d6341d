//! What a server has answered, in the words of a store.

use shoots_proto::ErrorKind as Told;
use shoots_store::{Error, ErrorKind};

/// The error of a call to the server at `location`.
pub(super) fn told(location: &str, error: &crate::Error) -> Error {
    Error::elsewhere(kind(error.kind()), format!("{location}: {error}"))
}

/// An answer that makes no sense.
pub(super) fn nonsense(location: &str, problem: impl std::fmt::Display) -> Error {
    let problem = format!("{location}: its answer cannot be read: {problem}");
    Error::elsewhere(ErrorKind::Io, problem)
}

fn kind(told: Told) -> ErrorKind {
    match told {
        Told::FileNotFoundError => ErrorKind::NotFound,
        Told::FileExistsError => ErrorKind::AlreadyExists,
        Told::BucketNotEmptyError => ErrorKind::BucketNotEmpty,
        Told::InvalidRequestError => ErrorKind::InvalidRequest,
        Told::SchemaError => ErrorKind::Schema,
        Told::ConflictError => ErrorKind::Conflict,
        Told::DivergedError => ErrorKind::Diverged,
        Told::MergeConflictError => ErrorKind::MergeConflict,
        Told::PromisedError => ErrorKind::Promised,
        Told::OutcomeUnknownError => ErrorKind::OutcomeUnknown,
        Told::DamagedError => ErrorKind::Damaged,
        Told::ReadOnlyError => ErrorKind::ReadOnly,
        Told::NoSpaceError => ErrorKind::NoSpace,
        Told::InternalError => ErrorKind::Internal,
        Told::ShootsIOError
        | Told::DataFusionError
        | Told::LimitError
        | Told::UnavailableError
        | Told::CancelledError => ErrorKind::Io,
    }
}
