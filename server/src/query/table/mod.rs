//! A frame's snapshot as a table of DataFusion.
//!
//! Only the columns that the query needs are read, only as many rows as its limit leaves, and of its conditions those
//! on the index choose what is read ([`range`]), other simple ones what is read and handed out
//! ([`filter`]). [`scan`] reads, [`order`] keeps what is read in the frame's order, and [`categories`] makes keys wide
//! enough to compute with.

pub(in crate::query) mod categories;
pub(in crate::query) mod filter;
pub(in crate::query) mod order;
pub(in crate::query) mod range;
pub(in crate::query) mod scan;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use shoots_store::Snapshot;

use self::filter::{ScanFilter, is_settled};
use self::range::KeyRange;
use self::scan::{FrameScan, Selected, computed};

/// A frame that queries can name.
#[derive(Debug)]
pub(in crate::query) struct FrameTable {
    snapshot: Snapshot,
}

impl FrameTable {
    pub(in crate::query) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    /// A range of the index that is still open.
    fn range(&self) -> KeyRange {
        let schema = self.snapshot.schema();
        let first = self.snapshot.index().first();
        let field = first.and_then(|name| schema.field_with_name(name).ok());
        field.map_or_else(KeyRange::none, KeyRange::of)
    }
}

#[async_trait]
impl TableProvider for FrameTable {
    fn schema(&self) -> SchemaRef {
        computed(&self.snapshot)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = filters.iter().map(|filter| {
            let mut range = self.range();
            if range.narrow(filter) || is_settled(filter) {
                TableProviderFilterPushDown::Exact
            } else if range.is_all() {
                TableProviderFilterPushDown::Unsupported
            } else {
                TableProviderFilterPushDown::Inexact
            }
        });
        Ok(supported.collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut range = self.range();
        let mut others = Vec::new();
        for filter in filters {
            if !range.narrow(filter) && is_settled(filter) {
                others.push(filter.clone());
            }
        }
        let bounds = self.snapshot.index_bounds().await;
        let selected = Selected {
            snapshot: self.snapshot.clone(),
            columns: projection.cloned(),
            filter: ScanFilter::new(session, &self.schema(), others)?,
            bounds: bounds.map_err(|error| DataFusionError::External(Box::new(error)))?,
            range,
        };
        let nothing = selected.range.is_empty();
        let scan = FrameScan::new(selected, limit, session.config().target_partitions())?;
        if nothing {
            return Ok(Arc::new(EmptyExec::new(scan.schema())));
        }
        Ok(Arc::new(scan))
    }
}
