//! Between the connection and the service: every call gets a record, a place, and an end.
//!
//! [`Attended`] takes a request before anything reads it. A call beyond `max_calls` is refused here; all others have their
//! [`Record`] among the request's extensions and its id among the answer's headers (`x-shoots-call`), whatever becomes
//! of them. What no [`Call`](super::Call) stands around is caught here, too: a panic while a request is taken apart or an
//! answer is put together ends with an internal error, and a request that is no call of Flight is counted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use http_body::{Body, Frame, SizeHint};
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
use super::memory::MessageMemory;
use super::receiving::{Receiving, ReceivingLimits};
use super::record::{CallIds, Outcome, Record, step_within, within};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::status::{Caller, Failure};

/// The header of an answer with the id of its call.
const CALL: &str = "x-shoots-call";

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
    "DoAction",
    "ListActions",
];

/// What attending to calls takes, for all of them.
#[derive(Debug)]
pub(crate) struct Attendant {
    ids: CallIds,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
    max_calls: u64,
    receiving: ReceivingLimits,
}

impl Attendant {
    pub(crate) fn new(
        config: &Config,
        ids: CallIds,
        memory: &MessageMemory,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        let places = usize::try_from(config.max_calls).unwrap_or(usize::MAX);
        Arc::new(Self {
            ids,
            metrics: Arc::clone(metrics),
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            max_calls: config.max_calls,
            receiving: ReceivingLimits::new(config, memory, metrics),
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
        let name = name.copied().unwrap_or("other");
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

type Answer<R> = Pin<Box<dyn Future<Output = Result<R, Infallible>> + Send>>;

impl<S> Service<http::Request<TonicBody>> for Attended<S>
where
    S: Service<
            http::Request<TonicBody>,
            Response = http::Response<TonicBody>,
            Error = Infallible,
            Future: Send + 'static,
        >,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Answer<S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> Self::Future {
        let record = self.attendant.record(&request);
        let attendance = Attendance::begin(&record);
        let begun = self.attendant.place().and_then(|place| {
            let limits = &self.attendant.receiving;
            let mut request =
                request.map(|body| TonicBody::new(Receiving::new(body, limits, &record)));
            request.extensions_mut().insert(Arc::clone(&record));
            let service = AssertUnwindSafe(|| self.service.call(request));
            let answering = step_within(&record, || catch_unwind(service));
            let answering = answering.map_err(|panic| defect(panic.as_ref()))?;
            Ok((answering, place))
        });
        let noted = Arc::clone(&record);
        let span = record.span().clone();
        let work = async move {
            let (answer, place) = match begun {
                Ok((answering, place)) => {
                    let answer = AssertUnwindSafe(answering).catch_unwind().await;
                    let answer = match answer {
                        Ok(Ok(answer)) => answer,
                        Err(panic) => refusal(&record, &defect(panic.as_ref())),
                    };
                    (answer, Some(place))
                }
                Err(failure) => (refusal(&record, &failure), None),
            };
            note_status(&record, answer.headers());
            let mut answer = answer.map(|body| {
                TonicBody::new(Sending {
                    body: Some(body),
                    record: Arc::clone(&record),
                    _attendance: attendance,
                    _place: place,
                })
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

/// An answer that is nothing but a failure.
fn refusal(record: &Record, failure: &Failure) -> http::Response<TonicBody> {
    record.fail(failure);
    failure
        .to_status(record.caller(), Some(record.id()))
        .into_http()
}

/// Notes how a call ended, where headers or trailers say so.
fn note_status(record: &Record, headers: &http::HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    record.end_with(match status.code() {
        Code::Ok => Outcome::Answered,
        code => Outcome::Status(code),
    });
}

/// A call is attended to until this is dropped, however it ends.
#[derive(Debug)]
struct Attendance(Arc<Record>);

impl Attendance {
    fn begin(record: &Arc<Record>) -> Self {
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

/// What goes to the caller. Dropping it ends the call.
struct Sending {
    /// Nothing after a panic.
    body: Option<TonicBody>,
    record: Arc<Record>,
    _attendance: Attendance,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sending {
    fn note(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.record.note_sent_bytes(data.len());
        }
        if let Some(trailers) = frame.trailers_ref() {
            note_status(&self.record, trailers);
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let record = Arc::clone(&self.record);
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = record.span().in_scope(|| {
            step_within(&record, || {
                catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)))
                    .map_err(|panic| defect(panic.as_ref()))
            })
        });
        match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                self.note(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(polled) => polled,
            Err(failure) => {
                self.body = None;
                record.fail(&failure);
                let status = failure.to_status(record.caller(), Some(record.id()));
                let mut trailers = http::HeaderMap::new();
                let told = status.add_header(&mut trailers);
                Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
