//! A server as one end of a transfer between stores.
//!
//! [`FlightPeer`] implements the store's [`Peer`](shoots_store::Peer) with the calls that servers answer for each other
//! ([`proto::action::sync::peer`](crate::proto::action::sync::peer)). So there is one way in which frames travel, whether
//! a store is opened by this process or served by another. Nothing that arrives is believed here or checked here: the
//! receiving store checks everything.

mod activity;
mod call;
mod failure;
mod history;
mod object;
mod peer;
mod reference;

use std::sync::Arc;
use std::time::Duration;

use shoots_proto::Remote;
use shoots_store::{Error, ErrorKind, Result};

use crate::ShootsClient;
use crate::connection::Connection;

/// The longest message of a server, in bytes: one commit of a history, at most.
const MESSAGE_BYTES: usize = 64 << 20;
/// How long it may take to connect.
const CONNECTING: Duration = Duration::from_secs(10);
/// After how much silence a server is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A server that frames are exchanged with.
///
/// ```
/// use std::time::Duration;
/// use shoots_client::proto::{Remote, RemoteUrl};
/// use shoots_client::{FlightPeer, ShootsClient, ToFrameId};
/// use shoots_store::{CloneOptions, RemoteEnd, Store, Travellers};
///
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// # let batch = RecordBatch::try_from_iter([("n", numbers)])?;
/// # ShootsClient::connect(&url).await?.put("prices").send_batch(batch).await?;
/// let remote = Remote::new(RemoteUrl::parse(&url)?);
/// let peer = FlightPeer::connect(&remote, Duration::from_secs(60)).await?;
/// let store = Store::open("memory://").await?;
///
/// let origin = RemoteEnd { name: "origin", peer: &peer };
/// let prices = Travellers::one(&"prices".to_frame_id()?);
/// let cloned = store.clone_frames(origin, &prices, &CloneOptions::default()).await?;
/// assert_eq!(cloned[0].result.as_ref().map(|frame| frame.versions).ok(), Some(1));
/// assert_eq!(store.frames(None).await?[0].rows(), 3);
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FlightPeer {
    location: String,
    connection: Arc<Connection>,
}

impl FlightPeer {
    /// Connects to a remote that is a server, and lets itself in with what the remote refers to. A token is sent only
    /// over an encrypted connection, or if the remote allows otherwise.
    ///
    /// A call fails when nothing has been heard of the server for as long as `silence`. A transfer may take as long as
    /// it likes while bytes flow.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is no server or a reference leads nowhere, [`ErrorKind::Io`] if it cannot be
    /// reached.
    pub async fn connect(remote: &Remote, silence: Duration) -> Result<Self> {
        let location = remote.url.as_str();
        if !remote.url.scheme().is_server() {
            let problem = format!("{location} is not a server");
            return Err(Error::elsewhere(ErrorKind::InvalidRequest, problem));
        }
        let mut builder = ShootsClient::builder(location)
            .connect_timeout(silence.min(CONNECTING))
            .idle_timeout(silence)
            .keep_alive(KEEP_ALIVE)
            .retries(0)
            .max_message_bytes(MESSAGE_BYTES)
            .token_without_tls(remote.allow_insecure_token);
        if let Some(token) = &remote.token {
            let token = reference::read("token", token).await?;
            builder = builder.token(reference::text(token)?);
        }
        if let Some(ca) = &remote.ca {
            builder = builder.ca_certificate(reference::read("ca", ca).await?);
        }
        if let (Some(certificate), Some(key)) = (&remote.certificate, &remote.key) {
            let certificate = reference::read("certificate", certificate).await?;
            builder = builder.identity(certificate, reference::read("key", key).await?);
        }
        let client = builder.connect().await;
        let client = client.map_err(|error| failure::told(location, &error))?;
        Ok(Self::of(&client, location))
    }

    /// The server that a client is connected to, which people know as `location`. How long it may be silent is the
    /// client's [`idle_timeout`](crate::ClientBuilder::idle_timeout).
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
