//! Sorted streams merged into one.
//!
//! An [`Input`] is opened only when the merge has come to its least key, so a long chain of segments that barely
//! overlap holds few streams open. At any time the open inputs stand in the order of their next keys, and the first
//! one, the leader, gives all rows up to where the next input, or one that is not open yet, would come before it.
//! Long runs are passed on as slices. Short ones are noted as places in the batches they come from, and become one
//! batch when there are enough of them.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::{self, BoxStream};

use super::Index;
use super::gather::{Gather, Place};
use super::keys::Keys;
use super::value::{KeyValue, compare_keys};
use crate::error::Result;

/// Runs of at least one of so many parts of a batch are passed on as they are.
const LONG_RUN: usize = 8;

/// A stream of batches.
type Batches = BoxStream<'static, Result<RecordBatch>>;

/// Sorted rows that can be had when they are needed.
pub(crate) struct Input {
    /// No key of the rows is less than this.
    pub(crate) min: Vec<KeyValue>,
    /// Begins to read.
    pub(crate) open: Box<dyn FnOnce() -> Batches + Send>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("min", &self.min)
            .finish_non_exhaustive()
    }
}

/// All rows of `inputs` in the order of their keys; of equal keys those of earlier inputs first, and those of one
/// input in its order. Batches have at most `batch_rows` rows.
///
/// All inputs have one schema. Their errors end the stream, and dropping it drops them.
pub(crate) fn merge(index: Arc<Index>, inputs: Vec<Input>, batch_rows: usize) -> Batches {
    let mut waiting: Vec<(usize, Input)> = inputs.into_iter().enumerate().collect();
    waiting.sort_by(|(_, one), (_, other)| compare_keys(&one.min, &other.min));
    let merge = Merge {
        index,
        batch_rows: batch_rows.max(1),
        waiting: waiting.into(),
        reading: Vec::new(),
        open: Vec::new(),
        runs: Runs::default(),
        ready: VecDeque::new(),
    };
    stream::try_unfold(merge, |mut merge| async move {
        Ok(merge.next().await?.map(|batch| (batch, merge)))
    })
    .boxed()
}

struct Merge {
    index: Arc<Index>,
    batch_rows: usize,
    /// Inputs that are not open, in the order of their least keys.
    waiting: VecDeque<(usize, Input)>,
    /// Open inputs whose next batch is not there yet.
    reading: Vec<Source>,
    /// Open inputs in the order of their next keys.
    open: Vec<Source>,
    /// Short runs, taken and not yet copied.
    runs: Runs,
    ready: VecDeque<RecordBatch>,
}

/// An open input.
struct Source {
    position: usize,
    stream: Batches,
    batch: RecordBatch,
    /// The keys of the batch, once they are compared with those of another input.
    keys: Option<Keys>,
    /// The next row.
    row: usize,
    /// How many inputs were waiting when it was last found out, and where the first of them begins in the batch.
    limit: Option<(usize, usize)>,
}

impl Source {
    /// The next batch that has rows, unless the input is at its end.
    async fn next(mut self) -> Result<Option<Self>> {
        while let Some(batch) = self.stream.next().await.transpose()? {
            if batch.num_rows() > 0 {
                self.batch = batch;
                self.keys = None;
                self.row = 0;
                self.limit = None;
                return Ok(Some(self));
            }
        }
        Ok(None)
    }

    fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn encode(&mut self, index: &Index) -> Result<()> {
        if self.keys.is_none() {
            self.keys = Some(index.keys(std::slice::from_ref(&self.batch))?);
        }
        Ok(())
    }

    /// How the next key compares to the next one of `other`. Both are encoded.
    fn compare(&self, other: &Self) -> Ordering {
        match (&self.keys, &other.keys) {
            (Some(one), Some(keys)) => one.compare(self.row, keys, other.row),
            _ => Ordering::Equal,
        }
        .then(self.position.cmp(&other.position))
    }

    /// The end of the rows that come before the next row of `other`. Both are encoded.
    fn end_before(&self, other: &Self) -> usize {
        match (&self.keys, &other.keys) {
            (Some(one), Some(keys)) => one.gallop(self.row, |row| {
                let order = one.compare(row, keys, other.row);
                order.then(self.position.cmp(&other.position)).is_lt()
            }),
            _ => self.rows(),
        }
    }

