//! The wire contract of Shoots: names, requests, results and errors, as types.
//!
//! Everything on the wire that is not record batches is UTF-8 JSON inside Flight messages. This
//! crate gives each of those messages a type that cannot hold a bad value, and one way to read it:
//! [`decode()`] refuses unknown fields, wrong types and bad names with a [`RequestError`] that names
//! the field. A missing optional field and `null` mean the same, but for the fields that say otherwise
//! ([`new_bucket`](action::RenameRequest::new_bucket), [`target_bucket`](action::PullRequest::target_bucket),
//! [`set`](action::RetentionRequest::set)).
//!
//! | call | in | out |
//! |---|---|---|
//! | `DoPut` | [`PutCommand`] | [`PutResult`] |
//! | `DoGet`, `GetFlightInfo`, `GetSchema` | [`GetTicket`], [`FrameId`] as a path | rows, [`FrameSummary`], [`SharedRows`] |
//! | `ListFlights` | [`ListCriteria`] | [`FrameSummary`], [`Unreadable`] |
//! | `DoAction` | see [`action`] | see [`action`] |
//! | any | | [`ErrorBody`] |
//!
//! Requests are strict: a field that this version does not know could change what is asked for, so
//! it is refused. Results are lenient: a newer server may say more than this version understands,
//! and a put that succeeded must not look as if it failed.
//!
//! The crate knows serde and nothing of Flight, gRPC, Arrow, SQL or storage, so that both ends and
//! the store can share its vocabulary. Files in `tests/golden` freeze the bytes.

#![forbid(unsafe_code)]

pub mod action;
pub mod as_of;
mod columns;
pub mod decode;
pub mod error;
mod excerpt;
mod field;
pub mod get;
pub mod label;
pub mod list;
mod mode;
pub mod name;
mod note;
pub mod parameters;
pub mod put;
pub mod range;
pub mod remote;
mod request;
mod resampling;
pub mod shm;
mod statement;
mod time;

pub use action::AsofDirection;
pub use action::BucketDeleteMode;
pub use as_of::AsOf;
pub use columns::ColumnsTicket;
pub use decode::{decode, decode_or_default, encode};
pub use error::{ErrorBody, ErrorKind, RequestError};
pub use get::{DiffRange, GetTicket};
pub use label::{LabelError, SnapshotName, TagName};
pub use list::{FrameSummary, ListCriteria, Unreadable};
pub use name::{BucketName, FrameId, FrameName, NameError};
pub use note::Note;
pub use parameters::{ParameterValue, QueryParameters};
pub use put::{PutCommand, PutMode, PutResult, PutSeal, UpdateScope};
pub use range::{Closed, IndexValue};
pub use remote::{Remote, RemoteName, RemoteUrl, SecretRef};
pub use shm::{SharedFile, SharedRows};
pub use statement::SqlTicket;
pub use time::Time;
