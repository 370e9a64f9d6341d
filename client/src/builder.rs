//! Setting up a connection: time limits, sizes, encryption, authorization.

use std::fmt;
use std::io;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use shoots_proto::ErrorKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::address::Address;
use crate::connection::Connection;
use crate::credentials;
use crate::over::Over;
use crate::retry::Retry;
use crate::{Error, ShootsClient};

/// How this client names itself to servers.
const USER_AGENT: &str = concat!("shoots-rust/", env!("CARGO_PKG_VERSION"));

/// What may be on its way to this end of one call and of all calls, in bytes. Enough to keep a
/// fast network busy; a slow reader holds at most this much.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// HTTP/2 frames of up to this many bytes are accepted; the default of 16 KiB costs time.
const FRAME_BYTES: u32 = 256 << 10;

/// How long a peer may take to answer a keep-alive.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings of a connection, each with a default that suits a local server.
///
/// A server is addressed as `grpc://host:port`, or `grpc+tls://host:port` for an encrypted
/// connection; `http` and `https` mean the same. The port may be left out if it is 8081.
///
/// ```
/// use std::time::Duration;
/// use shoots_client::ShootsClient;
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// let client = ShootsClient::builder(url)
///     .connect_timeout(Duration::from_secs(5))
///     .call_timeout(Duration::from_secs(30))
///     .connect()
///     .await?;
/// client.ping().await?;
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct ClientBuilder {
    address: String,
    connect_timeout: Duration,
    call_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    keep_alive: Option<Duration>,
    max_message_bytes: usize,
    retries: u32,
    ca_certificate: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    domain_name: Option<String>,
    token: Option<String>,
    token_without_tls: bool,
    shared_memory: bool,
}

