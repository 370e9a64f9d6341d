//! Getting columns of several frames at once: a ticket of a `DoGet` that names columns and no frame.

use crate::as_of::AsOf;
use crate::field;
use crate::name::BucketName;
use crate::range::{Closed, IndexValue};
use crate::request::{Coherent, Misfit, request};

request! {
    /// Which columns of the frames of a bucket to get, side by side, aligned on the index that the frames share.
    ///
    /// ```
    /// use shoots_proto::{ColumnsTicket, decode};
    ///
    /// let json = br#"{"columns":["close","volumes.total"],"bucket":"daily","start":"2024-01-01"}"#;
    /// let ticket: ColumnsTicket = decode("ticket", json)?;
    /// assert_eq!(ticket.columns, ["close", "volumes.total"]);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct ColumnsTicket () {
        /// The columns, at least one, in this order: `column` if only one of the frames has it, `frame.column`,
        /// `bucket.frame.column` (the default bucket is `""`), or `*` in place of the column for all of a frame.
        #[serde(deserialize_with = "columns")]
        pub columns: Vec<String>,
        /// The bucket of frames that are named without one; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// The frames that are looked into: names of frames of the bucket, or `bucket.frame`, in which `*` stands for any
        /// text. `None` is all of the bucket.
        #[serde(
            default,
            deserialize_with = "frames",
            skip_serializing_if = "Option::is_none"
        )]
        pub frames: Option<Vec<String>>,
        /// Where the rows begin, on the first index column; `None` is at the first row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub start: Option<IndexValue>,
        /// Where the rows stop; `None` is at the last row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop: Option<IndexValue>,
        /// Which of the given ends belong to the rows; `None` is [`Closed::Left`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub closed: Option<Closed>,
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
        /// The state of the frames: a time, or a tag that all of them have; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl ColumnsTicket {
    /// A ticket for these columns of the default bucket.
    #[must_use]
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            bucket: None,
            frames: None,
            start: None,
            stop: None,
            closed: None,
            limit: None,
            offset: None,
            as_of: None,
        }
    }

    /// Whether JSON that is meant to be a ticket names columns and no frame, and so is one of these.
    ///
    /// ```
    /// use shoots_proto::ColumnsTicket;
    ///
    /// assert!(ColumnsTicket::is_meant_by(br#"{"columns":["close"]}"#));
    /// assert!(!ColumnsTicket::is_meant_by(br#"{"name":"prices","columns":["close"]}"#));
    /// ```
    #[must_use]
    pub fn is_meant_by(json: &[u8]) -> bool {
        gives(json, "columns")
            && !["name", "sql", "query"]
                .iter()
                .any(|field| gives(json, field))
    }
}

impl Coherent for ColumnsTicket {
    fn check(&self) -> Result<(), Misfit> {
        if let Some(AsOf::Version(version)) = self.as_of {
            let problem = format!(
                "must be a time or a tag, which several frames can have in common (got version {version})"
            );
            return Err(Misfit::new("as_of", problem));
        }
        Ok(())
    }
}

fn columns<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let columns = field::some_columns(deserializer)?;
    columns.ok_or_else(|| serde::de::Error::custom("must name at least one column"))
}

/// Whether bytes are a JSON object in which this field is not null.
pub(crate) fn gives(json: &[u8], field: &str) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json)
        .is_ok_and(|fields| fields.get(field).is_some_and(|value| !value.is_null()))
}

/// Whether bytes are a JSON object with this field.
pub(crate) fn has_field(json: &[u8], field: &str) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json)
        .is_ok_and(|fields| fields.contains_key(field))
}

fn frames<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let frames: Option<Vec<String>> = serde::Deserialize::deserialize(deserializer)?;
    if frames.as_ref().is_some_and(Vec::is_empty) {
        let problem = "must name at least one frame; leave it out to look into all of the bucket";
        return Err(serde::de::Error::custom(problem));
    }
    Ok(frames)
}
