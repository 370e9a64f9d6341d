//! What comes from a caller, bounded before it is put together.
//!
//! gRPC puts five bytes before each message, the last four of which say how long it is. [`Receiving`] reads these as the
//! request passes, so that a message that is too large is refused with the setting's name before a byte of it is kept,
//! and a put that sends too much ends where it does.
//!
//! Messages are put together in memory before they are decoded. What arrives of a large one is taken from one budget for
//! all calls ([`receive_memory_bytes`](crate::Config::receive_memory_bytes)) before it is passed on; until there is room,
//! the request is not read, and its sender stalls. What a message announces takes nothing. Only a put brings large
//! messages: what others announce beyond [`REQUEST_MESSAGE_BYTES`] is refused.
//!
//! A message keeps its share until the next one begins, when its rows were handed to the store. A put that waits here may
//! hold memory that another put waits for while it holds a share of this budget; so a put that waits for anything gives
//! its rows' memory back ([`FrameWriter::yield_memory`]), and neither waits for ever.
//!
//! A request that does not get on ends. A put gets on with each message that is not empty, and with each
//! [`PROGRESS_BYTES`] of one; any other request has to arrive whole. The time that the server itself takes does not count.
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
use crate::service::REQUEST_BYTES;
use crate::status::Failure;

/// Messages up to this length are not worth counting: the connection's windows are larger. Those of a transfer between
/// servers are, with what is around their bytes: so commits that are being gathered take memory
/// ([`MessageMemory::share_at_once`]), but never wait for it.
const SMALL_BYTES: u64 = CHUNK_BYTES as u64 + (64 << 10);

/// The longest message of a call that brings no rows: a request's JSON, and what is around it.
/// What is somewhat too long is let in, so that its field can be named.
const REQUEST_MESSAGE_BYTES: u64 = 2 * REQUEST_BYTES as u64;

/// So much of a message is worth waiting on for the rest.
const PROGRESS_BYTES: u64 = 16 << 20;

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

    /// Refuses a message that is announced to be too long.
    fn check(&self, call: &str, bytes: u64) -> Result<(), Failure> {
        if bytes > self.message_bytes {
            let problem = format!(
                "max_message_bytes is {}, and a message has {bytes} bytes; send smaller batches, or have the setting raised",
                self.message_bytes
            );
            return Err(Failure::new(ErrorKind::LimitError, problem));
        }
        if call != PUT && bytes > REQUEST_MESSAGE_BYTES {
            let problem = format!(
                "has a message of {bytes} bytes; send at most {REQUEST_MESSAGE_BYTES}: only a put may bring more"
            );
            return Err(Failure::invalid("request", None, problem));
        }
        Ok(())
    }

    fn put_too_large(&self) -> Failure {
        let problem = format!(
            "max_put_bytes is {}, and this put sends more; put in parts, with mode append, or have the setting raised",
            self.put_bytes
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    fn too_slow(&self, call: &str) -> Failure {
        let seconds = self.patience(call).as_secs();
        let problem = if call == PUT {
            format!(
                "put_idle_seconds is {seconds}, and neither a message nor {} MiB of one came from the caller in that time; nothing was changed",
                PROGRESS_BYTES >> 20
            )
        } else {
            format!(
                "header_seconds is {seconds}, and the request did not arrive whole in that time; nothing was changed"
            )
        };
        Failure::new(ErrorKind::LimitError, problem)
    }
}

/// Where in a sequence of messages a request is.
#[derive(Debug, Default)]
struct Framing {
    /// How much of the next message's length was read.
    prefix: [u8; 5],
    prefix_bytes: usize,
    /// Bytes of the message, and those of them that are still to come.
    length: u64,
    rest: u64,
}

/// What some bytes are in a sequence of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A message of this length begins.
    Begins(u64),
    /// So many bytes of the message have come.
    Goes(u64),
    /// They were its last ones.
    Ends,
}

