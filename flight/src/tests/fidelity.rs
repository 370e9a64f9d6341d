//! Every type, through every nesting and slicing, comes out as it went in.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{EncodeOptions, Error, decode, encode, read_schema_message, schema_message};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeListArray, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, StructArray,
};
use arrow_buffer::NullBuffer;
use arrow_flight::{FlightDescriptor, FlightInfo};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt, stream};

use super::{messages, received, received_by_arrow_flight, sample};

fn of(array: &ArrayRef) -> RecordBatch {
    let field = Field::new("column", array.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array.clone()]).unwrap()
}

/// Sends the whole of `array`, slices of it and none of it, in large and in tiny messages.
fn assert_survives(name: &str, array: &ArrayRef) {
    let whole = of(array);
    let rows = whole.num_rows();
    for (start, length) in [(0, rows), (7, rows - 9), (rows - 1, 1), (5, 0), (0, 0)] {
        let sent = whole.slice(start, length);
        for message_bytes in [1 << 20, 100] {
            let options = EncodeOptions::default().with_message_bytes(message_bytes);
            let messages = messages(sent.schema(), std::slice::from_ref(&sent), options)
                .unwrap_or_else(|error| panic!("{name} {start}+{length}: {error}"));
            let (schema, parts) = received(messages.clone())
                .unwrap_or_else(|error| panic!("{name} {start}+{length}: {error}"));
            assert_eq!(schema, sent.schema(), "{name}");
            assert_same_rows(&format!("{name} {start}+{length}"), &parts, &sent);
            let parts = received_by_arrow_flight(messages);
            assert_same_rows(&format!("arrow-flight: {name}"), &parts, &sent);
        }
    }
}

fn assert_same_rows(name: &str, parts: &[RecordBatch], sent: &RecordBatch) {
    let mut start = 0;
    for part in parts {
        assert_eq!(
            part,
            &sent.slice(start, part.num_rows()),
            "{name}, rows from {start}"
        );
        start += part.num_rows();
    }
    assert_eq!(start, sent.num_rows(), "{name}");
    assert!(
        !parts.is_empty(),
        "{name}: a batch without rows was dropped"
    );
}

#[test]
fn every_type_survives() {
    let all = sample::plain();
    assert!(all.len() > 40);
    for (name, array) in all {
        assert_survives(&name, &array);
    }
}

#[test]
fn every_nesting_of_every_type_survives() {
    for (name, array) in sample::plain() {
        for (nesting, outer) in sample::nested(&array) {
            assert_survives(&format!("{nesting} of {name}"), &outer);
        }
    }
}

#[test]
fn nestings_of_nestings_survive() {
    let chosen = ["Utf8", "Utf8View", "Int64", "Boolean"];
    for (name, array) in sample::plain() {
        if !chosen.contains(&name.as_str()) {
            continue;
        }
        for (inner_name, inner) in sample::nested(&array) {
            if inner.len() < sample::ROWS {
                continue;
            }
            let inner = inner.slice(0, sample::ROWS);
            for (outer_name, outer) in sample::nested(&inner) {
                assert_survives(&format!("{outer_name} of {inner_name} of {name}"), &outer);
            }
        }
    }
}

#[test]
fn degenerate_types_survive() {
    let nulls: NullBuffer = (0..5).map(|row| row != 3).collect();
    let empty_struct: ArrayRef = Arc::new(StructArray::new_empty_fields(20, None));
    assert_survives("struct without fields", &empty_struct);
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let no_items: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
    let nulls = NullBuffer::from_iter(nulls.iter().cycle().take(20));
    let empty_lists = FixedSizeListArray::new(item, 0, no_items, Some(nulls));
    assert_survives("lists of size zero", &(Arc::new(empty_lists) as ArrayRef));
}

