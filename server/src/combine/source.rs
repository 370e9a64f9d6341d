//! A frame as one side of a combination, and reading it.
//!
//! [`Source`] is a state of a frame with how errors call it. [`Input`] reads some of its columns, each in the type that
//! the combination wants, and after them its keys in the form that compares, and, if asked, the number of each row.
//! Rows come in the frame's order; if the keys are the beginning of the frame's index, they are known to be sorted.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{internal_datafusion_err, plan_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use serde_json::Value;
use shoots_proto::Closed;
use shoots_store::{ReadOptions, Snapshot, counted_time};

use super::operator::{Batches, Step, StepExec};
use super::types::{as_key, convert};

/// The column that holds the number of each row, counted in the frame's order.
const ROW: &str = "row";

/// A state of a frame that takes part in a combination.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(super) snapshot: Snapshot,
    pub(super) schema: SchemaRef,
}

impl Source {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            schema: snapshot.schema(),
            snapshot,
        }
    }

    /// The frame's name.
    pub(crate) fn name(&self) -> &str {
        self.snapshot.frame().name.as_str()
    }

    /// The frame's columns and what it says about itself.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The column of this name; what it was asked for as goes into the error.
    pub(super) fn column(&self, name: &str, role: &str) -> Result<&Field> {
        self.schema.field_with_name(name).map_err(|_| {
            let known: Vec<&str> = self
                .schema
                .fields()
                .iter()
                .map(|f| f.name().as_str())
                .collect();
            plan_datafusion_err!(
                "{role}: frame {self} has no column `{name}`; its columns are {}",
                known.join(", ")
            )
        })
    }

    /// Whether rows are sorted by these columns because they are the beginning of the index.
    pub(super) fn is_sorted_by<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> bool {
        let mut index = self.snapshot.index().iter();
        columns
            .into_iter()
            .all(|column| index.next().is_some_and(|name| name == column))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.snapshot.frame())
    }
}

/// The rows of the first index column that are read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) start: Option<Value>,
    pub(crate) stop: Option<Value>,
    pub(crate) closed: Closed,
}

/// A column that is read.
#[derive(Debug, Clone)]
pub(super) struct InputColumn {
    /// What the frame calls it; `None` if it has no such column, and all is null.
    pub(super) name: Option<String>,
    /// What it becomes.
    pub(super) field: Field,
}

impl InputColumn {
    /// A column as it is.
    pub(super) fn same(field: &Field) -> Self {
        Self {
            name: Some(field.name().clone()),
            field: field.clone(),
        }
    }
}

/// A column that rows are found by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    /// In which type it is compared.
    pub(super) compared: DataType,
}

/// Reads a source: `columns`, then `keys`, then the number of the row.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) columns: Vec<InputColumn>,
    pub(super) keys: Vec<Key>,
    /// How many of the keys, counted from the first, the rows have to be sorted by.
    pub(super) sorted: usize,
    pub(super) range: Range,
    /// Whether the number of the row is wanted.
    pub(super) numbered: bool,
}

impl Input {
    /// Where the keys stand.
    pub(super) fn key_places(&self) -> std::ops::Range<usize> {
        self.columns.len()..self.columns.len() + self.keys.len()
    }

    /// Where the number of the row stands, if it is there.
    pub(super) fn row_place(&self) -> Option<usize> {
        self.numbered.then(|| self.key_places().end)
    }

    /// Whether the rows come sorted as the frame is.
    pub(super) fn is_sorted(&self) -> bool {
        let keys = self.keys[..self.sorted].iter();
        self.source.is_sorted_by(keys.map(|key| key.name.as_str()))
    }

    /// Makes numbers of rows where without them rows with equal keys would change places when they are sorted.
    pub(super) fn stable(mut self) -> Self {
        self.numbered |= !self.is_sorted();
        self
    }

