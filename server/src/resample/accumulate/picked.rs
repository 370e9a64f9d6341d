//! The first and the last value of a bin, of any type.
//!
//! Which value that is follows from the times of the rows, and among equal times from their order. Of every batch only
//! the values that are chosen are kept, and those that later ones replaced are thrown out as soon as they are the most.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow_schema::DataType;
use datafusion::arrow::compute::{concat, take};
use datafusion::error::Result;

use super::{Accumulator, Run, present};

/// Values that may be out of use before they are thrown out.
const LEFTOVERS: usize = 16 * 1024;

/// One value of each bin.
pub(super) struct Picked {
    last: bool,
    /// The values that were chosen at some time.
    kept: ArrayRef,
    states: Vec<Option<Choice>>,
}

#[derive(Debug, Clone, Copy)]
struct Choice {
    time: i64,
    /// Where the value is among those that are kept.
    place: u32,
}

impl Picked {
    fn new(of: &DataType, last: bool) -> Self {
        Self {
            last,
            kept: new_empty_array(of),
            states: Vec::new(),
        }
    }

    pub(super) fn first(of: &DataType) -> Self {
        Self::new(of, false)
    }

    pub(super) fn last(of: &DataType) -> Self {
        Self::new(of, true)
    }

    /// The row of a run that is chosen, unless an earlier choice stands.
    fn choose(
        &self,
        before: Option<Choice>,
        run: Run,
        times: &[i64],
        present: &dyn Fn(usize) -> bool,
    ) -> Option<(usize, i64)> {
        let mut best = before.map(|choice| choice.time);
        let mut chosen = None;
        for row in run.rows() {
            let Some(time) = times.get(row).copied() else {
                break;
            };
            let better = match best {
                None => true,
                Some(best) if self.last => time >= best,
                Some(best) => time < best,
            };
            if better && present(row) {
                best = Some(time);
                chosen = Some((row, time));
            }
        }
        chosen
    }

    /// Keeps the values of the slots alone.
    fn throw_out(&mut self) -> Result<()> {
        let places: UInt32Array = self
            .states
            .iter()
            .flatten()
            .map(|c| Some(c.place))
            .collect();
        self.kept = take(&self.kept, &places, None)?;
        for (place, choice) in self.states.iter_mut().flatten().enumerate() {
            choice.place = u32::try_from(place).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

impl Accumulator for Picked {
    fn update(
        &mut self,
        values: &ArrayRef,
        times: &[i64],
        runs: &[Run],
        slots: usize,
    ) -> Result<()> {
        self.states.resize(slots, None);
        let present = present(values).unwrap_or_else(|| Box::new(|_| true));
        let mut rows: Vec<u32> = Vec::new();
        let base = self.kept.len();
        for run in runs {
            let before = self.states.get(run.slot()).copied().flatten();
            if let Some((row, time)) = self.choose(before, *run, times, &present)
                && let Some(state) = self.states.get_mut(run.slot())
            {
                let place = u32::try_from(base + rows.len()).unwrap_or(u32::MAX);
                *state = Some(Choice { time, place });
                rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let chosen = take(values, &UInt32Array::from(rows), None)?;
        self.kept = match self.kept.len() {
            0 => chosen,
            _ => concat(&[&self.kept, &chosen])?,
        };
        if self.kept.len() > 2 * self.states.len() + LEFTOVERS {
            self.throw_out()?;
        }
        Ok(())
    }

    fn finish(&mut self, slots: usize) -> Result<ArrayRef> {
        let slots = slots.min(self.states.len());
        let places: UInt32Array = self
            .states
            .drain(..slots)
            .map(|choice| choice.map(|choice| choice.place))
            .collect();
        let finished = take(&self.kept, &places, None)?;
        self.throw_out()?;
        Ok(finished)
    }

    fn bytes(&self) -> usize {
        self.kept.get_buffer_memory_size() + self.states.capacity() * size_of::<Option<Choice>>()
    }
}

impl std::fmt::Debug for Picked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picked")
            .field("last", &self.last)
            .field("slots", &self.states.len())
            .field("kept", &Arc::strong_count(&self.kept))
            .finish_non_exhaustive()
    }
}
