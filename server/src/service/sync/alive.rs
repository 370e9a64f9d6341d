//! Signs of life: while a server works for another one, it says so.
//!
//! What is asked for may take long before there is anything to tell: a folder is listed, gigabytes are checked before they
//! are published. The other end gives up a server that is silent, so an empty answer is sent from time to time.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use crate::status::Failure;

/// How often a server that works says so. Far less than the shortest silence that can be set as a limit.
const BEAT: Duration = Duration::from_secs(1);

/// The answers that come of some work, and empty ones wherever there is none for long.
pub(in crate::service) fn alive<T, S>(
    work: impl Future<Output = Result<S, Failure>> + Send + 'static,
) -> impl Stream<Item = Result<T, Failure>> + Send + 'static
where
    T: Default + Send + 'static,
    S: Stream<Item = Result<T, Failure>> + Send + 'static,
{
    every(BEAT, work)
}

fn every<T, S>(
    beat: Duration,
    work: impl Future<Output = Result<S, Failure>> + Send + 'static,
) -> impl Stream<Item = Result<T, Failure>> + Send + 'static
where
    T: Default + Send + 'static,
    S: Stream<Item = Result<T, Failure>> + Send + 'static,
{
    let answers = Box::pin(stream::once(work).try_flatten());
    stream::unfold(Some(answers), move |answers| async move {
        let mut answers = answers?;
        match timeout(beat, answers.next()).await {
            Ok(Some(answer)) => Some((answer, Some(answers))),
            Ok(None) => None,
            Err(_silent) => Some((Ok(T::default()), Some(answers))),
        }
    })
}

#[cfg(test)]
mod tests {
    use shoots_proto::ErrorKind;

    use super::*;

    const BEAT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn slow_work_is_told_from_none_and_its_answers_are_all_there() {
        let work = async {
            tokio::time::sleep(BEAT * 20).await;
            let slow = stream::iter(1..4).then(|n| async move {
                tokio::time::sleep(BEAT * 10).await;
                Ok::<u8, Failure>(n)
            });
            Ok(slow)
        };
        let told: Vec<u8> = every(BEAT, work).try_collect().await.unwrap();
        assert_eq!(told[0], 0, "{told:?}");
        let said: Vec<u8> = told.iter().copied().filter(|n| *n > 0).collect();
        assert_eq!(said, [1, 2, 3], "{told:?}");
    }

    #[tokio::test]
    async fn a_failure_ends_the_answers() {
        let failed = Failure::new(ErrorKind::DamagedError, "rot");
        let work = std::future::ready(Err::<stream::Empty<Result<u8, Failure>>, _>(failed.clone()));
        let told: Vec<_> = every(BEAT, work).collect().await;
        assert_eq!(told, [Err(failed)]);
    }
}
