//! Several sorted inputs, brought together by their keys in one pass.
//!
//! The inputs are sorted by keys of the same types. What becomes of rows with equal keys is the [`Pairing`]: each row of
//! one side with each of the other, as a join has it; the first with the first and the second with the second, as an
//! alignment has it; or each alone. A batch per input is in memory, and for a join the rows of the right side that have
//! one key, which the memory for queries has to hold.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_row::{OwnedRow, Row, RowConverter, Rows, SortField};
use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::{StreamExt, TryStreamExt, stream};

use super::gather::{NONE, Pick, gather};
use super::operator::{ASCENDING, Batches, Step};
use super::source::Input;

/// Values in a batch at most, so that thousands of columns do not make batches large.
const BATCH_VALUES: usize = 1 << 22;
/// Rows in a batch at least, however many columns there are.
const LEAST_ROWS: usize = 256;

/// What becomes of rows with equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// Each row of the first input with each of the second; whether rows of either that find none stay.
    Product { left_stays: bool, right_stays: bool },
    /// The n-th row with a key of each input with the n-th of all others.
    Occurrence,
    /// Each row alone, those of earlier inputs first.
    Alone,
}

/// A column of the result: the first of these that has a row, as input and place in it.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) field: Field,
    pub(super) from: Vec<(usize, usize)>,
}

/// The step that brings inputs together.
#[derive(Debug)]
pub(super) struct Merge {
    pairing: Pairing,
    inputs: Vec<Shape>,
    output: Vec<Output>,
    order: Vec<usize>,
}

/// What is to be known of an input.
#[derive(Debug)]
struct Shape {
    keys: Range<usize>,
    order: Vec<usize>,
    schema: SchemaRef,
}

impl Merge {
    /// Merges inputs whose keys have the same types. `order` says by which of the output columns the rows are sorted
    /// then.
    pub(super) fn new(
        pairing: Pairing,
        inputs: &[&Input],
        output: Vec<Output>,
        order: Vec<usize>,
    ) -> Self {
        let inputs = inputs.iter().map(|input| Shape {
            keys: input.key_places(),
            order: input.key_order(),
            schema: Step::schema(*input),
        });
        Self {
            pairing,
            inputs: inputs.collect(),
            output,
            order,
        }
    }

    fn converter(&self) -> Result<RowConverter> {
        let fields = self.inputs.first().map(|input| {
            let keys = input.schema.fields()[input.keys.clone()].iter();
            let fields =
                keys.map(|key| SortField::new_with_options(key.data_type().clone(), ASCENDING));
            fields.collect()
        });
        Ok(RowConverter::new(fields.unwrap_or_default())?)
    }
}

