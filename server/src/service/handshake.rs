//! `Handshake`: every caller is welcome, and gets back what it sent.

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use futures::{Stream, TryStreamExt};
use tonic::Status;

use crate::status::Failure;

/// Answers each message with its own payload, as clients expect that do not need an account.
pub(super) fn handshake(
    messages: impl Stream<Item = Result<HandshakeRequest, Status>> + Send + 'static,
) -> impl Stream<Item = Result<HandshakeResponse, Failure>> + Send + 'static {
    messages
        .map_ok(|message| HandshakeResponse {
            protocol_version: message.protocol_version,
            payload: message.payload,
        })
        .map_err(Failure::from)
}
