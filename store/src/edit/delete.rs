//! Rows are deleted: those in a range of the index, those that fulfil a condition, or those for which both is true.

use std::fmt;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::TryStreamExt;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use shoots_proto::Closed;

use super::hiding::{Found, Hiding, row_number, rows_in_span};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::Span;
use crate::log::change::Segment;
use crate::log::commit::{Operation, State};
use crate::log::derive::{Derive, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::read::{BATCH_ROWS, Piece};
use crate::schema::identity;

/// Decides which rows are meant.
pub trait Condition: fmt::Debug + Send + Sync {
    /// The condition as its author wrote it.
    fn text(&self) -> &str;

    /// The same, known once its [columns](Self::columns) are, as it is kept with the commit. It has to mean the same rows
    /// whenever and wherever it is [parsed](Conditions::parse): stores that merge the same histories come to the same rows.
    fn kept(&self) -> &str {
        self.text()
    }

    /// The columns that it looks at.
    ///
    /// # Errors
    /// If it makes no sense for a frame with these columns; the words go to its author.
    fn columns(&self, schema: &Schema) -> Result<Vec<String>, String>;

    /// For each row of a batch with just those columns whether it is meant; null is no.
    ///
    /// # Errors
    /// If it cannot be told; the words go to the condition's author.
    fn meant(&self, batch: &RecordBatch) -> Result<BooleanArray, String>;
}

/// Reads conditions that were kept with commits, so that they can be asked of other rows when histories are merged.
pub trait Conditions: fmt::Debug + Send + Sync {
    /// The condition that was [kept](Condition::kept) as this text.
    ///
    /// # Errors
    /// If the text is none; the words go to whoever merges.
    fn parse(&self, text: &str) -> Result<Arc<dyn Condition>, String>;
}

/// Which rows are deleted.
#[derive(Debug, Clone, Default)]
pub struct RowsToDelete {
    /// Only rows whose value in the first index column is not before this.
    pub start: Option<Value>,
    /// Only rows whose value in the first index column is not after this.
    pub stop: Option<Value>,
    /// Whether rows that lie exactly on `start` or `stop` are among them. Default: on `start` only.
    pub closed: Closed,
    /// Only rows that fulfil this.
    pub condition: Option<Arc<dyn Condition>>,
}

/// Deletes rows.
#[derive(Debug)]
pub(crate) struct DeleteRows {
    rows: RowsToDelete,
    found: Found,
}

impl DeleteRows {
    pub(crate) fn new(rows: RowsToDelete) -> Result<Self> {
        if rows.start.is_none() && rows.stop.is_none() && rows.condition.is_none() {
            let problem = "give `start`, `stop` or a condition; to delete all rows, delete or replace the frame";
            return Err(Error::invalid("start", problem));
        }
        Ok(Self {
            rows,
            found: Found::default(),
        })
    }

    fn span(&self, log: &FrameLog, state: &State, schema: &Schema) -> Result<Option<Span>> {
        let rows = &self.rows;
        let field = match (&rows.start, &rows.stop) {
            (None, None) => return Ok(None),
            (Some(_), _) => "start",
            _ => "stop",
        };
        let Some(first) = state.index.first() else {
            let problem = format!(
                "frame {} has no index: give a condition instead",
                log.frame()
            );
            return Err(Error::invalid(field, problem));
        };
        let column = schema.field_with_name(first);
        let column = column.map_err(|error| Error::io("finding the index", error))?;
        Span::parse(column, rows.start.as_ref(), rows.stop.as_ref(), rows.closed).map(Some)
    }
}

#[async_trait]
impl Derive for DeleteRows {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.live(before)?;
        let state = &entry.state;
        let schema = log.schema(&state.schema).await?;
        let span = self.span(log, state, &schema.schema)?;
        let test = match &self.rows.condition {
            Some(condition) => Some(Test::new(condition, &schema.schema)?),
            None => None,
        };
        let list = entry.list_through(entry.last_version());
        let mut hiding = Hiding::of(log.checkpoints().segments(list).await?);
        let column = state.index.first();
        let column = column.map(|name| schema.schema.field_with_name(name));
        let column = column.transpose();
        let column = column.map_err(|error| Error::io("finding the index", error))?;
        let range = span.as_ref().zip(column);
        for segment in hiding.present().to_vec() {
            let rows = match self.found.get(&segment.record.id) {
                Some(rows) => rows,
                None => {
                    let rows = doomed(log, &segment, range, test.as_ref()).await?;
                    self.found.keep(&segment.record.id, rows)
                }
            };
            hiding.hide(&segment.record.id, &rows);
        }
        let condition = self.rows.condition.as_ref();
        let mut step = Step {
            index: state.index.clone(),
            details: Details {
                span,
                condition: condition.map(|condition| condition.kept().to_owned()),
                ..Details::default()
            },
            ..Step::new(Operation::DeleteRows, schema, state.totals())
        };
        hiding.settle(log, &[], &mut step).await?;
        Ok(Some(step).filter(|step| step.rows_removed > 0))
    }

    fn asked(&self) -> Value {
        let RowsToDelete {
            start,
            stop,
            closed,
            condition,
        } = &self.rows;
        let condition = condition.as_ref().map(|condition| condition.text());
        json!(["delete_rows", start, stop, closed, condition])
    }
}

