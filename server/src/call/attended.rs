//! Between the connection and the service: every call gets a record, a place, and an end.
//!
//! [`Attended`] takes a request before anything reads it. A call beyond `max_calls` is refused here. What needs no token
//! (handshakes, health, reflection) has places of its own, a tenth as many: strangers take none from those who have a
//! token, and health is told however many calls run. All others have their
//! [`Record`] among the request's extensions and its id among the answer's headers (`x-shoots-call`), whatever becomes
//! of them. What may end it early ([`Ending`]) is looked at from here on. What no [`Call`](super::Call) stands around is caught here,
//! too: a panic while a request is taken apart or an answer is put together ends with an internal error, and a request
//! that is no call of Flight is counted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::FutureExt;
use shoots_proto::ErrorKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body as TonicBody;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tracing::Instrument;

use super::defect;
use super::ending::{Ending, NamedCalls};
use super::memory::MessageMemory;
use super::receiving::{Receiving, ReceivingLimits};
use super::record::{CallIds, Record, step_within, within};
use super::sending::{Sending, note_status};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::running::{Answering, Answers};
use crate::service::Service as FlightCalls;
use crate::status::{Caller, Failure};

/// The header of an answer with the id of its call.
const CALL: &str = "x-shoots-call";

/// How many calls there may be for each that needs no token.
const CALLS_PER_STRANGER: u64 = 10;

/// Flight's calls, as paths have them.
const NAMES: [&str; 10] = [
    HANDSHAKE,
    "ListFlights",
    "GetFlightInfo",
    "PollFlightInfo",
    "GetSchema",
    "DoGet",
    "DoPut",
    "DoExchange",
    ACTION,
    "ListActions",
];

/// The call of Flight that needs no token: some clients show theirs in it.
const HANDSHAKE: &str = "Handshake";

/// The call that asks for an action.
pub(crate) const ACTION: &str = "DoAction";

/// What a request is called that is no call of Flight.
const OTHER: &str = "other";

/// All that calls are ever called, in the log and in the metrics.
pub(crate) fn labels() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain([OTHER])
}

/// What attending to calls takes, for all of them.
#[derive(Debug)]
pub(crate) struct Attendant {
    ids: CallIds,
    metrics: Arc<Metrics>,
    named: NamedCalls,
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    max_calls: u64,
    receiving: ReceivingLimits,
    read_idle: Duration,
}

impl Attendant {
    pub(crate) fn new(
        config: &Config,
        ids: CallIds,
        memory: &MessageMemory,
        metrics: &Arc<Metrics>,
        named: NamedCalls,
    ) -> Arc<Self> {
        let strangers = config.max_calls.div_ceil(CALLS_PER_STRANGER);
        Arc::new(Self {
            ids,
            metrics: Arc::clone(metrics),
            named,
            places: places(config.max_calls),
            strangers: places(strangers),
            max_calls: config.max_calls,
            receiving: ReceivingLimits::new(config, memory, metrics),
            read_idle: config.read_idle_time(),
        })
    }

    /// The service with its calls attended to.
    pub(crate) fn attend<S>(self: &Arc<Self>, service: S) -> Attended<S> {
        Attended {
            service,
            attendant: Arc::clone(self),
        }
    }

    /// Answers a request with why it is not served.
    pub(crate) fn refuse<B>(
        &self,
        request: &http::Request<B>,
        failure: &Failure,
    ) -> http::Response<TonicBody> {
        let record = self.record(request);
        let _attendance = Attendance::begin(&record);
        identified(refusal(&record, failure), &record)
    }

    fn place(&self, call: &str) -> Result<OwnedSemaphorePermit, Failure> {
        let stranger = matches!(call, HANDSHAKE | OTHER);
        let places = if stranger {
            &self.strangers
        } else {
            &self.places
        };
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            let what = if stranger {
                "a tenth as many that need no token (handshakes, health, reflection) run beside them"
            } else {
                "as many calls run"
            };
            let problem = format!(
                "max_calls is {}, and {what}; try again later, or have the setting raised",
                self.max_calls
            );
            Failure::new(ErrorKind::LimitError, problem)
        })
    }

    fn record<B>(&self, request: &http::Request<B>) -> Arc<Record> {
        let name = name(request.uri().path());
        let headers = MetadataMap::from_headers(request.headers().clone());
        let id = self.ids.next();
        Record::new(id, name, Caller::of(&headers), peer(request), &self.metrics)
    }
}

fn places(calls: u64) -> Arc<Semaphore> {
    let places = usize::try_from(calls).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)))
}

/// What the call of this path is called.
fn name(path: &str) -> &'static str {
    let asked = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let asked = asked.filter(|(service, _)| *service == FlightServiceServer::<FlightCalls>::NAME);
    let name = asked.and_then(|(_, asked)| NAMES.into_iter().find(|name| *name == asked));
    name.unwrap_or(OTHER)
}

