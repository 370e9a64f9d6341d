//! Segments that nothing refers to so far, and what becomes of them when nobody will.
//!
//! The rows of a put lie in segments before it is known whether it will be published, and a put can end anywhere: its
//! caller vanishes, the disk is full, its last row is refused. Whoever then drops what is [`Staged`] has it removed.
//! So a put that fails takes no room, least of all on the disk that has too little for it.
//!
//! What is about to be published is handed over first ([`Staged::hand_over`]). From there on an entry may name it,
//! whatever the caller gets to hear, and only a failure that is certain allows to remove it.
//!
//! Removing is not promised: without a runtime, or with a storage that is away, segments are left for the sweep.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::Written;
use crate::budget::Share;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::log::commit::SegmentRecord;
use crate::log::plan::{NamedSchema, Rows};

/// Segments of one put, durable or on their way to it.
#[derive(Debug)]
pub(crate) struct Staged {
    log: FrameLog,
    /// All of them.
    ids: Vec<String>,
    /// Once all are durable, and in the order of the rows.
    records: Vec<SegmentRecord>,
    /// Those on their way.
    pub(super) writes: JoinSet<Result<Written>>,
    /// Memory for those on their way, once the put itself needs none.
    pub(super) share: Share,
}

impl Staged {
    pub(super) fn new(log: FrameLog) -> Self {
        Self {
            log,
            ids: Vec::new(),
            records: Vec::new(),
            writes: JoinSet::new(),
            share: Share::default(),
        }
    }

    /// Notes a segment before it begins to be written.
    pub(super) fn note(&mut self, id: &str) {
        self.ids.push(id.to_owned());
    }

    pub(super) fn complete(&mut self, records: Vec<SegmentRecord>) {
        self.records = records;
    }

    /// The segments, for whoever looks at them before.
    pub(crate) fn records(&self) -> &[SegmentRecord] {
        &self.records
    }

    /// The segments, which the caller looks after from now on.
    pub(crate) fn hand_over(mut self) -> Vec<SegmentRecord> {
        self.ids.clear();
        std::mem::take(&mut self.records)
    }

    /// Removes them. It goes on by itself if the caller does not wait for it.
    pub(crate) async fn remove(mut self) {
        if let Some(removal) = self.begin_removal() {
            // That it ended early is as good as that it failed.
            removal.await.ok();
        }
    }

    fn begin_removal(&mut self) -> Option<JoinHandle<()>> {
        let ids = std::mem::take(&mut self.ids);
        if ids.is_empty() {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let log = self.log.clone();
        let running = Arc::clone(&log.shared().removals);
        let mut writes = std::mem::take(&mut self.writes);
        let share = std::mem::take(&mut self.share);
        Some(runtime.spawn(async move {
            // A write that is begun may come to its end whatever becomes of the put, so it is waited for.
            while writes.join_next().await.is_some() {}
            drop(share);
            log.let_go(&ids).await;
            drop(running);
        }))
    }
}

/// The rows of a put in such segments.
#[derive(Debug)]
pub(crate) struct StagedRows {
    pub(crate) schema: NamedSchema,
    pub(crate) segments: Staged,
}

impl StagedRows {
    /// The rows, whose segments the caller looks after from now on.
    pub(crate) fn hand_over(self) -> Rows {
        let (schema, segments) = (self.schema, self.segments.hand_over());
        Rows { schema, segments }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.begin_removal();
    }
}
