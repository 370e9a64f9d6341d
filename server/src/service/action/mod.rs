//! `DoAction` and `ListActions`: the verbs besides putting and getting.
//!
//! What exchanges frames with other stores is in [`super::sync`].
//!
//! [`act`] is the table of them: one line leads from each name of the contract to the function that does it. The
//! functions stand in one file per topic, as their requests do in `shoots-proto`. Each takes a request that was
//! read by its type, and gives a result; none knows of Flight or of JSON.

mod bucket;
mod columns;
mod combine;
mod compaction;
mod continuous;
mod frame;
mod health;
mod history;
pub(super) mod resample;
mod retention;
mod rows;
mod snapshots;
mod tags;
#[cfg(test)]
mod turns;

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::{Action, ActionType, Result as ActionAnswer};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoots_proto::action::{
    self, ACTIONS, CancelRequest, CancelResult, CloneRequest, FetchRequest, MergeRequest,
    PullRequest, PushRequest, ShutdownRequest, ShutdownResult,
};
use shoots_proto::{ErrorKind, decode, decode_or_default};
use tracing::info;

use super::flight_sql::{self, Session};
use super::sync::{alive, peer, remotes, verbs};
use super::{Shared, check_length, json};
use crate::access::action::{Need, need};
use crate::call::record::{Record, noted};
use crate::status::Failure;

/// What metrics and the log call actions that are not the contract's: those of Flight SQL, and what is no action.
const FLIGHT_SQL: &str = "flight_sql";
const OTHER: &str = "other";

type ActionAnswers = Pin<Box<dyn Stream<Item = Result<ActionAnswer, Failure>> + Send>>;

/// What metrics and the log call an action: its name, if it is one of the contract's.
pub(super) fn label(name: &str) -> &'static str {
    let known = ACTIONS.iter().find(|action| action.name == name);
    match known {
        Some(action) => action.name,
        None if flight_sql::is_action(name) => FLIGHT_SQL,
        None => OTHER,
    }
}

/// All that [`label`] says.
pub(crate) fn labels() -> impl Iterator<Item = &'static str> {
    let known = ACTIONS.iter().map(|action| action.name);
    known.chain([FLIGHT_SQL, OTHER])
}

/// Describes every action.
pub(super) fn list() -> impl Stream<Item = Result<ActionType, Failure>> + Send + 'static {
    let own = ACTIONS.iter().map(|action| ActionType {
        r#type: action.name.to_owned(),
        description: action.description.to_owned(),
    });
    stream::iter(own.chain(flight_sql::actions()).map(Ok))
}

