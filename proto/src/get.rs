//! Getting a frame: the ticket of a `DoGet`, which also describes frames to `GetFlightInfo` and
//! `GetSchema`.

use crate::as_of::AsOf;
use crate::field;
use crate::name::{BucketName, FrameId, FrameName};
use crate::parameters::QueryParameters;
use crate::range::{Closed, IndexValue};
use crate::request::{Coherent, Misfit, request};
use crate::resampling::Resampling;

request! {
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
    #[derive(Eq)]
    pub struct GetTicket () {
        /// The frame to get.
        pub name: FrameName,
        /// Its bucket; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// A query that names the frame as a table; its result is what is got.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sql: Option<String>,
        /// Values for the parameters of the query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parameters: Option<QueryParameters>,
        /// The columns to get, in this order, each once; `None` is all of them.
        #[serde(
            default,
            deserialize_with = "field::columns",
            skip_serializing_if = "Option::is_none"
        )]
        pub columns: Option<Vec<String>>,
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
        /// Get only so many rows from the end of those chosen; in place of `limit` and `offset`.
        #[serde(
            default,
            deserialize_with = "field::count",
            skip_serializing_if = "Option::is_none"
        )]
        pub tail: Option<u64>,
        /// The state of the frame; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
        /// Take the newest state that the server has at hand, when the storage behind it is away.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub allow_stale: bool,
        /// Get the rows by which two states differ; in place of `as_of`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub diff: Option<DiffRange>,
        /// Get one row for each bin of time, in place of the rows. `start` and `stop` then choose the rows that take part,
        /// by their time, and the other fields what of the result is got.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub resample: Option<Resampling>,
        /// Let the rows come as a file in memory that is shared with the server ([`SharedRows`]), if both are on the same
        /// machine and the server can; else they come as always.
        ///
        /// [`SharedRows`]: crate::SharedRows
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub shm: bool,
    }
}

impl GetTicket {
    /// A ticket for all of the newest state of the frame `name` in the default bucket.
    #[must_use]
    pub fn new(name: FrameName) -> Self {
        Self {
            name,
            bucket: None,
            sql: None,
            parameters: None,
            columns: None,
            start: None,
            stop: None,
            closed: None,
            limit: None,
            offset: None,
            tail: None,
            as_of: None,
            allow_stale: false,
            diff: None,
            resample: None,
            shm: false,
        }
    }

    /// The frame this ticket is for.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        FrameId::new(self.bucket.clone(), self.name.clone())
    }
}

impl Coherent for GetTicket {
    fn check(&self) -> Result<(), Misfit> {
        if self.tail.is_some() && (self.limit.is_some() || self.offset.is_some()) {
            let problem = "goes with neither `limit` nor `offset`; leave it or them out";
            return Err(Misfit::new("tail", problem));
        }
        if self.diff.is_some() && self.as_of.is_some() {
            let problem = "goes without `as_of`; its own `from` and `to` name the states";
            return Err(Misfit::new("diff", problem));
        }
        if self.resample.is_some() && self.tail.is_some() {
            let problem = "does not go with `resample`; choose rows with `start`, or get all bins";
            return Err(Misfit::new("tail", problem));
        }
        if self.resample.is_some() && self.diff.is_some() {
            let problem = "does not go with `diff`; get one of the two";
            return Err(Misfit::new("resample", problem));
        }
        if self.sql.is_some() {
            return self.check_beside_sql();
        }
        if self.parameters.is_some() {
            let problem = "goes with `sql` only; leave it out, or say in `sql` what to ask";
            return Err(Misfit::new("parameters", problem));
        }
        Ok(())
    }
}

impl GetTicket {
    /// Refuses what a query would have to be changed for. It can say all of this itself.
    fn check_beside_sql(&self) -> Result<(), Misfit> {
        let instead = "put a condition on the index column into the query's `where`";
        let refused = [
            (
                "resample",
                self.resample.is_some(),
                "select from `resample('frame', 'rule', 'function')` in the query",
            ),
            ("start", self.start.is_some(), instead),
            ("stop", self.stop.is_some(), instead),
            ("closed", self.closed.is_some(), instead),
            (
                "tail",
                self.tail.is_some(),
                "write `order by … desc limit n` in the query",
            ),
            (
                "diff",
                self.diff.is_some(),
                "get the rows that differ without a query",
            ),
        ];
        match refused.into_iter().find(|(_, given, _)| *given) {
            Some((field, _, instead)) => Err(Misfit::new(
                field,
                format!("does not go with `sql`; {instead}"),
            )),
            None => Ok(()),
        }
    }
}

request! {
    /// Two states of a frame, to be compared.
    ///
    /// ```
    /// use shoots_proto::{AsOf, GetTicket, decode};
    ///
    /// let ticket: GetTicket = decode("ticket", br#"{"name":"weather","diff":{"from":-2}}"#)?;
    /// let diff = ticket.diff.unwrap();
    /// assert_eq!((diff.from, diff.to), (AsOf::Version(-2), None));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct DiffRange () {
        /// The state to start from.
        pub from: AsOf,
        /// The state to arrive at; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub to: Option<AsOf>,
    }
}

impl Coherent for DiffRange {}
