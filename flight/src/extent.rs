//! Which part of its child a list-like array refers to.
//!
//! Sizes and compaction must agree about this, so both ask here.

use arrow_array::{Array, GenericListViewArray, OffsetSizeTrait, UnionArray};
use arrow_buffer::{ArrowNativeType, OffsetBuffer};

/// The part of a child array that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First element referred to.
    pub(crate) start: usize,
    /// One past the last element referred to.
    pub(crate) end: usize,
    /// How many elements are referred to, one counted as often as it is referred to.
    pub(crate) used: usize,
}

impl Extent {
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        end: 0,
        used: 0,
    };

    /// Elements between the first and the last one referred to.
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether so little of the range is in use that copying out the used elements is
    /// better than sending the range.
    pub(crate) fn is_sparse(self) -> bool {
        self.used.saturating_mul(2) <= self.len() && self.len() > 0
    }

    fn of(ranges: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut extent = Self {
            start: usize::MAX,
            end: 0,
            used: 0,
        };
        for (start, end) in ranges.filter(|(start, end)| start < end) {
            extent.start = extent.start.min(start);
            extent.end = extent.end.max(end);
            extent.used += end - start;
        }
        if extent.used == 0 {
            Self::EMPTY
        } else {
            extent
        }
    }
}

/// The extent of the child of a list or map with these offsets.
pub(crate) fn of_offsets<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Extent {
    let start = offsets.first().map_or(0, |o| o.as_usize());
    let end = offsets.last().map_or(0, |o| o.as_usize());
    Extent {
        start,
        end,
        used: end - start,
    }
}

/// The element ranges that the views of a list view refer to; a null refers to nothing.
pub(crate) fn view_ranges<O: OffsetSizeTrait>(
    list: &GenericListViewArray<O>,
) -> impl Iterator<Item = (usize, usize)> + '_ {
    let nulls = list.nulls();
    list.value_offsets()
        .iter()
        .zip(list.value_sizes())
        .enumerate()
        .map(move |(row, (offset, size))| {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                (0, 0)
            } else {
                (offset.as_usize(), offset.as_usize() + size.as_usize())
            }
        })
}

/// The extent of the child of a list view.
pub(crate) fn of_views<O: OffsetSizeTrait>(list: &GenericListViewArray<O>) -> Extent {
    Extent::of(view_ranges(list))
}

/// The elements of the child `type_id` of a dense union that its rows refer to, in row order.
pub(crate) fn dense_elements(
    union: &UnionArray,
    type_id: i8,
) -> impl Iterator<Item = (usize, usize)> + '_ {
    let offsets = union.offsets().map_or(&[][..], |offsets| offsets);
    union
        .type_ids()
        .iter()
        .zip(offsets)
        .filter(move |(id, _)| **id == type_id)
        .map(|(_, offset)| offset.as_usize())
        .map(|element| (element, element + 1))
}

/// The extent of the child `type_id` of a dense union.
pub(crate) fn of_dense(union: &UnionArray, type_id: i8) -> Extent {
    Extent::of(dense_elements(union, type_id))
}
