//! How long a request to a bucket may take, and how often it is tried.
//!
//! A place that is away must be an error within seconds, and a large segment over a slow line must still arrive.
//! So the time for an attempt follows the bytes that it sends ([`Patient`]), attempts are few, and none begins
//! [`RETRY_SECONDS`] after the first.
//!
//! What may be tried again is `object_store`'s decision: reads, and writes that were not sent or that the server
//! failed. Such a failure can come after the effect, so a second attempt to create an object can find the first
//! one's. See [`crate::objects`] and [`crate::log`], which read back.

use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{BackoffConfig, ClientOptions, Result, RetryConfig};

const MAX_RETRIES: usize = 5;
const RETRY_SECONDS: u64 = 8;
/// For an answer to begin once all is sent.
const ANSWER_SECONDS: u64 = 10;
/// The slowest line that is worth waiting for.
const SENT_BYTES_PER_SECOND: u64 = 256 << 10;

/// For a connection to be made, and for a whole exchange, which may bring a large answer.
pub(super) const CLIENT: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::ConnectTimeout, "3s"),
    (ClientConfigKey::Timeout, "300s"),
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
            Ok(answer) => answer,
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, NoAnswer(limit))),
        }
    }
}

fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(ANSWER_SECONDS + bytes / SENT_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_have_more_time() {
        assert_eq!(time_for(0), Duration::from_secs(ANSWER_SECONDS));
        assert_eq!(
            time_for(64 << 20),
            Duration::from_secs(ANSWER_SECONDS + 256)
        );
    }
}
