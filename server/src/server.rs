//! A running server: where it listens, and how it comes to its end.
//!
//! Stopping has two steps. When the server is asked to stop (by [`Server::shutdown`], or by a caller's
//! `shutdown` action) it closes its port and tells its connections to bring no more calls; calls that run go
//! on. Those that still run when the grace period is over are ended with an error. Connections that carry no
//! call are not waited for, but for a moment in which they may close. Nothing is lost either way: what was
//! acknowledged is durable, and what was not changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use datafusion::error::DataFusionError;
use shoots_flight::{DecodeLimits, TellsCancelled};
use shoots_store::{Store, Upkeep};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tonic::codegen::http;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health as HealthCalls, HealthServer};
use tracing::{info, warn};

use crate::access::{CallerStore, Gate, Keys};
use crate::call::COMMITTING;
use crate::call::attended::Attendant;
use crate::call::ending::NamedCalls;
use crate::call::memory::MessageMemory;
use crate::call::record::CallIds;
use crate::config::{Config, ConfigError, MetricsPort, Packing};
use crate::connection::Connections;
use crate::health::Health;
use crate::listener::listen;
use crate::metrics::pages::Pages;
use crate::metrics::{Metrics, observed};
use crate::query::Queries;
use crate::reflection;
use crate::running::{Counted, RunningCalls};
use crate::service::{Followers, Publications, Remotes, RunningStatements, Service, Shared};
use crate::shm::SharedFiles;
use crate::status::Failure;
use crate::stop::{Phase, Stop, reached};
use crate::storage;
use crate::tls::{Files, Tls, TlsError};

/// How long connections may take to deliver what is left and to close, once no call runs.
const CLOSING: Duration = Duration::from_secs(2);
/// How often it is looked whether the store has nothing more to do, and how long at most.
const GLANCE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// How often files that writers left unfinished are looked for.
const SWEEPING: Duration = Duration::from_secs(3600);

