//! Bins without rows: what stands in them.
//!
//! Bins that were gathered are [`Rows`]; the result is made of [`Entry`]s, each either one of those rows or a bin
//! without rows next to some. What a bin without rows holds depends on the function first: counts and sums have a value
//! for nothing. Everything else is filled as was asked for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array,
    new_empty_array, new_null_array,
};
use arrow_schema::DataType;
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options, concat, interleave, take};
use datafusion::error::{DataFusionError, Result};
use shoots_proto::IndexValue;

use super::function::{Empty, Kind};
use super::spec::Output;

/// What stands in bins without rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fill {
    pub(super) method: Method,
    /// For each output what stands in its bins when nothing else does: one value.
    constants: Vec<ArrayRef>,
}

/// Where the values of bins without rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Always the same.
    Constant,
    /// There are no such bins.
    Drop,
    /// The bin before with rows.
    Forward,
    /// The bin after with rows.
    Backward,
    /// Both, in proportion to their distance.
    Linear,
}

impl Fill {
    /// Reads what is asked for; the error says what does not work.
    pub(super) fn parse(given: Option<&IndexValue>, outputs: &[Output]) -> Result<Self, String> {
        let mut value: Option<ArrayRef> = None;
        let method = match given {
            None => Method::Constant,
            Some(IndexValue::Text(word)) => match word.as_str() {
                "null" => Method::Constant,
                "drop" => Method::Drop,
                "forward" => Method::Forward,
                "backward" => Method::Backward,
                "linear" => Method::Linear,
                text => {
                    value = Some(Arc::new(StringArray::from(vec![text])));
                    Method::Constant
                }
            },
            Some(IndexValue::Bool(truth)) => {
                value = Some(Arc::new(BooleanArray::from(vec![*truth])));
                Method::Constant
            }
            Some(IndexValue::Number(number)) => {
                value = match (number.as_i64(), number.as_f64()) {
                    (Some(whole), _) => Some(Arc::new(Int64Array::from(vec![whole]))),
                    (None, Some(x)) => Some(Arc::new(Float64Array::from(vec![x]))),
                    (None, None) => None,
                };
                Method::Constant
            }
        };
        let mut unfit = Vec::new();
        let mut constants = Vec::with_capacity(outputs.len());
        for output in outputs {
            let of = output.field.data_type();
            let open = output.empty() == Empty::Null;
            if open && method == Method::Linear && !of.is_floating() {
                unfit.push(output.field.name().as_str());
            }
            let constant = match (output.empty(), &value) {
                (Empty::Zero, _) => number(0, of),
                (Empty::One, _) => number(1, of),
                (Empty::Null, None) => Some(new_null_array(of, 1)),
                (Empty::Null, Some(value)) => fitting(value, of),
            };
            match constant {
                Some(constant) => constants.push(constant),
                None => unfit.push(output.field.name().as_str()),
            }
        }
        if unfit.is_empty() {
            return Ok(Self { method, constants });
        }
        let unfit = unfit.join(", ");
        Err(match method {
            Method::Linear => format!(
                "`linear` needs floating-point numbers, which these are not: {unfit}; choose other `columns`, or a function such as mean"
            ),
            _ => format!(
                "must be null, drop, forward, backward, linear or a value of the columns; it is none of these: {unfit}"
            ),
        })
    }

    /// That of some of the outputs.
    pub(super) fn of(&self, outputs: &[usize]) -> Self {
        let constants = outputs
            .iter()
            .filter_map(|at| self.constants.get(*at).cloned());
        Self {
            method: self.method,
            constants: constants.collect(),
        }
    }

    /// The columns of results of these entries.
    pub(super) fn columns(
        &self,
        entries: &[Entry],
        rows: &Rows,
        outputs: &[Output],
    ) -> Result<Vec<ArrayRef>> {
        let first = entries.first().and_then(|entry| entry.own);
        let contiguous = |first: u32| {
            let numbered = (first..).zip(entries);
            numbered
                .into_iter()
                .all(|(at, entry)| entry.own == Some(at))
        };
        if let Some(first) = first.filter(|first| contiguous(*first)) {
            let columns = rows.columns.iter();
            return Ok(columns
                .map(|c| c.slice(first as usize, entries.len()))
                .collect());
        }
        let mut columns = Vec::with_capacity(outputs.len());
        for ((output, values), constant) in outputs.iter().zip(&rows.columns).zip(&self.constants) {
            let place = |entry: &Entry| {
                let other = match (output.empty(), self.method) {
                    (Empty::Null, Method::Forward) => entry.before,
                    (Empty::Null, Method::Backward) => entry.after,
                    _ => None,
                };
                entry.own.or(other).map_or((1, 0), |row| (0, row as usize))
            };
            let places: Vec<(usize, usize)> = entries.iter().map(place).collect();
            let column = interleave(&[values, constant], &places)?;
            let linear = self.method == Method::Linear && output.empty() == Empty::Null;
            columns.push(match linear {
                true => between(&column, values, entries, rows)?,
                false => column,
            });
        }
        Ok(columns)
    }
}

