//! The two kinds of calls: an action whose results are pieces of an answer, and a put whose messages are pieces of what
//! is brought.
//!
//! Neither has a limit of time, and both have one of silence: a server that works says so with empty answers. And no
//! answer is longer than what it can mean, so that a server cannot fill this end's memory.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_flight::{Action, FlightData, FlightDescriptor, PutResult};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use shoots_store::{ByteStream, Error, Result};
use tokio::sync::oneshot;
use tonic::Streaming;

use super::activity::Activity;
use super::{FlightPeer, failure};
use crate::connection::json;

/// The longest answer that is one value, in bytes: the names of a bucket's frames, the tags of a frame.
const ANSWER_BYTES: usize = 64 << 20;

impl FlightPeer {
    /// An action with one answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        name: &'static str,
        request: &impl Serialize,
    ) -> Result<T> {
        let pieces = self.pieces(name, request).await?;
        let mut pieces = self.at_most(name, ANSWER_BYTES, pieces);
        let mut answer = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            answer.extend_from_slice(&piece);
        }
        self.meaning(name, &answer)
    }

    /// The pieces of an answer, none of them empty. The server has begun to answer when this returns.
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
        let pieces = pieces.map_ok(|piece| piece.body);
        // What is empty says that the server still works.
        let pieces = pieces.try_filter(|piece| std::future::ready(!piece.is_empty()));
        Ok(pieces.boxed())
    }

    /// The pieces of an answer, which are not more than so many bytes together.
    pub(super) fn at_most(
        &self,
        name: &'static str,
        bytes: usize,
        pieces: ByteStream,
    ) -> ByteStream {
        let location = self.location.clone();
        let mut left = Some(bytes);
        pieces
            .and_then(move |piece| {
                left = left.and_then(|left| left.checked_sub(piece.len()));
                std::future::ready(match left {
                    Some(_) => Ok(piece),
                    None => Err(failure::too_long(&location, name, bytes)),
                })
            })
            .boxed()
    }

    /// The lines of an answer, each of which is one value. Pieces hold whole lines.
    pub(super) fn lines<T: DeserializeOwned + Send + 'static>(
        &self,
        pieces: ByteStream,
    ) -> BoxStream<'static, Result<T>> {
        let location = self.location.clone();
        let lines = pieces.map_ok(move |piece| {
            let location = location.clone();
            // One at a time: what the lines say takes more memory than they do.
            let mut rest = piece;
            let values = std::iter::from_fn(move || {
                loop {
                    if rest.is_empty() {
                        return None;
                    }
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    let line = rest.split_to(end.map_or(rest.len(), |end| end + 1));
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    if !line.is_empty() {
                        return Some(
                            serde_json::from_slice(line)
                                .map_err(|problem| failure::nonsense(&location, problem)),
                        );
                    }
                }
            });
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
        let activity = Activity::new();
        let descriptor = FlightDescriptor::new_cmd(command);
        let (messages, mut failed) = Messages::new(descriptor, bytes, activity.clone());
        let connection = &self.connection;
        let call = async {
            let mut flight = connection.flight();
            let answers = flight.do_put(connection.request(messages)).await?;
            activity.note();
            first_of(answers.into_inner(), &activity).await
        };
        let mut call = std::pin::pin!(call);
        let silence = async {
            match connection.idle_timeout {
                Some(limit) => {
                    activity.silence(limit).await;
                    limit
                }
                None => std::future::pending::<Duration>().await,
            }
        };
        let answer = tokio::select! {
            biased;
            Ok(error) = &mut failed => return Err(error),
            answer = &mut call => answer,
            limit = silence => Err(crate::Error::timed_out(name, limit)),
        };
        // What failed here is the cause of what the server says about it.
        if let Ok(error) = failed.try_recv() {
            return Err(error);
        }
        let answer = answer.map_err(|error| self.failed(&error.of_change(name)))?;
        self.meaning(name, &answer)
    }

    /// What an answer says.
    fn meaning<T: DeserializeOwned>(&self, name: &str, answer: &[u8]) -> Result<T> {
        let meaning = shoots_proto::decode(name, answer);
        meaning.map_err(|problem| failure::nonsense(&self.location, problem))
    }
}

/// The first answer that says something; nothing if there is none.
async fn first_of(
    mut answers: Streaming<PutResult>,
    activity: &Activity,
) -> Result<Bytes, crate::Error> {
    while let Some(answer) = answers.message().await? {
        activity.note();
        if !answer.app_metadata.is_empty() {
            return Ok(answer.app_metadata);
        }
    }
    Ok(Bytes::new())
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
    activity: Activity,
}

impl Messages {
    fn new(
        descriptor: FlightDescriptor,
        bytes: ByteStream,
        activity: Activity,
    ) -> (Self, oneshot::Receiver<Error>) {
        let (failed, receiver) = oneshot::channel();
        let messages = Self {
            descriptor: Some(descriptor),
            bytes,
            rest: Bytes::new(),
            failed: Some(failed),
            activity,
        };
        (messages, receiver)
    }

    fn message(&mut self) -> FlightData {
        self.activity.note();
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
            let Poll::Ready(next) = self.bytes.poll_next_unpin(cx) else {
                self.activity.wait_for_us();
                return Poll::Pending;
            };
            match next {
                None => {
                    self.activity.note();
                    return Poll::Ready(None);
                }
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
