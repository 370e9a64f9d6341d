//! Borders: neighbours that cannot become one segment, because together a dictionary of theirs outgrows its keys.
//!
//! To join them is to write all their rows and to have as many segments as before. So the dictionaries of a run are
//! looked at first, a page of each segment, and the run is cut where the encoder would cut it. What was found is
//! remembered by the segments' ids, which never come to mean other rows: the next run ends at the border, and a frame
//! that cannot be joined costs one look at each of its segments, however long it grows.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use quick_cache::sync::Cache;

use super::policy::{Job, Reason};
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::log::change::Segment;
use crate::read::{Piece, Source};
use crate::schema::nested::dictionary_count;
use crate::segment::Joint;

/// Borders that are remembered.
const REMEMBERED: usize = 100_000;
/// Segments that are looked at at the same time.
const PARALLEL_LOOKS: usize = 8;

/// Which neighbours are known not to fit into one segment, and the column that keeps them apart.
#[derive(Debug)]
pub(crate) struct Borders(Cache<String, Arc<str>>);

impl Default for Borders {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Borders {
    pub(super) fn note(&self, left: &str, right: &str, column: &Arc<str>) {
        self.0.insert(key(left, right), Arc::clone(column));
    }

    /// The column that keeps two neighbours apart, if it is known that one does.
    pub(super) fn between(&self, left: &Segment, right: &Segment) -> Option<Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&key(&left.record.id, &right.record.id))
    }
}

fn key(left: &str, right: &str) -> String {
    format!("{left} {right}")
}

/// A part of a job that can become one segment, as far as dictionaries go.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) job: Job,
    /// The column that keeps it apart from the part before it.
    pub(super) border: Option<Arc<str>>,
}

/// The parts of a job, in order. Only runs of small neighbours are cut: what overlaps is merged for its order.
pub(super) async fn parts(source: &Source, segments: &[Segment], job: Job) -> Result<Vec<Part>> {
    let whole = |job| vec![Part { job, border: None }];
    let wanted = dictionaries_of(&source.schema);
    if job.reason != Reason::Small || wanted.fields().is_empty() {
        return Ok(whole(job));
    }
    let look = |place: usize| look(&source.log, &segments[place], &wanted);
    let looks: Vec<_> = job.places.iter().map(|place| look(*place)).collect();
    let mut looks = stream::iter(looks).buffered(PARALLEL_LOOKS);
    let mut joint = Joint::new(source.log.shared().limits);
    let mut parts: Vec<Part> = Vec::new();
    for place in job.places {
        let border = match looks.try_next().await?.flatten() {
            Some(row) => joint.take(&row)?,
            None => None,
        };
        match parts.last_mut() {
            Some(part) if border.is_none() => part.job.places.push(place),
            _ => parts.push(Part {
                job: Job {
                    places: vec![place],
                    reason: job.reason,
                },
                border: border.map(Into::into),
            }),
        }
    }
    Ok(parts)
}

/// The columns that have dictionaries.
fn dictionaries_of(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let coded = fields.filter(|field| dictionary_count(field.data_type()) > 0);
    Arc::new(Schema::new(coded.cloned().collect::<Vec<_>>()))
}

/// One row of a segment, which has the whole dictionaries; none if no row is visible.
async fn look(
    log: &FrameLog,
    segment: &Segment,
    wanted: &SchemaRef,
) -> Result<Option<RecordBatch>> {
    let mut piece = Piece::whole(log, segment).await?;
    piece.cut(0, 1);
    piece.read(wanted, 1).try_next().await
}
