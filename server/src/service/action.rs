//! `DoAction` and `ListActions`: the verbs besides putting and getting.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::{Action, ActionType, Result as ActionAnswer};
use bytes::Bytes;
use futures::{Stream, stream};
use shoots_proto::action::{
    self, ACTIONS, BucketsRequest, DeleteBucketRequest, DeleteBucketResult, DeleteRequest,
    DeleteResult, ShutdownRequest, ShutdownResult,
};
use shoots_proto::{BucketDeleteMode, decode, decode_or_default};
use tracing::info;

use super::{Shared, check_length, json};
use crate::status::Failure;

type ActionAnswers = Pin<Box<dyn Stream<Item = Result<ActionAnswer, Failure>> + Send>>;

/// Describes every action.
pub(super) fn list() -> impl Stream<Item = Result<ActionType, Failure>> + Send + 'static {
    stream::iter(ACTIONS.iter().map(|action| {
        Ok(ActionType {
            r#type: action.name.to_owned(),
            description: action.description.to_owned(),
        })
    }))
}

/// Does one action and gives its one answer.
pub(super) async fn act(shared: Arc<Shared>, request: Action) -> Result<ActionAnswers, Failure> {
    let body = &request.body;
    check_length("action", body)?;
    let answer = match request.r#type.as_str() {
        action::PING => Bytes::from_static(action::PING_REPLY),
        action::DELETE => json(&delete(&shared, decode(action::DELETE, body)?).await?)?,
        action::DELETE_BUCKET => {
            let request = decode(action::DELETE_BUCKET, body)?;
            json(&delete_bucket(&shared, request).await?)?
        }
        action::BUCKETS => {
            let BucketsRequest {} = decode_or_default(action::BUCKETS, body)?;
            json(&shared.store.buckets().await?)?
        }
        action::SHUTDOWN => {
            let ShutdownRequest {} = decode_or_default(action::SHUTDOWN, body)?;
            return shut_down(shared);
        }
        other => return Err(unknown(other)),
    };
    let answer = ActionAnswer { body: answer };
    Ok(Box::pin(stream::iter([Ok(answer)])))
}

async fn delete(shared: &Shared, request: DeleteRequest) -> Result<DeleteResult, Failure> {
    shared.check_writable("to delete a frame")?;
    let id = request.frame();
    shared.store.frame(&id).delete().await?;
    info!(frame = %id, "deleted");
    Ok(DeleteResult {
        success: true,
        message: format!("frame {id} is deleted"),
    })
}

async fn delete_bucket(
    shared: &Shared,
    request: DeleteBucketRequest,
) -> Result<DeleteBucketResult, Failure> {
    shared.check_writable("to delete a bucket")?;
    let DeleteBucketRequest { name, mode } = request;
    let frames = shared.store.delete_bucket(&name, mode).await?;
    info!(bucket = %name, frames, "deleted");
    let message = match mode {
        BucketDeleteMode::Error => format!("bucket {name} is deleted"),
        BucketDeleteMode::Delete => format!("bucket {name} is deleted, with {frames} frame(s)"),
    };
    Ok(DeleteBucketResult { message })
}

/// Answers first and stops then: this call is one of those that may still finish.
fn shut_down(shared: Arc<Shared>) -> Result<ActionAnswers, Failure> {
    info!("asked to shut down by a caller");
    let answer = ActionAnswer {
        body: json(&ShutdownResult::received())?,
    };
    shared.stop.request();
    Ok(Box::pin(stream::iter([Ok(answer)])))
}

fn unknown(action: &str) -> Failure {
    let known: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    let problem = format!(
        "there is no action {action:?}; the actions are {}",
        known.join(", ")
    );
    Failure::invalid("action", Some("type"), problem)
}
