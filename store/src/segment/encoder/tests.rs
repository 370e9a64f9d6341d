//! Limits, cuts and refusals of the encoder.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type};
use arrow_array::{
    BinaryArray, Decimal128Array, DictionaryArray, Float64Array, Int8Array, Int64Array,
    StringArray, StringViewArray, StructArray,
};
use arrow_schema::DataType;

use super::super::samples::{Dice, encode, everything, read_part};
use super::*;
use crate::error::ErrorKind;

fn integers(values: std::ops::Range<i64>) -> RecordBatch {
    let array = Arc::new(Int64Array::from_iter_values(values)) as ArrayRef;
    RecordBatch::try_from_iter([("n", array)]).unwrap()
}

fn category(values: &[String]) -> RecordBatch {
    let keys = Int8Array::from_iter_values((0..values.len()).map(|key| key as i8));
    let array = DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(values)));
    RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap()
}

fn rows(segments: &[EncodedSegment]) -> Vec<u64> {
    segments.iter().map(|segment| segment.rows).collect()
}

#[test]
fn segments_are_cut_at_the_row_limit() {
    let limits = Limits {
        max_rows: 1_000,
        ..Limits::default()
    };
    let batch = integers(0..2_600);
    let batches = [batch.slice(0, 700), batch.slice(700, 1_900)];
    let segments = encode(&batch.schema(), &batches, limits);
    assert_eq!(rows(&segments), [1_000, 1_000, 600]);
    let schema = batch.schema();
    let back: Vec<RecordBatch> = segments
        .iter()
        .flat_map(|segment| read_part(&segment.bytes, &schema, everything(10_000)))
        .collect();
    assert_eq!(
        arrow_select::concat::concat_batches(&schema, &back).unwrap(),
        batch
    );
}

#[test]
fn a_full_segment_comes_with_the_row_that_fills_it() {
    let limits = Limits {
        max_rows: 10,
        ..Limits::default()
    };
    let batch = integers(0..10);
    let mut encoder = SegmentEncoder::new(batch.schema(), limits, Packing::default()).unwrap();
    assert_eq!(rows(&encoder.push(&batch).unwrap()), [10]);
    assert!(encoder.finish().unwrap().is_none());
}

#[test]
fn no_segment_outgrows_its_bytes() {
    let mut dice = Dice::new(1);
    let rows = 60_000;
    let noise: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..rows).map(|_| dice.roll() as i64),
    ));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values(
        (0..rows).map(|_| f64::from_bits(dice.roll())),
    ));
    let blobs: Vec<Vec<u8>> = (0..rows)
        .map(|row| {
            // Most are small; a few, close together, are not.
            let len = if row % 10_000 < 50 {
                5_000
            } else {
                dice.below(20)
            };
            (0..len).map(|_| dice.roll() as u8).collect()
        })
        .collect();
    let blobs: ArrayRef = Arc::new(BinaryArray::from_iter_values(blobs));
    let text = (0..rows).map(|_| format!("{:x}{:x}{:x}", dice.roll(), dice.roll(), dice.roll()));
    let text: ArrayRef = Arc::new(StringViewArray::from_iter_values(text));
    let pair =
        StructArray::try_from(vec![("a", Arc::clone(&noise)), ("b", Arc::clone(&blobs))]).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("noise", noise),
        ("floats", floats),
        ("blobs", blobs),
        ("text", text),
        ("pair", Arc::new(pair) as ArrayRef),
    ])
    .unwrap();
    let max_bytes = 512 << 10;
    let limits = Limits {
        max_bytes,
        ..Limits::default()
    };
    let segments = encode(
        &batch.schema(),
        &[batch.slice(0, 11), batch.slice(11, rows - 11)],
        limits,
    );
    assert_eq!(
        segments.iter().map(|segment| segment.rows).sum::<u64>(),
        rows as u64
    );
    let (last, full) = segments.split_last().unwrap();
    assert!(last.bytes.len() <= max_bytes);
    for segment in full {
        let bytes = segment.bytes.len();
        assert!(bytes <= max_bytes, "{bytes}");
        assert!(bytes > max_bytes / 2, "{bytes}: cut too early");
    }
}

