//! What callers have moved: `clone`, `fetch`, `pull`, `push`, `merge`.
//!
//! The answer is a stream: progress as it comes, and last what was done. Whoever drops it stops the transfer, which
//! leaves nothing half done; the next one goes on from there. Where many frames are moved, one that fails is told with
//! its problem and does not hinder the others.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::Result as ActionAnswer;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, stream};
use serde::de::DeserializeOwned;
use shoots_proto::action::{
    CloneRequest, FetchRequest, FrameSelection, MergeRequest, PullRequest, PushRequest, SyncAnswer,
    SyncOutcome, SyncProgress, SyncResult, SyncedFrame,
};
use shoots_proto::{ErrorBody, ErrorKind, FrameId, RemoteName, decode};
use shoots_store::{ProgressReceiver, ProgressSink, Travellers};
use tracing::info;

use super::transfer::{Transfer, Verb};
use crate::pattern;
use crate::service::{Shared, json};
use crate::status::Failure;

type Answers = Pin<Box<dyn Stream<Item = Result<ActionAnswer, Failure>> + Send>>;

/// A request as this file needs it: which frames, between here and where, and what is done to them.
pub(in crate::service) trait Request:
    DeserializeOwned + Send + Sync + 'static
{
    fn remote(&self) -> &RemoteName;
    fn frames(&self) -> FrameSelection;
    fn target_of(&self, frame: &FrameId) -> FrameId;
    fn verb(&self) -> Verb;
}

macro_rules! request {
    ($($request:ident as $this:ident => $verb:expr;)*) => {
        $(
            impl Request for $request {
                fn remote(&self) -> &RemoteName {
                    &self.remote
                }

                fn frames(&self) -> FrameSelection {
                    self.frames()
                }

                fn target_of(&self, frame: &FrameId) -> FrameId {
                    self.target_of(frame)
                }

                fn verb(&self) -> Verb {
                    let $this = self;
                    $verb
                }
            }
        )*
    };
}

request! {
    CloneRequest as clone => Verb::of_clone(clone);
    FetchRequest as fetch => Verb::Fetch { unshallow: fetch.unshallow };
    PullRequest as pull => Verb::Pull { merge: pull.merge, favour: pull.favour };
    PushRequest as _push => Verb::Push;
    MergeRequest as merge => Verb::Merge(merge.clone());
}

/// Moves the frames that a request of type `Q` is about.
pub(in crate::service) async fn run<Q: Request>(
    shared: Arc<Shared>,
    name: &'static str,
    body: &[u8],
) -> Result<Answers, Failure> {
    let request: Q = decode(name, body)?;
    // A push notes here what is there then.
    shared.check_writable("to exchange frames with a remote")?;
    let selection = request.frames();
    let alone = matches!(selection, FrameSelection::Frame(_));
    let regex = selection.regex().map(pattern::compile).transpose();
    let regex = regex.map_err(|problem| Failure::invalid(name, Some("regex"), problem))?;
    let transfer = Transfer::begin(shared, request.remote().clone(), request.verb()).await?;
    let mut frames = Travellers::new(selection);
    if let Some(regex) = regex {
        frames = frames.only(move |frame| regex.is_match(frame.as_str()));
    }
    let frames = frames.named(move |frame| request.target_of(frame));
    let (sink, progress) = ProgressSink::new();
    let work = async move {
        let travelled = transfer.run(&frames, sink).await?;
        info!(action = name, frames = travelled.len(), "frames moved");
        let told = travelled.into_iter().map(|frame| match frame.result {
            Err(error) if !alone => Ok(failed(&frame.source, &frame.target, error.into())),
            done => Ok(done?),
        });
        Ok(SyncResult {
            frames: told.collect::<Result<Vec<SyncedFrame>, Failure>>()?,
        })
    };
    Ok(answers(work.boxed(), progress))
}

fn failed(frame: &FrameId, target: &FrameId, failure: Failure) -> SyncedFrame {
    let told = failure.body().cloned();
    let problem =
        told.unwrap_or_else(|| ErrorBody::new(ErrorKind::InternalError, failure.to_string()));
    SyncedFrame {
        outcome: SyncOutcome::Failed,
        problem: Some(problem),
        name: frame.name.clone(),
        bucket: frame.bucket.clone(),
        target: target.name.clone(),
        target_bucket: target.bucket.clone(),
        versions: 0,
        objects: 0,
        bytes: 0,
        ahead: 0,
        behind: 0,
        commit: None,
    }
}

/// How far a transfer is.
enum Stage {
    Under(BoxFuture<'static, Result<SyncResult, Failure>>),
    Ended(Result<SyncResult, Failure>),
}

/// Progress as it is told, and last what the work gives. The work stops when this is dropped.
fn answers(
    work: BoxFuture<'static, Result<SyncResult, Failure>>,
    progress: ProgressReceiver,
) -> Answers {
    let answers = stream::unfold(Some((Stage::Under(work), progress)), |state| async {
        let (mut stage, mut progress) = state?;
        loop {
            let told = match stage {
                Stage::Under(mut work) => tokio::select! {
                    biased;
                    Some(told) = progress.recv() => {
                        stage = Stage::Under(work);
                        told
                    }
                    done = &mut work => {
                        stage = Stage::Ended(done);
                        continue;
                    }
                },
                // What was told last is heard before the end.
                Stage::Ended(done) => match progress.try_recv() {
                    Some(told) => {
                        stage = Stage::Ended(done);
                        told
                    }
                    None => {
                        let done = done.and_then(|done| answer(&SyncAnswer::Done(done)));
                        return Some((done, None));
                    }
                },
            };
            let told = SyncAnswer::Progress(SyncProgress {
                frame: told.frame.to_string(),
                objects_done: told.objects_done,
                objects: told.objects,
                bytes_done: told.bytes_done,
                bytes: told.bytes,
            });
            return Some((answer(&told), Some((stage, progress))));
        }
    });
    answers.boxed()
}

fn answer(answer: &SyncAnswer) -> Result<ActionAnswer, Failure> {
    Ok(ActionAnswer {
        body: json(answer)?,
    })
}
