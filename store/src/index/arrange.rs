//! Which segments have to be merged, and which can be read one after the other.

use super::range::KeyRange;
use super::value::compare_keys;

/// The positions of `ranges` in groups: reading the groups in their order, and merging the members of each, gives
/// what merging all of them would, where rows of equal keys come in the order of `ranges`.
///
/// Members of a group are in ascending order.
pub(crate) fn arrange(ranges: &[KeyRange]) -> Vec<Vec<usize>> {
    let mut positions: Vec<usize> = (0..ranges.len()).collect();
    positions.sort_by(|one, other| compare_keys(&ranges[*one].min, &ranges[*other].min));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The greatest key of the group, and the latest of the members that reach it.
    let mut reach: Option<usize> = None;
    for position in positions {
        let begins_behind = reach.is_none_or(|reach| {
            let order = compare_keys(&ranges[reach].max, &ranges[position].min);
            order.is_lt() || (order.is_eq() && reach < position)
        });
        match groups.last_mut() {
            Some(group) if !begins_behind => group.push(position),
            _ => {
                groups.push(vec![position]);
                reach = None;
            }
        }
        let is_further = reach.is_none_or(|reach| {
            let order = compare_keys(&ranges[position].max, &ranges[reach].max);
            order.is_gt() || (order.is_eq() && position > reach)
        });
        if is_further {
            reach = Some(position);
        }
    }
    for group in &mut groups {
        group.sort_unstable();
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::value::KeyValue;
    use super::*;

    fn ranges(ends: &[(i64, i64)]) -> Vec<KeyRange> {
        let key = |end| vec![KeyValue::int(end)];
        let ends = ends.iter();
        ends.map(|(min, max)| KeyRange {
            min: key(*min),
            max: key(*max),
        })
        .collect()
    }

    #[test]
    fn a_later_segment_that_ends_where_an_earlier_one_begins_is_merged_with_it() {
        assert_eq!(arrange(&ranges(&[(5, 9), (1, 5)])), [[0, 1]]);
    }

    #[test]
    fn an_earlier_segment_that_ends_where_a_later_one_begins_is_read_before_it() {
        assert_eq!(arrange(&ranges(&[(1, 5), (5, 9)])), [[0], [1]]);
    }

    #[test]
    fn segments_apart_are_read_in_the_order_of_their_keys() {
        let expected: Vec<Vec<usize>> = vec![vec![1], vec![2], vec![0]];
        assert_eq!(arrange(&ranges(&[(7, 9), (1, 2), (3, 6)])), expected);
        assert!(arrange(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn groups_in_order_are_the_stable_merge_of_all(
            ends in proptest::collection::vec((0_i64..12, 0_i64..4), 0..9),
        ) {
            let ends: Vec<(i64, i64)> = ends.iter().map(|(min, len)| (*min, min + len)).collect();
            // Every segment has a row at each of its ends: its key, and where it came from.
            let rows = |segment: &usize| {
                let (min, max) = ends[*segment];
                [(min, *segment), (max, *segment)]
            };
            let all: Vec<usize> = (0..ends.len()).collect();
            let mut expected: Vec<(i64, usize)> = all.iter().flat_map(rows).collect();
            expected.sort();
            let groups = arrange(&ranges(&ends));
            let mut found = Vec::new();
            for group in &groups {
                let mut merged: Vec<(i64, usize)> = group.iter().flat_map(rows).collect();
                merged.sort();
                found.extend(merged);
            }
            prop_assert_eq!(found, expected);
            // No group could be read in two parts.
            for group in &groups {
                for cut in 0..12 {
                    let (before, behind): (Vec<usize>, Vec<usize>) =
                        group.iter().partition(|segment| ends[**segment].1 <= cut);
                    if before.is_empty() || behind.is_empty() {
                        continue;
                    }
                    let needs_merge = before.iter().any(|one| {
                        behind.iter().any(|other| {
                            let (one_max, other_min) = (ends[*one].1, ends[*other].0);
                            one_max > other_min || (one_max == other_min && one > other)
                        })
                    });
                    prop_assert!(needs_merge, "group {group:?} falls apart at {cut}");
                }
            }
        }
    }
}
