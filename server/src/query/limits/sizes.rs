//! How large values may become that functions make out of small ones.
//!
//! DataFusion's pools know what operators hold, but not what functions allocate: `repeat('x', 1000000000)` asks nobody.
//! So functions that make much out of little are wrapped. How much such a call is about to make is worked out
//! before it begins, and taken from a pool for values ([`super::memory`]); where that has not as much left, the call is
//! refused. What was taken is given back when the value is gone.
//!
//! A wrapped call also looks whether its query is still wanted before it begins.

mod compared;
mod copied;
mod series;

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, FieldRef};
use bytes::Bytes;
use datafusion::arrow::array::ArrayData;
use datafusion::arrow::compute::cast;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, LogicalPlan, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::interrupt::Interrupt;
use super::joined::JOINED;
use super::patterns::{self, Search};
use super::widths;

/// Values below this size are not worth watching.
const SMALL: usize = 64 << 10;

/// What the copies of a constant in one batch may take.
const COPIES_BYTES: usize = 16 << 20;

/// Functions that make much out of little, with how much; and those whose values are as large as their arguments
/// together, which is much after a few in a row.
const GROWING: &[(&str, Estimate)] = &[
    ("repeat", copied::repeated),
    ("lpad", copied::padded),
    ("rpad", copied::padded),
    ("replace", copied::replaced),
    ("array_repeat", copied::repeated),
    ("array_resize", copied::padded),
    ("generate_series", series::series),
    ("range", series::series),
    ("concat", together),
    ("concat_ws", copied::separated),
    ("translate", together),
    ("overlay", together),
    ("encode", together),
    ("make_array", together),
    ("array_append", together),
    ("array_prepend", together),
    ("array_concat", together),
    ("array_to_string", copied::listed),
    (JOINED, together),
    ("upper", together),
    ("lower", together),
    ("initcap", together),
    ("reverse", together),
    ("substr", together),
    ("left", together),
    ("right", together),
    ("split_part", together),
    ("string_to_array", together),
    ("regexp_match", together),
    ("array_replace", copied::exchanged),
    ("array_replace_n", copied::exchanged),
    ("array_replace_all", copied::exchanged),
    ("array_compact", together),
    ("array_normalize", together),
    ("array_pop_back", together),
    ("array_pop_front", together),
    ("array_positions", together),
    ("array_remove", together),
    ("array_remove_n", together),
    ("array_remove_all", together),
    ("array_reverse", together),
    ("array_slice", together),
    ("array_sort", together),
    ("arrays_zip", together),
    ("flatten", together),
    ("map", together),
    ("map_entries", together),
    ("map_extract", together),
    ("btrim", compared::trimmed),
    ("ltrim", compared::trimmed),
    ("rtrim", compared::trimmed),
    ("levenshtein", compared::edited),
    ("array_distinct", compared::gathered),
    ("array_except", compared::gathered),
    ("array_intersect", compared::gathered),
    ("array_union", compared::gathered),
    ("array_has", compared::searched),
    ("array_has_all", compared::searched),
    ("array_has_any", compared::searched),
];

/// How many bytes a call is about to make of its arguments, roughly.
type Estimate = fn(&[ArrayRef]) -> Result<usize>;

/// The same functions, with those wrapped that make large values.
pub(in crate::query) fn bounded(
    functions: Vec<Arc<ScalarUDF>>,
    values: &Arc<dyn MemoryPool>,
    interrupt: &Interrupt,
) -> Vec<Arc<ScalarUDF>> {
    let kept = Arc::new(Kept::default());
    let bounded = functions.into_iter().map(|function| {
        if !is_bounded(&function) {
            return function;
        }
        Arc::new(ScalarUDF::new_from_impl(Bounded {
            estimate: growing(&function),
            search: patterns::search_of(function.name()),
            function,
            values: Arc::clone(values),
            kept: Arc::clone(&kept),
            interrupt: interrupt.clone(),
        }))
    });
    bounded.collect()
}

/// Whether a function is one of those that are bounded.
pub(in crate::query) fn is_bounded(function: &ScalarUDF) -> bool {
    growing(function).is_some() || patterns::search_of(function.name()).is_some()
}

fn growing(function: &ScalarUDF) -> Option<Estimate> {
    let growing = GROWING.iter().find(|(name, _)| *name == function.name());
    growing.map(|(_, estimate)| *estimate)
}

/// How many rows a batch may have, so that neither a column of copies of the plan's largest constant becomes too large, nor
/// what is large by its type.
pub(in crate::query) fn rows_of_a_batch(plan: &LogicalPlan, most: usize) -> Result<usize> {
    let mut largest = widths::widest(plan)?.max(1);
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    largest = largest.max(value.size());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok((COPIES_BYTES / largest).clamp(1, most))
}

/// What was taken for constants: they stay as long as their query.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<MemoryReservation>>);

