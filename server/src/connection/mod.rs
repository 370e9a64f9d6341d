//! Connections: how many there may be, how each is served, and when it is closed.
//!
//! A connection takes one of `max_connections` places before anything else is done for it, also before it is encrypted. Where none is left, it is
//! accepted all the same, served for a moment by [`refused`], which tells every call why, and closed: a client that is
//! told can wait, one that hangs cannot. Only if very many are being told at once is one closed without a word.
//!
//! What is accepted has `header_seconds` to speak HTTP/2. After that it stays for as long as it carries calls; when it has
//! carried none for `idle_seconds`, when nobody reads one of its answers ([`streams`]), or when the server drains, it is
//! asked to bring no more (GOAWAY), and calls that are under way, or crossed that on the wire, are finished before it is
//! closed.

mod began;
mod failures;
mod refused;
mod streams;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::body::Body as TonicBody;
use tonic::codegen::http;
use tonic::service::Routes;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, error};

use self::began::Watched;
use self::failures::Failures;
use self::refused::Refused;
use self::streams::Streams;
use crate::call::attended::Attendant;
use crate::config::Config;
use crate::listener::accept;
use crate::metrics::Metrics;
use crate::running::{Answering, Answers, Counted, RunningCalls};
use crate::stop::{Phase, Stop, reached};
use crate::tls::{Tls, secured};

/// Bytes of one stream that may be under way unread, and of all streams of a connection.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// Larger frames mean less work per byte.
pub(crate) const FRAME_BYTES: u32 = 1 << 20;
/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection that carries no call may take to close when it was asked to.
const CLOSING: Duration = Duration::from_secs(5);
/// Connections beyond the limit that are told so at the same time, and how long that may take.
const REFUSED_AT_ONCE: usize = 256;
const REFUSING: Duration = Duration::from_secs(5);

/// What serves connections.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    tls: Option<Tls>,
    routes: Routes,
    attendant: Arc<Attendant>,
    places: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    max_connections: u64,
    header: Duration,
    idle: Duration,
    metrics: Arc<Metrics>,
    failures: Failures,
    stop: Stop,
}

impl Connections {
    /// Connections whose calls go to `routes`, and beyond `max_connections` are refused by the attendant.
    pub(crate) fn new(
        config: &Config,
        tls: Option<Tls>,
        routes: Routes,
        attendant: Arc<Attendant>,
        metrics: &Arc<Metrics>,
        stop: Stop,
    ) -> Self {
        let places = usize::try_from(config.max_connections).unwrap_or(usize::MAX);
        Self {
            tls,
            routes: routes.prepare(),
            attendant,
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            refusing: Arc::new(Semaphore::new(REFUSED_AT_ONCE)),
            max_connections: config.max_connections,
            header: config.header_time(),
            idle: config.idle_time(),
            metrics: Arc::clone(metrics),
            failures: Failures::default(),
            stop,
        }
    }

    /// Accepts connections until the server drains, and returns once all are closed. Dropping this closes them at once.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let mut phases = self.stop.watch();
        let mut serving = JoinSet::new();
        loop {
            let (tcp, _) = tokio::select! {
                () = reached(&mut phases, Phase::Draining) => break,
                Some(ended) = serving.join_next() => {
                    log_end(ended);
                    continue;
                }
                tcp = accept(&listener) => tcp,
            };
            serving.spawn(self.clone().take(tcp));
        }
        drop(listener);
        while let Some(ended) = serving.join_next().await {
            log_end(ended);
        }
    }

    /// Serves one connection to its end, or tells it that there is no place for it.
    async fn take(self, tcp: TcpStream) {
        if let Err(error) = tcp.set_nodelay(true) {
            debug!(%error, "a connection sends late");
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            self.metrics.connections_accepted.inc();
            self.attend(tcp, place).await;
            return;
        }
        self.metrics.connections_refused.inc();
        if let Ok(_telling) = Arc::clone(&self.refusing).try_acquire_owned() {
            // Who does not listen in that time is not waited for.
            let _ = timeout(REFUSING, self.refuse(tcp)).await;
        }
    }

    async fn attend(self, tcp: TcpStream, _place: OwnedSemaphorePermit) {
        let _open = Open::new(&self.metrics);
        let peer = tcp.peer_addr().ok();
        let header = sleep(self.header);
        let mut header = std::pin::pin!(header);
        let secured = tokio::select! {
            secured = secured(tcp, self.tls.as_ref()) => secured,
            () = &mut header => Err(io::ErrorKind::TimedOut.into()),
        };
        let connection = match secured {
            Ok(connection) => connection,
            Err(error) => {
                self.failures.note(peer, &error);
                return;
            }
        };
        let address = connection.connect_info();
        let (io, began) = Watched::new(connection);
        let calls = RunningCalls::default();
        let counted = Counted {
            service: self.routes.clone(),
            calls: calls.clone(),
        };
        let streams = Streams::default();
        let given_up = streams.given_up();
        let connection =
            builder(streams).serve_connection(TokioIo::new(io), served(counted, address));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            ended = &mut connection => return log_failure(ended),
            () = began.began() => {}
            () = &mut header => {
                debug!("closed a connection that did not speak HTTP/2 in time");
                return;
            }
        }
        let mut phases = self.stop.watch();
        tokio::select! {
            biased;
            ended = &mut connection => return log_failure(ended),
            () = reached(&mut phases, Phase::Draining) => {}
            () = calls.none_for(self.idle) => { self.metrics.connections_idled.inc(); }
            () = given_up.notified() => debug!("a connection does not take its answers"),
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            ended = &mut connection => log_failure(ended),
            () = calls.none_for(CLOSING) => {}
        }
    }

    /// Tells every call of a connection that there is no place for it, and closes it after the first.
    async fn refuse(&self, tcp: TcpStream) {
        let Ok(connection) = secured(tcp, self.tls.as_ref()).await else {
            return;
        };
        let address = connection.connect_info();
        let refused = Refused::new(&self.attendant, self.max_connections);
        let calls = refused.calls();
        let connection = builder(Streams::default())
            .serve_connection(TokioIo::new(connection), served(refused, address));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            ended = &mut connection => return log_failure(ended),
            () = calls.notified() => connection.as_mut().graceful_shutdown(),
        }
        log_failure(connection.await);
    }
}

fn builder(streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}

/// A service as hyper wants it, whose requests know where they come from.
fn served(
    service: impl Answers + Clone,
    address: TcpConnectInfo,
) -> impl hyper::service::Service<
    http::Request<Incoming>,
    Response = http::Response<TonicBody>,
    Error = Infallible,
    Future = Answering,
> {
    hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(TonicBody::new);
        request.extensions_mut().insert(address.clone());
        Box::pin(service.clone().call(request)) as Answering
    })
}

/// A connection counts as open until this is dropped.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections_open.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.dec();
    }
}

fn log_failure(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%error, "a connection failed");
    }
}

fn log_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection ended unexpectedly");
    }
}
