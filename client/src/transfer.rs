//! What moves frames between a server and its remotes: clone, fetch, pull, push, merge.
//!
//! The server does the work; this end asks for it and hears how far it has come. Nothing of this needs the feature
//! `sync`, which is for programs that are one end of a transfer themselves.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_flight::Action;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use shoots_proto::action::{
    self, AddRemoteRequest, CloneRequest, Favour, FetchRequest, MergeRequest, PullRequest,
    PushRequest, RemotesRequest, RemoveRemoteRequest, SyncAnswer, SyncProgress, SyncResult,
};
use shoots_proto::{
    BucketName, Closed, FrameName, IndexValue, Remote, RemoteName, RemoteUrl, RequestError,
    SecretRef,
};

use crate::connection::{Connection, json, read_json};
use crate::frame::bucket_name;
use crate::{ActionCall, Error, ShootsClient, ToFrameId};

/// What can be asked of a transfer, and what it is called.
///
/// Implemented by the requests of [`clone_frames`](ShootsClient::clone_frames), [`fetch`](ShootsClient::fetch),
/// [`pull`](ShootsClient::pull), [`push`](ShootsClient::push) and [`merge`](ShootsClient::merge).
pub trait TransferRequest: Serialize + sealed::Sealed {
    /// The action's type.
    const NAME: &'static str;
}

/// A transfer that says which frames it is about, and what they are called where they go to.
pub trait Selecting: TransferRequest {
    #[doc(hidden)]
    fn selection(&mut self) -> Selection<'_>;
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Selection<'a> {
    name: &'a mut Option<FrameName>,
    bucket: &'a mut Option<BucketName>,
    regex: &'a mut Option<String>,
    all_buckets: &'a mut bool,
    target: &'a mut Option<FrameName>,
    target_bucket: &'a mut Option<Option<BucketName>>,
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! transfers {
    ($($request:ident, $name:ident;)*) => {
        $(
            impl sealed::Sealed for $request {}

            impl TransferRequest for $request {
                const NAME: &'static str = action::$name;
            }
        )*
    };
}

macro_rules! selecting {
    ($($request:ident),*) => {
        $(
            impl Selecting for $request {
                fn selection(&mut self) -> Selection<'_> {
                    Selection {
                        name: &mut self.name,
                        bucket: &mut self.bucket,
                        regex: &mut self.regex,
                        all_buckets: &mut self.all_buckets,
                        target: &mut self.target,
                        target_bucket: &mut self.target_bucket,
                    }
                }
            }
        )*
    };
}

transfers! {
    CloneRequest, CLONE;
    FetchRequest, FETCH;
    MergeRequest, MERGE;
    PullRequest, PULL;
    PushRequest, PUSH;
}
selecting! { CloneRequest, FetchRequest, MergeRequest, PullRequest, PushRequest }

/// A transfer in the making. Without more it is about every frame of the default bucket.
///
/// ```
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use shoots_client::ShootsClient;
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let start = || shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() });
/// # let (server, other) = (start().await?, start().await?);
/// # let client = ShootsClient::connect(server.url()).await?;
/// # let url = other.url();
/// let added = client.add_remote("backup", &url).send().await?;
/// assert_eq!(added.url, url);
/// assert_eq!(client.remotes().send().await?.remotes.len(), 1);
///
/// let unknown = client.push("origin").frame("nyc/prices").send().await.unwrap_err();
/// assert!(unknown.is_not_found());
/// # server.shutdown().await?; other.shutdown().await?; Ok(()) }
/// ```
#[must_use = "nothing is sent before `send` or `start`"]
pub struct TransferCall<Q> {
    connection: Arc<Connection>,
    request: Result<Q, Error>,
}

impl<Q: TransferRequest> TransferCall<Q> {
    /// Does it, and says what was done.
    ///
    /// It may be asked for again after any failure: what has arrived is not sent again.
    pub async fn send(self) -> Result<SyncResult, Error> {
        self.start().await?.finish().await
    }

    /// Begins it; goes on at [`Transfer`]. It ends when that is dropped.
    pub async fn start(self) -> Result<Transfer, Error> {
        let action = Action {
            r#type: Q::NAME.to_owned(),
            body: json(&self.request?)?,
        };
        let connection = &self.connection;
        let request = connection.request(action);
        let answers = connection.flight().do_action(request).await?.into_inner();
        let answers = connection.messages(Q::NAME, answers);
        let answers = answers.and_then(|answer| async move { read_json(Q::NAME, &answer.body) });
        Ok(Transfer {
            name: Q::NAME,
            answers: answers.boxed(),
        })
    }

    fn with(mut self, set: impl FnOnce(&mut Q)) -> Self {
        if let Ok(request) = &mut self.request {
            set(request);
        }
        self
    }

