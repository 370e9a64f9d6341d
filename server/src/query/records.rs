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
use shoots_proto::Time;
use shoots_proto::action::{BroughtCommit, CommitRecord, FileRecord};
use shoots_store::{Frame, Snapshot};

use crate::status::Failure;

/// The commits of a frame, newest first. Only as many are read as the query's limit leaves. With `all`, each version is
/// followed by the commits that it brought and that are no versions here; `brought_by` says with which version they came.
#[derive(Debug)]
pub(super) struct HistoryTable {
    frame: Frame,
    all: bool,
    schema: SchemaRef,
}

impl HistoryTable {
    pub(super) fn new(frame: Frame, all: bool) -> Self {
        let batch = match all {
            true => all_commits(&[]),
            false => commits(&[]),
        };
        let schema = batch.map_or_else(|_| Arc::new(Schema::empty()), |batch| batch.schema());
        Self { frame, all, schema }
    }

    async fn told(&self, limit: usize) -> Result<RecordBatch> {
        let failed = |error| DataFusionError::External(Box::new(error));
        if self.all {
            let log = self.frame.whole_history(limit, None).await;
            return all_commits(&log.map_err(failed)?.commits);
        }
        let log = self.frame.history(limit, None).await;
        commits(&log.map_err(failed)?.commits)
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
        let table = table(self.told(limit.unwrap_or(usize::MAX)).await?)?;
        table.scan(state, projection, filters, limit).await
    }
}

/// The segments of a state of a frame.
pub(super) async fn segments(frame: &Frame, state: &Snapshot) -> Result<MemTable, Failure> {
    let files = frame.files(state.as_of().as_ref()).await?;
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

/// Versions, each followed by the commits that it brought, as if these were versions, with what is theirs alone.
fn all_commits(commits: &[CommitRecord]) -> Result<RecordBatch> {
    let told = commits.iter().flat_map(|version| {
        let brought = version.brings.iter();
        let brought =
            brought.map(move |brought| (record_of(version, brought), Some(version.version)));
        [(version.clone(), None)].into_iter().chain(brought)
    });
    let told: Vec<(CommitRecord, Option<u64>)> = told.collect();
    let of_version = |number: fn(&CommitRecord) -> u64| {
        optional_numbers(&told, move |(commit, brought_by)| {
            brought_by.is_none().then(|| number(commit))
        })
    };
    let metadata = |commit: &CommitRecord| commit.metadata.clone().map(Value::Object);
    batch([
        ("version", true, of_version(|commit| commit.version)),
        ("commit", false, texts(&told, |(c, _)| Some(&c.commit))),
        ("parents", false, lists(&told, |(c, _)| &c.parents)),
        ("published", false, times(&told, |(c, _)| c.published)),
        ("time", false, times(&told, |(c, _)| c.time)),
        (
            "operation",
            false,
            texts(&told, |(c, _)| Some(&c.operation)),
        ),
        ("rows", true, of_version(|commit| commit.rows)),
        ("rows_added", false, numbers(&told, |(c, _)| c.rows_added)),
        (
            "rows_removed",
            false,
            numbers(&told, |(c, _)| c.rows_removed),
        ),
        ("author", true, texts(&told, |(c, _)| c.author.as_ref())),
        ("message", true, texts(&told, |(c, _)| c.message.as_ref())),
        ("metadata", true, texts(&told, |(c, _)| metadata(c))),
        ("tags", false, lists(&told, |(c, _)| &c.tags)),
        (
            "brought_by",
            true,
            optional_numbers(&told, |(_, brought_by)| *brought_by),
        ),
    ])
}

/// A commit that a version brought, in the form of a version.
fn record_of(version: &CommitRecord, brought: &BroughtCommit) -> CommitRecord {
    let brought = brought.clone();
    CommitRecord {
        version: version.version,
        commit: brought.commit,
        parents: brought.parents,
        published: version.published,
        time: brought.time,
        operation: brought.operation,
        rows: 0,
        rows_added: brought.rows_added,
        rows_removed: brought.rows_removed,
        author: brought.author,
        message: brought.message,
        metadata: brought.metadata,
        tags: Vec::new(),
        expired: brought.expired,
        brings: Vec::new(),
    }
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

fn optional_numbers<T>(records: &[T], number: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    let mut column = Int64Builder::new();
    for record in records {
        let number = number(record);
        column.append_option(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)));
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
