//! What a server has answered, in the words of a store, and why it may not have been reached.

use std::error::Error as _;
use std::io;

use rustls::{CertificateError, Error as TlsError};
use shoots_proto::ErrorKind as Told;
use shoots_store::{Error, ErrorKind};

/// The error of a call to the server at `location`.
pub(super) fn told(location: &str, error: &crate::Error) -> Error {
    let advice = match error.kind() {
        Told::UnavailableError => misled(location, error).unwrap_or(
            "; see whether it runs and can be reached, then ask again: what has arrived is not sent again",
        ),
        Told::UnauthenticatedError | Told::InvalidSignatureError | Told::PermissionDeniedError => {
            "; see to the token that the remote refers to"
        }
        _ => "",
    };
    Error::elsewhere(kind(error.kind()), format!("{location}: {error}{advice}"))
}

/// What is to be changed of the remote, where the way in which no connection came about tells that.
fn misled(location: &str, error: &crate::Error) -> Option<&'static str> {
    match refused(error) {
        Some(TlsError::InvalidMessage(_)) => Some(
            "; it does not seem to encrypt its connections: if so, the remote's URL begins with grpc:// instead of grpc+tls://",
        ),
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => Some(
            "; the authority that signed its certificate is not known here: let the remote's `ca` say where the certificate of \
             that authority is",
        ),
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Some(
            "; its certificate is for another host: let the remote's URL name the host as the certificate does",
        ),
        Some(TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Some("; its certificate has expired, and has to be replaced there"),
        None if error.asks_for_certificate() => Some(
            ": let the remote's `certificate` and `key` say where one and its key are; if they do, its log says what is wrong \
                 with that one",
        ),
        None if location.starts_with("grpc://") && error.is_another_protocol() => Some(
            "; it seems to encrypt its connections: if so, the remote's URL begins with grpc+tls:// instead of grpc://",
        ),
        None if error.is_cut_off() && location.starts_with("grpc://") => Some(
            "; see whether it runs, then ask again: what has arrived is not sent again. If it cuts every call, it may encrypt its \
             connections: then the remote's URL begins with grpc+tls:// instead of grpc://",
        ),
        None if error.is_cut_off() => Some(
            "; see whether it runs, then ask again: what has arrived is not sent again. If it cuts every call, it may ask for a \
             certificate, or not accept the one it is shown (expired, for another use, of another authority), which its log tells: \
             let the remote's `certificate` and `key` say where one of an authority that it knows and its key are",
        ),
        _ => None,
    }
}

/// Why a connection could not be encrypted.
fn refused(error: &crate::Error) -> Option<&TlsError> {
    let mut next = error.source();
    while let Some(cause) = next {
        // What an I/O error was made of is not among its sources.
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref());
        if let Some(found) = found.or_else(|| cause.downcast_ref()) {
            return Some(found);
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
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
