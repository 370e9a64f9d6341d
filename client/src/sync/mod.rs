//! A server as one end of a transfer between stores.
//!
//! [`FlightPeer`] implements the store's [`Peer`](shoots_store::Peer) with the calls that servers answer for each other
//! ([`proto::action::sync::peer`](crate::proto::action::sync::peer)). So there is one way in which frames travel, whether
//! a store is opened by this process or served by another. Nothing that arrives is believed here or checked here: the
//! receiving store checks everything.

mod call;
mod failure;
mod object;
mod peer;
mod reference;

use std::sync::Arc;

use shoots_proto::Remote;
use shoots_store::{Error, ErrorKind, Result};

use crate::ShootsClient;
use crate::connection::Connection;

/// A server that frames are exchanged with.
#[derive(Clone, Debug)]
pub struct FlightPeer {
    location: String,
    connection: Arc<Connection>,
}

impl FlightPeer {
    /// Connects to a remote that is a server, and lets itself in with what the remote refers to. A token is sent only
    /// over an encrypted connection, or if the remote allows otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is no server or a reference leads nowhere, [`ErrorKind::Io`] if it cannot be
    /// reached.
    pub async fn connect(remote: &Remote) -> Result<Self> {
        let location = remote.url.as_str();
        if !remote.url.scheme().is_server() {
            let problem = format!("{location} is not a server");
            return Err(Error::elsewhere(ErrorKind::InvalidRequest, problem));
        }
        let mut builder = ShootsClient::builder(location)
            .call_timeout(None)
            .token_without_tls(remote.allow_insecure_token);
        if let Some(token) = &remote.token {
            let token = reference::read("token", token).await?;
            builder = builder.token(reference::text(token)?);
        }
        if let Some(ca) = &remote.ca {
            builder = builder.ca_certificate(reference::read("ca", ca).await?);
        }
        let client = builder.connect().await;
        let client = client.map_err(|error| failure::told(location, &error))?;
        Ok(Self::of(&client, location))
    }

    /// The server that a client is connected to, which people know as `location`.
    #[must_use]
    pub fn of(client: &ShootsClient, location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            connection: Arc::clone(client.connection()),
        }
    }

    fn failed(&self, error: &crate::Error) -> Error {
        failure::told(&self.location, error)
    }
}
