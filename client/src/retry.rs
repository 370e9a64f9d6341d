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
    pub(crate) async fn run<T>(
        self,
        may_repeat: impl Fn(&Error) -> bool,
        mut attempt: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
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
