//! Pages over HTTP for whoever looks after the server: `/metrics`, `/livez`, `/readyz`.
//!
//! They have a port of their own, which opens before the store does and closes after the last call: a server that starts
//! or drains lives, and is not ready.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tracing::{error, info};

use crate::stop::{Phase, Stop};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    registry: OnceLock<Registry>,
    stop: Stop,
}

impl Pages {
    /// Begins to serve them.
    pub(crate) fn serve(listener: TcpListener, stop: Stop) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let state = Arc::new(PageState {
            registry: OnceLock::new(),
            stop,
        });
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                error!(%error, "the pages for metrics and health have ended");
            }
        });
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

    /// Calls are answered from now on.
    pub(crate) fn ready(&self, registry: Registry) {
        self.state.registry.get_or_init(|| registry);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PageState {
    fn readiness(&self) -> Result<&Registry, &'static str> {
        if *self.stop.watch().borrow() != Phase::Running {
            return Err("stopping\n");
        }
        self.registry.get().ok_or("starting\n")
    }
}

async fn ready(State(state): State<Arc<PageState>>) -> Response {
    match state.readiness() {
        Ok(_) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn metrics(State(state): State<Arc<PageState>>) -> Response {
    let Some(registry) = state.registry.get() else {
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
