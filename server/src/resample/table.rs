//! A resampled frame as a table of DataFusion.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::arrow::compute::SortOptions;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::Resample;
use super::calendar::Zone;
use super::exec::ResampleExec;
use super::rule::Rule;

/// The bins of a frame. Only the results that a query needs are computed.
#[derive(Debug)]
pub(crate) struct ResampleTable(Resample);

impl ResampleTable {
    pub(crate) fn new(resample: Resample) -> Self {
        Self(resample)
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

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let cores = state.config().target_partitions();
        let Some(projection) = projection else {
            return Ok(Arc::new(ResampleExec::new(self.0.clone(), cores)));
        };
        let some = self.0.with_outputs(|at| projection.contains(&at));
        let all = self.0.schema();
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
