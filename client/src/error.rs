//! What a call can fail with, in the words of the wire contract.
//!
//! The server tells the kind in the details of the status. Where it does not (another server,
//! a proxy, a broken connection), the kind follows from the gRPC code and from whether the
//! status was made at this end. Whether a call may be repeated is decided here once.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use shoots_proto::{ErrorBody, ErrorKind, RequestError};
use tonic::{Code, ConnectError, Status};

/// Any error as a cause.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// A failed call: what kind of failure, and a message that says what happened and what to do.
///
/// ```
/// use shoots_client::{ErrorKind, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// let error = client.get("no such frame").collect().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FileNotFoundError);
/// assert!(error.to_string().contains("no such frame"));
/// # server.shutdown().await?; Ok(()) }
/// ```
pub struct Error(Box<Failure>);

#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    message: String,
    code: Option<Code>,
    end: End,
    setting: Option<&'static str>,
    source: Option<Cause>,
}

/// How far the call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The server answered, or this end decided.
    Settled,
    /// The server was not reached; it knows nothing of the call.
    Unsent,
    /// The server did not accept who is at this end, and so looked at nothing of the call. Asked again, it says the same, or
    /// less: what it says is lost if it closes before the call is written.
    Refused,
    /// The connection broke; the server may have carried out the call.
    Broken,
    /// This end gave up waiting; the server may have carried out the call.
    GivenUp,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            message: message.into(),
            code: None,
            end: End::Settled,
            setting: None,
            source: None,
        }))
    }

    /// What kind of failure it is, which is what to base decisions on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The gRPC code that the call ended with; `None` if it did not come to that.
    pub fn code(&self) -> Option<Code> {
        self.0.code
    }

    /// Whether there is no such frame, bucket or version.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::FileNotFoundError
    }

    /// Whether a change may or may not have happened: look, or repeat a put with the same
    /// [`request_id`](crate::PutRequest::request_id).
    pub fn is_outcome_unknown(&self) -> bool {
        self.kind() == ErrorKind::OutcomeUnknownError
    }

    /// The setting that cannot be used, as the method of [`ClientBuilder`](crate::ClientBuilder) is called, where one of those
    /// for encryption is what is wrong.
    pub fn setting(&self) -> Option<&'static str> {
        self.0.setting
    }

    /// Whether the server broke the connection off because it asks for a certificate of the client, and was shown none, or
    /// one that it does not accept: expired, for another use, of an authority that it does not know
    /// ([`identity`](crate::ClientBuilder::identity)). Nothing of the call happened then.
    pub fn asks_for_certificate(&self) -> bool {
        self.0.end == End::Refused
    }

    /// Whether the connection ended under the call. That is all there is to see of a server that refuses a connection
    /// while the call is still being written: what it says of the reason is lost then.
    pub fn is_cut_off(&self) -> bool {
        let ends = ["broken pipe", "onnection reset", "connection closed"];
        let told = || ends.iter().any(|end| self.0.message.contains(end));
        matches!(self.0.end, End::Unsent | End::Broken) && told()
    }

    /// Whether what came is no HTTP/2. That is all there is to see over `grpc://` of a server that encrypts its connections:
    /// read as a frame of HTTP/2, its refusal is far too long.
    pub fn is_another_protocol(&self) -> bool {
        matches!(self.0.end, End::Unsent | End::Broken)
            && self.0.message.contains("frame with invalid size")
    }

    /// Whether a call that only reads may be repeated: the server could not be reached, or
    /// said that it is not available. Not after giving up, which would double the time that
    /// the caller allowed.
    pub(crate) fn is_transient(&self) -> bool {
        match self.0.end {
            End::Unsent | End::Broken => true,
            End::Settled => self.kind() == ErrorKind::UnavailableError,
            End::Refused | End::GivenUp => false,
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same, about a setting for encryption.
    pub(crate) fn of_setting(mut self, setting: &'static str) -> Self {
        self.0.setting = Some(setting);
        self
    }

    fn ended(mut self, end: End) -> Self {
        self.0.end = end;
        self
    }

    /// The connection failed at this end, as far as `end`; what is told of it may say more.
    fn disconnected(message: String, end: End) -> Self {
        if is_about_certificate(&message) {
            let message = format!(
                "{message}; the server seems to ask for a valid client certificate of an authority that it knows"
            );
            return Self::new(ErrorKind::UnavailableError, message).ended(End::Refused);
        }
        let end = match is_never_sent(&message) {
            true => End::Unsent,
            false => end,
        };
        Self::new(ErrorKind::UnavailableError, message).ended(end)
    }

    /// The server could not be reached at all.
    pub(crate) fn unreachable(address: &str, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        let message = format!("cannot connect to {address}: {}", chain(&*cause));
        Self::disconnected(message, End::Unsent).with_source(cause)
    }

    /// No answer came in time.
    pub(crate) fn timed_out(what: &str, limit: Duration) -> Self {
        let message = format!("no answer to {what} within {limit:?}");
        Self::new(ErrorKind::UnavailableError, message).ended(End::GivenUp)
    }

    /// The caller's own batches failed.
    pub(crate) fn abandoned(cause: Cause) -> Self {
        let message = format!(
            "the put was abandoned and nothing changed: {}",
            chain(&*cause)
        );
        Self::new(ErrorKind::CancelledError, message).with_source(cause)
    }

    /// The answer does not mean anything to this client.
    pub(crate) fn unexpected(what: &str, problem: impl fmt::Display) -> Self {
        let message = format!("the server's answer to {what} cannot be read: {problem}");
        Self::new(ErrorKind::InternalError, message)
    }

    /// The same failure where the call may have changed something: if the answer is what got
    /// lost, nobody knows.
    pub(crate) fn of_change(mut self, what: &str) -> Self {
        if matches!(self.0.end, End::Broken | End::GivenUp) {
            self.0.kind = ErrorKind::OutcomeUnknownError;
            self.0.message = format!(
                "it is unknown whether {what} happened: {}; look before repeating it",
                self.0.message
            );
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind);
        debug.field("message", &self.0.message);
        if let Some(code) = self.0.code {
            debug.field("code", &code);
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let code = status.code();
        let mut error = if let Some(body) = ErrorBody::from_json(status.details()) {
            Self::new(body.kind, body.message)
        } else if status.source().is_some() {
            // Made at this end: the connection failed before the call or under it.
            let (what, end) = if is_connect_error(&status) {
                ("the server cannot be reached", End::Unsent)
            } else {
                ("the connection to the server failed", End::Broken)
            };
            Self::disconnected(format!("{what}: {}", chain(&status)), end).with_source(status)
        } else {
            let message = match status.message() {
                "" => format!("the server ended the call with {code:?}"),
                message => message.to_owned(),
            };
            Self::new(kind_of(code), message)
        };
        error.0.code = Some(code);
        error
    }
}

/// Whether the call never was on its way: the connection had ended when it was to be written. The transport tells that in
/// these words, and of nothing else.
fn is_never_sent(told: &str) -> bool {
    told.contains("operation was canceled") && told.ends_with("connection closed")
}

/// Whether an alert is about the certificate of this end. For this end the connection has come about by then, and what
/// carries the alert is told as text alone. A server reads nothing of a call before it knows who is there.
fn is_about_certificate(told: &str) -> bool {
    let alert = told.split("received fatal alert: ").nth(1);
    let alerts = [
        "CertificateRequired",
        "CertificateExpired",
        "CertificateRevoked",
        "CertificateUnknown",
        "UnknownCA",
        "BadCertificate",
        // It is for another use.
        "UnsupportedCertificate",
        "AccessDenied",
        // Another authority has the name of the one that the server knows.
        "DecryptError",
        "HandshakeFailure",
    ];
    alert.is_some_and(|alert| alerts.iter().any(|known| alert.starts_with(known)))
}

fn is_connect_error(status: &Status) -> bool {
    let mut next = status.source();
    while let Some(error) = next {
        if error.is::<ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The kind that fits a code whose status says no more.
fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::NotFound => ErrorKind::FileNotFoundError,
        Code::AlreadyExists => ErrorKind::FileExistsError,
        Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented => {
            ErrorKind::InvalidRequestError
        }
        Code::Unauthenticated => ErrorKind::UnauthenticatedError,
        Code::PermissionDenied => ErrorKind::PermissionDeniedError,
        // How tonic reports a message above a limit.
        Code::ResourceExhausted | Code::OutOfRange => ErrorKind::LimitError,
        Code::Aborted => ErrorKind::ConflictError,
        Code::DataLoss => ErrorKind::DamagedError,
        Code::Unavailable => ErrorKind::UnavailableError,
        Code::DeadlineExceeded => ErrorKind::CallTimeoutError,
        Code::Cancelled => ErrorKind::CancelledError,
        Code::Ok | Code::Unknown | Code::Internal => ErrorKind::InternalError,
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::new(ErrorKind::InvalidRequestError, error.to_string()).with_source(error)
    }
}

impl From<shoots_flight::Error> for Error {
    fn from(error: shoots_flight::Error) -> Self {
        let kind = match error {
            shoots_flight::Error::Unsupported { .. } => ErrorKind::SchemaError,
            shoots_flight::Error::Batch(_) => ErrorKind::InvalidRequestError,
            _ => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}

/// An error and its causes on one line, without what one repeats of the next.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_details_of_a_status_say_the_kind_whatever_the_code() {
        for kind in ErrorKind::ALL {
            let json = ErrorBody::new(*kind, "what happened").to_json_within(1000);
            let status = Status::with_details(Code::Unknown, "other text", json.into());
            let error = Error::from(status);
            assert_eq!(error.kind(), *kind);
            assert_eq!(error.to_string(), "what happened");
            assert_eq!(error.code(), Some(Code::Unknown));
            assert_eq!(error.is_transient(), *kind == ErrorKind::UnavailableError);
        }
    }

    #[test]
    fn a_status_without_details_is_told_by_its_code() {
        for (code, kind) in [
            (Code::NotFound, ErrorKind::FileNotFoundError),
            (Code::AlreadyExists, ErrorKind::FileExistsError),
            (Code::InvalidArgument, ErrorKind::InvalidRequestError),
            (Code::Unauthenticated, ErrorKind::UnauthenticatedError),
            (Code::PermissionDenied, ErrorKind::PermissionDeniedError),
            (Code::Unimplemented, ErrorKind::InvalidRequestError),
            (Code::ResourceExhausted, ErrorKind::LimitError),
            (Code::Aborted, ErrorKind::ConflictError),
            (Code::DataLoss, ErrorKind::DamagedError),
            (Code::Unavailable, ErrorKind::UnavailableError),
            (Code::DeadlineExceeded, ErrorKind::CallTimeoutError),
            (Code::Cancelled, ErrorKind::CancelledError),
            (Code::Unknown, ErrorKind::InternalError),
            (Code::Internal, ErrorKind::InternalError),
        ] {
            let error = Error::from(Status::new(code, "text"));
            assert_eq!(error.kind(), kind, "{code:?}");
            let repeatable = kind == ErrorKind::UnavailableError;
            assert_eq!(error.is_transient(), repeatable, "{code:?}");
            assert_eq!(error.to_string(), "text");
        }
        let silent = Error::from(Status::new(Code::Internal, ""));
        assert_eq!(
            silent.to_string(),
            "the server ended the call with Internal"
        );
    }

    #[test]
    fn a_change_that_the_server_refused_did_not_happen() {
        let refused = Error::from(Status::unavailable("stopping")).of_change("the delete");
        assert_eq!(refused.kind(), ErrorKind::UnavailableError);
        let denied = Error::from(Status::not_found("x")).of_change("the delete");
        assert_eq!(denied.kind(), ErrorKind::FileNotFoundError);
    }

    #[test]
    fn a_change_without_an_answer_may_have_happened() {
        let late = Error::timed_out("delete", Duration::from_secs(1)).of_change("the delete");
        assert!(late.is_outcome_unknown());
        assert_eq!(
            late.to_string(),
            "it is unknown whether the delete happened: no answer to delete within 1s; look \
             before repeating it"
        );
    }

    /// The error of a call whose connection ended with this.
    fn cut(told: &str) -> Error {
        Error::from(Status::from_error(Box::new(std::io::Error::other(
            told.to_owned(),
        ))))
    }

    #[test]
    fn a_change_of_somebody_whose_certificate_is_refused_did_not_happen() {
        for alert in [
            "CertificateRequired",
            "CertificateExpired",
            "CertificateRevoked",
            "CertificateUnknown",
            "UnknownCA",
            "BadCertificate",
            "UnsupportedCertificate",
            "DecryptError",
        ] {
            let refused = cut(&format!("received fatal alert: {alert}")).of_change("the put");
            assert_eq!(refused.kind(), ErrorKind::UnavailableError, "{refused}");
            assert!(refused.asks_for_certificate(), "{refused}");
            assert!(!refused.is_transient() && !refused.is_cut_off());
            let told = refused.to_string();
            assert!(told.contains(alert) && told.contains("valid client certificate"));
            assert!(!told.contains("unknown whether"), "{told}");
        }
        let other = cut("received fatal alert: InternalError").of_change("the put");
        assert!(other.is_outcome_unknown() && !other.asks_for_certificate());
    }

    #[test]
    fn a_change_that_never_was_sent_did_not_happen_and_one_that_was_may_have() {
        let closed = cut("operation was canceled: connection closed").of_change("the put");
        assert_eq!(closed.kind(), ErrorKind::UnavailableError);
        assert!(closed.is_cut_off() && closed.is_transient());
        for told in ["Connection reset by peer", "broken pipe"] {
            let cut = cut(told).of_change("the put");
            assert!(cut.is_outcome_unknown() && cut.is_cut_off(), "{cut}");
        }
    }

    #[test]
    fn what_is_no_http_is_known_as_another_protocol() {
        assert!(cut("http2 error: frame with invalid size").is_another_protocol());
        assert!(!cut("broken pipe").is_another_protocol());
        let said = Error::from(Status::internal("frame with invalid size"));
        assert!(!said.is_another_protocol());
    }

    #[test]
    fn causes_are_said_once() {
        let inner = std::io::Error::other("connection refused");
        let outer = Error::unreachable("grpc://localhost:1", inner);
        assert_eq!(
            outer.to_string(),
            "cannot connect to grpc://localhost:1: connection refused"
        );
    }
}
