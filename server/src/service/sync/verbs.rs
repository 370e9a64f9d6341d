//! What callers have moved: `clone`, `fetch`, `pull`, `push`, `merge`.
//!
//! The answer is a stream: progress as it comes, and last what was done. Whoever drops it stops the transfer, which
//! leaves nothing half done; the next one goes on from there. Where many frames are moved, one that fails is told with
//! its problem and does not hinder the others.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::Result as ActionAnswer;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use regex::Regex;
use serde::de::DeserializeOwned;
use shoots_proto::action::{
    CloneRequest, FetchRequest, FrameSelection, MergeRequest, PullRequest, PushRequest, SyncAnswer,
    SyncOutcome, SyncProgress, SyncResult, SyncedFrame,
};
use shoots_proto::{BucketName, ErrorBody, ErrorKind, FrameId, RemoteName, decode};
use shoots_store::{Peer, Progress, ProgressSink};
use tokio::sync::mpsc::Receiver;
use tracing::info;

use super::transfer::{Transfer, Verb, untouched};
use crate::service::{Shared, check_length, json};
use crate::status::Failure;

/// Frames of one call that are moved at the same time.
const FRAMES_AT_ONCE: usize = 4;

type Answers = Pin<Box<dyn Stream<Item = Result<ActionAnswer, Failure>> + Send>>;

/// A request as this file needs it: which frames, between here and where, and what is done to each.
pub(in crate::service) trait Request: DeserializeOwned + Send + 'static {
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
    FetchRequest as _fetch => Verb::Fetch;
    PullRequest as pull => Verb::Pull { merge: pull.merge, favour: pull.favour };
    PushRequest as _push => Verb::Push;
}

impl Request for MergeRequest {
    fn remote(&self) -> &RemoteName {
        &self.remote
    }

    fn frames(&self) -> FrameSelection {
        let bucket = self.bucket.clone();
        match &self.name {
            Some(name) => FrameSelection::Frame(FrameId::new(bucket, name.clone())),
            None => FrameSelection::Bucket {
                bucket,
                regex: None,
            },
        }
    }

    fn target_of(&self, frame: &FrameId) -> FrameId {
        frame.clone()
    }

    fn verb(&self) -> Verb {
        Verb::Merge {
            favour: self.favour,
        }
    }
}

/// Moves the frames that a request of type `Q` is about.
pub(in crate::service) async fn run<Q: Request>(
    shared: Arc<Shared>,
    name: &'static str,
    body: &[u8],
) -> Result<Answers, Failure> {
    check_length(name, body)?;
    let request: Q = decode(name, body)?;
    let verb = request.verb();
    // A push notes what is there now, too.
    shared.check_writable("to exchange frames with a remote")?;
    let frames = request.frames();
    let regex = frames.regex().map(Regex::new).transpose();
    let regex = regex.map_err(|problem| Failure::invalid(name, Some("regex"), problem))?;
    let transfer = Transfer::begin(shared, request.remote().clone(), verb).await?;
    let alone = matches!(frames, FrameSelection::Frame(_));
    let frames = select(transfer.source(), frames, regex.as_ref()).await?;
    let (sink, progress) = ProgressSink::new();
    let work = async move {
        let moves = frames.into_iter().map(|frame| {
            let target = request.target_of(&frame);
            let (transfer, sink) = (&transfer, sink.clone());
            async move {
                match transfer.frame(&frame, &target, sink).await {
                    Err(failure) if !alone => Ok(failed(&frame, &target, failure)),
                    done => done,
                }
            }
        });
        let moves: Vec<_> = moves.collect();
        let moved: Vec<SyncedFrame> = stream::iter(moves)
            .buffered(FRAMES_AT_ONCE)
            .try_collect()
            .await?;
        info!(action = name, frames = moved.len(), "frames moved");
        Ok(SyncResult { frames: moved })
    };
    Ok(answers(work.boxed(), progress))
}

/// The frames that are meant, among those that one end has.
async fn select(
    source: &dyn Peer,
    frames: FrameSelection,
    regex: Option<&Regex>,
) -> Result<Vec<FrameId>, Failure> {
    let buckets: Vec<Option<BucketName>> = match frames {
        FrameSelection::Frame(frame) => return Ok(vec![frame]),
        FrameSelection::Bucket { bucket, .. } => vec![bucket],
        FrameSelection::Everything { .. } => {
            let named = source.buckets().await?.into_iter().map(Some);
            [None].into_iter().chain(named).collect()
        }
    };
    let mut selected = Vec::new();
    for bucket in buckets {
        let names = source.frames(bucket.as_ref()).await?;
        let meant = names
            .into_iter()
            .filter(|name| regex.is_none_or(|regex| regex.is_match(name.as_str())));
        selected.extend(meant.map(|name| FrameId::new(bucket.clone(), name)));
    }
    Ok(selected)
}

fn failed(frame: &FrameId, target: &FrameId, failure: Failure) -> SyncedFrame {
    let problem = match failure {
        Failure::Domain(body) => body,
        Failure::Unimplemented(message) => ErrorBody::new(ErrorKind::InternalError, message),
    };
    SyncedFrame {
        outcome: SyncOutcome::Failed,
        problem: Some(problem),
        ..untouched(frame, target)
    }
}

/// Progress as it is told, and last what the work gives. The work stops when this is dropped.
fn answers(
    work: BoxFuture<'static, Result<SyncResult, Failure>>,
    progress: Receiver<Progress>,
) -> Answers {
    let answers = stream::unfold(Some((work, progress)), |state| async {
        let (mut work, mut progress) = state?;
        tokio::select! {
            biased;
            Some(told) = progress.recv() => {
                let told = SyncAnswer::Progress(SyncProgress {
                    frame: told.frame.to_string(),
                    objects_done: told.objects_done,
                    objects: told.objects,
                    bytes_done: told.bytes_done,
                    bytes: told.bytes,
                });
                Some((answer(&told), Some((work, progress))))
            }
            done = &mut work => Some((done.and_then(|done| answer(&SyncAnswer::Done(done))), None)),
        }
    });
    answers.boxed()
}

fn answer(answer: &SyncAnswer) -> Result<ActionAnswer, Failure> {
    Ok(ActionAnswer {
        body: json(answer)?,
    })
}
