//! Memory for what is being received, for all calls together
//! ([`receive_memory_bytes`](crate::Config::receive_memory_bytes)).
//!
//! A large message takes its share as it arrives, so that one that only announces much holds little. Messages that each
//! hold a part would wait for each other when all is taken; so one at a time may go beyond ([`Share::beyond`]) until its
//! end, and the others go on when it gives back what it holds. What is gathered over many messages is refused if there is
//! no room for it.

use std::sync::Arc;
use std::time::Duration;

use shoots_proto::ErrorKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::status::Failure;

/// Bytes that one permit stands for.
const UNIT: u64 = 1024;

/// The memory; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct MessageMemory {
    free: Arc<Semaphore>,
    /// One message, which may have more than there is.
    beyond: Arc<Semaphore>,
    bytes: u64,
    units: u32,
}

/// A part of the memory, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    taken: OwnedSemaphorePermit,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Share {
    fn of(taken: OwnedSemaphorePermit) -> Self {
        Self {
            taken,
            beyond: None,
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.taken.merge(other.taken);
        self.beyond = self.beyond.take().or(other.beyond);
    }

    /// Whether it grows without taking more.
    pub(super) fn is_beyond(&self) -> bool {
        self.beyond.is_some()
    }
}

impl MessageMemory {
    pub(crate) fn new(config: &Config) -> Self {
        let units = u32::try_from(config.receive_memory_bytes.div_ceil(UNIT));
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = units.unwrap_or(u32::MAX).min(most);
        Self {
            free: Arc::new(Semaphore::new(units as usize)),
            beyond: Arc::new(Semaphore::new(1)),
            bytes: config.receive_memory_bytes,
            units,
        }
    }

    /// Has metrics tell how much of it is taken.
    pub(super) fn show(&self, metrics: &Metrics) {
        metrics.watch_receive_memory(&self.free, UNIT, u64::from(self.units) * UNIT);
    }

    /// What the setting says.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> u64 {
        self.free.available_permits() as u64 * UNIT
    }

    /// Waits for so many bytes more of a message, or until it may go beyond all there is.
    pub(super) async fn share(self, bytes: u64, patience: Duration) -> Result<Share, Failure> {
        let units = units(bytes).min(self.units);
        let share = async {
            tokio::select! {
                biased;
                taken = Arc::clone(&self.free).acquire_many_owned(units) => taken.map(Share::of),
                beyond = Arc::clone(&self.beyond).acquire_owned() => {
                    let nothing = Arc::clone(&self.free).acquire_many_owned(0).await?;
                    beyond.map(|beyond| Share { beyond: Some(beyond), ..Share::of(nothing) })
                }
            }
        };
        match timeout(patience, share).await {
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) => Err(Failure::stopping()),
            Err(_) => {
                let problem = format!(
                    "receive_memory_bytes is {}, and messages of other calls took all of it for {} s; send smaller batches, try \
                     again later, or have the setting raised",
                    self.bytes,
                    patience.as_secs()
                );
                Err(Failure::new(ErrorKind::LimitError, problem))
            }
        }
    }

    /// Takes so many bytes at once.
    pub(crate) fn share_at_once(&self, bytes: u64) -> Result<Share, Failure> {
        let share = Arc::clone(&self.free).try_acquire_many_owned(units(bytes));
        share.map(Share::of).map_err(|_| {
            let problem = format!(
                "receive_memory_bytes is {}, and other calls take what is left of it; nothing was changed, try again later, or have \
                 the setting raised",
                self.bytes
            );
            Failure::new(ErrorKind::LimitError, problem)
        })
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}