/// Does one action and gives its answers: one, or a stream from those that move frames or bytes.
pub(super) async fn act(
    shared: Arc<Shared>,
    session: Result<Session, Failure>,
    request: Action,
) -> Result<ActionAnswers, Failure> {
    if flight_sql::is_action(&request.r#type) {
        let answer = Box::pin(flight_sql::act(&shared, session?, request)).await?;
        return Ok(Box::pin(stream::iter(answer.map(Ok))));
    }
    let Action { r#type: name, body } = request;
    check_length("action", &body)?;
    admit(&shared, &name)?;
    match name.as_str() {
        action::CLONE => return verbs::run::<CloneRequest>(shared, action::CLONE, &body).await,
        action::FETCH => return verbs::run::<FetchRequest>(shared, action::FETCH, &body).await,
        action::MERGE => return verbs::run::<MergeRequest>(shared, action::MERGE, &body).await,
        action::PULL => return verbs::run::<PullRequest>(shared, action::PULL, &body).await,
        action::PUSH => return verbs::run::<PushRequest>(shared, action::PUSH, &body).await,
        action::SYNC_HISTORY => {
            let request = decode(action::SYNC_HISTORY, &body)?;
            return Ok(Box::pin(alive(peer::history(shared, request))));
        }
        action::SYNC_LIST => {
            let request = decode(action::SYNC_LIST, &body)?;
            return Ok(Box::pin(alive(peer::list(shared, request))));
        }
        action::SYNC_READ => {
            let request = decode(action::SYNC_READ, &body)?;
            return Ok(Box::pin(alive(peer::read(shared, request))));
        }
        _ => {}
    }
    let call = Call { shared, body };
    match name.as_str() {
        action::SYNC_FRAMES => {
            return Ok(one(
                call.answer_or_default(action::SYNC_FRAMES, peer::frames)
            ));
        }
        action::SYNC_HAVE => return Ok(one(call.answer(action::SYNC_HAVE, peer::have))),
        action::SYNC_HEAD => return Ok(one(call.answer(action::SYNC_HEAD, peer::head))),
        _ => {}
    }
    let answer = match name.as_str() {
        action::ADD_REMOTE => call.answer(action::ADD_REMOTE, remotes::add).await,
        action::ALTER => call.answer(action::ALTER, columns::alter).await,
        action::BUCKETS => call.answer_or_default(action::BUCKETS, bucket::list).await,
        action::CANCEL => call.answer(action::CANCEL, cancel).await,
        action::COMBINE => call.answer(action::COMBINE, combine::combine).await,
        action::COMPACT => call.answer(action::COMPACT, compaction::compact).await,
        action::CONTINUOUS => {
            call.answer_or_default(action::CONTINUOUS, continuous::continuous)
                .await
        }
        action::COPY => call.answer(action::COPY, frame::copy).await,
        action::DELETE => call.answer(action::DELETE, frame::delete).await,
        action::DELETE_BUCKET => call.answer(action::DELETE_BUCKET, bucket::delete).await,
        action::DELETE_ROWS => call.answer(action::DELETE_ROWS, rows::delete).await,
        action::DESCRIBE => call.answer(action::DESCRIBE, frame::describe).await,
        action::DIFF => call.answer(action::DIFF, history::diff).await,
        action::DROP_SNAPSHOT => call.answer(action::DROP_SNAPSHOT, snapshots::drop).await,
        action::EXPIRE => call.answer(action::EXPIRE, retention::expire).await,
        action::FILES => call.answer(action::FILES, frame::files).await,
        action::FORGET => call.answer(action::FORGET, retention::forget).await,
        action::LOG => call.answer(action::LOG, history::log).await,
        action::PING => Ok(Bytes::from_static(action::PING_REPLY)),
        action::PURGE => call.answer(action::PURGE, retention::purge).await,
        action::REMOTES => call.answer_or_default(action::REMOTES, remotes::list).await,
        action::REMOVE_REMOTE => call.answer(action::REMOVE_REMOTE, remotes::remove).await,
        action::RENAME => call.answer(action::RENAME, frame::rename).await,
        action::RESAMPLE => call.answer(action::RESAMPLE, resample::resample).await,
        action::RESTORE => call.answer(action::RESTORE, history::restore).await,
        action::RETENTION => call.answer(action::RETENTION, retention::retention).await,
        action::SHUTDOWN => call.answer_or_default(action::SHUTDOWN, shut_down).await,
        action::SNAPSHOT => call.answer(action::SNAPSHOT, snapshots::take).await,
        action::SNAPSHOTS => {
            call.answer_or_default(action::SNAPSHOTS, snapshots::list)
                .await
        }
        action::SWEEP => call.answer(action::SWEEP, retention::sweep).await,
        action::TAG => call.answer(action::TAG, tags::tag).await,
        action::TAGS => call.answer(action::TAGS, tags::list).await,
        action::UNDELETE => call.answer(action::UNDELETE, frame::undelete).await,
        action::UNTAG => call.answer(action::UNTAG, tags::untag).await,
        action::USAGE => call.answer_or_default(action::USAGE, health::usage).await,
        action::VERIFY => call.answer_or_default(action::VERIFY, health::verify).await,
        other => Err(unknown(other)),
    };
    let answer = ActionAnswer { body: answer? };
    Ok(Box::pin(stream::iter([Ok(answer)])))
}

/// The only answer of some work that another server waits for.
fn one(answer: impl Future<Output = Result<Bytes, Failure>> + Send + 'static) -> ActionAnswers {
    let answer = async {
        answer
            .await
            .map(|body| stream::iter([Ok(ActionAnswer { body })]))
    };
    Box::pin(alive(answer))
}

/// Refuses what is an admin's alone, and logs it where it is not refused. What else an action needs, the store asks for.
fn admit(shared: &Shared, action: &str) -> Result<(), Failure> {
    let access = shared.store.access();
    match need(action) {
        None => return Err(unknown(action)),
        Some(Need::Admin) => {
            access.require_admin(&format!("ask for `{action}`"))?;
            info!(action, by = access.subject(), "asked for by an admin");
        }
        Some(Need::Token | Need::Listing | Need::Read | Need::Write | Need::ReadAndWrite) => {}
    }
    Ok(())
}

/// An action with its body still to be read.
struct Call {
    shared: Arc<Shared>,
    body: Bytes,
}

impl Call {
    /// Reads the body, does the action, and writes what it gives.
    async fn answer<Q: DeserializeOwned, A: Serialize, F>(
        self,
        name: &str,
        act: impl FnOnce(Arc<Shared>, Q) -> F,
    ) -> Result<Bytes, Failure>
    where
        F: Future<Output = Result<A, Failure>>,
    {
        json(&act(self.shared, decode(name, &self.body)?).await?)
    }

    /// The same for a request that need not say anything, and then need not have a body.
    async fn answer_or_default<Q: DeserializeOwned + Default, A: Serialize, F>(
        self,
        name: &str,
        act: impl FnOnce(Arc<Shared>, Q) -> F,
    ) -> Result<Bytes, Failure>
    where
        F: Future<Output = Result<A, Failure>>,
    {
        json(&act(self.shared, decode_or_default(name, &self.body)?).await?)
    }
}

/// Ends other calls.
async fn cancel(
    shared: Arc<Shared>,
    CancelRequest { call }: CancelRequest,
) -> Result<CancelResult, Failure> {
    let cancelled = shared.calls.cancel(&call);
    Ok(CancelResult { cancelled })
}

/// Answers first and stops then: this call is one of those that may still finish.
async fn shut_down(
    shared: Arc<Shared>,
    ShutdownRequest {}: ShutdownRequest,
) -> Result<ShutdownResult, Failure> {
    shared.stop.request();
    Ok(ShutdownResult::received())
}

/// Carries a change to its end even if the caller goes away: work that others wait for does not stop halfway.
pub(super) async fn carry_through<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    let committing = noted(Record::commits);
    let done = tokio::spawn(change).await;
    drop(committing);
    match done {
        Ok(done) => done.map_err(Into::into),
        Err(error) => Err(Failure::new(
            ErrorKind::OutcomeUnknownError,
            format!(
                "the change was interrupted ({error}); look whether it took effect, then ask again"
            ),
        )),
    }
}

fn unknown(action: &str) -> Failure {
    let known: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    let problem = format!(
        "there is no action {action:?}; the actions are {}",
        known.join(", ")
    );
    Failure::invalid("action", Some("type"), problem)
}
