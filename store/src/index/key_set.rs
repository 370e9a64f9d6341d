//! The keys that an upsert brings, and which stored rows have one of them.

use std::cmp::Ordering;

use arrow_array::RecordBatch;

use super::Index;
use super::keys::Keys;
use crate::error::Result;

/// Keys of sorted rows, encoded once and looked for in any number of batches.
#[derive(Debug)]
pub(crate) struct KeySet<'a> {
    index: &'a Index,
    keys: Keys,
}

/// A stored row whose key is among the new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    /// The row's number in its batch.
    pub(crate) existing: u32,
    /// The number of the new row with its key, counted over all batches that the set was made of; of several the last.
    pub(crate) new: usize,
}

impl<'a> KeySet<'a> {
    /// The keys of `batches`, which are sorted and follow each other.
    pub(crate) fn new(index: &'a Index, batches: &[RecordBatch]) -> Result<Self> {
        Ok(Self {
            index,
            keys: index.keys(batches)?,
        })
    }

    /// The rows of `existing`, which is sorted, that have one of the keys, in ascending order.
    ///
    /// Costs encoding the keys of `existing`, and then what the smaller side has times the logarithm of how far
    /// apart its keys lie in the other.
    pub(crate) fn matches(&self, existing: &RecordBatch) -> Result<Vec<Match>> {
        let mut matches = Vec::new();
        if self.keys.len() == 0 {
            return Ok(matches);
        }
        let stored = self.index.keys(std::slice::from_ref(existing))?;
        let (mut row, mut new) = (0, 0);
        while row < stored.len() && new < self.keys.len() {
            match stored.compare(row, &self.keys, new) {
                Ordering::Less => {
                    row = stored.gallop(row, |row| stored.compare(row, &self.keys, new).is_lt());
                }
                Ordering::Greater => {
                    let is_before = |new| self.keys.compare(new, &stored, row).is_lt();
                    new = self.keys.gallop(new, is_before);
                }
                Ordering::Equal => {
                    let is_same = |new| self.keys.compare(new, &stored, row).is_le();
                    new = self.keys.gallop(new, is_same) - 1;
                    // A batch has fewer rows than 32 bits count.
                    matches.extend(u32::try_from(row).map(|existing| Match { existing, new }));
                    row += 1;
                }
            }
        }
        Ok(matches)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::any_batches;
    use super::super::value::compare_keys;
    use super::*;

    #[test]
    fn no_rows_match_nothing_and_have_no_range() {
        let column = super::super::samples::pick(&arrow_schema::DataType::Int64, &[0, 0]);
        let (index, batch) = super::super::samples::single(&column);
        for batches in [Vec::new(), vec![batch.slice(0, 0)]] {
            let keys = KeySet::new(&index, &batches).unwrap();
            assert_eq!(keys.matches(&batch).unwrap(), []);
        }
    }

    proptest! {
        #[test]
        fn matches_are_those_of_a_nested_loop(
            (index, mut batches) in any_batches(1..6, 0..30),
            unique: bool,
        ) {
            let existing = batches.pop().into_iter().collect();
            let existing = index.sort(existing, 100).unwrap().remove(0);
            let new = if unique {
                index.keep_last(batches, 7).unwrap()
            } else {
                index.sort(batches, 7).unwrap()
            };
            let keys_of = |batch: &RecordBatch| {
                let rows = 0..batch.num_rows();
                rows.map(|row| index.key_of(batch, row).unwrap()).collect::<Vec<_>>()
            };
            let new_keys: Vec<_> = new.iter().flat_map(keys_of).collect();
            let mut expected = Vec::new();
            for (existing, key) in (0..).zip(keys_of(&existing)) {
                let found = new_keys.iter().rposition(|new| compare_keys(new, &key).is_eq());
                expected.extend(found.map(|new| Match { existing, new }));
            }
            let set = KeySet::new(&index, &new).unwrap();
            prop_assert_eq!(set.matches(&existing).unwrap(), expected);
        }
    }
}
