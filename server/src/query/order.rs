//! Rows in the frame's order where a query leaves the order open.
//!
//! SQL promises no order without ORDER BY, and DataFusion takes batches from whichever part is ready first. A
//! dataframe has an order, and people expect `select … where …` and `limit 5` to keep it. So where the parts
//! of a scan meet again and nothing in between has mixed the rows, the parts are taken one after the other
//! instead. They still run at the same time, each a few batches ahead.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, stream};
use tokio::sync::mpsc::Sender;

use super::table::FrameScan;

/// Batches of a part that are made before it is its turn.
const BATCHES_AHEAD: usize = 4;

/// Makes a plan give its rows in the frame's order, as far as its operators kept it.
pub(super) fn in_frame_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| Ok(ordered_meeting(node))).data()?;
    if plan.output_partitioning().partition_count() > 1 && keeps_order(&plan) {
        return Ok(Arc::new(InOrderExec::new(plan)));
    }
    Ok(plan)
}

fn ordered_meeting(node: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    let Some(meeting) = node.downcast_ref::<CoalescePartitionsExec>() else {
        return Transformed::no(node);
    };
    if !keeps_order(meeting.input()) {
        return Transformed::no(node);
    }
    let ordered: Arc<dyn ExecutionPlan> = Arc::new(InOrderExec::new(Arc::clone(meeting.input())));
    let fetch = meeting.fetch();
    Transformed::yes(match fetch {
        Some(_) => Arc::new(GlobalLimitExec::new(ordered, 0, fetch)),
        None => ordered,
    })
}

/// Whether the partitions of a plan, one after the other, are in the order of what it reads.
fn keeps_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    match children.as_slice() {
        [] => plan.is::<FrameScan>(),
        [child] => plan.maintains_input_order() == [true] && keeps_order(child),
        several => plan.is::<UnionExec>() && several.iter().all(|child| keeps_order(child)),
    }
}

/// Gives the rows of its input's partitions one partition after the other.
#[derive(Debug)]
struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        // What holds within each partition need not hold across them.
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self {
            input,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InOrderExec")
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("InOrderExec has one input".into()))?;
        Ok(Arc::new(Self::new(input)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let partitions = self.input.output_partitioning().partition_count();
        if partitions == 1 {
            return self.input.execute(0, context);
        }
        let parts: Vec<SendableRecordBatchStream> = (0..partitions)
            .map(|partition| {
                let mut part = RecordBatchReceiverStream::builder(self.schema(), BATCHES_AHEAD);
                let batches = self.input.execute(partition, Arc::clone(&context))?;
                let taker = part.tx();
                part.spawn(send_all(batches, taker));
                Ok(part.build())
            })
            .collect::<Result<_>>()?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            stream::iter(parts).flatten(),
        )))
    }
}

/// Makes a part's batches until they are all taken, or nobody takes them any more.
async fn send_all(
    mut batches: SendableRecordBatchStream,
    taker: Sender<Result<RecordBatch>>,
) -> Result<()> {
    while let Some(batch) = batches.next().await {
        let failed = batch.is_err();
        if taker.send(batch).await.is_err() || failed {
            break;
        }
    }
    Ok(())
}
