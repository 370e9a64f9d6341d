//! `update` and `upsert`: added rows take the place of others.
//!
//! The rows are in segments already when this begins. What is worked out from the newest state is which rows they
//! replace: those in a range of the index, or those with the same keys. These are hidden, and the added rows follow;
//! nothing is rewritten.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::fill;
use super::hiding::{Found, Hiding, Keys, first_span, rows_in_span};
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{KeyRange, KeyValue, Span};
use crate::log::change::Segment;
use crate::log::commit::{Operation, SegmentRecord, State, Totals};
use crate::log::derive::{Derive, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::log::plan::NamedSchema;
use crate::schema::evolve;

/// Which rows are replaced.
#[derive(Debug, Clone)]
pub(crate) enum Replaced {
    /// Those in a range of the first index column; none: the range that the added rows cover.
    Range(Option<Span>),
    /// Those with the keys of added rows.
    Keys,
    /// The same, and of added rows with equal keys the last one counts.
    Upsert,
}

/// Rows that take the place of others.
#[derive(Debug)]
pub(crate) struct ReplaceRows {
    replaced: Replaced,
    /// In the order in which they were given.
    added: Vec<SegmentRecord>,
    /// The schema that they were written with: that of the frame, or some of its columns and new ones.
    schema: NamedSchema,
    index: Vec<String>,
    found: Found,
    /// Segments that were written while this was worked out.
    written: Mutex<Written>,
}

/// Segments that an upsert of some columns wrote whole.
#[derive(Debug, Default)]
struct Written {
    all: Vec<String>,
    /// Those that the latest step adds; none: it adds the rows as they came.
    latest: Option<Vec<String>>,
}

#[async_trait]
impl Derive for ReplaceRows {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let live = before.filter(|entry| !entry.state.deleted);
        let Some(entry) = live else {
            return self.create(log).await.map(Some);
        };
        if entry.state.index != self.index {
            return Err(changed(log));
        }
        let present = log.schema(&entry.state.schema).await?;
        let by = evolve::bringer(entry.last_version() + 1, &log.unique_id());
        let target = evolve::with_columns_of(&present.schema, &self.schema.schema, &by);
        let target = target.ok_or_else(|| changed(log))?;
        let target = if *target == *present.schema {
            // The rows may have been written with some of its columns only.
            if present.hash != self.schema.hash {
                log.put_back_schema(&present).await?;
            }
            present
        } else {
            log.keep_schema(target).await?
        };
        let list = entry.list_through(entry.last_version());
        let hiding = Hiding::of(log.checkpoints().segments(list).await?);
        // Rows that were written before another writer changed the columns may have the same ones in another order.
        let as_they_are = evolve::has_columns_of(&self.schema.schema, &target.schema);
        let step = match self.replaced {
            _ if as_they_are => self.replace(log, &entry.state, target, hiding).await?,
            Replaced::Upsert => self.fill(log, &entry.state, target, hiding).await?,
            Replaced::Range(_) | Replaced::Keys => return Err(changed(log)),
        };
        Ok(Some(step))
    }
}

impl ReplaceRows {
    pub(crate) fn new(
        replaced: Replaced,
        added: Vec<SegmentRecord>,
        schema: NamedSchema,
        index: Vec<String>,
    ) -> Self {
        Self {
            replaced,
            added,
            schema,
            index,
            found: Found::default(),
            written: Mutex::default(),
        }
    }

