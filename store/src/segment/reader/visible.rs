//! Which rows of a file are read: a range of row numbers, without those that are hidden.

use std::ops::Range;
use std::sync::Arc;

use parquet::arrow::arrow_reader::RowSelection;
use roaring::RoaringBitmap;

use super::{Rows, as_usize, steps};

/// Rows of a file, by their numbers in it.
#[derive(Debug)]
pub(super) struct Visible {
    range: Range<u64>,
    hidden: Option<Arc<RoaringBitmap>>,
}

impl Visible {
    /// Those that `rows` are in a file of `total` rows.
    pub(super) fn new(rows: &Rows, total: u64) -> Self {
        let start = rows.offset.min(total);
        let count = (total - start).min(rows.limit.unwrap_or(u64::MAX));
        Self {
            range: start..start + count,
            hidden: rows.hidden.clone(),
        }
    }

    /// All rows of a range.
    pub(super) fn between(range: Range<u64>) -> Self {
        Self {
            range,
            hidden: None,
        }
    }

    /// The rows from the first to the last one, hidden ones counted.
    pub(super) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Whether `next` begins where these rows end, in the same step of so many rows of the file.
    pub(super) fn meets(&self, next: &Self, step: u64) -> bool {
        self.range.end == next.range.start && self.range.start / step == next.range.start / step
    }

    /// Takes in the rows that follow.
    pub(super) fn extend(&mut self, next: &Self) {
        self.range.end = next.range.end;
    }

    /// Those that lie in each step of so many rows; steps without any are left out.
    pub(super) fn in_steps(&self, step: u64) -> impl Iterator<Item = Self> + use<> {
        let hidden = self.hidden.clone();
        let steps = steps::cut(&self.range, step).map(move |range| Self {
            range,
            hidden: hidden.clone(),
        });
        steps.filter(|step| step.count() > 0)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        let hidden = self.hidden.as_deref();
        let hidden = hidden.map_or(0, |hidden| hidden_within(hidden, &self.range));
        self.range.end - self.range.start - hidden
    }

    /// The rows in the words of Parquet's reader, for a file of `total` rows.
    pub(super) fn selection(&self, total: usize) -> RowSelection {
        RowSelection::from_consecutive_ranges(self.runs().into_iter(), total)
    }

    /// The runs of neighbouring rows.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let Range { start, end } = self.range;
        let mut runs = Vec::new();
        let mut from = start;
        if let (Some(hidden), Ok(first)) = (&self.hidden, u32::try_from(start)) {
            let mut numbers = hidden.range(first..);
            while let Some(gap) = numbers.next_range() {
                let (first, last) = (u64::from(*gap.start()), u64::from(*gap.end()));
                if first >= end {
                    break;
                }
                if from < first {
                    runs.push(as_usize(from)..as_usize(first));
                }
                from = last + 1;
            }
        }
        if from < end {
            runs.push(as_usize(from)..as_usize(end));
        }
        runs
    }
}

/// What is left of `rows` after the first `taken` of them that are visible.
pub(super) fn after(rows: &Rows, taken: u64) -> Rows {
    let most = rows.hidden.as_ref().map_or(0, |hidden| hidden.len());
    let visible_before = |end: u64| {
        let hidden = rows.hidden.as_deref();
        end - rows.offset - hidden.map_or(0, |hidden| hidden_within(hidden, &(rows.offset..end)))
    };
    let mut low = rows.offset.saturating_add(taken);
    let mut high = low.saturating_add(most);
    while low < high {
        let middle = low + (high - low) / 2;
        if visible_before(middle) < taken {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Rows {
        offset: low,
        limit: rows
            .limit
            .map(|limit| limit.saturating_sub(low - rows.offset)),
        ..rows.clone()
    }
}

fn hidden_within(hidden: &RoaringBitmap, range: &Range<u64>) -> u64 {
    hidden_before(hidden, range.end) - hidden_before(hidden, range.start)
}

fn hidden_before(hidden: &RoaringBitmap, end: u64) -> u64 {
    match end.checked_sub(1) {
        Some(last) => hidden.rank(u32::try_from(last).unwrap_or(u32::MAX)),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(offset: u64, limit: Option<u64>, hidden: impl IntoIterator<Item = u32>) -> Rows {
        Rows {
            columns: None,
            offset,
            limit,
            hidden: Some(Arc::new(hidden.into_iter().collect())),
            batch_rows: 10,
        }
    }

    #[test]
    fn numbers_beyond_the_file_and_beyond_32_bits_hide_nothing() {
        let far = 1 << 33;
        let all = rows(far - 2, None, [3, u32::MAX]);
        assert_eq!(Visible::new(&all, far).count(), 2);
        assert_eq!(Visible::new(&all, 10).count(), 0);
        let all = rows(0, Some(u64::MAX), [3, 10, u32::MAX]);
        let visible = Visible::new(&all, 10);
        assert_eq!((visible.count(), visible.runs()), (9, vec![0..3, 4..10]));
    }

    proptest! {
        #[test]
        fn what_is_visible_is_the_range_without_the_hidden(
            total in 0_u64..60,
            offset in 0_u64..70,
            limit in proptest::option::of(0_u64..70),
            hidden in proptest::collection::btree_set(0_u32..64, 0..40),
            taken in 0_u64..70,
        ) {
            let rows = rows(offset, limit, hidden.iter().copied());
            let end = limit.map_or(total, |limit| total.min(offset + limit));
            let expected: Vec<usize> = (offset.min(total)..end)
                .filter(|row| !hidden.contains(&(*row as u32)))
                .map(|row| row as usize)
                .collect();
            let of = |rows: &Rows| -> Vec<usize> {
                let visible = Visible::new(rows, total);
                let listed: Vec<usize> = visible.runs().into_iter().flatten().collect();
                assert_eq!(listed.len() as u64, visible.count());
                listed
            };
            prop_assert_eq!(&of(&rows), &expected);
            let taken = taken.min(expected.len() as u64);
            let left = after(&rows, taken);
            prop_assert_eq!(of(&left), &expected[taken as usize..]);
        }
    }
}
