//! Functions that make a series of numbers or times.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, exec_err};

/// Every number or time from a start to a stop by a step.
pub(super) fn series(args: &[ArrayRef]) -> Result<usize> {
    let Some(first) = args.first() else {
        return Ok(0);
    };
    let steps: Vec<f64> = match first.data_type() {
        DataType::Int64 => {
            let (start, stop, step) = match args {
                [stop] => (None, stop, None),
                [start, stop] => (Some(start), stop, None),
                [start, stop, step, ..] => (Some(start), stop, Some(step)),
                [] => return Ok(0),
            };
            let step = step.map_or_else(|| Ok(vec![1.0; stop.len()]), floats)?;
            let start = start.map_or_else(|| Ok(vec![0.0; stop.len()]), floats)?;
            lengths(&start, &floats(stop)?, &step)
        }
        _ => match args {
            [start, stop, step] => {
                check_direction(step)?;
                lengths(&nanoseconds(start)?, &nanoseconds(stop)?, &each(step))
            }
            _ => return Ok(0),
        },
    };
    let bytes = steps.iter().sum::<f64>() * size_of::<u64>() as f64;
    Ok(bytes as usize)
}

fn lengths(start: &[f64], stop: &[f64], step: &[f64]) -> Vec<f64> {
    let rows = start.iter().zip(stop).zip(step);
    let length = |((start, stop), step): ((&f64, &f64), &f64)| {
        let length = (stop - start) / step;
        if length.is_finite() {
            length.max(0.0)
        } else {
            0.0
        }
    };
    rows.map(length).collect()
}

fn floats(array: &ArrayRef) -> Result<Vec<f64>> {
    let numbers = cast(array, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    Ok(numbers
        .map(|number| number.map_or(f64::NAN, |number| number as f64))
        .collect())
}

fn nanoseconds(array: &ArrayRef) -> Result<Vec<f64>> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let zoneless = match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, None))?,
        _ => Arc::clone(array),
    };
    let times = floats(&cast(&zoneless, &time)?)?;
    Ok(times.into_iter().map(|time| time * 1e3).collect())
}

/// The length of intervals in nanoseconds.
fn each(intervals: &ArrayRef) -> Vec<f64> {
    const DAY: f64 = 86_400e9;
    let Some(intervals) = intervals.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return vec![f64::NAN; intervals.len()];
    };
    let length = |interval| {
        let (months, days, rest) = IntervalMonthDayNanoType::to_parts(interval);
        (f64::from(months) * 30.0 + f64::from(days)) * DAY + rest as f64
    };
    let lengths = intervals.iter();
    lengths.map(|step| step.map_or(f64::NAN, length)).collect()
}

/// Refuses steps that go forth and back: from the end of a month they may come to where they began, for ever.
fn check_direction(intervals: &ArrayRef) -> Result<()> {
    let Some(intervals) = intervals.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return Ok(());
    };
    for interval in intervals.iter().flatten() {
        let (months, days, rest) = IntervalMonthDayNanoType::to_parts(interval);
        let signs = [i64::from(months), i64::from(days), rest].map(i64::signum);
        if signs.contains(&1) && signs.contains(&-1) {
            return exec_err!(
                "a series has a step that goes forth by some of its parts and back by others; give all of them one sign"
            );
        }
    }
    Ok(())
}