fn number(number: i64, of: &DataType) -> Option<ArrayRef> {
    let number: ArrayRef = Arc::new(Int64Array::from(vec![number]));
    cast(&number, of).ok()
}

/// A value as one of a type, if it is one.
fn fitting(value: &ArrayRef, of: &DataType) -> Option<ArrayRef> {
    let (from, to) = (Kind::of(value.data_type()), Kind::of(of));
    let fits = match from {
        Kind::Signed => matches!(to, Kind::Signed | Kind::Unsigned | Kind::Float),
        Kind::Float => to == Kind::Float,
        Kind::Bool => to == Kind::Bool,
        _ => matches!(
            of,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        ),
    };
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    fits.then(|| cast_with_options(value, of, &strict).ok())?
}

/// Puts between two rows what lies between them.
fn between(
    column: &ArrayRef,
    values: &ArrayRef,
    entries: &[Entry],
    rows: &Rows,
) -> Result<ArrayRef> {
    let floats = cast(values, &DataType::Float64)?;
    let floats = floats.as_primitive::<Float64Type>();
    let own = cast(column, &DataType::Float64)?;
    let own = own.as_primitive::<Float64Type>();
    let value = |row: u32| {
        let row = row as usize;
        let bin = *rows.bins.get(row)?;
        floats
            .is_valid(row)
            .then(|| (bin as f64, floats.value(row)))
    };
    let filled = entries.iter().enumerate().map(|(at, entry)| {
        if entry.own.is_some() {
            return own.is_valid(at).then(|| own.value(at));
        }
        let (from, low) = value(entry.before?)?;
        let (to, high) = value(entry.after?)?;
        Some(low + (high - low) * (entry.bin as f64 - from) / (to - from))
    });
    let filled: ArrayRef = Arc::new(Float64Array::from_iter(filled));
    Ok(cast(&filled, column.data_type())?)
}

/// Bins with rows: one value of each output for each.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) bins: Vec<u64>,
    /// Which group each is of.
    pub(super) groups: Vec<u32>,
    pub(super) columns: Vec<ArrayRef>,
}

impl Rows {
    /// No bins of these outputs.
    pub(super) fn none(outputs: &[Output]) -> Self {
        let columns = outputs.iter();
        Self {
            columns: columns
                .map(|output| new_empty_array(output.field.data_type()))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// The last of them alone.
    pub(super) fn last(&self) -> Option<Self> {
        let at = self.bins.len().checked_sub(1)?;
        Some(Self {
            bins: vec![*self.bins.last()?],
            groups: vec![*self.groups.last()?],
            columns: self
                .columns
                .iter()
                .map(|column| column.slice(at, 1))
                .collect(),
        })
    }

    /// These and others behind them.
    pub(super) fn then(mut self, others: Self) -> Result<Self> {
        self.bins.extend(others.bins);
        self.groups.extend(others.groups);
        let pairs = self.columns.iter().zip(&others.columns);
        let columns = pairs.map(|(one, other)| Ok(concat(&[one, other])?));
        self.columns = columns.collect::<Result<_>>()?;
        Ok(self)
    }
}

/// A bin of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) bin: u64,
    pub(super) group: u32,
    /// Its own row; none: it has no rows.
    pub(super) own: Option<u32>,
    /// The nearest rows before and after it, where it has none of its own.
    pub(super) before: Option<u32>,
    pub(super) after: Option<u32>,
}

impl Entry {
    pub(super) fn of_row(bin: u64, group: u32, row: u32) -> Self {
        Self {
            bin,
            group,
            own: Some(row),
            before: None,
            after: None,
        }
    }
}

/// Where rows stand in order of two keys.
pub(super) fn sorted(
    rows: &Rows,
    first: impl Fn(usize) -> u64,
    second: impl Fn(usize) -> u64,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.bins.len()).collect();
    order.sort_unstable_by_key(|at| (first(*at), second(*at)));
    order
}

pub(super) fn reordered(rows: &Rows, order: &[usize]) -> Result<Rows> {
    let places = order.iter().map(|at| row_number(*at));
    let places = UInt32Array::from(places.collect::<Result<Vec<u32>>>()?);
    let columns = rows
        .columns
        .iter()
        .map(|column| Ok(take(column, &places, None)?));
    Ok(Rows {
        bins: order.iter().map(|at| rows.bins[*at]).collect(),
        groups: order.iter().map(|at| rows.groups[*at]).collect(),
        columns: columns.collect::<Result<_>>()?,
    })
}

pub(super) fn row_number(row: usize) -> Result<u32> {
    u32::try_from(row).map_err(|_| {
        DataFusionError::ResourcesExhausted(
            "resampling holds more than 4 billion bins at once".into(),
        )
    })
}
