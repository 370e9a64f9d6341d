//! Accumulators: what is remembered of the values of each bin until the bin is closed.
//!
//! Bins in progress have slots, numbered from 0. Values come as a batch and its [`Run`]s: stretches of rows that belong
//! to one slot. An accumulator picks its loop once for a batch and then runs over plain slices, so that rows in order of
//! time, which make long runs, cost little more than reading them.
//!
//! Null and NaN are missing, everywhere.

mod float;
mod integer;
mod picked;
mod values;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::error::Result;

use super::function::{Function, Kind};

/// Rows of a batch, one after the other, that belong to one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) slot: u32,
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Run {
    fn slot(self) -> usize {
        self.slot as usize
    }

    fn rows(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

/// What is remembered of one column for one function.
pub(super) trait Accumulator: Send {
    /// Takes the values of a batch; `times` are those of its rows. There are `slots` slots.
    fn update(
        &mut self,
        values: &ArrayRef,
        times: &[i64],
        runs: &[Run],
        slots: usize,
    ) -> Result<()>;

    /// The results of the first slots, which are then given up: the slot after them becomes the first.
    fn finish(&mut self, slots: usize) -> Result<ArrayRef>;

    /// Bytes that it holds, about.
    fn bytes(&self) -> usize;
}

/// The accumulator of a function over values of a type. Its results are cast to the function's type by the caller.
pub(super) fn accumulator(
    function: Function,
    of: &DataType,
    quantile: f64,
) -> Result<Box<dyn Accumulator>> {
    let kind = Kind::of(of);
    let floats = |inner: Box<dyn Accumulator>| cast_to(inner, of, DataType::Float64);
    let integers = |inner: Box<dyn Accumulator>| cast_to(inner, of, DataType::Int64);
    let unsigned = |inner: Box<dyn Accumulator>| cast_to(inner, of, DataType::UInt64);
    Ok(match (function, kind) {
        (Function::Count, _) => Box::<Count>::default(),
        (Function::Size, _) => Box::<Size>::default(),
        (Function::First | Function::Ohlc, _) => Box::new(picked::Picked::first(of)),
        (Function::Last, _) => Box::new(picked::Picked::last(of)),
        (Function::Nunique, _) => Box::new(values::Distinct::new(of)?),
        (Function::Mean, Kind::Moment | Kind::Duration) => {
            integers(Box::<integer::Mean>::default())
        }
        (Function::Median, Kind::Moment | Kind::Duration) => {
            integers(Box::<values::IntegerMedian>::default())
        }
        (Function::Mean, _) => floats(Box::<float::Mean>::default()),
        (Function::Median, _) => floats(Box::new(values::Quantile::new(0.5))),
        (Function::Quantile, _) => floats(Box::new(values::Quantile::new(quantile))),
        (Function::Var, _) => floats(Box::new(float::Spread::new(float::Measure::Var))),
        (Function::Std, _) => floats(Box::new(float::Spread::new(float::Measure::Std))),
        (Function::Sem, _) => floats(Box::new(float::Spread::new(float::Measure::Sem))),
        (Function::Sum, Kind::Float) => floats(Box::<float::Sum>::default()),
        (Function::Sum, Kind::Unsigned) => unsigned(Box::new(integer::Fold::<
            arrow_array::types::UInt64Type,
        >::sum())),
        (Function::Sum, _) => integers(Box::new(
            integer::Fold::<arrow_array::types::Int64Type>::sum(),
        )),
        (Function::Prod, Kind::Float) => floats(Box::<float::Product>::default()),
        (Function::Prod, Kind::Unsigned) => unsigned(Box::new(integer::Fold::<
            arrow_array::types::UInt64Type,
        >::product())),
        (Function::Prod, _) => integers(Box::new(
            integer::Fold::<arrow_array::types::Int64Type>::product(),
        )),
        (Function::Min | Function::Max, kind) => {
            let greatest = function == Function::Max;
            match kind {
                Kind::Float => floats(Box::new(float::Extreme::new(greatest))),
                Kind::Unsigned => unsigned(Box::new(
                    integer::Fold::<arrow_array::types::UInt64Type>::extreme(greatest),
                )),
                Kind::Ordered | Kind::Unordered => {
                    Box::new(values::OrderedExtreme::new(of, greatest)?)
                }
                _ => integers(Box::new(
                    integer::Fold::<arrow_array::types::Int64Type>::extreme(greatest),
                )),
            }
        }
    })
}

fn cast_to(inner: Box<dyn Accumulator>, from: &DataType, to: DataType) -> Box<dyn Accumulator> {
    if *from == to {
        return inner;
    }
    Box::new(Cast { inner, to })
}

/// Casts values before they are taken.
struct Cast {
    inner: Box<dyn Accumulator>,
    to: DataType,
}

impl Accumulator for Cast {
    fn update(
        &mut self,
        values: &ArrayRef,
        times: &[i64],
        runs: &[Run],
        slots: usize,
    ) -> Result<()> {
        self.inner
            .update(&recast(values, &self.to)?, times, runs, slots)
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        self.inner.finish(slots)
    }

    fn bytes(&self) -> usize {
        self.inner.bytes()
    }
}

/// A cast between a type and the wide one that stands for it; by way of 32 bits where that is what it has.
pub(super) fn recast(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    let narrow = |of: &DataType| matches!(of, DataType::Date32 | DataType::Time32(_));
    if narrow(values.data_type()) || narrow(to) {
        return Ok(cast(&cast(values, &DataType::Int32)?, to)?);
    }
    Ok(cast(values, to)?)
}

/// Gives up the first slots, and makes a value of each.
fn drain<S, T>(
    states: &mut Vec<S>,
    slots: usize,
    value: impl FnMut(S) -> T,
) -> impl Iterator<Item = T> {
    let slots = slots.min(states.len());
    states
        .drain(..slots)
        .map(value)
        .collect::<Vec<_>>()
        .into_iter()
}

/// How many values are not missing.
#[derive(Debug, Default)]
struct Count(Vec<i64>);

impl Accumulator for Count {
    fn update(
        &mut self,
        values: &ArrayRef,
        _times: &[i64],
        runs: &[Run],
        slots: usize,
    ) -> Result<()> {
        self.0.resize(slots, 0);
        let present = present(values);
        for run in runs {
            let count = match &present {
                None => run.length as usize,
                Some(present) => run.rows().filter(|row| present(*row)).count(),
            };
            if let Some(total) = self.0.get_mut(run.slot()) {
                *total += count as i64;
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let counts = drain(&mut self.0, slots, |count| count);
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

/// How many rows there are.
#[derive(Debug, Default)]
struct Size(Vec<i64>);

impl Accumulator for Size {
    fn update(
        &mut self,
        _values: &ArrayRef,
        _times: &[i64],
        runs: &[Run],
        slots: usize,
    ) -> Result<()> {
        self.0.resize(slots, 0);
        for run in runs {
            if let Some(total) = self.0.get_mut(run.slot()) {
                *total += i64::from(run.length);
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let counts = drain(&mut self.0, slots, |count| count);
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

/// Which rows are not missing; none: all are there.
pub(super) fn present(values: &ArrayRef) -> Option<Box<dyn Fn(usize) -> bool>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float16Type, Float32Type, Float64Type};
    let nulls = values.logical_nulls();
    let valid = move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    match values.data_type() {
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>().clone();
            Some(Box::new(move |row| {
                valid(row) && !values.value(row).is_nan()
            }))
        }
        DataType::Float32 => {
            let values = values.as_primitive::<Float32Type>().clone();
            Some(Box::new(move |row| {
                valid(row) && !values.value(row).is_nan()
            }))
        }
        DataType::Float16 => {
            let values = values.as_primitive::<Float16Type>().clone();
            Some(Box::new(move |row| {
                valid(row) && !values.value(row).is_nan()
            }))
        }
        _ if values.logical_null_count() == 0 => None,
        _ => Some(Box::new(valid)),
    }
}
