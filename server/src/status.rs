//! From what went wrong to what the caller is told: the one mapping to gRPC.
//!
//! Everything that a call can fail with becomes a [`Failure`], and a failure becomes a [`Status`] here and
//! nowhere else. Its details (`grpc-status-details-bin`) always carry the JSON object `{"type","message"}`
//! of the wire contract. The gRPC code depends on the caller:
//!
//! - Arrow's C++ client, which pyarrow and R use, picks its exception by the code, and gives access to the
//!   details only with `UNKNOWN` (its `FlightServerError`) and when the trailer `x-arrow-status` is there.
//!   So it gets `UNKNOWN` with these trailers for everything that a domain error can say.
//! - Every other caller (Go, Java, Rust) gets the code that fits.
//!
//! Trailers are small by nature: gRPC peers limit them to 8 KiB in all. A message that is too long is cut
//! between characters, and the parts are sized so that all of them fit even when every byte is escaped.

use std::error::Error as _;
use std::fmt;

use bytes::Bytes;
use datafusion::common::Span;
use datafusion::error::DataFusionError;
use shoots_proto::{ErrorBody, ErrorKind, RequestError};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tracing::error;

use crate::call::record::CallId;

mod planner;

/// The JSON object in the details, in bytes; base64 makes it a third longer.
const DETAILS_BYTES: usize = 3000;
/// The text that Arrow's C++ client shows, in bytes; base64 makes it a third longer.
const ARROW_MESSAGE_BYTES: usize = 1000;
/// The plain gRPC message, in bytes; percent-encoding may make it three times as long.
const MESSAGE_BYTES: usize = 600;

/// `IOError`, in the numbering of Arrow's C++ status codes: what its Flight server sends for a failed call.
const ARROW_IO_ERROR: &str = "5";

/// What a call failed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// One of the wire contract's errors.
    Domain(ErrorBody),
    /// The same about a name that is not there, of which there may be a near one.
    Missing(Missing),
    /// The call exists in Flight, but this server does not answer it.
    Unimplemented(String),
}

/// A name that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What it would be the name of: `frame`, `bucket`, `snapshot`.
    pub(crate) what: &'static str,
    pub(crate) name: String,
    body: ErrorBody,
}