#[test]
fn only_a_single_row_may_be_larger_than_a_segment() {
    let blob = vec![7_u8; 3_000_000];
    let mut dice = Dice::new(2);
    let noise: Vec<u8> = (0..2_000_000).map(|_| dice.roll() as u8).collect();
    let array = BinaryArray::from(vec![b"small".as_slice(), &noise, b"small", &blob, &noise]);
    let batch = RecordBatch::try_from_iter([("b", Arc::new(array) as ArrayRef)]).unwrap();
    let limits = Limits {
        max_bytes: 1 << 20,
        ..Limits::default()
    };
    let segments = encode(&batch.schema(), std::slice::from_ref(&batch), limits);
    for segment in &segments {
        assert!(segment.rows == 1 || segment.bytes.len() <= 1 << 20);
    }
    assert_eq!(rows(&segments).iter().sum::<u64>(), 5);
}

#[test]
fn a_segment_ends_where_small_keys_could_not_tell_all_values_apart() {
    let names = |from: usize, to: usize| -> Vec<String> {
        (from..to).map(|name| format!("name {name}")).collect()
    };
    let batches = [
        category(&names(0, 100)),
        category(&names(50, 128)),
        category(&names(100, 200)),
        category(&names(200, 300)),
    ];
    let schema = batches[0].schema();
    let segments = encode(&schema, &batches, Limits::default());
    assert_eq!(rows(&segments), [178, 100, 100]);
    let back = read_part(&segments[0].bytes, &schema, everything(1_000));
    let column = back[0].column(0).as_any_dictionary();
    assert_eq!(column.values().len(), 128);
    let plain = arrow_cast::cast(back[0].column(0), &DataType::Utf8).unwrap();
    let expected: Vec<String> = names(0, 100).into_iter().chain(names(50, 128)).collect();
    assert_eq!(&plain, &(Arc::new(StringArray::from(expected)) as ArrayRef));
}

#[test]
fn dictionaries_that_outgrow_their_rows_end_a_segment() {
    let large = |batch: usize| -> RecordBatch {
        let values = (0..100).map(|value| format!("{batch} {value} {}", "x".repeat(1_000)));
        let values = StringArray::from_iter_values(values);
        let array = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0]), Arc::new(values));
        RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap()
    };
    // Keys of 64 bits: only their size can make the segment end.
    let key = DataType::Dictionary(Box::new(DataType::Int64), Box::new(DataType::Utf8));
    let batches: Vec<RecordBatch> = (0..20)
        .map(|batch| {
            let array = arrow_cast::cast(large(batch).column(0), &key).unwrap();
            RecordBatch::try_from_iter([("c", array)]).unwrap()
        })
        .collect();
    let limits = Limits {
        max_bytes: 1 << 20,
        ..Limits::default()
    };
    let segments = encode(&batches[0].schema(), &batches, limits);
    assert!(segments.len() > 1);
    assert!(
        segments
            .iter()
            .all(|segment| segment.bytes.len() <= 1 << 20)
    );
}

#[test]
fn equal_rows_make_equal_segments_with_the_hash_of_their_bytes() {
    let batch = integers(0..5_000);
    let once = encode(
        &batch.schema(),
        std::slice::from_ref(&batch),
        Limits::default(),
    );
    let again = encode(
        &batch.schema(),
        std::slice::from_ref(&batch),
        Limits::default(),
    );
    assert_eq!(once[0].bytes, again[0].bytes);
    assert_eq!(once[0].hash, blake3::hash(&once[0].bytes).to_hex().as_str());
}

#[test]
fn an_encoder_goes_on_after_it_was_finished() {
    let batch = integers(0..100);
    let mut encoder =
        SegmentEncoder::new(batch.schema(), Limits::default(), Packing::default()).unwrap();
    assert_eq!(encoder.buffered_bytes(), 0);
    assert!(encoder.push(&batch).unwrap().is_empty());
    assert!(encoder.buffered_bytes() > 0);
    assert_eq!(encoder.finish().unwrap().unwrap().rows, 100);
    assert_eq!(encoder.buffered_bytes(), 0);
    assert!(encoder.finish().unwrap().is_none());
    encoder.push(&batch.slice(0, 7)).unwrap();
    assert_eq!(encoder.finish().unwrap().unwrap().rows, 7);
}