    /// Removes the segments that the change did not come to need, once it is settled whether it was `published`.
    /// What cannot be removed waits for the sweep.
    pub(crate) async fn discard_rest(&self, log: &FrameLog, published: bool) {
        let own: Vec<String> = self.added.iter().map(|added| added.id.clone()).collect();
        let (mut rest, latest) = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            (written.all.clone(), written.latest.clone())
        };
        let kept = latest.unwrap_or_else(|| own.clone());
        rest.extend(own);
        rest.retain(|id| !published || !kept.contains(id));
        log.let_go(&rest).await;
    }

    fn operation(&self) -> Operation {
        match self.replaced {
            Replaced::Range(_) | Replaced::Keys => Operation::Update,
            Replaced::Upsert => Operation::Upsert,
        }
    }

    /// The frame begins with the rows.
    async fn create(&self, log: &FrameLog) -> Result<Step> {
        let mut step = Step {
            index: self.index.clone(),
            added: self.added.clone(),
            ..Step::new(
                Operation::Create,
                self.schema.clone(),
                Totals::default().with(&self.added),
            )
        };
        if matches!(self.replaced, Replaced::Upsert) {
            let mut hiding = Hiding::of(Vec::new());
            self.hide_own(log, &mut hiding).await?;
            hiding.settle(log, &self.added, &mut step).await?;
        }
        Ok(step)
    }

    async fn replace(
        &self,
        log: &FrameLog,
        state: &State,
        target: NamedSchema,
        mut hiding: Hiding,
    ) -> Result<Step> {
        let mut details = Details::default();
        match &self.replaced {
            Replaced::Range(span) => {
                let span = match span {
                    Some(span) => Some(span.clone()),
                    None => self.covered()?,
                };
                if let Some(span) = &span {
                    self.hide_range(log, &target, span, &mut hiding).await?;
                }
                details.span = span;
            }
            Replaced::Keys => {
                details.keys = true;
                self.hide_keys(log, &mut hiding).await?;
            }
            Replaced::Upsert => {
                self.hide_keys(log, &mut hiding).await?;
                self.hide_own(log, &mut hiding).await?;
            }
        }
        let mut step = Step {
            index: self.index.clone(),
            added: self.added.clone(),
            details,
            ..Step::new(self.operation(), target, state.totals().with(&self.added))
        };
        hiding.settle(log, &self.added, &mut step).await?;
        Ok(step)
    }

    /// An upsert of some columns: the others keep their older values.
    async fn fill(
        &self,
        log: &FrameLog,
        state: &State,
        target: NamedSchema,
        mut hiding: Hiding,
    ) -> Result<Step> {
        let given = self.schema.schema.fields().iter();
        let given = given.map(|field| field.name().clone()).collect();
        let mut added = Vec::new();
        for staged in &self.added {
            let staged = self.segment(staged);
            added.extend(fill::fill(log, &staged, &target, &self.index, &mut hiding).await?);
        }
        let ids: Vec<String> = added.iter().map(|added| added.id.clone()).collect();
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.all.extend(ids.iter().cloned());
            written.latest = Some(ids);
        }
        let mut step = Step {
            index: self.index.clone(),
            added: added.clone(),
            details: Details {
                given,
                ..Details::default()
            },
            ..Step::new(Operation::Upsert, target, state.totals().with(&added))
        };
        hiding.settle(log, &added, &mut step).await?;
        Ok(step)
    }

    /// The range that the added rows cover; none if there are none.
    fn covered(&self) -> Result<Option<Span>> {
        let ranges = self.added.iter().filter_map(|added| added.range.clone());
        let Some(whole) = ranges.reduce(KeyRange::union) else {
            return Ok(None);
        };
        let mut ends = whole.min.first().into_iter().chain(whole.max.first());
        if ends.any(KeyValue::is_inexact) {
            let problem =
                "the keys are too long to tell which range the rows cover: give `start` and `stop`";
            return Err(Error::invalid("start", problem));
        }
        Ok(first_span(&whole))
    }

    async fn hide_range(
        &self,
        log: &FrameLog,
        target: &NamedSchema,
        span: &Span,
        hiding: &mut Hiding,
    ) -> Result<()> {
        let column = target.schema.field_with_name(&self.index[0]);
        let column = column.map_err(|error| Error::io("finding the index", error))?;
        for segment in hiding.present().to_vec() {
            let rows = match self.found.get(&segment.record.id) {
                Some(rows) => rows,
                None => {
                    let rows = rows_in_span(log, &segment, span, column).await?;
                    self.found.keep(&segment.record.id, rows)
                }
            };
            hiding.hide(&segment.record.id, &rows);
        }
        Ok(())
    }

    async fn hide_keys(&self, log: &FrameLog, hiding: &mut Hiding) -> Result<()> {
        for added in &self.added {
            let meets: Vec<Segment> = hiding
                .present()
                .iter()
                .filter(|segment| overlaps(added, &segment.record))
                .cloned()
                .collect();
            if meets.is_empty() {
                continue;
            }
            let keys = Keys::of(log, &self.segment(added), &self.index).await?;
            for segment in meets {
                let pair = format!("{} {}", added.id, segment.record.id);
                let rows = match self.found.get(&pair) {
                    Some(rows) => rows,
                    None => self.found.keep(&pair, keys.rows(log, &segment).await?),
                };
                hiding.hide(&segment.record.id, &rows);
            }
        }
        Ok(())
    }

    /// Of added rows with equal keys the last one counts. Within a segment that is so already.
    async fn hide_own(&self, log: &FrameLog, hiding: &mut Hiding) -> Result<()> {
        for (place, later) in self.added.iter().enumerate() {
            let meets = |earlier: &&SegmentRecord| overlaps(later, earlier);
            let earlier: Vec<_> = self.added[..place].iter().filter(meets).collect();
            if !earlier.is_empty() {
                let keys = Keys::of(log, &self.segment(later), &self.index).await?;
                for earlier in earlier {
                    let rows = keys.rows(log, &self.segment(earlier)).await?;
                    hiding.hide(&earlier.id, &rows);
                }
            }
            hiding.add(self.segment(later));
        }
        Ok(())
    }

    fn segment(&self, record: &SegmentRecord) -> Segment {
        Segment {
            record: record.clone(),
            schema: Arc::clone(&self.schema.hash),
            version: 0,
            hidden: None,
        }
    }
}

fn overlaps(one: &SegmentRecord, other: &SegmentRecord) -> bool {
    match (&one.range, &other.range) {
        (Some(one), Some(other)) => one.overlaps(other),
        _ => true,
    }
}

fn changed(log: &FrameLog) -> Error {
    let problem = format!(
        "another writer changed the columns or the index of frame {}",
        log.frame()
    );
    Cause::Conflict(problem).into()
}