impl Step for Merge {
    fn name(&self) -> &'static str {
        "KeyMerge"
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.inputs.first().map(|input| {
            let keys = input.schema.fields()[input.keys.clone()].iter();
            keys.map(|key| key.name().as_str()).collect::<Vec<_>>()
        });
        let keys = keys.unwrap_or_default().join(", ");
        write!(f, "pairing={:?}, keys=[{keys}]", self.pairing)
    }

    fn schema(&self) -> SchemaRef {
        let fields = self.output.iter().map(|output| output.field.clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn order(&self) -> Vec<usize> {
        self.order.clone()
    }

    fn needs(&self) -> Vec<Vec<usize>> {
        self.inputs
            .iter()
            .map(|input| input.order.clone())
            .collect()
    }

    fn start(
        self: Arc<Self>,
        inputs: Vec<SendableRecordBatchStream>,
        context: &TaskContext,
    ) -> Result<Batches> {
        let converter = Arc::new(self.converter()?);
        let sides = inputs.into_iter().zip(&self.inputs);
        let sides = sides.map(|(input, shape)| Side {
            input,
            keys: shape.keys.clone(),
            converter: Arc::clone(&converter),
            current: None,
            ended: false,
            first: 0,
            batches: VecDeque::new(),
            picks: Vec::new(),
        });
        let most = BATCH_VALUES / self.output.len().max(1);
        let batch_rows = context.session_config().batch_size();
        let run = Run {
            sides: sides.collect(),
            rows: 0,
            batch_rows: batch_rows.min(most.max(LEAST_ROWS)),
            group: None,
            chosen: Vec::new(),
            memory: MemoryConsumer::new("KeyMerge").register(context.memory_pool()),
            schema: Step::schema(&*self),
            merge: self,
        };
        Ok(stream::try_unfold(run, Run::next).boxed())
    }
}

/// An input, the rows of it that are in memory, and those that are picked.
struct Side {
    input: SendableRecordBatchStream,
    keys: Range<usize>,
    converter: Arc<RowConverter>,
    current: Option<Current>,
    ended: bool,
    /// The number of the first batch in memory; batches are counted from the beginning of the input.
    first: usize,
    batches: VecDeque<RecordBatch>,
    /// Rows for the next batch of the result, by number of the batch and of the row.
    picks: Vec<Pick>,
}

struct Current {
    batch: usize,
    keys: Rows,
    at: usize,
}

impl Side {
    /// Whether more has to be read before its next row is known.
    fn is_dry(&self) -> bool {
        let left = |current: &Current| current.at < current.keys.num_rows();
        !self.ended && !self.current.as_ref().is_some_and(left)
    }

    async fn fill(&mut self) -> Result<()> {
        while self.is_dry() {
            self.current = None;
            let Some(batch) = self.input.try_next().await? else {
                self.ended = true;
                break;
            };
            let keys: Vec<ArrayRef> = batch.columns()[self.keys.clone()].to_vec();
            self.current = Some(Current {
                batch: self.first + self.batches.len(),
                keys: self.converter.convert_columns(&keys)?,
                at: 0,
            });
            self.batches.push_back(batch);
        }
        Ok(())
    }

    fn key(&self) -> Option<Row<'_>> {
        let current = self.current.as_ref()?;
        (current.at < current.keys.num_rows()).then(|| current.keys.row(current.at))
    }

    /// Passes the next row.
    fn pass(&mut self) -> Pick {
        match &mut self.current {
            Some(current) => {
                current.at += 1;
                (current.batch, current.at - 1)
            }
            None => NONE,
        }
    }

    /// Forgets the picks, and batches that only they needed.
    fn forget(&mut self, needed: Option<usize>) {
        self.picks.clear();
        let current = self.current.as_ref().map(|current| current.batch);
        let end = self.first + self.batches.len();
        let needed = needed.into_iter().chain(current).min().unwrap_or(end);
        while self.first < needed && self.batches.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn bytes(&self) -> usize {
        self.batches
            .iter()
            .map(RecordBatch::get_array_memory_size)
            .sum()
    }
}

/// The rows of the second input that have one key.
struct Group {
    key: OwnedRow,
    rows: Vec<Pick>,
    /// Which of them is next for the row of the first input.
    at: usize,
}

struct Run {
    merge: Arc<Merge>,
    schema: SchemaRef,
    sides: Vec<Side>,
    /// How many are picked.
    rows: usize,
    batch_rows: usize,
    group: Option<Group>,
    /// Which sides have the least key.
    chosen: Vec<usize>,
    memory: MemoryReservation,
}

impl Run {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let mut more = true;
        while more && self.rows < self.batch_rows {
            for side in self.sides.iter_mut().filter(|side| side.is_dry()) {
                side.fill().await?;
            }
            more = match self.merge.pairing {
                Pairing::Product {
                    left_stays,
                    right_stays,
                } => self.join(left_stays, right_stays).await?,
                Pairing::Occurrence => self.align(usize::MAX),
                Pairing::Alone => self.align(1),
            };
        }
        if self.rows == 0 {
            return Ok(None);
        }
        let batch = self.batch()?;
        let group = self.group.as_ref().and_then(|group| group.rows.first());
        let needed = group.map(|first| first.0);
        for (number, side) in self.sides.iter_mut().enumerate() {
            side.forget(needed.filter(|_| number == 1));
        }
        self.rows = 0;
        self.account()?;
        Ok(Some((batch, self)))
    }

    /// Picks the next row of up to `most` inputs that have the least key.
    fn align(&mut self, most: usize) -> bool {
        self.chosen.clear();
        let mut least: Option<Row<'_>> = None;
        for (number, side) in self.sides.iter().enumerate() {
            let Some(key) = side.key() else { continue };
            match least
                .as_ref()
                .map_or(Ordering::Less, |least| key.cmp(least))
            {
                Ordering::Less => {
                    self.chosen.clear();
                    self.chosen.push(number);
                    least = Some(key);
                }
                Ordering::Equal if self.chosen.len() < most => self.chosen.push(number),
                _ => {}
            }
        }
        if self.chosen.is_empty() {
            return false;
        }
        let mut chosen = self.chosen.iter().peekable();
        for (number, side) in self.sides.iter_mut().enumerate() {
            let taken = chosen.next_if_eq(&&number).is_some();
            let pick = if taken { side.pass() } else { NONE };
            side.picks.push(pick);
        }
        self.rows += 1;
        true
    }

    /// Picks what the next row of either input leads to.
    async fn join(&mut self, left_stays: bool, right_stays: bool) -> Result<bool> {
        if self.group.is_some() {
            self.pair();
            return Ok(true);
        }
        let [left, right] = self.sides.as_mut_slice() else {
            return Ok(false);
        };
        let order = match (left.key(), right.key()) {
            (None, None) => return Ok(false),
            (Some(_), None) if !left_stays => return Ok(false),
            (None, Some(_)) if !right_stays => return Ok(false),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.cmp(&right),
        };
        let (pair, stays) = match order {
            Ordering::Less => ((left.pass(), NONE), left_stays),
            Ordering::Greater => ((NONE, right.pass()), right_stays),
            Ordering::Equal => {
                self.collect().await?;
                return Ok(true);
            }
        };
        if stays {
            left.picks.push(pair.0);
            right.picks.push(pair.1);
            self.rows += 1;
        } else if self.rows == 0 {
            left.forget(None);
            right.forget(None);
        }
        Ok(true)
    }

    /// Takes all rows of the second input that have its next key.
    async fn collect(&mut self) -> Result<()> {
        let Some(key) = self.sides[1].key().map(|key| key.owned()) else {
            return Ok(());
        };
        let mut rows = Vec::new();
        loop {
            let side = &mut self.sides[1];
            while side.key().is_some_and(|next| next == key.row()) {
                rows.push(side.pass());
            }
            if !side.is_dry() {
                break;
            }
            side.fill().await?;
            self.account()?;
        }
        self.group = Some(Group { key, rows, at: 0 });
        Ok(())
    }

    /// Picks pairs of the first input's next row, if it has the key of the group.
    fn pair(&mut self) {
        let Some(group) = &mut self.group else { return };
        let [left, right] = self.sides.as_mut_slice() else {
            return;
        };
        if left.key().is_none_or(|key| key != group.key.row()) {
            self.group = None;
            return;
        }
        let end = group.rows.len().min(group.at + self.batch_rows - self.rows);
        let pairs = &group.rows[group.at..end];
        let done = end == group.rows.len();
        let row = left.pass();
        if !done && let Some(current) = &mut left.current {
            current.at -= 1;
        }
        left.picks.extend(std::iter::repeat_n(row, pairs.len()));
        right.picks.extend_from_slice(pairs);
        self.rows += pairs.len();
        group.at = if done { 0 } else { end };
    }

    fn account(&mut self) -> Result<()> {
        let bytes = self.sides.iter().map(Side::bytes).sum();
        self.memory.try_resize(bytes)
    }

    /// The rows that are picked.
    fn batch(&self) -> Result<RecordBatch> {
        let output = self.merge.output.iter();
        let columns = output.map(|output| self.column(output));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let columns = columns.collect::<Result<_>>()?;
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn column(&self, output: &Output) -> Result<ArrayRef> {
        let mut arrays: Vec<&dyn Array> = Vec::new();
        let mut picks = vec![NONE; self.rows];
        for &(number, column) in &output.from {
            let side = &self.sides[number];
            let before = arrays.len();
            arrays.extend(side.batches.iter().map(|batch| &**batch.column(column)));
            for (pick, &(batch, row)) in picks.iter_mut().zip(&side.picks) {
                if *pick == NONE && (batch, row) != NONE {
                    *pick = (before + batch - side.first, row);
                }
            }
        }
        Ok(gather(output.field.data_type(), &arrays, &picks)?)
    }
}
