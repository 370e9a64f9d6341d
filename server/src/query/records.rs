//! What a store says about a frame, as tables: its commits and its segments.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, TimestampNanosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use serde_json::Value;
use shoots_proto::action::{CommitRecord, FileRecord};
use shoots_proto::{AsOf, Time};
use shoots_store::Snapshot;

use crate::access::ReadableFrame;
use crate::status::Failure;

/// The commits of a frame, newest first. Only as many are read as the query's limit leaves.
#[derive(Debug)]
pub(super) struct HistoryTable {
    frame: ReadableFrame,
    schema: SchemaRef,
}

impl HistoryTable {
    pub(super) fn new(frame: ReadableFrame) -> Self {
        let schema =
            commits(&[]).map_or_else(|_| Arc::new(Schema::empty()), |batch| batch.schema());
        Self { frame, schema }
    }
}

#[async_trait]
impl TableProvider for HistoryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let log = self.frame.history(limit.unwrap_or(usize::MAX), None).await;
        let log = log.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = table(commits(&log.commits)?)?;
        table.scan(state, projection, filters, limit).await
    }
}

/// The segments of a state of a frame.
pub(super) async fn segments(frame: &ReadableFrame, state: &Snapshot) -> Result<MemTable, Failure> {
    let version = state
        .version()
        .and_then(|version| i64::try_from(version).ok());
    let files = frame.files(version.map(AsOf::Version).as_ref()).await?;
    Ok(table(files_batch(&files.files)?)?)
}

fn table(batch: RecordBatch) -> Result<MemTable> {
    MemTable::try_new(batch.schema(), vec![vec![batch]])
}

fn commits(commits: &[CommitRecord]) -> Result<RecordBatch> {
    batch([
        ("version", false, numbers(commits, |c| c.version)),
        ("commit", false, texts(commits, |c| Some(&c.commit))),
        ("parents", false, lists(commits, |c| &c.parents)),
        ("published", false, times(commits, |c| c.published)),
        ("time", false, times(commits, |c| c.time)),
        ("operation", false, texts(commits, |c| Some(&c.operation))),
        ("rows", false, numbers(commits, |c| c.rows)),
        ("rows_added", false, numbers(commits, |c| c.rows_added)),
        ("rows_removed", false, numbers(commits, |c| c.rows_removed)),
        ("author", true, texts(commits, |c| c.author.as_ref())),
        ("message", true, texts(commits, |c| c.message.as_ref())),
        (
            "metadata",
            true,
            texts(commits, |c| c.metadata.clone().map(Value::Object)),
        ),
        ("tags", false, lists(commits, |c| &c.tags)),
    ])
}

fn files_batch(files: &[FileRecord]) -> Result<RecordBatch> {
    batch([
        ("path", false, texts(files, |f| Some(&f.path))),
        ("rows", false, numbers(files, |f| f.rows)),
        ("hidden_rows", false, numbers(files, |f| f.hidden_rows)),
        ("bytes", false, numbers(files, |f| f.bytes)),
        ("hash", true, texts(files, |f| f.hash.as_ref())),
        ("min", true, texts(files, |f| f.min.as_deref().map(key))),
        ("max", true, texts(files, |f| f.max.as_deref().map(key))),
    ])
}

fn batch<const N: usize>(columns: [(&str, bool, ArrayRef); N]) -> Result<RecordBatch> {
    let fields = columns
        .iter()
        .map(|(name, nullable, column)| Field::new(*name, column.data_type().clone(), *nullable));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(.., column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// Counts and versions, signed so that queries can subtract them.
fn numbers<T>(records: &[T], number: impl Fn(&T) -> u64) -> ArrayRef {
    let mut column = Int64Builder::new();
    for record in records {
        column.append_value(i64::try_from(number(record)).unwrap_or(i64::MAX));
    }
    Arc::new(column.finish())
}

fn times<T>(records: &[T], time: impl Fn(&T) -> Time) -> ArrayRef {
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let mut column = TimestampNanosecondBuilder::new().with_data_type(utc);
    for record in records {
        column.append_option(time(record).0.timestamp_nanos_opt());
    }
    Arc::new(column.finish())
}

fn texts<'a, T, S: fmt::Display>(records: &'a [T], text: impl Fn(&'a T) -> Option<S>) -> ArrayRef {
    let mut column = StringBuilder::new();
    for record in records {
        column.append_option(text(record).map(|text| text.to_string()));
    }
    Arc::new(column.finish())
}

fn lists<T>(records: &[T], list: impl Fn(&T) -> &[String]) -> ArrayRef {
    let mut column = ListBuilder::new(StringBuilder::new());
    for record in records {
        column.append_value(list(record).iter().map(Some));
    }
    Arc::new(column.finish())
}

/// A key of an index, for people.
fn key(values: &[Value]) -> String {
    let values = values.iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    values.collect::<Vec<_>>().join(", ")
}
