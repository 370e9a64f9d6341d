//! Handshakes that failed, for the log: who it was and why, and never more lines than somebody can read.
//!
//! Anybody can make a handshake fail, as often as they like. So there is a line at most every [`BETWEEN`], which says how
//! many others there were since the one before.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

/// The time between two lines.
const BETWEEN: Duration = Duration::from_secs(5);

/// Counts what is not said; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Failures {
    /// Tells of a handshake that failed, or counts it.
    pub(super) fn note(&self, peer: Option<SocketAddr>, error: &io::Error) {
        let Some(others) = self.turn(Instant::now()) else {
            return;
        };
        let peer = peer.map(tracing::field::display);
        // Who looks whether the port is open, as some load balancers do, says nothing.
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                info!(peer, %error, others, "a TLS handshake was broken off");
            }
            _ => warn!(peer, %error, others, "a TLS handshake failed"),
        }
    }

    /// How many were not told of since the last line, if it is time for one.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said
            .last
            .is_some_and(|last| now.duration_since(last) < BETWEEN)
        {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_failures_one_is_told_with_the_number_of_the_others() {
        let (failures, start) = (Failures::default(), Instant::now());
        let turns = [0, 1, 4, 5, 6, 20].map(|seconds| {
            let clone = failures.clone();
            clone.turn(start + Duration::from_secs(seconds))
        });
        assert_eq!(turns, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
