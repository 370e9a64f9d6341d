//! Prepared statements, of which the server keeps nothing.
//!
//! To prepare a statement is to look at it: it is planned, and the client is told the columns of its result and the types
//! of its parameters as far as the query tells them. Its handle is the statement itself. Binding parameters makes
//! another handle, which has them, and which the client uses from then on (Flight SQL's way for servers that keep nothing;
//! a client that goes on with the first handle is told that its parameters have no values).

use arrow_flight::FlightData;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any,
    DoPutPreparedStatementResult, ProstMessageExt,
};
use futures::Stream;
use prost::Message;
use shoots_flight::Decoder;

use super::session::Session;
use super::statement::{self, Statement};
use super::{Shared, check_no_transaction, malformed};
use crate::status::Failure;

/// The action that prepares a statement.
pub(super) const CREATE: &str = "CreatePreparedStatement";
/// The action that gives one up, for which there is nothing to do.
pub(super) const CLOSE: &str = "ClosePreparedStatement";

/// Looks at a statement and gives a handle for it.
pub(super) async fn create(
    shared: &Shared,
    session: Session,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let any = Any::decode(body).map_err(|e| malformed(CREATE, e))?;
    let request: Option<ActionCreatePreparedStatementRequest> =
        any.unpack().map_err(|e| malformed(CREATE, e))?;
    let Some(request) = request else {
        let problem = format!(
            "its body is not {}",
            ActionCreatePreparedStatementRequest::type_url()
        );
        return Err(malformed(CREATE, problem));
    };
    check_no_transaction(request.transaction_id.as_ref())?;
    let statement = Statement::new(&request.query, session.bucket);
    let plan = statement.looked_at(shared).await?;
    let result = ActionCreatePreparedStatementResult {
        prepared_statement_handle: statement.handle()?,
        dataset_schema: shoots_flight::schema_message(&plan.schema())?,
        parameter_schema: shoots_flight::schema_message(&plan.parameters())?,
    };
    Ok(result.as_any().encode_to_vec())
}

/// Gives a handle for the same statement with these parameters.
pub(super) async fn bind<S>(
    handle: &[u8],
    batches: Decoder<S>,
) -> Result<DoPutPreparedStatementResult, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>>,
{
    let parameters = statement::collect(batches).await?;
    let bound = Statement::read(handle)?.bound(parameters);
    Ok(DoPutPreparedStatementResult {
        prepared_statement_handle: Some(bound.handle()?),
    })
}