/// A condition on rows of one schema.
pub(crate) struct Test {
    condition: Arc<dyn Condition>,
    /// The columns it looks at, as they are stored.
    stored: SchemaRef,
    /// The same as users see them.
    public: SchemaRef,
}

impl Test {
    pub(crate) fn new(condition: &Arc<dyn Condition>, schema: &SchemaRef) -> Result<Self> {
        let columns = condition
            .columns(&identity::public(schema))
            .map_err(|problem| Error::invalid("where", problem))?;
        let places = columns
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<usize>, _>>()
            .map_err(|error| Error::invalid("where", error.to_string()))?;
        let stored = schema
            .project(&places)
            .map_err(|error| Error::io("choosing columns", error))?;
        let stored = Arc::new(stored);
        Ok(Self {
            condition: Arc::clone(condition),
            public: identity::public(&stored),
            stored,
        })
    }

    /// Which of the rows of a piece are meant.
    async fn rows(&self, piece: Piece) -> Result<RoaringBitmap> {
        let mut rows = RoaringBitmap::new();
        let mut start = row_number(piece.rows.start)?;
        let mut batches = piece.read(&self.stored, BATCH_ROWS);
        while let Some(batch) = batches.try_next().await? {
            let count = row_number(batch.num_rows() as u64)?;
            let (_, columns, row_count) = batch.into_parts();
            let options = RecordBatchOptions::new().with_row_count(Some(row_count));
            let schema = Arc::clone(&self.public);
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)
                .map_err(|error| Error::io("choosing columns", error))?;
            let meant = self.condition.meant(&batch);
            let meant = meant.map_err(|problem| Error::invalid("where", problem))?;
            let hits = (start..).zip(meant.iter());
            rows.extend(
                hits.filter(|(_, meant)| *meant == Some(true))
                    .map(|(row, _)| row),
            );
            start += count;
        }
        Ok(rows)
    }
}

/// The rows of a segment, hidden or not, that lie in a range of `column`, the first of the index, and pass a test.
pub(crate) async fn doomed(
    log: &FrameLog,
    segment: &Segment,
    range: Option<(&Span, &Field)>,
    test: Option<&Test>,
) -> Result<RoaringBitmap> {
    let within = match range {
        Some((span, column)) => rows_in_span(log, segment, span, column).await?,
        None => {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..row_number(segment.record.rows)?);
            all
        }
    };
    let (Some(test), Some(first), Some(last)) = (test, within.min(), within.max()) else {
        return Ok(within);
    };
    let mut piece = Piece::whole(log, segment).await?;
    piece.hidden = None;
    piece.rows = u64::from(first)..u64::from(last) + 1;
    test.rows(piece).await
}
