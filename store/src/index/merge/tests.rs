//! Merging against a stable sort of everything, and what is opened when.

use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, Int64Array, UInt64Array};
use futures::TryStreamExt;
use futures::executor::block_on;
use proptest::prelude::*;

use super::super::samples::{any_batches, row_numbers};
use super::*;
use crate::error::Error;

/// Which inputs are open, and how many were at most and ever.
#[derive(Debug, Default)]
struct Opened {
    open: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

struct Guard(Arc<Opened>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Opened {
    fn input(self: &Arc<Self>, min: Vec<KeyValue>, batches: Vec<Result<RecordBatch>>) -> Input {
        let opened = Arc::clone(self);
        let open = move || {
            let open = opened.open.fetch_add(1, Ordering::SeqCst) + 1;
            opened.most.fetch_max(open, Ordering::SeqCst);
            opened.ever.fetch_add(1, Ordering::SeqCst);
            let guard = Guard(opened);
            let rows = stream::iter(batches).map(move |batch| {
                let _ = &guard;
                batch
            });
            rows.boxed()
        };
        Input {
            min,
            open: Box::new(open),
        }
    }
}

fn batch(keys: impl IntoIterator<Item = i64>) -> RecordBatch {
    let keys: Vec<i64> = keys.into_iter().collect();
    let rows: Vec<u64> = (0..keys.len() as u64).collect();
    RecordBatch::try_from_iter([
        ("key", Arc::new(Int64Array::from(keys)) as ArrayRef),
        ("row", Arc::new(UInt64Array::from(rows)) as ArrayRef),
    ])
    .unwrap()
}

fn by_key() -> Arc<Index> {
    Arc::new(Index::new(&batch([]).schema(), &["key".to_owned()]).unwrap())
}

fn input_of(opened: &Arc<Opened>, batches: Vec<RecordBatch>) -> Input {
    let min = by_key().key_of(&batches[0], 0).unwrap();
    opened.input(min, batches.into_iter().map(Ok).collect())
}

fn keys(batches: &[RecordBatch]) -> Vec<i64> {
    let mut keys = Vec::new();
    for batch in batches {
        let array = batch.column(0).as_any().downcast_ref::<Int64Array>();
        keys.extend(array.unwrap().values());
    }
    keys
}

#[test]
fn nothing_merges_to_nothing() {
    assert!(
        block_on(merge(by_key(), Vec::new(), 8).try_collect::<Vec<_>>())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_chain_of_barely_overlapping_inputs_holds_few_open() {
    let opened = Arc::default();
    let inputs = (0..50).map(|link| input_of(&opened, vec![batch(link * 10..link * 10 + 12)]));
    let merged: Vec<_> = block_on(merge(by_key(), inputs.collect(), 64).try_collect()).unwrap();
    let keys = keys(&merged);
    assert!(keys.is_sorted() && keys.len() == 600);
    assert_eq!(opened.ever.load(Ordering::SeqCst), 50);
    assert!(opened.most.load(Ordering::SeqCst) <= 3, "{opened:?}");
}

#[test]
fn an_input_that_is_not_reached_is_not_opened() {
    let opened = Arc::default();
    let inputs = [0, 100, 200].map(|from| input_of(&opened, vec![batch(from..from + 10)]));
    let mut merged = merge(by_key(), inputs.into(), 64);
    block_on(merged.next()).unwrap().unwrap();
    assert_eq!(opened.ever.load(Ordering::SeqCst), 1);
    drop(merged);
    assert_eq!(opened.open.load(Ordering::SeqCst), 0);
}

#[test]
fn batches_before_all_others_are_passed_on_without_a_copy() {
    let batches = [batch(0..10), batch(10..20), batch(15..25)];
    let opened = Arc::default();
    let [one, two, three] = batches.clone();
    let inputs = vec![
        input_of(&opened, vec![one, two]),
        input_of(&opened, vec![three]),
    ];
    let merged: Vec<_> = block_on(merge(by_key(), inputs, 64).try_collect()).unwrap();
    assert!(
        Arc::ptr_eq(merged[0].column(0), batches[0].column(0)) || {
            let pointer = |batch: &RecordBatch| batch.column(0).to_data().buffers()[0].as_ptr();
            pointer(&merged[0]) == pointer(&batches[0])
        }
    );
    assert_eq!(merged[0].num_rows(), 10);
    assert_eq!(keys(&merged).len(), 30);
    assert!(keys(&merged).is_sorted());
}

#[test]
fn a_batch_larger_than_wanted_is_cut() {
    let opened = Arc::default();
    let inputs = vec![input_of(&opened, vec![batch(0..25)])];
    let merged: Vec<_> = block_on(merge(by_key(), inputs, 10).try_collect()).unwrap();
    let rows: Vec<usize> = merged.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [10, 10, 5]);
}

#[test]
fn rows_of_earlier_inputs_come_first_among_equal_keys() {
    let opened = Arc::default();
    let inputs = [3, 1, 2].map(|len| input_of(&opened, vec![batch(vec![7; len])]));
    let merged: Vec<_> = block_on(merge(by_key(), inputs.into(), 10).try_collect()).unwrap();
    assert_eq!(row_numbers(&merged), [0, 1, 2, 0, 0, 1]);
}

#[test]
fn the_error_of_an_input_ends_the_stream() {
    let opened = Arc::<Opened>::default();
    let broken = vec![
        Ok(batch([5])),
        Err(Error::invalid("index", "broken")),
        Ok(batch([9])),
    ];
    let inputs = vec![
        input_of(&opened, vec![batch(0..10)]),
        opened.input(vec![KeyValue::int(5)], broken),
    ];
    let results: Vec<_> = block_on(merge(by_key(), inputs, 10).collect());
    let (last, before) = results.split_last().unwrap();
    assert!(
        last.as_ref()
            .is_err_and(|problem| problem.to_string().contains("broken"))
    );
    assert!(before.iter().all(Result::is_ok));
    assert_eq!(opened.open.load(Ordering::SeqCst), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merging_is_the_stable_sort_of_all_rows(
        (index, batches) in any_batches(1..9, 0..40),
        inputs in 1_usize..5,
        batch_rows in 1_usize..50,
        cuts in 1_usize..50,
    ) {
        let expected = index.sort(batches.clone(), 1_000).unwrap();
        let schema = batches[0].schema();
        let index = Arc::new(index);
        let opened = Arc::<Opened>::default();
        let chunks: Vec<&[RecordBatch]> = batches.chunks(batches.len().div_ceil(inputs)).collect();
        let inputs = chunks.into_iter().filter_map(|chunk| {
            let sorted = index.sort(chunk.to_vec(), cuts).unwrap();
            let first = sorted.iter().find(|batch| batch.num_rows() > 0)?;
            let range = index.range_of(first, first).unwrap();
            Some(opened.input(range.min, sorted.into_iter().map(Ok).collect()))
        });
        let inputs: Vec<Input> = inputs.collect();
        let merged: Vec<RecordBatch> =
            block_on(merge(index, inputs, batch_rows).try_collect()).unwrap();
        prop_assert_eq!(row_numbers(&merged), row_numbers(&expected));
        prop_assert!(merged.iter().all(|batch| batch.num_rows() <= batch_rows));
        prop_assert!(merged.iter().all(|batch| batch.schema() == schema));
        prop_assert_eq!(opened.open.load(Ordering::SeqCst), 0);
    }
}
