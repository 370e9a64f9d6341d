//! Compaction: the same rows in the same order, in fewer and larger segments.
//!
//! Segments are read and written anew while everybody goes on reading and writing. The commit that puts the new ones
//! in the places of the old ones gives way: if another writer has touched one of the old ones meanwhile, or changed
//! the columns, the new ones are dropped and nothing has happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use shoots_proto::action::CompactedFrame;

use super::borders::{self, Part};
use super::policy::{self, Job, Reason, Zeal};
use crate::error::{ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::{FrameLog, Freshness};
use crate::index::Index;
use crate::log::change::{Segment, totals};
use crate::log::commit::{Operation, SegmentRecord, Totals};
use crate::log::derive::{Derive, Step};
use crate::log::entry::Entry;
use crate::log::plan::NamedSchema;
use crate::read::{BATCH_ROWS, Files, Scan, Source};
use crate::sink::{Order, SegmentSink};
use crate::snapshot::Snapshot;
use crate::sync::promise::left_of;

/// Segments that are put in the places of others.
#[derive(Debug)]
struct TakePlace {
    old: Vec<Segment>,
    added: Vec<SegmentRecord>,
    schema: NamedSchema,
    index: Vec<String>,
}

#[async_trait]
impl Derive for TakePlace {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let state = &entry.state;
        if *state.schema != *self.schema.hash || state.index != self.index {
            return Ok(None);
        }
        let list = entry.list_through(entry.last_version());
        let present = log.checkpoints().segments(list).await?;
        let untouched = |old: &Segment| {
            let mut present = present.iter();
            let found = present.find(|found| found.record.id == old.record.id);
            found.is_some_and(|found| found.hidden == old.hidden)
        };
        if !self.old.iter().all(untouched) {
            return Ok(None);
        }
        let gone = totals(&self.old);
        let added_bytes: u64 = self.added.iter().map(|added| added.bytes).sum();
        let held = state.totals();
        let totals = Totals {
            rows: held.rows,
            bytes: held.bytes - gone.bytes + added_bytes,
            segments: held.segments - gone.segments + self.added.len() as u64,
            hidden: held.hidden - gone.hidden,
        };
        let removed = self.old.iter().map(|old| old.record.id.clone());
        Ok(Some(Step {
            index: self.index.clone(),
            added: self.added.clone(),
            removed: removed.collect(),
            ..Step::new(Operation::Compact, self.schema.clone(), totals)
        }))
    }
}

impl Frame {
    /// Writes small, overlapping and partly hidden segments anew, all of them at once. No row and no order changes.
    /// With `dry_run`, only says what would be done.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame; otherwise if the storage cannot be read or written.
    pub async fn compact(&self, dry_run: bool) -> Result<CompactedFrame> {
        self.compact_with(dry_run, Zeal::Complete).await
    }

    pub(crate) async fn compact_with(&self, dry_run: bool, zeal: Zeal) -> Result<CompactedFrame> {
        let snapshot = match zeal {
            Zeal::Complete => self.snapshot(None).await?,
            // What others have written meanwhile makes it give way.
            Zeal::Background => self.snapshot_with(None, Freshness::Remembered).await?,
        };
        match self.compact_snapshot(&snapshot, dry_run, zeal).await {
            Err(error) => Err(snapshot.explain(error).await),
            report => report,
        }
    }