impl Framing {
    /// Goes through more bytes, and tells of each step.
    fn pass<E>(
        &mut self,
        mut bytes: &[u8],
        mut step: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = bytes
                    .len()
                    .min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= passed as u64;
                bytes = &bytes[passed..];
                step(Step::Goes(passed as u64))?;
                if self.rest == 0 {
                    step(Step::Ends)?;
                }
                continue;
            }
            let taken = bytes.len().min(self.prefix.len() - self.prefix_bytes);
            self.prefix[self.prefix_bytes..][..taken].copy_from_slice(&bytes[..taken]);
            self.prefix_bytes += taken;
            bytes = &bytes[taken..];
            if let (true, [_, length @ ..]) = (self.prefix_bytes == self.prefix.len(), self.prefix)
            {
                self.prefix_bytes = 0;
                self.length = u64::from(u32::from_be_bytes(length));
                self.rest = self.length;
                step(Step::Begins(self.length))?;
            }
        }
        Ok(())
    }

    /// Whether the message that is under way, or was last, counts.
    fn is_large(&self) -> bool {
        self.length > SMALL_BYTES
    }
}

/// How long a caller may still keep its request waiting.
#[derive(Debug)]
struct Patience {
    whole: Duration,
    left: Duration,
    /// Since when it waits; nothing while it does not.
    since: Option<Instant>,
    /// Bytes since it was whole.
    bytes: u64,
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(whole: Duration) -> Self {
        Self {
            whole,
            left: whole,
            since: None,
            bytes: 0,
            over: None,
        }
    }

    /// Waits until nothing of it is left.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.left;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(left)));
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            over.as_mut().reset(now + left);
        }
        over.as_mut().poll(cx)
    }

    /// Something came.
    fn pause(&mut self) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
    }

    /// What came is worth waiting anew, or not yet.
    fn note(&mut self, step: Step) {
        match step {
            Step::Begins(_) => return,
            Step::Goes(bytes) => self.bytes += bytes,
            Step::Ends => self.bytes = PROGRESS_BYTES,
        }
        if self.bytes >= PROGRESS_BYTES {
            self.bytes = 0;
            self.left = self.whole;
        }
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
    /// What came, while there is no memory for it.
    held: Option<(Frame<Bytes>, Granting)>,
    patience: Patience,
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
            patience: Patience::new(limits.patience(record.call())),
            ended: false,
        }
    }

    /// Notes what came. How much memory it takes.
    fn pass(&mut self, data: &[u8]) -> Result<u64, Failure> {
        self.record.note_received_bytes(data.len());
        self.received += data.len() as u64;
        let call = self.record.call();
        let is_put = call == PUT;
        if is_put && self.received > self.limits.put_bytes {
            return Err(self.limits.put_too_large());
        }
        let (limits, patience, share) = (&self.limits, &mut self.patience, &mut self.share);
        let mut of_message = 0;
        self.framing.pass(data, |step| {
            match step {
                Step::Begins(length) => {
                    limits.check(call, length)?;
                    *share = None;
                    of_message = 0;
                }
                Step::Goes(bytes) => of_message += bytes,
                Step::Ends => {}
            }
            if is_put {
                patience.note(step);
            }
            Ok::<_, Failure>(())
        })?;
        Ok(if self.framing.is_large() {
            of_message
        } else {
            0
        })
    }

    /// Takes memory for what came, or says what has to be waited for.
    fn take(&mut self, bytes: u64) -> Option<Granting> {
        let beyond = self.share.as_ref().is_some_and(Share::is_beyond);
        if bytes == 0 || beyond {
            return None;
        }
        let memory = &self.limits.memory;
        match memory.share_at_once(bytes) {
            Ok(share) => {
                self.keep(share);
                None
            }
            Err(_) => Some(Box::pin(memory.clone().share(bytes, self.limits.put_idle))),
        }
    }

    fn keep(&mut self, more: Share) {
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
        }
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
                Ok(share) => self.keep(share),
                Err(failure) => return self.end(&failure),
            }
            return Poll::Ready(held.map(|(frame, _)| Ok(frame)));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.patience.poll_over(cx));
                let failure = self.limits.too_slow(self.record.call());
                return self.end(&failure);
            }
        };
        self.patience.pause();
        let Some(Ok(frame)) = frame else {
            self.ended = true;
            return Poll::Ready(frame);
        };
        let passed = frame.data_ref().map_or(Ok(0), |data| self.pass(data));
        match passed.map(|bytes| self.take(bytes)) {
            Ok(None) => Poll::Ready(Some(Ok(frame))),
            Ok(Some(granting)) => {
                self.held = Some((frame, granting));
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
