//! Messages in a file: what is read is what was written, aligned, and a broken file is an error.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use bytes::Bytes;

use super::{messages, received, sample};
use crate::file::{message_bytes, read_messages, write_message};
use crate::{EncodeOptions, Error, Joiner};

/// The file of batches.
fn written(batches: &[RecordBatch]) -> Bytes {
    let mut file = Vec::new();
    for message in messages(batches[0].schema(), batches, EncodeOptions::default()).unwrap() {
        let before = file.len();
        write_message(&mut file, &message).unwrap();
        assert_eq!(file.len() - before, message_bytes(&message));
        let body = file.len() - message.data_body.len();
        assert!(body.is_multiple_of(64), "a body is not aligned");
        assert!(file.len().is_multiple_of(64), "the next is not aligned");
    }
    file.into()
}

fn read(file: Bytes) -> Result<Vec<RecordBatch>, Error> {
    let messages = read_messages(file).collect::<Result<Vec<_>, _>>()?;
    Ok(received(messages)?.1)
}

fn batch(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("column", column, true)]).unwrap()
}

#[test]
fn every_type_comes_out_of_a_file_as_it_went_in() {
    for (name, array) in sample::plain() {
        let nested = sample::nested(&array).into_iter();
        for column in nested.map(|(_, nested)| nested).chain([array.clone()]) {
            let whole = batch(column);
            let batches = [whole.clone(), whole.slice(3, 4), whole.slice(0, 0)];
            assert_eq!(read(written(&batches)).unwrap(), batches, "{name}");
        }
    }
}

#[test]
fn buffers_are_parts_of_the_file() {
    let numbers = Int32Array::from_iter_values(0..100);
    let file = written(&[batch(Arc::new(numbers))]);
    let within = file.as_ptr_range();
    let got = read(file).unwrap();
    let values = got[0].column(0).as_primitive::<Int32Type>().values();
    assert!(within.contains(&values.as_ptr().cast()));
}

#[test]
fn a_file_that_is_cut_short_is_never_read_as_whole() {
    let whole = written(&[batch(Arc::new(StringArray::from(vec!["a", "bc"])))]);
    let messages = read_messages(whole.clone()).count();
    for length in 0..whole.len() {
        let read: Vec<_> = read_messages(whole.slice(..length)).collect();
        let good = read.iter().filter(|message| message.is_ok()).count();
        assert!(good < messages, "{length}");
        assert!(read.iter().rev().skip(1).all(Result::is_ok), "{length}");
    }
    let mut other = whole.to_vec();
    other[0] = 0;
    assert!(read(other.into()).is_err());
}

fn words(keys: &[i32], values: &ArrayRef) -> RecordBatch {
    let keys = Int32Array::from(keys.to_vec());
    batch(Arc::new(DictionaryArray::new(keys, Arc::clone(values))))
}

#[test]
fn batches_are_joined_up_to_a_size_in_their_order() {
    let numbers = batch(Arc::new(Int32Array::from_iter_values(0..100)));
    let mut joiner = Joiner::new(numbers.schema(), 120);
    let mut joined = Vec::new();
    for start in (0..100).step_by(10) {
        joined.extend(joiner.push(numbers.slice(start, 10)).unwrap());
    }
    joined.extend(joiner.finish().unwrap());
    assert!(joiner.finish().unwrap().is_none());
    let rows: Vec<usize> = joined.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [30, 30, 30, 10]);
    let all = arrow_select::concat::concat_batches(&numbers.schema(), &joined).unwrap();
    assert_eq!(all, numbers);
}

#[test]
fn batches_with_other_dictionaries_are_not_joined_and_those_with_the_same_keep_it() {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "unused"]));
    let other: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let batches = [
        words(&[0, 1], &values),
        words(&[1, 1], &values),
        words(&[0, 1], &other),
    ];
    let mut joiner = Joiner::new(batches[0].schema(), 1 << 20);
    let mut joined = Vec::new();
    for batch in batches {
        joined.extend(joiner.push(batch).unwrap());
    }
    joined.extend(joiner.finish().unwrap());
    let kept = |batch: &RecordBatch| {
        let column = batch.column(0).as_dictionary::<Int32Type>();
        (column.len(), Arc::clone(column.values()))
    };
    let kept: Vec<_> = joined.iter().map(kept).collect();
    assert_eq!(kept, [(4, values), (2, other)]);
    assert_eq!(read(written(&joined)).unwrap(), joined);
}