#[test]
fn slices_of_a_long_list_cost_what_their_rows_cost() {
    let mut lists =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::Int64Builder::new());
    for row in 0..50_000 {
        lists.values().append_slice(&[row; 4]);
        lists.append(true);
    }
    let batch = RecordBatch::try_from_iter([("l", Arc::new(lists.finish()) as ArrayRef)]).unwrap();
    let slice = batch.slice(49_000, 10);
    let segments = encode(
        &batch.schema(),
        std::slice::from_ref(&slice),
        Limits::default(),
    );
    assert!(segments[0].bytes.len() < 10_000);
    let back = read_part(&segments[0].bytes, &batch.schema(), everything(100));
    assert_eq!(back, [slice]);
}

#[test]
fn decimals_with_more_digits_than_their_type_are_refused() {
    for digits in [5, 12, 30] {
        let array = Decimal128Array::from(vec![10_i128.pow(u32::from(digits))])
            .with_precision_and_scale(digits, 2)
            .unwrap();
        let batch = RecordBatch::try_from_iter([("d", Arc::new(array) as ArrayRef)]).unwrap();
        let mut encoder =
            SegmentEncoder::new(batch.schema(), Limits::default(), Packing::default()).unwrap();
        let error = encoder.push(&batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains("column d"), "{error}");
    }
}

