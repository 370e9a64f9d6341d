//! What a server must do to tell a cancelled put from a complete one.
//!
//! ```text
//! Server::builder().add_service(TellsCancelled(FlightServiceServer::new(service)))
//! ```
//!
//! When a client cancels, HTTP/2 resets the stream with the reason CANCEL, and tonic's server
//! hands that to its service as the *end* of the client's messages. A service that takes the
//! end for "commit" would commit half a put. So the body's error gets another code before
//! tonic sees it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::body::Body as TonicBody;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Code, Status};

/// A service whose requests fail when they are cancelled, instead of ending.
#[derive(Debug, Clone)]
pub struct TellsCancelled<S>(pub S);

impl<S> Service<http::Request<TonicBody>> for TellsCancelled<S>
where
    S: Service<http::Request<TonicBody>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> S::Future {
        let request = request.map(|body| TonicBody::new(RequestBody(body)));
        self.0.call(request)
    }
}

impl<S: NamedService> NamedService for TellsCancelled<S> {
    const NAME: &'static str = S::NAME;
}

struct RequestBody(TonicBody);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map_err(|status| match status.code() {
            Code::Cancelled => Status::aborted("the client cancelled the call"),
            _ => status,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
