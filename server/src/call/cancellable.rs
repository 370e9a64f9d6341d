//! Work that can be ended by others than the connection that waits for it.
//!
//! A client of gRPC cancels its call, and the work is dropped. But who waits inside of a library that cannot do that, or has
//! only a `FlightInfo`, has to ask for it in another call. So such work has a key while it runs: the
//! [name](shoots_proto::action::CallName) that a caller gave its call, or the number of a ticket of Flight SQL. Work that
//! runs on another server is not known here.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The work that runs, by its keys; clones are of the same work.
#[derive(Debug, Clone)]
pub(crate) struct Cancellable<K>(Arc<Mutex<HashMap<K, watch::Sender<bool>>>>);

impl<K> Default for Cancellable<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Cancellable<K> {
    /// Begins work under a key, which others may have, too. It ends when the result is dropped.
    pub(crate) fn begin(&self, key: K) -> Cancellation<K> {
        let told = self.running().entry(key.clone()).or_default().subscribe();
        Cancellation {
            key,
            running: self.clone(),
            told: Some(told),
        }
    }

    /// Tells all work of this key to end; false if there is none.
    pub(crate) fn cancel(&self, key: &K) -> bool {
        let running = self.running();
        let told = running.get(key);
        told.is_some_and(|told| told.send(true).is_ok())
    }
}

impl<K> Cancellable<K> {
    fn running(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells some work that it is cancelled.
#[derive(Debug)]
pub(crate) struct Cancellation<K: Eq + Hash> {
    key: K,
    running: Cancellable<K>,
    told: Option<watch::Receiver<bool>>,
}

impl<K: Eq + Hash> Cancellation<K> {
    /// Waits until the work is cancelled.
    pub(crate) async fn cancelled(&self) {
        if let Some(mut told) = self.told.clone()
            && told.wait_for(|cancelled| *cancelled).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

impl<K: Eq + Hash> Drop for Cancellation<K> {
    fn drop(&mut self) {
        self.told = None;
        let mut running = self.running.running();
        if running
            .get(&self.key)
            .is_some_and(|told| told.receiver_count() == 0)
        {
            running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_work_of_a_key_is_cancelled_and_no_other() {
        let running = Cancellable::default();
        let (one, same, other) = (running.begin("a"), running.begin("a"), running.begin("b"));
        assert!(one.cancelled().now_or_never().is_none());
        assert!(running.cancel(&"a"));
        assert!(one.cancelled().now_or_never().is_some());
        assert!(same.cancelled().now_or_never().is_some());
        assert!(other.cancelled().now_or_never().is_none());
        drop(one);
        assert!(running.cancel(&"a"));
    }

    #[test]
    fn nothing_is_left_of_work_that_ended() {
        let running = Cancellable::default();
        let (one, other) = (running.begin(7), running.begin(7));
        drop(one);
        drop(other);
        assert!(!running.cancel(&7));
        assert!(running.running().is_empty());
    }
}
