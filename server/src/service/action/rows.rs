//! What is done to single rows: `delete_rows`.

use std::sync::Arc;

use serde_json::Value;
use shoots_proto::action::{DeleteRowsRequest, DeleteRowsResult};
use shoots_store::{Condition, RowsToDelete};
use tracing::info;

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Deletes rows by a range of the index, by a condition, or by both.
pub(super) async fn delete(
    shared: Arc<Shared>,
    request: DeleteRowsRequest,
) -> Result<DeleteRowsResult, Failure> {
    shared.check_writable("to delete rows")?;
    let id = request.frame();
    let frame = shared.store.write(&id, request.note())?;
    let frame = frame.request_id(request.request_id);
    let condition = match &request.predicate {
        Some(sql) => Some(Arc::new(shared.queries.condition(&id, sql)?)),
        None => None,
    };
    let rows = RowsToDelete {
        start: request.start.map(Value::from),
        stop: request.stop.map(Value::from),
        closed: request.closed.unwrap_or_default(),
        condition: condition.clone().map(|sql| sql as Arc<dyn Condition>),
    };
    let deleted = carry_through(async move { frame.delete_rows(rows).await }).await;
    let result = deleted.map_err(|failure| {
        // The store passes on the words of a condition, and not what kind of failure it was.
        let own = condition.and_then(|condition| condition.failure());
        own.unwrap_or(failure)
    })?;
    info!(frame = %id, rows = result.rows_removed, "rows deleted");
    Ok(result)
}
