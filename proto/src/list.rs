//! Listing frames: the criteria of a `ListFlights`, and what its `FlightInfo`s say of each frame.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decode::decode;
use crate::error::RequestError;
use crate::field;
use crate::name::BucketName;

/// Which frames to list.
///
/// Without a bucket this is the default bucket only, as the contract's first clients expect; no
/// criteria at all (no bytes) means the frames of every bucket. Read criteria with
/// [`from_bytes`](Self::from_bytes), which knows both.
///
/// ```
/// use shoots_proto::ListCriteria;
///
/// assert_eq!(ListCriteria::from_bytes(b"")?, ListCriteria::everything());
///
/// let criteria = ListCriteria::from_bytes(br#"{"bucket":"nyc","regex":"^w"}"#)?;
/// assert_eq!(criteria.bucket.unwrap().as_str(), "nyc");
/// assert!(!criteria.all_buckets);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub struct ListCriteria {
    /// The bucket to list; `None` is the default bucket, unless `all_buckets` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// A regular expression that finds a match in the names to list; `None` lists all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// List the frames of every bucket. It goes with no `bucket`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_buckets: bool,
    /// Name the frames and buckets that cannot be read, too, each with an [`Unreadable`]; they are left out otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl ListCriteria {
    /// The frames of `bucket`, `None` being the default bucket.
    #[must_use]
    pub fn bucket(bucket: Option<BucketName>) -> Self {
        Self {
            bucket,
            regex: None,
            all_buckets: false,
            unreadable: false,
        }
    }

    /// The frames of every bucket.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            bucket: None,
            regex: None,
            all_buckets: true,
            unreadable: false,
        }
    }

    /// Reads the criteria of a `ListFlights`.
    ///
    /// # Errors
    /// As [`decode()`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.is_empty() {
            return Ok(Self::everything());
        }
        decode("criteria", bytes)
    }
}

/// The criteria as they come, before it is known that the fields go together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct Wire {
    #[serde(default)]
    bucket: Option<BucketName>,
    #[serde(default)]
    regex: Option<String>,
    #[serde(default, deserialize_with = "field::or_default")]
    all_buckets: bool,
    #[serde(default, deserialize_with = "field::or_default")]
    unreadable: bool,
}

impl TryFrom<Wire> for ListCriteria {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, &'static str> {
        if wire.all_buckets && wire.bucket.is_some() {
            return Err("`bucket` and `all_buckets` exclude each other; leave one of them out");
        }
        Ok(Self {
            bucket: wire.bucket,
            regex: wire.regex,
            all_buckets: wire.all_buckets,
            unreadable: wire.unreadable,
        })
    }
}

/// Why a frame, or a whole bucket, cannot be read: the JSON in the `app_metadata` of its `FlightInfo`, which has neither
/// schema nor ticket, and of a bucket no path either.
///
/// ```
/// use shoots_proto::{Unreadable, decode};
///
/// let json = br#"{"unreadable":"weather/log/00000000000000000001.jsonl is damaged"}"#;
/// let told: Unreadable = decode("frame", json)?;
/// assert!(told.unreadable.contains("damaged"));
/// assert_eq!(told.bucket, None);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Unreadable {
    /// The bucket, if it is the whole of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// What is in the way.
    pub unreadable: String,
}

/// A frame's size and state: the JSON in the `app_metadata` of its `FlightInfo`.
///
/// ```
/// use shoots_proto::{FrameSummary, decode};
///
/// let json = br#"{"rows":100,"bytes":2048,"segments":1}"#;
/// let summary: FrameSummary = decode("frame summary", json)?;
/// assert_eq!(summary.version, None); // a plain Parquet file has no versions
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FrameSummary {
    /// The version described; `None` for a plain Parquet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of that version's commit, in hexadecimal digits; `None` for a plain Parquet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How many rows there are.
    pub rows: u64,
    /// How many bytes their segments have in the store.
    pub bytes: u64,
    /// How many segments hold them.
    pub segments: u64,
    /// Whether the storage was away and this is the newest state that the server had at hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What the version's commit says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Facts that it carries for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}
