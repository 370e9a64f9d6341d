//! Between the connection and the service: every call gets a record, a place, and an end.
//!
//! [`Attended`] takes a request before anything reads it. A call beyond `max_calls` is refused here; all others have their
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
use crate::status::{Caller, Failure};

/// The header of an answer with the id of its call.
const CALL: &str = "x-shoots-call";

/// What the library says of a request that is no message of its call.
const UNDECODED: &str = "decode Protobuf";

/// Flight's calls, as paths have them.
const NAMES: [&str; 10] = [
    "Handshake",
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
        let places = usize::try_from(config.max_calls).unwrap_or(usize::MAX);
        Arc::new(Self {
            ids,
            metrics: Arc::clone(metrics),
            named,
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            max_calls: config.max_calls,
            receiving: ReceivingLimits::new(config, memory, metrics),
            read_idle: config.read_idle_time(),
        })
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let problem = format!(
                "max_calls is {}, and as many calls run; try again later, or have the setting raised",
                self.max_calls
            );
            Failure::new(ErrorKind::LimitError, problem)
        })
    }

    fn record(&self, request: &http::Request<TonicBody>) -> Arc<Record> {
        let asked = request.uri().path().rsplit('/').next().unwrap_or_default();
        let name = NAMES.iter().find(|name| **name == asked);
        let name = name.copied().unwrap_or(OTHER);
        let headers = MetadataMap::from_headers(request.headers().clone());
        let id = self.ids.next();
        Record::new(id, name, Caller::of(&headers), peer(request), &self.metrics)
    }
}

fn peer(request: &http::Request<TonicBody>) -> Option<SocketAddr> {
    request.extensions().get::<TcpConnectInfo>()?.remote_addr()
}

/// A service whose calls are attended to.
#[derive(Debug, Clone)]
pub(crate) struct Attended<S> {
    pub(crate) service: S,
    pub(crate) attendant: Arc<Attendant>,
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
            let place = self.attendant.place()?;
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
            let mut answer = answer.map(|body| {
                let patience = (ending, read_idle);
                TonicBody::new(Sending::new(body, &record, patience, attendance, place))
            });
            if let Ok(id) = record.id().to_string().parse() {
                answer.headers_mut().insert(CALL, id);
            }
            Ok(answer)
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

/// The answer, or in its place what tells the caller that the request is no message of its call. That is found out by the
/// library, before any work of the call begins; it knows neither our errors nor the call's id.
fn legible(answer: http::Response<TonicBody>, record: &Record) -> http::Response<TonicBody> {
    let garbled = Status::from_header_map(answer.headers()).filter(|status| {
        let ours = !status.details().is_empty();
        !ours && status.code() == Code::Internal && status.message().contains(UNDECODED)
    });
    match garbled {
        Some(status) => {
            let kind = ErrorKind::InvalidRequestError;
            refusal(record, &Failure::new(kind, status.message()))
        }
        None => answer,
    }
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
