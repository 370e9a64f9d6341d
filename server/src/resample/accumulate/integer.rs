//! Sums, products, extremes and means of whole numbers. Sums and products wrap around, as pandas' do.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, Int64Array, PrimitiveArray,
};
use datafusion::error::Result;

use super::{Accumulator, Run, drain};

/// One number made of the numbers of a bin, one after the other.
pub(super) struct Fold<T: ArrowPrimitiveType> {
    join: fn(T::Native, T::Native) -> T::Native,
    /// What it is of nothing; none: null.
    empty: Option<T::Native>,
    states: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> Fold<T> {
    fn new(join: fn(T::Native, T::Native) -> T::Native, empty: Option<T::Native>) -> Self {
        Self {
            join,
            empty,
            states: Vec::new(),
        }
    }

    pub(super) fn sum() -> Self {
        Self::new(T::Native::add_wrapping, Some(T::Native::ZERO))
    }

    pub(super) fn product() -> Self {
        Self::new(T::Native::mul_wrapping, Some(T::Native::ONE))
    }

    pub(super) fn extreme(greatest: bool) -> Self {
        match greatest {
            true => Self::new(|a, b| if b.is_gt(a) { b } else { a }, None),
            false => Self::new(|a, b| if b.is_lt(a) { b } else { a }, None),
        }
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Fold<T> {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize(slots, self.empty);
        let values = values.as_primitive::<T>();
        let join = self.join;
        for run in runs {
            let Some(state) = self.states.get_mut(run.slot()) else {
                continue;
            };
            let found = each(values, *run).reduce(join);
            *state = match (*state, found) {
                (Some(before), Some(found)) => Some(join(before, found)),
                (before, found) => before.or(found),
            };
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let results = drain(&mut self.states, slots, |state| state);
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(results)))
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<Option<T::Native>>()
    }
}

/// The values of a run that are not null.
fn each<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    run: Run,
) -> impl Iterator<Item = T::Native> {
    let rows = run.rows();
    let slice = values.values().get(rows.clone()).unwrap_or(&[]);
    let nulls = values.nulls();
    let numbered = rows.zip(slice);
    numbered
        .filter(move |(row, _)| nulls.is_none_or(|nulls| nulls.is_valid(*row)))
        .map(|(_, value)| *value)
}

/// The mean of times, exact, rounded down to a whole unit.
#[derive(Debug, Default)]
pub(super) struct Mean(Vec<(i128, i128)>);

impl Accumulator for Mean {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.0.resize(slots, (0, 0));
        let values = values.as_primitive::<Int64Type>();
        for run in runs {
            if let Some((sum, count)) = self.0.get_mut(run.slot()) {
                for value in each(values, *run) {
                    *sum += i128::from(value);
                    *count += 1;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let means = drain(&mut self.0, slots, |(sum, count)| {
            let mean = (count > 0).then(|| sum.div_euclid(count))?;
            i64::try_from(mean).ok()
        });
        Ok(Arc::new(Int64Array::from_iter(means)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i128, i128)>()
    }
}