    async fn compact_snapshot(
        &self,
        snapshot: &Snapshot,
        dry_run: bool,
        zeal: Zeal,
    ) -> Result<CompactedFrame> {
        let source = snapshot.source().await?;
        let mut report = CompactedFrame {
            name: self.id().name.clone(),
            bucket: self.id().bucket.clone(),
            segments_before: snapshot.segment_count(),
            segments_after: snapshot.segment_count(),
            bytes_read: 0,
            bytes_written: None,
            rows_dropped: 0,
            reason: "nothing to do".to_owned(),
            version: None,
            commit: None,
        };
        let Files::Segments(segments) = &source.files else {
            return Ok(report);
        };
        let promised = match snapshot.place() {
            Some((entry, _)) => left_of(self.frame_log(), &entry.state, segments).await?,
            None => None,
        };
        if let Some(promised) = promised {
            report.reason = format!("some of its rows were left at {}", promised.remote);
            return Ok(report);
        }
        let limits = self.frame_log().shared().limits;
        let shared = self.frame_log().shared();
        let border = |left: &Segment, right: &Segment| shared.borders.between(left, right);
        let apart = |left: &Segment, right: &Segment| border(left, right).is_some();
        let jobs = policy::jobs(segments, limits, zeal, &apart);
        let mut telling = Telling::default();
        let neighbours = segments.windows(2);
        telling.border = neighbours
            .filter_map(|pair| border(&pair[0], &pair[1]))
            .next();
        for job in jobs {
            if self.is_futile(segments, &job, zeal) {
                telling.futile = true;
                continue;
            }
            let mut left: Option<String> = None;
            for Part { job, border } in borders::parts(&source, segments, job).await? {
                let place = |place: Option<&usize>| place.map(|at| &segments[*at].record.id);
                let ends = place(job.places.first()).zip(place(job.places.last()));
                let mut ends = ends.map(|(first, last)| (first.clone(), last.clone()));
                if job.places.len() > 1 || job.reason == Reason::Hidden {
                    telling.reasons.insert(job.reason);
                    if dry_run {
                        foresee(&mut report, segments, &job, limits.max_rows as u64);
                    } else {
                        let done = self.carry_out(&mut report, &source, segments, &job);
                        match done.await? {
                            Outcome::Joined(first, last) => ends = Some((first, last)),
                            Outcome::Futile => telling.futile = true,
                            Outcome::GaveWay => {}
                        }
                    }
                }
                if let Some((first, last)) = ends {
                    if let (Some(left), Some(column), false) = (&left, &border, dry_run) {
                        shared.borders.note(left, &first, column);
                    }
                    left = Some(last);
                }
                telling.border = telling.border.or(border);
            }
        }
        report.reason = telling.reason();
        Ok(report)
    }

    /// Whether a job is known to gain nothing.
    ///
    /// In the background, one that is mostly made of segments that were written anew in vain is not worth the rest
    /// of it: it is left until there is twice as much. So what rewriting in vain costs follows the rows, too.
    fn is_futile(&self, segments: &[Segment], job: &Job, zeal: Zeal) -> bool {
        let futile = &self.frame_log().shared().futile;
        if futile.get(&key(segments, job)).is_some() {
            return true;
        }
        let rows = |place: &usize| segments[*place].visible_rows();
        let in_vain = |place: &&usize| futile.get(&segments[**place].record.id).is_some();
        let all: u64 = job.places.iter().map(rows).sum();
        let tried: u64 = job.places.iter().filter(in_vain).map(rows).sum();
        zeal == Zeal::Background && job.reason != Reason::Hidden && tried * 2 > all
    }

