//! A clock that only tests move, and ids that never repeat: a history that fails does so again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use shoots_store::{Environment, Timestamp};

/// 2024-06-01, in nanoseconds.
const BEGIN: i64 = 1_717_200_000_000_000_000;
const MILLISECOND: i64 = 1_000_000;

#[derive(Debug)]
pub(crate) struct Clock {
    now: AtomicI64,
    ids: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            now: AtomicI64::new(BEGIN),
            ids: AtomicU64::new(0),
        }
    }
}

impl Clock {
    pub(crate) fn pass(&self, hours: u8) {
        let nanoseconds = i64::from(hours) * 3_600_000 * MILLISECOND;
        self.now.fetch_add(nanoseconds, Ordering::SeqCst);
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        let now = self.now.fetch_add(MILLISECOND, Ordering::SeqCst);
        Timestamp::from_nanoseconds(now)
    }

    fn unique(&self) -> u128 {
        // Ids must not be in the order in which they were drawn.
        let number = self.ids.fetch_add(1, Ordering::SeqCst);
        u128::from(number.reverse_bits()) << 64 | u128::from(number)
    }
}
