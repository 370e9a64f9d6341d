//! What is known of one call: its id, how much it moves, and how it ended.
//!
//! A record is made where a call comes from its connection, and ends when the connection has let go of the answer; then
//! there is one line in the log, and the metrics count it. Whoever does the work of the call finds its record with
//! [`noted`], without passing it along: work is only ever polled within its call, and what it moves is noted from
//! there.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use shoots_proto::ErrorKind;
use tonic::Code;
use tonic::metadata::MetadataMap;
use tracing::{Span, error_span, field, info, warn};

use crate::metrics::Metrics;
use crate::status::{Caller, Failure};

tokio::task_local! {
    static CURRENT: Arc<Record>;
}

/// Letters and digits that cannot be taken for each other, as in Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits that tell this server, in this run, from others.
const SERVER_DIGITS: usize = 4;

/// The name of a call in errors and in the log, such as `k3v7-1a`: a server that runs, and a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallId(String);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives calls their ids.
#[derive(Debug)]
pub(crate) struct CallIds {
    server: String,
    next: AtomicU64,
}

impl CallIds {
    /// Ids of a server that begins to run.
    pub(crate) fn new(random: u64) -> Self {
        let digits = (0..SERVER_DIGITS).map(|place| digit(random >> (5 * place)));
        Self {
            server: digits.collect(),
            next: AtomicU64::new(1),
        }
    }

    pub(crate) fn next(&self) -> CallId {
        let mut number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut digits = Vec::new();
        while number > 0 {
            digits.push(digit(number));
            number >>= 5;
        }
        let digits = digits.iter().rev();
        CallId(
            self.server
                .chars()
                .chain(['-'])
                .chain(digits.copied())
                .collect(),
        )
    }
}

fn digit(number: u64) -> char {
    char::from(DIGITS[(number & 31) as usize])
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// With an error of the wire contract, and whether the server is at fault.
    Failed {
        kind: ErrorKind,
        message: String,
        ours: bool,
    },
    /// With a status that no work of ours gave: a call that does not exist, a message that is none.
    Status(Code),
    /// The caller, or the connection, went away.
    Cancelled,
}

impl Outcome {
    /// What metrics call an outcome that is no success.
    pub(crate) fn error(&self) -> Option<&'static str> {
        match self {
            Self::Answered => None,
            Self::Failed { kind, .. } => Some(kind.as_str()),
            Self::Status(Code::Unimplemented) => Some("Unimplemented"),
            Self::Status(_) => Some("MalformedCall"),
            Self::Cancelled => Some("Cancelled"),
        }
    }
}

/// One call, from its headers to the end of its answer.
#[derive(Debug)]
pub(crate) struct Record {
    id: CallId,
    call: &'static str,
    action: OnceLock<&'static str>,
    caller: Caller,
    started: Instant,
    span: Span,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    received_rows: AtomicU64,
    sent_rows: AtomicU64,
    /// How much of its work is at a point from which it cannot be taken back.
    committing: AtomicUsize,
    outcome: Mutex<Option<Outcome>>,
    metrics: Arc<Metrics>,
}

impl Record {
    pub(super) fn new(
        id: CallId,
        call: &'static str,
        caller: Caller,
        peer: Option<SocketAddr>,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        // As severe as it gets, so that it is there for every line that is written at all.
        let span = error_span!(
            "call",
            %id,
            call,
            action = field::Empty,
            frame = field::Empty,
            by = field::Empty,
            token = field::Empty
        );
        if let Some(peer) = peer {
            span.in_scope(|| tracing::trace!(%peer, "began"));
        }
        Arc::new(Self {
            id,
            call,
            action: OnceLock::new(),
            caller,
            started: Instant::now(),
            span,
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_rows: AtomicU64::new(0),
            sent_rows: AtomicU64::new(0),
            committing: AtomicUsize::new(0),
            outcome: Mutex::default(),
            metrics: Arc::clone(metrics),
        })
    }

    /// A record that nobody made before: for calls that do not come from a connection.
    pub(crate) fn detached(call: &'static str, headers: &MetadataMap) -> Arc<Self> {
        let metrics = Arc::new(Metrics::default());
        let id = CallIds::new(0).next();
        Self::new(id, call, Caller::of(headers), None, &metrics)
    }

    pub(crate) fn id(&self) -> &CallId {
        &self.id
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The call's name, as logs and metrics have it.
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

    /// The action that it asks for; empty for other calls.
    pub(crate) fn action(&self) -> &'static str {
        self.action.get().copied().unwrap_or_default()
    }

    /// Which action it asks for.
    pub(crate) fn note_action(&self, action: &'static str) {
        if self.action.set(action).is_ok() {
            self.span.record("action", action);
        }
    }

    /// Which frame it is about.
    pub(crate) fn note_frame(&self, frame: &impl fmt::Display) {
        self.span.record("frame", field::display(frame));
    }

    /// The id of its token.
    pub(crate) fn note_token(&self, id: &str) {
        self.span.record("token", id);
    }

    /// What its token calls its holder.
    pub(crate) fn note_subject(&self, subject: &str) {
        self.span.record("by", subject);
    }

    pub(super) fn note_received_bytes(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        self.metrics.received_bytes.inc_by(bytes as u64);
    }

