//! Panics, wherever in the process they happen, but for those that are expected and caught where they happen.
//!
//! arrow's and Parquet's decoders panic on some bytes that contradict themselves. Three places expect that and say what
//! is wrong with the bytes instead: the decoder of `shoots-flight`, the reader of segments and plain files, and the
//! check of schemas that other stores send. A panic below one of these is no defect.

use std::backtrace::Backtrace;
use std::sync::{Mutex, PoisonError};

static SEEN: Mutex<Option<String>> = Mutex::new(None);

/// What the stack of an expected panic holds. Nothing else in the project catches panics of a stream.
const CAUGHT: [&str; 4] = [
    "unpanicked",
    "store/src/segment/reader.rs",
    "src/stream/stream/catch_unwind.rs",
    "store/src/sync/arrive.rs",
];

/// Remembers panics from now on, instead of printing them.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::force_capture().to_string();
        if CAUGHT.iter().any(|place| trace.contains(place)) {
            return;
        }
        let lines = trace
            .lines()
            .filter(|line| !line.contains("/rustc/") && !line.contains("std::"));
        let trace: Vec<&str> = lines.take(80).collect();
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert(format!("{panic}\n{}", trace.join("\n")));
    }));
}

/// The first panic since the last time.
pub(crate) fn seen() -> Option<String> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).take()
}
