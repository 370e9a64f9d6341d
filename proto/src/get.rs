//! Getting a frame: the ticket of a `DoGet`, which also describes frames to `GetFlightInfo` and
//! `GetSchema`.

use serde::{Deserialize, Serialize};

use crate::as_of::AsOf;
use crate::field;
use crate::name::{BucketName, FrameId, FrameName};

/// Which rows and columns of which state of a frame to get.
///
/// ```
/// use shoots_proto::{AsOf, FrameName, GetTicket, encode};
///
/// let ticket = GetTicket {
///     limit: Some(10),
///     as_of: Some(AsOf::Version(-1)),
///     ..GetTicket::new(FrameName::parse("weather")?)
/// };
/// assert_eq!(encode(&ticket)?, br#"{"name":"weather","limit":10,"as_of":{"version":-1}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct GetTicket {
    /// The frame to get.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// A query that names the frame as a table; its result is what is got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// The columns to get, in this order, each once; `None` is all of them.
    #[serde(
        default,
        deserialize_with = "field::columns",
        skip_serializing_if = "Option::is_none"
    )]
    pub columns: Option<Vec<String>>,
    /// The greatest number of rows to get.
    #[serde(
        default,
        deserialize_with = "field::count",
        skip_serializing_if = "Option::is_none"
    )]
    pub limit: Option<u64>,
    /// How many rows to leave out before the first.
    #[serde(
        default,
        deserialize_with = "field::count",
        skip_serializing_if = "Option::is_none"
    )]
    pub offset: Option<u64>,
    /// The state of the frame; `None` is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

impl GetTicket {
    /// A ticket for all of the newest state of the frame `name` in the default bucket.
    #[must_use]
    pub fn new(name: FrameName) -> Self {
        Self {
            name,
            bucket: None,
            sql: None,
            columns: None,
            limit: None,
            offset: None,
            as_of: None,
        }
    }

    /// The frame this ticket is for.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        FrameId::new(self.bucket.clone(), self.name.clone())
    }
}