    pub(super) fn note_sent_bytes(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.metrics.sent_bytes.inc_by(bytes as u64);
    }

    /// Rows that came from the caller.
    pub(crate) fn note_received_rows(&self, rows: usize) {
        self.received_rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.metrics.received_rows.inc_by(rows as u64);
    }

    /// Rows that go to the caller.
    pub(crate) fn note_sent_rows(&self, rows: usize) {
        self.sent_rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.metrics.sent_rows.inc_by(rows as u64);
    }

    /// Says that from now on, until the result is dropped, the call may have an effect that nothing takes back.
    pub(crate) fn commits(self: &Arc<Self>) -> Committing {
        self.committing.fetch_add(1, Ordering::Relaxed);
        Committing(Arc::clone(self))
    }

    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed) > 0
    }

    /// How it ends, unless that is known.
    pub(super) fn end_with(&self, outcome: Outcome) {
        let mut known = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert(outcome);
    }

    /// It ends with a failure.
    pub(crate) fn fail(&self, failure: &Failure) {
        self.end_with(match failure.body() {
            Some(body) => Outcome::Failed {
                kind: body.kind,
                message: body.message.clone(),
                ours: failure.is_ours(),
            },
            None => Outcome::Status(Code::Unimplemented),
        });
    }

    /// Writes the line of the log, and counts the call.
    pub(super) fn finish(&self) {
        let known = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = known.clone().unwrap_or(Outcome::Cancelled);
        drop(known);
        let took = self.started.elapsed();
        self.metrics.count_call(self, &outcome, took);
        self.span.in_scope(|| self.log(&outcome, took));
    }

    fn log(&self, outcome: &Outcome, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1e3;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (received_bytes, sent_bytes) = (read(&self.received_bytes), read(&self.sent_bytes));
        let (received_rows, sent_rows) = (read(&self.received_rows), read(&self.sent_rows));
        /// The same fields with each word.
        macro_rules! line {
            ($level:ident, $word:literal $(, $name:ident = $value:expr)*) => {
                $level!(milliseconds, received_bytes, sent_bytes, received_rows, sent_rows $(, $name = $value)*, $word)
            };
        }
        match outcome {
            Outcome::Answered => line!(info, "answered"),
            Outcome::Failed {
                kind,
                message,
                ours: true,
            } => line!(
                warn,
                "failed",
                kind = kind.as_str(),
                message_to_caller = message.as_str()
            ),
            Outcome::Failed { kind, message, .. } => {
                line!(
                    info,
                    "refused",
                    kind = kind.as_str(),
                    message_to_caller = message.as_str()
                );
            }
            Outcome::Status(code) => line!(info, "refused", code = field::debug(code)),
            Outcome::Cancelled => line!(info, "cancelled by its caller"),
        }
    }
}

/// A part of a call's work that is done to the end.
#[derive(Debug)]
pub(crate) struct Committing(Arc<Record>);

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.committing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does work as part of a call, so that [`noted`] finds the record.
pub(super) async fn within<T>(record: Arc<Record>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(record, work).await
}

/// Does a step of such work.
pub(super) fn step_within<T>(record: &Arc<Record>, step: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(Arc::clone(record), step)
}

/// The record of the call that is being worked for; nothing where no call is.
pub(crate) fn noted<T>(note: impl FnOnce(&Arc<Record>) -> T) -> Option<T> {
    CURRENT.try_with(note).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_tell_servers_and_calls_apart() {
        let (one, other) = (CallIds::new(0x12345), CallIds::new(0x54321));
        let first = one.next();
        assert_eq!(first.to_string().len(), SERVER_DIGITS + 2);
        assert_ne!(first, one.next());
        assert_ne!(first, other.next());
        let thousandth = (0..1000).map(|_| one.next()).last().unwrap();
        assert_eq!(thousandth.to_string().len(), SERVER_DIGITS + 3);
    }

    #[tokio::test]
    async fn work_finds_the_record_of_its_call_and_no_other() {
        let record = Record::detached("DoGet", &MetadataMap::new());
        assert_eq!(noted(|_| ()), None);
        let work = async { noted(|record| record.note_sent_rows(3)) };
        within(Arc::clone(&record), work).await.unwrap();
        step_within(&record, || noted(|record| record.note_sent_rows(4))).unwrap();
        assert_eq!(record.sent_rows.load(Ordering::Relaxed), 7);
        assert_eq!(noted(|_| ()), None);
    }

    #[test]
    fn what_ends_a_call_first_is_how_it_ended() {
        let record = Record::detached("DoPut", &MetadataMap::new());
        record.fail(&Failure::new(ErrorKind::LimitError, "too much"));
        record.end_with(Outcome::Answered);
        let outcome = record.outcome.lock().unwrap().clone().unwrap();
        assert_eq!(outcome.error(), Some("LimitError"));
    }

    #[test]
    fn a_commit_is_under_way_until_it_is_let_go_of() {
        let record = Record::detached("DoPut", &MetadataMap::new());
        let first = record.commits();
        let second = record.commits();
        drop(first);
        assert!(record.is_committing());
        drop(second);
        assert!(!record.is_committing());
    }
}
