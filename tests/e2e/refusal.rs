//! What a failed call must say: the kind that programs decide by, the gRPC code that goes with it for callers
//! other than Arrow's C++, and words for people.

use std::fmt::Debug;

use shoots_client::{Error, ErrorKind};
use tonic::Code;

/// The code that each kind has.
pub(crate) fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::FileExistsError => Code::AlreadyExists,
        ErrorKind::FileNotFoundError => Code::NotFound,
        ErrorKind::BucketNotEmptyError
        | ErrorKind::DivergedError
        | ErrorKind::MergeConflictError
        | ErrorKind::PromisedError
        | ErrorKind::ReadOnlyError => Code::FailedPrecondition,
        ErrorKind::DataFusionError | ErrorKind::InvalidRequestError | ErrorKind::SchemaError => {
            Code::InvalidArgument
        }
        ErrorKind::UnauthenticatedError | ErrorKind::InvalidSignatureError => Code::Unauthenticated,
        ErrorKind::PermissionDeniedError => Code::PermissionDenied,
        ErrorKind::ConflictError => Code::Aborted,
        ErrorKind::OutcomeUnknownError => Code::Unknown,
        ErrorKind::LimitError | ErrorKind::NoSpaceError => Code::ResourceExhausted,
        ErrorKind::DamagedError => Code::DataLoss,
        ErrorKind::UnavailableError => Code::Unavailable,
        ErrorKind::CallTimeoutError => Code::DeadlineExceeded,
        ErrorKind::CancelledError => Code::Cancelled,
        ErrorKind::ShootsIOError | ErrorKind::InternalError => Code::Internal,
    }
}

/// Checks that the server refused a call with this kind, its code, and these words.
#[track_caller]
pub(crate) fn assert_refused<T: Debug>(outcome: Result<T, Error>, kind: ErrorKind, words: &[&str]) {
    let error = outcome.expect_err("the call should have been refused");
    assert_eq!(
        (error.kind(), error.code()),
        (kind, Some(code_of(kind))),
        "{error:?}"
    );
    assert_says(&error.to_string(), words);
}

/// Checks that this end refused a request without asking the server.
#[track_caller]
pub(crate) fn assert_not_sent<T: Debug>(
    outcome: Result<T, Error>,
    kind: ErrorKind,
    words: &[&str],
) {
    let error = outcome.expect_err("the request should have been refused");
    assert_eq!((error.kind(), error.code()), (kind, None), "{error:?}");
    assert_says(&error.to_string(), words);
}

#[track_caller]
pub(crate) fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}
