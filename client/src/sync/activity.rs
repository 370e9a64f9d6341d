//! Whether the other end of a call that brings bytes is still there.
//!
//! A transfer may take hours, so it has no time limit; what is limited is silence. The other end has shown life when
//! it takes a message, and when it answers. While this end has nothing to send, because its own bytes are slow, the
//! other one need not do anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What was last seen of the other end. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    last: Instant,
    /// Whether it is this end that keeps the other waiting.
    busy: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        let last = Instant::now();
        Self(Arc::new(Mutex::new(Seen { last, busy: false })))
    }

    /// The other end has taken a message, or answered.
    pub(super) fn note(&self) {
        self.set(false);
    }

    /// The other end asks for a message, and this one has none yet.
    pub(super) fn wait_for_us(&self) {
        self.set(true);
    }

    fn set(&self, busy: bool) {
        let last = Instant::now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Seen { last, busy };
    }

    /// Since when nothing was seen of the other end, if it is its turn.
    fn silent_since(&self) -> Option<Instant> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!seen.busy).then_some(seen.last)
    }

    /// Waits until the other end has been silent for so long, which may be never.
    pub(super) async fn silence(&self, limit: Duration) {
        loop {
            let since = self.silent_since();
            let end = since.unwrap_or_else(Instant::now) + limit;
            sleep_until(end).await;
            if since.is_some() && self.silent_since() == since {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn silence_is_counted_from_the_last_sign_of_life() {
        let activity = Activity::new();
        let other = activity.clone();
        let alive = async move {
            for _ in 0..10 {
                tokio::time::sleep(LIMIT / 5).await;
                other.note();
            }
            Instant::now()
        };
        let silent = async {
            activity.silence(LIMIT).await;
            Instant::now()
        };
        let (alive, silent) = tokio::join!(alive, silent);
        assert!(alive < silent);
    }

    #[tokio::test]
    async fn an_end_that_is_kept_waiting_is_not_silent() {
        let activity = Activity::new();
        activity.wait_for_us();
        let silence = tokio::time::timeout(LIMIT * 4, activity.silence(LIMIT));
        assert!(silence.await.is_err());
        activity.note();
        activity.silence(LIMIT).await;
    }
}
