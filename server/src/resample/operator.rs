//! Resampling as an operator of DataFusion.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::TryStreamExt;

use super::Resample;
use super::exec::{BATCHES_AHEAD, run};
use super::window::Window;
use crate::query::{ReadCost, leaf};

/// Resamples a frame.
#[derive(Debug)]
pub(super) struct ResampleExec {
    resample: Arc<Resample>,
    cores: usize,
    properties: Arc<PlanProperties>,
    /// What reading it took, for EXPLAIN ANALYZE.
    metrics: ExecutionPlanMetricsSet,
}

impl ResampleExec {
    pub(super) fn new(resample: Resample, cores: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(resample.schema(), resample.orderings()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            resample: Arc::new(resample),
            cores,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for ResampleExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.resample.snapshot.frame();
        let columns = self.resample.columns().len();
        let order = if self.resample.streams() {
            "by time"
        } else {
            "any"
        };
        write!(
            f,
            "ResampleExec: frame={frame}, columns={columns}, order={order}"
        )?;
        match &self.resample.window {
            Some(Window { bins, wanted, .. }) => {
                let (from, to) = (wanted.start, wanted.end);
                write!(f, ", bins={from}..{to} of {}", bins.count())
            }
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ResampleExec {
    leaf!("ResampleExec");

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(self.resample.schema(), BATCHES_AHEAD);
        let resample = Arc::clone(&self.resample);
        let taker = stream.tx();
        let memory = MemoryConsumer::new("resample").register(context.memory_pool());
        let cores = self.cores;
        let cost = Arc::new(ReadCost::new(&self.metrics, partition));
        stream.spawn(async move { run(resample, cores, memory, taker, cost).await });
        let counted = BaselineMetrics::new(&self.metrics, partition);
        let bins = stream.build().inspect_ok(move |batch: &RecordBatch| {
            counted.record_output(batch.num_rows());
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), bins)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
