//! Places for calls, panics, and how calls end, without a connection.

use std::future::ready;
use std::pin::Pin;

use bytes::Bytes;
use http_body::{Body, Frame};
use shoots_proto::ErrorBody;
use tonic::codegen::Service;
use tonic::{Code, Status};

use super::*;

/// A service that panics at some point, or answers.
#[derive(Debug, Clone, Copy)]
enum Fake {
    Answers,
    PanicsBeforeWork,
    PanicsInWork,
    PanicsInBody,
    GoesOn,
    NeverAnswers,
    Says(Code, &'static str),
}

impl Service<http::Request<TonicBody>> for Fake {
    type Response = http::Response<TonicBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<TonicBody>) -> Self::Future {
        let fake = *self;
        match fake {
            Self::PanicsBeforeWork => panic!("before any work"),
            Self::NeverAnswers => Box::pin(std::future::pending()),
            Self::Answers => Box::pin(ready(Ok(Status::ok("").into_http()))),
            Self::Says(code, message) => {
                Box::pin(ready(Ok(Status::new(code, message).into_http())))
            }
            Self::PanicsInWork => Box::pin(async { panic!("in the middle of work") }),
            Self::PanicsInBody => Box::pin(ready(Ok(http::Response::new(TonicBody::new(Broken))))),
            Self::GoesOn => Box::pin(ready(Ok(http::Response::new(TonicBody::new(Endless))))),
        }
    }
}

/// A body that always has more to come.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Pending
    }
}

struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        panic!("in the answer's body")
    }
}

fn attendant(max_calls: u64) -> Arc<Attendant> {
    let config = Config {
        max_calls,
        ..Config::default()
    };
    let metrics = Arc::new(Metrics::default());
    let memory = MessageMemory::new(&config);
    let named = NamedCalls::default();
    Attendant::new(&config, CallIds::new(1), &memory, &metrics, named)
}

fn request() -> http::Request<TonicBody> {
    http::Request::builder()
        .uri("/arrow.flight.protocol.FlightService/DoGet")
        .body(TonicBody::empty())
        .unwrap()
}

/// Headers and trailers of an answer.
async fn read(answer: http::Response<TonicBody>) -> http::HeaderMap {
    let (parts, mut body) = answer.into_parts();
    let mut headers = parts.headers;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            headers.extend(trailers);
        }
    }
    headers
}

#[tokio::test]
async fn a_panic_anywhere_around_a_call_is_its_error_and_the_next_one_is_answered() {
    let attendant = attendant(1);
    for (fake, text) in [
        (Fake::PanicsBeforeWork, "before any work"),
        (Fake::PanicsInWork, "in the middle of work"),
        (Fake::PanicsInBody, "in the answer's body"),
    ] {
        let mut attended = Attended {
            service: fake,
            attendant: Arc::clone(&attendant),
        };
        let headers = read(attended.call(request()).await.unwrap()).await;
        let id = headers[CALL].to_str().unwrap().to_owned();
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), Code::Internal);
        let told = ErrorBody::from_json(status.details()).unwrap();
        assert_eq!(told.kind, ErrorKind::InternalError);
        assert!(told.message.contains(text), "{}", told.message);
        assert!(told.message.ends_with(&format!("(call {id})")));
        let mut attended = Attended {
            service: Fake::Answers,
            attendant: Arc::clone(&attendant),
        };
        let headers = read(attended.call(request()).await.unwrap()).await;
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), Code::Ok);
    }
    assert_eq!(attendant.metrics.calls_running.get(), 0);
}

#[tokio::test]
async fn a_call_beyond_the_limit_is_refused_until_another_is_let_go_of() {
    let attendant = attendant(1);
    let attended = |service| Attended {
        service,
        attendant: Arc::clone(&attendant),
    };
    let first = attended(Fake::GoesOn).call(request()).await.unwrap();
    let mut attended = attended(Fake::Answers);
    let headers = read(attended.call(request()).await.unwrap()).await;
    let status = Status::from_header_map(&headers).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("max_calls is 1"), "{status:?}");
    drop(first);
    let headers = read(attended.call(request()).await.unwrap()).await;
    let status = Status::from_header_map(&headers).unwrap();
    assert_eq!(status.code(), Code::Ok);
}