/// A function whose values are bounded, and what it looks for in them.
#[derive(Debug)]
struct Bounded {
    function: Arc<ScalarUDF>,
    estimate: Option<Estimate>,
    search: Option<Search>,
    values: Arc<dyn MemoryPool>,
    kept: Arc<Kept>,
    interrupt: Interrupt,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl Bounded {
    fn inner(&self) -> &dyn ScalarUDFImpl {
        self.function.inner().as_ref()
    }

    /// Takes what the call is about to make.
    fn take(&self, args: &ScalarFunctionArgs) -> Result<MemoryReservation> {
        let taken = MemoryConsumer::new(self.name()).register(&self.values);
        let made = self.made(args)?;
        if made > SMALL {
            taken.try_grow(made)?;
        }
        Ok(taken)
    }

    /// How many bytes the call is about to make, roughly.
    fn made(&self, args: &ScalarFunctionArgs) -> Result<usize> {
        if self.estimate.is_none() && self.search != Some(Search::Matches) {
            return Ok(0);
        }
        let constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let rows = match args.args.iter().all(constant) {
            true => 1,
            false => args.number_rows,
        };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        match self.estimate {
            Some(estimate) => estimate(&arrays),
            None => patterns::made(self.name(), &arrays, &self.interrupt),
        }
    }

    fn call(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.interrupt.check()?;
        let taken = self.take(&args)?;
        let value = self.inner().invoke_with_args(args)?;
        self.hold(value, taken)
    }

    /// Makes a value hold what was taken for it.
    fn hold(&self, value: ColumnarValue, taken: MemoryReservation) -> Result<ColumnarValue> {
        let size = match &value {
            ColumnarValue::Array(array) => array.get_array_memory_size(),
            ColumnarValue::Scalar(scalar) => scalar.size(),
        };
        if size <= SMALL {
            return Ok(value);
        }
        taken.try_resize(size)?;
        match value {
            ColumnarValue::Array(array) => {
                let data = held(&array.to_data(), &Arc::new(taken))?;
                Ok(ColumnarValue::Array(make_array(data)))
            }
            ColumnarValue::Scalar(scalar) => {
                let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(taken);
                Ok(ColumnarValue::Scalar(scalar))
            }
        }
    }
}

/// The same data, in buffers that hold what was taken for them.
fn held(data: &ArrayData, taken: &Arc<MemoryReservation>) -> Result<ArrayData> {
    let buffers = data.buffers().iter().map(|buffer| {
        let bytes = Bytes::from_owner(Held {
            buffer: buffer.clone(),
            _taken: Arc::clone(taken),
        });
        Buffer::from(bytes)
    });
    let children = data.child_data().iter().map(|child| held(child, taken));
    let builder = data.clone().into_builder();
    let builder = builder.buffers(buffers.collect());
    let builder = builder.child_data(children.collect::<Result<_>>()?);
    Ok(builder.build()?)
}

struct Held {
    buffer: Buffer,
    _taken: Arc<MemoryReservation>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner().name()
    }

    fn aliases(&self) -> &[String] {
        self.inner().aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner().return_type(arg_types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let function = Arc::new(self.inner().with_updated_config(config)?);
        Some(ScalarUDF::new_from_impl(Self {
            function,
            estimate: self.estimate,
            search: self.search,
            values: Arc::clone(&self.values),
            kept: Arc::clone(&self.kept),
            interrupt: self.interrupt.clone(),
        }))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner().return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bounds = (&self.interrupt, &self.values);
        match self.search {
            Some(search) => {
                let search = (search, patterns::flags_of(self.name()));
                patterns::in_pieces(self.name(), search, args, bounds, |args| self.call(args))
            }
            None => self.call(args),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // What takes the place of a call may be worked out at once, and unbounded; so are the constants of this one.
        let is_constant = args.iter().all(|arg| !arg.any_column_refs());
        if is_constant || self.name() == "concat_ws" {
            return Ok(ExprSimplifyResult::Original(args));
        }
        self.inner().simplify(args, info)
    }

    fn preimage(
        &self,
        args: &[Expr],
        lit_expr: &Expr,
        info: &SimplifyContext,
    ) -> Result<PreimageResult> {
        self.inner().preimage(args, lit_expr, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner().short_circuits()
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.inner().evaluate_bounds(input)
    }

    fn propagate_constraints(
        &self,
        interval: &Interval,
        inputs: &[&Interval],
    ) -> Result<Option<Vec<Interval>>> {
        self.inner().propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner().coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner().documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner().placement(args)
    }
}

/// What all arguments take.
fn together(args: &[ArrayRef]) -> Result<usize> {
    let rows = args
        .iter()
        .map(|arg| (0..arg.len()).map(|row| row_size(arg, row)));
    Ok(rows.map(sum).fold(0, usize::saturating_add))
}

fn sum(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

fn counts(array: &ArrayRef) -> Result<Vec<usize>> {
    let numbers = cast(array, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    let count = |number: Option<i64>| usize::try_from(number.unwrap_or(0)).unwrap_or(0);
    Ok(numbers.map(count).collect())
}

/// What the value of a row takes; of types whose values differ in size without telling, what one takes on average.
fn row_size(array: &ArrayRef, row: usize) -> usize {
    if array.is_null(row) {
        return 0;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).len(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).len(),
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value(row).len(),
        DataType::LargeBinary => array.as_binary::<i64>().value(row).len(),
        DataType::List(_) => inside(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => inside(&array.as_list::<i64>().value(row)),
        other => other.primitive_width().unwrap_or_else(|| {
            let whole = array.to_data().get_slice_memory_size();
            whole.unwrap_or_default() / array.len().max(1)
        }),
    }
}

fn inside(values: &ArrayRef) -> usize {
    sum((0..values.len()).map(|row| row_size(values, row)))
}
