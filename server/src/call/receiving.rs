//! What comes from a caller, bounded before it is put together.
//!
//! gRPC puts five bytes before each message, the last four of which say how long it is. [`Receiving`] reads these as the
//! request passes, so that a message that is too large is refused with the setting's name before a byte of it is kept,
//! and a put that sends too much ends where it does.
//!
//! Messages are put together in memory before they are decoded. What is large takes its whole length from one budget
//! for all calls first ([`receive_memory_bytes`](crate::Config::receive_memory_bytes)); until there is room, the request
//! is not read, and its sender stalls. A message keeps its share until the next one begins, when its rows were handed
//! to the store. A put that waits here may hold memory that another put waits for while it holds a share of this budget;
//! so a put that waits for anything gives its rows' memory back ([`FrameWriter::yield_memory`]), and neither waits for
//! ever.
//!
//! A request that brings nothing for a while ends. The time that the server itself takes does not count.
//!
//! [`FrameWriter::yield_memory`]: shoots_store::FrameWriter::yield_memory

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use shoots_proto::ErrorKind;
use shoots_proto::action::sync::peer::CHUNK_BYTES;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::body::Body as TonicBody;

use super::memory::{MessageMemory, Share};
use super::record::Record;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::status::Failure;

/// Messages up to this length are not worth counting: the connection's windows are larger. Those of a transfer between
/// servers are, with what is around their bytes: so commits that are being gathered take memory
/// ([`MessageMemory::share_at_once`]), but never wait for it.
const SMALL_BYTES: u64 = CHUNK_BYTES as u64 + (64 << 10);

/// The call that brings rows. All others bring one small message.
const PUT: &str = "DoPut";

/// Bounds of what calls bring.
#[derive(Debug, Clone)]
pub(super) struct ReceivingLimits {
    message_bytes: u64,
    put_bytes: u64,
    put_idle: Duration,
    header: Duration,
    memory: MessageMemory,
}

impl ReceivingLimits {
    pub(super) fn new(config: &Config, memory: &MessageMemory, metrics: &Metrics) -> Self {
        memory.show(metrics);
        Self {
            message_bytes: config.max_message_bytes,
            put_bytes: config.max_put_bytes,
            put_idle: config.put_idle_time(),
            header: config.header_time(),
            memory: memory.clone(),
        }
    }

    /// How long a call of this name may bring nothing.
    fn patience(&self, call: &str) -> Duration {
        if call == PUT {
            self.put_idle
        } else {
            self.header
        }
    }

    fn message_too_large(&self, bytes: u64) -> Failure {
        let problem = format!(
            "max_message_bytes is {}, and a message has {bytes} bytes; send smaller batches, or have the setting raised",
            self.message_bytes
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    fn put_too_large(&self) -> Failure {
        let problem = format!(
            "max_put_bytes is {}, and this put sends more; put in parts, with mode append, or have the setting raised",
            self.put_bytes
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    fn nothing_came(&self, call: &str) -> Failure {
        let setting = if call == PUT {
            "put_idle_seconds"
        } else {
            "header_seconds"
        };
        let problem = format!(
            "{setting} is {}, and nothing came from the caller in that time; nothing was changed",
            self.patience(call).as_secs()
        );
        Failure::new(ErrorKind::LimitError, problem)
    }
}

/// Where in a sequence of messages a request is.
#[derive(Debug, Default)]
struct Framing {
    /// How much of the next message's length was read.
    prefix: [u8; 5],
    prefix_bytes: usize,
    /// Bytes of the message that are still to come.
    rest: u64,
}

impl Framing {
    /// Goes through more bytes, and tells of each message that begins in them.
    fn pass<E>(
        &mut self,
        mut bytes: &[u8],
        mut begins: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = bytes
                    .len()
                    .min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = bytes.len().min(self.prefix.len() - self.prefix_bytes);
            self.prefix[self.prefix_bytes..][..taken].copy_from_slice(&bytes[..taken]);
            self.prefix_bytes += taken;
            bytes = &bytes[taken..];
            if let (true, [_, length @ ..]) = (self.prefix_bytes == self.prefix.len(), self.prefix)
            {
                self.prefix_bytes = 0;
                self.rest = u64::from(u32::from_be_bytes(length));
                begins(self.rest)?;
            }
        }
        Ok(())
    }
}

/// Memory that is waited for.
type Granting = BoxFuture<'static, Result<Share, Failure>>;

/// A request's body within its bounds.
pub(super) struct Receiving {
    body: TonicBody,
    limits: ReceivingLimits,
    record: Arc<Record>,
    framing: Framing,
    received: u64,
    /// The memory of the message that is under way, or was last.
    share: Option<Share>,
    /// What came, while there is no memory for the message that begins in it.
    held: Option<(Frame<Bytes>, Granting)>,
    /// Runs while nothing comes.
    idle: Option<Pin<Box<Sleep>>>,
    waits: bool,
    ended: bool,
}

impl Receiving {
    pub(super) fn new(body: TonicBody, limits: &ReceivingLimits, record: &Arc<Record>) -> Self {
        Self {
            body,
            limits: limits.clone(),
            record: Arc::clone(record),
            framing: Framing::default(),
            received: 0,
            share: None,
            held: None,
            idle: None,
            waits: false,
            ended: false,
        }
    }

    /// Notes what came. How much memory has to be waited for before it may be passed on.
    fn pass(&mut self, data: &[u8]) -> Result<Option<u64>, Failure> {
        self.record.note_received_bytes(data.len());
        self.received += data.len() as u64;
        if self.record.call() == PUT && self.received > self.limits.put_bytes {
            return Err(self.limits.put_too_large());
        }
        let (limits, mut large, mut began) = (&self.limits, None, false);
        self.framing.pass(data, |bytes| {
            if bytes > limits.message_bytes {
                return Err(limits.message_too_large(bytes));
            }
            began = true;
            large = (bytes > SMALL_BYTES).then_some(bytes);
            Ok(())
        })?;
        if began {
            self.share = None;
        }
        Ok(large)
    }

    /// Whether nothing has come for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.limits.patience(self.record.call());
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.waits {
            self.waits = true;
            idle.as_mut().reset(Instant::now() + patience);
        }
        idle.as_mut().poll(cx)
    }

    fn end(&mut self, failure: &Failure) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        self.share = None;
        self.record.fail(failure);
        // What was received is told as it is to whoever reads it, and becomes the call's status there.
        let status = failure.to_status(self.record.caller(), Some(self.record.id()));
        Poll::Ready(Some(Err(status)))
    }
}

impl Body for Receiving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some((_, share)) = &mut self.held {
            let share = ready!(share.as_mut().poll(cx));
            let held = self.held.take();
            match share {
                Ok(share) => self.share = Some(share),
                Err(failure) => return self.end(&failure),
            }
            return Poll::Ready(held.map(|(frame, _)| Ok(frame)));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.poll_idle(cx));
                let failure = self.limits.nothing_came(self.record.call());
                return self.end(&failure);
            }
        };
        self.waits = false;
        let Some(Ok(frame)) = frame else {
            self.ended = true;
            return Poll::Ready(frame);
        };
        let passed = frame.data_ref().map_or(Ok(None), |data| self.pass(data));
        match passed {
            Ok(None) => Poll::Ready(Some(Ok(frame))),
            Ok(Some(bytes)) => {
                let memory = self.limits.memory.clone();
                let share = memory.share(bytes, self.limits.put_idle);
                self.held = Some((frame, Box::pin(share)));
                self.poll_frame(cx)
            }
            Err(failure) => self.end(&failure),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && (self.ended || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        // A frame that is held is not in the hint of the rest.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;
