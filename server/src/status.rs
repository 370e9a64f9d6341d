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
    /// The call exists in Flight, but this server does not answer it.
    Unimplemented(String),
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

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Domain(body) if body.kind == ErrorKind::FileNotFoundError)
    }

    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Domain(body) if body.kind == ErrorKind::ConflictError)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self, Self::Domain(body) if body.kind == ErrorKind::DamagedError)
    }

    /// Whether the fault is the server's own, for the log.
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            Self::Unimplemented(_) => false,
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
                | ErrorKind::LimitError
                | ErrorKind::UnavailableError
                | ErrorKind::CancelledError => false,
            },
        }
    }

    /// The status that tells this caller.
    pub(crate) fn to_status(&self, caller: Caller) -> Status {
        let body = match self {
            Self::Unimplemented(message) => {
                return Status::unimplemented(cut(message, MESSAGE_BYTES));
            }
            Self::Domain(body) => body,
        };
        let details = Bytes::from(body.to_json_within(DETAILS_BYTES));
        let message = cut(&body.message, MESSAGE_BYTES);
        match caller {
            Caller::Cpp => {
                let mut trailers = MetadataMap::new();
                trailers.insert("x-arrow-status", MetadataValue::from_static(ARROW_IO_ERROR));
                let text = cut(&body.message, ARROW_MESSAGE_BYTES);
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
            Self::Domain(body) => body.fmt(f),
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
        ErrorKind::ConflictError => Code::Aborted,
        ErrorKind::LimitError | ErrorKind::NoSpaceError => Code::ResourceExhausted,
        ErrorKind::DamagedError => Code::DataLoss,
        ErrorKind::UnavailableError => Code::Unavailable,
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
        ErrorKind::CancelledError => Code::Cancelled,
        ErrorKind::FileExistsError
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
            Store::Internal => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string())
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
        let kind = match root {
            DataFusionError::ResourcesExhausted(_) => ErrorKind::LimitError,
            _ => ErrorKind::DataFusionError,
        };
        let place = error.diagnostic().and_then(|told| told.span);
        let message = error.strip_backtrace();
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
        match status.code() {
            // How tonic reports a message above the limit.
            Code::OutOfRange | Code::ResourceExhausted => Self::new(
                ErrorKind::LimitError,
                format!("{}; send smaller batches", status.message()),
            ),
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
mod tests {
    use super::*;

    /// Every kind with the code for most callers and the code for Arrow's C++ client.
    const TABLE: &[(ErrorKind, Code, Code)] = &[
        (
            ErrorKind::FileExistsError,
            Code::AlreadyExists,
            Code::Unknown,
        ),
        (ErrorKind::FileNotFoundError, Code::NotFound, Code::Unknown),
        (
            ErrorKind::BucketNotEmptyError,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (
            ErrorKind::DataFusionError,
            Code::InvalidArgument,
            Code::Unknown,
        ),
        (ErrorKind::ShootsIOError, Code::Internal, Code::Unknown),
        (
            ErrorKind::InvalidRequestError,
            Code::InvalidArgument,
            Code::Unknown,
        ),
        (ErrorKind::SchemaError, Code::InvalidArgument, Code::Unknown),
        (ErrorKind::ConflictError, Code::Aborted, Code::Unknown),
        (
            ErrorKind::DivergedError,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (
            ErrorKind::MergeConflictError,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (
            ErrorKind::PromisedError,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (ErrorKind::OutcomeUnknownError, Code::Unknown, Code::Unknown),
        (
            ErrorKind::ReadOnlyError,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (
            ErrorKind::LimitError,
            Code::ResourceExhausted,
            Code::Unknown,
        ),
        (
            ErrorKind::NoSpaceError,
            Code::ResourceExhausted,
            Code::Unknown,
        ),
        (ErrorKind::DamagedError, Code::DataLoss, Code::Unknown),
        (
            ErrorKind::UnavailableError,
            Code::Unavailable,
            Code::Unavailable,
        ),
        (ErrorKind::CancelledError, Code::Cancelled, Code::Cancelled),
        (ErrorKind::InternalError, Code::Internal, Code::Unknown),
    ];

    fn headers(agent: &str) -> MetadataMap {
        let mut headers = MetadataMap::new();
        headers.insert("user-agent", agent.parse().unwrap());
        headers
    }

    #[test]
    fn every_kind_has_its_code_and_always_the_same_details() {
        let listed: Vec<ErrorKind> = TABLE.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(listed, ErrorKind::ALL);
        for &(kind, other, cpp) in TABLE {
            let failure = Failure::new(kind, "what happened");
            let json = format!(r#"{{"type":"{kind}","message":"what happened"}}"#);
            let status = failure.to_status(Caller::Other);
            assert_eq!(status.code(), other, "{kind}");
            assert_eq!(status.message(), "what happened");
            assert_eq!(status.details(), json.as_bytes());
            assert!(status.metadata().is_empty());
            let status = failure.to_status(Caller::Cpp);
            assert_eq!(status.code(), cpp, "{kind}");
            assert_eq!(status.details(), json.as_bytes());
            assert_eq!(status.metadata().get("x-arrow-status").unwrap(), "5");
            let text = status
                .metadata()
                .get_bin("x-arrow-status-message-bin")
                .unwrap();
            assert_eq!(text.to_bytes().unwrap(), "what happened");
        }
    }

    #[test]
    fn callers_are_told_apart_by_their_agent() {
        for (agent, caller) in [
            ("grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)", Caller::Cpp),
            ("grpc-go/1.60.0", Caller::Other),
            ("grpc-java-netty/1.60.0", Caller::Other),
            ("tonic/0.14.0 like grpc-c++/1", Caller::Other),
        ] {
            assert_eq!(Caller::of(&headers(agent)), caller, "{agent}");
        }
        assert_eq!(Caller::of(&MetadataMap::new()), Caller::Other);
    }

    #[test]
    fn long_messages_fit_into_trailers_and_stay_text() {
        for unit in ["é", "a", "𝄞", "\u{1}", "\""] {
            let failure = Failure::new(ErrorKind::DataFusionError, unit.repeat(20_000));
            for caller in [Caller::Cpp, Caller::Other] {
                let status = failure.to_status(caller);
                assert!(status.message().len() <= MESSAGE_BYTES);
                assert!(status.message().ends_with('…'));
                assert!(status.details().len() <= DETAILS_BYTES);
                let body = ErrorBody::from_json(status.details()).unwrap();
                assert_eq!(body.kind, ErrorKind::DataFusionError);
                assert!(body.message.ends_with('…'));
                let trailers = status.into_http::<()>();
                let sizes = trailers
                    .headers()
                    .iter()
                    .map(|(k, v)| k.as_str().len() + v.len() + 32);
                assert!(sizes.sum::<usize>() < 8192);
            }
        }
    }

    #[test]
    fn failures_of_sql_tell_damage_and_limits_from_mistakes() {
        let exhausted = DataFusionError::ResourcesExhausted("no room".into());
        let wrapped = DataFusionError::Context("sorting".into(), Box::new(exhausted));
        for (error, kind) in [
            (
                DataFusionError::Plan("no such column".into()),
                ErrorKind::DataFusionError,
            ),
            (wrapped, ErrorKind::LimitError),
        ] {
            let Failure::Domain(body) = Failure::from(error) else {
                panic!("expected a domain error");
            };
            assert_eq!(body.kind, kind);
        }
    }

    #[test]
    fn what_is_not_answered_is_unimplemented_for_everybody() {
        let failure = Failure::Unimplemented("not here".into());
        for caller in [Caller::Cpp, Caller::Other] {
            assert_eq!(failure.to_status(caller).code(), Code::Unimplemented);
        }
    }

    #[test]
    fn a_message_above_the_limit_is_a_limit_and_a_reset_is_a_cancellation() {
        for (status, kind) in [
            (Status::out_of_range("too large"), ErrorKind::LimitError),
            (Status::unknown("h2 reset"), ErrorKind::CancelledError),
            (Status::cancelled("gone"), ErrorKind::CancelledError),
        ] {
            let Failure::Domain(body) = Failure::from(status) else {
                panic!("expected a domain error");
            };
            assert_eq!(body.kind, kind);
        }
    }
}
