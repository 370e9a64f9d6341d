//! Record batches as Arrow Flight messages and back, faithfully, for both ends of the wire.
//!
//! The client's `DoPut` and the server's `DoGet` send through [`encode`], and both receive
//! through [`decode`]. The promise is that what comes out equals what went in: every type as
//! it is (dictionaries stay dictionaries, large lists stay large), nulls, nested fields,
//! schema and field metadata, nullability, the ordered flag of dictionaries, batches without
//! rows and batches without columns.
//!
//! How it is done:
//!
//! - [`encode`] sends the schema first, even when no batch follows. Each batch is cut by the
//!   size that it really takes on the wire ([`split`], [`encoded_size`]), so that a slice of a
//!   large buffer counts for what the slice holds. What the IPC writer would send in full
//!   although only a part is used (buffers of views, children of list views and unions) is
//!   rewritten first ([`compact`]).
//! - A dictionary travels once and again only when its values change, and cutting a batch
//!   never repeats it. Dictionaries are never pruned: unused categories are data.
//! - [`decode`] hands out the schema before the first batch, keeps buffers where they arrived
//!   when their alignment allows it, and turns malformed messages into errors.
//! - [`mod@file`] has the same messages in a file, aligned for who maps it into memory; [`Joiner`] makes the large batches that
//!   pay there.
//! - [`schema_message`] and [`read_schema_message`] are the form in which `FlightInfo` and
//!   `SchemaResult` carry a schema.
//!
//! A stream that is cancelled must not look like one that has ended: [`TellsCancelled`] makes
//! the difference visible to a server.
//!
//! This crate knows arrow and Flight messages. It knows no request formats and no storage.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use futures::{StreamExt, TryStreamExt, stream};
//! use shoots_flight::{EncodeOptions, Error, decode, encode};
//!
//! # futures::executor::block_on(async {
//! let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2])) as _)])?;
//! let source = stream::iter([Ok::<_, Error>(batch.clone())]);
//! let messages = encode(batch.schema(), source, EncodeOptions::default());
//!
//! let mut received = decode(messages);
//! assert_eq!(received.read_schema().await?, batch.schema());
//! assert_eq!(received.try_collect::<Vec<_>>().await?, [batch]);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

#![forbid(unsafe_code)]

mod aligned;
mod cancelled;
mod compact;
mod decode;
mod encode;
mod error;
mod extent;
pub mod file;
mod inflated;
mod joined;
mod limits;
mod list_views;
mod parts;
mod schema;
mod size;
mod split;

pub use cancelled::TellsCancelled;
pub use compact::compact;
pub use decode::{Decoder, decode, is_reading};
pub use encode::{DEFAULT_MESSAGE_BYTES, EncodeOptions, Encoder, encode};
pub use error::Error;
pub use joined::Joiner;
pub use limits::DecodeLimits;
pub use schema::{read_schema_message, schema_message};
pub use size::encoded_size;
pub use split::split;

#[cfg(test)]
mod tests;