impl Missing {
    /// The failure, for somebody who may know that this name is there.
    pub(crate) fn meaning(self, near: &str) -> Failure {
        let ErrorBody { kind, message } = self.body;
        Failure::new(kind, format!("{message}; did you mean `{near}`?"))
    }
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Domain(ErrorBody::new(kind, message))
    }

    /// A request that cannot be followed: which message, which field of it, and why.
    pub(crate) fn invalid(what: &str, field: Option<&str>, problem: impl fmt::Display) -> Self {
        RequestError::new(what, field, problem).into()
    }

    pub(crate) fn read_only(what: &str) -> Self {
        Self::new(
            ErrorKind::ReadOnlyError,
            format!("this server was started read-only and refuses {what}"),
        )
    }

    pub(crate) fn stopping() -> Self {
        Self::new(
            ErrorKind::UnavailableError,
            "the server is stopping and ended this call; try again later",
        )
    }

    /// A commit was under way when the server had to end.
    pub(crate) fn stopping_in_a_commit() -> Self {
        Self::new(
            ErrorKind::OutcomeUnknownError,
            "the server is stopping while it publishes this change; read the frame to see whether it took effect",
        )
    }

    /// The time that the caller gave the call is over.
    pub(crate) fn out_of_time() -> Self {
        Self::new(
            ErrorKind::CallTimeoutError,
            "the time that the caller gave this call (grpc-timeout) was over before it was answered, and it was ended; give it more time, or ask for less",
        )
    }

    /// A commit was under way when the time that the caller gave the call was over.
    pub(crate) fn out_of_time_in_a_commit() -> Self {
        Self::new(
            ErrorKind::OutcomeUnknownError,
            "the time that the caller gave this call (grpc-timeout) was over while its change was being published; read the frame to see whether it took effect",
        )
    }

    /// The caller ended the call with another one.
    pub(crate) fn cancelled() -> Self {
        Self::new(
            ErrorKind::CancelledError,
            "the call was cancelled by its name, and changed nothing",
        )
    }

    /// A commit was under way when the caller ended the call.
    pub(crate) fn cancelled_in_a_commit() -> Self {
        Self::new(
            ErrorKind::OutcomeUnknownError,
            "the call was cancelled by its name while its change was being published; read the frame to see whether it took effect",
        )
    }

    /// A part of the server's work ended in a panic.
    pub(crate) fn defect(problem: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::InternalError,
            format!("this is a defect of the server, please report it: {problem}"),
        )
    }

    /// What the caller is told, if it is one of the wire contract's errors.
    pub(crate) fn body(&self) -> Option<&ErrorBody> {
        match self {
            Self::Domain(body) | Self::Missing(Missing { body, .. }) => Some(body),
            Self::Unimplemented(_) => None,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.body()
            .is_some_and(|body| body.kind == ErrorKind::FileNotFoundError)
    }

    /// Whether the storage below is what is wrong.
    pub(crate) fn is_of_storage(&self) -> bool {
        matches!(self, Self::Domain(body) if matches!(body.kind, ErrorKind::ShootsIOError | ErrorKind::DamagedError))
    }

    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Domain(body) if body.kind == ErrorKind::ConflictError)
    }

    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Domain(body) if body.kind == ErrorKind::PermissionDeniedError)
    }

    /// Whether the fault is the server's own, for the log.
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            Self::Unimplemented(_) => false,
            Self::Missing(_) => false,
            Self::Domain(body) => match body.kind {
                ErrorKind::ShootsIOError
                | ErrorKind::OutcomeUnknownError
                | ErrorKind::NoSpaceError
                | ErrorKind::DamagedError
                | ErrorKind::InternalError => true,
                ErrorKind::FileExistsError
                | ErrorKind::FileNotFoundError
                | ErrorKind::BucketNotEmptyError
                | ErrorKind::DataFusionError
                | ErrorKind::InvalidRequestError
                | ErrorKind::SchemaError
                | ErrorKind::ConflictError
                | ErrorKind::DivergedError
                | ErrorKind::MergeConflictError
                | ErrorKind::PromisedError
                | ErrorKind::ReadOnlyError
                | ErrorKind::UnauthenticatedError
                | ErrorKind::InvalidSignatureError
                | ErrorKind::PermissionDeniedError
                | ErrorKind::LimitError
                | ErrorKind::UnavailableError
                | ErrorKind::CallTimeoutError
                | ErrorKind::CancelledError => false,
            },
        }
    }

    /// The status that tells this caller, with the id of the call at the end of the message, however long that is.
    pub(crate) fn to_status(&self, caller: Caller, call: Option<&CallId>) -> Status {
        let ending = call.map_or_else(String::new, |id| format!(" (call {id})"));
        let body = match self {
            Self::Unimplemented(message) => {
                return Status::unimplemented(ended(message, &ending, MESSAGE_BYTES));
            }
            Self::Domain(body) | Self::Missing(Missing { body, .. }) => body,
        };
        let details = Bytes::from(ended_json(body, &ending, DETAILS_BYTES));
        let message = ended(&body.message, &ending, MESSAGE_BYTES);
        match caller {
            Caller::Cpp => {
                let mut trailers = MetadataMap::new();
                trailers.insert("x-arrow-status", MetadataValue::from_static(ARROW_IO_ERROR));
                let text = ended(&body.message, &ending, ARROW_MESSAGE_BYTES);
                trailers.insert_bin(
                    "x-arrow-status-message-bin",
                    MetadataValue::from_bytes(text.as_bytes()),
                );
                let code = cpp_code(body.kind);
                Status::with_details_and_metadata(code, message, details, trailers)
            }
            Caller::Other => Status::with_details(code(body.kind), message, details),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(body) | Self::Missing(Missing { body, .. }) => body.fmt(f),
            Self::Unimplemented(message) => f.write_str(message),
        }
    }
}

/// Who is calling, as far as it matters to how errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Arrow's C++ client or one of its bindings.
    Cpp,
    /// Anybody else.
    Other,
}

