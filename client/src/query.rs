//! Queries that name their frames themselves.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::TryStreamExt;
use shoots_proto::{AsOf, ParameterValue, QueryParameters, SqlTicket};

use crate::connection::{Connection, json};
use crate::frame::bucket_name;
use crate::{Batches, Error, get};

/// A query in the making; from [`ShootsClient::query`](crate::ShootsClient::query).
#[derive(Debug)]
#[must_use = "nothing is sent before `stream`, `collect`, `collect_one` or `schema`"]
pub struct QueryRequest {
    connection: Arc<Connection>,
    ticket: Result<SqlTicket, Error>,
}

impl QueryRequest {
    pub(crate) fn new(connection: Arc<Connection>, sql: String) -> Self {
        Self {
            connection,
            ticket: Ok(SqlTicket::new(sql)),
        }
    }

    /// The bucket of frames that the query names without one, instead of the default bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.ticket = self.ticket.and_then(|mut ticket| {
            ticket.bucket = Some(bucket_name(bucket)?);
            Ok(ticket)
        });
        self
    }

    /// The state of all frames at a time, [`AsOf::Time`].
    pub fn as_of(self, time: AsOf) -> Self {
        self.with(|ticket| ticket.as_of = Some(time))
    }

    /// Values for the parameters of the query: `$1`, `$2`, …, or one `?` after the other.
    ///
    /// ```
    /// # async fn example(client: shoots_client::ShootsClient) -> Result<(), shoots_client::Error> {
    /// let query = "select count(*) from nyc.flights where origin = $1 and distance > $2";
    /// let far = client.query(query).parameters(["JFK".into(), 2000.into()]).collect().await?;
    /// # Ok(()) }
    /// ```
    pub fn parameters(self, values: impl IntoIterator<Item = ParameterValue>) -> Self {
        let values = QueryParameters::from_iter(values);
        self.with(|ticket| ticket.parameters = Some(values))
    }

    /// Values for the parameters of the query that have names: `$origin`, named without the `$`.
    pub fn named_parameters<N: Into<String>>(
        self,
        values: impl IntoIterator<Item = (N, ParameterValue)>,
    ) -> Self {
        let values = QueryParameters::from_iter(values);
        self.with(|ticket| ticket.parameters = Some(values))
    }

    /// The rows as a stream. When this returns, the query is planned and its schema known.
    pub async fn stream(self) -> Result<Batches, Error> {
        get::stream(&self.connection, json(&self.ticket?)?).await
    }

    /// All rows, in the batches they come in.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        self.stream().await?.try_collect().await
    }

    /// All rows as one batch.
    pub async fn collect_one(self) -> Result<RecordBatch, Error> {
        self.stream().await?.into_one_batch().await
    }

    /// The schema that the rows would have.
    pub async fn schema(self) -> Result<SchemaRef, Error> {
        get::schema(&self.connection, json(&self.ticket?)?).await
    }

    fn with(mut self, set: impl FnOnce(&mut SqlTicket)) -> Self {
        if let Ok(ticket) = &mut self.ticket {
            set(ticket);
        }
        self
    }
}
