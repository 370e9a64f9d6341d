//! The rows of the right side that a left row may still be given.
//!
//! For each key in `by` those are the last row that was passed, and the rows that were read but lie ahead. Everything
//! else is let go: rows whose time has come leave one per key, and when most of what is in memory is not needed any
//! more, what is needed is copied out of it. So memory follows the number of keys and how far one had to look ahead.

use std::collections::VecDeque;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::DataType;
use datafusion::common::HashMap;
use datafusion::error::Result;
use shoots_proto::AsofDirection;

use super::order::Value;
use crate::combine::gather::{NONE, Pick, gather};

/// Rows that are in memory before it is looked whether they are needed.
const LEAST_ROWS: usize = 1 << 16;

/// Which right row a left row gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<T> {
    pub(super) direction: AsofDirection,
    pub(super) exact: bool,
    pub(super) tolerance: Option<T>,
}

/// What is found for a left row.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Row(Pick),
    Nothing,
    /// That depends on rows that were not read so far.
    More,
}

#[derive(Debug)]
pub(super) struct Candidates<T> {
    choice: Choice<T>,
    batches: Vec<RecordBatch>,
    groups: Vec<Group<T>>,
    keys: HashMap<Box<[u8]>, usize>,
    key_bytes: usize,
    /// The value of the last row that was read.
    frontier: Option<T>,
    ended: bool,
    /// So many rows in memory are looked through next.
    enough: usize,
}

/// What a key takes beside its bytes, roughly: itself in a map, and a queue with room for a few rows.
const GROUP_BYTES: usize = 256;

#[derive(Debug)]
struct Group<T> {
    passed: Option<(T, Pick)>,
    ahead: VecDeque<(T, Pick)>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self {
            passed: None,
            ahead: VecDeque::new(),
        }
    }
}

impl<T: Value> Choice<T> {
    /// Whether a row with this value is passed by a left row at `at`: it is no match ahead of it.
    fn passes(&self, value: T, at: T) -> bool {
        // Looking forward, an equal value is a match ahead; else the last of equal ones is the match behind.
        match (self.direction, self.exact) {
            (AsofDirection::Forward, exact) => value < at || (!exact && value <= at),
            (_, true) => value <= at,
            (_, false) => value < at,
        }
    }

    fn tolerates(&self, distance: T) -> bool {
        self.tolerance.is_none_or(|tolerance| distance <= tolerance)
    }
}

impl<T: Value> Group<T> {
    fn pass(&mut self, choice: &Choice<T>, at: T) {
        while let Some(next) = self.ahead.front()
            && choice.passes(next.0, at)
        {
            self.passed = self.ahead.pop_front();
        }
    }
}

impl<T: Value> Candidates<T> {
    pub(super) fn new(choice: Choice<T>) -> Self {
        Self {
            choice,
            batches: Vec::new(),
            groups: Vec::new(),
            keys: HashMap::new(),
            key_bytes: 0,
            frontier: None,
            ended: false,
            enough: LEAST_ROWS,
        }
    }

