//! `DoGet`: the rows of a frame, or of a query over it.
//!
//! A ticket is turned into a [`Selection`] first, which knows the schema that will be streamed, and how many
//! rows, without having read any. `GetFlightInfo` and `GetSchema` make the same selection, so what they say
//! is what a get delivers. A get without SQL does not involve the query engine.

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::Ticket;
use arrow_schema::SchemaRef;
use futures::{Stream, TryStreamExt};
use serde_json::Value;
use shoots_flight::EncodeOptions;
use shoots_proto::action::Resampling;
use shoots_proto::{AsOf, GetTicket, decode};
use shoots_store::{ErrorKind, ReadOptions, Rows, Snapshot};

use super::action::resample::wrong;
use super::difference::{self, Difference};
use super::flight_sql::{self, Answer, Session};
use super::{Shared, check_length, info, sent};
use super::{frameless, same_machine};
use crate::access::ReadableFrame;
use crate::call::record::noted;
use crate::query::{Part, Plan, Question, Scope};
use crate::resample::{Range, Request, Resample, ResampleTable};
use crate::status::Failure;

pub(super) type Batches = Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>;

/// Streams what a ticket asks for. Rows are read as they are taken; dropping the stream stops the work.
pub(super) async fn get(
    shared: Arc<Shared>,
    session: Result<Session, Failure>,
    ticket: Ticket,
) -> Result<Answer, Failure> {
    const WHAT: &str = "ticket";
    if let Some(command) = flight_sql::read(WHAT, &ticket.ticket)? {
        return Box::pin(flight_sql::get(shared, session?, command)).await;
    }
    if frameless::is_meant_by(&ticket.ticket) {
        return frameless::get(&shared, &ticket.ticket).await;
    }
    let ticket = read_ticket(WHAT, &ticket.ticket)?;
    let selection = Selection::of(&shared, &ticket).await?;
    let mut options = EncodeOptions::default();
    if is_worth_telling(&selection.snapshot) {
        options = options.with_app_metadata(info::summary(&selection.snapshot)?);
    }
    if let Some(files) = same_machine::files_for(&shared, &ticket) {
        return same_machine::get(files, selection, &ticket, options).await;
    }
    let schema = selection.schema();
    let batches = selection.batches().await?;
    Ok(sent(schema, batches, options))
}

/// Whether the first message of a read says what is read: that it is not the newest, or what its commit says.
fn is_worth_telling(snapshot: &Snapshot) -> bool {
    let noted = snapshot.message().is_some() || snapshot.author().is_some();
    snapshot.is_stale() || noted || snapshot.metadata().is_some()
}

/// Reads a ticket, or the same JSON in a descriptor's command.
pub(super) fn read_ticket(what: &str, bytes: &[u8]) -> Result<GetTicket, Failure> {
    check_length(what, bytes)?;
    Ok(decode(what, bytes)?)
}

/// The rows that a ticket stands for, not read so far.
pub(super) struct Selection {
    pub(super) snapshot: Snapshot,
    source: Source,
}

enum Source {
    /// Rows as they are stored, and how many if that is known.
    Rows(Rows, Option<u64>),
    /// Rows that a query makes.
    Plan(Box<Plan>),
    /// Rows by which two states differ.
    Difference(Difference),
}

impl Selection {
    pub(super) async fn of(shared: &Shared, ticket: &GetTicket) -> Result<Self, Failure> {
        noted(|record| record.note_frame(&ticket.frame()));
        let frame = shared.store.read(&ticket.frame())?;
        let snapshot = state(&frame, ticket).await?;
        if let Some(resampling) = &ticket.resample {
            let plan = resample(shared, &snapshot, ticket, resampling).await?;
            let source = Source::Plan(Box::new(plan));
            return Ok(Self { snapshot, source });
        }
        let source = match (&ticket.sql, &ticket.diff) {
            (Some(sql), _) => {
                let question = Question {
                    sql: sql.clone(),
                    scope: Scope::of(&snapshot, ticket.as_of.clone()),
                    parameters: ticket
                        .parameters
                        .as_ref()
                        .map(Into::into)
                        .unwrap_or_default(),
                    columns: ticket.columns.clone(),
                    offset: ticket.offset,
                    limit: ticket.limit,
                };
                let plan = shared.queries.plan(&shared.store, question).await?;
                Source::Plan(Box::new(plan))
            }
            (None, Some(diff)) => {
                Source::Difference(difference::of(&frame, &snapshot, ticket, diff).await?)
            }
            (None, None) => {
                let rows = snapshot.read(read_options(ticket)).await?;
                Source::Rows(rows, count(ticket, snapshot.rows()))
            }
        };
        Ok(Self { snapshot, source })
    }

