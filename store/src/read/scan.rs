//! Which pieces are read, in which order: one after the other where they do not overlap, merged where they do.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use futures::stream;
use futures::{StreamExt, TryStreamExt};

use super::filter::Sieve;
use super::piece::{Batches, Piece, pieces_between};
use super::{Files, Reading, Source};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{Index, Input, Span, arrange, merge};
use crate::log::change::Segment;

/// Groups of segments that one reader decodes ahead of the one whose rows it hands out.
const GROUPS_AHEAD: usize = 1;
/// Segments whose deletion vectors and schemas are looked up at the same time.
const PARALLEL_LOOKS: usize = 8;

/// Pieces in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Scan {
    schema: SchemaRef,
    index: Vec<String>,
    groups: VecDeque<Group>,
    reading: Option<Arc<Reading>>,
}

/// Pieces that are merged, with what is left out of the merged rows.
#[derive(Debug)]
struct Group {
    pieces: Vec<Piece>,
    rows: u64,
    skip: u64,
}

impl Scan {
    /// Everything within `span`, if one is given.
    pub(crate) async fn find(
        source: Source,
        index: Option<Index>,
        span: Option<Span>,
    ) -> Result<Self> {
        let Source {
            log,
            schema,
            index: names,
            files,
            reading,
        } = source;
        let pieces = match (files, &index, &span) {
            (Files::Plain(plain), ..) => vec![Piece::plain(&log, plain)],
            (Files::Segments(segments), Some(index), Some(span)) => {
                let column = schema.field(index.columns()[0]);
                pieces_between(&log, &segments, span, column).await?
            }
            (Files::Segments(segments), ..) => {
                let look = |segment| whole(log.clone(), segment);
                let looks: Vec<_> = segments.into_iter().map(look).collect();
                stream::iter(looks)
                    .buffered(PARALLEL_LOOKS)
                    .try_collect()
                    .await?
            }
        };
        Ok(Self {
            schema,
            groups: groups(pieces, index.is_some()),
            index: names,
            reading,
        })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> u64 {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// Keeps the i-th of n runs of groups.
    pub(crate) fn keep_part(&mut self, part: usize, parts: usize) {
        let (total, parts) = (self.groups.len(), parts.max(1));
        let (start, end) = (total * part / parts, total * (part + 1) / parts);
        self.groups.truncate(end);
        self.groups.drain(..start.min(end));
    }

    /// Scans of about so many rows each that follow each other. Rows that are merged stay together.
    pub(crate) fn split(mut self, rows: u64) -> Vec<Self> {
        let rows = rows.max(1);
        let mut parts: Vec<VecDeque<Group>> = Vec::new();
        let mut room = 0;
        for group in self.groups.drain(..) {
            for group in group.split(rows) {
                match parts.last_mut() {
                    Some(part) if group.rows <= room => {
                        room -= group.rows;
                        part.push_back(group);
                    }
                    _ => {
                        room = rows.saturating_sub(group.rows);
                        parts.push(VecDeque::from([group]));
                    }
                }
            }
        }
        let part = |groups| Self {
            schema: Arc::clone(&self.schema),
            index: self.index.clone(),
            groups,
            reading: self.reading.clone(),
        };
        parts.into_iter().map(part).collect()
    }

    /// Leaves out the first `offset` rows, and those after the next `limit`.
    pub(crate) fn cut(&mut self, offset: u64, limit: Option<u64>) {
        let (mut skip, mut left) = (offset, limit.unwrap_or(u64::MAX));
        for group in &mut self.groups {
            let skipped = skip.min(group.rows);
            let taken = left.min(group.rows - skipped);
            skip -= skipped;
            left -= taken;
            group.cut(skipped, taken);
        }
        self.groups.retain(|group| group.rows > 0);
    }

    /// Reads the columns with these places in the schema; none: all.
    pub(crate) fn read(
        self,
        columns: Option<Vec<usize>>,
        batch_rows: usize,
        sieve: Option<Arc<Sieve>>,
    ) -> Result<Batches> {
        let all = self.schema.fields().len();
        let columns = columns.unwrap_or_else(|| (0..all).collect());
        let merging = Merging::new(&self.schema, &self.index, columns, sieve)?;
        let merging = Arc::new(merging);
        let reading = self.reading;
        let alone = self.groups.len() == 1;
        let batches = stream::iter(self.groups)
            .map(move |group| {
                let merging = Arc::clone(&merging);
                std::future::ready(group.read(&merging, batch_rows, alone))
            })
            .buffered(1 + GROUPS_AHEAD)
            .flatten()
            .inspect(move |_| {
                // The stream is a reader for as long as it exists.
                let _ = &reading;
            })
            .boxed();
        Ok(batches)
    }
}

async fn whole(log: FrameLog, segment: Segment) -> Result<Piece> {
    Piece::whole(&log, &segment).await
}

fn groups(pieces: Vec<Piece>, indexed: bool) -> VecDeque<Group> {
    let ranges: Option<Vec<_>> = pieces.iter().map(|piece| piece.range.clone()).collect();
    match ranges.filter(|_| indexed) {
        Some(ranges) => {
            let mut pieces: Vec<Option<Piece>> = pieces.into_iter().map(Some).collect();
            arrange(&ranges)
                .into_iter()
                .map(|places| {
                    let taken = places.into_iter().filter_map(|place| pieces[place].take());
                    Group::new(taken.collect())
                })
                .collect()
        }
        None => pieces
            .into_iter()
            .map(|piece| Group::new(vec![piece]))
            .collect(),
    }
}

impl Group {
    fn new(pieces: Vec<Piece>) -> Self {
        Self {
            rows: pieces.iter().map(Piece::visible).sum(),
            pieces,
            skip: 0,
        }
    }

    /// The group in as few parts of about the same size as have no more than so many rows each, if it is a single piece.
    fn split(self, rows: u64) -> Vec<Self> {
        let [piece] = self.pieces.as_slice() else {
            return vec![self];
        };
        let each = self.rows.div_ceil(self.rows.div_ceil(rows).max(1)).max(1);
        let starts = (0..self.rows.div_ceil(each)).map(|number| number * each);
        let parts = starts.map(|skip| {
            let mut part = Self::new(vec![piece.clone()]);
            part.cut(skip, each.min(self.rows - skip));
            part
        });
        parts.collect()
    }

    fn cut(&mut self, skip: u64, take: u64) {
        match self.pieces.as_mut_slice() {
            [piece] => piece.cut(skip, take),
            _ => self.skip += skip,
        }
        self.rows = take;
    }

    fn read(mut self, merging: &Merging, batch_rows: usize, alone: bool) -> Batches {
        if self.pieces.len() > 1 {
            return self.merge(merging, batch_rows);
        }
        let (wanted, sieve) = (&merging.wanted, merging.sieve.clone());
        match self.pieces.pop() {
            Some(piece) if alone => piece.read_alone(wanted, batch_rows, sieve),
            Some(piece) => piece.read_wanted(wanted, batch_rows, sieve),
            None => stream::empty().boxed(),
        }
    }
}

/// What all merges of a scan have in common.
struct Merging {
    /// The columns that are asked for.
    wanted: SchemaRef,
    /// Those and, after them, the columns of the index that are not among them.
    read: SchemaRef,
    index: Option<Arc<Index>>,
    /// Which rows are wanted, if not all are.
    sieve: Option<Arc<Sieve>>,
}

impl Merging {
    fn new(
        schema: &Schema,
        index: &[String],
        columns: Vec<usize>,
        sieve: Option<Arc<Sieve>>,
    ) -> Result<Self> {
        let project = |columns: &[usize]| {
            let fields = columns.iter().map(|column| schema.field(*column).clone());
            Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
        };
        let wanted = project(&columns);
        let mut all = columns;
        for name in index {
            let place = schema
                .index_of(name)
                .map_err(|error| Error::io("finding the index", error))?;
            if !all.contains(&place) {
                all.push(place);
            }
        }
        let read = project(&all);
        let index = match index {
            [] => None,
            names => Some(Arc::new(Index::new(&read, names)?)),
        };
        Ok(Self {
            wanted,
            read,
            index,
            sieve,
        })
    }
}

impl Group {
    fn merge(mut self, merging: &Merging, batch_rows: usize) -> Batches {
        let Some(index) = merging.index.clone() else {
            return stream::empty().boxed();
        };
        let inputs = self.pieces.drain(..).filter_map(|piece| {
            let min = piece.range.as_ref()?.min.clone();
            let read = Arc::clone(&merging.read);
            let sieve = merging.sieve.clone();
            let open = move || piece.read_wanted(&read, batch_rows, sieve);
            Some(Input {
                min,
                open: Box::new(open),
            })
        });
        let merged = merge(index, inputs.collect(), batch_rows);
        let wanted: Vec<usize> = (0..merging.wanted.fields().len()).collect();
        let cut = Cut {
            merged,
            skip: self.skip,
            left: self.rows,
            wanted,
        };
        stream::try_unfold(cut, Cut::next).boxed()
    }
}

/// The merged rows of a group, without those that are passed over and those after the limit.
struct Cut {
    merged: Batches,
    skip: u64,
    left: u64,
    wanted: Vec<usize>,
}

impl Cut {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        while self.left > 0 {
            let Some(batch) = self.merged.try_next().await? else {
                break;
            };
            let rows = batch.num_rows() as u64;
            let skipped = self.skip.min(rows);
            let taken = self.left.min(rows - skipped);
            self.skip -= skipped;
            self.left -= taken;
            if taken > 0 {
                let batch = batch.slice(to_usize(skipped), to_usize(taken));
                let batch = batch.project(&self.wanted);
                let batch = batch.map_err(|error| Error::io("choosing columns", error))?;
                return Ok(Some((batch, self)));
            }
        }
        Ok(None)
    }
}

fn to_usize(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
