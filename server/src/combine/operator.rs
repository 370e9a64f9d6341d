//! The operator of a plan that every combination is made of.
//!
//! DataFusion wants to know a lot of an operator. What differs between those of combinations is little: how it is
//! shown, which order it needs its inputs in, which order its rows have, and how inputs become batches. That is a
//! [`Step`]; [`StepExec`] says the rest. An operator has one partition, as have its inputs: the order of rows is what
//! combinations are about. Inputs that do not have the order that is needed are sorted by DataFusion, which spills.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{SchemaRef, SortOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, LexRequirement, OrderingRequirements, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PhysicalExpr,
    PlanProperties,
};
use futures::stream::BoxStream;

/// Batches that a step makes.
pub(super) type Batches = BoxStream<'static, Result<RecordBatch>>;

/// Ascending, as frames are sorted by their indexes; nulls come last.
pub(super) const ASCENDING: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// What an operator does.
pub(super) trait Step: fmt::Debug + Send + Sync {
    /// What it is called in plans.
    fn name(&self) -> &'static str;

    /// What it does, as a plan shows it.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The columns of its batches.
    fn schema(&self) -> SchemaRef;

    /// The places of the columns that its rows are sorted by; none if their order is not known.
    fn order(&self) -> Vec<usize> {
        Vec::new()
    }

    /// For each input, the places of the columns that it has to be sorted by.
    fn needs(&self) -> Vec<Vec<usize>>;

    /// Starts to make batches.
    fn start(
        self: Arc<Self>,
        inputs: Vec<SendableRecordBatchStream>,
        context: &TaskContext,
    ) -> Result<Batches>;
}

/// A step as part of a plan.
#[derive(Debug)]
pub(crate) struct StepExec {
    step: Arc<dyn Step>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl StepExec {
    /// A plan that does `step` with the rows of `inputs`.
    pub(super) fn plan(
        step: Arc<dyn Step>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Arc<dyn ExecutionPlan> {
        let schema = step.schema();
        let orderings = ordering(&schema, &step.order());
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, orderings),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Arc::new(Self {
            step,
            inputs,
            properties: Arc::new(properties),
        })
    }
}

/// The columns at these places in ascending order.
pub(super) fn ordering(schema: &SchemaRef, columns: &[usize]) -> Option<LexOrdering> {
    LexOrdering::new(columns.iter().map(|&column| {
        let name = schema.field(column).name();
        PhysicalSortExpr::new(Arc::new(Column::new(name, column)), ASCENDING)
    }))
}

impl DisplayAs for StepExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.step.name())?;
        self.step.show(f)
    }
}

impl ExecutionPlan for StepExec {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition; self.inputs.len()]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let needs = self.step.needs();
        let needs = self.inputs.iter().zip(needs).map(|(input, columns)| {
            let order = ordering(&input.schema(), &columns)?;
            Some(OrderingRequirements::new(LexRequirement::from(order)))
        });
        needs.collect()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
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
        if children.len() != self.inputs.len() {
            return internal_err!("{} has {} inputs", self.name(), self.inputs.len());
        }
        Ok(Arc::new(Self {
            step: Arc::clone(&self.step),
            inputs: children,
            properties: Arc::clone(&self.properties),
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
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
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|input| input.execute(0, Arc::clone(&context)));
        let inputs = inputs.collect::<Result<_>>()?;
        let batches = Arc::clone(&self.step).start(inputs, &context)?;
        let schema = self.step.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn statistics_from_inputs(
        &self,
        _input_statistics: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.step.schema())))
    }
}
