//! Stopping in two steps: first no new work, then no work at all.

use tokio::sync::watch;

/// How far a server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// Calls are accepted.
    #[default]
    Running,
    /// No new calls are accepted; those that run may finish.
    Draining,
    /// Calls that still run are ended.
    Stopped,
}

/// What moves a server to its end; clones move the same server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(watch::Sender<Phase>);

impl Stop {
    /// Asks the server to accept no more calls.
    pub(crate) fn request(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends the calls that still run.
    pub(crate) fn finish(&self) {
        self.advance(Phase::Stopped);
    }

    /// Does work that has no end of its own for as long as calls are accepted.
    pub(crate) async fn until_draining(self, work: impl Future<Output = ()>) {
        let mut phases = self.watch();
        tokio::select! {
            () = work => {}
            () = reached(&mut phases, Phase::Draining) => {}
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }

    fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }
}

/// Waits until a phase is reached; for ever, if nothing is left that could reach it.
pub(crate) async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    if phases.wait_for(|current| *current >= phase).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_advance() {
        let stop = Stop::default();
        let mut phases = stop.watch();
        stop.finish();
        stop.request();
        reached(&mut phases, Phase::Stopped).await;
        assert_eq!(*phases.borrow(), Phase::Stopped);
    }
}
