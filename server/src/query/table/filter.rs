//! Conditions of a query that a scan settles itself, so that rows which do not meet them are not read.
//!
//! They are those that cannot fail and cost little: comparisons of columns with literals and with each other, tests
//! for null, lists, ranges and patterns, and what `and`, `or` and `not` make of them. DataFusion evaluates them; which
//! pages can be left out is told by its pruning (Moerkotte, *Small Materialized Aggregates*, VLDB 1998).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use shoots_store::{ColumnBlocks, RowFilter};

use super::categories;
use crate::query::limits::patterns;

/// Whether a scan can settle a condition.
pub(in crate::query) fn is_settled(condition: &Expr) -> bool {
    match condition {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let cheap = matches!(
                op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::And
                    | Operator::Or
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
            );
            cheap && is_settled(left) && is_settled(right)
        }
        Expr::Not(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => is_settled(inner),
        Expr::Between(between) => [&between.expr, &between.low, &between.high]
            .into_iter()
            .all(|e| is_settled(e)),
        Expr::InList(list) => {
            is_settled(&list.expr) && list.list.iter().all(|e| matches!(e, Expr::Literal(..)))
        }
        Expr::Like(like) => patterns::is_known_plain(like) && is_settled(&like.expr),
        _ => false,
    }
}

/// Conditions, all of which a row must meet.
#[derive(Debug)]
pub(in crate::query) struct ScanFilter {
    columns: Vec<String>,
    schema: SchemaRef,
    condition: Arc<dyn PhysicalExpr>,
    /// For each column what the conditions that look at nothing else leave of its pages.
    pruning: BTreeMap<String, PruningPredicate>,
}

impl ScanFilter {
    /// The conditions on a frame with this schema; `None` if there are none.
    pub(in crate::query) fn new(
        session: &dyn Session,
        schema: &Schema,
        conditions: Vec<Expr>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(condition) = conjunction(conditions) else {
            return Ok(None);
        };
        let columns = names(&condition);
        let places = columns.iter().map(|name| schema.index_of(name));
        let places: Vec<usize> = places.collect::<Result<_, _>>()?;
        let schema = Arc::new(schema.project(&places)?);
        let described = DFSchema::try_from(Arc::clone(&schema))?;
        let mut alone: BTreeMap<String, Vec<Expr>> = BTreeMap::new();
        for part in split_conjunction(&condition) {
            if let [column] = names(part).as_slice() {
                alone.entry(column.clone()).or_default().push(part.clone());
            }
        }
        let mut pruning = BTreeMap::new();
        for (column, parts) in alone {
            let Some(part) = conjunction(parts) else {
                continue;
            };
            let part = session.create_physical_expr(part, &described)?;
            let predicate = PruningPredicateBuilder::new()
                .with_file_schema(Arc::clone(&schema))
                .try_build(part)?;
            if !predicate.always_true() {
                pruning.insert(column, predicate);
            }
        }
        Ok(Some(Arc::new(Self {
            columns,
            condition: session.create_physical_expr(condition, &described)?,
            schema,
            pruning,
        })))
    }

    /// The conditions in words.
    pub(in crate::query) fn text(&self) -> String {
        self.condition.to_string()
    }
}

/// The columns of an expression, in alphabetical order.
fn names(expr: &Expr) -> Vec<String> {
    let columns = expr.column_refs();
    let mut names: Vec<String> = columns.into_iter().map(|c| c.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl RowFilter for ScanFilter {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn may_hold(&self, blocks: &ColumnBlocks) -> Vec<bool> {
        let pages = Pages(blocks);
        let told = self
            .pruning
            .get(&blocks.column)
            .and_then(|predicate| predicate.prune(&pages).ok());
        told.unwrap_or_else(|| vec![true; blocks.rows.len()])
    }

    fn wanted(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let batch = categories::widen(batch.clone(), &self.schema);
        let batch = batch.map_err(|error| error.to_string())?;
        let wanted = self.condition.evaluate(&batch);
        let wanted = wanted.and_then(|wanted| wanted.into_array(batch.num_rows()));
        let wanted = wanted.map_err(|error| error.to_string())?;
        match wanted.as_boolean_opt() {
            Some(wanted) => Ok(wanted.clone()),
            None => Err(format!("{} is not true or false", self.condition)),
        }
    }
}

/// What is known of a column's pages, in the words of DataFusion's pruning.
struct Pages<'a>(&'a ColumnBlocks);

impl PruningStatistics for Pages<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == self.0.column).then(|| Arc::clone(&self.0.least))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == self.0.column).then(|| Arc::clone(&self.0.greatest))
    }

    fn num_containers(&self) -> usize {
        self.0.rows.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let nulls = || Arc::new(self.0.nulls.clone()) as ArrayRef;
        (column.name == self.0.column).then(nulls)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.rows.clone()))
    }

    fn contained(
        &self,
        _column: &Column,
        _values: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}
