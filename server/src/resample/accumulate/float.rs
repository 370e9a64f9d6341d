//! Sums, means, products, extremes and spreads of floating-point numbers.
//!
//! Sums are compensated, as pandas' are: what an addition rounds away is kept and added at the end (Kahan; Neumaier's
//! order of the two cases is not needed, because what is kept is recomputed for every value). Long runs are summed in
//! lanes that do not wait for each other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use datafusion::error::Result;

use super::{Accumulator, Run, drain};

/// Sums that run next to each other.
const LANES: usize = 8;

/// The values of a run that are not missing, one after the other.
fn each(values: &Float64Array, run: Run, mut take: impl FnMut(f64)) {
    let rows = run.rows();
    match values.nulls() {
        None => {
            let values = values.values().get(rows).unwrap_or(&[]);
            values
                .iter()
                .copied()
                .filter(|x| !x.is_nan())
                .for_each(take);
        }
        Some(nulls) => {
            for row in rows {
                if nulls.is_valid(row) && !values.value(row).is_nan() {
                    take(values.value(row));
                }
            }
        }
    }
}

/// A sum, and what was rounded away from it.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    count: u64,
    sum: f64,
    rest: f64,
}

impl Total {
    fn add(&mut self, value: f64) {
        let value = value - self.rest;
        let sum = self.sum + value;
        self.rest = (sum - self.sum) - value;
        if self.rest.is_nan() {
            // Infinity took part; nothing is rounded away from it.
            self.rest = 0.0;
        }
        self.sum = sum;
    }

    fn take(&mut self, values: &Float64Array, run: Run) {
        if values.nulls().is_none()
            && let Some(slice) = values.values().get(run.rows())
            && self.take_lanes(slice)
        {
            return;
        }
        each(values, run, |value| {
            self.count += 1;
            self.add(value);
        });
    }

    /// Sums a slice in lanes; not if something in it is not finite, which the lanes would get wrong.
    fn take_lanes(&mut self, slice: &[f64]) -> bool {
        let (chunks, rest) = slice.as_chunks::<LANES>();
        if chunks.is_empty() {
            return false;
        }
        let mut sums = [0.0_f64; LANES];
        let mut rests = [0.0_f64; LANES];
        for chunk in chunks {
            for lane in 0..LANES {
                let value = chunk[lane] - rests[lane];
                let sum = sums[lane] + value;
                rests[lane] = (sum - sums[lane]) - value;
                sums[lane] = sum;
            }
        }
        let finite = |values: &[f64]| values.iter().all(|x| x.is_finite());
        if !finite(&sums) || !finite(rest) {
            return false;
        }
        for lane in 0..LANES {
            self.add(sums[lane]);
            self.add(-rests[lane]);
        }
        for value in rest {
            self.add(*value);
        }
        self.count += slice.len() as u64;
        true
    }
}

/// The sum; of nothing it is zero.
#[derive(Debug, Default)]
pub(super) struct Sum(Vec<Total>);

impl Accumulator for Sum {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        take_totals(&mut self.0, values, runs, slots);
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let sums = drain(&mut self.0, slots, |total| total.sum);
        Ok(Arc::new(Float64Array::from_iter_values(sums)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Total>()
    }
}

/// The mean; of nothing it is null.
#[derive(Debug, Default)]
pub(super) struct Mean(Vec<Total>);

impl Accumulator for Mean {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        take_totals(&mut self.0, values, runs, slots);
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let means = drain(&mut self.0, slots, |total| {
            (total.count > 0).then(|| total.sum / total.count as f64)
        });
        Ok(Arc::new(Float64Array::from_iter(means)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Total>()
    }
}

fn take_totals(totals: &mut Vec<Total>, values: &ArrayRef, runs: &[Run], slots: usize) {
    totals.resize(slots, Total::default());
    let values = values.as_primitive::<Float64Type>();
    for run in runs {
        if let Some(total) = totals.get_mut(run.slot()) {
            total.take(values, *run);
        }
    }
}

/// The product; of nothing it is one.
#[derive(Debug, Default)]
pub(super) struct Product(Vec<f64>);

impl Accumulator for Product {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.0.resize(slots, 1.0);
        let values = values.as_primitive::<Float64Type>();
        for run in runs {
            if let Some(product) = self.0.get_mut(run.slot()) {
                each(values, *run, |value| *product *= value);
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let products = drain(&mut self.0, slots, |product| product);
        Ok(Arc::new(Float64Array::from_iter_values(products)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<f64>()
    }
}

/// The least or the greatest.
#[derive(Debug)]
pub(super) struct Extreme {
    greatest: bool,
    /// NaN where nothing is there so far.
    states: Vec<f64>,
}

impl Extreme {
    pub(super) fn new(greatest: bool) -> Self {
        Self {
            greatest,
            states: Vec::new(),
        }
    }
}

impl Accumulator for Extreme {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize(slots, f64::NAN);
        let values = values.as_primitive::<Float64Type>();
        for run in runs {
            let Some(state) = self.states.get_mut(run.slot()) else {
                continue;
            };
            // `min` and `max` prefer what is not NaN.
            match self.greatest {
                true => each(values, *run, |value| *state = state.max(value)),
                false => each(values, *run, |value| *state = state.min(value)),
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let extremes = drain(&mut self.states, slots, |x| (!x.is_nan()).then_some(x));
        Ok(Arc::new(Float64Array::from_iter(extremes)))
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<f64>()
    }
}

/// How values are spread around their mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measure {
    Var,
    Std,
    /// The standard error of the mean.
    Sem,
}

/// A measure of spread, with one degree of freedom less than there are values; null for fewer than two.
#[derive(Debug)]
pub(super) struct Spread {
    measure: Measure,
    states: Vec<Moments>,
}

/// Welford's running mean and sum of squared differences from it.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub(super) fn new(measure: Measure) -> Self {
        Self {
            measure,
            states: Vec::new(),
        }
    }
}

impl Accumulator for Spread {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize(slots, Moments::default());
        let values = values.as_primitive::<Float64Type>();
        for run in runs {
            let Some(state) = self.states.get_mut(run.slot()) else {
                continue;
            };
            each(values, *run, |value| {
                state.count += 1;
                let before = value - state.mean;
                state.mean += before / state.count as f64;
                state.squares += before * (value - state.mean);
            });
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let measure = self.measure;
        let spreads = drain(&mut self.states, slots, |state| {
            if state.count < 2 {
                return None;
            }
            let var = state.squares / (state.count - 1) as f64;
            Some(match measure {
                Measure::Var => var,
                Measure::Std => var.sqrt(),
                Measure::Sem => (var / state.count as f64).sqrt(),
            })
        });
        let spreads = spreads.map(|spread| spread.filter(|spread| !spread.is_nan()));
        Ok(Arc::new(Float64Array::from_iter(spreads)))
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<Moments>()
    }
}