fn peer<B>(request: &http::Request<B>) -> Option<SocketAddr> {
    request.extensions().get::<TcpConnectInfo>()?.remote_addr()
}

/// A service whose calls are attended to.
#[derive(Debug, Clone)]
pub(crate) struct Attended<S> {
    service: S,
    attendant: Arc<Attendant>,
}

impl<S: Answers> Service<http::Request<TonicBody>> for Attended<S> {
    type Response = S::Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> Self::Future {
        let record = self.attendant.record(&request);
        let attendance = Attendance::begin(&record);
        let ending = Ending::of(request.headers(), &self.attendant.named);
        let begun = ending.and_then(|ending| {
            let place = self.attendant.place(record.call())?;
            let limits = &self.attendant.receiving;
            let mut request =
                request.map(|body| TonicBody::new(Receiving::new(body, limits, &record)));
            request.extensions_mut().insert(Arc::clone(&record));
            let service = AssertUnwindSafe(|| self.service.call(request));
            let answering = step_within(&record, || catch_unwind(service));
            let answering = answering.map_err(|panic| defect(panic.as_ref()))?;
            Ok((answering, ending, place))
        });
        let read_idle = self.attendant.read_idle;
        let noted = Arc::clone(&record);
        let span = record.span().clone();
        let work = async move {
            let (answer, ending, place) = match begun {
                Ok((answering, ending, place)) => {
                    let answer = answered(answering, &ending, &record).await;
                    (answer, ending, Some(place))
                }
                Err(failure) => (refusal(&record, &failure), Ending::default(), None),
            };
            note_status(&record, answer.headers());
            let answer = answer.map(|body| {
                let patience = (ending, read_idle);
                TonicBody::new(Sending::new(body, &record, patience, attendance, place))
            });
            Ok(identified(answer, &record))
        };
        Box::pin(within(noted, work).instrument(span))
    }
}

impl<S: NamedService> NamedService for Attended<S> {
    const NAME: &'static str = S::NAME;
}

/// What becomes of a request: the beginning of an answer, or a failure.
async fn answered(
    answering: impl Future<Output = Result<http::Response<TonicBody>, Infallible>>,
    ending: &Ending,
    record: &Record,
) -> http::Response<TonicBody> {
    let answering = AssertUnwindSafe(answering).catch_unwind();
    let answering = std::pin::pin!(answering);
    let failure = tokio::select! {
        biased;
        answer = answering => match answer {
            Ok(Ok(answer)) => return legible(answer, record),
            Err(panic) => defect(panic.as_ref()),
        },
        failure = ending.comes(record) => failure,
    };
    refusal(record, &failure)
}

/// The answer, or in its place the same in our words. What the library finds wrong with a request, before any work of the
/// call begins, it tells without our errors and the call's id.
fn legible(answer: http::Response<TonicBody>, record: &Record) -> http::Response<TonicBody> {
    let told = Status::from_header_map(answer.headers())
        .filter(|status| status.code() != Code::Ok && status.details().is_empty());
    let id = format!("(call {})", record.id());
    let Some(status) = told.filter(|status| !status.message().ends_with(&id)) else {
        return answer;
    };
    match status.code() {
        // What fails in the server itself has details, so the request is no message of its call.
        Code::Internal => {
            let kind = ErrorKind::InvalidRequestError;
            refusal(record, &Failure::new(kind, status.message()))
        }
        Code::Unimplemented if status.message().is_empty() => {
            let problem = "this server has no such call; reflection tells which there are";
            refusal(record, &Failure::Unimplemented(problem.into()))
        }
        code => Status::new(code, format!("{} {id}", status.message())).into_http(),
    }
}

/// The answer with the id of its call.
fn identified(mut answer: http::Response<TonicBody>, record: &Record) -> http::Response<TonicBody> {
    if let Ok(id) = record.id().to_string().parse() {
        answer.headers_mut().insert(CALL, id);
    }
    answer
}

/// An answer that is nothing but a failure.
fn refusal(record: &Record, failure: &Failure) -> http::Response<TonicBody> {
    record.fail(failure);
    failure
        .to_status(record.caller(), Some(record.id()))
        .into_http()
}

/// A call is attended to until this is dropped, however it ends.
#[derive(Debug)]
pub(super) struct Attendance(Arc<Record>);

impl Attendance {
    pub(super) fn begin(record: &Arc<Record>) -> Self {
        record.metrics().calls_running.inc();
        Self(Arc::clone(record))
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.metrics().calls_running.dec();
        self.0.finish();
    }
}

#[cfg(test)]
mod tests;
