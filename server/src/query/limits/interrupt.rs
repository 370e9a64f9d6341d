//! Interrupting a query where DataFusion would not let go.
//!
//! A query ends when its stream is dropped, but only at a moment when it waits. Operators that make much out of
//! little may not wait for hours: a nested-loop join whose filter lets nothing through compares all of one side
//! with each batch of the other before it does anything else. [`interruptible`] adds the missing moments: joins
//! and the like yield after some batches ([`Yielding`]), and the filter of a nested-loop join looks whether the query is
//! still wanted each time that it is asked about a batch. Planning never waits while it rewrites a query;
//! [`checked_rules`] lets it look before each rule, and before each node where a rule is applied to one after the other.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema};
use datafusion::common::exec_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{ColumnarValue, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use futures::StreamExt;
use futures::stream::poll_fn;
use tokio::time::Instant;

use super::passing::{Passing, PassingExec};

/// Whether a query is not wanted any more. Clones are of the same query.
#[derive(Debug, Clone, Default)]
pub(in crate::query) struct Interrupt(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    made: AtomicBool,
    deadline: OnceLock<Instant>,
}

impl Interrupt {
    /// Says that the query is not wanted any more.
    pub(in crate::query) fn request(&self) {
        self.0.made.store(true, Ordering::Relaxed);
    }

    /// Says from when on the query will not be wanted any more. Only the first such moment counts.
    pub(in crate::query) fn request_at(&self, deadline: Instant) {
        self.0.deadline.get_or_init(|| deadline);
    }

    /// An error once the query is not wanted any more.
    pub(in crate::query) fn check(&self) -> Result<()> {
        if self.requested() {
            return exec_err!("the query was interrupted");
        }
        Ok(())
    }

    fn requested(&self) -> bool {
        let deadline = self.0.deadline.get();
        self.0.made.load(Ordering::Relaxed) || deadline.is_some_and(|at| Instant::now() >= *at)
    }
}

/// Requests the interruption of a query when it is dropped, as the future is that waits for it.
#[derive(Debug)]
pub(in crate::query) struct Wanted(Option<Interrupt>);

impl Wanted {
    pub(in crate::query) fn new(interrupt: &Interrupt) -> Self {
        Self(Some(interrupt.clone()))
    }

    /// There is nothing to be interrupted any more.
    pub(in crate::query) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.request();
        }
    }
}

/// A rule of the optimizer.
type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The same rules, with looks at the interrupt.
pub(in crate::query) fn checked_rules(rules: Vec<Rule>, interrupt: &Interrupt) -> Vec<Rule> {
    let checked = rules.into_iter().map(|rule| {
        let interrupt = interrupt.clone();
        Arc::new(CheckedRule { rule, interrupt }) as Rule
    });
    checked.collect()
}

/// A rule that fails once its query is not wanted any more.
#[derive(Debug)]
struct CheckedRule {
    rule: Rule,
    interrupt: Interrupt,
}

impl OptimizerRule for CheckedRule {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        self.interrupt.check()?;
        self.rule.rewrite(plan, config)
    }
}

/// The same plan, with more moments at which it can be interrupted.
pub(in crate::query) fn interruptible(
    plan: Arc<dyn ExecutionPlan>,
    interrupt: &Interrupt,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let node = match node.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => checked_join(join, interrupt)?.unwrap_or(node),
            None => node,
        };
        let multiplies = node.children().len() > 1 || node.is::<UnnestExec>();
        Ok(if multiplies {
            Transformed::yes(PassingExec::around(node, Arc::new(Yielding)))
        } else {
            Transformed::no(node)
        })
    })
    .data()
}

/// Lets others go on after some batches.
///
/// Operators count by themselves. Were they to share the runtime's count for a task, more of them in a row than it counts
/// to would use it up before the last is asked, and never get anywhere.
#[derive(Debug)]
struct Yielding;

/// Batches between two moments at which an operator yields.
const BATCHES_IN_A_ROW: usize = 64;

impl Passing for Yielding {
    fn name(&self) -> &'static str {
        "YieldingExec"
    }

    fn pass(
        &self,
        mut batches: SendableRecordBatchStream,
        _partition: usize,
        _context: &TaskContext,
    ) -> SendableRecordBatchStream {
        let schema = batches.schema();
        let mut in_a_row = 0;
        let yielding = poll_fn(move |context| {
            if in_a_row == BATCHES_IN_A_ROW {
                in_a_row = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let batch = batches.poll_next_unpin(context);
            in_a_row = if batch.is_ready() { in_a_row + 1 } else { 0 };
            batch
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, yielding))
    }
}

fn checked_join(
    join: &NestedLoopJoinExec,
    interrupt: &Interrupt,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.filter() else {
        return Ok(None);
    };
    let checked = Checked {
        condition: Arc::clone(filter.expression()),
        interrupt: interrupt.clone(),
    };
    let filter = JoinFilter::new(
        Arc::new(checked),
        filter.column_indices().to_vec(),
        Arc::clone(filter.schema()),
    );
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let join = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
        .with_projection_ref(join.projection().clone())
        .with_filter(Some(filter))
        .build()?;
    Ok(Some(Arc::new(join)))
}

/// A condition that fails once its query is not wanted any more.
#[derive(Debug)]
struct Checked {
    condition: Arc<dyn PhysicalExpr>,
    interrupt: Interrupt,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl PhysicalExpr for Checked {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.interrupt.check()?;
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [condition] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a check has one condition".into()))?;
        Ok(Arc::new(Self {
            condition,
            interrupt: self.interrupt.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}
