//! The two kinds of calls: an action whose results are pieces of an answer, and a put whose messages are pieces of what
//! is brought.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_flight::{Action, FlightData, FlightDescriptor};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use shoots_store::{ByteStream, Error, Result};
use tokio::sync::oneshot;

use super::{FlightPeer, failure};
use crate::connection::{json, read_json};

impl FlightPeer {
    /// An action with one answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        name: &'static str,
        request: &impl Serialize,
    ) -> Result<T> {
        let connection = &self.connection;
        let asked = connection.read(name, || connection.json_action(name, request));
        asked.await.map_err(|error| self.failed(&error))
    }

    /// The pieces of an answer. The first one is there when this returns.
    pub(super) async fn pieces(
        &self,
        name: &'static str,
        request: &impl Serialize,
    ) -> Result<ByteStream> {
        let body = json(request).map_err(|error| self.failed(&error))?;
        let connection = &self.connection;
        let opened = connection.open(name, || async {
            let action = Action {
                r#type: name.to_owned(),
                body: body.clone(),
            };
            let mut results = connection
                .flight()
                .do_action(connection.request(action))
                .await?
                .into_inner();
            let first = results.message().await?;
            Ok((first, results))
        });
        let (first, results) = opened.await.map_err(|error| self.failed(&error))?;
        let peer = self.clone();
        let rest = connection
            .messages(name, results)
            .map_err(move |error| peer.failed(&error));
        let pieces = stream::iter(first.map(Ok)).chain(rest);
        Ok(pieces.map_ok(|piece| piece.body).boxed())
    }

    /// The lines of an answer, each of which is one value. Pieces hold whole lines.
    pub(super) fn lines<T: DeserializeOwned + Send + 'static>(
        &self,
        pieces: ByteStream,
    ) -> BoxStream<'static, Result<T>> {
        let location = self.location.clone();
        let lines = pieces.map_ok(move |piece| {
            let values: Vec<Result<T>> = piece
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| {
                    serde_json::from_slice(line)
                        .map_err(|problem| failure::nonsense(&location, problem))
                })
                .collect();
            stream::iter(values)
        });
        lines.try_flatten().boxed()
    }

    /// A put of bytes, and what is answered to it.
    pub(super) async fn bring<T: DeserializeOwned>(
        &self,
        name: &'static str,
        command: &impl Serialize,
        bytes: ByteStream,
    ) -> Result<T> {
        let command = json(command).map_err(|error| self.failed(&error))?;
        let (messages, mut failed) = Messages::new(FlightDescriptor::new_cmd(command), bytes);
        let connection = &self.connection;
        let call = async {
            let mut flight = connection.flight();
            let mut answers = flight.do_put(connection.request(messages)).await?;
            let answer = answers.get_mut().message().await?;
            answer.ok_or_else(|| crate::Error::unexpected(name, "there is none"))
        };
        let mut call = std::pin::pin!(call);
        let answer = tokio::select! {
            biased;
            Ok(error) = &mut failed => return Err(error),
            answer = &mut call => answer,
        };
        // What failed here is the cause of what the server says about it.
        if let Ok(error) = failed.try_recv() {
            return Err(error);
        }
        let answer = answer.map_err(|error| self.failed(&error.of_change(name)))?;
        read_json(name, &answer.app_metadata).map_err(|error| self.failed(&error))
    }
}

/// Bytes as the messages of a put: the command with the first, none longer than may be sent.
///
/// When the bytes fail, the messages do not end, because the end would mean that everything was sent: they stay pending
/// until the call is dropped.
struct Messages {
    descriptor: Option<FlightDescriptor>,
    bytes: ByteStream,
    rest: Bytes,
    failed: Option<oneshot::Sender<Error>>,
}

impl Messages {
    fn new(descriptor: FlightDescriptor, bytes: ByteStream) -> (Self, oneshot::Receiver<Error>) {
        let (failed, receiver) = oneshot::channel();
        let messages = Self {
            descriptor: Some(descriptor),
            bytes,
            rest: Bytes::new(),
            failed: Some(failed),
        };
        (messages, receiver)
    }

    fn message(&mut self) -> FlightData {
        let length = self.rest.len().min(CHUNK_BYTES);
        FlightData {
            flight_descriptor: self.descriptor.take(),
            data_body: self.rest.split_to(length),
            ..FlightData::default()
        }
    }
}

impl Stream for Messages {
    type Item = FlightData;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FlightData>> {
        if self.failed.is_none() {
            return Poll::Pending;
        }
        // The command goes ahead, so that what is refused need not be read.
        if self.descriptor.is_some() || !self.rest.is_empty() {
            return Poll::Ready(Some(self.message()));
        }
        loop {
            match std::task::ready!(self.bytes.poll_next_unpin(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.rest = bytes;
                    return Poll::Ready(Some(self.message()));
                }
                Some(Err(error)) => {
                    if let Some(failed) = self.failed.take() {
                        // Nobody listens if the call is over already.
                        let _unheard = failed.send(error);
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
