//! Which calls run, as the connections see it: from the request's headers to the end of the answer.
//!
//! A server that is stopping waits for calls and not for connections, which may carry none. So every request is
//! [`Counted`] where it comes from its connection, until the connection has let go of the answer's body. That is
//! later than the end of the work: the connection takes the end of a body once the caller has room for all that
//! came before it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

/// How many calls run; clones count the same calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunningCalls(watch::Sender<usize>);

impl RunningCalls {
    /// Counts a call until the result is dropped.
    fn begin(&self) -> RunningCall {
        self.0.send_modify(|calls| *calls += 1);
        RunningCall(self.clone())
    }

    /// Waits until no call has run for so long without a break.
    pub(crate) async fn none_for(&self, time: Duration) {
        let mut calls = self.0.subscribe();
        // Waiting cannot fail while this holds the sender.
        while calls.wait_for(|calls| *calls == 0).await.is_ok() {
            if timeout(time, calls.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A call that is being answered.
#[derive(Debug)]
struct RunningCall(RunningCalls);

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.0.send_modify(|calls| *calls -= 1);
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted<S> {
    pub(crate) service: S,
    pub(crate) calls: RunningCalls,
}

/// What answers calls, and never fails otherwise than by an answer.
pub(crate) trait Answers:
    Service<
        http::Request<TonicBody>,
        Response = http::Response<TonicBody>,
        Error = Infallible,
        Future: Send + 'static,
    >
{
}

impl<S> Answers for S where
    S: Service<
            http::Request<TonicBody>,
            Response = http::Response<TonicBody>,
            Error = Infallible,
            Future: Send + 'static,
        >
{
}

/// An answer that is being worked on.
pub(crate) type Answering =
    Pin<Box<dyn Future<Output = Result<http::Response<TonicBody>, Infallible>> + Send>>;

impl<S: Answers> Service<http::Request<TonicBody>> for Counted<S> {
    type Response = S::Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> Self::Future {
        let call = self.calls.begin();
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| TonicBody::new(CountedBody { body, _call: call })))
        })
    }
}

impl<S: NamedService> NamedService for Counted<S> {
    const NAME: &'static str = S::NAME;
}

struct CountedBody {
    body: TonicBody,
    _call: RunningCall,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn only_the_end_of_the_last_call_lets_the_wait_end() {
        let calls = RunningCalls::default();
        let first = calls.begin();
        let waiting = calls.clone();
        let waiting = tokio::spawn(async move { waiting.none_for(Duration::from_millis(1)).await });
        let second = calls.begin();
        drop(first);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_call_in_between_begins_the_wait_anew() {
        let calls = RunningCalls::default();
        let mut waiting = Box::pin(calls.none_for(Duration::from_millis(50)));
        assert!(waiting.as_mut().now_or_never().is_none());
        let call = calls.begin();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(call);
        waiting.await;
    }

    #[tokio::test]
    async fn a_call_runs_until_its_answer_is_let_go_of() {
        #[derive(Clone)]
        struct Answering;

        impl Service<http::Request<TonicBody>> for Answering {
            type Response = http::Response<TonicBody>;
            type Error = Infallible;
            type Future = std::future::Ready<Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: http::Request<TonicBody>) -> Self::Future {
                std::future::ready(Ok(http::Response::new(TonicBody::new("answer".to_owned()))))
            }
        }

        let calls = RunningCalls::default();
        let mut counted = Counted {
            service: Answering,
            calls: calls.clone(),
        };
        let working = counted.call(http::Request::new(TonicBody::empty()));
        assert_eq!(*calls.0.borrow(), 1);
        let answer = working.await.unwrap();
        assert_eq!(*calls.0.borrow(), 1);
        drop(answer);
        assert_eq!(*calls.0.borrow(), 0);
    }
}