    /// By which of its columns it is to be sorted so that keys ascend and equal ones keep their order.
    pub(super) fn key_order(&self) -> Vec<usize> {
        let row = self.row_place().filter(|_| !self.is_sorted());
        self.key_places().take(self.sorted).chain(row).collect()
    }

    pub(super) fn into_plan(self) -> Arc<dyn ExecutionPlan> {
        StepExec::plan(Arc::new(self), Vec::new())
    }

    /// The columns to read from the store, each once.
    fn read_columns(&self) -> Vec<String> {
        let columns = self
            .columns
            .iter()
            .filter_map(|column| column.name.as_ref());
        let keys = self.keys.iter().map(|key| &key.name);
        let mut names: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for name in columns.chain(keys) {
            if seen.insert(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn read_options(&self, batch_rows: usize) -> ReadOptions {
        ReadOptions {
            columns: Some(self.read_columns()),
            start: self.range.start.clone(),
            stop: self.range.stop.clone(),
            closed: self.range.closed,
            batch_rows: Some(batch_rows),
            ..ReadOptions::default()
        }
    }

    /// A batch that was read, as the columns, keys and numbers that are wanted.
    fn arrange(&self, schema: &SchemaRef, batch: &RecordBatch, first: u64) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let find = |name: &str| {
            let column = batch.column_by_name(name);
            column.ok_or_else(|| internal_datafusion_err!("column {name} was not read"))
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for InputColumn { name, field } in &self.columns {
            columns.push(match name {
                Some(name) => convert(find(name)?, field.data_type())?,
                None => new_null_array(field.data_type(), rows),
            });
        }
        for key in &self.keys {
            columns.push(as_key(find(&key.name)?, &key.compared)?);
        }
        if self.numbered {
            let numbers = first..first + rows as u64;
            columns.push(Arc::new(UInt64Array::from_iter_values(numbers)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        Ok(batch)
    }
}

impl Step for Input {
    fn name(&self) -> &'static str {
        "FrameInput"
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.read_columns().join(", ");
        write!(f, "frame={}, columns=[{columns}]", self.source)?;
        for (end, value) in [("start", &self.range.start), ("stop", &self.range.stop)] {
            match value.as_ref().map(|value| (value, counted_time(value))) {
                Some((_, Some(time))) => write!(f, ", {end}={time}")?,
                Some((value, None)) => write!(f, ", {end}={value}")?,
                None => {}
            }
        }
        Ok(())
    }

    fn schema(&self) -> SchemaRef {
        let columns = self.columns.iter().map(|column| column.field.clone());
        let keys = self.keys.iter();
        let keys = keys.map(|key| Field::new(&key.name, key.compared.clone(), true));
        let row = self
            .numbered
            .then(|| Field::new(ROW, DataType::UInt64, false));
        let fields: Vec<Field> = columns.chain(keys).chain(row).collect();
        Arc::new(Schema::new(fields))
    }

    fn order(&self) -> Vec<usize> {
        if self.is_sorted() {
            self.key_places().take(self.sorted).collect()
        } else {
            Vec::new()
        }
    }

    fn needs(&self) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn start(
        self: Arc<Self>,
        _inputs: Vec<SendableRecordBatchStream>,
        context: &TaskContext,
    ) -> Result<Batches> {
        let options = self.read_options(context.session_config().batch_size());
        let snapshot = self.source.snapshot.clone();
        let schema = Step::schema(&*self);
        let mut first = 0;
        let rows = async move { snapshot.read(options).await }
            .map_ok(|rows| rows.map_err(external))
            .map_err(external)
            .try_flatten_stream();
        let batches = rows.map(move |batch| {
            let batch = self.arrange(&schema, &batch?, first)?;
            first += batch.num_rows() as u64;
            Ok(batch)
        });
        Ok(batches.boxed())
    }
}

/// An error of the store, as DataFusion passes it on.
pub(super) fn external(error: shoots_store::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The batch with a schema that says the same of its columns, or less.
pub(super) fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let (_, columns, rows) = batch.into_parts();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::clone(schema);
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}