    fn try_with(mut self, set: impl FnOnce(&mut Q) -> Result<(), Error>) -> Self {
        self.request = self.request.and_then(|mut request| {
            set(&mut request)?;
            Ok(request)
        });
        self
    }
}

impl<Q: Selecting> TransferCall<Q> {
    /// One frame, as it is called where it comes from.
    pub fn frame(self, frame: impl ToFrameId) -> Self {
        self.try_with(|request| {
            let frame = frame.to_frame_id()?;
            let selection = request.selection();
            *selection.name = Some(frame.name);
            *selection.bucket = frame.bucket;
            Ok(())
        })
    }

    /// What the frame is called where it goes to.
    pub fn target(self, frame: impl ToFrameId) -> Self {
        self.try_with(|request| {
            let frame = frame.to_frame_id()?;
            let selection = request.selection();
            *selection.target = Some(frame.name);
            *selection.target_bucket = Some(frame.bucket);
            Ok(())
        })
    }

    /// The bucket that frames come from, instead of the default one.
    pub fn bucket(self, bucket: &str) -> Self {
        self.try_with(|request| {
            *request.selection().bucket = Some(bucket_name(bucket)?);
            Ok(())
        })
    }

    /// The bucket that frames go to, instead of the one that they come from.
    pub fn target_bucket(self, bucket: &str) -> Self {
        self.try_with(|request| {
            *request.selection().target_bucket = Some(Some(bucket_name(bucket)?));
            Ok(())
        })
    }

    /// Only frames in whose names this regular expression finds a match.
    pub fn matching(self, regex: impl Into<String>) -> Self {
        self.with(|request| *request.selection().regex = Some(regex.into()))
    }

    /// The frames of every bucket.
    pub fn all_buckets(self) -> Self {
        self.with(|request| *request.selection().all_buckets = true)
    }
}

impl TransferCall<CloneRequest> {
    /// Only the newest state of each frame, without what led to it.
    pub fn newest_only(self) -> Self {
        self.with(|request| request.depth = Some(1))
    }

    /// Only what may hold rows that are not before this in the index, of the newest state.
    pub fn from(self, value: impl Into<IndexValue>) -> Self {
        self.with(|request| request.start = Some(value.into()))
    }

    /// Only what may hold rows that are before this in the index, of the newest state.
    pub fn until(self, value: impl Into<IndexValue>) -> Self {
        self.with(|request| request.stop = Some(value.into()))
    }

    /// Which of the given ends belong to the range; the first alone if it is not said.
    pub fn closed(self, closed: Closed) -> Self {
        self.with(|request| request.closed = Some(closed))
    }
}

impl TransferCall<FetchRequest> {
    /// Also the commits that lie before a newest state which was cloned alone.
    pub fn unshallow(self) -> Self {
        self.with(|request| request.unshallow = true)
    }
}

impl TransferCall<PullRequest> {
    /// Whether histories that went apart are merged, which they are if it is not said.
    pub fn merge(self, merge: bool) -> Self {
        self.with(|request| request.merge = merge)
    }

    /// Whose side is taken where two histories cannot be merged.
    pub fn favour(self, favour: Favour) -> Self {
        self.with(|request| request.favour = Some(favour))
    }
}

impl TransferCall<MergeRequest> {
    /// Whose side is taken where two histories cannot be merged.
    pub fn favour(self, favour: Favour) -> Self {
        self.with(|request| request.favour = Some(favour))
    }
}

impl<Q: fmt::Debug> fmt::Debug for TransferCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferCall")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// A transfer that is under way: a stream of what the server says about it, progress first and what was done last.
/// Dropping it ends the transfer; what has arrived stays, and is not sent again.
pub struct Transfer {
    name: &'static str,
    answers: BoxStream<'static, Result<SyncAnswer, Error>>,
}

impl Transfer {
    /// Waits for the end, and gives each progress to `told` as it comes.
    pub async fn finish_telling(
        mut self,
        mut told: impl FnMut(SyncProgress),
    ) -> Result<SyncResult, Error> {
        while let Some(answer) = self.answers.try_next().await? {
            match answer {
                SyncAnswer::Progress(progress) => told(progress),
                SyncAnswer::Done(done) => return Ok(done),
            }
        }
        Err(Error::unexpected(
            self.name,
            "it ended without saying what was done",
        ))
    }

    /// Waits for the end.
    pub async fn finish(self) -> Result<SyncResult, Error> {
        self.finish_telling(|_| {}).await
    }
}

