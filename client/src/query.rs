//! Queries that name their frames themselves, by Flight SQL.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::TryStreamExt;
use prost::Message;
use shoots_flight::read_schema_message;
use shoots_proto::{BucketName, ErrorKind};
use tonic::metadata::{Ascii, MetadataValue};

use crate::connection::{Connection, answer};
use crate::frame::bucket_name;
use crate::{Batches, Error, get};

/// A query in the making; from [`ShootsClient::query`](crate::ShootsClient::query).
#[derive(Debug)]
#[must_use = "nothing is sent before `stream`, `collect`, `collect_one` or `schema`"]
pub struct QueryRequest {
    connection: Arc<Connection>,
    sql: String,
    bucket: Result<Option<BucketName>, Error>,
}

impl QueryRequest {
    pub(crate) fn new(connection: Arc<Connection>, sql: String) -> Self {
        Self {
            connection,
            sql,
            bucket: Ok(None),
        }
    }

    /// The bucket of frames that the query names without one, instead of the default bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = bucket_name(bucket).map(Some);
        self
    }

    /// The rows as a stream. When this returns, the query is planned and its schema known.
    pub async fn stream(self) -> Result<Batches, Error> {
        let connection = Arc::clone(&self.connection);
        let info = self.info().await?;
        let ticket = info.endpoint.into_iter().find_map(|end| end.ticket);
        let Some(ticket) = ticket else {
            return Err(Error::unexpected("query", "it has no ticket"));
        };
        get::stream(&connection, ticket.ticket).await
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
        let info = self.info().await?;
        Ok(Arc::new(read_schema_message(&info.schema)?))
    }

    async fn info(self) -> Result<FlightInfo, Error> {
        let session = session(self.bucket?.as_ref())?;
        let command = CommandStatementQuery {
            query: self.sql,
            transaction_id: None,
        };
        let command = Bytes::from(command.as_any().encode_to_vec());
        let connection = self.connection;
        connection
            .open("query", || async {
                let descriptor = FlightDescriptor::new_cmd(command.clone());
                let mut request = connection.request(descriptor);
                if let Some(session) = &session {
                    request.metadata_mut().insert("cookie", session.clone());
                }
                answer(connection.flight().get_flight_info(request).await)
            })
            .await
    }
}

/// The cookie in which a server looks for the bucket of names without one.
fn session(bucket: Option<&BucketName>) -> Result<Option<MetadataValue<Ascii>>, Error> {
    let Some(bucket) = bucket else {
        return Ok(None);
    };
    let cookie = format!("shoots-schema={}", bucket.encoded().replace(' ', "+"));
    let value = cookie.parse().map_err(|_| {
        let problem = format!("the bucket's name {bucket} cannot be sent");
        Error::new(ErrorKind::InvalidRequestError, problem)
    })?;
    Ok(Some(value))
}
