//! Before anything of a call is read: whether it comes from somebody.
//!
//! What a caller sends is decoded in memory before a call begins, and may be long. So a call without a valid token is
//! answered from its headers alone. Only a handshake needs no token, since it is how some clients show theirs; what it
//! may send is short.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use shoots_proto::ErrorKind;
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;

use super::credentials::Credentials;
use super::{Access, Keys};
use crate::call::record::Record;
use crate::status::Failure;

/// What the path of a handshake ends with.
const HANDSHAKE: &str = "/Handshake";
/// What a handshake may send, in bytes.
const HANDSHAKE_BYTES: usize = 64 << 10;

/// A service that only those reach who may call it; without keys everybody may.
#[derive(Debug, Clone)]
pub(crate) struct Gate<S> {
    pub(crate) service: S,
    pub(crate) keys: Option<Keys>,
}

type Answer<R> = Pin<Box<dyn Future<Output = Result<R, Infallible>> + Send>>;
type Response = http::Response<TonicBody>;

impl<S> Service<http::Request<TonicBody>> for Gate<S>
where
    S: Service<
            http::Request<TonicBody>,
            Response = Response,
            Error = Infallible,
            Future: Send + 'static,
        >,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<TonicBody>) -> Self::Future {
        let record = request.extensions().get::<Arc<Record>>().cloned();
        let record = record.unwrap_or_else(|| {
            let headers = MetadataMap::from_headers(request.headers().clone());
            Record::detached("unknown", &headers)
        });
        let access = if request.uri().path().ends_with(HANDSHAKE) {
            request = request.map(|body| {
                TonicBody::new(Bounded {
                    body,
                    left: HANDSHAKE_BYTES,
                    record,
                })
            });
            Access::default()
        } else {
            let headers = MetadataMap::from_headers(std::mem::take(request.headers_mut()));
            let access = admit(self.keys.as_ref(), &headers);
            *request.headers_mut() = headers.into_headers();
            match access {
                Ok(access) => {
                    if let Some(subject) = access.subject() {
                        record.note_subject(subject);
                    }
                    if let Some(token) = access.token() {
                        record.note_token(token);
                    }
                    access
                }
                Err(failure) => {
                    record.fail(&failure);
                    let refused = failure.to_status(record.caller(), Some(record.id()));
                    return Box::pin(std::future::ready(Ok(refused.into_http())));
                }
            }
        };
        request.extensions_mut().insert(access);
        Box::pin(self.service.call(request))
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

/// What the token in the headers of a call gives.
fn admit(keys: Option<&Keys>, headers: &MetadataMap) -> Result<Access, Failure> {
    let Some(keys) = keys else {
        return Ok(Access::everything());
    };
    match Credentials::of(headers) {
        // A password is a token, too: some clients send it with every call.
        Credentials::Token(token) | Credentials::Basic(token) => Ok(keys.verify(&token)?),
        Credentials::None => {
            let problem = "this server needs a token with every call: `authorization: Bearer …`, or a handshake before";
            Err(Failure::new(ErrorKind::UnauthenticatedError, problem))
        }
    }
}

/// A body of which only the beginning is taken.
struct Bounded {
    body: TonicBody,
    left: usize,
    record: Arc<Record>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = frame else {
            return frame;
        };
        let length = frame.data_ref().map_or(0, Buf::remaining);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                let problem = format!("a handshake sends at most {HANDSHAKE_BYTES} bytes");
                let failure = Failure::new(ErrorKind::LimitError, problem);
                let record = &self.record;
                let status = failure.to_status(record.caller(), Some(record.id()));
                Poll::Ready(Some(Err(status)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
