//! Memory of queries: what all may take together, and what one may take.
//!
//! Operators ask DataFusion's pools before they hold rows. Each query has a pool of its own, bounded by
//! `query_memory_bytes_each`, and whatever it takes is taken from the pool of all queries too, bounded by
//! `query_memory_bytes`. In both, operators that can write to disk share what the others leave evenly. So a heavy query
//! ends, or writes to disk, before others have nothing left. A second pair of pools, of the same sizes, is for the
//! values that functions make ([`super::sizes`]), which DataFusion asks nobody about.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::resources_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
    TrackConsumersPool,
};

use crate::config::Config;

/// Of so many of its operators a query that meets its bound is told.
const OPERATORS_TOLD: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// What a query that needs too much memory can do.
const ADVICE: &str = "ask for fewer columns or rows at a time, filter before joining (the smaller side of a join \
                      must fit), or have the setting raised";

/// Memory of all queries.
#[derive(Debug)]
pub(in crate::query) struct Memory {
    operators: Arc<dyn MemoryPool>,
    values: Arc<dyn MemoryPool>,
    bytes: usize,
    bytes_each: usize,
}

impl Memory {
    pub(in crate::query) fn new(config: &Config) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let bytes = size(config.query_memory_bytes);
        Self {
            operators: Arc::new(FairSpillPool::new(bytes)),
            values: Arc::new(GreedyMemoryPool::new(bytes)),
            bytes,
            bytes_each: size(config.query_memory_bytes_each).min(bytes),
        }
    }

    /// For the operators of one more query.
    pub(in crate::query) fn operators(&self) -> Arc<dyn MemoryPool> {
        let own = FairSpillPool::new(self.bytes_each);
        let own = TrackConsumersPool::new(own, OPERATORS_TOLD);
        self.share(own, &self.operators)
    }

    /// For the values that functions make in one more query.
    pub(in crate::query) fn values(&self) -> Arc<dyn MemoryPool> {
        self.share(GreedyMemoryPool::new(self.bytes_each), &self.values)
    }

    fn share(
        &self,
        own: impl MemoryPool + 'static,
        all: &Arc<dyn MemoryPool>,
    ) -> Arc<dyn MemoryPool> {
        Arc::new(Share {
            own: Box::new(own),
            all: Arc::clone(all),
            bytes: self.bytes,
            bytes_each: self.bytes_each,
        })
    }

    /// What operators hold, what values of functions take, and what there is of either, in bytes.
    pub(in crate::query) fn usage(&self) -> [u64; 3] {
        [
            self.operators.reserved(),
            self.values.reserved(),
            self.bytes,
        ]
        .map(|bytes| bytes as u64)
    }

    /// What all queries hold.
    #[cfg(test)]
    pub(in crate::query) fn reserved(&self) -> usize {
        self.operators.reserved() + self.values.reserved()
    }
}

/// What one query may take of a pool for all.
#[derive(Debug)]
struct Share {
    own: Box<dyn MemoryPool>,
    all: Arc<dyn MemoryPool>,
    bytes: usize,
    bytes_each: usize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.own, self.all)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &'static str {
        "share"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let own = self.own.try_grow(reservation, additional);
        own.map_err(|error| {
            let bound = format!("query_memory_bytes_each is {}", self.bytes_each);
            used_up(&format!("{bound}, and this query needs more"), &error)
        })?;
        self.all.try_grow(reservation, additional).map_err(|error| {
            self.own.shrink(reservation, additional);
            let bound = format!("query_memory_bytes is {}", self.bytes);
            used_up(
                &format!("{bound}, and all queries together need more"),
                &error,
            )
        })
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_each)
    }
}

/// Stays the error by which operators know that they should write to disk.
fn used_up(what: &str, error: &DataFusionError) -> DataFusionError {
    let details = match error {
        DataFusionError::ResourcesExhausted(details) => details.clone(),
        other => other.strip_backtrace(),
    };
    resources_datafusion_err!("{what}; {ADVICE}. {details}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(&Config {
            query_memory_bytes: 100,
            query_memory_bytes_each: 60,
            ..Config::default()
        })
    }

    fn reserve(pool: &Arc<dyn MemoryPool>) -> MemoryReservation {
        MemoryConsumer::new("join").register(pool)
    }

    #[test]
    fn one_query_is_bounded_before_all_are() {
        let memory = memory();
        let (first, second) = (memory.operators(), memory.operators());
        let (mine, others) = (reserve(&first), reserve(&second));
        mine.try_grow(50).unwrap();
        let error = mine.try_grow(20).unwrap_err().to_string();
        assert!(error.contains("query_memory_bytes_each is 60"), "{error}");
        assert!(error.contains("join"), "{error}");
        others.try_grow(45).unwrap();
        let error = others.try_grow(10).unwrap_err().to_string();
        assert!(error.contains("query_memory_bytes is 100"), "{error}");
        assert_eq!((second.reserved(), memory.reserved()), (45, 95));
        drop(mine);
        others.try_grow(10).unwrap();
        drop(others);
        assert_eq!(memory.reserved(), 0);
    }

    #[test]
    fn what_cannot_be_taken_from_all_is_not_held_by_one() {
        let memory = memory();
        let (first, second) = (memory.values(), memory.values());
        let (mine, others) = (reserve(&first), reserve(&second));
        mine.try_grow(60).unwrap();
        others.try_grow(50).unwrap_err();
        assert_eq!(second.reserved(), 0);
        others.try_grow(40).unwrap();
    }
}
