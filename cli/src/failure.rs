//! Why a command did not do what it was asked for, and the exit code that tells scripts.

use std::fmt;
use std::io;

use serde_json::json;
use shoots_client::ErrorKind;

use crate::flags::Flags;

/// Exit codes, as `shoots --help` lists them.
pub(crate) mod code {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NOT_FOUND: u8 = 3;
    pub(crate) const EXISTS: u8 = 4;
    pub(crate) const CONFLICT: u8 = 5;
    pub(crate) const UNREACHABLE: u8 = 6;
    pub(crate) const UNKNOWN: u8 = 7;
    pub(crate) const LIMIT: u8 = 8;
    pub(crate) const FORBIDDEN: u8 = 9;
    pub(crate) const DAMAGED: u8 = 10;
    pub(crate) const DATA: u8 = 11;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server, or the way to it, and what to do besides what the error says.
    Client(shoots_client::Error, &'static str),
    /// The command line, the settings or a file, in words that say what to do.
    Here {
        /// What scripts are told.
        code: u8,
        /// What people are told.
        message: String,
    },
    /// Nobody reads standard output any more, which is no mistake.
    NobodyReads,
    /// Ctrl-C.
    Interrupted,
}

impl Failure {
    /// Something about this machine: a file, a terminal.
    pub(crate) fn here(message: impl fmt::Display) -> Self {
        Self::with(code::FAILED, message)
    }

    /// The command line says what cannot be done.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::with(code::USAGE, message)
    }

    /// Rows or types that do not fit.
    pub(crate) fn data(message: impl fmt::Display) -> Self {
        Self::with(code::DATA, message)
    }

    pub(crate) fn with(code: u8, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self::Here { code, message }
    }

    /// A failure to write to standard output.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::here(format!("cannot write to standard output: {error}")),
        }
    }

    /// What the process ends with.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Client(error, _) => code_of(error),
            Self::Here { code, .. } => *code,
            Self::NobodyReads => 0,
            Self::Interrupted => code::INTERRUPTED,
        }
    }

    /// What people are told who called fields of requests by these flags.
    pub(crate) fn told(&self, flags: &Flags) -> String {
        match self {
            Self::Client(error, _) if speaks_of_fields(error.kind()) => {
                flags.in_words_of(&error.to_string())
            }
            other => other.to_string(),
        }
    }

    /// The same for scripts: the object that the server sends for its own errors.
    pub(crate) fn to_json(&self, flags: &Flags) -> String {
        let kind = match self {
            Self::Client(error, _) => error.kind().as_str(),
            Self::Here { code, .. } => match *code {
                code::USAGE => "UsageError",
                code::NOT_FOUND => ErrorKind::FileNotFoundError.as_str(),
                code::DATA => ErrorKind::SchemaError.as_str(),
                code::DAMAGED => ErrorKind::DamagedError.as_str(),
                _ => "LocalError",
            },
            Self::NobodyReads | Self::Interrupted => ErrorKind::CancelledError.as_str(),
        };
        json!({"type": kind, "message": self.told(flags), "code": self.code()}).to_string()
    }
}

/// Whether errors of a kind say what to write into which field of a request.
fn speaks_of_fields(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidRequestError | ErrorKind::FileExistsError | ErrorKind::MergeConflictError
    )
}

fn code_of(error: &shoots_client::Error) -> u8 {
    use shoots_client::Code;

    if matches!(
        error.code(),
        Some(Code::Unauthenticated | Code::PermissionDenied)
    ) {
        return code::FORBIDDEN;
    }
    of_kind(error.kind())
}

/// The exit code for a kind of error.
pub(crate) fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidRequestError => code::USAGE,
        // Rows that stayed at a remote are not here, either.
        ErrorKind::FileNotFoundError | ErrorKind::PromisedError => code::NOT_FOUND,
        ErrorKind::FileExistsError | ErrorKind::BucketNotEmptyError => code::EXISTS,
        ErrorKind::ConflictError | ErrorKind::DivergedError | ErrorKind::MergeConflictError => {
            code::CONFLICT
        }
        ErrorKind::UnavailableError => code::UNREACHABLE,
        ErrorKind::OutcomeUnknownError => code::UNKNOWN,
        ErrorKind::LimitError | ErrorKind::NoSpaceError | ErrorKind::CallTimeoutError => {
            code::LIMIT
        }
        ErrorKind::ReadOnlyError
        | ErrorKind::UnauthenticatedError
        | ErrorKind::InvalidSignatureError
        | ErrorKind::PermissionDeniedError => code::FORBIDDEN,
        ErrorKind::DamagedError => code::DAMAGED,
        ErrorKind::SchemaError => code::DATA,
        ErrorKind::DataFusionError
        | ErrorKind::ShootsIOError
        | ErrorKind::CancelledError
        | ErrorKind::InternalError => code::FAILED,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error, advice) => write!(f, "{error}{advice}"),
            Self::Here { message, .. } => f.write_str(message),
            Self::NobodyReads => f.write_str("nobody reads standard output any more"),
            Self::Interrupted => f.write_str("interrupted; what was under way changed nothing"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<shoots_client::Error> for Failure {
    fn from(error: shoots_client::Error) -> Self {
        // What the rows of a put ran into here is told as what it is.
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            if let Some(Self::Here { code, message }) = inner.downcast_ref::<Self>() {
                return Self::with(*code, format!("{message}; nothing was put"));
            }
            cause = inner.source();
        }
        Self::Client(error, "")
    }
}

impl From<shoots_server::StartError> for Failure {
    fn from(error: shoots_server::StartError) -> Self {
        Self::here(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_a_code_and_none_is_success() {
        for kind in ErrorKind::ALL {
            assert_ne!(of_kind(*kind), 0, "{kind}");
        }
    }

    #[test]
    fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::output(&closed).code(), 0);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Failure::output(&full).code(), code::FAILED);
    }

    #[test]
    fn scripts_get_the_kind_the_words_and_the_code() {
        let told = Failure::usage("no").to_json(&Flags::default());
        assert_eq!(told, r#"{"code":2,"message":"no","type":"UsageError"}"#);
    }
}
