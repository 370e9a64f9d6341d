//! The segments of a frame while histories are replayed, and which of their rows are invisible.
//!
//! Deletion vectors are changed in memory, and written once, when the replay is over. Segments that the replay itself
//! wrote and that nothing needs in the end are removed again.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::log::change::Segment;
use crate::log::commit::Commit;
use crate::log::hidden::HiddenRecord;

/// Segments in their order.
#[derive(Debug, Default)]
pub(super) struct LiveRows {
    places: Vec<Option<Live>>,
    by_id: HashMap<String, usize>,
}

/// A segment, as far as the replay has come.
#[derive(Debug, Clone)]
struct Live {
    segment: Segment,
    /// The invisible rows, if they are not those that are recorded with the segment.
    hidden: Option<Arc<RoaringBitmap>>,
}

impl Live {
    async fn hidden(&self, log: &FrameLog) -> Result<Arc<RoaringBitmap>> {
        match (&self.hidden, &self.segment.hidden) {
            (Some(hidden), _) => Ok(Arc::clone(hidden)),
            (None, Some(recorded)) => recorded.read(log).await,
            (None, None) => Ok(Arc::default()),
        }
    }

    fn is_visible(&self) -> bool {
        match &self.hidden {
            Some(hidden) => hidden.len() < self.segment.record.rows,
            None => self.segment.visible_rows() > 0,
        }
    }
}

impl LiveRows {
    pub(super) fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut rows = Self::default();
        segments.into_iter().for_each(|segment| rows.add(segment));
        rows
    }

    /// A segment follows all others.
    pub(super) fn add(&mut self, segment: Segment) {
        self.by_id
            .insert(segment.record.id.clone(), self.places.len());
        let hidden = None;
        self.places.push(Some(Live { segment, hidden }));
    }

    /// The segments with visible rows, in order.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let live = self.places.iter().flatten();
        let visible = live.filter(|live| live.is_visible());
        visible.map(|live| live.segment.clone()).collect()
    }

    fn live(&self, segment: &str) -> Option<&Live> {
        let place = self.by_id.get(segment)?;
        self.places.get(*place)?.as_ref()
    }

    /// The invisible rows of a segment.
    pub(super) async fn hidden(&self, log: &FrameLog, segment: &str) -> Result<Arc<RoaringBitmap>> {
        match self.live(segment) {
            Some(live) => live.hidden(log).await,
            None => Ok(Arc::default()),
        }
    }

    /// Rows of a segment go, if they are not gone already.
    pub(super) async fn hide(
        &mut self,
        log: &FrameLog,
        segment: &str,
        rows: &RoaringBitmap,
    ) -> Result<()> {
        let before = self.hidden(log, segment).await?;
        if rows.is_subset(&before) {
            return Ok(());
        }
        let after = Arc::new(&*before | rows);
        let live = self.by_id.get(segment);
        if let Some(live) = live.and_then(|place| self.places[*place].as_mut()) {
            live.hidden = Some(after);
        }
        Ok(())
    }

    /// Whether what a commit says it removed and hid can be done to these segments as it stands.
    pub(super) async fn takes(&self, log: &FrameLog, commit: &Commit) -> Result<bool> {
        if !commit.removed.iter().all(|id| self.live(id).is_some()) {
            return Ok(false);
        }
        for hidden in &commit.hidden {
            if commit.added.iter().any(|own| own.id == hidden.segment) {
                continue;
            }
            let Some(live) = self.live(&hidden.segment) else {
                return Ok(false);
            };
            let before = live.hidden(log).await?;
            let after = match hidden.read(log).await {
                Ok(after) => after,
                // It was given up. What the commit means can still be done.
                Err(error) if error.is_missing() => return Ok(false),
                Err(error) => return Err(error),
            };
            if !before.is_subset(&after) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes and hides what a commit says, after its own segments were added.
    pub(super) fn apply(&mut self, commit: &Commit) {
        for id in &commit.removed {
            if let Some(place) = self.by_id.remove(id) {
                self.places[place] = None;
            }
        }
        for hidden in &commit.hidden {
            let place = self.by_id.get(&hidden.segment);
            if let Some(live) = place.and_then(|place| self.places[*place].as_mut()) {
                live.segment.hidden = Some(Arc::new(hidden.clone()));
                live.hidden = None;
            }
        }
    }

    /// The segments with visible rows, in order. The deletion vectors that changed are durable when this returns.
    pub(super) async fn settle(self, log: &FrameLog) -> Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for live in self.places.into_iter().flatten() {
            if !live.is_visible() {
                continue;
            }
            let Live {
                mut segment,
                hidden,
            } = live;
            if let Some(rows) = hidden {
                let record = HiddenRecord::write(log, &segment.record.id, &rows).await?;
                segment.hidden = Some(Arc::new(record));
            }
            segments.push(segment);
        }
        Ok(segments)
    }
}
