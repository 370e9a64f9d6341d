//! How far a transfer has come, told while it goes on.
//!
//! Who listens may be slow, and need not hear all of it: of each frame only the newest progress waits. So the last one,
//! which tells that all is done, is always heard, and what is heard only grows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shoots_proto::name::FrameId;
use tokio::sync::watch;

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

/// What nobody has heard yet: the newest progress of each frame.
type Unheard = Arc<Mutex<VecDeque<Progress>>>;

/// Where progress is told.
#[derive(Debug, Clone, Default)]
pub struct ProgressSink(Option<(Unheard, watch::Sender<()>)>);

/// Where progress is heard.
#[derive(Debug)]
pub struct ProgressReceiver {
    unheard: Unheard,
    told: watch::Receiver<()>,
}

impl ProgressSink {
    /// A sink, and where its progress comes out.
    ///
    /// ```
    /// use shoots_store::ProgressSink;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (sink, mut progress) = ProgressSink::new();
    /// drop(sink); // once what it was given to has ended
    /// assert_eq!(progress.recv().await, None);
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> (Self, ProgressReceiver) {
        let (unheard, (sender, told)) = (Unheard::default(), watch::channel(()));
        let receiver = ProgressReceiver {
            unheard: Arc::clone(&unheard),
            told,
        };
        (Self(Some((unheard, sender))), receiver)
    }

    fn tell(&self, progress: Progress) {
        let Some((unheard, sender)) = &self.0 else {
            return;
        };
        let mut waiting = locked(unheard);
        let same = waiting.iter_mut().find(|told| told.frame == progress.frame);
        match same {
            Some(told) => *told = progress,
            None => waiting.push_back(progress),
        }
        drop(waiting);
        sender.send_replace(());
    }
}

impl ProgressReceiver {
    /// The next progress; none once all sinks are gone and all was heard. Giving up waiting loses nothing.
    pub async fn recv(&mut self) -> Option<Progress> {
        loop {
            if let Some(progress) = self.try_recv() {
                return Some(progress);
            }
            if self.told.changed().await.is_err() {
                return self.try_recv();
            }
        }
    }

    /// What waits to be heard, without waiting for it.
    pub fn try_recv(&mut self) -> Option<Progress> {
        locked(&self.unheard).pop_front()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts what is sent of one frame.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    sink: ProgressSink,
    /// What is counted here, and told in the order in which it is counted.
    counted: Arc<Mutex<Progress>>,
}

impl Meter {
    pub(super) fn new(frame: &FrameId, sink: &ProgressSink) -> Self {
        let nothing = Progress {
            frame: frame.clone(),
            objects_done: 0,
            objects: 0,
            bytes_done: 0,
            bytes: 0,
        };
        Self {
            sink: sink.clone(),
            counted: Arc::new(Mutex::new(nothing)),
        }
    }

    fn count(&self, count: impl FnOnce(&mut Progress)) {
        let mut counted = locked(&self.counted);
        count(&mut counted);
        self.sink.tell(counted.clone());
    }

    /// More is missing.
    pub(super) fn expect(&self, objects: u64, bytes: u64) {
        self.count(|counted| {
            counted.objects += objects;
            counted.bytes += bytes;
        });
    }

    /// Bytes are on their way.
    pub(super) fn moved(&self, bytes: u64) {
        self.count(|counted| counted.bytes_done += bytes);
    }

    /// An object has arrived.
    pub(super) fn arrived(&self) {
        self.count(|counted| counted.objects_done += 1);
    }

    pub(super) fn progress(&self) -> Progress {
        locked(&self.counted).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_listens_late_hears_the_newest_of_each_frame_and_then_the_end() {
        let (sink, mut progress) = ProgressSink::new();
        let frame = |name: &str| FrameId::from_path(&[name.to_owned()]).unwrap();
        let (one, other) = (frame("one"), frame("other"));
        let (first, second) = (Meter::new(&one, &sink), Meter::new(&other, &sink));
        first.expect(100, 1000);
        second.expect(1, 10);
        for _ in 0..100 {
            first.moved(10);
            first.arrived();
        }
        let heard = progress.recv().await.unwrap();
        assert_eq!((&heard.frame, heard.objects_done), (&one, 100));
        assert_eq!((heard.bytes_done, heard.bytes), (1000, 1000));
        assert_eq!(progress.recv().await.unwrap().frame, other);
        drop((first, second, sink));
        assert_eq!(progress.recv().await, None);
    }
}