    /// The first row from the next one on whose key is not less than `key`, the least key of the inputs that wait.
    fn limit(&mut self, index: &Index, waiting: usize, key: &[KeyValue]) -> Result<usize> {
        if let Some((known, limit)) = self.limit
            && known == waiting
        {
            return Ok(limit);
        }
        let is_below = |row| -> Result<bool> {
            Ok(compare_keys(&index.key_of(&self.batch, row)?, key).is_lt())
        };
        let (mut low, mut high) = (self.row, self.rows());
        // Most batches lie below entirely.
        if is_below(high - 1)? {
            low = high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_below(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.limit = Some((waiting, low));
        Ok(low)
    }
}

impl Merge {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            self.fill().await?;
            if self.open.is_empty() {
                self.flush()?;
                return Ok(self.ready.pop_front());
            }
            self.advance()?;
        }
    }

    /// Has a next row in every open input, and all inputs open that might come before the leader's.
    async fn fill(&mut self) -> Result<()> {
        loop {
            let reading = self.reading.drain(..).map(Source::next);
            for source in try_join_all(reading).await?.into_iter().flatten() {
                self.enqueue(source)?;
            }
            self.open_reached()?;
            if self.reading.is_empty() {
                return Ok(());
            }
        }
    }

    /// Opens the inputs that wait for keys which the leader has come to. Without a leader the first one leads.
    fn open_reached(&mut self) -> Result<()> {
        while let Some((_, input)) = self.waiting.front() {
            let reached = match self.open.first_mut() {
                Some(leader) => {
                    leader.limit(&self.index, self.waiting.len(), &input.min)? == leader.row
                }
                None => self.reading.is_empty(),
            };
            if !reached {
                return Ok(());
            }
            if let Some((position, input)) = self.waiting.pop_front() {
                self.reading.push(Source {
                    position,
                    stream: (input.open)(),
                    batch: RecordBatch::new_empty(Arc::new(arrow_schema::Schema::empty())),
                    keys: None,
                    row: 0,
                    limit: None,
                });
            }
        }
        Ok(())
    }

    /// Puts an input where its next key belongs.
    fn enqueue(&mut self, mut source: Source) -> Result<()> {
        if let Some(leader) = self.open.first_mut() {
            leader.encode(&self.index)?;
            source.encode(&self.index)?;
        }
        let place = self
            .open
            .partition_point(|other| other.compare(&source).is_lt());
        self.open.insert(place, source);
        Ok(())
    }

    /// Takes one run from the leader.
    fn advance(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut leader = self.open.remove(0);
        let mut end = match self.open.first() {
            Some(next) => leader.end_before(next),
            None => leader.rows(),
        };
        if let Some((_, input)) = self.waiting.front() {
            end = end.min(leader.limit(&self.index, self.waiting.len(), &input.min)?);
        }
        let run = end - leader.row;
        if run >= self.batch_rows.div_ceil(LONG_RUN) {
            self.flush()?;
            let mut from = leader.row;
            while from < end {
                let rows = (end - from).min(self.batch_rows);
                self.ready.push_back(leader.batch.slice(from, rows));
                from += rows;
            }
        } else {
            end = end.min(leader.row + self.batch_rows - self.runs.places.len());
            self.runs.take(&leader, end);
            if self.runs.places.len() == self.batch_rows {
                self.flush()?;
            }
        }
        leader.row = end;
        if leader.row < leader.rows() {
            self.enqueue(leader)
        } else {
            self.runs.part_of.remove(&leader.position);
            self.reading.push(leader);
            Ok(())
        }
    }

    /// Copies the short runs.
    fn flush(&mut self) -> Result<()> {
        self.ready.extend(std::mem::take(&mut self.runs).copy()?);
        Ok(())
    }
}

/// Rows to be copied. Those of one batch follow each other there, though not here.
#[derive(Default)]
struct Runs {
    parts: Vec<Part>,
    /// The part of each input's current batch.
    part_of: HashMap<usize, usize>,
    /// In terms of parts and rows of their batches.
    places: Vec<Place>,
}

struct Part {
    batch: RecordBatch,
    first: usize,
    end: usize,
}

impl Runs {
    /// Notes the rows of `source` up to `end`.
    fn take(&mut self, source: &Source, end: usize) {
        let part = *self.part_of.entry(source.position).or_insert_with(|| {
            self.parts.push(Part {
                batch: source.batch.clone(),
                first: source.row,
                end,
            });
            self.parts.len() - 1
        });
        self.parts[part].end = end;
        self.places.extend((source.row..end).map(|row| (part, row)));
    }

    fn copy(mut self) -> Result<Vec<RecordBatch>> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        for (part, row) in &mut self.places {
            *row -= self.parts[*part].first;
        }
        let slice = |part: Part| part.batch.slice(part.first, part.end - part.first);
        Gather::new(self.parts.into_iter().map(slice).collect())?.rows(&self.places)
    }
}

#[cfg(test)]
mod tests;