/// A server that answers calls until it is asked to stop. Dropping it ends its calls at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    scheme: &'static str,
    stop: Stop,
    serving: Option<JoinHandle<()>>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting has a value with which the server would be of no use.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The certificates or the key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store cannot be opened: another place, or other permissions, are needed.
    #[error("cannot use {bucket_dir} to keep frames in: {source}")]
    Store {
        /// The place as it was configured, without secrets.
        bucket_dir: String,
        /// What is wrong with it.
        source: shoots_store::Error,
    },
    /// Files for clients on this machine cannot be kept: another folder, or other permissions, are needed.
    #[error("shm_dir: cannot use {shm_dir} for clients on this machine: {source}")]
    Shm {
        /// The folder as it was configured.
        shm_dir: String,
        /// What the system says.
        source: io::Error,
    },
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {host}:{port}: {source}")]
    Listen {
        /// The host as it was configured.
        host: String,
        /// The port as it was configured.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// What the server says about its own protocol contradicts itself: a defect.
    #[error("cannot describe the protocol: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The query engine cannot be set up.
    #[error("cannot set up the query engine: {0}")]
    Queries(#[source] DataFusionError),
}

/// Why a server ended otherwise than by being asked to.
#[derive(Debug, thiserror::Error)]
#[error("the server ended unexpectedly: {0}")]
pub struct ServeError(String);

impl Server {
    /// Opens the store, starts to listen, and answers calls from then on.
    ///
    /// # Errors
    /// If the store, the address or the settings cannot be used; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check("settings")?;
        config.check_together("settings")?;
        config.check_encrypted("settings")?;
        let stop = Stop::default();
        // First of all, so that somebody who asks meanwhile is told that the server starts.
        let pages = pages(&config, &stop).await?;
        let tls = match Files::of(&config) {
            Some(files) => Some(Tls::open(files).await?),
            None => None,
        };
        let keys = Keys::open(&config).await?;
        let scheme = if tls.is_some() { "grpc+tls" } else { "grpc" };
        let listener = listen(&config.host, config.port).await;
        let listener = listener.map_err(|source| StartError::Listen {
            host: config.host.clone(),
            port: config.port,
            source,
        })?;
        let (listener, address) = listener;
        let queries = Queries::new(&config).map_err(StartError::Queries)?;
        let store = open_store(&config, &queries).await?;
        if !config.read_only {
            let upkeep = store.start_upkeep(config.upkeep());
            tokio::spawn(look_after(store.clone(), upkeep, stop.clone()));
        }
        let obstacle = storage::observe(store.clone(), stop.clone());
        let files = SharedFiles::open(&config).map_err(|source| StartError::Shm {
            shm_dir: config.shm_dir.clone(),
            source,
        })?;
        if let Some(files) = files.clone() {
            tokio::spawn(stop.clone().until_draining(files.look_after()));
        }
        let metrics = Arc::new(Metrics::default());
        let memory = MessageMemory::new(&config);
        if let Some(pages) = &pages {
            let registry = observed::registry(&metrics, &store, &queries, &files);
            pages.ready(registry, obstacle.clone());
        }
        let named = NamedCalls::default();
        let service = Service::new(Shared {
            store: CallerStore::new(store.clone(), format!("{scheme}://{address}")),
            keys: keys.clone(),
            remotes: Arc::new(Remotes::new(&config)),
            publications: Publications::new(&memory),
            asker: None,
            queries,
            files: files.clone(),
            calls: named.clone(),
            statements: RunningStatements::default(),
            followers: Arc::new(Followers::default()),
            read_only: config.read_only,
            batch_limits: DecodeLimits {
                rows: config.max_batch_rows,
                bytes: config.max_batch_bytes,
            },
            stop: stop.clone(),
        });
        if !config.read_only {
            tokio::spawn(service.clone().follow(stop.clone()));
        }
        if let Some(tls) = tls.clone() {
            tokio::spawn(stop.clone().until_draining(tls.follow()));
        }
        if let Some(keys) = keys.clone() {
            tokio::spawn(stop.clone().until_draining(keys.follow()));
        }
        let ids = CallIds::new(getrandom::u64().unwrap_or_default());
        let attendant = Attendant::new(&config, ids, &memory, &metrics, named);
        let calls = RunningCalls::default();
        let health = Health::service(stop.clone(), obstacle);
        let routes = routes(service, keys, &attendant, &config, &calls, health)?;
        let connections = Connections::new(&config, tls, routes, attendant, &metrics, stop.clone());
        let metrics_address = pages.as_ref().map(Pages::address);
        let serving = connections.serve(listener);
        let grace = config.shutdown_grace();
        let ends = (store, pages, files);
        let serving = tokio::spawn(serve(serving, calls, grace, stop.clone(), ends));
        Ok(Self {
            address,
            metrics_address,
            scheme,
            stop,
            serving: Some(serving),
        })
    }

    /// The address that the server listens on, with the port that it really has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the pages for metrics and health, with the port that it really has; none if they are off.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where clients on this machine find the server, such as `grpc://127.0.0.1:8081`, or `grpc+tls://127.0.0.1:8081`
    /// if connections are encrypted.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{}://{address}", self.scheme)
    }

    /// Stops the server: no new calls, running ones may finish within the grace period.
    ///
    /// # Errors
    /// As [`Server::wait`].
    pub async fn shutdown(mut self) -> Result<(), ServeError> {
        self.stop.request();
        self.wait().await
    }

    /// Waits until the server has ended, because a caller asked for it or because it cannot go on.
    ///
    /// Cancelling this leaves the server as it is.
    ///
    /// # Errors
    /// If it ended otherwise than by being asked to.
    pub async fn wait(&mut self) -> Result<(), ServeError> {
        let Some(serving) = &mut self.serving else {
            return Ok(());
        };
        let ended = serving.await;
        self.serving = None;
        match ended {
            Ok(()) => Ok(()),
            Err(error) => Err(ServeError(error.to_string())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.finish();
    }
}

/// Opens the store as the settings have it.
pub(crate) async fn open_store(config: &Config, queries: &Queries) -> Result<Store, StartError> {
    let mut builder = Store::builder(&config.bucket_dir)
        .put_memory_bytes(config.put_memory_bytes)
        .low_space_bytes(config.low_space_bytes)
        .retention(config.retention())
        .sweep_grace_seconds(config.sweep_grace_seconds)
        .cache_memory_bytes(config.cache_memory_bytes)
        .row_cache_bytes(config.row_cache_bytes)
        .cache_disk_bytes(config.cache_disk_bytes)
        .max_staleness(config.max_staleness())
        .conditions(queries.conditions())
        .read_only(config.read_only);
    builder = match config.packing {
        Packing::Auto => builder,
        Packing::Fast => builder.packing(shoots_store::Packing::Fast),
        Packing::Small => builder.packing(shoots_store::Packing::Small),
    };
    if !config.cache_folder.is_empty() {
        builder = builder.cache_folder(&config.cache_folder);
    }
    builder.open().await.map_err(|source| StartError::Store {
        bucket_dir: shoots_store::printable_location(&config.bucket_dir),
        source,
    })
}

/// Begins to serve the pages for metrics and health, if they are asked for.
async fn pages(config: &Config, stop: &Stop) -> Result<Option<Pages>, StartError> {
    let MetricsPort::Port(port) = config.metrics_port else {
        return Ok(None);
    };
    let pages = listen(&config.host, port)
        .await
        .and_then(|(listener, _)| Pages::serve(listener, stop.clone()));
    pages.map(Some).map_err(|source| StartError::Listen {
        host: config.host.clone(),
        port,
        source,
    })
}

/// What is answered on the port: Flight, health, and what there is.
fn routes(
    service: Service,
    keys: Option<Keys>,
    attendant: &Arc<Attendant>,
    config: &Config,
    calls: &RunningCalls,
    health: HealthServer<impl HealthCalls>,
) -> Result<Routes, StartError> {
    let message_bytes = usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX);
    let flight = FlightServiceServer::new(service)
        .max_decoding_message_size(message_bytes)
        .max_encoding_message_size(usize::MAX);
    let flight = Gate {
        service: TellsCancelled(flight),
        keys,
    };
    // Who watches health does not keep a server that stops from its end.
    let counted = Counted {
        service: attendant.attend(flight),
        calls: calls.clone(),
    };
    let routes = Routes::new(counted)
        .add_service(attendant.attend(health))
        .add_service(attendant.attend(reflection::service()?))
        .add_service(attendant.attend(reflection::older_service()?));
    let attendant = Arc::clone(attendant);
    let unknown = async move |request: http::Request<axum::body::Body>| {
        let problem = "this server has no such service; reflection tells which there are";
        attendant.refuse(&request, &Failure::Unimplemented(problem.into()))
    };
    Ok(Routes::from(routes.into_axum_router().fallback(unknown)))
}

