//! The newest row of each key.
//!
//! The rows of a frame have an order, that of its index or else that in which they were put; the newest row of a key is
//! its last one. Not all rows are read to find them:
//!
//! - Where the key is the first column of the index, the rows of a key stand together. The last row of the frame has
//!   the greatest key; the last row before that key has the next one; and so on. Each look reads a few pages. If there
//!   are more keys than are worth looking up, the rest is found in the other way.
//! - Otherwise the key columns alone are read once, in memory that follows the number of keys, and then only the pages
//!   around the rows that were found.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range as Rows;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use datafusion::common::{HashMap, ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shoots_proto::Closed;
use shoots_store::{ReadOptions, type_name};

use super::operator::{Batches, Step, StepExec};
use super::source::{Range, Source, external, with_schema};
use super::table::{Combination, CombinedTable};
use super::types::{as_key, is_orderable, plain};
use crate::query::literal;

/// Keys that are looked up one by one at most.
const LOOKS: usize = 256;
/// Rows between two that are wanted which are read rather than passed over by another read.
const GAP: u64 = 1 << 16;
/// Bytes that a key takes besides its own.
const KEY_BYTES: usize = 64;

#[derive(Debug, Clone)]
struct Latest {
    source: Source,
    keys: Vec<String>,
    range: Range,
}

/// The newest row of each combination of values in these columns, among the rows in a range of the index.
pub(crate) fn latest(source: Source, keys: Vec<String>, range: Range) -> Result<CombinedTable> {
    if keys.is_empty() {
        return plan_err!("keys: name at least one column");
    }
    for (place, key) in keys.iter().enumerate() {
        let of = source.column(key, "keys")?.data_type();
        if !is_orderable(of) {
            let of = type_name(of);
            return plan_err!("keys: column `{key}` of type {of} cannot be compared");
        }
        if keys[..place].contains(key) {
            return plan_err!("keys: `{key}` is given twice");
        }
    }
    Ok(CombinedTable::new(Latest {
        source,
        keys,
        range,
    }))
}

impl Combination for Latest {
    fn schema(&self) -> SchemaRef {
        let fields = self.source.schema.fields().clone();
        Arc::new(Schema::new(fields))
    }

    fn plan(&self, columns: &[usize], _conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Combination::schema(self).project(columns)?;
        let step = LatestStep {
            latest: self.clone(),
            schema: Arc::new(schema),
        };
        Ok(StepExec::plan(Arc::new(step), Vec::new()))
    }
}

#[derive(Debug)]
struct LatestStep {
    latest: Latest,
    schema: SchemaRef,
}

impl Step for LatestStep {
    fn name(&self) -> &'static str {
        "Latest"
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.latest.keys.join(", ");
        write!(f, "frame={}, keys=[{keys}]", self.latest.source)
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn needs(&self) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn start(
        self: Arc<Self>,
        _inputs: Vec<SendableRecordBatchStream>,
        context: &TaskContext,
    ) -> Result<Batches> {
        let search = Search {
            memory: MemoryConsumer::new("Latest").register(context.memory_pool()),
            step: self,
        };
        Ok(stream::once(search.batches()).try_flatten().boxed())
    }
}

struct Search {
    step: Arc<LatestStep>,
    memory: MemoryReservation,
}

impl Search {
    async fn batches(self) -> Result<Batches> {
        let Latest {
            source,
            keys,
            range,
        } = &self.step.latest;
        let mut rest = range.clone();
        let mut looked_up = Vec::new();
        if keys.len() == 1 && source.is_sorted_by([keys[0].as_str()]) {
            match self.look_up(&mut rest, &mut looked_up).await? {
                Looked::Done => {
                    return Ok(stream::iter(looked_up.into_iter().rev().map(Ok)).boxed());
                }
                Looked::More => {}
            }
        }
        let rows = self.find(&rest).await?;
        let read = Reading {
            search: self,
            range: rest,
            runs: runs(&rows),
        };
        let found = stream::try_unfold(read, Reading::next);
        Ok(found
            .chain(stream::iter(looked_up.into_iter().rev().map(Ok)))
            .boxed())
    }

    fn options(&self, range: &Range, columns: Vec<String>) -> ReadOptions {
        ReadOptions {
            columns: Some(columns),
            start: range.start.clone(),
            stop: range.stop.clone(),
            closed: range.closed,
            ..ReadOptions::default()
        }
    }

