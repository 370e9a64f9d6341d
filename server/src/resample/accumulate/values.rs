//! What needs all values of a bin, or their order: quantiles, medians, distinct values, extremes of texts.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, new_null_array};
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::DataType;
use datafusion::arrow::compute::{concat, interleave};
use datafusion::error::Result;

use super::super::function::Kind;
use super::{Accumulator, Run, drain, present, recast};

/// A quantile, between two values in proportion to its distance from them.
#[derive(Debug)]
pub(super) struct Quantile {
    share: f64,
    states: Vec<Vec<f64>>,
    values: usize,
}

impl Quantile {
    pub(super) fn new(share: f64) -> Self {
        Self {
            share,
            states: Vec::new(),
            values: 0,
        }
    }
}

impl Accumulator for Quantile {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize_with(slots, Vec::new);
        let present = present(values);
        let values = values.as_primitive::<Float64Type>();
        for run in runs {
            if let Some(state) = self.states.get_mut(run.slot()) {
                let rows = run.rows();
                let rows = rows.filter(|row| present.as_ref().is_none_or(|present| present(*row)));
                let before = state.len();
                state.extend(rows.map(|row| values.value(row)));
                self.values += state.len() - before;
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let share = self.share;
        let total = &mut self.values;
        let quantiles = drain(&mut self.states, slots, |mut values| {
            *total -= values.len();
            quantile(&mut values, share)
        });
        Ok(Arc::new(Float64Array::from_iter(quantiles)))
    }

    fn bytes(&self) -> usize {
        self.values * size_of::<f64>() * 3 / 2 + self.states.capacity() * size_of::<Vec<f64>>()
    }
}

fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = (place.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let part = place - below as f64;
    let high = above.iter().copied().min_by(f64::total_cmp);
    match high {
        Some(high) if part > 0.0 && high != low => {
            // The middle of two is their mean, which is exact more often than going half the way.
            Some(if part == 0.5 {
                (low + high) / 2.0
            } else {
                low + (high - low) * part
            })
        }
        _ => Some(low),
    }
}

/// The median of times, rounded down to a whole unit.
#[derive(Debug, Default)]
pub(super) struct IntegerMedian {
    states: Vec<Vec<i64>>,
    values: usize,
}

impl Accumulator for IntegerMedian {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize_with(slots, Vec::new);
        let values = values.as_primitive::<Int64Type>();
        for run in runs {
            if let Some(state) = self.states.get_mut(run.slot()) {
                let before = state.len();
                let rows = run.rows().filter(|row| values.is_valid(*row));
                state.extend(rows.map(|row| values.value(row)));
                self.values += state.len() - before;
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let total = &mut self.values;
        let medians = drain(&mut self.states, slots, |mut values| {
            *total -= values.len();
            let last = values.len().checked_sub(1)?;
            values.sort_unstable();
            let (low, high) = (*values.get(last / 2)?, *values.get(last.div_ceil(2))?);
            i64::try_from((i128::from(low) + i128::from(high)).div_euclid(2)).ok()
        });
        Ok(Arc::new(Int64Array::from_iter(medians)))
    }

    fn bytes(&self) -> usize {
        self.values * size_of::<i64>() * 3 / 2 + self.states.capacity() * size_of::<Vec<i64>>()
    }
}

/// How many different values there are.
pub(super) struct Distinct {
    /// What values are compared as.
    compared: DataType,
    rows: RowConverter,
    states: Vec<HashSet<Box<[u8]>>>,
    held: usize,
}

impl Distinct {
    pub(super) fn new(of: &DataType) -> Result<Self> {
        let compared = match Kind::of(of) {
            Kind::Float => DataType::Float64,
            _ => of.clone(),
        };
        Ok(Self {
            rows: RowConverter::new(vec![SortField::new(compared.clone())])?,
            compared,
            states: Vec::new(),
            held: 0,
        })
    }
}

impl Accumulator for Distinct {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize_with(slots, HashSet::new);
        let mut values = recast(values, &self.compared)?;
        if let Some(floats) = values.as_primitive_opt::<Float64Type>() {
            // Negative zero is zero.
            let floats: Float64Array = floats.unary(|x| x + 0.0);
            values = Arc::new(floats);
        }
        let present = present(&values);
        let rows = self.rows.convert_columns(&[values])?;
        for run in runs {
            let Some(state) = self.states.get_mut(run.slot()) else {
                continue;
            };
            for row in run.rows() {
                if present.as_ref().is_none_or(|present| present(row)) {
                    let bytes = rows.row(row).data().into();
                    let length = rows.row(row).data().len();
                    if state.insert(bytes) {
                        self.held += length + 2 * size_of::<Box<[u8]>>();
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let held = &mut self.held;
        let counts = drain(&mut self.states, slots, |values| {
            let bytes: usize = values
                .iter()
                .map(|v| v.len() + 2 * size_of::<Box<[u8]>>())
                .sum();
            *held = held.saturating_sub(bytes);
            values.len() as i64
        });
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn bytes(&self) -> usize {
        self.held + self.states.capacity() * size_of::<HashSet<Box<[u8]>>>()
    }
}

/// The least or greatest of values that have an order and are no numbers.
pub(super) struct OrderedExtreme {
    of: DataType,
    greatest: bool,
    rows: RowConverter,
    states: Vec<Option<OwnedRow>>,
    held: usize,
}

impl OrderedExtreme {
    pub(super) fn new(of: &DataType, greatest: bool) -> Result<Self> {
        Ok(Self {
            of: of.clone(),
            greatest,
            rows: RowConverter::new(vec![SortField::new(of.clone())])?,
            states: Vec::new(),
            held: 0,
        })
    }
}

impl Accumulator for OrderedExtreme {
    fn update(&mut self, values: &ArrayRef, _: &[i64], runs: &[Run], slots: usize) -> Result<()> {
        self.states.resize_with(slots, || None);
        let rows = self.rows.convert_columns(std::slice::from_ref(values))?;
        for run in runs {
            let found = run.rows().filter(|row| values.is_valid(*row));
            let found = found.map(|row| rows.row(row));
            let found = match self.greatest {
                true => found.max(),
                false => found.min(),
            };
            let (Some(found), Some(state)) = (found, self.states.get_mut(run.slot())) else {
                continue;
            };
            let better = match state {
                None => true,
                Some(before) if self.greatest => found > before.row(),
                Some(before) => found < before.row(),
            };
            if better {
                let before = state.as_ref().map_or(0, |row| row.row().data().len());
                self.held = self.held + found.data().len() - before;
                *state = Some(found.owned());
            }
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let slots = slots.min(self.states.len());
        let finished: Vec<Option<OwnedRow>> = self.states.drain(..slots).collect();
        let present = finished.iter().flatten().map(OwnedRow::row);
        let freed: usize = finished
            .iter()
            .flatten()
            .map(|row| row.row().data().len())
            .sum();
        self.held = self.held.saturating_sub(freed);
        let values = self.rows.convert_rows(present)?;
        let [values] = values.as_slice() else {
            return Ok(new_null_array(&self.of, slots));
        };
        let values = recast(values, &self.of)?;
        let null = new_null_array(&self.of, 1);
        let mut next = 0;
        let places: Vec<(usize, usize)> = finished
            .iter()
            .map(|row| match row {
                None => (0, 0),
                Some(_) => {
                    next += 1;
                    (1, next - 1)
                }
            })
            .collect();
        if places.is_empty() {
            return Ok(concat(&[&values.slice(0, 0)])?);
        }
        Ok(interleave(&[&null, &values], &places)?)
    }

    fn bytes(&self) -> usize {
        self.held + self.states.capacity() * size_of::<Option<OwnedRow>>()
    }
}
