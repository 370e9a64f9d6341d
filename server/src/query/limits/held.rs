//! Counting the rows that windows hold.
//!
//! Where windows reach over a whole partition, the operator keeps all rows of its input, and copies them together once
//! the last one has come, without asking for memory. So operators stand around it: the one below counts the rows that
//! it takes, and the one above gives their memory back when the results have been taken, or are not wanted any more.
//!
//! An operator of windows that end near their row lets go of rows as it goes along, and does not say of which; what it
//! holds is not counted.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;
use shoots_flight::encoded_size;

/// Rows are held as they came, and once more when they are copied together.
const COPIES: usize = 2;

/// The plan, with what its windows hold counted against the query's memory.
pub(in crate::query) fn counted(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let input = match node.children().as_slice() {
            [input] if node.is::<WindowAggExec>() => Arc::clone(input),
            _ => return Ok(Transformed::no(node)),
        };
        let held = Arc::new(Held::default());
        let rows = HeldExec::new(input, Arc::clone(&held), Side::Rows);
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let window = node.replace_children(vec![Arc::new(rows)], options)?;
        let results = HeldExec::new(window, held, Side::Results);
        Ok(Transformed::yes(Arc::new(results) as _))
    })
    .data()
}

/// What an operator holds, by partition.
#[derive(Debug, Default)]
struct Held(Mutex<HashMap<usize, MemoryReservation>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<usize, MemoryReservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, partition: usize, batch: &RecordBatch) -> Result<()> {
        let bytes = encoded_size(batch).saturating_mul(COPIES);
        match self.lock().get_mut(&partition) {
            Some(reservation) => reservation.try_grow(bytes),
            None => Ok(()),
        }
    }
}

/// Gives back what a partition holds when it is dropped.
struct UntilTaken {
    held: Arc<Held>,
    partition: usize,
}

impl Drop for UntilTaken {
    fn drop(&mut self) {
        self.held.lock().remove(&self.partition);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Below the operator: what it takes.
    Rows,
    /// Above it: what it gives.
    Results,
}

/// Passes rows on as they are, on one side of an operator that holds some.
#[derive(Debug)]
struct HeldExec {
    input: Arc<dyn ExecutionPlan>,
    held: Arc<Held>,
    side: Side,
}

impl HeldExec {
    fn new(input: Arc<dyn ExecutionPlan>, held: Arc<Held>, side: Side) -> Self {
        Self { input, held, side }
    }
}

impl DisplayAs for HeldExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Rows => f.write_str("HeldExec: rows"),
            Side::Results => f.write_str("HeldExec: results"),
        }
    }
}

impl ExecutionPlan for HeldExec {
    fn name(&self) -> &'static str {
        "HeldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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
            .map_err(|_| DataFusionError::Internal("HeldExec has one input".into()))?;
        Ok(Arc::new(Self::new(
            input,
            Arc::clone(&self.held),
            self.side,
        )))
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
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let held = Arc::clone(&self.held);
        match self.side {
            Side::Rows => {
                let consumer = MemoryConsumer::new("rows that windows hold");
                let reservation = consumer.register(context.memory_pool());
                held.lock().insert(partition, reservation);
                let batches = self.input.execute(partition, context)?;
                let counted = batches.map(move |batch| {
                    let batch = batch?;
                    held.take(partition, &batch)?;
                    Ok(batch)
                });
                let schema = self.schema();
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
            }
            Side::Results => {
                let until_taken = UntilTaken { held, partition };
                let batches = self.input.execute(partition, context)?;
                let results = batches.inspect(move |_| {
                    // The memory is taken for as long as the stream exists.
                    let _ = &until_taken;
                });
                let schema = self.schema();
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, results)))
            }
        }
    }
}
