//! The rows by which two states of a frame differ, as a get with `diff` delivers them.
//!
//! The store makes the rows, and the column `_change` that says of each whether it was added or removed. What a
//! ticket can ask for beyond that is done to them as they pass: columns, and how many to leave out and to keep.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::{TryStreamExt, stream};
use shoots_proto::{DiffRange, GetTicket};
use shoots_store::{Frame, Rows, Snapshot};

use super::get::Batches;
use crate::status::Failure;

/// The rows of a comparison, not made so far.
pub(super) struct Difference {
    rows: Rows,
    /// The columns to deliver, by their places.
    columns: Option<Vec<usize>>,
    schema: SchemaRef,
    offset: u64,
    limit: u64,
    from: Option<u64>,
}

/// What leads from one state of a frame to the other, `to`.
pub(super) async fn of(
    frame: &Frame,
    to: &Snapshot,
    ticket: &GetTicket,
    diff: &DiffRange,
) -> Result<Difference, Failure> {
    check(ticket)?;
    let from = frame.snapshot(Some(&diff.from)).await;
    let before = from.map_err(|error| error.of_state("from"))?;
    let from = before.version();
    let found = before.as_of().unwrap_or_else(|| diff.from.clone());
    let to = to.as_of();
    let rows = frame.diff_rows(&found, to.as_ref()).await?;
    let columns = match &ticket.columns {
        Some(names) => Some(places(&rows.schema(), names)?),
        None => None,
    };
    let schema = match &columns {
        Some(columns) => Arc::new(rows.schema().project(columns).map_err(internal)?),
        None => rows.schema(),
    };
    Ok(Difference {
        rows,
        columns,
        schema,
        offset: ticket.offset.unwrap_or(0),
        limit: ticket.limit.unwrap_or(u64::MAX),
        from,
    })
}

/// Refuses what would take the whole comparison to answer.
fn check(ticket: &GetTicket) -> Result<(), Failure> {
    let refused = [
        ("start", ticket.start.is_some()),
        ("stop", ticket.stop.is_some()),
        ("closed", ticket.closed.is_some()),
        ("tail", ticket.tail.is_some()),
    ];
    match refused.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let problem = "does not go with `diff`; choose among the rows that come";
            Err(Failure::invalid("ticket", Some(field), problem))
        }
        None => Ok(()),
    }
}

fn places(schema: &SchemaRef, names: &[String]) -> Result<Vec<usize>, Failure> {
    let places = names.iter().map(|name| {
        schema.index_of(name).map_err(|_| {
            let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let known = known.join(", ");
            let problem = format!("there is no column `{name}`; the columns are {known}");
            Failure::invalid("ticket", Some("columns"), problem)
        })
    });
    places.collect()
}

fn internal(error: arrow_schema::ArrowError) -> Failure {
    datafusion::error::DataFusionError::from(error).into()
}

impl Difference {
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The version that it starts from; a plain file has none.
    pub(super) fn from(&self) -> Option<u64> {
        self.from
    }

    pub(super) fn batches(self) -> Batches {
        Box::pin(stream::try_unfold(self, |mut difference| async move {
            let batch = difference.next().await?;
            Ok(batch.map(|batch| (batch, difference)))
        }))
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        while self.limit > 0
            && let Some(batch) = self.rows.try_next().await?
        {
            let rows = batch.num_rows() as u64;
            let skipped = self.offset.min(rows);
            let kept = self.limit.min(rows - skipped);
            self.offset -= skipped;
            self.limit -= kept;
            if kept == 0 {
                continue;
            }
            // Both are at most the rows of a batch.
            let batch = batch.slice(skipped as usize, kept as usize);
            return match &self.columns {
                Some(columns) => batch.project(columns).map(Some).map_err(internal),
                None => Ok(Some(batch)),
            };
        }
        Ok(None)
    }
}