fn rich_schema() -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let ordered = Field::new("inner", dictionary.clone(), false).with_dict_is_ordered(true);
    let tagged = |key: &str| HashMap::from([(key.to_string(), "välue".to_string())]);
    let fields = vec![
        Field::new("first", dictionary.clone(), false),
        Field::new("grade", dictionary, true)
            .with_dict_is_ordered(true)
            .with_metadata(tagged("ARROW:extension:name")),
        Field::new(
            "nested",
            DataType::Struct(Fields::from(vec![
                ordered.with_metadata(tagged("of the inner field")),
                Field::new("n", DataType::Int64, false),
            ])),
            false,
        ),
    ];
    Arc::new(Schema::new_with_metadata(fields, tagged("pandas")))
}

/// Field equality ignores the ordered flag and the dictionary ids; their text does not.
fn assert_identical(received: &Schema, sent: &Schema) {
    assert_eq!(received, sent);
    assert_eq!(format!("{received:?}"), format!("{sent:?}"));
}

#[test]
fn a_schema_keeps_metadata_nullability_and_ordered_flags_with_no_batch_at_all() {
    let schema = rich_schema();
    let sent = messages(schema.clone(), &[], EncodeOptions::default()).unwrap();
    assert_eq!(sent.len(), 1);
    let (received, batches) = received(sent).unwrap();
    assert_identical(&received, &schema);
    assert!(batches.is_empty());
}

#[test]
fn batches_carry_the_schema_of_their_stream_and_no_dictionary_ids() {
    let schema = rich_schema();
    let words = || -> ArrayRef {
        let array: DictionaryArray<Int32Type> = ["b", "a", "b"].into_iter().collect();
        Arc::new(array)
    };
    let DataType::Struct(fields) = schema.field(2).data_type() else {
        panic!("not a struct")
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let nested = StructArray::new(fields.clone(), vec![words(), numbers], None);
    let columns = vec![words(), words(), Arc::new(nested) as ArrayRef];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();

    let sent = messages(
        schema.clone(),
        std::slice::from_ref(&batch),
        EncodeOptions::default(),
    );
    let (_, batches) = received(sent.unwrap()).unwrap();
    assert_eq!(batches, [batch]);
    assert_identical(&batches[0].schema(), &schema);
}

#[test]
fn rows_without_columns_survive() {
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(17));
    let batch = RecordBatch::try_new_with_options(schema.clone(), vec![], &options).unwrap();
    let sent = messages(
        schema,
        std::slice::from_ref(&batch),
        EncodeOptions::default(),
    )
    .unwrap();
    let (_, batches) = received(sent).unwrap();
    assert_eq!(batches[0].num_rows(), 17);
    assert_eq!(batches, [batch]);
}

#[test]
fn the_schema_of_the_stream_wins_over_that_of_a_batch() {
    let plain = of(&(Arc::new(StringArray::from(vec!["x"])) as ArrayRef));
    let field = Field::new("renamed", DataType::Utf8, false);
    let field = field.with_metadata(HashMap::from([("k".to_string(), "v".to_string())]));
    let schema = Arc::new(Schema::new(vec![field]));
    let sent = messages(schema.clone(), &[plain], EncodeOptions::default()).unwrap();
    let (_, batches) = received(sent).unwrap();
    assert_eq!(batches[0].schema(), schema);
}

#[test]
fn a_batch_with_other_columns_is_refused_and_ends_the_stream() {
    let numbers = of(&(Arc::new(Int64Array::from(vec![1])) as ArrayRef));
    let texts = of(&(Arc::new(StringArray::from(vec!["x"])) as ArrayRef));
    let source = stream::iter([numbers.clone(), texts, numbers.clone()]).map(Ok::<_, Error>);
    let encoded = encode(numbers.schema(), source, EncodeOptions::default());
    let sent: Vec<_> = block_on(encoded.collect());
    assert_eq!(sent.len(), 3);
    assert!(matches!(sent[2], Err(Error::Batch(_))), "{:?}", sent[2]);
}

#[test]
fn a_null_where_the_stream_promises_none_is_refused() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let strict = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let refused = messages(strict, &[of(&array)], EncodeOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::Batch(_)), "{refused}");
}