impl ClientBuilder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Some(Duration::from_secs(60)),
            idle_timeout: None,
            keep_alive: Some(Duration::from_secs(60)),
            max_message_bytes: 1 << 30,
            retries: 2,
            ca_certificate: None,
            identity: None,
            domain_name: None,
            token: None,
            token_without_tls: false,
            shared_memory: true,
        }
    }

    /// How long connecting may take, encryption included. Default: 10 seconds.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a call with one answer (list, info, delete, ping, …) may take. Puts and gets
    /// are streams and not limited by this. Default: 60 seconds; `None` for no limit.
    pub fn call_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.call_timeout = limit.into();
        self
    }

    /// How long a get may go without receiving anything, a query's computing included.
    /// Default: no limit.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = limit.into();
        self
    }

    /// After how much silence during a call to ask whether the peer still lives. A peer that
    /// does not answer within 20 seconds is given up. Default: 60 seconds; `None` for never.
    pub fn keep_alive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = interval.into();
        self
    }

    /// The largest message to accept, in bytes: servers may send a whole batch as one.
    /// Default: 1 GiB.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How often to repeat a call that could not reach the server, if repeating is safe.
    /// Default: 2 times, after 100 and 200 milliseconds.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Trusts only servers whose certificate this authority signed, given as PEM. Default: the
    /// authorities that the operating system trusts.
    pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_certificate = Some(pem.as_ref().to_vec());
        self
    }

    /// Shows the server a certificate of this client, given with its key as PEM.
    pub fn identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some((certificate.as_ref().to_vec(), key.as_ref().to_vec()));
        self
    }

    /// The name that the server's certificate must carry, if it is not that of the address.
    pub fn domain_name(mut self, name: impl Into<String>) -> Self {
        self.domain_name = Some(name.into());
        self
    }

    /// Sends this token with every call. It needs an encrypted connection; see
    /// [`token_without_tls`](Self::token_without_tls).
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Allows the token to travel unencrypted, where everybody on the way can read it.
    pub fn token_without_tls(mut self, allowed: bool) -> Self {
        self.token_without_tls = allowed;
        self
    }

    /// Whether to take rows from memory that the server shares, if it is on this machine and does that. Default: yes.
    /// Without the feature `shm` it means nothing.
    pub fn shared_memory(mut self, wanted: bool) -> Self {
        self.shared_memory = wanted;
        self
    }

    /// Connects.
    pub async fn connect(self) -> Result<ShootsClient, Error> {
        let endpoint = self.endpoint()?;
        let connected = tokio::time::timeout(self.connect_timeout, endpoint.connect()).await;
        let channel = match connected {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(Error::unreachable(&self.address, error)),
            Err(_) => {
                let what = format!("connecting to {}", self.address);
                return Err(Error::timed_out(&what, self.connect_timeout));
            }
        };
        let near = self.is_near();
        self.client(channel, near)
    }

    /// A client that connects with its first call, inside a tokio runtime. Settings are
    /// checked at once.
    pub fn connect_lazy(self) -> Result<ShootsClient, Error> {
        let channel = self.endpoint()?.connect_lazy();
        let near = self.is_near();
        self.client(channel, near)
    }

    /// A client whose connections are what `open` gives: a socket of the machine, a tunnel, the memory of this process.
    /// Connects with its first call, inside a tokio runtime. The address only names the server.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub fn connect_over<F, A, S>(self, open: F) -> Result<ShootsClient, Error>
    where
        F: FnMut() -> A + Send + 'static,
        A: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let channel = self.endpoint()?.connect_with_connector_lazy(Over(open));
        // Who knows where these lead.
        self.client(channel, false)
    }

    /// Whether the address is this machine's.
    fn is_near(&self) -> bool {
        Address::parse(&self.address).is_ok_and(|address| address.is_loopback())
    }

    fn client(self, channel: Channel, near: bool) -> Result<ShootsClient, Error> {
        #[cfg(not(all(feature = "shm", unix)))]
        let _ = (near, self.shared_memory);
        let flight =
            FlightServiceClient::new(channel).max_decoding_message_size(self.max_message_bytes);
        Ok(ShootsClient::new(Connection {
            flight,
            authorization: self.authorization()?,
            call_timeout: self.call_timeout,
            idle_timeout: self.idle_timeout,
            retry: Retry {
                retries: self.retries,
            },
            #[cfg(all(feature = "shm", unix))]
            sharing: crate::shm::Sharing::new(near && self.shared_memory),
        }))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let address = Address::parse(&self.address)?;
        if self.token.is_some() && !address.tls && !self.token_without_tls {
            return Err(refusal(
                "a token must not travel unencrypted: use a grpc+tls:// address, or allow it \
                 with `token_without_tls`",
            ));
        }
        self.authorization()?;
        let mut endpoint = Endpoint::from(address.uri.clone())
            .user_agent(USER_AGENT)
            .map_err(|error| refusal(&error.to_string()))?
            .connect_timeout(self.connect_timeout)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        if let Some(interval) = self.keep_alive {
            endpoint = endpoint.http2_keep_alive_interval(interval);
        }
        if address.tls {
            let tls = self.tls();
            credentials::check(self.ca_certificate.as_deref(), self.identity.as_ref())?;
            endpoint.tls_config(tls).map_err(|error| {
                let problem = credentials::cause(&error);
                refusal(&format!("the TLS settings cannot be used: {problem}")).with_source(error)
            })
        } else if self.has_tls_settings() {
            Err(refusal(
                "certificates and domain names need a grpc+tls:// address",
            ))
        } else {
            Ok(endpoint)
        }
    }

    fn tls(&self) -> ClientTlsConfig {
        // An embedding program may have chosen a provider; then that one stays.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _lost_a_race = rustls::crypto::ring::default_provider().install_default();
        }
        let mut tls = match &self.ca_certificate {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.domain_name {
            tls = tls.domain_name(name);
        }
        tls
    }

    fn has_tls_settings(&self) -> bool {
        self.ca_certificate.is_some() || self.identity.is_some() || self.domain_name.is_some()
    }

    fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| refusal("the token contains characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Says nothing of keys and tokens.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("address", &self.address)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

fn refusal(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidRequestError, problem)
}
