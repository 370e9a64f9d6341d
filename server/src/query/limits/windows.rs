//! Bounding aggregates over windows.
//!
//! A window operator computes all rows of a batch, or of a partition, before it waits for anything, and each row may
//! cost as much as its window is wide: hours for a median over wide windows, and gigabytes where each row gets the list
//! of all before it. The last rule of the optimizer replaces these aggregates by ones that look whether the query is
//! still wanted each time that they are asked for something, and that take what they hold and what they make from the
//! memory for values ([`super::memory`]).
//!
//! An aggregate does not see when its results are let go. Where windows end at a row, the operator gives them away batch
//! by batch, and those of about the last two batches are counted; where windows reach to the end of the partition, all
//! of them are.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::expr::{
    AggregateFunctionParams, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, LogicalPlan, ReversedUDAF,
    SetMonotonicity, Signature, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::interrupt::Interrupt;

/// Rows of which an operator may hold the results, where it gives them away batch by batch.
const HELD_ROWS: usize = 16 * 1024;

/// So many rows an accumulator takes before it is asked first what it holds.
const FIRST_LOOK: usize = 1024;

/// The rule that makes aggregates over windows look.
#[derive(Debug)]
pub(in crate::query) struct BoundedWindows {
    pub(in crate::query) interrupt: Interrupt,
    pub(in crate::query) values: Arc<dyn MemoryPool>,
}

impl OptimizerRule for BoundedWindows {
    fn name(&self) -> &'static str {
        "bounded_windows"
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

impl BoundedWindows {
    fn window(&self, expr: Expr) -> Transformed<Expr> {
        let Expr::WindowFunction(window) = expr else {
            return Transformed::no(expr);
        };
        let WindowFunction { fun, params } = *window;
        let (fun, is_new) = match fun {
            WindowFunctionDefinition::AggregateUDF(aggregate) if !is_watched(&aggregate) => {
                let is_ordered = !params.order_by.is_empty();
                let watched = self.watched(aggregate, &params.window_frame, is_ordered);
                let watched = Arc::new(AggregateUDF::new_from_impl(watched));
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

    fn watched(
        &self,
        aggregate: Arc<AggregateUDF>,
        frame: &WindowFrame,
        is_ordered: bool,
    ) -> Watched {
        let results = |end: &WindowFrameBound| {
            Arc::new(Results {
                one_for_all: is_constant(frame, is_ordered),
                given_away: !end.is_unbounded(),
                held: Mutex::new(Held {
                    taken: MemoryConsumer::new("results over windows").register(&self.values),
                    rows: 0,
                    bytes: 0,
                    before: 0,
                }),
            })
        };
        Watched {
            aggregate,
            interrupt: self.interrupt.clone(),
            values: Arc::clone(&self.values),
            results: results(&frame.end_bound),
            reversed: results(&frame.start_bound),
        }
    }
}

/// Whether all rows of a partition have the same window, as DataFusion tells it.
fn is_constant(frame: &WindowFrame, is_ordered: bool) -> bool {
    let constant = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => frame.units == WindowFrameUnits::Range && !is_ordered,
        bound => bound.is_unbounded(),
    };
    constant(&frame.start_bound) && constant(&frame.end_bound)
}

/// What an operator holds of the results of one aggregate.
#[derive(Debug)]
struct Results {
    /// One result stands in all rows of a partition.
    one_for_all: bool,
    /// The operator does not keep them all.
    given_away: bool,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    taken: MemoryReservation,
    /// Results since the last that may have been given away, and what they take.
    rows: usize,
    bytes: usize,
    /// What as many results before them take.
    before: usize,
}

impl Results {
    /// Takes what a result needs that an aggregate made of so many rows.
    fn take(&self, result: &ScalarValue, rows: usize) -> Result<()> {
        let bytes = result.size().saturating_sub(size_of::<ScalarValue>());
        // As a value, and then in the column.
        let copies = if self.one_for_all { rows } else { 2 };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.add(bytes.saturating_mul(copies), self.given_away)
    }
}

impl Held {
    fn add(&mut self, bytes: usize, given_away: bool) -> Result<()> {
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if given_away && self.rows > HELD_ROWS {
            (self.before, self.rows, self.bytes) = (self.bytes, 0, 0);
            self.taken.try_resize(self.before)?;
        }
        let needed = self.before.saturating_add(self.bytes);
        if needed <= self.taken.size() {
            return Ok(());
        }
        // A little more, so that not every row asks.
        self.taken.try_resize(needed.saturating_add(needed / 16))
    }
}

fn is_watched(aggregate: &AggregateUDF) -> bool {
    let inner: &dyn std::any::Any = aggregate.inner().as_ref();
    inner.is::<Watched>()
}

/// An aggregate that fails once its query is not wanted any more, or has no memory left for it.
#[derive(Debug, Clone)]
struct Watched {
    aggregate: Arc<AggregateUDF>,
    interrupt: Interrupt,
    values: Arc<dyn MemoryPool>,
    results: Arc<Results>,
    /// Those of the same aggregate if the rows come in the other direction.
    reversed: Arc<Results>,
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
            values: Arc::clone(&self.values),
            results: Arc::clone(&self.results),
            rows: 0,
            next_look: FIRST_LOOK,
            taken: None,
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
            Arc::new(Self {
                aggregate,
                ..Self::clone(&self)
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
            ReversedUDAF::Reversed(aggregate) => {
                let reversed = Self {
                    aggregate,
                    results: Arc::clone(&self.reversed),
                    reversed: Arc::clone(&self.results),
                    ..self.clone()
                };
                ReversedUDAF::Reversed(Arc::new(AggregateUDF::new_from_impl(reversed)))
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
    values: Arc<dyn MemoryPool>,
    results: Arc<Results>,
    /// Rows that it was given.
    rows: usize,
    /// At so many rows it is asked what it holds.
    next_look: usize,
    taken: Option<MemoryReservation>,
}

impl WatchedAccumulator {
    /// Takes what the accumulator holds. To tell that, it may go through all it holds; so it is asked at longer and
    /// longer intervals.
    fn look(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows += values.first().map_or(0, |array| array.len());
        if self.rows < self.next_look {
            return Ok(());
        }
        self.next_look = self.rows.saturating_add(self.rows / 4);
        let taken = self.taken.get_or_insert_with(|| {
            MemoryConsumer::new("aggregate over a window").register(&self.values)
        });
        taken.try_resize(self.accumulator.size())
    }
}

impl Accumulator for WatchedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.interrupt.check()?;
        self.accumulator.update_batch(values)?;
        self.look(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.interrupt.check()?;
        let result = self.accumulator.evaluate()?;
        self.results.take(&result, self.rows)?;
        Ok(result)
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
