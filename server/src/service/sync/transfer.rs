//! One end here, the other at a remote, and what is done to each frame between them.

use std::sync::Arc;

use serde_json::Value;
use shoots_client::FlightPeer;
use shoots_proto::action::{CloneRequest, Favour, MergeRequest};
use shoots_proto::{FrameId, RemoteName, RemoteUrl};
use shoots_store::{
    CloneOptions, Error, ErrorKind, FetchOptions, IndexRange, LocalPeer, Peer, ProgressSink,
    PullOptions, RemoteEnd, Store, Travelled, Travellers,
};

use super::apart;
use crate::service::Shared;
use crate::status::Failure;

/// What it is called where it is refused.
const EXCHANGE: &str = "exchange frames with a remote";

/// What is done to each frame.
#[derive(Debug, Clone)]
pub(in crate::service) enum Verb {
    Clone {
        newest_only: bool,
        range: Option<IndexRange>,
    },
    Fetch {
        unshallow: bool,
    },
    Pull {
        merge: bool,
        favour: Option<Favour>,
    },
    Push,
    Merge(MergeRequest),
}

impl Verb {
    pub(super) fn of_clone(request: &CloneRequest) -> Self {
        let ranged = request.start.is_some() || request.stop.is_some();
        Self::Clone {
            newest_only: request.depth().is_some(),
            range: ranged.then(|| IndexRange {
                start: request.start.clone().map(Value::from),
                stop: request.stop.clone().map(Value::from),
                closed: request.closed.unwrap_or_default(),
            }),
        }
    }

    /// Whether the remote is only read.
    fn only_reads_there(&self) -> bool {
        !matches!(self, Self::Push)
    }
}

/// An error of reaching a remote, which says which one.
fn of_remote(remote: &RemoteName, url: &RemoteUrl, error: &Error) -> Error {
    let told = error.to_string();
    let place = if told.contains(url.as_str()) {
        String::new()
    } else {
        format!(" ({url})")
    };
    let told = format!("exchanging frames with remote {remote}{place}: {told}");
    Error::elsewhere(error.kind(), told)
}

/// An error of an exchange with a remote, which says so where its own words are the remote's, or about an object or a
/// connection.
fn of_exchange(remote: &RemoteName, url: &RemoteUrl, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Damaged
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Newer
        | ErrorKind::PermissionDenied
        | ErrorKind::Limit
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled => of_remote(remote, url, &error),
        _ if error.to_string().starts_with(url.as_str()) => of_remote(remote, url, &error),
        _ => error,
    }
}

/// A transfer between this store and a remote.
#[derive(Debug)]
pub(super) struct Transfer {
    shared: Arc<Shared>,
    verb: Verb,
    remote: RemoteName,
    url: RemoteUrl,
    there: Arc<dyn Peer>,
}

impl Transfer {
    /// Finds the remote and reaches it.
    pub(super) async fn begin(
        shared: Arc<Shared>,
        remote: RemoteName,
        verb: Verb,
    ) -> Result<Self, Failure> {
        let store = shared.store.whole(EXCHANGE)?;
        let place = shared.remotes.find(store, &remote).await?;
        let there: Arc<dyn Peer> = if matches!(verb, Verb::Merge(_)) {
            // What is merged was fetched before.
            Arc::new(shared.store.peer(EXCHANGE)?.clone())
        } else if place.url.scheme().is_server() {
            let silence = shared.remotes.silence();
            let reached = FlightPeer::connect(&place, silence).await;
            Arc::new(reached.map_err(|error| of_remote(&remote, &place.url, &error))?)
        } else {
            let url = place.url.as_str();
            let store = Store::builder(url)
                .read_only(verb.only_reads_there())
                .probed_later(true)
                .low_space_bytes(shared.remotes.low_space_bytes())
                .conditions(shared.queries.conditions())
                .open()
                .await;
            let store = store.map_err(|error| of_remote(&remote, &place.url, &error))?;
            Arc::new(LocalPeer::new(&store, url))
        };
        Ok(Self {
            shared,
            verb,
            remote,
            url: place.url,
            there,
        })
    }

    /// Moves frames, and says what became of each.
    pub(super) async fn run(
        &self,
        frames: &Travellers,
        progress: ProgressSink,
    ) -> Result<Vec<Travelled>, Failure> {
        let store = self.shared.store.whole(EXCHANGE)?;
        let remote = RemoteEnd {
            name: self.remote.as_str(),
            peer: &*self.there,
        };
        let travelled = match self.verb.clone() {
            Verb::Clone { newest_only, range } => {
                let options = CloneOptions {
                    newest_only,
                    range,
                    progress,
                };
                store.clone_frames(remote, frames, &options).await
            }
            Verb::Fetch { unshallow } => {
                let options = FetchOptions {
                    unshallow,
                    progress,
                };
                store.fetch(remote, frames, &options).await
            }
            Verb::Pull { merge, favour } => {
                let options = PullOptions {
                    merge,
                    favour,
                    progress,
                };
                store.pull(remote, frames, &options).await
            }
            Verb::Push => store.push(remote, frames, &progress).await,
            Verb::Merge(request) => self.merge(store, &request).await,
        };
        // A merge works on what is here.
        let exchanges = !matches!(self.verb, Verb::Merge(_));
        let told = |error: Error| match exchanges || error.to_string().contains(self.url.as_str()) {
            true => of_exchange(&self.remote, &self.url, error),
            false => error,
        };
        let mut travelled = travelled.map_err(told)?;
        for frame in &mut travelled {
            if let Err(error) = &frame.result {
                let error = self.named(store, frame, error.clone()).await;
                frame.result = Err(told(error));
            }
        }
        Ok(travelled)
    }

    /// Merges what was fetched into each of the frames that are meant.
    async fn merge(
        &self,
        store: &Store,
        request: &MergeRequest,
    ) -> shoots_store::Result<Vec<Travelled>> {
        let remote = self.remote.as_str();
        let frames = apart::find(store, request).await?;
        let mut merged = Vec::with_capacity(frames.len());
        for (source, target) in frames {
            let result = store.frame(&target).merge(remote, request.favour).await;
            merged.push(Travelled {
                source,
                target,
                result,
            });
        }
        Ok(merged)
    }

    /// The error of a frame that is not at the remote under the name that was asked for, if the frame here is known to
    /// have another name there.
    async fn named(&self, store: &Store, frame: &Travelled, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound || matches!(self.verb, Verb::Push) {
            return error;
        }
        let tracked = store.frame(&frame.target).tracking().await;
        let mut tracked = tracked.unwrap_or_default().into_iter();
        let Some(known) = tracked.find(|known| known.remote == self.remote.as_str()) else {
            return error;
        };
        let there = FrameId::new(known.remote_bucket, known.remote_name);
        if there == frame.source {
            return error;
        }
        let told = format!(
            "{error}; frame {} came from {there} of remote {}: give that as `name` (and `bucket`), and the name here as `target` (and `target_bucket`)",
            frame.target, self.remote
        );
        Error::elsewhere(error.kind(), told)
    }
}