/// Serves until the server is asked to stop, and sees it to its end.
async fn serve(
    serving: impl Future<Output = ()>,
    calls: RunningCalls,
    grace: Duration,
    stop: Stop,
    (store, pages, files): (Store, Option<Pages>, Option<SharedFiles>),
) {
    let mut serving = std::pin::pin!(serving);
    let mut phases = stop.watch();
    let closing = async {
        reached(&mut phases, Phase::Draining).await;
        info!("stopping: running calls may finish");
        tokio::select! {
            () = calls.none_for(CLOSING) => return,
            () = sleep(grace) => {
                warn!("the grace period is over: calls that still run are ended");
            }
            () = reached(&mut phases, Phase::Stopped) => {}
        }
        stop.finish();
        // Commits that are under way come to their end, and callers learn of it.
        let _ = timeout(COMMITTING, calls.none_for(Duration::ZERO)).await;
        sleep(CLOSING).await;
    };
    tokio::select! {
        () = &mut serving => {}
        () = closing => {}
    }
    stop.finish();
    settled(&store).await;
    if let Some(files) = files {
        files.close().await;
    }
    drop(pages);
    info!("stopped");
}

/// Waits until the store has written what follows the answer to a change, and removed what calls that were ended have left.
pub(crate) async fn settled(store: &Store) {
    let idle = async {
        while !store.is_idle() {
            sleep(GLANCE).await;
        }
    };
    if timeout(PATIENCE, idle).await.is_err() {
        warn!("left while the store was still writing");
    }
}

/// Looks after the store until the server drains: compaction and expiry, and, from time to time, what writers left
/// unfinished long ago.
async fn look_after(store: Store, upkeep: Upkeep, stop: Stop) {
    let mut phases = stop.watch();
    let sweeping = async {
        let mut rounds = interval(SWEEPING);
        loop {
            rounds.tick().await;
            match store.sweep_temporaries().await {
                Ok(0) => {}
                Ok(files) => info!(files, "removed files that writers left unfinished"),
                Err(error) => warn!(%error, "cannot look for unfinished files"),
            }
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = reached(&mut phases, Phase::Draining) => {}
    }
    drop(upkeep);
}
