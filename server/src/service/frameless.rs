//! Tickets that name no frame: columns of several frames side by side, and queries that say themselves what they read.
//!
//! They are got and described as tickets for a frame are. What describes them names no version: they may read many frames,
//! and a get reads each in its newest state, or in the one that the ticket says.

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, SchemaResult, Ticket};
use bytes::Bytes;
use shoots_flight::EncodeOptions;
use shoots_proto::{ColumnsTicket, SqlTicket, decode};

use super::flight_sql::Answer;
use super::{Shared, check_length, json, sent};
use crate::query::{Plan, Question, Scope};
use crate::status::Failure;

/// Whether JSON is such a ticket.
pub(super) fn is_meant_by(ticket: &[u8]) -> bool {
    ColumnsTicket::is_meant_by(ticket) || SqlTicket::is_meant_by(ticket)
}

/// The JSON of a descriptor that stands for such a ticket.
pub(super) fn command(descriptor: &FlightDescriptor) -> Option<&[u8]> {
    let command = &descriptor.cmd;
    let meant = descriptor.r#type() == DescriptorType::Cmd && is_meant_by(command);
    meant.then_some(command.as_ref())
}

/// Streams the rows.
pub(super) async fn get(shared: &Shared, bytes: &[u8]) -> Result<Answer, Failure> {
    let (_, plan) = plan(shared, "ticket", bytes).await?;
    let schema = plan.schema();
    let batches = plan.run().await?;
    let options = EncodeOptions::default();
    Ok(sent(schema, batches, options))
}

/// Describes what a get delivers.
pub(super) async fn flight_info(
    shared: &Shared,
    bytes: &[u8],
    descriptor: &FlightDescriptor,
) -> Result<FlightInfo, Failure> {
    let (ticket, plan) = plan(shared, "descriptor", bytes).await?;
    let endpoint = FlightEndpoint {
        ticket: Some(Ticket { ticket }),
        ..FlightEndpoint::default()
    };
    let mut info = FlightInfo::new()
        .with_descriptor(descriptor.clone())
        .with_endpoint(endpoint)
        .with_ordered(true);
    info.schema = shoots_flight::schema_message(&plan.schema())?;
    Ok(info)
}

/// The schema of what a get delivers.
pub(super) async fn schema(shared: &Shared, bytes: &[u8]) -> Result<SchemaResult, Failure> {
    let (_, plan) = plan(shared, "descriptor", bytes).await?;
    Ok(SchemaResult {
        schema: shoots_flight::schema_message(&plan.schema())?,
    })
}

/// What leads to the rows of a ticket, and the ticket as a get is to send it.
async fn plan(shared: &Shared, what: &str, bytes: &[u8]) -> Result<(Bytes, Plan), Failure> {
    check_length(what, bytes)?;
    if SqlTicket::is_meant_by(bytes) {
        let ticket: SqlTicket = decode(what, bytes)?;
        let sent = json(&ticket)?;
        let plan = shared.queries.plan(&shared.store, question(ticket)).await?;
        return Ok((sent, plan));
    }
    let ticket: ColumnsTicket = decode(what, bytes)?;
    let plan = shared.queries.columns(&shared.store, &ticket).await?;
    Ok((json(&ticket)?, plan))
}

fn question(ticket: SqlTicket) -> Question {
    Question {
        sql: ticket.sql,
        scope: Scope {
            bucket: ticket.bucket,
            frame: None,
            as_of: ticket.as_of,
        },
        parameters: ticket
            .parameters
            .as_ref()
            .map(Into::into)
            .unwrap_or_default(),
        columns: ticket.columns,
        offset: ticket.offset,
        limit: ticket.limit,
    }
}
