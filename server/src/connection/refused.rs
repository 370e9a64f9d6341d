//! What a connection beyond the limit is told: the setting, in the words of the wire contract, for each of its calls.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use shoots_proto::ErrorKind;
use tokio::sync::Notify;
use tonic::body::Body as TonicBody;
use tonic::codegen::{Service, http};

use crate::call::attended::Attendant;
use crate::status::Failure;

/// Answers every call with the limit on connections.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    attendant: Arc<Attendant>,
    max_connections: u64,
    calls: Arc<Notify>,
}

impl Refused {
    pub(super) fn new(attendant: &Arc<Attendant>, max_connections: u64) -> Self {
        Self {
            attendant: Arc::clone(attendant),
            max_connections,
            calls: Arc::default(),
        }
    }

    /// Is notified of each call.
    pub(super) fn calls(&self) -> Arc<Notify> {
        Arc::clone(&self.calls)
    }
}

impl Service<http::Request<TonicBody>> for Refused {
    type Response = http::Response<TonicBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> Self::Future {
        let problem = format!(
            "max_connections is {}, and as many connections are open; close some, try again later, or have the setting raised",
            self.max_connections
        );
        let failure = Failure::new(ErrorKind::LimitError, problem);
        self.calls.notify_one();
        ready(Ok(self.attendant.refuse(&request, &failure)))
    }
}