#[test]
fn a_null_hidden_in_the_dictionary_of_a_column_without_nulls_is_refused() {
    let values = StringArray::from(vec![Some("a"), None]);
    let array = DictionaryArray::new(Int8Array::from(vec![0, 1]), Arc::new(values));
    let field = Field::new("c", array.data_type().clone(), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap();
    let mut encoder = SegmentEncoder::new(schema, Limits::default(), Packing::default()).unwrap();
    let error = encoder.push(&batch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.to_string().contains("null"), "{error}");
}

#[test]
fn rows_of_another_schema_are_refused() {
    let mut encoder = SegmentEncoder::new(
        integers(0..1).schema(),
        Limits::default(),
        Packing::default(),
    )
    .unwrap();
    let error = encoder.push(&category(&["a".to_owned()])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

/// Rows of many columns of three types.
fn wide(columns: usize, rows: std::ops::Range<i64>) -> RecordBatch {
    let columns = (0..columns).map(|at| {
        let values = rows.clone().map(|row| row * 1_000 + at as i64);
        let array: ArrayRef = match at % 3 {
            0 => Arc::new(Int64Array::from_iter_values(values)),
            1 => Arc::new(Float64Array::from_iter_values(
                values.map(|value| value as f64),
            )),
            _ => Arc::new(StringArray::from_iter_values(
                values.map(|value| value.to_string()),
            )),
        };
        (format!("c{at}"), array)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

fn open_writers(encoder: &SegmentEncoder) -> usize {
    let open = encoder.open.as_ref().unwrap();
    open.columns.iter().map(OpenColumn::writers).sum()
}

#[test]
fn few_rows_of_many_columns_wait_without_writers() {
    let batch = wide(2_000, 0..1);
    let mut encoder =
        SegmentEncoder::new(batch.schema(), Limits::default(), Packing::default()).unwrap();
    encoder.push(&batch).unwrap();
    assert_eq!(open_writers(&encoder), 0);
    assert!(encoder.buffered_bytes() < 2 << 20);
    let segment = encoder.finish().unwrap().unwrap();
    assert_eq!(
        read_part(&segment.bytes, &batch.schema(), everything(10)),
        [batch]
    );
}

#[test]
fn rows_that_come_one_by_one_stay_in_order_and_in_few_pieces() {
    let batch = wide(6, 0..2_000);
    let mut encoder =
        SegmentEncoder::new(batch.schema(), Limits::default(), Packing::default()).unwrap();
    for row in 0..batch.num_rows() {
        encoder.push(&batch.slice(row, 1)).unwrap();
    }
    assert_eq!(open_writers(&encoder), 0);
    assert!(encoder.buffered_bytes() < 400 << 10);
    let segment = encoder.finish().unwrap().unwrap();
    let at_once = encode(
        &batch.schema(),
        std::slice::from_ref(&batch),
        Limits::default(),
    );
    assert!(segment.bytes.len() <= at_once[0].bytes.len() + 1_000);
    assert_eq!(
        read_part(&segment.bytes, &batch.schema(), everything(10_000)),
        [batch]
    );
}

#[test]
fn writers_open_when_rows_are_worth_them_and_are_counted() {
    let batch = wide(3, 0..200_000);
    let mut encoder =
        SegmentEncoder::new(batch.schema(), Limits::default(), Packing::default()).unwrap();
    encoder.push(&batch.slice(0, 1_000)).unwrap();
    assert_eq!(open_writers(&encoder), 0);
    encoder.push(&batch.slice(1_000, 199_000)).unwrap();
    assert_eq!(open_writers(&encoder), 3);
    // An integer and a string: each has a delta encoder.
    assert!(encoder.buffered_bytes() > 2 << 20);
    let segment = encoder.finish().unwrap().unwrap();
    assert_eq!(
        arrow_select::concat::concat_batches(
            &batch.schema(),
            &read_part(&segment.bytes, &batch.schema(), everything(200_000))
        )
        .unwrap(),
        batch
    );
}

#[test]
fn held_rows_do_not_keep_the_batch_that_they_came_with() {
    let batch = integers(0..1_010);
    let limits = Limits {
        max_rows: 1_000,
        ..Limits::default()
    };
    let values = batch.column(0).to_data().buffers()[0].clone();
    let mut encoder = SegmentEncoder::new(batch.schema(), limits, Packing::default()).unwrap();
    assert_eq!(rows(&encoder.push(&batch).unwrap()), [1_000]);
    drop(batch);
    assert_eq!(values.strong_count(), 1);
    assert_eq!(encoder.finish().unwrap().unwrap().rows, 10);
}

#[test]
fn dictionaries_as_large_as_their_keys_allow_are_held_and_written() {
    let names: Vec<String> = (0..128).map(|name| format!("name {name}")).collect();
    let batches: Vec<RecordBatch> = (0..40)
        .map(|at| {
            let column = Arc::clone(category(&names).slice(at, 2).column(0));
            let item = Arc::new(Field::new_list_field(column.data_type().clone(), true));
            let offsets = arrow_buffer::OffsetBuffer::from_lengths([1, 1]);
            let list =
                arrow_array::ListArray::try_new(item, offsets, Arc::clone(&column), None).unwrap();
            RecordBatch::try_from_iter([("c", column), ("l", Arc::new(list) as ArrayRef)]).unwrap()
        })
        .collect();
    let mut encoder =
        SegmentEncoder::new(batches[0].schema(), Limits::default(), Packing::default()).unwrap();
    let (first, rest) = batches.split_at(20);
    for batch in first {
        assert!(encoder.push(batch).unwrap().is_empty());
    }
    assert_eq!(open_writers(&encoder), 0);
    for batch in rest {
        assert!(encoder.push(batch).unwrap().is_empty());
    }
    assert_eq!(open_writers(&encoder), 2);
    let segment = encoder.finish().unwrap().unwrap();
    let back = read_part(&segment.bytes, &batches[0].schema(), everything(100));
    let found = arrow_cast::cast(back[0].column(0), &DataType::Utf8).unwrap();
    let expected = (0..40).flat_map(|at| [names[at].clone(), names[at + 1].clone()]);
    let expected = StringArray::from_iter_values(expected);
    assert_eq!(found.as_string::<i32>(), &expected);
    let items = back[0].column(1).as_list::<i32>().values();
    let items = arrow_cast::cast(items, &DataType::Utf8).unwrap();
    assert_eq!(items.as_string::<i32>(), &expected);
}

#[test]
fn rounded_floats_are_smaller_where_bytes_are_dear_and_the_same_everywhere() {
    let rounded = (0..50_000).map(|n| f64::from(n * 7_919 % 1_000) / 100.0);
    let odd = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
    let values = Float64Array::from_iter_values(rounded.chain(odd));
    let batch = RecordBatch::try_from_iter([("x", Arc::new(values) as ArrayRef)]).unwrap();
    let [fast, small] = [Packing::Fast, Packing::Small].map(|packing| {
        let mut encoder = SegmentEncoder::new(batch.schema(), Limits::default(), packing).unwrap();
        encoder.push(&batch).unwrap();
        let segment = encoder.finish().unwrap().unwrap();
        let back = read_part(&segment.bytes, &batch.schema(), everything(100_000));
        let bits = |batch: &RecordBatch| -> Vec<u64> {
            let values = batch.column(0).as_primitive::<Float64Type>().values();
            values.iter().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(&back[0]), bits(&batch), "{packing:?}");
        segment.bytes.len()
    });
    assert!(3 * small < 2 * fast, "{small} and {fast} bytes");
}
