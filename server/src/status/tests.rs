//! The mapping to gRPC, as a table and at its borders.

use super::*;
use crate::call::record::CallIds;

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
    (ErrorKind::OutcomeUnknownError, Code::Unknown, Code::Unknown),
    (
        ErrorKind::ReadOnlyError,
        Code::FailedPrecondition,
        Code::Unknown,
    ),
    (
        ErrorKind::UnauthenticatedError,
        Code::Unauthenticated,
        Code::Unauthenticated,
    ),
    (
        ErrorKind::InvalidSignatureError,
        Code::Unauthenticated,
        Code::Unknown,
    ),
    (
        ErrorKind::PermissionDeniedError,
        Code::PermissionDenied,
        Code::PermissionDenied,
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
    (
        ErrorKind::PromisedError,
        Code::FailedPrecondition,
        Code::Unknown,
    ),
    (ErrorKind::DamagedError, Code::DataLoss, Code::Unknown),
    (
        ErrorKind::UnavailableError,
        Code::Unavailable,
        Code::Unavailable,
    ),
    (
        ErrorKind::CallTimeoutError,
        Code::DeadlineExceeded,
        Code::DeadlineExceeded,
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
        let status = failure.to_status(Caller::Other, None);
        assert_eq!(status.code(), other, "{kind}");
        assert_eq!(status.message(), "what happened");
        assert_eq!(status.details(), json.as_bytes());
        assert!(status.metadata().is_empty());
        let status = failure.to_status(Caller::Cpp, None);
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
            let status = failure.to_status(caller, None);
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
        assert_eq!(failure.to_status(caller, None).code(), Code::Unimplemented);
    }
}

#[test]
fn a_message_above_the_limit_is_a_limit_and_a_reset_is_a_cancellation() {
    for (status, kind) in [
        (Status::out_of_range("too large"), ErrorKind::LimitError),
        (
            Status::internal("failed to decode Protobuf message"),
            ErrorKind::InvalidRequestError,
        ),
        (
            Status::from_error(Box::new(std::io::Error::other("reset"))),
            ErrorKind::CancelledError,
        ),
        (Status::unknown("h2 reset"), ErrorKind::CancelledError),
        (Status::cancelled("gone"), ErrorKind::CancelledError),
    ] {
        let Failure::Domain(body) = Failure::from(status) else {
            panic!("expected a domain error");
        };
        assert_eq!(body.kind, kind);
    }
}

#[test]
fn the_id_of_the_call_ends_every_message_once_however_long_it_is() {
    let id = CallIds::new(7).next();
    let ending = format!(" (call {id})");
    for message in ["short".to_owned(), "é\"\u{1}".repeat(20_000)] {
        let failure = Failure::new(ErrorKind::LimitError, message);
        for caller in [Caller::Cpp, Caller::Other] {
            let once = failure.to_status(caller, Some(&id));
            let again = Failure::from(once.clone()).to_status(caller, Some(&id));
            for status in [once, again] {
                assert_eq!(status.message().matches(&ending).count(), 1);
                assert!(status.message().ends_with(&ending));
                assert!(status.message().len() <= MESSAGE_BYTES);
                assert!(status.details().len() <= DETAILS_BYTES);
                let body = ErrorBody::from_json(status.details()).unwrap();
                assert_eq!(body.message.matches(&ending).count(), 1);
                assert!(body.message.ends_with(&ending), "{}", body.message);
                assert_eq!(body.kind, ErrorKind::LimitError);
            }
        }
    }
}
