//! What happens to a frame, and random lists of that.

use std::ops::Range;

use proptest::prelude::*;

/// Columns that come and go.
pub(super) const NAMES: [&str; 3] = ["x", "y", "z"];

/// A key, and what the other values are made of.
pub(super) type Seed = (i64, i64);

/// A change. What it cannot be done to, it leaves alone.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Append(Vec<Seed>),
    /// Rows, how far the range goes beyond them (none: it is not given), whether only their keys are replaced.
    Update(Vec<Seed>, Option<(i64, i64)>, bool),
    /// Rows, which columns they give, and one that the frame may not have.
    Upsert(Vec<Seed>, u8, Option<usize>),
    DeleteSpan(i64, i64),
    /// Rows whose value in a column leaves this rest when it is divided.
    DeleteWhere(usize, i64, i64),
    Add(usize),
    Drop(usize),
    Rename(usize, usize),
    Widen,
    /// Rows, and whether they have the frame's index.
    Replace(Vec<Seed>, bool),
    Delete,
    Undelete,
    Restore(u64),
    Compact,
}

pub(super) fn any_ops(count: Range<usize>) -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(any_op(), count)
}

fn any_op() -> impl Strategy<Value = Op> {
    let rows = || proptest::collection::vec((0..8_i64, 0..40_i64), 1..5);
    let wide = proptest::option::of((0..3_i64, 0..3_i64));
    prop_oneof![
        6 => rows().prop_map(Op::Append),
        4 => (rows(), wide, any::<bool>()).prop_map(|(rows, wide, keys)| Op::Update(rows, wide, keys)),
        6 => (rows(), any::<u8>(), proptest::option::of(0..3_usize))
            .prop_map(|(rows, columns, new)| Op::Upsert(rows, columns, new)),
        2 => (0..8_i64, 1..4_i64).prop_map(|(start, length)| Op::DeleteSpan(start, start + length)),
        3 => (0..5_usize, 2..4_i64, 0..3_i64)
            .prop_map(|(column, by, rest)| Op::DeleteWhere(column, by, rest)),
        2 => (0..3_usize).prop_map(Op::Add),
        2 => (0..5_usize).prop_map(Op::Drop),
        2 => (0..5_usize, 0..3_usize).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => Just(Op::Widen),
        1 => (rows(), prop::bool::weighted(0.8)).prop_map(|(rows, indexed)| Op::Replace(rows, indexed)),
        1 => Just(Op::Delete),
        1 => Just(Op::Undelete),
        1 => (1..4_u64).prop_map(Op::Restore),
        2 => Just(Op::Compact),
    ]
}