    /// The schema of the rows.
    pub(super) fn schema(&self) -> SchemaRef {
        match &self.source {
            Source::Rows(rows, _) => rows.schema(),
            Source::Plan(plan) => plan.schema(),
            Source::Difference(difference) => difference.schema(),
        }
    }

    /// How many rows there are, if that is known without making them.
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.source {
            Source::Rows(_, count) => *count,
            Source::Plan(_) | Source::Difference(_) => None,
        }
    }

    pub(super) async fn batches(self) -> Result<Batches, Failure> {
        Ok(match self.source {
            Source::Rows(rows, _) => Box::pin(rows.map_err(Failure::from)),
            Source::Plan(plan) => Box::pin(plan.run().await?),
            Source::Difference(difference) => difference.batches(),
        })
    }

    /// The version that rows are compared with, if they are and it has a number.
    pub(super) fn compared_with(&self) -> Option<u64> {
        match &self.source {
            Source::Difference(difference) => difference.from(),
            Source::Rows(..) | Source::Plan(_) => None,
        }
    }
}

/// The state that a ticket is for. Who accepts it gets the newest one at hand while the storage is away.
async fn state(frame: &ReadableFrame, ticket: &GetTicket) -> Result<Snapshot, Failure> {
    let (field, as_of) = match &ticket.diff {
        Some(diff) => ("to", diff.to.as_ref()),
        None => ("as_of", ticket.as_of.as_ref()),
    };
    let away = match frame.snapshot(as_of).await {
        Err(error) if ticket.allow_stale && error.kind() == ErrorKind::Io => error,
        outcome => return Ok(outcome.map_err(|error| error.of_state(field))?),
    };
    match frame.cached_snapshot().await {
        Ok(Some(snapshot)) if is_meant(&snapshot, as_of) => Ok(snapshot),
        _ => Err(away.into()),
    }
}

/// Whether a state is the one that is asked for, as far as it tells itself.
fn is_meant(snapshot: &Snapshot, as_of: Option<&AsOf>) -> bool {
    match as_of {
        None => true,
        Some(AsOf::Version(version)) => u64::try_from(*version).ok() == snapshot.version(),
        Some(_) => false,
    }
}

/// Bins of time in place of the rows.
async fn resample(
    shared: &Shared,
    snapshot: &Snapshot,
    ticket: &GetTicket,
    resampling: &Resampling,
) -> Result<Plan, Failure> {
    let request = Request {
        snapshot: snapshot.clone(),
        resampling: resampling.clone(),
        range: Range {
            start: ticket.start.clone().map(Value::from),
            stop: ticket.stop.clone().map(Value::from),
            closed: ticket.closed.unwrap_or_default(),
        },
    };
    let resample = Resample::new(request);
    let resample = resample.map_err(|problem| wrong("ticket", Some("resample"), problem))?;
    let table = Arc::new(ResampleTable::new(resample));
    let part = Part {
        columns: ticket.columns.clone(),
        offset: ticket.offset,
        limit: ticket.limit,
    };
    shared.queries.plan_table(table, part).await
}

pub(super) fn read_options(ticket: &GetTicket) -> ReadOptions {
    ReadOptions {
        columns: ticket.columns.clone(),
        start: ticket.start.clone().map(Value::from),
        stop: ticket.stop.clone().map(Value::from),
        closed: ticket.closed.unwrap_or_default(),
        offset: ticket.offset.unwrap_or(0),
        limit: ticket.limit,
        tail: ticket.tail,
        ..ReadOptions::default()
    }
}

/// How many of `rows` a ticket asks for; how many lie in a range shows only when it is read.
fn count(ticket: &GetTicket, rows: u64) -> Option<u64> {
    if ticket.start.is_some() || ticket.stop.is_some() {
        return None;
    }
    let after = rows.saturating_sub(ticket.offset.unwrap_or(0));
    let most = ticket.limit.or(ticket.tail);
    Some(most.map_or(after, |most| after.min(most)))
}
