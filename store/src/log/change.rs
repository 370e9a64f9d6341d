//! What a commit does to the list of a frame's segments, and the list itself.
//!
//! A frame's rows are those of its segments, one segment after the other in the order of this list (or merged by
//! key, if it has an index; rows with equal keys come in the order of the list). The list is never stored as such:
//! it is what the changes of all commits since the frame began add up to.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::commit::{Base, Commit, Operation, Own, SegmentRecord, Totals};
use super::hidden::HiddenRecord;

/// A commit's effect on the list of segments, under the version it got here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) version: u64,
    /// The schema that the added segments were written with.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) clears: bool,
    /// What the list begins with after it was cleared; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Box<Base>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
    /// Whether the added segments take the places of the removed ones, instead of following all others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_place: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<SegmentRecord>,
    /// Applied last: it may speak of segments that this change adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hidden: Vec<HiddenRecord>,
}

impl Change {
    pub(crate) fn of(version: u64, commit: &Commit, own: Option<&Own>) -> Self {
        let base = own.and_then(|own| own.base.clone());
        if own.is_some_and(|own| own.unapplied) {
            return Self {
                clears: base.is_some(),
                base: base.map(Box::new),
                ..Self::nothing(version, &commit.schema)
            };
        }
        Self {
            version,
            schema: commit.schema.clone(),
            clears: commit.operation.clears() || base.is_some(),
            base: base.map(Box::new),
            removed: commit.removed.clone(),
            in_place: commit.operation == Operation::Compact,
            added: commit.added.clone(),
            hidden: commit.hidden.clone(),
        }
    }

    /// No change.
    fn nothing(version: u64, schema: &str) -> Self {
        Self {
            version,
            schema: schema.to_owned(),
            clears: false,
            base: None,
            removed: Vec::new(),
            in_place: false,
            added: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Whether the list of segments is another after it.
    pub(crate) fn matters(&self) -> bool {
        self.clears || self.mentions() > 0
    }

    /// How many segments it speaks of.
    pub(crate) fn mentions(&self) -> usize {
        let base = self.base.as_ref().map_or(0, |base| mentions(&base.changes));
        base + self.added.len() + self.removed.len() + self.hidden.len()
    }
}

/// How many segments some changes speak of.
pub(crate) fn mentions(changes: &[Change]) -> usize {
    changes.iter().map(Change::mentions).sum()
}

impl Base {
    /// The same list without what was cleared: only the first change may clear, and none has a base.
    pub(crate) fn normal(mut self) -> Self {
        let Some(start) = self.changes.iter().rposition(|change| change.clears) else {
            return self;
        };
        let mut rest = self.changes.split_off(start);
        match rest[0].base.take() {
            None => Self {
                checkpoint: None,
                changes: rest,
            },
            Some(base) => {
                rest[0].clears = false;
                let mut base = base.normal();
                base.changes
                    .extend(rest.into_iter().filter(Change::matters));
                base
            }
        }
    }
}

/// A segment of a frame at some version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    pub(crate) record: SegmentRecord,
    /// The schema that it was written with.
    pub(crate) schema: Arc<str>,
    /// The version that brought it.
    pub(crate) version: u64,
    pub(crate) hidden: Option<Arc<HiddenRecord>>,
}

impl Segment {
    /// How many of its rows are invisible.
    pub(crate) fn hidden_rows(&self) -> u64 {
        self.hidden.as_ref().map_or(0, |hidden| hidden.rows)
    }

    /// How many of its rows are visible.
    pub(crate) fn visible_rows(&self) -> u64 {
        self.record.rows.saturating_sub(self.hidden_rows())
    }
}

/// What some segments hold together.
pub(crate) fn totals<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> Totals {
    segments
        .into_iter()
        .fold(Totals::default(), |sum, segment| Totals {
            rows: sum.rows + segment.visible_rows(),
            bytes: sum.bytes + segment.record.bytes,
            segments: sum.segments + 1,
            hidden: sum.hidden + segment.hidden_rows(),
        })
}

/// The list of segments, while changes are applied to it.
#[derive(Debug, Default)]
pub(crate) struct SegmentList {
    places: Vec<Option<Segment>>,
    by_id: HashMap<String, usize>,
}

impl SegmentList {
    /// A list of these segments.
    pub(crate) fn of(segments: Vec<Segment>) -> Self {
        let ids = segments.iter().map(|segment| segment.record.id.clone());
        Self {
            by_id: ids.zip(0..).collect(),
            places: segments.into_iter().map(Some).collect(),
        }
    }

    /// The segment of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Segment> {
        let place = self.by_id.get(id)?;
        self.places.get(*place)?.as_ref()
    }

    /// Whether it has a segment of this id.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The segments in order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.places.iter().flatten()
    }

    /// Applies a change, but for its base, which is the caller's matter.
    pub(crate) fn apply(&mut self, change: &Change) {
        if change.clears {
            self.places.clear();
            self.by_id.clear();
        }
        let mut freed: Vec<usize> = Vec::with_capacity(change.removed.len());
        for id in &change.removed {
            if let Some(place) = self.by_id.remove(id) {
                self.places[place] = None;
                freed.push(place);
            }
        }
        freed.sort_unstable();
        let mut freed = freed.into_iter().filter(|_| change.in_place);
        let schema: Arc<str> = change.schema.as_str().into();
        for record in &change.added {
            let segment = Segment {
                record: record.clone(),
                schema: Arc::clone(&schema),
                version: change.version,
                hidden: None,
            };
            let place = freed.next().unwrap_or_else(|| {
                self.places.push(None);
                self.places.len() - 1
            });
            self.by_id.insert(record.id.clone(), place);
            self.places[place] = Some(segment);
        }
        for hidden in &change.hidden {
            let place = self.by_id.get(&hidden.segment);
            if let Some(segment) = place.and_then(|place| self.places[*place].as_mut()) {
                segment.hidden = Some(Arc::new(hidden.clone()));
            }
        }
    }

    /// The segments in order.
    pub(crate) fn into_segments(self) -> Vec<Segment> {
        self.places.into_iter().flatten().collect()
    }
}

/// Changes that add up to a list: as few as keep its order.
pub(crate) fn changes_of(segments: &[Segment]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for segment in segments {
        let fits = changes
            .last()
            .is_some_and(|last| last.version == segment.version && *last.schema == *segment.schema);
        if !fits {
            changes.push(Change::nothing(segment.version, &segment.schema));
        }
        if let Some(last) = changes.last_mut() {
            last.added.push(segment.record.clone());
            last.hidden.extend(segment.hidden.as_deref().cloned());
        }
    }
    changes
}
