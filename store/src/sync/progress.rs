//! How far a transfer has come, told while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shoots_proto::name::FrameId;
use tokio::sync::mpsc;

/// How far the transfer of one frame has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The frame, under its name here.
    pub frame: FrameId,
    /// Objects that have arrived, of those that were missing.
    pub objects_done: u64,
    /// Objects that were missing, as far as that is known.
    pub objects: u64,
    /// Their bytes that have been sent.
    pub bytes_done: u64,
    /// The bytes of objects that were missing.
    pub bytes: u64,
}

/// Where progress is told. What nobody takes in time is left out: the next one says more.
#[derive(Debug, Clone, Default)]
pub struct ProgressSink(Option<mpsc::Sender<Progress>>);

impl ProgressSink {
    /// A sink, and where its progress comes out.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Progress>) {
        let (sender, receiver) = mpsc::channel(16);
        (Self(Some(sender)), receiver)
    }

    fn tell(&self, progress: Progress) {
        if let Some(sender) = &self.0 {
            // Nobody may be listening, or not fast enough.
            sender.try_send(progress).ok();
        }
    }
}

/// Counts what is sent of one frame.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    frame: FrameId,
    sink: ProgressSink,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    objects_done: AtomicU64,
    objects: AtomicU64,
    bytes_done: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    pub(super) fn new(frame: &FrameId, sink: &ProgressSink) -> Self {
        Self {
            frame: frame.clone(),
            sink: sink.clone(),
            counts: Arc::default(),
        }
    }

    /// More is missing.
    pub(super) fn expect(&self, objects: u64, bytes: u64) {
        self.counts.objects.fetch_add(objects, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sink.tell(self.progress());
    }

    /// Bytes are on their way.
    pub(super) fn moved(&self, bytes: u64) {
        self.counts.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.sink.tell(self.progress());
    }

    /// An object has arrived.
    pub(super) fn arrived(&self) {
        self.counts.objects_done.fetch_add(1, Ordering::Relaxed);
        self.sink.tell(self.progress());
    }

    pub(super) fn progress(&self) -> Progress {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Progress {
            frame: self.frame.clone(),
            objects_done: read(&self.counts.objects_done),
            objects: read(&self.counts.objects),
            bytes_done: read(&self.counts.bytes_done),
            bytes: read(&self.counts.bytes),
        }
    }
}
