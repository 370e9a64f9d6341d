//! Rows on their way out to the server.
//!
//! A put must not be taken for complete when its rows ran into an error: for the server, the
//! end of the messages means "commit". So after an error the messages do not end, they stay
//! pending until the call is cancelled, which resets the HTTP/2 stream and makes the server
//! drop the put. [`Abort`] does the cancelling, whenever the put is given up and for whatever
//! reason, its caller dropping the future among them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use shoots_flight::Encoder;
use tokio::sync::oneshot;
use tonic::CancellationHandle;

use crate::Error;

/// The rows of one put, encoded lazily.
pub(crate) type Rows = Encoder<BoxStream<'static, Result<RecordBatch, Error>>>;

/// The messages of a put, as the transport takes them.
pub(crate) struct Sending {
    rows: Rows,
    failed: Option<oneshot::Sender<Error>>,
    complete: Arc<AtomicBool>,
}

/// What becomes of the messages of a put.
pub(crate) struct Fate {
    /// Receives the error that the rows ran into, if they do.
    pub(crate) failed: oneshot::Receiver<Error>,
    complete: Arc<AtomicBool>,
}

impl Fate {
    /// Whether every message, and the end, was handed to the transport. Before that the server
    /// cannot have taken the put for complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}

impl Sending {
    pub(crate) fn new(rows: Rows) -> (Self, Fate) {
        let (sender, failed) = oneshot::channel();
        let complete = Arc::new(AtomicBool::new(false));
        let sending = Self {
            rows,
            failed: Some(sender),
            complete: complete.clone(),
        };
        (sending, Fate { failed, complete })
    }
}

impl Stream for Sending {
    type Item = FlightData;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FlightData>> {
        if self.failed.is_none() {
            return Poll::Pending;
        }
        match ready!(self.rows.poll_next_unpin(cx)) {
            Some(Ok(message)) => Poll::Ready(Some(message)),
            Some(Err(error)) => {
                if let Some(failed) = self.failed.take() {
                    // Nobody listens if the call is over already.
                    let _unheard = failed.send(error);
                }
                Poll::Pending
            }
            None => {
                self.complete.store(true, Ordering::Release);
                Poll::Ready(None)
            }
        }
    }
}

/// Cancels a call when dropped; without effect once the call is complete.
pub(crate) struct Abort(Option<CancellationHandle>);

impl Abort {
    pub(crate) fn new(handle: CancellationHandle) -> Self {
        Self(Some(handle))
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.cancel();
        }
    }
}
