//! Flight SQL, on the same port as everything else.
//!
//! Flight SQL packs its commands and tickets into a protobuf `Any`, whose first field is the type's URL. Everything else
//! that this server reads is JSON, which cannot look like that; so [`read`] tells them apart, and each call asks it
//! first. This file says which message is answered where; one file per topic does the work.
//!
//! Nothing is remembered between calls. A statement's handle holds all that it takes to answer it ([`statement`]), and
//! the client keeps its session in a cookie ([`session`]), so that any server on the same store can answer the next
//! call. Only a cancellation looks for what runs here ([`cancel`]).

mod cancel;
mod catalog;
mod features;
mod ingest;
mod prepared;
mod session;
mod statement;
mod types;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::sql::{Any, Command};
use arrow_flight::{
    Action, ActionType, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, PutResult,
    Result as ActionAnswer, SchemaResult, Ticket,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::Stream;
use prost::Message;
use shoots_flight::{Decoder, EncodeOptions};
use shoots_proto::ErrorKind;

pub(crate) use self::cancel::RunningStatements;
use self::catalog::Listing;
pub(super) use self::session::{Session, cookie_after, cookie_beside};
use self::statement::Statement;
use super::{REQUEST_BYTES, Shared, check_length, sent};
use crate::status::Failure;

/// What the URLs of Flight SQL's types begin with.
const TYPE_URL: &str = "type.googleapis.com/arrow.flight.protocol.sql.";

/// A number that Flight does not know.
const UNKNOWN: i64 = -1;

type Batches = Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>;
pub(super) type Answer = Pin<Box<dyn Stream<Item = Result<FlightData, Failure>> + Send>>;

/// The message of Flight SQL that these bytes are; `None` if they are something else.
pub(super) fn read(what: &str, message: &[u8]) -> Result<Option<Command>, Failure> {
    if !is_flight_sql(message) {
        return Ok(None);
    }
    check_length(what, message)?;
    let any = Any::decode(message).map_err(|e| malformed(what, e))?;
    let name = any.type_url.clone();
    match Command::try_from(any).map_err(|e| malformed(&name, e))? {
        Command::Unknown(any) => Err(unavailable(any.type_url.trim_start_matches(TYPE_URL))),
        command => Ok(Some(command)),
    }
}

/// Whether these bytes begin as an `Any` of Flight SQL does: tag of field 1, length, the URL.
fn is_flight_sql(message: &[u8]) -> bool {
    const FIRST_FIELD_IS_TEXT: u8 = 0x0a;
    // The URLs of all of Flight SQL's messages are shorter than 128 bytes, so the length is one byte.
    let [FIRST_FIELD_IS_TEXT, _length, rest @ ..] = message else {
        return false;
    };
    rest.starts_with(TYPE_URL.as_bytes())
}

/// Describes what a command would give.
pub(super) async fn flight_info(
    shared: &Shared,
    session: Session,
    command: Command,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Failure> {
    let (schema, ticket) = match statement(&command, session)? {
        Some(statement) => {
            let (schema, statement) = statement.described(shared).await?;
            (schema, statement.ticket()?)
        }
        None => (Listing::of(command)?.schema()?, descriptor.cmd.clone()),
    };
    let endpoint = FlightEndpoint::new().with_ticket(Ticket { ticket });
    let mut info = FlightInfo::new()
        .with_descriptor(descriptor)
        .with_endpoint(endpoint)
        .with_ordered(true)
        .with_total_records(UNKNOWN)
        .with_total_bytes(UNKNOWN);
    info.schema = shoots_flight::schema_message(&schema)?;
    Ok(info)
}

/// The schema of what a command would give.
pub(super) async fn schema(
    shared: &Shared,
    session: Session,
    command: Command,
) -> Result<SchemaResult, Failure> {
    let schema = match statement(&command, session)? {
        Some(statement) => statement.described(shared).await?.0,
        None => Listing::of(command)?.schema()?,
    };
    Ok(SchemaResult {
        schema: shoots_flight::schema_message(&schema)?,
    })
}

/// The statement that a command is about, if it is about one.
fn statement(command: &Command, session: Session) -> Result<Option<Statement>, Failure> {
    match command {
        Command::CommandStatementQuery(command) => {
            check_no_transaction(command.transaction_id.as_ref())?;
            Ok(Some(Statement::new(&command.query, session.bucket)))
        }
        Command::CommandPreparedStatementQuery(command) => {
            Statement::read(&command.prepared_statement_handle).map(Some)
        }
        Command::TicketStatementQuery(ticket) => {
            Statement::read(&ticket.statement_handle).map(Some)
        }
        _ => Ok(None),
    }
}

/// Streams what a ticket stands for: the rows of a statement, or a listing.
pub(super) async fn get(
    shared: Arc<Shared>,
    session: Session,
    ticket: Command,
) -> Result<Answer, Failure> {
    let (schema, batches): (SchemaRef, Batches) = match statement(&ticket, session)? {
        Some(statement) => statement.rows(shared).await?,
        None => {
            let listing = Listing::of(ticket)?;
            (listing.schema()?, listing.rows(shared).await?)
        }
    };
    Ok(sent(schema, batches, EncodeOptions::default()))
}

/// Takes the rows that a command is sent with: a frame's, or parameters.
pub(super) async fn put<S>(
    shared: &Shared,
    session: Session,
    command: Command,
    batches: Decoder<S>,
) -> Result<PutResult, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send,
{
    let app_metadata = match command {
        Command::CommandStatementIngest(command) => {
            shared.check_writable("bulk ingestion")?;
            let result = ingest::ingest(shared, session, command, batches).await?;
            result.encode_to_vec()
        }
        Command::CommandPreparedStatementQuery(command) => {
            let result = prepared::bind(&command.prepared_statement_handle, batches).await?;
            result.encode_to_vec()
        }
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) => {
            return Err(Failure::Unimplemented(
                "SQL only reads here: ask queries, write rows with bulk ingestion, and change them with Shoots' own actions"
                    .into(),
            ));
        }
        other => return Err(unavailable(name(&other))),
    };
    Ok(PutResult {
        app_metadata: app_metadata.into(),
    })
}

/// Flight SQL's actions that are answered, with what they do.
const ACTIONS: &[(&str, &str)] = &[
    (
        prepared::CREATE,
        "Flight SQL: looks at a query and gives a handle for it",
    ),
    (prepared::CLOSE, "Flight SQL: gives a handle up"),
    (
        cancel::CANCEL_FLIGHT_INFO,
        "Flight SQL: stops a query that is delivered by this server",
    ),
    (
        cancel::CANCEL_QUERY,
        "Flight SQL: the older form of CancelFlightInfo",
    ),
    (
        session::SET,
        "Flight SQL: chooses the bucket (`schema`) of names that say none",
    ),
    (session::GET, "Flight SQL: tells catalog and schema"),
    (
        session::CLOSE,
        "Flight SQL: goes back to the default bucket",
    ),
];

/// Flight SQL's actions that change or plan what is not to be changed or planned here.
const REFUSED_ACTIONS: &[&str] = &[
    "BeginSavepoint",
    "BeginTransaction",
    "CreatePreparedSubstraitPlan",
    "EndSavepoint",
    "EndTransaction",
];

/// Describes the actions.
pub(super) fn actions() -> impl Iterator<Item = ActionType> {
    ACTIONS.iter().map(|(name, description)| ActionType {
        r#type: (*name).to_owned(),
        description: (*description).to_owned(),
    })
}

/// Whether an action of this name is one of Flight SQL's.
pub(super) fn is_action(name: &str) -> bool {
    ACTIONS.iter().any(|(action, _)| *action == name) || REFUSED_ACTIONS.contains(&name)
}

/// Does one of Flight SQL's actions.
pub(super) async fn act(
    shared: &Shared,
    session: Session,
    action: Action,
) -> Result<Option<ActionAnswer>, Failure> {
    let Action { r#type: name, body } = action;
    check_length(&name, &body)?;
    let answer = match name.as_str() {
        prepared::CREATE => prepared::create(shared, session, &body).await?,
        prepared::CLOSE => return Ok(None),
        cancel::CANCEL_FLIGHT_INFO => cancel::flight_info(shared, &body)?,
        cancel::CANCEL_QUERY => cancel::query(shared, &body)?,
        session::SET => session::set(&session, &body)?,
        session::GET => session::get(&session),
        session::CLOSE => session::close(),
        other => return Err(unavailable(other)),
    };
    Ok(Some(ActionAnswer {
        body: answer.into(),
    }))
}

/// Refuses what is to be part of a transaction.
fn check_no_transaction(id: Option<&Bytes>) -> Result<(), Failure> {
    match id {
        Some(id) if !id.is_empty() => Err(unavailable("a transaction")),
        _ => Ok(()),
    }
}

fn unavailable(what: &str) -> Failure {
    let reason = if what.contains("Substrait") {
        "plans are not accepted, only SQL"
    } else if what.contains("ransaction") || what.contains("avepoint") {
        "every put is a commit of its own, and a query reads one state of each frame"
    } else {
        "this server does not know it"
    };
    Failure::Unimplemented(format!(
        "Flight SQL: {what} is not available here: {reason}"
    ))
}

fn malformed(what: &str, problem: impl std::fmt::Display) -> Failure {
    Failure::invalid(
        what,
        None,
        format!("is no message of Flight SQL: {problem}"),
    )
}

fn defect(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::InternalError, problem.to_string())
}

/// A message's name without what all begin with.
fn name(command: &Command) -> &str {
    command.type_url().trim_start_matches(TYPE_URL)
}
