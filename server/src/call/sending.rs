//! What goes to a caller: its end, and what ends it when it takes too long.
//!
//! A connection asks an answer for more only when its reader has room for it. So an answer alone does not notice a reader
//! that takes nothing, nor that a call must end while it waits for one; meanwhile it holds the state that it reads,
//! and a place among the calls. [`delivered`] stands around the stream that carries the answer, and looks at the time
//! beside it:
//!
//! 1. When the call is out of time or cancelled ([`Ending`]), or its reader has taken nothing for
//!    [`read_idle_seconds`](crate::Config::read_idle_seconds), the work is dropped. What is left is at most one message. A
//!    reader that comes back gets the rest of that, and then hears why it ended.
//! 2. One that takes nothing for as long again is given up: the stream ends without a word, and its connection, which
//!    still has the message, is asked to bring no more calls and closed.
//!
//! A large message is handed on in pieces, so that a slow reader is told from one that stands still.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use shoots_proto::ErrorKind;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tonic::body::Body as TonicBody;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};

use super::attended::Attendance;
use super::defect;
use super::ending::Ending;
use super::record::{Outcome, Record, step_within};
use crate::status::Failure;

/// The longest piece of a message that is handed on at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

tokio::task_local! {
    /// Where the stream that is being served puts its answer.
    static ANSWER: watch::Sender<Option<Arc<Answer>>>;
}

/// Serves a stream of a connection to its end. Whether it was given up, because nobody reads its answer.
pub(crate) async fn delivered(stream: impl Future<Output = ()>) -> bool {
    let (place, mut answer) = watch::channel(None::<Arc<Answer>>);
    let given_up = async {
        let answer = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        };
        match answer {
            Some(answer) => answer.given_up().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = given_up => true,
        () = ANSWER.scope(place, stream) => false,
    }
}

/// An answer that is under way.
struct Answer {
    record: Arc<Record>,
    ending: Ending,
    read_idle: Duration,
    state: Mutex<State>,
}

struct State {
    /// Nothing after the end of the work.
    body: Option<TonicBody>,
    /// What is left of a message that is handed on in pieces.
    rest: Bytes,
    /// Since when there is something for the reader to take; nothing while there is nothing.
    waits: Option<Instant>,
    /// What the reader is to be told.
    failure: Option<Failure>,
}

impl Answer {
    fn new(
        body: TonicBody,
        record: &Arc<Record>,
        ending: Ending,
        read_idle: Duration,
    ) -> Arc<Self> {
        let state = State {
            body: Some(body),
            rest: Bytes::new(),
            waits: None,
            failure: None,
        };
        let answer = Arc::new(Self {
            record: Arc::clone(record),
            ending,
            read_idle,
            state: Mutex::new(state),
        });
        // Calls that come by no connection have nobody who watches them.
        let _ = ANSWER.try_with(|place| place.send_replace(Some(Arc::clone(&answer))));
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the work when it must, and returns once nobody listens to that either.
    async fn given_up(&self) {
        let failure = tokio::select! {
            biased;
            failure = self.ending.comes(&self.record) => failure,
            () = self.stalled() => self.nothing_taken(),
        };
        self.end(failure);
        self.stalled().await;
    }

    /// Waits until the reader has taken nothing for too long.
    async fn stalled(&self) {
        loop {
            let waits = self.state().waits;
            let patience = waits.unwrap_or_else(Instant::now) + self.read_idle;
            if waits.is_some() && patience <= Instant::now() {
                return;
            }
            sleep_until(patience).await;
        }
    }

    fn nothing_taken(&self) -> Failure {
        let problem = format!(
            "read_idle_seconds is {}, and the caller took nothing of the answer in that time; read it without such a pause, ask for less at a time, or have the setting raised",
            self.read_idle.as_secs()
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    /// Drops the work, and leaves word for the reader.
    fn end(&self, failure: Failure) {
        self.record.fail(&failure);
        let mut state = self.state();
        let body = state.body.take();
        state.failure = Some(failure);
        state.waits = state.waits.map(|_| Instant::now());
        drop(state);
        self.record
            .span()
            .in_scope(|| step_within(&self.record, || drop(body)));
    }

    /// What is handed on next.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut state = self.state();
        state.waits = None;
        if !state.rest.is_empty() {
            return Poll::Ready(Some(Ok(state.piece())));
        }
        if let Some(failure) = state.failure.take() {
            return Poll::Ready(Some(self.told(&failure)));
        }
        let Some(body) = &mut state.body else {
            return Poll::Ready(None);
        };
        let step = AssertUnwindSafe(|| Pin::new(body).poll_frame(cx));
        let polled = self.record.span().in_scope(|| {
            step_within(&self.record, || catch_unwind(step)).map_err(|panic| defect(panic.as_ref()))
        });
        match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                Poll::Ready(Some(Ok(self.handed_on(&mut state, frame))))
            }
            Ok(polled) => polled,
            Err(failure) => {
                state.body = None;
                self.record.fail(&failure);
                Poll::Ready(Some(self.told(&failure)))
            }
        }
    }

    /// Notes what goes to the reader, and begins with its first piece.
    fn handed_on(&self, state: &mut State, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(data) => {
                self.record.note_sent_bytes(data.len());
                state.rest = data;
                state.piece()
            }
            Err(frame) => {
                if let Some(trailers) = frame.trailers_ref() {
                    note_status(&self.record, trailers);
                }
                frame
            }
        }
    }

    /// A failure as the end of an answer.
    fn told(&self, failure: &Failure) -> Result<Frame<Bytes>, Status> {
        let status = failure.to_status(self.record.caller(), Some(self.record.id()));
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers)?;
        Ok(Frame::trailers(trailers))
    }
}

impl State {
    fn piece(&mut self) -> Frame<Bytes> {
        self.waits = Some(Instant::now());
        let bytes = self.rest.len().min(PIECE_BYTES);
        Frame::data(self.rest.split_to(bytes))
    }
}

/// Notes how a call ended, where headers or trailers say so.
pub(super) fn note_status(record: &Record, headers: &HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    record.end_with(match status.code() {
        Code::Ok => Outcome::Answered,
        code => Outcome::Status(code),
    });
}

/// What a connection takes an answer from. Dropping it ends the call.
pub(super) struct Sending {
    answer: Arc<Answer>,
    _attendance: Attendance,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sending {
    /// The answer of a call, in whose place and attendance it is until it is dropped.
    pub(super) fn new(
        body: TonicBody,
        record: &Arc<Record>,
        (ending, read_idle): (Ending, Duration),
        attendance: Attendance,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            answer: Answer::new(body, record, ending, read_idle),
            _attendance: attendance,
            _place: place,
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.answer.poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.answer.state();
        let ended = state.body.as_ref().is_none_or(Body::is_end_stream);
        ended && state.rest.is_empty() && state.failure.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.answer.state();
        let hint = state.body.as_ref().map(Body::size_hint);
        // What is left of a message is not in the hint of the body.
        hint.filter(|_| state.rest.is_empty()).unwrap_or_default()
    }
}

impl Drop for Sending {
    /// What watches the answer may outlive it, and must not hold the work.
    fn drop(&mut self) {
        self.answer.state().body = None;
    }
}

#[cfg(test)]
mod tests;
