//! What reading costs, in bytes that are fetched.

use super::super::super::blocks::BLOCK_BYTES;
use super::super::super::samples::open_segment;
use super::super::super::{EncodedSegment, footer_cache};
use super::*;
use crate::objects::SegmentTraffic;

fn fetched(file: ObjectReader, schema: &SchemaRef, rows: Rows) -> u64 {
    let traffic = Arc::new(SegmentTraffic::default());
    let file = file.counting(&traffic);
    block_on(async {
        let batches = read(file, Origin::Segment, schema, rows).await.unwrap();
        batches
            .for_each(|batch| async { drop(batch.unwrap()) })
            .await;
    });
    assert!(traffic.reads() <= 1);
    traffic.bytes()
}

/// Two columns of 400,000 numbers without any order.
fn noise() -> (SchemaRef, EncodedSegment) {
    let mut dice = Dice::new(4);
    let noise = |dice: &mut Dice| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            (0..400_000).map(|_| f64::from_bits(dice.roll())),
        ))
    };
    let columns = [("a", noise(&mut dice)), ("b", noise(&mut dice))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let schema = batch.schema();
    let segment = encode(&schema, &[batch], Limits::default()).remove(0);
    assert!(segment.bytes.len() > 6_000_000);
    (schema, segment)
}

/// What a page of a column of [`noise`] takes at most.
const PAGE: u64 = 20_000 * 8;

#[test]
fn a_part_costs_its_pages_and_a_count_the_footer() {
    let (schema, segment) = noise();
    let (size, footer) = (segment.bytes.len() as u64, segment.footer.bytes);
    let fetched = |rows| fetched(open_segment(&segment), &schema, rows);
    assert!(footer < 20_000, "{footer}");
    assert_eq!(fetched(part(Some(vec![]), 0, None)), footer);
    let one_row = fetched(part(None, 210_000, Some(1)));
    assert!(one_row <= footer + 3 * PAGE, "{one_row}");
    let last_row = fetched(part(None, 399_999, Some(1)));
    assert!(last_row <= footer + 3 * PAGE, "{last_row}");
    let one_column = fetched(part(Some(vec![1]), 0, None));
    assert!(one_column <= size * 6 / 10, "{one_column}");
    assert_eq!(fetched(part(None, 0, None)), size);
}

#[test]
fn in_steps_no_page_is_read_twice() {
    let (schema, segment) = noise();
    let size = segment.bytes.len() as u64;
    let cost = |rows| fetched(open_segment(&segment).near(true), &schema, rows);
    let whole = cost(part(None, 0, None));
    // Three steps have two borders, in two columns: the blocks there are read on both sides.
    assert!(whole > size, "{whole}");
    assert!(whole <= size + 8 * BLOCK_BYTES as u64, "{whole}");
    let one_row = cost(part(None, 210_000, Some(1)));
    assert!(one_row <= segment.footer.bytes + 3 * PAGE, "{one_row}");
}

#[test]
fn pages_of_which_all_rows_are_hidden_are_not_fetched() {
    let (schema, segment) = noise();
    let hidden = (1..399_999).filter(|row| row % 100_000 != 50_000).collect();
    let rows = Rows {
        hidden: Some(Arc::new(hidden)),
        ..part(Some(vec![1]), 0, None)
    };
    let cost = fetched(open_segment(&segment), &schema, rows);
    let most = segment.footer.bytes + 6 * (PAGE + 2 * BLOCK_BYTES as u64);
    assert!(cost <= most, "{cost}");
}

#[test]
fn an_older_segment_is_read_with_a_guess_at_its_footer() {
    let (schema, segment) = noise();
    let tail = 64 << 10;
    let fetched = |rows| fetched(open(&segment.bytes), &schema, rows);
    assert!(fetched(part(Some(vec![]), 0, None)) <= tail);
    let one_row = fetched(part(None, 210_000, Some(1)));
    assert!(one_row <= tail + 3 * PAGE, "{one_row}");
    let whole = fetched(part(None, 0, None));
    assert!(whole <= segment.bytes.len() as u64 + tail, "{whole}");
}

#[test]
fn a_small_segment_is_one_read() {
    let (batch, bytes) = segment(100);
    let size = bytes.len() as u64;
    let schema = batch.schema();
    assert_eq!(fetched(open(&bytes), &schema, everything(100)), size);
    let segment = encode(&schema, &[batch], Limits::default()).remove(0);
    let file = open_segment(&segment);
    assert_eq!(fetched(file, &schema, everything(100)), size);
}

#[test]
fn a_segment_that_was_read_before_costs_its_pages_only() {
    let (schema, segment) = noise();
    let footers = footer_cache(1 << 20);
    let fetched = |rows| {
        let file = open_segment(&segment).remembering(&footers);
        fetched(file, &schema, rows)
    };
    let size = segment.bytes.len() as u64;
    assert_eq!(fetched(part(None, 0, None)), size);
    assert_eq!(fetched(part(None, 0, None)), size - segment.footer.bytes);
    assert_eq!(fetched(part(Some(vec![]), 0, None)), 0);
    let one_row = fetched(part(None, 210_000, Some(1)));
    assert!(one_row <= 3 * PAGE + 4 * BLOCK_BYTES as u64, "{one_row}");
}

#[test]
fn a_cache_without_room_makes_no_difference_to_what_is_read() {
    let (schema, segment) = noise();
    let footers = footer_cache(100);
    for _ in 0..2 {
        let file = open_segment(&segment).remembering(&footers);
        let cost = fetched(file, &schema, part(None, 0, None));
        assert_eq!(cost, segment.bytes.len() as u64);
    }
}
