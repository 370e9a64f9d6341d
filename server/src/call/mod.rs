//! What every call has in common: who asks, what is noted, and what ends it.
//!
//! | module | what it does |
//! |---|---|
//! | [`attended`] | stands between the connection and the service: id, limits, panics, the end of the record |
//! | [`cancellable`] | work that others than its connection can end |
//! | [`deadline`] | how long the caller gives the call |
//! | [`ending`] | what ends a call before its work is done |
//! | [`memory`] | what all calls together may receive at the same time |
//! | [`receiving`] | what comes from the caller: bounded in size, in time, and in memory |
//! | [`sending`] | what goes to the caller: a reader that takes nothing does not hold it for ever |
//! | [`record`] | what is known of a call, for its line in the log, for metrics and in errors |
//!
//! A [`Call`] stands around the work of one call. It turns a failure into the status that its caller
//! understands, a panic into an internal error of that call alone, and the end of the server's grace period
//! into an orderly end of the call. Work inside a call knows nothing of statuses.

pub(crate) mod attended;
pub(crate) mod cancellable;
mod deadline;
pub(crate) mod ending;
pub(crate) mod memory;
mod receiving;
pub(crate) mod record;
pub(crate) mod sending;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Extensions, Response, Status};
use tracing::error;

use self::record::Record;
use crate::status::Failure;
use crate::stop::{Phase, reached};

/// A stream of answers, ready to be sent.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How long a commit that is under way may take when the server ends the calls that still run.
pub(crate) const COMMITTING: Duration = Duration::from_secs(5);

/// One call being answered.
#[derive(Debug)]
pub(crate) struct Call {
    record: Arc<Record>,
    phase: watch::Receiver<Phase>,
}

impl Call {
    /// The call of this name with these headers, which has its record among its extensions.
    pub(crate) fn begin(
        name: &'static str,
        headers: &tonic::metadata::MetadataMap,
        extensions: &Extensions,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let record = match extensions.get::<Arc<Record>>() {
            Some(record) => Arc::clone(record),
            None => Record::detached(name, headers),
        };
        Self { record, phase }
    }

    /// Which action is asked for.
    pub(crate) fn note_action(&self, action: &'static str) {
        self.record.note_action(action);
    }

    /// Does the work of a call with a single answer.
    pub(crate) async fn answer<T>(
        mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Response<T>, Status> {
        let done = self.guard(work).await;
        done.map(Response::new)
            .map_err(|failure| self.fail(&failure))
    }

    /// Does the work of a call with a stream of answers: what comes before the first, then the stream.
    pub(crate) async fn answers<T, S>(
        mut self,
        work: impl Future<Output = Result<S, Failure>>,
    ) -> Result<Response<Answers<T>>, Status>
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, Failure>> + Send + 'static,
    {
        match self.guard(work).await {
            Ok(answers) => Ok(Response::new(self.send(answers))),
            Err(failure) => Err(self.fail(&failure)),
        }
    }

    fn send<T: Send + 'static>(
        self,
        answers: impl Stream<Item = Result<T, Failure>> + Send + 'static,
    ) -> Answers<T> {
        let answers = Box::pin(answers);
        let next = stream::unfold(Some((self, answers)), |state| async {
            let (mut call, mut answers) = state?;
            let next = call.guard(async { answers.next().await.transpose() }).await;
            match next {
                Ok(Some(answer)) => Some((Ok(answer), Some((call, answers)))),
                Ok(None) => None,
                Err(failure) => Some((Err(call.fail(&failure)), None)),
            }
        });
        Box::pin(next)
    }

    async fn guard<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let record = Arc::clone(&self.record);
        let work = AssertUnwindSafe(work).catch_unwind();
        let mut work = std::pin::pin!(work);
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            () = reached(&mut self.phase, Phase::Stopped) => {
                if !record.is_committing() {
                    return Err(Failure::stopping());
                }
                // What is being published cannot be called back: its outcome is worth waiting for.
                tokio::select! {
                    biased;
                    done = &mut work => done,
                    () = sleep(COMMITTING) => return Err(Failure::stopping_in_a_commit()),
                }
            }
        };
        done.unwrap_or_else(|panic| Err(defect(panic.as_ref())))
    }

    fn fail(&self, failure: &Failure) -> Status {
        self.record.fail(failure);
        failure.to_status(self.record.caller(), Some(self.record.id()))
    }
}

/// What a panic is to the caller. It is logged where it is caught, within its call.
fn defect(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    error!(panic = text, "a call panicked");
    Failure::defect(text)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use shoots_proto::ErrorKind;
    use tonic::Code;
    use tonic::metadata::MetadataMap;

    use super::*;
    use crate::stop::Stop;

    fn call(stop: &Stop) -> Call {
        Call::begin(
            "test",
            &MetadataMap::new(),
            &Extensions::new(),
            stop.watch(),
        )
    }

    #[tokio::test]
    async fn a_panic_ends_its_call_and_nothing_else() {
        let stop = Stop::default();
        let panicking = call(&stop).answer(async {
            if stop.watch().has_changed().is_ok() {
                panic!("at the disco");
            }
            Ok(())
        });
        let status = panicking.await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("at the disco"));
        assert_eq!(
            call(&stop)
                .answer(async { Ok(1) })
                .await
                .unwrap()
                .into_inner(),
            1
        );
    }

    #[tokio::test]
    async fn a_panic_in_the_middle_of_answers_ends_them_with_an_error() {
        let stop = Stop::default();
        let numbers = stream::iter(0..3).map(|n| {
            assert!(n < 2, "no more");
            Ok::<_, Failure>(n)
        });
        let mut answers = call(&stop)
            .answers(async { Ok(numbers) })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answers.try_next().await.unwrap(), Some(0));
        assert_eq!(answers.try_next().await.unwrap(), Some(1));
        assert_eq!(answers.try_next().await.unwrap_err().code(), Code::Internal);
        assert_eq!(answers.try_next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_end_of_the_grace_period_ends_calls_that_still_run() {
        let stop = Stop::default();
        let waiting = call(&stop).answer(futures::future::pending::<Result<(), Failure>>());
        stop.request();
        let waiting = tokio::spawn(waiting);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        stop.finish();
        let status = waiting.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }

    /// How a call ends whose commit goes on for so long after the server has ended its calls.
    async fn committing_for(time: Duration) -> Option<Code> {
        let stop = Stop::default();
        let call = call(&stop);
        let record = Arc::clone(&call.record);
        let (begun, beginning) = tokio::sync::oneshot::channel();
        let committing = tokio::spawn(call.answer(async move {
            let _committing = record.commits();
            begun.send(()).unwrap();
            sleep(time).await;
            Ok("done")
        }));
        beginning.await.unwrap();
        stop.finish();
        let outcome = committing.await.unwrap();
        outcome.err().map(|status| status.code())
    }

    #[tokio::test]
    async fn a_commit_that_is_under_way_at_the_end_is_waited_for() {
        let short = committing_for(Duration::from_millis(50));
        let endless = committing_for(COMMITTING * 100);
        let outcomes = futures::join!(short, endless);
        assert_eq!(outcomes, (None, Some(Code::Unknown)));
    }

    #[tokio::test]
    async fn errors_carry_the_id_of_their_call() {
        let stop = Stop::default();
        let call = call(&stop);
        let id = call.record.id().to_string();
        let refused = call.answer(async {
            Err::<(), _>(Failure::new(ErrorKind::FileNotFoundError, "no such frame"))
        });
        let status = refused.await.unwrap_err();
        assert_eq!(status.message(), format!("no such frame (call {id})"));
    }
}
