//! A bound for the time that one input may take: a thread that ends the process when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use std::path::{Path, PathBuf};

/// Far above what an input takes: only one that hangs takes as long, even where many programs share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often the thread looks.
const GLANCE: Duration = Duration::from_millis(200);

/// Knows when the input at hand was begun.
#[derive(Clone)]
pub(crate) struct Watch {
    started: Instant,
    /// Milliseconds after the start, plus one; zero while there is no input at hand.
    begun: Arc<AtomicU64>,
}

impl Watch {
    /// Watches from now on, and writes into `verdict` why it has ended the process.
    pub(crate) fn start(verdict: &Path) -> Self {
        let watch = Self {
            started: Instant::now(),
            begun: Arc::new(AtomicU64::new(0)),
        };
        let (thread, verdict) = (watch.clone(), verdict.to_path_buf());
        std::thread::spawn(move || thread.look(verdict));
        watch
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn begin(&self) {
        self.begun.store(self.milliseconds() + 1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    fn look(&self, verdict: PathBuf) {
        loop {
            std::thread::sleep(GLANCE);
            let begun = self.begun.load(Ordering::Relaxed);
            let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
            if begun > 0 && self.milliseconds() > begun + patience {
                std::fs::write(&verdict, format!("it takes more than {PATIENCE:?}")).unwrap();
                std::process::abort();
            }
        }
    }
}
