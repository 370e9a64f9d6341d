//! Gathering: from batches of rows to the values of their bins.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{DataType, TimeUnit};
use datafusion::arrow::compute::cast;
use datafusion::error::{DataFusionError, Result};

use super::Resample;
use super::accumulate::{Accumulator, Run, accumulator, recast};
use super::bins::Bins;
use super::fill::Rows;

/// A row that belongs to no group.
const NO_GROUP: u32 = u32::MAX;

/// Times as whole numbers.
pub(super) fn times(column: &ArrayRef) -> Result<Int64Array> {
    let stamps = match column.data_type() {
        DataType::Timestamp(..) => Arc::clone(column),
        _ => cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?,
    };
    Ok(cast(&stamps, &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone())
}

/// The bins that are gathered so far.
pub(super) struct Gather {
    resample: Arc<Resample>,
    bins: Arc<Bins>,
    /// Times that take part, both ends included.
    range: (i64, i64),
    /// Where the values of each output are in a batch.
    places: Vec<usize>,
    accumulators: Vec<Box<dyn Accumulator>>,
    slots: Slots,
    /// The bin and group of each slot.
    keys: Vec<(u64, u32)>,
    runs: Vec<Run>,
}

/// How the slot of a bin is found.
enum Slots {
    /// Rows come in order of time, so that it is the last one or a new one.
    InOrder,
    Any {
        of: HashMap<(u64, u32), u32>,
        groups: Groups,
    },
}

impl Gather {
    /// `in_order` promises that the rows come in order of time, and that there are no groups.
    pub(super) fn new(
        resample: &Arc<Resample>,
        bins: &Arc<Bins>,
        range: (i64, i64),
        in_order: bool,
    ) -> Result<Self> {
        let columns = resample.columns();
        let places = resample.outputs.iter().map(|output| {
            let column = output.column.unwrap_or(resample.time);
            columns
                .iter()
                .position(|known| *known == column)
                .unwrap_or(0)
        });
        let accumulators = resample.outputs.iter();
        let accumulators = accumulators.map(|o| accumulator(o.function, &o.of, resample.quantile));
        let slots = match in_order {
            true => Slots::InOrder,
            false => Slots::Any {
                of: HashMap::new(),
                groups: Groups::new(resample)?,
            },
        };
        Ok(Self {
            places: places.collect(),
            accumulators: accumulators.collect::<Result<_>>()?,
            resample: Arc::clone(resample),
            bins: Arc::clone(bins),
            range,
            slots,
            keys: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// How many bins are held.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes that are held, about.
    pub(super) fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.bytes()).sum();
        let slots = match &self.slots {
            Slots::InOrder => 0,
            Slots::Any { of, groups } => of.capacity() * 24 + groups.bytes,
        };
        accumulators + slots + self.keys.capacity() * size_of::<(u64, u32)>()
    }

    /// Takes the rows of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.resample.count_rows(batch.num_rows());
        let times = times(batch.column(0))?;
        self.find_runs(batch, &times)?;
        let slots = self.keys.len();
        let outputs = &self.resample.outputs;
        let gathered = self.accumulators.iter_mut().zip(&self.places).zip(outputs);
        for ((accumulator, place), output) in gathered {
            let mut column = Arc::clone(batch.column(*place));
            if output.column.is_some() && *column.data_type() != output.of {
                column = cast(&column, &output.of)?;
            }
            accumulator.update(&column, times.values(), &self.runs, slots)?;
        }
        Ok(())
    }

    fn find_runs(&mut self, batch: &RecordBatch, times: &Int64Array) -> Result<()> {
        self.runs.clear();
        let Self {
            resample,
            bins,
            range,
            slots,
            keys,
            runs,
            ..
        } = self;
        let groups = match slots {
            Slots::Any { groups, .. } if !resample.by.is_empty() => Some(groups.of(batch)?),
            _ => None,
        };
        let (values, nulls) = (times.values(), times.nulls());
        let ascending = matches!(slots, Slots::InOrder) && nulls.is_none();
        let mut last_length = 1;
        let mut row = 0;
        while let Some(time) = values.get(row).copied() {
            let group = groups.as_ref().map_or(0, |groups| groups[row]);
            let missing = nulls.is_some_and(|nulls| nulls.is_null(row));
            let outside = time < range.0 || time > range.1;
            let found = bins
                .of(time)
                .filter(|_| !missing && !outside && group != NO_GROUP);
            let Some((bin, begin, end)) = found else {
                row += 1;
                continue;
            };
            let start = row;
            let (begin, end) = (begin.max(range.0), end.saturating_sub(1).min(range.1));
            let together = |row: usize, time: i64| {
                begin <= time
                    && time <= end
                    && nulls.is_none_or(|nulls| nulls.is_valid(row))
                    && groups.as_ref().is_none_or(|groups| groups[row] == group)
            };
            if ascending {
                row += ascending_until(values.get(row..).unwrap_or_default(), end, last_length);
            } else {
                while values.get(row).is_some_and(|time| together(row, *time)) {
                    row += 1;
                }
            }
            if row == start {
                // The greatest time of all lies in a bin whose end cannot be written.
                row += 1;
            }
            last_length = row - start;
            let known = match slots {
                Slots::InOrder => keys
                    .last()
                    .filter(|key| key.0 == bin)
                    .map(|_| keys.len() - 1),
                Slots::Any { of, .. } => of.get(&(bin, group)).map(|slot| *slot as usize),
            };
            let slot = known.unwrap_or(keys.len());
            let slot_number = number(slot)?;
            if known.is_none() {
                keys.push((bin, group));
                if let Slots::Any { of, .. } = slots {
                    of.insert((bin, group), slot_number);
                }
            }
            runs.push(Run {
                slot: slot_number,
                start: number(start)?,
                length: number(row - start)?,
            });
        }
        Ok(())
    }

    /// The first so many bins, which are given up. Only as long as slots are found by order.
    pub(super) fn close(&mut self, slots: usize) -> Result<Rows> {
        let slots = slots.min(self.keys.len());
        let keys: Vec<(u64, u32)> = self.keys.drain(..slots).collect();
        Ok(Rows {
            bins: keys.iter().map(|key| key.0).collect(),
            groups: keys.iter().map(|key| key.1).collect(),
            columns: self.finish(slots)?,
        })
    }

    /// All bins, and the values of `by` of the groups, which are ranked in their order.
    pub(super) fn close_all(mut self) -> Result<(Rows, Vec<ArrayRef>)> {
        let mut rows = self.close(usize::MAX)?;
        let Slots::Any { groups, .. } = self.slots else {
            return Ok((rows, Vec::new()));
        };
        if self.resample.by.is_empty() {
            return Ok((rows, Vec::new()));
        }
        let (ranks, keys) = groups.ranked()?;
        for group in &mut rows.groups {
            *group = ranks.get(*group as usize).copied().unwrap_or(NO_GROUP);
        }
        Ok((rows, keys))
    }

    fn finish(&mut self, slots: usize) -> Result<Vec<ArrayRef>> {
        let outputs = &self.resample.outputs;
        let finished = self.accumulators.iter_mut().zip(outputs);
        let finished = finished.map(|(accumulator, output)| {
            recast(&accumulator.finish(slots)?, output.field.data_type())
        });
        finished.collect()
    }
}

/// How many of the first of `times`, which ascend, are not after `end`: looked for from where it is guessed to be.
fn ascending_until(times: &[i64], end: i64, guess: usize) -> usize {
    let within = |length: usize| {
        let last = length.checked_sub(1).and_then(|last| times.get(last));
        last.is_some_and(|time| *time <= end)
    };
    let (mut least, mut step) = (0, guess.max(1));
    while within(least + step) {
        least += step;
        // Twice the length of the guess is one row too many, as a rule.
        step = if least == guess { 1 } else { step * 2 };
    }
    let rest = times.get(least..).unwrap_or_default();
    let rest = rest.get(..step).unwrap_or(rest);
    least + rest.partition_point(|time| *time <= end)
}

fn number(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| {
        DataFusionError::ResourcesExhausted(
            "resampling holds more than 4 billion bins at once".into(),
        )
    })
}

