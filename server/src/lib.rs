//! The Shoots server: dataframes over Arrow Flight.
//!
//! ```
//! use shoots_server::{Config, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config {
//!     port: 0,
//!     bucket_dir: "memory://".into(),
//!     ..Config::default()
//! };
//! let server = Server::start(config).await?;
//! println!("listening on {}", server.url());
//! server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! This is the only crate that knows a gRPC server and a query engine. How a call goes through it:
//!
//! | where | what it does |
//! |---|---|
//! | `server` | listens (`listener`), and stops in an orderly way (`stop`, `running`) |
//! | `embedded` | the same without a port, for the process that it is in |
//! | `threads` | what all of it runs on |
//! | `connection` | how many there may be, and when each is closed |
//! | `health`, `reflection` | what gRPC's tools ask |
//! | `metrics` | what the server counts about itself, and the pages that show it |
//! | `tls` | encrypts connections, with certificates that may change while it does |
//! | `access` | tokens, what each lets its holder do, and the store as far as it goes |
//! | `service` | one file per Flight call: from a request to a result or a failure |
//! | `call` | stands around each call: id, bounds, log, panics, end of the grace period |
//! | `status` | what a caller is told about a failure |
//! | `query` | SQL over frames, for reading only |
//! | `combine` | frames joined in time or on keys, put together, aligned |
//! | `resample` | rows of a frame gathered into bins of time |
//! | `config`, [`cli`] | settings, and where they come from |
//!
//! What a frame is, and when a change of it is visible and durable, is `shoots-store`'s to say; the JSON of
//! requests and results is `shoots-proto`'s; record batches become messages in `shoots-flight`. The library
//! keeps no global state and sets up no logging: the binary does, and so may whoever embeds it.

#![forbid(unsafe_code)]

mod access;
mod call;
pub mod cli;
mod combine;
mod config;
mod connection;
mod embedded;
mod health;
mod listener;
mod metrics;
mod pattern;
mod query;
mod reflection;
mod refresh;
mod resample;
mod running;
mod server;
mod service;
mod shm;
mod status;
mod stop;
mod storage;
mod threads;
mod tls;

pub use config::{Config, ConfigError, LogFormat, MetricsPort, Packing, Secret};
pub use embedded::{EmbeddedServer, Pipes};
pub use server::{ServeError, Server, StartError};
pub use threads::runtime;
pub use tls::TlsError;
