//! Rows in the frame's order: where a query leaves the order open, and where it asks for it.
//!
//! SQL promises no order without ORDER BY, and DataFusion takes batches from whichever part is ready first. A
//! dataframe has an order, and people expect `select … where …` and `limit 5` to keep it. So where the parts
//! of a scan meet again and nothing in between has mixed the rows, the parts are taken one after the other
//! instead. They still run at the same time, each a few batches ahead.
//!
//! The parts of a frame with an index follow each other in its order. So where DataFusion would merge them by
//! comparing rows, they are taken one after the other too; and the last rows by the index are looked for where they
//! are, at the end.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, stream};
use tokio::sync::mpsc::Sender;

use super::scan::FrameScan;

/// Batches of a part that are made before it is its turn.
const BATCHES_AHEAD: usize = 4;

/// Makes a plan give its rows in the frame's order, as far as its operators kept it.
pub(in crate::query) fn in_frame_order(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(last_rows).data()?;
    let plan = plan.transform_up(|node| Ok(ordered_meeting(node))).data()?;
    if plan.output_partitioning().partition_count() > 1 && keeps_order(&plan) {
        return Ok(Arc::new(InOrderExec::new(plan)));
    }
    Ok(plan)
}

fn ordered_meeting(node: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    let (input, fetch) = if let Some(meeting) = node.downcast_ref::<CoalescePartitionsExec>()
        && keeps_order(meeting.input())
    {
        let ordered = InOrderExec::new(Arc::clone(meeting.input()));
        (ordered, meeting.fetch())
    } else if let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>()
        && keeps_order(merge.input())
        && !has_union(merge.input())
    {
        let ordered = InOrderExec::sorted(Arc::clone(merge.input()), &node);
        (ordered, merge.fetch())
    } else {
        return Transformed::no(node);
    };
    let ordered: Arc<dyn ExecutionPlan> = Arc::new(input);
    Transformed::yes(match fetch {
        Some(_) => Arc::new(GlobalLimitExec::new(ordered, 0, fetch)),
        None => ordered,
    })
}

/// Reads only the end of a frame where its last rows by the index are asked for.
fn last_rows(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(sort) = node.downcast_ref::<SortExec>() else {
        return Ok(Transformed::no(node));
    };
    let columns = sort.expr().iter().map(|sort| {
        let column = sort.expr.downcast_ref::<Column>();
        column
            .filter(|_| sort.options.descending)
            .map(Column::index)
    });
    let (Some(rows), Some(columns)) = (sort.fetch(), columns.collect::<Option<Vec<_>>>()) else {
        return Ok(Transformed::no(node));
    };
    let Some(input) = last_of(sort.input(), &columns, rows)? else {
        return Ok(Transformed::no(node));
    };
    let sort = SortExec::new(sort.expr().clone(), input)
        .with_preserve_partitioning(sort.preserve_partitioning())
        .with_fetch(Some(rows));
    Ok(Transformed::yes(Arc::new(sort)))
}

/// The plan with only the last rows of the frame that it reads, if the frame is in the order of these columns.
fn last_of(
    plan: &Arc<dyn ExecutionPlan>,
    columns: &[usize],
    rows: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<FrameScan>() {
        let schema = ExecutionPlan::schema(scan);
        let names = columns.iter().map(|column| schema.field(*column).name());
        if !names.eq(scan.order().iter().take(columns.len())) {
            return Ok(None);
        }
        return Ok(scan.last(rows).map(|scan| Arc::new(scan) as _));
    }
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        return Ok(None);
    };
    let below = columns.iter().map(|column| {
        let made = projection.expr().get(*column)?;
        made.expr.downcast_ref::<Column>().map(Column::index)
    });
    let Some(below) = below.collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let Some(input) = last_of(projection.input(), &below, rows)? else {
        return Ok(None);
    };
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan)
        .replace_children(vec![input], options)
        .map(Some)
}

fn has_union(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<UnionExec>() || plan.children().into_iter().any(has_union)
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
    /// The rows are in the order that `merge` would bring them into.
    fn sorted(input: Arc<dyn ExecutionPlan>, merge: &Arc<dyn ExecutionPlan>) -> Self {
        let equivalences = merge.equivalence_properties().clone();
        Self::with(input, equivalences)
    }

    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        // What holds within each partition need not hold across them.
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        Self::with(input, equivalences)
    }

    fn with(input: Arc<dyn ExecutionPlan>, equivalences: EquivalenceProperties) -> Self {
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
        let equivalences = self.properties.eq_properties.clone();
        Ok(Arc::new(Self::with(input, equivalences)))
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
