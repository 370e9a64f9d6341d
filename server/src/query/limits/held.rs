//! Counting the rows that windows hold.
//!
//! Where windows reach over a whole partition, the operator keeps all rows of its input, and copies them together once
//! the last one has come, without asking for memory. So operators stand around it: the one below counts the rows that
//! it takes, and the one above gives their memory back when the results have been taken, or are not wanted any more.
//!
//! An operator of windows that end near their row lets go of rows as it goes along, and does not say of which; what it
//! holds is not counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use futures::StreamExt;
use shoots_flight::encoded_size;

use super::passing::{Passing, PassingExec};

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
        let rows = PassingExec::around(input, Arc::new(Rows(Arc::clone(&held))));
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let window = node.replace_children(vec![rows], options)?;
        let results = PassingExec::around(window, Arc::new(Results(held)));
        Ok(Transformed::yes(results))
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

/// Below the operator: what it takes.
#[derive(Debug)]
struct Rows(Arc<Held>);

impl Passing for Rows {
    fn name(&self) -> &'static str {
        "HeldRowsExec"
    }

    fn pass(
        &self,
        batches: SendableRecordBatchStream,
        partition: usize,
        context: &TaskContext,
    ) -> SendableRecordBatchStream {
        let held = Arc::clone(&self.0);
        let consumer = MemoryConsumer::new("rows that windows hold");
        let reservation = consumer.register(context.memory_pool());
        held.lock().insert(partition, reservation);
        let schema = batches.schema();
        let counted = batches.map(move |batch| {
            let batch = batch?;
            held.take(partition, &batch)?;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, counted))
    }
}

/// Above it: what it gives.
#[derive(Debug)]
struct Results(Arc<Held>);

impl Passing for Results {
    fn name(&self) -> &'static str {
        "HeldResultsExec"
    }

    fn pass(
        &self,
        batches: SendableRecordBatchStream,
        partition: usize,
        _context: &TaskContext,
    ) -> SendableRecordBatchStream {
        let held = Arc::clone(&self.0);
        let until_taken = UntilTaken { held, partition };
        let schema = batches.schema();
        let results = batches.inspect(move |_| {
            // The memory is taken for as long as the stream exists.
            let _ = &until_taken;
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, results))
    }
}
