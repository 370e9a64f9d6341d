//! One connection and the rules that every call on it follows: its headers, how long it may
//! take, whether it may be repeated, and what a failure means.

use std::time::Duration;

use arrow_flight::Action;
use arrow_flight::flight_service_client::FlightServiceClient;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoots_proto::ErrorKind;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::Error;
use crate::retry::Retry;

/// A connection to one server, shared by all clones of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) flight: FlightServiceClient<Channel>,
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) retry: Retry,
    #[cfg(all(feature = "shm", unix))]
    pub(crate) sharing: crate::shm::Sharing,
}

impl Connection {
    /// The Flight service; a clone shares the connection.
    pub(crate) fn flight(&self) -> FlightServiceClient<Channel> {
        self.flight.clone()
    }

    /// A request with the headers that all calls carry.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        request
    }

    /// A call that only reads and has one answer: limited in time, repeated if the server
    /// could not be reached.
    pub(crate) async fn read<T, A>(&self, what: &str, call: impl Fn() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Error>>,
    {
        let attempt = || within(self.call_timeout, what, call());
        self.retry.run(Error::is_transient, attempt).await
    }

    /// The beginning of a call that only reads and whose answer is a stream: as
    /// [`read`](Self::read), but with the time limit of streams.
    pub(crate) async fn open<T, A>(&self, what: &str, call: impl Fn() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Error>>,
    {
        let attempt = || within(self.idle_timeout, what, call());
        self.retry.run(Error::is_transient, attempt).await
    }

    /// A call that changes something: never repeated, and if its answer gets lost nobody
    /// knows whether the change happened.
    pub(crate) async fn change<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        within(self.call_timeout, what, call)
            .await
            .map_err(|error| error.of_change(what))
    }

    /// One action: its answer is the bytes of all its results.
    pub(crate) async fn action(&self, name: &str, body: Bytes) -> Result<Bytes, Error> {
        let action = Action {
            r#type: name.to_owned(),
            body,
        };
        let mut results = self
            .flight()
            .do_action(self.request(action))
            .await?
            .into_inner();
        let mut answer = Vec::new();
        while let Some(result) = results.message().await? {
            answer.extend_from_slice(&result.body);
        }
        Ok(answer.into())
    }

    /// One action with JSON in and JSON out.
    pub(crate) async fn json_action<T: DeserializeOwned>(
        &self,
        name: &str,
        request: &impl Serialize,
    ) -> Result<T, Error> {
        let answer = self.action(name, json(request)?).await?;
        read_json(name, &answer)
    }

    /// The messages of a streamed answer, each limited in time if the connection says so.
    pub(crate) fn messages<T: Send + 'static>(
        &self,
        what: &'static str,
        streaming: Streaming<T>,
    ) -> impl Stream<Item = Result<T, Error>> + Send + 'static {
        let limit = self.idle_timeout;
        stream::unfold(Some(streaming), move |streaming| async move {
            let mut streaming = streaming?;
            let message = async { streaming.next().await.transpose().map_err(Error::from) };
            match within(limit, what, message).await {
                Ok(Some(message)) => Some((Ok(message), Some(streaming))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// The outcome of `call`, if it comes within `limit`.
async fn within<T>(
    limit: Option<Duration>,
    what: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match limit {
        None => call.await,
        Some(limit) => tokio::time::timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(Error::timed_out(what, limit))),
    }
}

/// A message of the wire contract as the server reads it.
pub(crate) fn json(message: &impl Serialize) -> Result<Bytes, Error> {
    shoots_proto::encode(message)
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::InvalidRequestError, error.to_string()))
}

/// A message of the wire contract as the server wrote it.
pub(crate) fn read_json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    shoots_proto::decode(what, bytes).map_err(|error| Error::unexpected(what, error))
}

/// The single answer of a unary call.
pub(crate) fn answer<T>(response: Result<tonic::Response<T>, Status>) -> Result<T, Error> {
    Ok(response?.into_inner())
}
