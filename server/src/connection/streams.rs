//! The streams of a connection, each of which carries a call: served as tasks, and given up if nobody reads them.
//!
//! What was sent to a stream that is given up stays with its connection until the other side makes room for it. So the
//! connection is told, and ends.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::call::sending::delivered;

/// Runs the streams of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams {
    given_up: Arc<Notify>,
}

impl Streams {
    /// Is notified when a stream was given up.
    pub(super) fn given_up(&self) -> Arc<Notify> {
        Arc::clone(&self.given_up)
    }
}

impl<S> hyper::rt::Executor<S> for Streams
where
    S: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: S) {
        let given_up = self.given_up();
        tokio::spawn(async move {
            if delivered(stream).await {
                given_up.notify_one();
            }
        });
    }
}
