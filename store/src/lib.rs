//! Versioned frames over an object store and Parquet.
//!
//! A [`Store`] keeps named tables, **frames**, in **buckets**. Every change of a frame is a commit with a version,
//! and any of them can be read again. Rows are Arrow record batches on the way in and out, and Parquet files at
//! rest; what makes them visible is a log of immutable entries, one per frame (`log/mod.rs` teaches how it works and
//! what it promises).
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use shoots_proto::name::{FrameId, FrameName};
//! use shoots_proto::put::PutMode;
//! use shoots_store::{PutOptions, ReadOptions, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("memory://").await?;
//! let frame = store.frame(&FrameId { bucket: None, name: FrameName::parse("prices")? });
//! let rows = Arc::new(Int64Array::from(vec![3, 1, 2])) as _;
//! let batch = RecordBatch::try_from_iter([("price", rows)])?;
//!
//! let mut writer = frame.put(batch.schema(), PutOptions::mode(PutMode::Append)).await?;
//! writer.write(batch.clone()).await?;
//! let published = writer.commit().await?;
//! assert_eq!((published.version, published.rows), (1, 3));
//!
//! let snapshot = frame.snapshot(None).await?;
//! assert_eq!(snapshot.read(ReadOptions::default()).await?.collect().await?, vec![batch]);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod activity;
mod budget;
mod builder;
mod cache;
mod changed;
mod disk;
mod edit;
mod environment;
mod error;
mod found;
mod frame;
mod frame_log;
mod history;
mod index;
mod inspect;
mod lanes;
mod layout;
mod lineage;
mod log;
mod merge;
mod nearest;
mod numbered;
mod objects;
mod place;
mod plain;
mod put;
mod read;
mod remote;
mod remotes;
mod schema;
mod sealed;
mod segment;
mod shared;
mod sink;
mod snapshot;
mod snapshots;
mod space;
mod store;
mod sync;
mod time;
mod upkeep;
mod usage;
mod verify;

pub use activity::{Activity, CacheCount, OperationCount, PutMemory, RowMemory};
pub use builder::StoreBuilder;
pub use changed::{Changed, ChangedRange};
pub use edit::delete::{Condition, Conditions, RowsToDelete};
pub use environment::{Environment, SystemEnvironment};
pub use error::{Error, ErrorKind, Result};
pub use found::{Found, StoreFolder};
pub use frame::Frame;
pub use index::{counted_time, time_bound};
pub use lineage::record::{Listed as ListedSegment, Record};
pub use log::commit::Published;
pub use nearest::nearest;
pub use objects::Requests;
pub use place::printable_location;
pub use put::{FrameWriter, PutOptions};
pub use read::{ColumnBlocks, ReadOptions, ReadWatch, RowFilter, Rows};
pub use schema::evolve::{ColumnEdit, NewColumn};
pub use schema::pandas;
pub use schema::type_name::{name as type_name, named as type_named};
pub use segment::Limits as SegmentLimits;
pub use segment::Packing;
pub use snapshot::{IndexBounds, Snapshot};
pub use store::Store;
pub use sync::local::LocalPeer;
pub use sync::many::{Travelled, Travellers};
pub use sync::options::{CloneOptions, FetchOptions, IndexRange, PullOptions, RemoteEnd};
pub use sync::peer::{
    Arrival, Brought, ByteStream, HistoryRecord, HistoryStream, ObjectKind, ObjectName, Peer,
    PeerHead, Promise, Publish, PublishOutcome, SentObject,
};
pub use sync::progress::{Progress, ProgressReceiver, ProgressSink};
pub use time::Timestamp;
pub use upkeep::background::{Upkeep, UpkeepSettings};
pub use upkeep::retention::default_retention;
