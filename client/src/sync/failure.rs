//! What a server has answered, in the words of a store.

use shoots_proto::ErrorKind as Told;
use shoots_store::{Error, ErrorKind};

/// The error of a call to the server at `location`.
pub(super) fn told(location: &str, error: &crate::Error) -> Error {
    let advice = match error.kind() {
        Told::UnavailableError => {
            "; see whether it runs and can be reached, then ask again: what has arrived is not sent again"
        }
        Told::UnauthenticatedError | Told::InvalidSignatureError | Told::PermissionDeniedError => {
            "; see to the token that the remote refers to"
        }
        _ => "",
    };
    Error::elsewhere(kind(error.kind()), format!("{location}: {error}{advice}"))
}

/// An answer that is longer than what it can mean.
pub(super) fn too_long(location: &str, name: &str, bytes: usize) -> Error {
    let problem = format!(
        "{location}: its answer to {name} has more than {bytes} bytes, which is more than is taken"
    );
    Error::elsewhere(ErrorKind::Damaged, problem)
}

/// An answer that makes no sense.
pub(super) fn nonsense(location: &str, problem: impl std::fmt::Display) -> Error {
    let problem = format!("{location}: its answer cannot be read: {problem}");
    Error::elsewhere(ErrorKind::Damaged, problem)
}

fn kind(told: Told) -> ErrorKind {
    match told {
        Told::FileNotFoundError => ErrorKind::NotFound,
        Told::FileExistsError => ErrorKind::AlreadyExists,
        Told::BucketNotEmptyError => ErrorKind::BucketNotEmpty,
        Told::InvalidRequestError => ErrorKind::InvalidRequest,
        // The token that the remote refers to is none there. Whoever asks here has shown who they are, so this is not told
        // as if they had not.
        Told::UnauthenticatedError | Told::InvalidSignatureError | Told::PermissionDeniedError => {
            ErrorKind::PermissionDenied
        }
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
        Told::LimitError => ErrorKind::Limit,
        Told::CallTimeoutError => ErrorKind::TimedOut,
        Told::CancelledError => ErrorKind::Cancelled,
        // That the other server is away does not make this one unavailable.
        Told::ShootsIOError | Told::DataFusionError | Told::UnavailableError => ErrorKind::Io,
    }
}
