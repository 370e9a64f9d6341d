//! In which steps a segment on a local disk is read.
//!
//! Parquet's reader fetches all pages of all columns that it is asked for before it decodes the first one: up to the
//! size of a segment. Where a read costs little more than its bytes, a few pages of each column at a time are better:
//! what is fetched, checked and decoded stays in the processor's cache, its memory is used again for the next step, and
//! the first rows come sooner. A step ends where pages do, so that no page is read twice; a dictionary is, so steps grow
//! with it.

use std::ops::Range;

use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;

use super::super::encoding::PAGE_ROWS;
use super::super::extent;

/// The rows of a step have about this many bytes, once they are decoded.
const STEP_BYTES: u64 = 2 << 20;

/// So many times what is read anew with each step is read of its own.
const REPEATED_SHARE: u64 = 8;

/// How many rows a step has that reads the columns `roots`; `None` if the file tells too little to be read in steps.
pub(super) fn step_rows(metadata: &ParquetMetaData, roots: &[usize]) -> Option<u64> {
    let leaves = leaves(metadata, roots);
    let groups = metadata.offset_index()?;
    let mut repeated = 0;
    for (group, pages) in metadata.row_groups().iter().zip(groups) {
        let mut dictionaries = 0;
        for leaf in &leaves {
            let first = pages.get(*leaf)?.page_locations().first()?;
            let (start, _) = group.column(*leaf).byte_range();
            dictionaries += u64::try_from(first.offset).ok()?.saturating_sub(start);
        }
        repeated = dictionaries.max(repeated);
    }
    let bytes = STEP_BYTES.max(repeated.saturating_mul(REPEATED_SHARE));
    let pages = (bytes / extent::row_bytes(metadata, roots)).div_ceil(PAGE_ROWS as u64);
    Some(pages.max(1).saturating_mul(PAGE_ROWS as u64))
}

/// How many pages of the columns `roots` hold rows of a selection, as far as the file tells; none: of all rows.
pub(super) fn pages(
    metadata: &ParquetMetaData,
    roots: &[usize],
    selection: Option<&RowSelection>,
) -> u64 {
    let leaves = leaves(metadata, roots);
    let mut selection = selection.cloned();
    let mut pages = 0;
    let groups = metadata.offset_index().into_iter().flatten();
    for (group, columns) in metadata.row_groups().iter().zip(groups) {
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let of_group = selection.as_mut().map(|rest| rest.split_off(rows));
        let locations = leaves.iter().filter_map(|leaf| columns.get(*leaf));
        let counts = locations.map(|column| match &of_group {
            Some(selection) => selection.scan_ranges(column.page_locations()).len(),
            None => column.page_locations().len(),
        });
        pages += counts.sum::<usize>();
    }
    pages as u64
}

/// The columns of the file that lie below those of its schema.
fn leaves(metadata: &ParquetMetaData, roots: &[usize]) -> Vec<usize> {
    let columns = metadata.file_metadata().schema_descr();
    let wanted = |leaf: &usize| roots.contains(&columns.get_column_root_idx(*leaf));
    (0..columns.num_columns()).filter(wanted).collect()
}

/// A range of rows, cut where steps of so many rows end, counted from the first row of the file.
pub(super) fn cut(range: &Range<u64>, step: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let Range { start, end } = *range;
    let numbers = start / step..end.div_ceil(step);
    numbers.map(move |number| {
        let first = number.saturating_mul(step);
        first.max(start)..first.saturating_add(step).min(end)
    })
}

/// The most rows of a batch, so that a step has batches of about the same size and no more than `most` rows each.
pub(super) fn batch_rows(step: u64, most: u64) -> u64 {
    step.div_ceil(step.div_ceil(most.max(1)).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_range_in_order() {
        let cut = |range, step| cut(&range, step).collect::<Vec<_>>();
        assert_eq!(cut(0..25, 10), [0..10, 10..20, 20..25]);
        assert_eq!(cut(7..20, 10), [7..10, 10..20]);
        assert_eq!(cut(11..12, 10).as_slice(), std::slice::from_ref(&(11..12)));
        assert_eq!(cut(10..10, 10), []);
    }

    #[test]
    fn batches_of_a_step_have_about_the_same_size() {
        assert_eq!(batch_rows(40_000, 65_536), 40_000);
        assert_eq!(batch_rows(40_000, 37_449), 20_000);
        assert_eq!(batch_rows(140_000, 65_536), 46_667);
        assert_eq!(batch_rows(20_000, 0), 1);
    }
}
