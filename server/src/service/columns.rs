//! Tickets that name columns and no frame: columns of several frames side by side.
//!
//! They are got and described as tickets for a frame are. What describes them names no version: the columns may come from
//! many frames, and a get reads each in its newest state, or in the one that the ticket says.

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, SchemaResult, Ticket};
use shoots_flight::EncodeOptions;
use shoots_proto::{ColumnsTicket, decode};

use super::flight_sql::Answer;
use super::{Shared, check_length, json, sent};
use crate::query::{Asker, Plan};
use crate::status::Failure;

/// The JSON of a descriptor that stands for such a ticket.
pub(super) fn command(descriptor: &FlightDescriptor) -> Option<&[u8]> {
    let command = &descriptor.cmd;
    let meant = descriptor.r#type() == DescriptorType::Cmd && ColumnsTicket::is_meant_by(command);
    meant.then_some(command.as_ref())
}

/// Streams the columns.
pub(super) async fn get(shared: &Shared, asker: Asker, bytes: &[u8]) -> Result<Answer, Failure> {
    let (_, plan) = plan(shared, "ticket", bytes).await?;
    let schema = plan.schema();
    let batches = plan.asked_by(asker).run().await?;
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
        ticket: Some(Ticket {
            ticket: json(&ticket)?,
        }),
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

async fn plan(shared: &Shared, what: &str, bytes: &[u8]) -> Result<(ColumnsTicket, Plan), Failure> {
    check_length(what, bytes)?;
    let ticket: ColumnsTicket = decode(what, bytes)?;
    let plan = shared.queries.columns(&shared.store, &ticket).await?;
    Ok((ticket, plan))
}
