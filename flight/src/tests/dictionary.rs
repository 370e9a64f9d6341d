//! Which dictionaries travel, and when.

use std::sync::Arc;

use crate::EncodeOptions;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Int8Array, Int32Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_flight::FlightData;
use arrow_ipc::MessageHeader;
use arrow_schema::{DataType, Field, Fields, Schema};

use super::{messages, received, received_by_arrow_flight};

fn words(keys: &[i32], values: &[&str]) -> DictionaryArray<Int32Type> {
    let values = Arc::new(StringArray::from(values.to_vec()));
    DictionaryArray::new(Int32Array::from(keys.to_vec()), values)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn sent(batches: &[RecordBatch], options: EncodeOptions) -> Vec<FlightData> {
    messages(batches[0].schema(), batches, options).unwrap()
}

fn dictionaries(messages: &[FlightData]) -> usize {
    let is_dictionary = |message: &&FlightData| {
        let header = arrow_ipc::root_as_message(&message.data_header).unwrap();
        header.header_type() == MessageHeader::DictionaryBatch
    };
    messages.iter().filter(is_dictionary).count()
}

#[test]
fn a_dictionary_shared_by_batches_travels_once() {
    let all = words(&[0, 1, 2, 0], &["a", "b", "c"]);
    let first = batch(vec![("w", Arc::new(all.slice(0, 2)))]);
    let second = batch(vec![("w", Arc::new(all.slice(2, 2)))]);
    let messages = sent(&[first.clone(), second.clone()], EncodeOptions::default());
    assert_eq!(dictionaries(&messages), 1);
    assert_eq!(received(messages).unwrap().1, [first, second]);
}

#[test]
fn an_equal_dictionary_in_other_memory_does_not_travel_again() {
    let first = batch(vec![("w", Arc::new(words(&[0, 1], &["a", "b"])))]);
    let second = batch(vec![("w", Arc::new(words(&[1, 0], &["a", "b"])))]);
    let messages = sent(&[first.clone(), second.clone()], EncodeOptions::default());
    assert_eq!(dictionaries(&messages), 1);
    assert_eq!(received(messages).unwrap().1, [first, second]);
}

#[test]
fn dictionaries_that_differ_between_batches_each_travel_whole() {
    let batches: Vec<RecordBatch> = [
        vec!["a", "b"],
        vec!["a", "b", "c"],
        vec!["b", "a"],
        vec!["a"],
        vec!["a", "b"],
    ]
    .iter()
    .map(|values| batch(vec![("w", Arc::new(words(&[0, 0], values)))]))
    .collect();
    let messages = sent(&batches, EncodeOptions::default());
    assert_eq!(dictionaries(&messages), 5);
    let (_, received) = received(messages.clone()).unwrap();
    assert_eq!(received, batches);
    for (received, sent) in received.iter().zip(&batches) {
        assert_eq!(values_of(received), values_of(sent));
    }
    assert_eq!(received_by_arrow_flight(messages), batches);
}

/// Categories are data, also those that no row uses.
fn values_of(batch: &RecordBatch) -> StringArray {
    let column = batch.column(0).as_any();
    let words = column.downcast_ref::<DictionaryArray<Int32Type>>().unwrap();
    words
        .values()
        .as_any()
        .downcast_ref::<StringArray>()
        .unwrap()
        .clone()
}

#[test]
fn cutting_a_batch_repeats_no_dictionary() {
    let texts: Vec<String> = (0..1000)
        .map(|n| format!("a rather long category {n}"))
        .collect();
    let values = StringArray::from(texts);
    let keys: Int32Array = (0..10_000).map(|row| Some(row % 1000)).collect();
    let all = batch(vec![(
        "w",
        Arc::new(DictionaryArray::new(keys, Arc::new(values))),
    )]);
    let options = EncodeOptions::default().with_message_bytes(1000);
    let messages = sent(std::slice::from_ref(&all), options);
    assert_eq!(dictionaries(&messages), 1);
    assert!(messages.len() > 40, "{} messages", messages.len());
    let total: usize = messages.iter().map(|message| message.data_body.len()).sum();
    assert!(total < 90_000, "{total} bytes");
    let (_, parts) = received(messages).unwrap();
    let parts: Vec<&RecordBatch> = parts.iter().collect();
    assert_eq!(
        arrow_select::concat::concat_batches(&all.schema(), parts).unwrap(),
        all
    );
}

#[test]
fn an_empty_batch_first_still_announces_every_dictionary() {
    let full = batch(vec![("w", Arc::new(words(&[1], &["a", "b"])))]);
    let empty = full.slice(0, 0);
    let messages = sent(&[empty.clone(), full.clone()], EncodeOptions::default());
    assert_eq!(dictionaries(&messages[..2]), 1);
    assert_eq!(received(messages).unwrap().1, [empty, full]);
}

#[test]
fn dictionaries_inside_lists_structs_and_dictionaries_change_with_their_batches() {
    let nested = |first: &str, second: &str| {
        let inner = Arc::new(words(&[0, 1, 0], &[first, second])) as ArrayRef;
        let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([1, 0, 2]);
        let list = ListArray::new(item.clone(), offsets, inner.clone(), None);
        let fields = Fields::from(vec![item]);
        let structure = StructArray::new(fields, vec![inner], None);
        let keys = Int8Array::from(vec![2, 1, 0]);
        let of_struct = DictionaryArray::<Int8Type>::new(keys, Arc::new(structure.clone()));
        batch(vec![
            ("l", Arc::new(list)),
            ("s", Arc::new(structure)),
            ("d", Arc::new(of_struct)),
        ])
    };
    let batches = [
        nested("a", "b"),
        nested("a", "b"),
        nested("x", "b"),
        nested("b", "x"),
    ];
    let messages = sent(&batches, EncodeOptions::default());
    // Four dictionaries, sent for the first, third and fourth batch.
    assert_eq!(dictionaries(&messages), 12);
    assert_eq!(received(messages.clone()).unwrap().1, batches);
    assert_eq!(received_by_arrow_flight(messages), batches);
}

#[test]
fn columns_keep_dictionaries_of_their_own() {
    let columns = |n: i32| -> Vec<(&str, ArrayRef)> {
        vec![
            ("x", Arc::new(words(&[n, 0], &["a", "b"]))),
            ("y", Arc::new(words(&[0, n], &["p", "q"]))),
        ]
    };
    let batches = [batch(columns(0)), batch(columns(1))];
    let messages = sent(&batches, EncodeOptions::default());
    assert_eq!(dictionaries(&messages), 2);
    assert_eq!(received(messages).unwrap().1, batches);
}

#[test]
fn a_column_of_nulls_only_keeps_its_categories() {
    let values = Arc::new(StringArray::from(vec!["unused"]));
    let nulls = DictionaryArray::new(Int32Array::from(vec![None, None]), values);
    let field = Field::new(
        "w",
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        true,
    );
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(nulls)]).unwrap();
    let (_, received) =
        received(sent(std::slice::from_ref(&batch), EncodeOptions::default())).unwrap();
    assert_eq!(values_of(&received[0]).value(0), "unused");
    assert_eq!(received, [batch]);
}
