//! Repeating calls that could not reach the server.

use std::time::Duration;

use crate::Error;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// How often a call is repeated that may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Attempts after the first.
    pub(crate) retries: u32,
}

impl Retry {
    /// Never repeats.
    pub(crate) const NEVER: Self = Self { retries: 0 };

    /// Runs `attempt`, and again after a growing pause while it fails in a way that
    /// `may_repeat` accepts; the last failure is the result.
    ///
    /// The attempts are of a named type because the compiler cannot tell that those of an
    /// `AsyncFnMut` may be sent between threads, and calls have to be.
    pub(crate) async fn run<T, A>(
        self,
        may_repeat: impl Fn(&Error) -> bool,
        mut attempt: impl FnMut() -> A,
    ) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Error>>,
    {
        let mut delay = FIRST_DELAY;
        for _ in 0..self.retries {
            match attempt().await {
                Err(error) if may_repeat(&error) => {}
                done => return done,
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
        attempt().await
    }
}
