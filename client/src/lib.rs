//! The Rust client of a Shoots server: put, get and query dataframes.
//!
//! [`ShootsClient`] is one connection, cheap to clone and to share between tasks. Frames are
//! named by `"flights"`, or `"nyc/flights"` for the frame `flights` in the bucket `nyc` (see
//! [`ToFrameId`]). Rows go in and come out as arrow [`RecordBatch`](arrow_array::RecordBatch)es,
//! streamed: memory follows batches, not frames, and a slow reader slows the sender down.
//!
//! ```
//! use std::sync::Arc;
//! use shoots_client::arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
//! use shoots_client::{PutMode, ShootsClient};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
//! # let url = server.url();
//! let client = ShootsClient::connect(url).await?;
//!
//! let carrier: ArrayRef = Arc::new(StringArray::from(vec!["UA", "AA", "UA"]));
//! let delay: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 4.0, 6.0]));
//! let flights = RecordBatch::try_from_iter([("carrier", carrier), ("delay", delay)])?;
//!
//! let put = client.put("flights").send_batch(flights.clone()).await?;
//! assert_eq!((put.version, put.rows), (1, 3));
//! client.put("flights").mode(PutMode::Append).send_batch(flights).await?;
//!
//! let mean = client
//!     .sql("flights", "select carrier, avg(delay) as mean from flights group by 1 order by 1")
//!     .collect_one()
//!     .await?;
//! assert_eq!(mean.num_rows(), 2);
//! # server.shutdown().await?; Ok(()) }
//! ```
//!
//! # Errors and repeating
//!
//! Every failure is an [`Error`]; its [`kind`](Error::kind) is the same list that the server
//! uses, whether the server said it or the connection broke. Calls that only read are repeated
//! a few times when the server could not be reached and nothing of the answer had arrived.
//! Calls that change something are not, because a lost answer does not tell whether the change
//! happened ([`ErrorKind::OutcomeUnknownError`]); the exception is a put with a
//! [`request_id`](PutRequest::request_id), which the server does not apply twice.
//!
//! # Histories that travel
//!
//! [`ShootsClient::pull`] and its kin tell a server to exchange frames with its remotes. With the feature `sync` a
//! program can be one end of an exchange itself: `FlightPeer` makes a server a peer of stores that the program opens.
//!
//! # On the server's machine
//!
//! With the feature `shm`, [`GetRequest::collect`] takes rows from memory that a server on the same machine shares, if it
//! does and runs as the same user: nothing is sent, and no copy is made, however many rows there are. Where that is not
//! possible, they are sent.
//!
//! # What it speaks
//!
//! The arrow crates and the vocabulary of the wire contract are re-exported, so that a program
//! needs no dependencies of the right version beside this one.

mod action;
mod address;
mod batches;
mod builder;
mod client;
mod columns;
mod combine;
mod connection;
mod credentials;
mod error;
#[cfg(feature = "export")]
mod export;
mod frame;
mod get;
mod handle;
mod list;
mod over;
mod put;
mod query;
mod retry;
mod sending;
#[cfg(all(feature = "shm", unix))]
mod shm;
#[cfg(feature = "sync")]
mod sync;
mod transfer;

#[cfg(test)]
mod tests;

pub use arrow_array;
pub use arrow_schema;
pub use serde_json;
pub use shoots_proto as proto;
pub use tonic::Code;

pub use action::{ActionCall, ActionRequest};
pub use batches::Batches;
pub use builder::ClientBuilder;
pub use client::{ActionInfo, ShootsClient};
pub use columns::ColumnsRequest;
pub use error::Error;
#[cfg(feature = "export")]
pub use export::{Exported, FileFormat, FileWriter, RowWriter};
pub use frame::ToFrameId;
pub use get::{Description, GetRequest};
pub use handle::Frame;
pub use list::{FrameInfo, ListRequest, Listing, Unreadable};
pub use put::PutRequest;
pub use query::QueryRequest;
pub use shoots_proto::action::{
    Aggregations, BinEnd, CombineHow, CombineSource, Favour, Resampling, SyncAnswer, SyncOutcome,
    SyncProgress, SyncResult, SyncedFrame,
};
pub use shoots_proto::{
    AsOf, AsofDirection, BucketDeleteMode, BucketName, Closed, ErrorKind, FrameId, FrameName,
    FrameSummary, IndexValue, ParameterValue, PutMode, PutResult, UpdateScope,
};
#[cfg(feature = "sync")]
pub use sync::FlightPeer;
pub use transfer::{Selecting, Transfer, TransferCall, TransferRequest};
