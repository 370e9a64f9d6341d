//! A resampled frame as a table of DataFusion.
//!
//! Only the results that a query needs are computed, and only the bins that its conditions on the time leave.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::arrow::compute::SortOptions;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use serde_json::Value;
use shoots_store::counted_time;

use super::Resample;
use super::calendar::Zone;
use super::operator::ResampleExec;
use super::rule::Rule;
use crate::query::KeyRange;

/// The bins of a frame.
#[derive(Debug)]
pub(crate) struct ResampleTable(Resample);

impl ResampleTable {
    pub(crate) fn new(resample: Resample) -> Self {
        Self(resample)
    }

    /// Conditions as a range of the names of bins.
    fn range<'a>(&self, conditions: impl IntoIterator<Item = &'a Expr>) -> KeyRange {
        let mut range = KeyRange::of(self.0.schema().field(0));
        for condition in conditions {
            range.narrow(condition);
        }
        range
    }

    /// With the bins that conditions leave; none if they leave none.
    async fn left(&self, conditions: &[Expr]) -> Result<Option<Resample>> {
        let range = self.range(conditions);
        if range.is_all() {
            return Ok(Some(self.0.clone()));
        }
        let end = |value: Option<Value>| value.as_ref().and_then(counted_time);
        let (from, to) = (end(range.start()), end(range.stop()));
        self.0.clone().named(from, to).await
    }
}

impl Resample {
    /// How the result is sorted: by time and then by `by`, of which no value is missing.
    pub(super) fn orderings(&self) -> Vec<Vec<PhysicalSortExpr>> {
        // Where clocks left a whole day out, two bins have the same name, and the groups come twice.
        let names_repeat = matches!(self.layout.zone, Some(Zone::Place(_)))
            && matches!(self.layout.rule, Rule::Calendar(..));
        let by = if names_repeat { 0 } else { self.by.len() };
        let fields = self.schema.fields().iter().take(1 + by).enumerate();
        let columns: Vec<Arc<dyn PhysicalExpr>> = fields
            .map(|(at, field)| Arc::new(Column::new(field.name(), at)) as Arc<dyn PhysicalExpr>)
            .collect();
        let ordering = |nulls_first| {
            let options = SortOptions {
                descending: false,
                nulls_first,
            };
            let columns = columns.iter();
            columns
                .map(|column| PhysicalSortExpr::new(Arc::clone(column), options))
                .collect()
        };
        vec![ordering(false), ordering(true)]
    }
}

#[async_trait]
impl TableProvider for ResampleTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = filters
            .iter()
            .map(|filter| match self.range([*filter]).is_all() {
                true => TableProviderFilterPushDown::Unsupported,
                false => TableProviderFilterPushDown::Inexact,
            });
        Ok(supported.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let cores = state.config().target_partitions();
        let all = self.0.schema();
        let Some(bins) = self.left(filters).await? else {
            let schema = match projection {
                Some(projection) => Arc::new(all.project(projection)?),
                None => all,
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        };
        let Some(projection) = projection else {
            return Ok(Arc::new(ResampleExec::new(bins, cores)));
        };
        let some = bins.with_outputs(|at| projection.contains(&at));
        let schema = some.schema();
        let exec = Arc::new(ResampleExec::new(some, cores));
        let columns = projection.iter().map(|at| {
            let name = all.field(*at).name();
            let column = Column::new(name, schema.index_of(name)?);
            Ok((Arc::new(column) as Arc<dyn PhysicalExpr>, name.clone()))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, exec)?))
    }
}
