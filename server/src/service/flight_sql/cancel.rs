//! Cancelling: stopping what a ticket delivers.
//!
//! A client that drops its stream stops the query anyway. Who has only the `FlightInfo` can stop it too, as long as this
//! server delivers it: tickets have numbers, and what is under way is known by them. What runs elsewhere, or not at all,
//! cannot be cancelled here, and the answer says so.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, Any, Command, ProstMessageExt,
};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use futures::{TryStreamExt, stream};
use prost::Message;
use shoots_proto::ErrorKind;

use super::session::Session;
use super::{Batches, Shared, malformed, read, statement};
use crate::call::cancellable::{Cancellable, Cancellation};
use crate::status::Failure;

/// The action of Flight.
pub(super) const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
/// The action of Flight SQL before Flight had one.
pub(super) const CANCEL_QUERY: &str = "CancelQuery";

/// The statements that are delivered, by the numbers of their tickets.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunningStatements(Cancellable<u64>);

impl RunningStatements {
    /// Begins to deliver a ticket; it ends when the result is dropped.
    pub(super) fn begin(&self, id: Option<u64>) -> Run {
        Run(id.map(|id| self.0.begin(id)))
    }
}

/// A statement that is delivered.
#[derive(Debug)]
pub(super) struct Run(Option<Cancellation<u64>>);

impl Run {
    /// Does some of the work, unless it is cancelled before it is done.
    pub(super) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(told()),
            done = work => done,
        }
    }

    /// The rows until they are cancelled, which is an error and not their end.
    pub(super) fn stop_when_cancelled(self, batches: Batches) -> Batches {
        let rows = stream::try_unfold((self, batches), |(run, mut batches)| async move {
            let next = run.unless_cancelled(batches.try_next()).await?;
            Ok(next.map(|batch| (batch, (run, batches))))
        });
        Box::pin(rows)
    }

    async fn cancelled(&self) {
        match &self.0 {
            Some(cancellation) => cancellation.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

fn told() -> Failure {
    Failure::new(ErrorKind::CancelledError, "the statement was cancelled")
}

/// Answers `CancelFlightInfo`.
pub(super) fn flight_info(shared: &Shared, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let request = CancelFlightInfoRequest::decode(body);
    let request = request.map_err(|e| malformed(CANCEL_FLIGHT_INFO, e))?;
    let stopped = stop(shared, request.info.as_ref())?;
    let status = if stopped {
        CancelStatus::Cancelled
    } else {
        CancelStatus::NotCancellable
    };
    Ok(CancelFlightInfoResult::new(status).encode_to_vec())
}

/// Answers `CancelQuery`.
pub(super) fn query(shared: &Shared, body: &[u8]) -> Result<Vec<u8>, Failure> {
    /// `CANCEL_RESULT_CANCELLED` and `CANCEL_RESULT_NOT_CANCELLABLE`.
    const CANCELLED: i32 = 1;
    const NOT_CANCELLABLE: i32 = 3;
    let any = Any::decode(body).map_err(|e| malformed(CANCEL_QUERY, e))?;
    let request: Option<ActionCancelQueryRequest> =
        any.unpack().map_err(|e| malformed(CANCEL_QUERY, e))?;
    let info = request.unwrap_or_default().info;
    let info = FlightInfo::decode(info).map_err(|e| malformed(CANCEL_QUERY, e))?;
    let stopped = stop(shared, Some(&info))?;
    let result = if stopped { CANCELLED } else { NOT_CANCELLABLE };
    Ok(ActionCancelQueryResult { result }.as_any().encode_to_vec())
}

/// Stops what delivers the tickets of an info; false if nothing does.
fn stop(shared: &Shared, info: Option<&FlightInfo>) -> Result<bool, Failure> {
    let mut stopped = false;
    let endpoints = info.iter().flat_map(|info| &info.endpoint);
    for ticket in endpoints.filter_map(|endpoint| endpoint.ticket.as_ref()) {
        let Some(command @ Command::TicketStatementQuery(_)) = read("ticket", &ticket.ticket)?
        else {
            continue;
        };
        let statement = statement(&command, Session::default())?;
        let id = statement.and_then(|statement| statement.id());
        stopped |= id.is_some_and(|id| shared.statements.0.cancel(&id));
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::RecordBatch;
    use arrow_schema::Schema;
    use futures::StreamExt;

    use super::*;

    fn endless() -> Batches {
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        Box::pin(stream::iter([Ok(batch)]).chain(stream::pending()))
    }

    #[tokio::test]
    async fn only_the_ticket_that_is_meant_is_cancelled() {
        let running = RunningStatements::default();
        let mut one = running.begin(Some(1)).stop_when_cancelled(endless());
        let mut other = running.begin(Some(2)).stop_when_cancelled(endless());
        assert!(one.try_next().await.unwrap().is_some());
        assert!(running.0.cancel(&1));
        let failure = one.try_next().await.unwrap_err();
        assert!(failure.to_string().contains("cancelled"), "{failure}");
        assert!(one.try_next().await.unwrap().is_none());
        assert!(other.try_next().await.unwrap().is_some());
        drop(one);
        assert!(!running.0.cancel(&1));
    }

    #[tokio::test]
    async fn rows_end_when_they_are_all_there() {
        let running = RunningStatements::default();
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        for id in [Some(1), None] {
            let rows: Batches = Box::pin(stream::iter([Ok(batch.clone()), Ok(batch.clone())]));
            let rows = running.begin(id).stop_when_cancelled(rows);
            assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn waiting_for_a_turn_can_be_cancelled_too() {
        let running = RunningStatements::default();
        let run = running.begin(Some(7));
        let waiting = run.unless_cancelled(std::future::pending::<Result<(), Failure>>());
        assert!(running.0.cancel(&7));
        assert!(waiting.await.is_err());
    }
}