#[test]
fn a_dictionary_of_a_dictionary_is_refused_by_name_before_anything_is_sent() {
    let inner = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let outer = DataType::Dictionary(Box::new(DataType::Int8), Box::new(inner));
    let item = Field::new("item", outer, true);
    let schema = Schema::new(vec![Field::new("c", DataType::List(Arc::new(item)), true)]);
    let refused = messages(Arc::new(schema), &[], EncodeOptions::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "column \"c.item\" cannot be sent over Arrow Flight: a dictionary's values cannot be a \
         dictionary; cast it first"
    );
}

#[test]
fn descriptor_and_metadata_ride_on_the_first_message_only() {
    let batch = of(&(Arc::new(Int64Array::from(vec![1])) as ArrayRef));
    let descriptor = FlightDescriptor::new_cmd("{}");
    let options = EncodeOptions::default()
        .with_descriptor(descriptor.clone())
        .with_app_metadata(Bytes::from_static(b"hello"));
    let sent = messages(batch.schema(), &[batch], options).unwrap();
    assert_eq!(sent[0].flight_descriptor.as_ref(), Some(&descriptor));
    assert_eq!(&sent[0].app_metadata[..], b"hello");
    assert_eq!(sent[1].flight_descriptor, None);
    assert!(sent[1].app_metadata.is_empty());

    let mut decoder = decode(stream::iter(sent).map(Ok::<_, Error>));
    assert_eq!(decoder.descriptor(), None);
    block_on(decoder.read_schema()).unwrap();
    assert_eq!(decoder.descriptor(), Some(&descriptor));
}

#[test]
fn an_error_of_the_source_passes_through_and_ends_the_stream() {
    let batch = of(&(Arc::new(Int64Array::from(vec![1])) as ArrayRef));
    let source = stream::iter([
        Ok(batch.clone()),
        Err(Error::Protocol("the source is dry")),
        Ok(batch.clone()),
    ]);
    let encoded = encode(batch.schema(), source, EncodeOptions::default());
    let sent: Vec<_> = block_on(encoded.collect());
    assert_eq!(sent.len(), 3);
    assert!(matches!(sent[2], Err(Error::Protocol("the source is dry"))));
}

#[test]
fn a_schema_message_is_what_flight_info_carries() {
    let schema = rich_schema();
    let message = schema_message(&schema).unwrap();
    assert_identical(&read_schema_message(&message).unwrap(), &schema);

    let info = FlightInfo::new().try_with_schema(&schema).unwrap();
    assert_eq!(info.schema, message);
    assert_identical(&read_schema_message(&info.schema).unwrap(), &schema);
}

#[test]
fn bodies_at_every_alignment_are_read() {
    for (name, array) in sample::plain() {
        for (nesting, outer) in [("plain", array.clone())]
            .into_iter()
            .chain(sample::nested(&array))
            .filter(|(nesting, _)| {
                ["plain", "dense union", "list view", "dictionary"].contains(nesting)
            })
        {
            let batch = of(&outer);
            let sent = messages(
                batch.schema(),
                std::slice::from_ref(&batch),
                EncodeOptions::default(),
            )
            .unwrap();
            for shift in [1, 4, 8] {
                let shifted = sent.iter().cloned().map(|mut message| {
                    let mut bytes = vec![0; shift];
                    bytes.extend_from_slice(&message.data_body);
                    message.data_body = Bytes::from(bytes).slice(shift..);
                    message
                });
                let (_, batches) = received(shifted.collect()).unwrap();
                assert_eq!(
                    batches,
                    std::slice::from_ref(&batch),
                    "{nesting} {name} shifted by {shift}"
                );
            }
        }
    }
}

#[test]
fn an_aligned_body_is_not_copied() {
    let batch = of(&(Arc::new(Int64Array::from_iter_values(0..1000)) as ArrayRef));
    let sent = messages(
        batch.schema(),
        std::slice::from_ref(&batch),
        EncodeOptions::default(),
    )
    .unwrap();
    let body = sent[1].data_body.clone();
    assert!((body.as_ptr() as usize).is_multiple_of(8));
    let decoder = decode(stream::iter(sent).map(Ok::<_, Error>));
    let batches: Vec<RecordBatch> = block_on(decoder.try_collect()).unwrap();
    let values = batches[0].column(0).to_data().buffers()[0].as_ptr();
    assert!(body.as_ptr_range().contains(&values));
}
