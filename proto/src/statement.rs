//! Asking in SQL without naming a frame: a ticket of a `DoGet` that has a query and no frame.

use crate::as_of::AsOf;
use crate::columns::gives;
use crate::field;
use crate::name::BucketName;
use crate::parameters::QueryParameters;
use crate::request::{Coherent, Misfit, request};

request! {
    /// A query, whose frames are those that it names itself.
    ///
    /// ```
    /// use shoots_proto::{SqlTicket, decode};
    ///
    /// let json = br#"{"sql":"select * from prices where day > $1","parameters":["2024-01-31"],"bucket":"daily"}"#;
    /// let ticket: SqlTicket = decode("ticket", json)?;
    /// assert!(ticket.as_of.is_none());
    ///
    /// let refused = decode::<SqlTicket>("ticket", br#"{"sql":"select 1","as_of":3}"#);
    /// assert_eq!(refused.unwrap_err().field(), Some("as_of"));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct SqlTicket () {
        /// The query; its result is what is got.
        #[serde(deserialize_with = "statement")]
        pub sql: String,
        /// The bucket of frames that the query names without one; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// Values for the parameters of the query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parameters: Option<QueryParameters>,
        /// The columns of the result to get, in this order, each once; `None` is all of them.
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
        /// The time whose state of every frame the query reads; `None` is the newest state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl SqlTicket {
    /// A ticket for the result of a query over frames of the default bucket.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            bucket: None,
            parameters: None,
            columns: None,
            limit: None,
            offset: None,
            as_of: None,
        }
    }

    /// Whether JSON that is meant to be a ticket has a query and no frame, and so is one of these.
    ///
    /// ```
    /// use shoots_proto::SqlTicket;
    ///
    /// assert!(SqlTicket::is_meant_by(br#"{"sql":"select 1"}"#));
    /// assert!(!SqlTicket::is_meant_by(br#"{"name":"prices","sql":"select 1"}"#));
    /// ```
    #[must_use]
    pub fn is_meant_by(json: &[u8]) -> bool {
        gives(json, "sql") && !gives(json, "name")
    }
}

impl Coherent for SqlTicket {
    fn check(&self) -> Result<(), Misfit> {
        match &self.as_of {
            None | Some(AsOf::Time(_)) => Ok(()),
            Some(other) => Err(Misfit::new(
                "as_of",
                format!(
                    "must be a time, `{{\"time\": …}}`, which holds for every frame (got {other}); for another state of \
                     one frame, select from `as_of('frame', state)` in the query"
                ),
            )),
        }
    }
}

fn statement<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let sql: Option<String> = field::filled(deserializer)?;
    sql.ok_or_else(|| serde::de::Error::custom("must be a query"))
}
