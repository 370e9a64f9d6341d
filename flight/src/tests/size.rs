//! Batches are cut by what they really take, and take no more than that.

use std::sync::Arc;

use crate::{DEFAULT_MESSAGE_BYTES, EncodeOptions, compact, encoded_size, split};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, Int32Array, Int64Array, ListArray, ListViewArray,
    RecordBatch, StringArray, StringViewArray, StructArray, UnionArray, cast::AsArray,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, UnionFields};
use proptest::prelude::*;

use super::{messages, sample};

fn of(array: ArrayRef) -> RecordBatch {
    let field = Field::new("column", array.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

/// The bytes of rows in the messages of `batch`, dictionaries included.
fn body_bytes(batch: &RecordBatch) -> usize {
    let sent = messages(
        batch.schema(),
        std::slice::from_ref(batch),
        EncodeOptions::default(),
    );
    sent.unwrap()
        .iter()
        .map(|message| message.data_body.len())
        .sum()
}

#[test]
fn the_size_of_every_type_is_what_its_body_holds() {
    for (name, array) in sample::plain() {
        let mut arrays = vec![(name.clone(), array.clone())];
        arrays.extend(
            sample::nested(&array)
                .into_iter()
                .filter(|(nesting, _)| *nesting != "dictionary")
                .map(|(nesting, outer)| (format!("{nesting} of {name}"), outer)),
        );
        for (name, array) in arrays {
            let batch = of(array);
            for part in [batch.clone(), batch.slice(7, batch.num_rows() - 9)] {
                let size = encoded_size(&part);
                let body = body_bytes(&part);
                // Every buffer is padded to 64 bytes; no sample has more than twelve.
                assert!(size <= body, "{name}: {size} counted, {body} sent");
                assert!(
                    body <= size + 12 * 64,
                    "{name}: {size} counted, {body} sent"
                );
            }
        }
    }
}

#[test]
fn a_slice_is_not_cut_for_what_it_does_not_show() {
    let numbers = of(Arc::new(Int64Array::from_iter_values(0..1_000_000)));
    assert_eq!(split(numbers.slice(10, 1000), 8000).len(), 1);
    let texts = of(Arc::new(StringArray::from_iter_values(
        (0..10_000).map(|n| format!("text {n}")),
    )));
    assert_eq!(split(texts.slice(9000, 10), 200).len(), 1);
}

#[test]
fn uniform_rows_are_cut_evenly() {
    let rows = 1_000_000;
    let numbers = of(Arc::new(Int64Array::from_iter_values(0..rows)));
    let parts = split(numbers, DEFAULT_MESSAGE_BYTES);
    assert_eq!(parts.len(), 5);
    assert!(
        parts
            .iter()
            .all(|part| encoded_size(part) <= DEFAULT_MESSAGE_BYTES)
    );
    assert!(parts.iter().all(|part| part.num_rows() == 200_000));
}

#[test]
fn one_giant_row_does_not_drag_its_neighbours_along() {
    let giant = "x".repeat(100_000);
    let texts = (0..1000).map(|row| if row == 500 { giant.as_str() } else { "small" });
    let batch = of(Arc::new(StringArray::from_iter_values(texts)));
    let parts = split(batch.clone(), 10_000);
    let sizes: Vec<usize> = parts
        .iter()
        .map(encoded_size)
        .filter(|size| *size > 10_000)
        .collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(parts.len() < 40, "{} parts", parts.len());
    let lone = parts
        .iter()
        .find(|part| encoded_size(part) > 10_000)
        .unwrap();
    assert_eq!(lone.num_rows(), 1);
}

#[test]
fn a_batch_without_rows_is_kept() {
    let empty = of(Arc::new(Int64Array::from(Vec::<i64>::new())));
    assert_eq!(split(empty.clone(), 1), [empty]);
}

#[test]
fn a_few_rows_of_a_large_view_array_send_only_their_bytes() {
    let values = (0..10_000).map(|n| format!("a value that no view can hold inline, number {n}"));
    let batch = of(Arc::new(StringViewArray::from_iter_values(values)));
    let few = batch.slice(5000, 10);
    assert!(body_bytes(&few) < 1000, "{}", body_bytes(&few));
    assert_eq!(compact(&few).unwrap(), few);
    let whole = compact(&batch).unwrap();
    let kept = whole.column(0).as_string_view().data_buffers()[0].as_ptr();
    let original = batch.column(0).as_string_view().data_buffers()[0].as_ptr();
    assert_eq!(kept, original, "a full array is not copied");
}

#[test]
fn views_inside_a_struct_inside_a_list_are_trimmed_too() {
    let values = (0..10_000).map(|n| format!("a value that no view can hold inline, number {n}"));
    let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(values));
    let fields = Fields::from(vec![Field::new("v", DataType::Utf8View, true)]);
    let inner = StructArray::new(fields.clone(), vec![views], None);
    let item = Arc::new(Field::new("item", DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths(vec![10; 1000]);
    let batch = of(Arc::new(ListArray::new(
        item,
        offsets,
        Arc::new(inner),
        None,
    )));
    let few = batch.slice(500, 1);
    assert!(body_bytes(&few) < 1500, "{}", body_bytes(&few));
    assert_eq!(compact(&few).unwrap(), few);
}

#[test]
fn scattered_list_views_send_what_they_refer_to() {
    let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..100_000));
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let offsets: ScalarBuffer<i32> = vec![99_999, 0, 50_000].into();
    let sizes: ScalarBuffer<i32> = vec![1, 2, 3].into();
    let batch = of(Arc::new(ListViewArray::new(
        item, offsets, sizes, values, None,
    )));
    assert!(body_bytes(&batch) < 300, "{}", body_bytes(&batch));
    let trimmed = compact(&batch).unwrap();
    assert_eq!(trimmed, batch);
    assert_eq!(trimmed.column(0).as_list_view::<i32>().values().len(), 6);
}

#[test]
fn a_slice_of_a_dense_union_sends_what_it_refers_to() {
    let wide = |n: i32| [n as u8; 1000];
    let blobs = FixedSizeBinaryArray::try_from_iter((0..1000).map(wide)).unwrap();
    let fields = UnionFields::try_new([0], [Field::new("b", blobs.data_type().clone(), true)]);
    let ids: ScalarBuffer<i8> = vec![0; 1000].into();
    let offsets: ScalarBuffer<i32> = (0..1000).collect();
    let union = UnionArray::try_new(fields.unwrap(), ids, Some(offsets), vec![Arc::new(blobs)]);
    let few = of(Arc::new(union.unwrap())).slice(10, 3);
    assert!(body_bytes(&few) < 3500, "{}", body_bytes(&few));
}

#[test]
fn messages_are_aligned_and_padded_to_64_bytes() {
    for (name, array) in sample::plain() {
        let batch = of(array);
        for message in messages(batch.schema(), &[batch], EncodeOptions::default()).unwrap() {
            let header = arrow_ipc::root_as_message(&message.data_header).unwrap();
            assert_eq!(
                header.bodyLength(),
                message.data_body.len() as i64,
                "{name}"
            );
            assert_eq!(message.data_body.len() % 64, 0, "{name}");
            let rows = header.header_as_record_batch();
            for buffer in rows.iter().flat_map(|rows| rows.buffers()).flatten() {
                assert_eq!(buffer.offset() % 64, 0, "{name}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_row_is_lost_or_moved_by_cutting(
        lengths in prop::collection::vec(0_usize..300, 0..200),
        start in 0_usize..50,
        max_bytes in 0_usize..2000,
    ) {
        let texts = lengths.iter().enumerate().map(|(row, length)| format!("{row}{}", "x".repeat(*length)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..lengths.len() as i32));
        let batch = RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).unwrap();
        let start = start.min(batch.num_rows());
        let batch = batch.slice(start, batch.num_rows() - start);

        let parts = split(batch.clone(), max_bytes);
        prop_assert!(parts.iter().all(|part| part.num_rows() <= 1 || encoded_size(part) <= max_bytes));
        prop_assert!(parts.len() == 1 || parts.iter().all(|part| part.num_rows() > 0));
        let joined = arrow_select::concat::concat_batches(&batch.schema(), &parts).unwrap();
        prop_assert_eq!(joined, batch);
    }
}

#[test]
fn shared_bytes_of_views_count_once() {
    let value = "one long value that every view of the array shares";
    let mut builder = arrow_array::builder::StringViewBuilder::new().with_deduplicate_strings();
    (0..1000).for_each(|_| builder.append_value(value));
    let batch = of(Arc::new(builder.finish()));
    assert_eq!(encoded_size(&batch), 1000 * 16 + value.len());
}
