//! Who is reading: so that a sweep of the same process leaves alone what a reader may still come to.
//!
//! A reader announces the frame and the version before it looks for objects, and is struck off when its stream is
//! dropped. Readers in other processes are not known here; for them there is the grace period.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shoots_proto::name::FrameId;

use crate::time::Timestamp;

/// A reader that takes longer than this is not waited for.
const PATIENCE_SECONDS: u64 = 24 * 3600;

/// All readers of a store in this process.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    by_number: BTreeMap<u64, Reader>,
}

#[derive(Debug)]
struct Reader {
    frame: Arc<FrameId>,
    version: u64,
    since: Timestamp,
}

/// A reader is at it until this is dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    readers: Arc<Readers>,
    number: u64,
}

impl Readers {
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a reader of a version.
    pub(crate) fn begin(
        self: &Arc<Self>,
        frame: &Arc<FrameId>,
        version: u64,
        since: Timestamp,
    ) -> Reading {
        let mut list = self.list();
        let number = list.next;
        list.next += 1;
        let frame = Arc::clone(frame);
        list.by_number.insert(
            number,
            Reader {
                frame,
                version,
                since,
            },
        );
        Reading {
            readers: Arc::clone(self),
            number,
        }
    }

    /// The versions of a frame that are being read.
    pub(crate) fn versions(&self, frame: &FrameId, now: Timestamp) -> Vec<u64> {
        let list = self.list();
        let readers = list.by_number.values();
        let current = readers.filter(|reader| {
            *reader.frame == *frame && now.seconds_since(reader.since) < PATIENCE_SECONDS
        });
        current.map(|reader| reader.version).collect()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.readers.list().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use shoots_proto::name::FrameName;

    use super::*;

    #[test]
    fn a_reader_is_known_until_it_ends_or_takes_too_long() {
        let name = FrameName::parse("f").unwrap();
        let frame = Arc::new(FrameId { bucket: None, name });
        let name = FrameName::parse("g").unwrap();
        let other = FrameId { bucket: None, name };
        let readers = Arc::new(Readers::default());
        let at = |seconds: i64| Timestamp::from_nanoseconds(seconds * 1_000_000_000);
        let first = readers.begin(&frame, 3, at(0));
        let second = readers.begin(&frame, 5, at(100));
        assert_eq!(readers.versions(&frame, at(200)), [3, 5]);
        assert!(readers.versions(&other, at(200)).is_empty());
        assert_eq!(readers.versions(&frame, at(24 * 3600)), [5]);
        drop(first);
        assert_eq!(readers.versions(&frame, at(200)), [5]);
        drop(second);
        assert!(readers.versions(&frame, at(200)).is_empty());
    }
}
