//! Sorting what is put by the index, stably, and choosing the last of rows with one key.

use std::cmp::Ordering;

use arrow_array::RecordBatch;

use super::Index;
use super::gather::{Gather, Place};
use super::keys::Keys;
use crate::error::Result;

impl Index {
    /// The rows of `batches` sorted by key, rows of equal keys in the order they came, in batches of at most
    /// `batch_rows` rows. What is sorted already is returned as it is.
    pub(crate) fn sort(
        &self,
        batches: Vec<RecordBatch>,
        batch_rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let keys = self.keys(&batches)?;
        if keys.is_sorted() {
            return Ok(batches);
        }
        collect(batches, &sorted(&keys), batch_rows)
    }

    /// Like [`sort`](Self::sort), but of rows with equal keys only the last one stays.
    pub(crate) fn keep_last(
        &self,
        batches: Vec<RecordBatch>,
        batch_rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let keys = self.keys(&batches)?;
        let all = sorted(&keys);
        let is_last = |next: Option<&usize>, row| {
            next.is_none_or(|next| keys.compare(row, &keys, *next).is_ne())
        };
        let rows = all.iter().enumerate();
        let rows = rows.filter(|(position, row)| is_last(all.get(position + 1), **row));
        let rows: Vec<usize> = rows.map(|(_, row)| *row).collect();
        if rows.len() == keys.len() && rows.is_sorted() {
            return Ok(batches);
        }
        collect(batches, &rows, batch_rows)
    }
}

/// The positions of `keys` in ascending order of keys, and of positions among equal ones.
fn sorted(keys: &Keys) -> Vec<usize> {
    match keys {
        Keys::Words(words) => {
            // One integer is compared faster than a pair, and no two are equal.
            let with_row = |(row, word): (usize, &u64)| u128::from(*word) << 64 | row as u128;
            let mut pairs: Vec<u128> = words.iter().enumerate().map(with_row).collect();
            if !words.is_sorted() {
                pairs.sort_unstable();
            }
            pairs.into_iter().map(|pair| pair as u64 as usize).collect()
        }
        Keys::Rows(rows) => {
            let mut positions: Vec<usize> = (0..rows.num_rows()).collect();
            positions.sort_by(|one, other| -> Ordering { rows.row(*one).cmp(&rows.row(*other)) });
            positions
        }
    }
}

/// The rows at `positions`, counted over all batches.
fn collect(
    batches: Vec<RecordBatch>,
    positions: &[usize],
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let mut ends = Vec::with_capacity(batches.len());
    let mut end = 0;
    for batch in &batches {
        end += batch.num_rows();
        ends.push(end);
    }
    let place = |position: &usize| -> Place {
        let batch = ends.partition_point(|end| end <= position);
        let start = if batch == 0 { 0 } else { ends[batch - 1] };
        (batch, position - start)
    };
    let gather = Gather::new(batches)?;
    let mut rows = Vec::new();
    for chunk in positions.chunks(batch_rows.max(1)) {
        let places: Vec<Place> = chunk.iter().map(place).collect();
        rows.extend(gather.rows(&places)?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;

    use super::super::samples::{any_batches, row_numbers, single};
    use super::super::value::compare_keys;
    use super::super::{Index, KeyValue};
    use super::*;

    /// Every row's key and number, in the order of the rows.
    fn keyed(index: &Index, batches: &[RecordBatch]) -> Vec<(Vec<KeyValue>, u64)> {
        let keys = batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).map(|row| {
                let columns = index.columns().iter();
                let key = columns.map(|column| KeyValue::of(batch.column(*column).as_ref(), row));
                key.collect::<Result<Vec<_>>>().unwrap()
            })
        });
        keys.zip(row_numbers(batches)).collect()
    }

    #[test]
    fn what_is_sorted_is_returned_as_it_is() {
        let column = Arc::new(Int64Array::from(vec![1, 1, 2])) as ArrayRef;
        let (index, batch) = single(&column);
        let sorted = index.sort(vec![batch.clone()], 1).unwrap();
        assert_eq!(sorted.len(), 1);
        assert!(Arc::ptr_eq(sorted[0].column(0), batch.column(0)));
        let batch = batch.slice(1, 2);
        let last = index.keep_last(vec![batch.clone()], 1).unwrap();
        assert_eq!(last, [batch]);
    }

    #[test]
    fn no_rows_stay_no_rows() {
        let column = Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef;
        let (index, batch) = single(&column);
        for empty in [Vec::new(), vec![batch]] {
            let rows = |batches: Vec<RecordBatch>| -> usize {
                batches.iter().map(RecordBatch::num_rows).sum()
            };
            assert_eq!(rows(index.sort(empty.clone(), 8).unwrap()), 0);
            assert_eq!(rows(index.keep_last(empty, 8).unwrap()), 0);
        }
    }

    proptest! {
        #[test]
        fn rows_come_sorted_stably_in_bounded_batches(
            (index, batches) in any_batches(1..5, 0..40),
            batch_rows in 1_usize..30,
        ) {
            let mut expected = keyed(&index, &batches);
            let unsorted = !expected.is_sorted_by(|a, b| compare_keys(&a.0, &b.0).is_le());
            expected.sort_by(|one, other| compare_keys(&one.0, &other.0));
            let sorted = index.sort(batches.clone(), batch_rows).unwrap();
            prop_assert_eq!(keyed(&index, &sorted), expected.clone());
            if unsorted {
                prop_assert!(sorted.iter().all(|batch| batch.num_rows() <= batch_rows));
            }

            let mut last: Vec<(Vec<KeyValue>, u64)> = Vec::new();
            for row in expected {
                last.pop_if(|before| compare_keys(&before.0, &row.0).is_eq());
                last.push(row);
            }
            let kept = index.keep_last(batches, batch_rows).unwrap();
            prop_assert_eq!(keyed(&index, &kept), last);
        }
    }
}
