//! How long a request to a bucket may take, and how often it is tried.
//!
//! A place that is away must be an error within seconds, and a large segment over a slow line must still arrive.
//! So the time for an attempt follows the bytes that it sends ([`Patient`]), an answer may take as long as it likes
//! while bytes of it arrive, attempts are few, and none begins [`RETRY_SECONDS`] after the first.
//!
//! What may be tried again is `object_store`'s decision: reads, and writes that were not sent or that the server
//! failed. Such a failure can come after the effect, so a second attempt to create an object can find the first
//! one's. See [`crate::objects`] and [`crate::log`], which read back.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpResponseBody, HttpService, ReqwestConnector,
};
use object_store::{BackoffConfig, ClientOptions, Result, RetryConfig};
use tokio::time::{Instant, Sleep, sleep};

const MAX_RETRIES: usize = 5;
const RETRY_SECONDS: u64 = 8;
/// For an answer to begin once all is sent.
const ANSWER_SECONDS: u64 = 10;
/// For more of an answer to arrive that has begun.
const SILENCE: Duration = Duration::from_secs(20);
/// The slowest line that is worth waiting for.
const SENT_BYTES_PER_SECOND: u64 = 256 << 10;

/// For a connection to be made, and for a whole exchange: as good as for ever, since what is silent is given up before.
pub(super) const CLIENT: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::ConnectTimeout, "3s"),
    (ClientConfigKey::Timeout, "30days"),
];

pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.,
        },
        max_retries: MAX_RETRIES,
        retry_timeout: Duration::from_secs(RETRY_SECONDS),
    }
}

/// Makes clients that wait for an answer as long as what they send deserves.
#[derive(Debug)]
pub(super) struct Patient;

impl HttpConnector for Patient {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(PatientClient(client)))
    }
}

#[derive(Debug)]
struct PatientClient(HttpClient);

#[derive(Debug, thiserror::Error)]
#[error("there was no answer within {0:?}")]
struct NoAnswer(Duration);

#[async_trait]
impl HttpService for PatientClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = time_for(request.body().content_length() as u64);
        match tokio::time::timeout(limit, self.0.execute(request)).await {
            Ok(answer) => {
                Ok(answer?.map(|body| HttpResponseBody::new(Arriving::new(body, SILENCE))))
            }
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, NoAnswer(limit))),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nothing more of the answer has arrived for {0:?}")]
struct Silent(Duration);

/// The body of an answer, which fails when nothing of it arrives for so long while it is waited for.
#[derive(Debug)]
struct Arriving<B> {
    body: B,
    limit: Duration,
    /// Whether it is waited for; whoever does not ask for more is not kept waiting.
    waiting: bool,
    alarm: Pin<Box<Sleep>>,
}

impl<B> Arriving<B> {
    fn new(body: B, limit: Duration) -> Self {
        Self {
            body,
            limit,
            waiting: false,
            alarm: Box::pin(sleep(limit)),
        }
    }
}

impl<B: Body<Data = Bytes, Error = HttpError> + Unpin> Body for Arriving<B> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame);
        }
        if !self.waiting {
            self.waiting = true;
            let end = Instant::now() + self.limit;
            self.alarm.as_mut().reset(end);
        }
        std::task::ready!(self.alarm.as_mut().poll(cx));
        let silent = HttpError::new(HttpErrorKind::Timeout, Silent(self.limit));
        Poll::Ready(Some(Err(silent)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(ANSWER_SECONDS + bytes / SENT_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A body of which pieces arrive after pauses; then nothing does.
    #[derive(Debug)]
    struct Slow {
        pieces: VecDeque<(Duration, &'static [u8])>,
        pause: Pin<Box<Sleep>>,
    }

    impl Slow {
        fn new(pieces: &[(Duration, &'static [u8])]) -> Self {
            let first = pieces.first().map_or(Duration::ZERO, |(pause, _)| *pause);
            Self {
                pieces: pieces.iter().copied().collect(),
                pause: Box::pin(sleep(first)),
            }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = HttpError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
            std::task::ready!(self.pause.as_mut().poll(cx));
            let Some((_, piece)) = self.pieces.pop_front() else {
                return Poll::Pending;
            };
            if let Some((pause, _)) = self.pieces.front() {
                let end = Instant::now() + *pause;
                self.pause.as_mut().reset(end);
            }
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    async fn arrived(
        body: &mut (impl Body<Data = Bytes, Error = HttpError> + Unpin),
    ) -> Result<Bytes, HttpError> {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        Ok(frame.unwrap()?.into_data().unwrap())
    }

    #[tokio::test]
    async fn an_answer_may_take_for_ever_as_long_as_it_arrives_and_silence_ends_it() {
        let (pause, limit) = (Duration::from_millis(60), Duration::from_millis(100));
        let slow = Slow::new(&[(pause, b"a"), (pause, b"b"), (pause, b"c")]);
        let mut body = Arriving::new(slow, limit);
        for expected in ["a", "b", "c"] {
            assert_eq!(arrived(&mut body).await.unwrap(), expected);
            // A reader that is busy for long does not make the other end late.
            sleep(limit * 2).await;
        }
        let silent = arrived(&mut body).await.unwrap_err();
        assert_eq!(silent.kind(), HttpErrorKind::Timeout);
        let told = std::error::Error::source(&silent).unwrap().to_string();
        assert_eq!(told, "nothing more of the answer has arrived for 100ms");
    }

    #[test]
    fn large_bodies_have_more_time() {
        assert_eq!(time_for(0), Duration::from_secs(ANSWER_SECONDS));
        assert_eq!(
            time_for(64 << 20),
            Duration::from_secs(ANSWER_SECONDS + 256)
        );
    }
}
