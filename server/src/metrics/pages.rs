//! Pages over HTTP for whoever looks after the server: `/metrics`, `/livez`, `/readyz`.
//!
//! They have a port of their own, which opens before the store does and closes after the last call: a server that starts
//! or drains, or whose directory cannot be used at the moment, lives, and is not ready.
//!
//! Anybody who reaches the port may connect, and a connection is an open file that calls need, too. So there are few at a
//! time, each answers one request within a moment, and what is beyond is closed at once ([`Bounds`]).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tonic::codegen::Service;
use tracing::{debug, info};

use crate::listener::accept;
use crate::stop::{Phase, Stop};
use crate::storage::Obstacle;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What those who ask for pages may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Connections at the same time.
    connections: usize,
    /// How long a request may take to arrive.
    header: Duration,
    /// How long a connection may be there.
    whole: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 64,
    header: Duration::from_secs(10),
    whole: Duration::from_secs(30),
};

/// The pages, which are served until this is dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    address: SocketAddr,
    state: Arc<PageState>,
    serving: AbortHandle,
}

#[derive(Debug)]
struct PageState {
    /// There once calls are answered.
    answering: OnceLock<Answering>,
    stop: Stop,
}

/// What there is to be told of a server that answers calls.
#[derive(Debug)]
struct Answering {
    registry: Registry,
    obstacle: Obstacle,
}

impl Pages {
    /// Begins to serve them.
    pub(crate) fn serve(listener: TcpListener, stop: Stop) -> io::Result<Self> {
        Self::serve_within(BOUNDS, listener, stop)
    }

    fn serve_within(bounds: Bounds, listener: TcpListener, stop: Stop) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let state = Arc::new(PageState {
            answering: OnceLock::new(),
            stop,
        });
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(bounds.serve(listener, routes));
        info!("metrics on http://{address}/metrics, health on /livez and /readyz");
        Ok(Self {
            address,
            state,
            serving: serving.abort_handle(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls are answered from now on, for as long as nothing is in the way of the frames.
    pub(crate) fn ready(&self, registry: Registry, obstacle: Obstacle) {
        let answering = Answering { registry, obstacle };
        self.state.answering.get_or_init(|| answering);
    }
}

impl Bounds {
    /// Serves connections until this is dropped.
    async fn serve(self, listener: TcpListener, routes: Router) {
        let mut serving = JoinSet::new();
        loop {
            let (tcp, peer) = tokio::select! {
                biased;
                Some(_) = serving.join_next() => continue,
                accepted = accept(&listener) => accepted,
            };
            if serving.len() < self.connections {
                serving.spawn(self.answer(tcp, routes.clone()));
            } else {
                debug!(%peer, "no place for who asks for a page");
            }
        }
    }

    /// Answers one request.
    async fn answer(self, tcp: TcpStream, routes: Router) {
        let service = service_fn(move |request| routes.clone().call(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header)
            .keep_alive(false)
            .serve_connection(TokioIo::new(tcp), service);
        match timeout(self.whole, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "a request for a page failed"),
            Err(_) => debug!("a request for a page took too long"),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PageState {
    fn readiness(&self) -> Result<(), String> {
        if *self.stop.watch().borrow() != Phase::Running {
            return Err("stopping\n".to_owned());
        }
        let Some(answering) = self.answering.get() else {
            return Err("starting\n".to_owned());
        };
        match &*answering.obstacle.borrow() {
            Some(problem) => Err(format!("storage: {problem}\n")),
            None => Ok(()),
        }
    }
}

async fn ready(State(state): State<Arc<PageState>>) -> Response {
    match state.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn metrics(State(state): State<Arc<PageState>>) -> Response {
    let Some(Answering { registry, .. }) = state.answering.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response();
    };
    let mut page = String::new();
    match text::encode(&mut page, registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(error) => {
            let problem = format!("cannot write the metrics: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    use super::*;

    async fn status(pages: &Pages, path: &str) -> String {
        let mut tcp = TcpStream::connect(pages.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        format!("{status} {}", text.trim_end())
    }

    #[tokio::test]
    async fn a_server_is_ready_between_its_start_and_its_stop_and_lives_all_the_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = Stop::default();
        let pages = Pages::serve(listener, stop.clone()).unwrap();
        assert_eq!(status(&pages, "/readyz").await, "503 starting");
        assert_eq!(status(&pages, "/metrics").await, "503 starting");
        assert_eq!(status(&pages, "/livez").await, "200 alive");
        let (storage, obstacle) = watch::channel(None);
        pages.ready(Registry::default(), obstacle);
        assert_eq!(status(&pages, "/readyz").await, "200 ready");
        storage.send_replace(Some("no such folder".to_owned()));
        let told = "503 storage: no such folder";
        assert_eq!(status(&pages, "/readyz").await, told);
        assert_eq!(status(&pages, "/livez").await, "200 alive");
        storage.send_replace(None);
        assert_eq!(status(&pages, "/readyz").await, "200 ready");
        assert_eq!(status(&pages, "/metrics").await, "200 # EOF");
        stop.request();
        assert_eq!(status(&pages, "/readyz").await, "503 stopping");
        assert_eq!(status(&pages, "/livez").await, "200 alive");
        let address = pages.address();
        drop(pages);
        let mut refused = TcpStream::connect(address).await.is_err();
        for _ in 0..1000 {
            if refused {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            refused = TcpStream::connect(address).await.is_err();
        }
        assert!(refused, "the pages end with what serves them");
    }

    /// A connection whose request never ends.
    async fn half_open(pages: &Pages) -> TcpStream {
        let mut tcp = TcpStream::connect(pages.address()).await.unwrap();
        tcp.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
        tcp
    }

    /// Reads until the server closes.
    async fn closed(mut tcp: TcpStream) {
        let mut rest = Vec::new();
        // A connection that is reset is closed, too.
        let _ = tcp.read_to_end(&mut rest).await;
    }

    async fn pages(bounds: Bounds) -> Pages {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Pages::serve_within(bounds, listener, Stop::default()).unwrap()
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_are_closed_until_others_are() {
        let endless = Duration::from_secs(3600);
        let pages = pages(Bounds {
            connections: 2,
            header: endless,
            whole: endless,
        })
        .await;
        let open = [half_open(&pages).await, half_open(&pages).await];
        closed(half_open(&pages).await).await;
        drop(open);
        let mut answered = false;
        while !answered {
            let mut tcp = half_open(&pages).await;
            let mut answer = String::new();
            let _ = tcp.write_all(b"y\r\n\r\n").await;
            let _ = tcp.read_to_string(&mut answer).await;
            answered = answer.contains("alive");
        }
    }

    #[tokio::test]
    async fn who_does_not_finish_its_request_is_not_waited_for() {
        let (short, endless) = (Duration::from_millis(50), Duration::from_secs(3600));
        for (header, whole) in [(short, endless), (endless, short)] {
            let pages = pages(Bounds {
                connections: 2,
                header,
                whole,
            })
            .await;
            closed(half_open(&pages).await).await;
        }
    }
}