/// The groups of rows that have the same values of `by`.
struct Groups {
    rows: RowConverter,
    of: HashMap<OwnedRow, u32>,
    bytes: usize,
    columns: usize,
}

impl Groups {
    fn new(resample: &Resample) -> Result<Self> {
        let schema = resample.snapshot.schema();
        let fields = resample.by.iter();
        let fields = fields.map(|at| SortField::new(schema.field(*at).data_type().clone()));
        Ok(Self {
            rows: RowConverter::new(fields.collect())?,
            of: HashMap::new(),
            bytes: 0,
            columns: resample.by.len(),
        })
    }

    /// The group of each row; those with a missing value have none.
    fn of(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .skip(1)
            .take(self.columns)
            .cloned()
            .collect();
        let present: Vec<_> = columns
            .iter()
            .filter_map(super::accumulate::present)
            .collect();
        let rows = self.rows.convert_columns(&columns)?;
        let mut groups = Vec::with_capacity(batch.num_rows());
        let mut last: Option<(usize, u32)> = None;
        for (at, row) in rows.iter().enumerate() {
            if !present.iter().all(|present| present(at)) {
                groups.push(NO_GROUP);
                continue;
            }
            let group = match last {
                Some((same, group)) if rows.row(same) == row => group,
                _ => {
                    let next = number(self.of.len())?;
                    let owned = row.owned();
                    let bytes = row.data().len() + 64;
                    *self.of.entry(owned).or_insert_with(|| {
                        self.bytes += bytes;
                        next
                    })
                }
            };
            last = Some((at, group));
            groups.push(group);
        }
        Ok(groups)
    }

    /// The rank of each group, and the values of all in order of their ranks.
    fn ranked(self) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let mut all: Vec<(OwnedRow, u32)> = self.of.into_iter().collect();
        all.sort_unstable();
        let mut ranks = vec![NO_GROUP; all.len()];
        for (rank, (_, group)) in all.iter().enumerate() {
            if let Some(place) = ranks.get_mut(*group as usize) {
                *place = number(rank)?;
            }
        }
        let values = self
            .rows
            .convert_rows(all.iter().map(|(row, _)| row.row()))?;
        Ok((ranks, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_bin_is_found_whatever_was_guessed() {
        let times: Vec<i64> = [0, 0, 1, 3, 3, 3, 4, 9, 9, 10].to_vec();
        for end in -1..12 {
            let expected = times.iter().filter(|time| **time <= end).count();
            for guess in 0..20 {
                let found = ascending_until(&times, end, guess);
                assert_eq!(found, expected, "{end} {guess}");
            }
        }
        assert_eq!(ascending_until(&[], 3, 1), 0);
    }
}