    /// The number of the group of a key.
    pub(super) fn group(&mut self, key: &[u8]) -> usize {
        if let Some(group) = self.keys.get(key) {
            return *group;
        }
        let group = self.groups.len();
        self.key_bytes += key.len();
        self.keys.insert(key.into(), group);
        self.groups.push(Group::default());
        group
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Takes rows with these values and groups, which were read for a left row at `at`.
    pub(super) fn take(&mut self, batch: RecordBatch, values: &[T], groups: &[usize], at: T) {
        let number = self.batches.len();
        for (row, (&value, &group)) in values.iter().zip(groups).enumerate() {
            let group = &mut self.groups[group];
            group.pass(&self.choice, at);
            group.ahead.push_back((value, (number, row)));
        }
        self.frontier = values.last().copied().or(self.frontier);
        self.batches.push(batch);
    }

    /// The row for a left row of `group` at `at`. Left rows have to come in ascending order.
    pub(super) fn find(&mut self, group: usize, at: T) -> Found {
        let choice = self.choice;
        let group = &mut self.groups[group];
        group.pass(&choice, at);
        let ahead = self
            .frontier
            .filter(|frontier| !choice.passes(*frontier, at));
        // Behind the frontier nothing is missing, and neither is it before a row of the group that lies ahead.
        let all_passed = self.ended || ahead.is_some() || !group.ahead.is_empty();
        let behind = || {
            let passed = group
                .passed
                .filter(|(value, _)| choice.tolerates(at - *value));
            passed.filter(|_| choice.direction != AsofDirection::Forward)
        };
        if !all_passed {
            return Found::More;
        }
        if choice.direction == AsofDirection::Backward {
            return behind().map_or(Found::Nothing, |(_, row)| Found::Row(row));
        }
        let matches = |(value, _): &&(T, Pick)| *value > at || (choice.exact && *value == at);
        let next = group.ahead.iter().find(matches).copied();
        if next.is_none() && !self.ended {
            // Rows to come are at the frontier at best.
            let Some(frontier) = self.frontier else {
                return Found::More;
            };
            let beaten = behind().is_some_and(|(value, _)| at - value <= frontier - at);
            if !beaten && (frontier < at || choice.tolerates(frontier - at)) {
                return Found::More;
            }
        }
        let next = next.filter(|(value, _)| choice.tolerates(*value - at));
        match (behind(), next) {
            (Some((value, row)), Some((next, _))) if at - value <= next - at => Found::Row(row),
            (_, Some((_, row))) | (Some((_, row)), None) => Found::Row(row),
            (None, None) => Found::Nothing,
        }
    }

    /// The values of a column in these rows.
    pub(super) fn column(&self, of: &DataType, column: usize, picks: &[Pick]) -> Result<ArrayRef> {
        column_of(&self.batches, of, column, picks)
    }

    /// Bytes of the rows in memory, and of what is known of each key.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.batches.iter();
        let rows = rows
            .map(|batch| batch.get_array_memory_size() + batch.num_rows() * size_of::<(T, Pick)>());
        rows.sum::<usize>() + self.groups.len() * GROUP_BYTES + self.key_bytes
    }

    /// Lets go of rows that neither `picks` nor left rows from `at` on need, if there are many in memory.
    pub(super) fn compact(&mut self, at: T, picks: &mut [Pick]) -> Result<()> {
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        if rows < self.enough || self.batches.len() < 2 {
            return Ok(());
        }
        let mut needed: Vec<&mut Pick> = picks.iter_mut().filter(|pick| **pick != NONE).collect();
        for group in &mut self.groups {
            group.pass(&self.choice, at);
            if self.choice.direction == AsofDirection::Forward {
                group.passed = None;
            }
            needed.extend(group.passed.iter_mut().map(|(_, row)| row));
            needed.extend(group.ahead.iter_mut().map(|(_, row)| row));
        }
        needed.sort_unstable();
        let mut rows: Vec<Pick> = needed.iter().map(|pick| **pick).collect();
        rows.dedup();
        let batch = copy(&self.batches, &rows)?;
        let mut place = 0;
        for pick in needed {
            while rows[place] < *pick {
                place += 1;
            }
            *pick = (0, place);
        }
        self.enough = LEAST_ROWS.max(2 * batch.num_rows());
        self.batches = vec![batch];
        Ok(())
    }
}

fn copy(batches: &[RecordBatch], rows: &[Pick]) -> Result<RecordBatch> {
    let schema = batches[0].schema();
    let fields = schema.fields().iter().enumerate();
    let columns = fields.map(|(place, field)| column_of(batches, field.data_type(), place, rows));
    let columns = columns.collect::<Result<_>>()?;
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &count)?)
}

fn column_of(
    batches: &[RecordBatch],
    of: &DataType,
    column: usize,
    picks: &[Pick],
) -> Result<ArrayRef> {
    let arrays = batches.iter().map(|batch| &**batch.column(column));
    let arrays: Vec<&dyn Array> = arrays.collect();
    Ok(gather(of, &arrays, picks)?)
}
