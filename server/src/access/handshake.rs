//! Handshakes: how some clients show their token before they call anything else.
//!
//! The older Python clients send it as the payload of the first message, and what comes back is what they send with
//! every call. Others come with a name and a password, which is the token, in a header, and get back a header for their
//! calls. Who shows no valid token is told at once; nothing is remembered of who did.

use std::time::Duration;

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use shoots_proto::ErrorKind;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use super::Keys;
use super::credentials::Credentials;
use super::token::Refusal;
use crate::status::Failure;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a handshake is answered with: a header, and messages.
pub(crate) type Greeting<S> = (Option<AsciiMetadataValue>, S);

/// Looks at what a caller shows. Without keys everything is as good as a token.
pub(crate) fn greet(
    keys: Option<Keys>,
    headers: &MetadataMap,
    messages: impl Stream<Item = Result<HandshakeRequest, Status>> + Send + 'static,
) -> Result<
    Greeting<impl Stream<Item = Result<HandshakeResponse, Failure>> + Send + 'static>,
    Failure,
> {
    let shown = match Credentials::of(headers) {
        Credentials::Token(token) | Credentials::Basic(token) => Some(token),
        Credentials::None => None,
    };
    if let (Some(keys), Some(token)) = (&keys, &shown) {
        keys.verify(token)?;
    }
    let header = shown.as_deref().and_then(bearer);
    // Whoever has shown a token in a header need not show it again.
    let keys = keys.filter(|_| shown.is_none());
    let deadline = Instant::now() + PATIENCE;
    let messages = messages.map_err(Failure::from);
    let answers = stream::try_unfold(Box::pin(messages), move |mut messages| async move {
        let next = timeout_at(deadline, messages.next()).await;
        let next = next.map_err(|_| late())?.transpose()?;
        Ok(next.map(|message| (message, messages)))
    });
    let answers = answers.and_then(move |message| {
        let checked = check(keys.as_ref(), &message);
        std::future::ready(checked.map(|()| HandshakeResponse {
            protocol_version: message.protocol_version,
            payload: message.payload,
        }))
    });
    Ok((header, answers))
}

fn check(keys: Option<&Keys>, message: &HandshakeRequest) -> Result<(), Failure> {
    let Some(keys) = keys else {
        return Ok(());
    };
    match keys.verify(&message.payload) {
        Ok(_) => Ok(()),
        // Clients look for the name of the error in its text.
        Err(refusal @ Refusal::Signature) => {
            let kind = ErrorKind::InvalidSignatureError;
            Err(Failure::new(kind, format!("{kind}: {refusal}")))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn bearer(token: &[u8]) -> Option<AsciiMetadataValue> {
    let token = std::str::from_utf8(token).ok()?;
    let mut header: AsciiMetadataValue = format!("Bearer {token}").parse().ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn late() -> Failure {
    let problem = "the handshake took too long: send the token at once";
    Failure::new(ErrorKind::UnauthenticatedError, problem)
}
