//! One bound for the memory of all puts of a store.
//!
//! A put holds a share for the rows it buffers. When the rest does not suffice, the put first writes out what it
//! has and gives its share back, and only then waits: nobody waits while holding memory, so puts cannot lock each
//! other out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const UNIT: u64 = 1024;

/// The memory that puts share.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
    waiting: Arc<AtomicU64>,
}

/// Counts somebody who waits, until it is dropped.
struct Wait<'a>(&'a AtomicU64);

impl<'a> Wait<'a> {
    fn begin(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory that a put holds, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = permits(bytes).max(1);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            waiting: Arc::default(),
        }
    }

    /// How much is taken.
    pub(crate) fn used_bytes(&self) -> u64 {
        let free = self.permits.available_permits() as u64;
        u64::from(self.total).saturating_sub(free) * UNIT
    }

    /// How many wait for a share.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How much there is for all.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.total) * UNIT
    }

    /// Adds to a share if that much is free.
    pub(crate) fn try_grow(&self, share: &mut Share, bytes: u64) -> bool {
        let wanted = permits(bytes).min(self.total);
        let Ok(more) = Arc::clone(&self.permits).try_acquire_many_owned(wanted) else {
            return false;
        };
        share.add(more);
        true
    }

    /// Waits for a share. A wish beyond the whole budget is granted when nobody else holds any.
    pub(crate) async fn share(&self, bytes: u64) -> Share {
        let wanted = permits(bytes).min(self.total);
        let permits = Arc::clone(&self.permits);
        let _wait = Wait::begin(&self.waiting);
        // The semaphore is never closed.
        Share(permits.acquire_many_owned(wanted).await.ok())
    }
}

impl Share {
    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|permit| permit.num_permits() == 0)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
        }
    }

    /// Gives back all but so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let keep = permits(bytes) as usize;
        if let Some(permit) = &mut self.0 {
            let excess = permit.num_permits().saturating_sub(keep);
            drop(permit.split(excess));
        }
    }
}

fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(u32::MAX)
        .min(Semaphore::MAX_PERMITS.try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_given_back_can_be_had_again() {
        let budget = Budget::new(10 * UNIT);
        let mut first = Share::default();
        assert!(budget.try_grow(&mut first, 8 * UNIT));
        let mut second = Share::default();
        assert!(!budget.try_grow(&mut second, 3 * UNIT));
        first.shrink_to(7 * UNIT);
        assert!(budget.try_grow(&mut second, 3 * UNIT));
        drop((first, second));
        assert_eq!(budget.permits.available_permits(), 10);
    }

    #[tokio::test]
    async fn who_waits_is_counted_until_there_is_a_share_or_the_wait_is_given_up() {
        let budget = Budget::new(10 * UNIT);
        let all = budget.share(10 * UNIT).await;
        assert_eq!((budget.used_bytes(), budget.waiting()), (10 * UNIT, 0));
        let mut first = Box::pin(budget.share(UNIT));
        let mut second = Box::pin(budget.share(UNIT));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(budget.waiting(), 2);
        drop(second);
        assert_eq!(budget.waiting(), 1);
        drop(all);
        let share = first.await;
        assert!(!share.is_empty());
        assert_eq!((budget.used_bytes(), budget.waiting()), (UNIT, 0));
    }

    #[tokio::test]
    async fn a_wish_beyond_the_budget_is_granted_alone() {
        let budget = Budget::new(10 * UNIT);
        let share = budget.share(1 << 40).await;
        assert!(!budget.try_grow(&mut Share::default(), 1));
        drop(share);
        assert!(budget.try_grow(&mut Share::default(), 1));
    }
}
