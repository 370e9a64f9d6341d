//! What every operator says of itself that has no inputs and reads from the store.
//!
//! DataFusion asks each operator for its inputs and for the expressions that it evaluates, and offers to exchange them;
//! such an operator has neither. What it costs to read is shown by EXPLAIN ANALYZE.

use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use shoots_store::ReadWatch;

/// The part of an `impl ExecutionPlan` that is the same for all operators without inputs: `leaf!("Name")`, for a type
/// with a field `properties`.
macro_rules! leaf {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn properties(&self) -> &::std::sync::Arc<::datafusion::physical_plan::PlanProperties> {
            &self.properties
        }

        fn children(
            &self,
        ) -> Vec<&::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>> {
            Vec::new()
        }

        fn apply_expressions(
            &self,
            _f: &mut dyn FnMut(
                &::std::sync::Arc<dyn ::datafusion::physical_plan::PhysicalExpr>,
            ) -> ::datafusion::error::Result<
                ::datafusion::common::tree_node::TreeNodeRecursion,
            >,
        ) -> ::datafusion::error::Result<::datafusion::common::tree_node::TreeNodeRecursion> {
            Ok(::datafusion::common::tree_node::TreeNodeRecursion::Continue)
        }

        fn replace_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
            _options: ::datafusion::physical_plan::execution_plan::ReplaceChildrenOptions,
        ) -> ::datafusion::error::Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
        > {
            $crate::query::unchanged(self, $name, &children)
        }

        fn with_new_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
        ) -> ::datafusion::error::Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
        > {
            $crate::query::unchanged(self, $name, &children)
        }
    };
}

pub(crate) use leaf;

/// An operator that was given the inputs which it has: none.
pub(crate) fn unchanged(
    operator: Arc<dyn ExecutionPlan>,
    name: &str,
    inputs: &[Arc<dyn ExecutionPlan>],
) -> Result<Arc<dyn ExecutionPlan>> {
    if inputs.is_empty() {
        return Ok(operator);
    }
    internal_err!("{name} has no inputs")
}

/// What a partition of an operator fetches and decodes, among the operator's figures.
#[derive(Debug)]
pub(crate) struct ReadCost {
    bytes: Count,
    pages: Count,
}

impl ReadCost {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            bytes: counter("fetched_bytes"),
            pages: counter("decoded_pages"),
        }
    }
}

impl ReadWatch for ReadCost {
    fn fetched(&self, bytes: u64) {
        self.bytes.add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    fn decoding(&self, pages: u64) {
        self.pages.add(usize::try_from(pages).unwrap_or(usize::MAX));
    }
}
