//! What every call has in common: who asks, what is logged, and what ends it.
//!
//! A [`Call`] stands around the work of one call. It turns a failure into the status that its caller
//! understands, a panic into an internal error of that call alone, and the end of the server's grace period
//! into an orderly end of the call. Work inside a call knows nothing of statuses.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Instant;

use futures::{FutureExt, Stream, StreamExt, stream};
use shoots_proto::ErrorKind;
use tokio::sync::watch;
use tonic::{Response, Status};
use tracing::{debug, error, warn};

use crate::status::{Caller, Failure};
use crate::stop::{Phase, reached};

/// A stream of answers, ready to be sent.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// One call being answered.
#[derive(Debug)]
pub(crate) struct Call {
    name: &'static str,
    caller: Caller,
    started: Instant,
    phase: watch::Receiver<Phase>,
}

impl Call {
    /// The call of this name with these headers.
    pub(crate) fn begin(
        name: &'static str,
        headers: &tonic::metadata::MetadataMap,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            name,
            caller: Caller::of(headers),
            started: Instant::now(),
            phase,
        }
    }

    /// Does the work of a call with a single answer.
    pub(crate) async fn answer<T>(
        mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Response<T>, Status> {
        match self.guard(work).await {
            Ok(answer) => {
                self.log_success();
                Ok(Response::new(answer))
            }
            Err(failure) => Err(self.fail(&failure)),
        }
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
                Ok(None) => {
                    call.log_success();
                    None
                }
                Err(failure) => Some((Err(call.fail(&failure)), None)),
            }
        });
        Box::pin(next)
    }

    async fn guard<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = AssertUnwindSafe(work).catch_unwind() => {
                done.unwrap_or_else(|panic| Err(defect(self.name, panic.as_ref())))
            }
            () = reached(&mut self.phase, Phase::Stopped) => Err(Failure::stopping()),
        }
    }

    fn log_success(&self) {
        debug!(
            call = self.name,
            milliseconds = self.started.elapsed().as_millis(),
            "answered"
        );
    }

    fn fail(&self, failure: &Failure) -> Status {
        let milliseconds = self.started.elapsed().as_millis();
        if failure.is_ours() {
            warn!(call = self.name, milliseconds, %failure, "failed");
        } else {
            debug!(call = self.name, milliseconds, %failure, "refused");
        }
        failure.to_status(self.caller)
    }
}

fn defect(call: &str, panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    error!(call, panic = text, "a call panicked");
    Failure::new(
        ErrorKind::InternalError,
        format!("this is a defect of the server, please report it: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use tonic::Code;
    use tonic::metadata::MetadataMap;

    use super::*;
    use crate::stop::Stop;

    fn call(stop: &Stop) -> Call {
        Call::begin("test", &MetadataMap::new(), stop.watch())
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
}
