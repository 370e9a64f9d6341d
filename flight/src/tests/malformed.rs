//! What a dishonest or broken peer may send is an error, never a panic and never wrong rows.

use std::sync::Arc;

use crate::{EncodeOptions, Error, decode, read_schema_message, schema_message};
use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, LargeListViewArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::ScalarBuffer;
use arrow_flight::FlightData;
use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use proptest::prelude::*;

use super::{messages, received, sample};

fn honest() -> Vec<FlightData> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
    messages(batch.schema(), &[batch], EncodeOptions::default()).unwrap()
}

fn refused(messages: Vec<FlightData>) -> String {
    let error = received(messages).unwrap_err();
    assert!(error.is_peers_fault(), "{error}");
    error.to_string()
}

#[test]
fn a_stream_without_a_schema_is_refused() {
    assert!(refused(vec![]).contains("ended before its schema"));
    assert!(refused(honest()[1..].to_vec()).contains("must be a schema"));
}

#[test]
fn a_second_schema_is_refused() {
    let mut messages = honest();
    messages.push(messages[0].clone());
    assert!(refused(messages).contains("second schema"));
}

#[test]
fn metadata_without_data_is_skipped() {
    let mut messages = honest();
    let note = FlightData::new().with_app_metadata("note");
    messages.insert(0, note.clone());
    messages.insert(2, note.clone());
    messages.push(note);
    let (_, batches) = received(messages).unwrap();
    assert_eq!(batches.len(), 1);
}

#[test]
fn a_truncated_body_is_refused() {
    let mut messages = honest();
    messages[1].data_body = messages[1].data_body.slice(..64);
    assert!(refused(messages).contains("more than the 64 bytes it holds"));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut messages = honest();
    let mut body = messages[1].data_body.to_vec();
    let texts = body.windows(3).position(|window| window == b"abc").unwrap();
    body[texts] = 0xff;
    messages[1].data_body = body.into();
    let message = refused(messages);
    assert!(message.to_lowercase().contains("utf8"), "{message}");
}

/// The messages of one column of list views within a struct.
fn list_views(items: Vec<Option<i32>>, nullable: bool) -> Vec<FlightData> {
    let sizes = ScalarBuffer::from(vec![1_i64; items.len()]);
    let offsets = (0_i64..).take(items.len()).collect();
    let field = Arc::new(Field::new("item", DataType::Int32, nullable));
    let items: ArrayRef = Arc::new(Int32Array::from(items));
    let lists = LargeListViewArray::try_new(field, offsets, sizes, items, None).unwrap();
    let fields = Field::new("outer", lists.data_type().clone(), true);
    let outer: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(fields),
        Arc::new(lists) as ArrayRef,
    )]));
    let batch = RecordBatch::try_from_iter([("outer", outer)]).unwrap();
    messages(batch.schema(), &[batch], EncodeOptions::default()).unwrap()
}

#[test]
fn nulls_in_list_views_that_have_none_are_refused() {
    received(list_views(vec![Some(1), Some(2)], false)).unwrap();
    let mut messages = list_views(vec![Some(1), None], true);
    received(messages.clone()).unwrap();
    messages[0] = list_views(vec![Some(1), Some(2)], false).swap_remove(0);
    let message = refused(messages);
    assert!(message.contains("hold nulls"), "{message}");
}

#[test]
fn nothing_follows_an_error() {
    let mut messages = honest();
    messages.insert(1, FlightData::new().with_data_header("not a flatbuffer"));
    let items: Vec<Result<RecordBatch, Error>> =
        block_on(decode(stream::iter(messages).map(Ok)).collect());
    assert_eq!(items.len(), 1);
    assert!(items[0].is_err());
}

/// What a number in a header may be changed to.
const LIES: [i64; 7] = [0, 1, -1, 7, 1000, 1 << 31, i64::MAX];

/// Every type, plain and one level deep, as the messages of a stream each.
fn samples() -> Vec<(String, Vec<FlightData>)> {
    let plain = sample::plain();
    let nested = plain.iter().flat_map(|(name, array)| {
        let nested = sample::nested(array).into_iter();
        nested.map(move |(kind, array)| (format!("{kind} of {name}"), array))
    });
    let every = plain.iter().cloned().chain(nested.step_by(7));
    every
        .map(|(name, array)| {
            let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
            let sent = messages(batch.schema(), &[batch], EncodeOptions::default());
            (name, sent.unwrap())
        })
        .collect()
}

/// Whatever a message says, that it is refused is no accident: nothing panicked and was caught.
fn foreseen(name: &str, messages: Vec<FlightData>) {
    if let Err(error) = received(messages) {
        let error = error.to_string();
        assert!(!error.contains("contradict each other"), "{name}: {error}");
    }
}

#[test]
fn no_change_of_a_type_in_a_schema_is_a_surprise() {
    for (name, messages) in samples() {
        let header = &messages[0].data_header;
        for at in 0..header.len() {
            for lie in [0, 1, 3, 64, 0x7f, 0xff] {
                let mut lying = header.to_vec();
                lying[at] = lie;
                let mut messages = messages.clone();
                messages[0].data_header = lying.into();
                foreseen(&format!("{name}, byte {at} is {lie}"), messages);
            }
        }
    }
}

#[test]
fn no_length_in_a_batch_is_a_surprise() {
    for (name, messages) in samples() {
        for number in 1..messages.len() {
            let header = &messages[number].data_header;
            for at in (0..header.len().saturating_sub(7)).step_by(4) {
                for lie in LIES {
                    let mut lying = header.to_vec();
                    lying[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                    let mut messages = messages.clone();
                    messages[number].data_header = lying.into();
                    foreseen(
                        &format!("{name}, {lie} at {at} of message {number}"),
                        messages,
                    );
                }
            }
        }
    }
}

/// The message of a schema with one column of nothing, from a machine that begins numbers with their largest byte.
fn from_the_other_end() -> Bytes {
    let mut builder = IpcSchemaEncoder::new().schema_to_fb(&arrow_schema::Schema::empty());
    builder.reset();
    let nothing = arrow_ipc::NullBuilder::new(&mut builder).finish();
    let mut column = arrow_ipc::FieldBuilder::new(&mut builder);
    column.add_type_type(arrow_ipc::Type::Null);
    column.add_type_(nothing.as_union_value());
    let column = column.finish();
    let columns = builder.create_vector(&[column]);
    let mut schema = arrow_ipc::SchemaBuilder::new(&mut builder);
    schema.add_endianness(arrow_ipc::Endianness::Big);
    schema.add_fields(columns);
    let schema = schema.finish();
    let mut message = arrow_ipc::MessageBuilder::new(&mut builder);
    message.add_version(arrow_ipc::MetadataVersion::V5);
    message.add_header_type(arrow_ipc::MessageHeader::Schema);
    message.add_header(schema.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    Bytes::copy_from_slice(builder.finished_data())
}

#[test]
fn numbers_from_the_other_end_are_refused() {
    let mut messages = honest();
    messages[0].data_header = from_the_other_end();
    let message = refused(messages);
    assert!(message.contains("largest byte"), "{message}");
}

proptest! {
    #[test]
    fn altered_bytes_never_panic(message in 0_usize..2, position in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<bool>()) {
        let mut messages = honest();
        let altered = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            let at = position.index(bytes.len());
            bytes[at] = value;
            if cut {
                bytes.truncate(at);
            }
            Bytes::from(bytes)
        };
        messages[message].data_header = altered(&messages[message].data_header);
        let _either = received(messages);
        let schema = arrow_schema::Schema::empty();
        let _either = read_schema_message(&altered(&schema_message(&schema).unwrap()));
    }
}
