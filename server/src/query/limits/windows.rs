//! Interrupting aggregates over windows.
//!
//! A window operator computes all rows of a batch, or of a partition, before it waits for anything, and each row may
//! cost as much as its window is wide: hours for a median over wide windows. The last rule of the optimizer replaces
//! these aggregates by ones that look whether the query is still wanted each time that they are asked for something.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunctionParams, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, LogicalPlan, ReversedUDAF,
    SetMonotonicity, Signature, WindowFunctionDefinition,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::interrupt::Interrupt;

/// The rule that makes aggregates over windows look.
#[derive(Debug)]
pub(in crate::query) struct InterruptibleWindows(pub(in crate::query) Interrupt);

impl OptimizerRule for InterruptibleWindows {
    fn name(&self) -> &'static str {
        "interruptible_windows"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Window(_) => {
                node.map_expressions(|expr| expr.transform_up(|expr| Ok(self.window(expr))))
            }
            other => Ok(Transformed::no(other)),
        })
    }
}

impl InterruptibleWindows {
    fn window(&self, expr: Expr) -> Transformed<Expr> {
        let Expr::WindowFunction(window) = expr else {
            return Transformed::no(expr);
        };
        let WindowFunction { fun, params } = *window;
        let (fun, is_new) = match fun {
            WindowFunctionDefinition::AggregateUDF(aggregate) if !is_watched(&aggregate) => {
                let watched = Arc::new(watched(aggregate, &self.0));
                (WindowFunctionDefinition::AggregateUDF(watched), true)
            }
            other => (other, false),
        };
        let window = Expr::WindowFunction(Box::new(WindowFunction { fun, params }));
        match is_new {
            true => Transformed::yes(window),
            false => Transformed::no(window),
        }
    }
}

fn watched(aggregate: Arc<AggregateUDF>, interrupt: &Interrupt) -> AggregateUDF {
    AggregateUDF::new_from_impl(Watched {
        aggregate,
        interrupt: interrupt.clone(),
    })
}

fn is_watched(aggregate: &AggregateUDF) -> bool {
    let inner: &dyn std::any::Any = aggregate.inner().as_ref();
    inner.is::<Watched>()
}

/// An aggregate that fails once its query is not wanted any more.
#[derive(Debug)]
struct Watched {
    aggregate: Arc<AggregateUDF>,
    interrupt: Interrupt,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.aggregate == other.aggregate
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.aggregate.hash(state);
    }
}

impl Watched {
    fn inner(&self) -> &dyn AggregateUDFImpl {
        self.aggregate.inner().as_ref()
    }

    fn watch(&self, accumulator: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(WatchedAccumulator {
            accumulator,
            interrupt: self.interrupt.clone(),
        })
    }
}

impl AggregateUDFImpl for Watched {
    fn name(&self) -> &str {
        self.inner().name()
    }

    fn aliases(&self) -> &[String] {
        self.inner().aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner().schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner().human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner().window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner().display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner().window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner().return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner().return_field(arg_fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner().is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.watch(self.inner().accumulator(args)?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner().state_fields(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.watch(self.inner().create_sliding_accumulator(args)?))
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = Arc::clone(self.aggregate.inner());
        let ordered = inner.with_beneficial_ordering(beneficial_ordering)?;
        Ok(ordered.map(|inner| {
            let aggregate = Arc::new(AggregateUDF::new_from_shared_impl(inner));
            let interrupt = self.interrupt.clone();
            Arc::new(Self {
                aggregate,
                interrupt,
            }) as _
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner().order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner().simplify()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner().reverse_expr() {
            ReversedUDAF::Reversed(reversed) => {
                ReversedUDAF::Reversed(Arc::new(watched(reversed, &self.interrupt)))
            }
            other => other,
        }
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner().coerce_types(arg_types)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner().is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner().default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner().supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner().supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner().documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner().set_monotonicity(data_type)
    }
}

#[derive(Debug)]
struct WatchedAccumulator {
    accumulator: Box<dyn Accumulator>,
    interrupt: Interrupt,
}

impl Accumulator for WatchedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.interrupt.check()?;
        self.accumulator.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.interrupt.check()?;
        self.accumulator.evaluate()
    }

    fn size(&self) -> usize {
        self.accumulator.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.accumulator.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.accumulator.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.accumulator.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.accumulator.supports_retract_batch()
    }
}
