//! Within which keys the rows of a segment lie, as the log records it.

use std::cmp::Ordering;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::value::{KeyValue, compare_keys};
use super::{FIELD, Index};
use crate::error::{Error, Result};

/// No key of the rows is less than `min`, and none is greater than `max`. Long text and bytes are cut, so the bounds
/// need not be keys that occur.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRange {
    /// One value for each column of the index.
    pub(crate) min: Vec<KeyValue>,
    /// One value for each column of the index.
    pub(crate) max: Vec<KeyValue>,
}

impl KeyRange {
    /// Whether some key may lie in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        compare_keys(&self.min, &other.max).is_le() && compare_keys(&other.min, &self.max).is_le()
    }

    /// The least range that covers both.
    pub(crate) fn union(self, other: Self) -> Self {
        let pick = |one: Vec<KeyValue>, other: Vec<KeyValue>, wanted| {
            if compare_keys(&other, &one) == wanted {
                other
            } else {
                one
            }
        };
        Self {
            min: pick(self.min, other.min, Ordering::Less),
            max: pick(self.max, other.max, Ordering::Greater),
        }
    }
}

impl Index {
    /// The key of a row, exactly.
    pub(crate) fn key_of(&self, batch: &RecordBatch, row: usize) -> Result<Vec<KeyValue>> {
        self.key_columns(batch)?
            .into_iter()
            .map(|column| KeyValue::of(column.as_ref(), row))
            .collect()
    }

    /// Bounds of sorted rows that begin with the first row of `first` and end with the last one of `last`.
    pub(crate) fn range_of(&self, first: &RecordBatch, last: &RecordBatch) -> Result<KeyRange> {
        let end = last
            .num_rows()
            .checked_sub(1)
            .ok_or_else(|| Error::invalid(FIELD, "a range of keys needs at least one row"))?;
        let min = self.key_of(first, 0)?.into_iter();
        let max = self.key_of(last, end)?.into_iter();
        Ok(KeyRange {
            min: min.map(KeyValue::lower_bound).collect(),
            max: max.map(KeyValue::upper_bound).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::any_batches;
    use super::*;

    fn range(min: i64, max: i64) -> KeyRange {
        KeyRange {
            min: vec![KeyValue::int(min), KeyValue::text("x")],
            max: vec![KeyValue::int(max), KeyValue::text("x")],
        }
    }

    #[test]
    fn the_json_is_compact_and_strict() {
        let json = r#"{"min":[{"i":17},{"t":"x"}],"max":[{"i":18},{"t":"x"}]}"#;
        assert_eq!(serde_json::to_string(&range(17, 18)).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<KeyRange>(json).unwrap(),
            range(17, 18)
        );
        let more = r#"{"min":[],"max":[],"mean":[]}"#;
        assert!(serde_json::from_str::<KeyRange>(more).is_err());
    }

    #[test]
    fn ranges_of_no_rows_are_refused() {
        let column = super::super::samples::pick(&arrow_schema::DataType::Int64, &[]);
        let (index, empty) = super::super::samples::single(&column);
        assert!(index.range_of(&empty, &empty).is_err());
    }

    proptest! {
        #[test]
        fn ranges_relate_like_the_numbers_in_them(a in 0_i64..9, b in 0_i64..9, c in 0_i64..9, d in 0_i64..9) {
            let (one, other) = ((a.min(b), a.max(b)), (c.min(d), c.max(d)));
            let (first, second) = (range(one.0, one.1), range(other.0, other.1));
            let within = |range: (i64, i64), number| range.0 <= number && number <= range.1;
            let shared = (0..9).any(|number| within(one, number) && within(other, number));
            prop_assert_eq!(first.overlaps(&second), shared);
            prop_assert_eq!(first.union(second), range(one.0.min(other.0), one.1.max(other.1)));
        }

        #[test]
        fn the_range_of_sorted_rows_encloses_every_key((index, batches) in any_batches(1..4, 1..20)) {
            let sorted = index.sort(batches, 7).unwrap();
            let range = index.range_of(&sorted[0], sorted.last().unwrap()).unwrap();
            for batch in &sorted {
                for row in 0..batch.num_rows() {
                    let key = index.key_of(batch, row).unwrap();
                    prop_assert!(compare_keys(&range.min, &key).is_le());
                    prop_assert!(compare_keys(&key, &range.max).is_le());
                }
            }
            let json = serde_json::to_string(&range).unwrap();
            prop_assert_eq!(serde_json::from_str::<KeyRange>(&json).unwrap(), range);
        }
    }
}
