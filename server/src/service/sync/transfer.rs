//! One end here, the other at a remote, and what is done to each frame between them.

use std::sync::Arc;

use serde_json::Value;
use shoots_client::FlightPeer;
use shoots_proto::action::{CloneRequest, Favour, FrameSelection};
use shoots_proto::{FrameId, RemoteName};
use shoots_store::{
    CloneOptions, FetchOptions, IndexRange, LocalPeer, Peer, ProgressSink, PullOptions, RemoteEnd,
    Store, Travelled, Travellers,
};

use crate::service::Shared;
use crate::status::Failure;

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
    Merge {
        /// Without everything: a request cannot say that.
        frames: FrameSelection,
        favour: Option<Favour>,
    },
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

/// A transfer between this store and a remote.
#[derive(Debug)]
pub(super) struct Transfer {
    shared: Arc<Shared>,
    verb: Verb,
    remote: RemoteName,
    there: Arc<dyn Peer>,
}

impl Transfer {
    /// Finds the remote and reaches it.
    pub(super) async fn begin(
        shared: Arc<Shared>,
        remote: RemoteName,
        verb: Verb,
    ) -> Result<Self, Failure> {
        let place = shared.remotes.find(&shared.store, &remote).await?;
        let there: Arc<dyn Peer> = if matches!(verb, Verb::Merge { .. }) {
            // What is merged was fetched before.
            Arc::new(shared.peer.clone())
        } else if place.url.scheme().is_server() {
            Arc::new(FlightPeer::connect(&place).await?)
        } else {
            let url = place.url.as_str();
            let store = Store::builder(url)
                .read_only(verb.only_reads_there())
                .conditions(shared.queries.conditions())
                .open()
                .await?;
            Arc::new(LocalPeer::new(&store, url))
        };
        Ok(Self {
            shared,
            verb,
            remote,
            there,
        })
    }

    /// Moves frames, and says what became of each.
    pub(super) async fn run(
        &self,
        frames: &Travellers,
        progress: ProgressSink,
    ) -> Result<Vec<Travelled>, Failure> {
        let store = &self.shared.store;
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
            Verb::Merge { frames, favour } => self.merge(&frames, favour).await,
        };
        Ok(travelled?)
    }

    /// Merges what was fetched, into one frame or into each of a bucket that something was fetched of.
    async fn merge(
        &self,
        frames: &FrameSelection,
        favour: Option<Favour>,
    ) -> shoots_store::Result<Vec<Travelled>> {
        let (store, remote) = (&self.shared.store, self.remote.as_str());
        let frames = match frames {
            FrameSelection::Frame(frame) => vec![frame.clone()],
            FrameSelection::Bucket { bucket, .. } => {
                let tracked = store.tracked_frames(bucket.as_ref()).await?.into_iter();
                tracked
                    .filter(|frame| frame.remote == remote && frame.behind > 0)
                    .map(|frame| FrameId::new(frame.bucket, frame.name))
                    .collect()
            }
            FrameSelection::Everything { .. } => Vec::new(),
        };
        let mut merged = Vec::with_capacity(frames.len());
        for frame in frames {
            let result = store.frame(&frame).merge(remote, favour).await;
            merged.push(Travelled {
                source: frame.clone(),
                target: frame,
                result,
            });
        }
        Ok(merged)
    }
}
