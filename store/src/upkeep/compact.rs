//! Compaction: the same rows in the same order, in fewer and larger segments.
//!
//! Segments are read and written anew while everybody goes on reading and writing. The commit that puts the new ones
//! in the places of the old ones gives way: if another writer has touched one of the old ones meanwhile, or changed
//! the columns, the new ones are dropped and nothing has happened.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use shoots_proto::action::CompactedFrame;

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
        let limits = self.frame_log().shared().limits;
        let jobs = policy::jobs(segments, limits, zeal);
        let mut reasons: Vec<_> = jobs.iter().map(|job| job.reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        if !reasons.is_empty() {
            let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
            report.reason = names.join(", ");
        }
        for job in &jobs {
            if zeal == Zeal::Background
                && self
                    .frame_log()
                    .shared()
                    .futile
                    .get(&key(segments, job))
                    .is_some()
            {
                continue;
            }
            if dry_run {
                foresee(&mut report, segments, job, limits.max_rows as u64);
            } else {
                self.carry_out(&mut report, &source, segments, job).await?;
            }
        }
        Ok(report)
    }

    async fn carry_out(
        &self,
        report: &mut CompactedFrame,
        source: &Source,
        segments: &[Segment],
        job: &Job,
    ) -> Result<()> {
        self.log_writable()?;
        let old: Vec<Segment> = job.places.iter().map(|at| segments[*at].clone()).collect();
        let gone = totals(&old);
        let added = write_anew(source, old.clone()).await?;
        let ids: Vec<String> = added.iter().map(|added| added.id.clone()).collect();
        let gains_nothing = job.reason == Reason::Small && added.len() == old.len();
        if gains_nothing || added.len() > old.len() {
            // What cannot be joined (dictionaries of more values than their keys tell apart) is not tried again.
            let futile = &self.frame_log().shared().futile;
            futile.insert(key(segments, job), ());
            return self.frame_log().discard(&ids).await;
        }
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
                report.bytes_read += gone.bytes;
                *report.bytes_written.get_or_insert(0) += written;
                report.rows_dropped += gone.hidden;
                report.version = Some(published.version);
                report.commit = Some(published.commit);
                Ok(())
            }
            Ok(None) => self.frame_log().discard(&ids).await,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Err(error),
            Err(error) => {
                self.frame_log().discard(&ids).await?;
                Err(error)
            }
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
    sink.finish().await
}
