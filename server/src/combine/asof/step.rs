//! Going through both inputs of an as-of join once, side by side.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::AsofDirection;

use super::candidates::{Candidates, Choice, Found};
use super::order::{Distance, OnType, Value};
use crate::combine::gather::{NONE, Pick};
use crate::combine::operator::{ASCENDING, Batches, Step};
use crate::combine::source::Input;

/// Which right row a left row gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) direction: AsofDirection,
    pub(super) exact: bool,
    pub(super) on: OnType,
    pub(super) tolerance: Option<Distance>,
}

/// The step that joins two inputs, both sorted by `on`.
#[derive(Debug)]
pub(super) struct AsofStep {
    rule: Rule,
    sides: [Shape; 2],
    /// The columns of the result: whether they are the left input's, and their place in the input.
    output: Vec<(Field, bool, usize)>,
}

/// What is to be known of an input.
#[derive(Debug)]
struct Shape {
    frame: String,
    schema: SchemaRef,
    /// The first of them is `on`.
    keys: Range<usize>,
    order: Vec<usize>,
}

impl Shape {
    fn on(&self) -> usize {
        self.keys.start
    }

    fn by(&self) -> Range<usize> {
        self.keys.start + 1..self.keys.end
    }

    fn converter(&self) -> Result<Option<RowConverter>> {
        let by = self.schema.fields()[self.by()].iter();
        let fields =
            by.map(|field| SortField::new_with_options(field.data_type().clone(), ASCENDING));
        let fields: Vec<SortField> = fields.collect();
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some(RowConverter::new(fields)?))
    }

    fn values<T: Value>(&self, batch: &RecordBatch) -> Result<Vec<T>> {
        let column = batch.column(self.on());
        // NaN is null in a key.
        if column.logical_null_count() > 0 {
            return exec_err!(
                "column `{}` of frame {} has nulls or NaN, which are at no place in an order; leave those rows out of \
                 the frame before joining on it",
                self.schema.field(self.on()).name(),
                self.frame
            );
        }
        Ok(T::read(column)?)
    }
}

impl AsofStep {
    pub(super) fn new(rule: Rule, sides: [&Input; 2], output: Vec<(Field, bool, usize)>) -> Self {
        let sides = sides.map(|input| Shape {
            frame: input.source.to_string(),
            schema: Step::schema(input),
            keys: input.key_places(),
            order: input.key_order(),
        });
        Self {
            rule,
            sides,
            output,
        }
    }

    fn run<T: Value>(
        self: Arc<Self>,
        left: SendableRecordBatchStream,
        right: SendableRecordBatchStream,
        context: &TaskContext,
    ) -> Result<Batches> {
        let choice = Choice {
            direction: self.rule.direction,
            exact: self.rule.exact,
            tolerance: self.rule.tolerance.map(T::distance),
        };
        let run = Run {
            candidates: Candidates::new(choice),
            left,
            right,
            // Without dictionaries, equal keys have equal bytes whichever converter made them.
            by: self.sides[0].converter()?,
            memory: MemoryConsumer::new("AsofJoin").register(context.memory_pool()),
            schema: Step::schema(&*self),
            step: self,
        };
        Ok(stream::try_unfold(run, Run::next).boxed())
    }
}

impl Step for AsofStep {
    fn name(&self) -> &'static str {
        "AsofJoin"
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.sides;
        let name = |shape: &Shape, place: usize| shape.schema.field(place).name().clone();
        write!(
            f,
            "direction={}, on=[{} = {}]",
            self.rule.direction,
            name(left, left.on()),
            name(right, right.on())
        )?;
        if !left.by().is_empty() {
            let pairs = left.by().zip(right.by());
            let pairs = pairs.map(|(l, r)| format!("{} = {}", name(left, l), name(right, r)));
            write!(f, ", by=[{}]", pairs.collect::<Vec<_>>().join(", "))?;
        }
        if let Some(tolerance) = self.rule.tolerance {
            write!(f, ", tolerance={tolerance:?}")?;
        }
        Ok(())
    }

    fn schema(&self) -> SchemaRef {
        let fields = self.output.iter().map(|(field, ..)| field.clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn needs(&self) -> Vec<Vec<usize>> {
        self.sides.iter().map(|side| side.order.clone()).collect()
    }

    fn start(
        self: Arc<Self>,
        inputs: Vec<SendableRecordBatchStream>,
        context: &TaskContext,
    ) -> Result<Batches> {
        let Ok([left, right]) = <[_; 2]>::try_from(inputs) else {
            return exec_err!("an as-of join has two inputs");
        };
        match self.rule.on {
            OnType::Integer { .. } => self.run::<i128>(left, right, context),
            OnType::Float => self.run::<f64>(left, right, context),
        }
    }
}

struct Run<T> {
    step: Arc<AsofStep>,
    schema: SchemaRef,
    left: SendableRecordBatchStream,
    right: SendableRecordBatchStream,
    by: Option<RowConverter>,
    candidates: Candidates<T>,
    memory: MemoryReservation,
}

impl<T: Value> Run<T> {
    /// The result for the next batch of the left side.
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let Some(batch) = self.left.try_next().await? else {
            return Ok(None);
        };
        tokio::task::yield_now().await;
        let values: Vec<T> = self.step.sides[0].values(&batch)?;
        let groups = self.groups(&batch, self.step.sides[0].by())?;
        self.memory.try_resize(self.candidates.bytes())?;
        let mut picks: Vec<Pick> = Vec::with_capacity(values.len());
        for (at, group) in values.into_iter().zip(groups) {
            let pick = loop {
                match self.candidates.find(group, at) {
                    Found::Row(row) => break row,
                    Found::Nothing => break NONE,
                    Found::More => self.read(at, &mut picks).await?,
                }
            };
            picks.push(pick);
        }
        let batch = self.batch(&batch, &picks)?;
        Ok(Some((batch, self)))
    }

    /// Reads more of the right side for a left row at `at`.
    async fn read(&mut self, at: T, picks: &mut [Pick]) -> Result<()> {
        let Some(batch) = self.right.try_next().await? else {
            self.candidates.end();
            return Ok(());
        };
        // Where batches are at hand, nothing else would let a query end that is not wanted any more.
        tokio::task::yield_now().await;
        let values: Vec<T> = self.step.sides[1].values(&batch)?;
        let groups = self.groups(&batch, self.step.sides[1].by())?;
        self.candidates.take(batch, &values, &groups, at);
        self.candidates.compact(at, picks)?;
        self.memory.try_resize(self.candidates.bytes())
    }

    fn groups(&mut self, batch: &RecordBatch, by: Range<usize>) -> Result<Vec<usize>> {
        let Some(converter) = &self.by else {
            let only = self.candidates.group(&[]);
            return Ok(vec![only; batch.num_rows()]);
        };
        let keys: Rows = converter.convert_columns(&batch.columns()[by])?;
        let groups = keys.iter().map(|key| self.candidates.group(key.data()));
        Ok(groups.collect())
    }

    fn batch(&self, left: &RecordBatch, picks: &[Pick]) -> Result<RecordBatch> {
        let output = self.step.output.iter();
        let columns = output.map(|(field, of_left, place)| {
            if *of_left {
                return Ok(Arc::clone(left.column(*place)));
            }
            self.candidates.column(field.data_type(), *place, picks)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(left.num_rows()));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
    }
}
