//! `DoGet`: the rows of a frame, or of a query over it.
//!
//! A ticket is turned into a [`Selection`] first, which knows the schema that will be streamed, and how many
//! rows, without having read any. `GetFlightInfo` and `GetSchema` make the same selection, so what they say
//! is what a get delivers. A get without SQL does not involve the query engine.

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use futures::{Stream, TryStreamExt};
use shoots_flight::EncodeOptions;
use shoots_proto::{GetTicket, decode};
use shoots_store::{ReadOptions, Rows, Snapshot};

use super::flight_sql::check_not_flight_sql;
use super::{Shared, check_length};
use crate::query::{Plan, Question};
use crate::status::Failure;

type Batches = Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>;

/// Streams what a ticket asks for. Rows are read as they are taken; dropping the stream stops the work.
pub(super) async fn get(
    shared: Arc<Shared>,
    ticket: Ticket,
) -> Result<impl Stream<Item = Result<FlightData, Failure>> + Send + 'static, Failure> {
    let ticket = read_ticket("ticket", &ticket.ticket)?;
    let selection = Selection::of(&shared, &ticket).await?;
    let schema = selection.schema();
    let batches = selection.batches().await?;
    Ok(shoots_flight::encode(
        schema,
        batches,
        EncodeOptions::default(),
    ))
}

/// Reads a ticket, or the same JSON in a descriptor's command.
pub(super) fn read_ticket(what: &str, bytes: &[u8]) -> Result<GetTicket, Failure> {
    check_not_flight_sql(bytes)?;
    check_length(what, bytes)?;
    Ok(decode(what, bytes)?)
}

/// The rows that a ticket stands for, not read so far.
pub(super) struct Selection {
    pub(super) snapshot: Snapshot,
    source: Source,
}

enum Source {
    /// Rows as they are stored, and how many.
    Rows(Rows, u64),
    /// Rows that a query makes.
    Plan(Box<Plan>),
}

impl Selection {
    pub(super) async fn of(shared: &Shared, ticket: &GetTicket) -> Result<Self, Failure> {
        let frame = shared.store.frame(&ticket.frame());
        let snapshot = frame.snapshot(ticket.as_of.as_ref()).await?;
        let source = match &ticket.sql {
            Some(sql) => {
                let question = Question {
                    sql: sql.clone(),
                    frame: snapshot.clone(),
                    as_of: ticket.as_of.clone(),
                    columns: ticket.columns.clone(),
                    offset: ticket.offset,
                    limit: ticket.limit,
                };
                let plan = shared.queries.plan(&shared.store, question).await?;
                Source::Plan(Box::new(plan))
            }
            None => {
                let offset = ticket.offset.unwrap_or(0);
                let options = ReadOptions {
                    columns: ticket.columns.clone(),
                    offset,
                    limit: ticket.limit,
                    ..ReadOptions::default()
                };
                let after = snapshot.rows().saturating_sub(offset);
                let count = ticket.limit.map_or(after, |limit| after.min(limit));
                Source::Rows(snapshot.read(options).await?, count)
            }
        };
        Ok(Self { snapshot, source })
    }

    /// The schema of the rows.
    pub(super) fn schema(&self) -> SchemaRef {
        match &self.source {
            Source::Rows(rows, _) => rows.schema(),
            Source::Plan(plan) => plan.schema(),
        }
    }

    /// How many rows there are, if that is known without making them.
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.source {
            Source::Rows(_, count) => Some(*count),
            Source::Plan(_) => None,
        }
    }

    async fn batches(self) -> Result<Batches, Failure> {
        Ok(match self.source {
            Source::Rows(rows, _) => Box::pin(rows.map_err(Failure::from)),
            Source::Plan(plan) => Box::pin(plan.run().await?),
        })
    }
}
