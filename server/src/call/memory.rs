//! Memory for what is being received, for all calls together
//! ([`receive_memory_bytes`](crate::Config::receive_memory_bytes)).
//!
//! Large messages wait for their share of it. What is gathered over many messages takes its share bit by bit, and is
//! refused if there is none: two that wait with half of it would wait for ever.

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
    bytes: u64,
    units: u32,
}

/// A part of the memory, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Share {
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl MessageMemory {
    pub(crate) fn new(config: &Config) -> Self {
        let units = u32::try_from(config.receive_memory_bytes.div_ceil(UNIT));
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = units.unwrap_or(u32::MAX).min(most);
        Self {
            free: Arc::new(Semaphore::new(units as usize)),
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

    /// Waits for so many bytes, or for all there are if that is less.
    pub(super) async fn share(self, bytes: u64, patience: Duration) -> Result<Share, Failure> {
        let units = units(bytes).min(self.units);
        let share = Arc::clone(&self.free).acquire_many_owned(units);
        match timeout(patience, share).await {
            Ok(Ok(share)) => Ok(Share(share)),
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
        share.map(Share).map_err(|_| {
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
