//! Rows that are kept once they were decoded.

use super::super::super::EncodedSegment;
use super::super::super::kept::RowCache;
use super::super::super::samples::open_segment;
use super::*;
use crate::objects::SegmentTraffic;

const ROWS: u64 = 150_000;
const LARGE: u64 = 1 << 30;

/// A segment of many pages, and a memory for its rows.
struct Kept {
    batch: RecordBatch,
    segment: EncodedSegment,
    cache: RowCache,
}

impl Kept {
    fn new(bytes: u64) -> Self {
        let (batch, _) = segment(ROWS as usize);
        let rows = std::slice::from_ref(&batch);
        let segment = encode(&batch.schema(), rows, Limits::default()).remove(0);
        Self {
            batch,
            segment,
            cache: RowCache::new(bytes).unwrap(),
        }
    }

    /// The rows, and how many bytes were fetched for them.
    fn read(&self, rows: Rows, near: bool) -> (Option<RecordBatch>, u64) {
        let traffic = Arc::new(SegmentTraffic::default());
        let file = open_segment(&self.segment).near(near).counting(&traffic);
        let file = file.keeping(Some(&self.cache));
        let most = rows.batch_rows;
        let batches: Vec<RecordBatch> = block_on(async {
            let batches = read(file, Origin::Segment, &self.batch.schema(), rows).await;
            batches.unwrap().try_collect().await.unwrap()
        });
        assert!(
            batches
                .iter()
                .all(|batch| (1..=most).contains(&batch.num_rows()))
        );
        let rows = (!batches.is_empty()).then(|| whole(&batches));
        (rows, traffic.bytes())
    }
}

#[test]
fn rows_that_were_read_are_not_fetched_again() {
    for near in [true, false] {
        let kept = Kept::new(LARGE);
        let (rows, bytes) = kept.read(part(None, 0, None), near);
        assert_eq!(rows.as_ref(), Some(&kept.batch));
        assert!(bytes >= kept.segment.bytes.len() as u64);
        let footer = kept.segment.footer.bytes;
        for (rows, expected) in [
            (part(None, 0, None), kept.batch.clone()),
            (part(None, 19_999, Some(2)), kept.batch.slice(19_999, 2)),
            (part(None, ROWS - 1, None), kept.batch.slice(149_999, 1)),
        ] {
            let (rows, bytes) = kept.read(rows, near);
            assert_eq!(rows, Some(expected));
            // The footer, and what is recorded of dictionaries.
            assert!(bytes < footer + (64 << 10), "{bytes}");
        }
    }
}

#[test]
fn whatever_was_read_before_the_rows_are_the_same() {
    let hidden: RoaringBitmap = (10_000..70_000).chain([99_999, 149_999]).collect();
    let parts = [
        (0, None),
        (0, Some(1)),
        (19_999, Some(40_002)),
        (60_000, Some(60_000)),
    ];
    // Most of the rows find no place in the small one.
    for bytes in [LARGE, 1 << 20] {
        let kept = Kept::new(bytes);
        let mut dice = Dice::new(bytes);
        for _ in 0..60 {
            let (offset, limit) = parts[dice.roll() as usize % parts.len()];
            let columns = [None, Some(vec![0]), Some(vec![3, 1]), Some(vec![4, 2, 0])];
            let columns = columns[dice.roll() as usize % columns.len()].clone();
            let rows = Rows {
                columns,
                hidden: dice
                    .roll()
                    .is_multiple_of(2)
                    .then(|| Arc::new(hidden.clone())),
                batch_rows: [700, 8_192, 65_536][dice.roll() as usize % 3],
                ..part(None, offset, limit)
            };
            let file = open_segment(&kept.segment);
            let schema = kept.batch.schema();
            let expected = block_on(async {
                let batches = read(file, Origin::Segment, &schema, rows.clone());
                batches
                    .await
                    .unwrap()
                    .try_collect::<Vec<_>>()
                    .await
                    .unwrap()
            });
            let (found, _) = kept.read(rows.clone(), dice.roll().is_multiple_of(2));
            let expected = (!expected.is_empty()).then(|| whole(&expected));
            assert_eq!(found, expected, "{rows:?}");
        }
        let memory = kept.cache.memory();
        assert!(memory.used_bytes <= memory.bytes, "{memory:?}");
        assert!(memory.used_bytes > 0);
    }
}

#[test]
fn rows_of_another_file_with_the_same_name_are_others() {
    let kept = Kept::new(LARGE);
    kept.read(part(None, 0, None), true);
    let other = kept.batch.slice(1, 1_000);
    let rows = std::slice::from_ref(&other);
    let segment = encode(&other.schema(), rows, Limits::default()).remove(0);
    let other = Kept {
        segment,
        batch: other.clone(),
        cache: kept.cache.clone(),
    };
    assert_eq!(
        other.read(part(None, 0, None), true).0,
        Some(other.batch.clone())
    );
}

#[test]
fn a_file_that_is_not_checked_is_read_again() {
    let kept = Kept::new(LARGE);
    let file = open(&kept.segment.bytes).keeping(Some(&kept.cache));
    let schema = kept.batch.schema();
    block_on(async {
        let batches = read(file, Origin::Segment, &schema, part(None, 0, None)).await;
        let rows: Vec<_> = batches.unwrap().try_collect().await.unwrap();
        assert_eq!(whole(&rows), kept.batch);
    });
    assert_eq!(kept.cache.memory().used_bytes, 0);
}