impl Caller {
    /// Tells callers apart by the headers of their call.
    pub(crate) fn of(headers: &MetadataMap) -> Self {
        let agent = headers.get("user-agent").and_then(|v| v.to_str().ok());
        match agent {
            Some(agent) if agent.starts_with("grpc-c++/") => Self::Cpp,
            _ => Self::Other,
        }
    }
}

/// The code that fits, for callers that understand codes.
fn code(kind: ErrorKind) -> Code {
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
        ErrorKind::LimitError | ErrorKind::NoSpaceError => Code::ResourceExhausted,
        ErrorKind::DamagedError => Code::DataLoss,
        ErrorKind::UnavailableError => Code::Unavailable,
        ErrorKind::CallTimeoutError => Code::DeadlineExceeded,
        ErrorKind::CancelledError => Code::Cancelled,
        // Not a code on which gRPC clients retry by themselves: a put may have taken effect.
        ErrorKind::OutcomeUnknownError => Code::Unknown,
        ErrorKind::ShootsIOError | ErrorKind::InternalError => Code::Internal,
    }
}

/// The code for Arrow's C++ client: `UNKNOWN`, or the class of its own that the state of a call has there.
fn cpp_code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::UnavailableError => Code::Unavailable,
        ErrorKind::CallTimeoutError => Code::DeadlineExceeded,
        ErrorKind::CancelledError => Code::Cancelled,
        ErrorKind::UnauthenticatedError => Code::Unauthenticated,
        ErrorKind::PermissionDeniedError => Code::PermissionDenied,
        // The one that clients tell from others by its text.
        ErrorKind::InvalidSignatureError
        | ErrorKind::FileExistsError
        | ErrorKind::FileNotFoundError
        | ErrorKind::BucketNotEmptyError
        | ErrorKind::DataFusionError
        | ErrorKind::ShootsIOError
        | ErrorKind::InvalidRequestError
        | ErrorKind::SchemaError
        | ErrorKind::ConflictError
        | ErrorKind::DivergedError
        | ErrorKind::MergeConflictError
        | ErrorKind::PromisedError
        | ErrorKind::OutcomeUnknownError
        | ErrorKind::ReadOnlyError
        | ErrorKind::LimitError
        | ErrorKind::NoSpaceError
        | ErrorKind::DamagedError
        | ErrorKind::InternalError => Code::Unknown,
    }
}

/// The text with an ending, which it may have already, in at most so many bytes.
fn ended(text: &str, ending: &str, bytes: usize) -> String {
    let text = text.strip_suffix(ending).unwrap_or(text);
    cut(text, bytes.saturating_sub(ending.len())) + ending
}

/// The object with such a message, as JSON in at most so many bytes.
fn ended_json(body: &ErrorBody, ending: &str, bytes: usize) -> String {
    let text = body.message.strip_suffix(ending).unwrap_or(&body.message);
    let rest = ErrorBody::new(body.kind, text).to_json_within(bytes.saturating_sub(ending.len()));
    let cut = ErrorBody::from_json(rest.as_bytes());
    let text = cut.map_or_else(|| text.to_owned(), |cut| cut.message);
    ErrorBody::new(body.kind, text + ending).to_json_within(bytes)
}

/// The text in at most so many bytes, cut between characters.
fn cut(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(MARK.len()));
    format!("{}{MARK}", &text[..end])
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::Domain(error.into())
    }
}