impl Stream for Transfer {
    type Item = Result<SyncAnswer, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ActionCall<AddRemoteRequest> {
    /// Where the server finds the token that the remote asks for: `env:NAME` or `file:/path`.
    pub fn token(self, reference: &str) -> Self {
        self.try_with(|request| {
            request.token = Some(secret_ref("token", reference)?);
            Ok(())
        })
    }

    /// Where the server finds the certificate of the authority that signed the remote's.
    pub fn ca(self, reference: &str) -> Self {
        self.try_with(|request| {
            request.ca = Some(secret_ref("ca", reference)?);
            Ok(())
        })
    }

    /// Where the server finds the certificate that it shows to the remote, and the key of that.
    pub fn identity(self, certificate: &str, key: &str) -> Self {
        self.try_with(|request| {
            request.certificate = Some(secret_ref("certificate", certificate)?);
            request.key = Some(secret_ref("key", key)?);
            Ok(())
        })
    }

    /// Allows the token to travel unencrypted, where everybody on the way can read it.
    pub fn allow_insecure_token(self) -> Self {
        self.with(|request| request.allow_insecure_token = true)
    }
}

impl ActionCall<RemotesRequest> {
    /// Only this one.
    pub fn remote(self, remote: &str) -> Self {
        self.try_with(|request| {
            request.remote = Some(remote_name("remotes", remote)?);
            Ok(())
        })
    }

    /// Tells, too, how far the frames of the default bucket are ahead and behind.
    pub fn frames(self) -> Self {
        self.with(|request| request.frames = true)
    }

    /// Tells how far the frames of this bucket are ahead and behind.
    pub fn frames_of(self, bucket: &str) -> Self {
        self.try_with(|request| {
            request.frames = true;
            request.bucket = Some(bucket_name(bucket)?);
            Ok(())
        })
    }
}

impl ShootsClient {
    /// Gives another place that keeps frames a name: `s3://bucket/folder`, `grpc+tls://host:port`, …
    pub fn add_remote(&self, remote: &str, url: &str) -> ActionCall<AddRemoteRequest> {
        let request = remote_name(action::ADD_REMOTE, remote).and_then(|remote| {
            let url = RemoteUrl::parse(url)
                .map_err(|error| RequestError::new(action::ADD_REMOTE, Some("url"), error))?;
            Ok(AddRemoteRequest::new(remote, Remote::new(url)))
        });
        ActionCall::new(self.connection(), request)
    }

    /// Forgets a remote. Frames that came from it stay.
    pub fn remove_remote(&self, remote: &str) -> ActionCall<RemoveRemoteRequest> {
        let request = remote_name(action::REMOVE_REMOTE, remote);
        let request = request.map(|remote| RemoveRemoteRequest { remote });
        ActionCall::new(self.connection(), request)
    }

    /// Lists the remotes.
    pub fn remotes(&self) -> ActionCall<RemotesRequest> {
        ActionCall::new(self.connection(), Ok(RemotesRequest::default()))
    }

    /// Brings frames of a remote to the server that are not there, with their histories.
    pub fn clone_frames(&self, remote: &str) -> TransferCall<CloneRequest> {
        self.transfer(remote, |remote| CloneRequest {
            remote,
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
            depth: None,
            start: None,
            stop: None,
            closed: None,
        })
    }

    /// Brings the history of a remote's frames to the server, without changing the frames there.
    pub fn fetch(&self, remote: &str) -> TransferCall<FetchRequest> {
        self.transfer(remote, |remote| FetchRequest {
            remote,
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
            unshallow: false,
        })
    }

    /// Brings what is new at a remote into the server's frames.
    pub fn pull(&self, remote: &str) -> TransferCall<PullRequest> {
        self.transfer(remote, |remote| PullRequest {
            remote,
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
            merge: true,
            favour: None,
        })
    }

    /// Brings what is new at the server to a remote.
    pub fn push(&self, remote: &str) -> TransferCall<PushRequest> {
        self.transfer(remote, |remote| PushRequest {
            remote,
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
        })
    }

    /// Settles histories that went apart and were fetched. Unless a target is given, frames are called as they are at the
    /// server.
    pub fn merge(&self, remote: &str) -> TransferCall<MergeRequest> {
        self.transfer(remote, |remote| MergeRequest {
            remote,
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
            favour: None,
        })
    }

    fn transfer<Q: TransferRequest>(
        &self,
        remote: &str,
        request: impl FnOnce(RemoteName) -> Q,
    ) -> TransferCall<Q> {
        TransferCall {
            connection: Arc::clone(self.connection()),
            request: remote_name(Q::NAME, remote).map(request),
        }
    }
}

fn remote_name(what: &str, remote: &str) -> Result<RemoteName, Error> {
    let name = RemoteName::parse(remote);
    Ok(name.map_err(|error| RequestError::new(what, Some("remote"), error))?)
}

fn secret_ref(field: &'static str, reference: &str) -> Result<SecretRef, Error> {
    let parsed = SecretRef::parse(reference);
    Ok(parsed.map_err(|error| RequestError::new(action::ADD_REMOTE, Some(field), error))?)
}
