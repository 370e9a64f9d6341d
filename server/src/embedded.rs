//! A server without a port, in the memory of the process that asks it.
//!
//! It answers the same calls in the same way as a [`Server`](crate::Server), over connections that are pipes inside
//! the process, so nobody else on the machine can reach it. It is made for programs that open a store, do something
//! and end: nothing happens in the background, neither compaction nor expiry, and frames that follow others are left
//! to the next server. Other processes may work on the same store at the same time.

use std::io;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::stream;
use shoots_flight::{DecodeLimits, TellsCancelled};
use shoots_store::{Store, printable_location};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tracing::warn;

use crate::access::{CallerStore, Gate};
use crate::call::ending::NamedCalls;
use crate::call::memory::MessageMemory;
use crate::config::Config;
use crate::connection::{CONNECTION_WINDOW_BYTES, FRAME_BYTES, STREAM_WINDOW_BYTES};
use crate::query::Queries;
use crate::server::{StartError, open_store, settled};
use crate::service::{Followers, Publications, Remotes, RunningStatements, Service, Shared};
use crate::stop::Stop;

/// What a pipe holds that its other end has not taken.
const PIPE_BYTES: usize = 1 << 20;

/// Answers the calls of its own process. Dropping it ends them.
///
/// ```
/// use shoots_client::ShootsClient;
/// use shoots_server::{Config, EmbeddedServer};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { bucket_dir: "memory://".into(), ..Config::default() };
/// let server = EmbeddedServer::start(config).await?;
/// let pipes = server.pipes();
/// let client = ShootsClient::builder("embedded").connect_over(move || {
///     let pipe = pipes.open();
///     async move { pipe }
/// })?;
/// client.ping().await?;
/// server.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EmbeddedServer {
    store: Store,
    stop: Stop,
    pipes: Pipes,
}

/// Opens connections to an [`EmbeddedServer`].
#[derive(Debug, Clone)]
pub struct Pipes(mpsc::UnboundedSender<DuplexStream>);

impl Pipes {
    /// A new connection.
    ///
    /// # Errors
    /// If the server has ended.
    pub fn open(&self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.0.send(far).map_err(|_| {
            io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "the embedded server has ended",
            )
        })?;
        Ok(near)
    }
}

impl EmbeddedServer {
    /// Opens the store and answers calls from then on. Settings about listening, tokens and upkeep mean nothing here.
    ///
    /// # Errors
    /// If the store or the settings cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check("settings")?;
        let queries = Queries::new(&config).map_err(StartError::Queries)?;
        let store = open_store(&config, &queries).await?;
        let stop = Stop::default();
        let name = printable_location(&config.bucket_dir);
        let service = Service::new(Shared {
            store: CallerStore::new(store.clone(), name),
            keys: None,
            remotes: Arc::new(Remotes::new(&config)),
            publications: Publications::new(&MessageMemory::new(&config)),
            asker: None,
            queries,
            files: None,
            calls: NamedCalls::default(),
            statements: RunningStatements::default(),
            followers: Arc::new(Followers::default()),
            read_only: config.read_only,
            batch_limits: DecodeLimits::default(),
            stop: stop.clone(),
        });
        let (sender, pipes) = mpsc::unbounded_channel();
        tokio::spawn(serve(service, pipes));
        Ok(Self {
            store,
            stop,
            pipes: Pipes(sender),
        })
    }

    /// What opens connections to it.
    #[must_use]
    pub fn pipes(&self) -> Pipes {
        self.pipes.clone()
    }

    /// Ends it, once the store has written what it writes after the answer to a change.
    pub async fn close(self) {
        settled(&self.store).await;
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.stop.finish();
    }
}

/// Serves the pipes until nobody can open one any more.
async fn serve(service: Service, pipes: mpsc::UnboundedReceiver<DuplexStream>) {
    let flight = FlightServiceServer::new(service)
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX);
    let incoming = stream::unfold(pipes, |mut pipes| async move {
        let pipe = pipes.recv().await?;
        Some((Ok::<_, io::Error>(pipe), pipes))
    });
    let served = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .add_service(Gate {
            service: TellsCancelled(flight),
            keys: None,
        })
        .serve_with_incoming(incoming)
        .await;
    if let Err(error) = served {
        warn!(%error, "the embedded server ended unexpectedly");
    }
}