impl From<&shoots_store::Error> for Failure {
    fn from(error: &shoots_store::Error) -> Self {
        use shoots_store::ErrorKind as Store;
        let kind = match error.kind() {
            Store::NotFound => ErrorKind::FileNotFoundError,
            Store::AlreadyExists => ErrorKind::FileExistsError,
            Store::BucketNotEmpty => ErrorKind::BucketNotEmptyError,
            Store::InvalidRequest => ErrorKind::InvalidRequestError,
            Store::Schema => ErrorKind::SchemaError,
            Store::Conflict => ErrorKind::ConflictError,
            Store::Diverged => ErrorKind::DivergedError,
            Store::MergeConflict => ErrorKind::MergeConflictError,
            Store::Promised => ErrorKind::PromisedError,
            Store::OutcomeUnknown => ErrorKind::OutcomeUnknownError,
            Store::Damaged => ErrorKind::DamagedError,
            // A program that is too old can do as little about a newer frame as about a broken disk.
            Store::Io | Store::Newer => ErrorKind::ShootsIOError,
            Store::NoSpace => ErrorKind::NoSpaceError,
            Store::ReadOnly => ErrorKind::ReadOnlyError,
            Store::PermissionDenied => ErrorKind::PermissionDeniedError,
            Store::Limit => ErrorKind::LimitError,
            Store::TimedOut => ErrorKind::CallTimeoutError,
            Store::Cancelled => ErrorKind::CancelledError,
            Store::Internal => ErrorKind::InternalError,
        };
        let body = ErrorBody::new(kind, error.to_string());
        match error.missing_name() {
            Some((what, name)) => Self::Missing(Missing {
                what,
                name: name.to_owned(),
                body,
            }),
            None => Self::Domain(body),
        }
    }
}

impl From<shoots_store::Error> for Failure {
    fn from(error: shoots_store::Error) -> Self {
        Self::from(&error)
    }
}

impl From<shoots_flight::Error> for Failure {
    fn from(error: shoots_flight::Error) -> Self {
        let kind = match error {
            shoots_flight::Error::TooManyRows { rows, most } => {
                let problem = format!(
                    "max_batch_rows is {most}, and a batch has {rows} rows; send smaller batches, or have the setting raised"
                );
                return Self::new(ErrorKind::LimitError, problem);
            }
            shoots_flight::Error::TooManyBytes { bytes, most } => {
                let problem = format!(
                    "max_batch_bytes is {most}, and a batch takes {bytes} bytes in memory; send smaller batches, or have the setting raised"
                );
                return Self::new(ErrorKind::LimitError, problem);
            }
            shoots_flight::Error::Unsupported { .. } => ErrorKind::SchemaError,
            _ if error.is_peers_fault() => ErrorKind::InvalidRequestError,
            _ => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        if let DataFusionError::External(cause) = root
            && let Some(cause) = cause.downcast_ref::<shoots_store::Error>()
        {
            return cause.into();
        }
        if let DataFusionError::ExecutionJoin(ended) = root {
            error!(panic = %ended, "a query ended unexpectedly");
            return Self::defect(ended);
        }
        let kind = match root {
            DataFusionError::ResourcesExhausted(_) => ErrorKind::LimitError,
            _ => ErrorKind::DataFusionError,
        };
        let place = error.diagnostic().and_then(|told| told.span);
        let message = planner::told(&error);
        if let Some(message) = place_of_parser(&message) {
            return Self::new(kind, message);
        }
        let message = match place {
            Some(Span { start, .. }) => {
                format!(
                    "{message} (at line {}, column {})",
                    start.line, start.column
                )
            }
            None => message,
        };
        Self::new(kind, message)
    }
}

/// The message of the parser with its place told as the others are, if it has one.
fn place_of_parser(message: &str) -> Option<String> {
    let (problem, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = column.bytes().take_while(u8::is_ascii_digit).count();
    let (column, rest) = column.split_at(digits);
    let line: u64 = line.parse().ok()?;
    let column: u64 = column.parse().ok()?;
    Some(format!("{problem}{rest} (at line {line}, column {column})"))
}

/// What breaks a stream of messages from a caller.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        // What bounds a request says it in our words already.
        if let Some(body) = ErrorBody::from_json(status.details()) {
            return Self::Domain(body);
        }
        match status.code() {
            // How tonic reports a message above the limit.
            Code::OutOfRange | Code::ResourceExhausted => Self::new(
                ErrorKind::LimitError,
                format!("{}; send smaller batches", status.message()),
            ),
            // What the library cannot read as a message. What happens to a connection has a cause.
            Code::Internal if status.source().is_none() => {
                Self::new(ErrorKind::InvalidRequestError, status.message())
            }
            _ => {
                let cause = status.source().map(|s| format!(": {s}"));
                let text = format!("{}{}", status.message(), cause.unwrap_or_default());
                Self::new(
                    ErrorKind::CancelledError,
                    format!("the stream from the caller broke off ({text}); nothing was changed"),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