#[tokio::test]
async fn strangers_take_places_from_each_other_and_not_from_those_who_have_a_token() {
    let attendant = attendant(20);
    let mut endless = attendant.attend(Fake::GoesOn);
    let mut at = |path: &str| {
        let mut request = request();
        *request.uri_mut() = path.parse().unwrap();
        endless.call(request)
    };
    let mut open = Vec::new();
    for path in [
        "/arrow.flight.protocol.FlightService/Handshake",
        "/grpc.health.v1.Health/Watch",
    ] {
        open.push(at(path).await.unwrap());
    }
    assert_eq!(attendant.metrics.calls_running.get(), 2);
    for path in [
        "/arrow.flight.protocol.FlightService/Handshake",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/DoGet",
    ] {
        let headers = read(at(path).await.unwrap()).await;
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("max_calls is 20"), "{status:?}");
        assert!(status.message().contains("no token"), "{status:?}");
    }
    for _ in 0..20 {
        let call = "/arrow.flight.protocol.FlightService/DoGet";
        open.push(at(call).await.unwrap());
    }
    assert_eq!(attendant.metrics.calls_running.get(), 22);
}

#[tokio::test]
async fn what_the_library_says_of_a_request_is_told_in_our_words() {
    let attendant = attendant(1);
    for (said, message, code, words) in [
        (
            Code::Internal,
            "Missing request message.",
            Code::InvalidArgument,
            "Missing request message.",
        ),
        (Code::Unimplemented, "", Code::Unimplemented, "no such call"),
        (Code::NotFound, "no service", Code::NotFound, "no service"),
    ] {
        let mut attended = attendant.attend(Fake::Says(said, message));
        let headers = read(attended.call(request()).await.unwrap()).await;
        let id = headers[CALL].to_str().unwrap().to_owned();
        let told = Status::from_header_map(&headers).unwrap();
        assert_eq!(told.code(), code);
        assert!(told.message().contains(words), "{told:?}");
        assert!(
            told.message().ends_with(&format!("(call {id})")),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn who_is_refused_without_a_place_has_an_id_and_is_counted() {
    let attendant = attendant(1);
    let failure = Failure::new(ErrorKind::LimitError, "too many");
    let headers = read(attendant.refuse(&request(), &failure)).await;
    let id = headers[CALL].to_str().unwrap().to_owned();
    let told = Status::from_header_map(&headers).unwrap();
    assert_eq!(told.message(), format!("too many (call {id})"));
    assert_eq!(attendant.metrics.calls_running.get(), 0);
}

#[tokio::test]
async fn a_call_is_ended_when_the_time_that_its_caller_gave_it_is_over() {
    let attendant = attendant(1);
    for fake in [Fake::NeverAnswers, Fake::Answers] {
        let mut attended = Attended {
            service: fake,
            attendant: Arc::clone(&attendant),
        };
        let mut request = request();
        let time = "50m".parse().unwrap();
        request.headers_mut().insert("grpc-timeout", time);
        let headers = read(attended.call(request).await.unwrap()).await;
        let status = Status::from_header_map(&headers).unwrap();
        if matches!(fake, Fake::Answers) {
            assert_eq!(status.code(), Code::Ok);
            continue;
        }
        assert_eq!(status.code(), Code::DeadlineExceeded);
        let told = ErrorBody::from_json(status.details()).unwrap();
        assert_eq!(told.kind, ErrorKind::CallTimeoutError);
        assert!(told.message.contains("grpc-timeout"), "{}", told.message);
    }
    assert_eq!(attendant.metrics.calls_running.get(), 0);
}

#[tokio::test]
async fn a_call_is_ended_by_its_name() {
    let attendant = attendant(1);
    let mut attended = Attended {
        service: Fake::NeverAnswers,
        attendant: Arc::clone(&attendant),
    };
    let name = "9f86d081884c7d659a2feaa0c55ad015";
    let mut request = request();
    let header = name.parse().unwrap();
    request.headers_mut().insert("x-shoots-call-name", header);
    let answer = attended.call(request);
    assert!(attendant.named.cancel(&name.parse().unwrap()));
    let status = Status::from_header_map(&read(answer.await.unwrap()).await).unwrap();
    assert_eq!(status.code(), Code::Cancelled);
    assert!(!attendant.named.cancel(&name.parse().unwrap()));
    assert_eq!(attendant.metrics.calls_running.get(), 0);
}

#[tokio::test]
async fn a_time_that_cannot_be_read_is_refused_before_any_work() {
    let mut attended = Attended {
        service: Fake::PanicsBeforeWork,
        attendant: attendant(1),
    };
    let mut request = request();
    let time = "soon".parse().unwrap();
    request.headers_mut().insert("grpc-timeout", time);
    let headers = read(attended.call(request).await.unwrap()).await;
    let status = Status::from_header_map(&headers).unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("grpc-timeout"), "{status:?}");
}
