//! The action on some of a frame's rows: `delete_rows`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::FrameId;
use crate::range::{Closed, IndexValue};
use crate::request::{Coherent, Misfit, request};

request! {
    /// Deletes the rows in a range of the index, those that meet an SQL condition, or those that do
    /// both.
    ///
    /// ```
    /// use shoots_proto::action::{DELETE_ROWS, DeleteRowsRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"name":"weather","start":"2013-07-01","where":"temp > 130"}"#;
    /// let request: DeleteRowsRequest = decode(DELETE_ROWS, json)?;
    /// assert_eq!(request.predicate.as_deref(), Some("temp > 130"));
    /// assert!(decode::<DeleteRowsRequest>(DELETE_ROWS, br#"{"name":"weather"}"#).is_err());
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct DeleteRowsRequest (frame, note) {
        /// Where the range begins, on the first index column; `None` is at the first row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub start: Option<IndexValue>,
        /// Where the range stops; `None` is at the last row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop: Option<IndexValue>,
        /// Which of the given ends belong to the range; `None` is [`Closed::Left`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub closed: Option<Closed>,
        /// `where` on the wire: the condition, as in a query. Rows for which it is null stay.
        #[serde(
            rename = "where",
            default,
            deserialize_with = "field::filled",
            skip_serializing_if = "Option::is_none"
        )]
        pub predicate: Option<String>,
        /// Names this change, in 1 to 128 bytes: a second one of the same frame under the same id is
        /// not applied again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
    }
}

impl DeleteRowsRequest {
    /// Chooses no rows of `frame`: where a choice starts.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            start: None,
            stop: None,
            closed: None,
            predicate: None,
            request_id: None,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for DeleteRowsRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.start.is_none() && self.stop.is_none() && self.predicate.is_none() {
            let problem = "is missing, as are `start` and `stop`; give at least one of them, \
                           or `true` here to delete every row";
            return Err(Misfit::new("where", problem));
        }
        Ok(())
    }
}

/// What deleting rows did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct DeleteRowsResult {
    /// The version it got; `None` if there was nothing to delete, and so no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of its commit, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How many rows it removed.
    pub rows_removed: u64,
}