    async fn carry_out(
        &self,
        report: &mut CompactedFrame,
        source: &Source,
        segments: &[Segment],
        job: &Job,
    ) -> Result<Outcome> {
        self.log_writable()?;
        let old: Vec<Segment> = job.places.iter().map(|at| segments[*at].clone()).collect();
        let gone = totals(&old);
        let added = write_anew(source, old.clone()).await?;
        report.bytes_read += gone.bytes;
        let ids: Vec<String> = added.iter().map(|added| added.id.clone()).collect();
        let shared = self.frame_log().shared();
        let gains_nothing = job.reason == Reason::Small && added.len() == old.len();
        if gains_nothing || added.len() > old.len() {
            shared.futile.insert(key(segments, job), ());
            for segment in old {
                shared.futile.insert(segment.record.id, ());
            }
            self.frame_log().let_go(&ids).await;
            return Ok(Outcome::Futile);
        }
        let limits = shared.limits;
        let full = gone.rows.div_ceil(limits.max_rows.max(1) as u64);
        let full = full.max(gone.bytes.div_ceil(limits.max_bytes.max(1) as u64));
        let apart = added.len() as u64 > full + 1;
        let written: u64 = added.iter().map(|added| added.bytes).sum();
        let after = added.len() as u64;
        let change = TakePlace {
            old,
            added,
            schema: self.frame_log().named_schema(&source.schema)?,
            index: source.index.clone(),
        };
        match self.change(change).await {
            Ok(Some(published)) => {
                report.segments_after = report.segments_after + after - gone.segments;
                *report.bytes_written.get_or_insert(0) += written;
                report.rows_dropped += gone.hidden;
                report.version = Some(published.version);
                report.commit = Some(published.commit);
                if apart {
                    // Something kept them from becoming as few as their size allows, and will again.
                    ids.iter()
                        .for_each(|id| shared.futile.insert(id.clone(), ()));
                }
                let ends = ids.first().cloned().zip(ids.last().cloned());
                Ok(ends.map_or(Outcome::GaveWay, |(first, last)| {
                    Outcome::Joined(first, last)
                }))
            }
            Ok(None) => {
                self.frame_log().let_go(&ids).await;
                Ok(Outcome::GaveWay)
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Err(error),
            Err(error) => {
                self.frame_log().let_go(&ids).await;
                Err(error)
            }
        }
    }
}

/// What came of a job.
enum Outcome {
    /// The first and the last of the new segments.
    Joined(String, String),
    /// There would have been as many segments as before, or more.
    Futile,
    /// Somebody else has changed the frame.
    GaveWay,
}

/// What there is to tell about the jobs of a frame.
#[derive(Default)]
struct Telling {
    reasons: BTreeSet<Reason>,
    /// A column that keeps neighbours apart.
    border: Option<Arc<str>>,
    /// Some segments were written anew, now or earlier, and were not fewer then.
    futile: bool,
}

impl Telling {
    fn reason(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if !self.reasons.is_empty() {
            let names: Vec<&str> = self.reasons.iter().map(|reason| reason.name()).collect();
            parts.push(names.join(", "));
        }
        let some = if parts.is_empty() { "" } else { "some " };
        if let Some(column) = &self.border {
            parts.push(format!(
                "{some}cannot be joined: together the dictionaries of column `{column}` would outgrow their keys"
            ));
        } else if self.futile {
            parts.push(format!(
                "{some}cannot be joined: written anew, they were as many segments as before"
            ));
        }
        match parts.is_empty() {
            true => "nothing to do".to_owned(),
            false => parts.join("; "),
        }
    }
}

/// What a job is remembered by.
fn key(segments: &[Segment], job: &Job) -> String {
    let ids = job
        .places
        .iter()
        .map(|place| segments[*place].record.id.as_str());
    blake3::hash(ids.collect::<Vec<_>>().join(" ").as_bytes())
        .to_hex()
        .to_string()
}

/// What a job would come to, roughly.
fn foresee(report: &mut CompactedFrame, segments: &[Segment], job: &Job, max_rows: u64) {
    let gone = totals(job.places.iter().map(|place| &segments[*place]));
    let after = gone.rows.div_ceil(max_rows).min(gone.segments);
    report.segments_after = report.segments_after + after - gone.segments;
    report.bytes_read += gone.bytes;
    report.rows_dropped += gone.hidden;
}

/// The visible rows of some segments in new ones.
async fn write_anew(source: &Source, old: Vec<Segment>) -> Result<Vec<SegmentRecord>> {
    let index = |source: &Source| match source.index.as_slice() {
        [] => Ok(None),
        names => Index::new(&source.schema, names).map(Some),
    };
    let order = index(source)?.map(|index| Order {
        index: Arc::new(index),
        unique: false,
    });
    let part = Source {
        files: Files::Segments(old),
        ..source.clone()
    };
    let scan = Scan::find(part, index(source)?, None).await?;
    let mut sink = SegmentSink::new(source.log.clone(), Arc::clone(&source.schema), order)?;
    let mut batches = scan.read(None, BATCH_ROWS, None)?;
    while let Some(batch) = batches.try_next().await? {
        sink.write(batch).await?;
    }
    Ok(sink.finish().await?.hand_over())
}

#[cfg(test)]
mod tests;
