//! A frame's snapshot as a table of DataFusion.
//!
//! A scan has one partition for each contiguous part of the snapshot's segments, at most one for each core, and
//! the parts are numbered in the frame's order. Only the columns that the query needs are read, only as many
//! rows as its limit leaves, and only where its conditions on the index can be true. The row count of a whole
//! frame is exact, so that counting reads nothing.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err, project_schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::{TryFutureExt, TryStreamExt};
use shoots_proto::Closed;
use shoots_store::{ReadOptions, Snapshot};

use super::range::KeyRange;

/// A frame that queries can name.
#[derive(Debug)]
pub(super) struct FrameTable {
    snapshot: Snapshot,
}

impl FrameTable {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    /// What these conditions leave of the index.
    fn range<'a>(&self, filters: impl IntoIterator<Item = &'a Expr>) -> KeyRange {
        match self.snapshot.index().first() {
            Some(column) => KeyRange::of(column, filters),
            None => KeyRange::default(),
        }
    }
}

#[async_trait]
impl TableProvider for FrameTable {
    fn schema(&self) -> SchemaRef {
        self.snapshot.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = filters.iter().map(|filter| {
            if self.range([*filter]).is_all() {
                TableProviderFilterPushDown::Unsupported
            } else {
                TableProviderFilterPushDown::Inexact
            }
        });
        Ok(supported.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = state.config().target_partitions();
        let range = self.range(filters);
        let scan = FrameScan::new(self.snapshot.clone(), projection, range, limit, parts)?;
        Ok(Arc::new(scan))
    }
}

/// Reads a snapshot, part by part.
#[derive(Debug)]
pub(super) struct FrameScan {
    snapshot: Snapshot,
    /// Names of the columns to read; `None` is all.
    columns: Option<Vec<String>>,
    range: KeyRange,
    limit: Option<usize>,
    parts: usize,
    properties: Arc<PlanProperties>,
}

impl FrameScan {
    fn new(
        snapshot: Snapshot,
        projection: Option<&Vec<usize>>,
        range: KeyRange,
        limit: Option<usize>,
        cores: usize,
    ) -> Result<Self> {
        let all = snapshot.schema();
        let schema = project_schema(&all, projection)?;
        let columns = projection.map(|indices| {
            let fields = indices.iter().map(|&index| all.field(index));
            fields.map(|field| field.name().clone()).collect()
        });
        let segments = usize::try_from(snapshot.segment_count()).unwrap_or(usize::MAX);
        let parts = segments.clamp(1, cores.max(1));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(parts),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            snapshot,
            columns,
            range,
            limit,
            parts,
            properties: Arc::new(properties),
        })
    }

    fn exact_rows(&self, partition: Option<usize>) -> Precision<usize> {
        if !self.range.is_all() {
            return Precision::Absent;
        }
        let rows = usize::try_from(self.snapshot.rows());
        match (rows, self.limit, partition) {
            (Ok(rows), None, None) => Precision::Exact(rows),
            (Ok(rows), None, Some(0)) if self.parts == 1 => Precision::Exact(rows),
            _ => Precision::Absent,
        }
    }
}

impl DisplayAs for FrameScan {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(
                    f,
                    "FrameScan: frame={}, parts={}",
                    self.snapshot.frame(),
                    self.parts
                )?;
                if let Some(start) = self.range.start() {
                    write!(f, ", start={start}")?;
                }
                if let Some(stop) = self.range.stop() {
                    write!(f, ", stop={stop}")?;
                }
                if let Some(limit) = self.limit {
                    write!(f, ", limit={limit}")?;
                }
                Ok(())
            }
            DisplayFormatType::TreeRender => write!(f, "frame={}", self.snapshot.frame()),
        }
    }
}

impl ExecutionPlan for FrameScan {
    fn name(&self) -> &'static str {
        "FrameScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a scan has no children")
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            internal_err!("a scan has no children")
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let options = ReadOptions {
            columns: self.columns.clone(),
            start: self.range.start(),
            stop: self.range.stop(),
            closed: Closed::Both,
            limit: self.limit.and_then(|limit| u64::try_from(limit).ok()),
            part: Some((partition, self.parts)),
            batch_rows: Some(context.session_config().batch_size()),
            ..ReadOptions::default()
        };
        let snapshot = self.snapshot.clone();
        let external = |error| DataFusionError::External(Box::new(error));
        let batches = async move { snapshot.read(options).await }
            .map_ok(move |rows| rows.map_err(external))
            .map_err(external)
            .try_flatten_stream();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }

    fn statistics_from_inputs(
        &self,
        _input_statistics: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = self.exact_rows(args.partition());
        Ok(Arc::new(statistics))
    }
}