    /// The columns that are wanted.
    fn columns(&self) -> Vec<String> {
        let fields = self.step.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    async fn read(&self, options: ReadOptions) -> Result<Batches> {
        let rows = self.step.latest.source.snapshot.read(options).await;
        Ok(rows.map_err(external)?.map_err(external).boxed())
    }

    /// Goes from the last key to the first, and leaves of the range what is before the last one that was looked up.
    async fn look_up(&self, rest: &mut Range, found: &mut Vec<RecordBatch>) -> Result<Looked> {
        let key = &self.step.latest.keys[0];
        let mut columns = self.columns();
        if !columns.contains(key) {
            columns.push(key.clone());
        }
        for _ in 0..LOOKS {
            let mut options = self.options(rest, columns.clone());
            options.tail = Some(1);
            let mut batches = self.read(options).await?;
            let mut last = None;
            while let Some(batch) = batches.try_next().await? {
                last = (batch.num_rows() > 0).then_some(batch).or(last);
            }
            let Some(batch) = last else {
                return Ok(Looked::Done);
            };
            let Some(value) = bound(&batch, key)? else {
                return Ok(Looked::More);
            };
            let wanted: Vec<usize> = (0..self.step.schema.fields().len()).collect();
            let row = with_schema(batch.project(&wanted)?, &self.step.schema)?;
            found.push(row);
            rest.closed = match rest.closed {
                Closed::Left | Closed::Both => Closed::Left,
                Closed::Right | Closed::Neither => Closed::Neither,
            };
            rest.stop = Some(value);
        }
        Ok(Looked::More)
    }

    /// The numbers of the last row of each key, in ascending order.
    async fn find(&self, range: &Range) -> Result<Vec<u64>> {
        let Latest { source, keys, .. } = &self.step.latest;
        let mut types = Vec::new();
        for key in keys {
            types.push(plain(source.column(key, "keys")?.data_type()).clone());
        }
        let fields = types.iter().cloned().map(SortField::new);
        let converter = RowConverter::new(fields.collect())?;
        let mut last: HashMap<Box<[u8]>, u64> = HashMap::new();
        let mut bytes = 0;
        let mut batches = self.read(self.options(range, keys.clone())).await?;
        let mut row: u64 = 0;
        while let Some(batch) = batches.try_next().await? {
            let columns = batch.columns().iter().zip(&types);
            let columns = columns.map(|(column, of)| as_key(column, of));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
            for key in &converter.convert_columns(&columns)? {
                match last.get_mut(key.data()) {
                    Some(known) => *known = row,
                    None => {
                        bytes += key.data().len() + KEY_BYTES;
                        last.insert(key.data().into(), row);
                    }
                }
                row += 1;
            }
            self.memory.try_resize(bytes)?;
        }
        let mut rows: Vec<u64> = last.into_values().collect();
        rows.sort_unstable();
        Ok(rows)
    }
}

/// How far looking up keys went.
enum Looked {
    Done,
    More,
}

/// The key of the only row, as the store reads bounds; `None` if it cannot be one.
fn bound(batch: &RecordBatch, key: &str) -> Result<Option<Value>> {
    let Some(column) = batch.column_by_name(key) else {
        return Ok(None);
    };
    if matches!(plain(column.data_type()), DataType::Boolean) {
        return Ok(None);
    }
    let last = column.len().saturating_sub(1);
    Ok(literal(&ScalarValue::try_from_array(column, last)?))
}

/// Rows that are read together, from last to first: where they begin, and which of them are wanted.
fn runs(rows: &[u64]) -> BTreeMap<u64, Vec<u64>> {
    let mut runs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for &row in rows {
        let near = runs.last_entry();
        let near = near.filter(|run| run.get().last().is_some_and(|last| row - last < GAP));
        match near {
            Some(mut run) => run.get_mut().push(row),
            None => {
                runs.insert(row, vec![row]);
            }
        }
    }
    runs
}

/// Reads runs one after the other.
struct Reading {
    search: Search,
    range: Range,
    runs: BTreeMap<u64, Vec<u64>>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let Some((first, rows)) = self.runs.pop_first() else {
            return Ok(None);
        };
        let last = rows.last().copied().unwrap_or(first);
        let mut options = self.search.options(&self.range, self.search.columns());
        options.offset = first;
        options.limit = Some(last - first + 1);
        let mut batches = self.search.read(options).await?;
        let schema = Arc::clone(&self.search.step.schema);
        let mut taken = Vec::new();
        let mut passed = first;
        let mut rows = rows.as_slice();
        while let Some(batch) = batches.try_next().await? {
            let there: Rows<u64> = passed..passed + batch.num_rows() as u64;
            let within = rows.partition_point(|row| *row < there.end);
            let wanted = rows[..within].iter().map(|row| row - there.start);
            let wanted = UInt64Array::from_iter_values(wanted);
            rows = &rows[within..];
            taken.push(pick(with_schema(batch, &schema)?, &wanted)?);
            passed = there.end;
        }
        if schema.fields().is_empty() {
            let rows = taken.iter().map(RecordBatch::num_rows).sum();
            let count = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(schema, Vec::new(), &count)?;
            return Ok(Some((batch, self)));
        }
        Ok(Some((concat_batches(&schema, &taken)?, self)))
    }
}

fn pick(batch: RecordBatch, rows: &UInt64Array) -> Result<RecordBatch> {
    if batch.num_columns() > 0 {
        return Ok(take_record_batch(&batch, rows)?);
    }
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        Vec::new(),
        &count,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_near_each_other_are_read_together() {
        let runs = runs(&[3, 4, GAP, 2 * GAP + 4, 2 * GAP + 5]);
        let expected = [
            (3, vec![3, 4, GAP]),
            (2 * GAP + 4, vec![2 * GAP + 4, 2 * GAP + 5]),
        ];
        assert_eq!(runs.into_iter().collect::<Vec<_>>(), expected);
    }
}
