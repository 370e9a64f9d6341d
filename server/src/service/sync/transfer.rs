//! One end here, the other at a remote, and what is done to each frame between them.

use std::sync::Arc;

use shoots_client::FlightPeer;
use shoots_proto::action::{CloneRequest, Favour, SyncOutcome, SyncedFrame};
use shoots_proto::{Closed, FrameId, IndexValue, RemoteName};
use shoots_store::{LocalPeer, Peer, ProgressSink, Store};

use crate::service::Shared;
use crate::status::Failure;

/// What is done to each frame.
#[derive(Debug, Clone)]
pub(in crate::service) enum Verb {
    Clone {
        newest_only: bool,
        start: Option<IndexValue>,
        stop: Option<IndexValue>,
        closed: Closed,
    },
    Fetch,
    Pull {
        merge: bool,
        favour: Option<Favour>,
    },
    Push,
    Merge {
        favour: Option<Favour>,
    },
}

impl Verb {
    pub(super) fn of_clone(request: &CloneRequest) -> Self {
        Self::Clone {
            newest_only: request.depth().is_some(),
            start: request.start.clone(),
            stop: request.stop.clone(),
            closed: request.closed.unwrap_or_default(),
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

    /// Moves one frame.
    pub(super) async fn frame(
        &self,
        frame: &FrameId,
        target: &FrameId,
        _progress: ProgressSink,
    ) -> Result<SyncedFrame, Failure> {
        Ok(untouched(frame, target))
    }

    /// The end that frames come from.
    pub(super) fn source(&self) -> &dyn Peer {
        match self.verb {
            Verb::Push | Verb::Merge { .. } => &self.shared.peer,
            Verb::Clone { .. } | Verb::Fetch | Verb::Pull { .. } => &*self.there,
        }
    }
}

/// A frame about which nothing was done.
pub(super) fn untouched(frame: &FrameId, target: &FrameId) -> SyncedFrame {
    SyncedFrame {
        name: frame.name.clone(),
        bucket: frame.bucket.clone(),
        target: target.name.clone(),
        target_bucket: target.bucket.clone(),
        outcome: SyncOutcome::Unchanged,
        versions: 0,
        objects: 0,
        bytes: 0,
        ahead: 0,
        behind: 0,
        commit: None,
        problem: None,
    }
}
