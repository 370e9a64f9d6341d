//! Getting columns of several frames at once.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::TryStreamExt;
use shoots_proto::{AsOf, Closed, ColumnsTicket, IndexValue};

use crate::connection::{Connection, json};
use crate::frame::bucket_name;
use crate::{Batches, Error, get};

/// A get of columns in the making; from [`ShootsClient::columns`](crate::ShootsClient::columns).
///
/// A column is named alone where only one frame of the bucket has it, else as `frame.column` or
/// `bucket.frame.column`; `frame.*` are all of a frame. The frames have to share an index, which comes first.
#[derive(Debug)]
#[must_use = "nothing is sent before `stream`, `collect`, `collect_one` or `schema`"]
pub struct ColumnsRequest {
    connection: Arc<Connection>,
    ticket: Result<ColumnsTicket, Error>,
}

impl ColumnsRequest {
    pub(crate) fn new<C: Into<String>>(
        connection: Arc<Connection>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            connection,
            ticket: Ok(ColumnsTicket::new(columns)),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut ColumnsTicket)) -> Self {
        if let Ok(ticket) = &mut self.ticket {
            set(ticket);
        }
        self
    }

    /// The bucket of frames that are named without one, instead of the default bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.ticket = self.ticket.and_then(|ticket| {
            Ok(ColumnsTicket {
                bucket: Some(bucket_name(bucket)?),
                ..ticket
            })
        });
        self
    }

    /// Only these frames of the bucket are looked into: names, in which `*` stands for any text.
    pub fn frames<F: Into<String>>(self, frames: impl IntoIterator<Item = F>) -> Self {
        let frames = frames.into_iter().map(Into::into).collect();
        self.with(|ticket| ticket.frames = Some(frames))
    }

    /// Only rows that are not before this in the index.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|ticket| ticket.start = Some(start.into()))
    }

    /// Only rows that are before this in the index, unless [`closed`](Self::closed) says otherwise.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|ticket| ticket.stop = Some(stop.into()))
    }

    /// Which of the given ends belong to the range; `start` alone if it is not said.
    pub fn closed(self, closed: Closed) -> Self {
        self.with(|ticket| ticket.closed = Some(closed))
    }

    /// At most this many rows.
    pub fn limit(self, rows: u64) -> Self {
        self.with(|ticket| ticket.limit = Some(rows))
    }

    /// Without this many rows at the beginning.
    pub fn offset(self, rows: u64) -> Self {
        self.with(|ticket| ticket.offset = Some(rows))
    }

    /// The frames as they were at a time, or at a tag that all of them have.
    pub fn as_of(self, state: AsOf) -> Self {
        self.with(|ticket| ticket.as_of = Some(state))
    }

    /// The rows as a stream. When this returns, the server has accepted the request and said the schema.
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
}
