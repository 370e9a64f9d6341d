//! A combination as a table of DataFusion.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// How frames are combined.
pub(super) trait Combination: fmt::Debug + Send + Sync {
    /// The columns of the result.
    fn schema(&self) -> SchemaRef;

    /// A plan for the columns at these places. Rows for which one of the conditions is not true may be left out.
    fn plan(&self, columns: &[usize], conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>>;

    /// Whether a condition leaves out rows of an input already.
    fn narrows(&self, _condition: &Expr) -> bool {
        false
    }
}

/// The table that a combination makes.
#[derive(Debug)]
pub(crate) struct CombinedTable {
    combination: Box<dyn Combination>,
    schema: SchemaRef,
}

impl CombinedTable {
    pub(super) fn new(combination: impl Combination + 'static) -> Self {
        Self {
            schema: combination.schema(),
            combination: Box::new(combination),
        }
    }
}

#[async_trait]
impl TableProvider for CombinedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = filters.iter().map(|filter| {
            if self.combination.narrows(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        });
        Ok(supported.collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        self.combination.plan(projection.unwrap_or(&all), filters)
    }
}
