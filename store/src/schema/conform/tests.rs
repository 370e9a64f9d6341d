//! Every conversion an append may need, and every refusal.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Int8Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StructArray, new_null_array};
use arrow_array::{
    BinaryArray, BinaryViewArray, Date32Array, Date64Array, Decimal32Array, Decimal128Array,
    Decimal256Array, DictionaryArray, DurationNanosecondArray, DurationSecondArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, LargeBinaryArray, LargeStringArray, ListArray, NullArray, StringArray,
    StringViewArray, Time32MillisecondArray, Time32SecondArray, Time64NanosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use arrow_schema::{Fields, TimeUnit};

use super::fit::cast;
use super::*;
use crate::error::ErrorKind;

fn batch(name: &str, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([(name, array, true)]).unwrap()
}

fn frame_of(data_type: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("c", data_type, true)]))
}

/// `array` appended to a frame whose only column is of `data_type`.
fn append(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let batch = batch("c", array);
    let conform = Conform::plan("f", &batch.schema(), &frame_of(data_type.clone()))?;
    let fitted = conform.apply(&batch, 0)?;
    assert_eq!(fitted.schema(), conform.frame_schema());
    assert_eq!(fitted.schema().field(0).data_type(), data_type);
    Ok(Arc::clone(fitted.column(0)))
}

fn becomes<A: Array + 'static, B: Array + 'static>(from: A, to: B) {
    let (from, to): (ArrayRef, ArrayRef) = (Arc::new(from), Arc::new(to));
    let fitted = append(Arc::clone(&from), to.data_type())
        .unwrap_or_else(|error| panic!("{} to {}: {error}", from.data_type(), to.data_type()));
    assert_eq!(&fitted, &to);
    // Nulls and slices make no difference.
    let nulls = append(new_null_array(from.data_type(), 3), to.data_type()).unwrap();
    assert_eq!(nulls.logical_null_count(), 3);
    let slice = append(from.slice(1, 1), to.data_type()).unwrap();
    assert_eq!(&slice, &to.slice(1, 1));
}

fn refused<A: Array + 'static>(from: A, to: DataType) {
    let from: ArrayRef = Arc::new(from);
    let error = append(Arc::clone(&from), &to).expect_err(&format!("{} to {to}", from.data_type()));
    assert_eq!(error.kind(), ErrorKind::Schema);
    let told = error.to_string();
    assert!(told.contains("frame f") && told.contains("`c`"), "{told}");
    assert!(told.contains(&type_name::name(&to)), "{told}");
    assert!(told.contains(&type_name::name(from.data_type())), "{told}");
    let nulls = append(new_null_array(from.data_type(), 3), &to).unwrap();
    assert_eq!(nulls.logical_null_count(), 3);
    assert_eq!(append(from.slice(0, 0), &to).unwrap().len(), 0);
}

#[test]
fn integers_widen() {
    becomes(
        Int8Array::from(vec![-128, 127]),
        Int16Array::from(vec![-128, 127]),
    );
    becomes(
        Int8Array::from(vec![-128, 127]),
        Int64Array::from(vec![-128, 127]),
    );
    becomes(
        UInt8Array::from(vec![0, 255]),
        Int16Array::from(vec![0, 255]),
    );
    becomes(
        UInt8Array::from(vec![0, 255]),
        UInt64Array::from(vec![0, 255]),
    );
    becomes(
        UInt32Array::from(vec![0, u32::MAX]),
        Int64Array::from(vec![0, i64::from(u32::MAX)]),
    );
    refused(Int16Array::from(vec![1, 2]), DataType::Int8);
    refused(Int8Array::from(vec![1, 2]), DataType::UInt16);
    refused(UInt8Array::from(vec![1, 2]), DataType::Int8);
    refused(UInt64Array::from(vec![1, 2]), DataType::Int64);
    refused(Int64Array::from(vec![1, 2]), DataType::UInt64);
    refused(Int32Array::from(vec![1, 0]), DataType::Boolean);
    refused(Int32Array::from(vec![1, 2]), DataType::Utf8);
}

#[test]
fn numbers_become_floats_that_hold_them_exactly() {
    becomes(
        Int16Array::from(vec![i16::MIN, 3]),
        Float32Array::from(vec![-32768.0, 3.0]),
    );
    becomes(
        UInt16Array::from(vec![65_535, 3]),
        Float32Array::from(vec![65_535.0, 3.0]),
    );
    becomes(
        Int32Array::from(vec![i32::MIN, 3]),
        Float64Array::from(vec![-2_147_483_648.0, 3.0]),
    );
    becomes(
        UInt32Array::from(vec![u32::MAX, 3]),
        Float64Array::from(vec![4_294_967_295.0, 3.0]),
    );
    becomes(
        Float32Array::from(vec![-0.0, 0.1]),
        Float64Array::from(vec![-0.0, f64::from(0.1_f32)]),
    );
    let half: ArrayRef = Arc::new(Float32Array::from(vec![1.5, -2.0]));
    let half = cast(&half, &DataType::Float16).unwrap();
    let wide = append(half, &DataType::Float64).unwrap();
    assert_eq!(
        &wide,
        &(Arc::new(Float64Array::from(vec![1.5, -2.0])) as ArrayRef)
    );
    refused(Float64Array::from(vec![1.0, 2.0]), DataType::Float32);
    refused(Float64Array::from(vec![1.0, 2.0]), DataType::Int64);
}

#[test]
fn decimals_take_more_digits() {
    let decimal = |digits, scale, numbers: Vec<i128>| {
        Decimal128Array::from(numbers)
            .with_precision_and_scale(digits, scale)
            .unwrap()
    };
    becomes(
        decimal(5, 2, vec![99_999, -1]),
        decimal(7, 3, vec![999_990, -10]),
    );
    let narrow = Decimal32Array::from(vec![99_999, -1])
        .with_precision_and_scale(5, 2)
        .unwrap();
    becomes(narrow, decimal(20, 2, vec![99_999, -1]));
    let huge = Decimal256Array::from(vec![i256::from_i128(99_999), i256::from_i128(-1)])
        .with_precision_and_scale(60, 2)
        .unwrap();
    becomes(decimal(5, 2, vec![99_999, -1]), huge);
    becomes(
        Int8Array::from(vec![-128, 127]),
        decimal(5, 2, vec![-12_800, 12_700]),
    );
    becomes(
        UInt64Array::from(vec![u64::MAX, 1]),
        decimal(20, 0, vec![u64::MAX.into(), 1]),
    );
    refused(decimal(5, 2, vec![1, 2]), DataType::Decimal128(5, 3));
    refused(decimal(5, 2, vec![1, 2]), DataType::Decimal128(10, 1));
    refused(decimal(5, 0, vec![1, 2]), DataType::Int64);
    refused(Int8Array::from(vec![1, 2]), DataType::Decimal128(4, 2));
}

#[test]
fn times_become_finer() {
    becomes(
        Date32Array::from(vec![-1, 20_000]),
        Date64Array::from(vec![-86_400_000, 1_728_000_000_000]),
    );
    becomes(
        TimestampSecondArray::from(vec![-5, 7]),
        TimestampNanosecondArray::from(vec![-5_000_000_000, 7_000_000_000]),
    );
    becomes(
        DurationSecondArray::from(vec![-5, 7]),
        DurationNanosecondArray::from(vec![-5_000_000_000, 7_000_000_000]),
    );
    becomes(
        Time32SecondArray::from(vec![1, 86_399]),
        Time32MillisecondArray::from(vec![1_000, 86_399_000]),
    );
    becomes(
        Time32SecondArray::from(vec![1, 86_399]),
        Time64NanosecondArray::from(vec![1_000_000_000, 86_399_000_000_000]),
    );
    refused(
        TimestampNanosecondArray::from(vec![1, 2]),
        DataType::Timestamp(TimeUnit::Second, None),
    );
    refused(Date64Array::from(vec![1, 2]), DataType::Date32);
    refused(
        TimestampSecondArray::from(vec![86_400, 172_800]),
        DataType::Date32,
    );
    refused(DurationSecondArray::from(vec![1, 2]), DataType::Int64);
}

#[test]
fn days_are_midnights_where_times_have_no_zone() {
    becomes(
        Date32Array::from(vec![-1, 20_000]),
        TimestampNanosecondArray::from(vec![-86_400_000_000_000, 1_728_000_000_000_000_000]),
    );
    becomes(
        Date64Array::from(vec![-86_400_000, 1_728_000_000_000]),
        TimestampMillisecondArray::from(vec![-86_400_000, 1_728_000_000_000]),
    );
    becomes(
        Date64Array::from(vec![-86_400_000, 1_728_000_000_000]),
        TimestampSecondArray::from(vec![-86_400, 1_728_000_000]),
    );
    let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    refused(Date32Array::from(vec![1, 2]), zoned);
}

#[test]
fn a_time_that_the_finer_unit_cannot_hold_is_told_with_its_row() {
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let milliseconds = DataType::Time32(TimeUnit::Millisecond);
    let far = "2262-04-1";
    for (array, to, told) in [
        (
            Arc::new(TimestampSecondArray::from(vec![0, 9_223_372_037])) as ArrayRef,
            &nanoseconds,
            far,
        ),
        (
            Arc::new(Date32Array::from(vec![None, Some(106_752)])),
            &nanoseconds,
            far,
        ),
        (
            Arc::new(Time32SecondArray::from(vec![0, i32::MAX])),
            &milliseconds,
            "out of range",
        ),
    ] {
        let error = append(array, to).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        for part in [told, "out of range in the finer unit in row 1 of the put"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn floats_take_the_whole_numbers_that_they_hold_exactly() {
    let most = 1_i64 << 53;
    becomes(
        Int64Array::from(vec![-most, most]),
        Float64Array::from(vec![-9_007_199_254_740_992.0, 9_007_199_254_740_992.0]),
    );
    becomes(
        UInt64Array::from(vec![1 << 63, 0]),
        Float64Array::from(vec![9_223_372_036_854_775_808.0, 0.0]),
    );
    becomes(
        Int32Array::from(vec![-7, 1 << 24]),
        Float32Array::from(vec![-7.0, 16_777_216.0]),
    );
    becomes(
        Int32Array::from(vec![-7, 2_048]),
        cast(
            &(Arc::new(Float32Array::from(vec![-7.0, 2_048.0])) as ArrayRef),
            &DataType::Float16,
        )
        .unwrap()
        .as_primitive::<Float16Type>()
        .clone(),
    );
}

#[test]
fn a_whole_number_that_a_float_would_round_is_told_with_its_row() {
    let inexact = 9_007_199_254_740_993;
    let told = |array: ArrayRef, to: DataType| {
        let batch = batch("c", array);
        let conform = Conform::plan("f", &batch.schema(), &frame_of(to)).unwrap();
        let error = conform.apply(&batch, 40).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        error.to_string()
    };
    assert_eq!(
        told(
            Arc::new(Int64Array::from(vec![None, Some(1), Some(inexact)])),
            DataType::Float64
        ),
        "the rows do not fit frame f: `c` is int64, the frame has double: 9007199254740993 is not held exactly in row \
         42 of the put, counting from 0"
    );
    for (array, to) in [
        (
            Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef,
            DataType::Float64,
        ),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            DataType::Float64,
        ),
        (
            Arc::new(Int32Array::from(vec![(1 << 24) + 1])),
            DataType::Float32,
        ),
        (Arc::new(Int32Array::from(vec![70_000])), DataType::Float16),
    ] {
        let told = told(array, to);
        assert!(told.contains("not held exactly in row 40"), "{told}");
    }
    // Inside of a list or among categories a value has no row of its own.
    let keys = Int8Array::from(vec![1, 0]);
    let values: ArrayRef = Arc::new(Int64Array::from(vec![inexact, 1]));
    let categories = DictionaryArray::new(keys, values);
    let of_floats = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Float64));
    let told_of_category = told(Arc::new(categories), of_floats);
    assert!(
        told_of_category.contains("9007199254740993 is not held"),
        "{told_of_category}"
    );
    assert!(!told_of_category.contains("in row"), "{told_of_category}");
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(inexact)])]);
    let told = told(Arc::new(list), DataType::List(item(DataType::Float64)));
    assert!(
        told.contains("9007199254740993 is not held exactly"),
        "{told}"
    );
    assert!(!told.contains("in row"), "{told}");
}

#[test]
fn time_zones_must_be_the_same_however_utc_is_spelled() {
    let at = |zone: Option<&str>| {
        TimestampMillisecondArray::from(vec![1, 2]).with_timezone_opt(zone.map(String::from))
    };
    becomes(at(Some("+00:00")), at(Some("UTC")));
    becomes(at(Some("Z")), at(Some("Etc/UTC")));
    let finer = TimestampNanosecondArray::from(vec![1_000_000, 2_000_000]);
    becomes(
        at(Some("Europe/Berlin")),
        finer.with_timezone("Europe/Berlin"),
    );
    let zone = |zone: &str| DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into()));
    refused(at(Some("Europe/Berlin")), zone("Europe/Paris"));
    refused(at(None), zone("UTC"));
    refused(
        at(Some("UTC")),
        DataType::Timestamp(TimeUnit::Millisecond, None),
    );
}

#[test]
fn text_and_binary_change_their_encoding() {
    let values = || vec![Some("a"), None, Some("more than twelve bytes of text")];
    becomes(
        StringArray::from(values()),
        LargeStringArray::from(values()),
    );
    becomes(
        LargeStringArray::from(values()),
        StringArray::from(values()),
    );
    becomes(StringViewArray::from(values()), StringArray::from(values()));
    becomes(StringArray::from(values()), StringViewArray::from(values()));
    becomes(
        LargeStringArray::from(values()),
        StringViewArray::from(values()),
    );
    let bytes = || vec![b"\xff\x00".as_slice(), b"more than twelve bytes"];
    becomes(BinaryArray::from(bytes()), LargeBinaryArray::from(bytes()));
    becomes(
        LargeBinaryArray::from(bytes()),
        BinaryViewArray::from(bytes()),
    );
    becomes(BinaryViewArray::from(bytes()), BinaryArray::from(bytes()));
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4]].into_iter()).unwrap();
    becomes(
        fixed,
        BinaryArray::from(vec![[1_u8, 2].as_slice(), &[3, 4]]),
    );
    refused(BinaryArray::from(bytes()), DataType::Utf8);
    refused(StringArray::from(values()), DataType::Binary);
    refused(BinaryArray::from(bytes()), DataType::FixedSizeBinary(2));
}

fn category(keys: Vec<Option<i8>>, values: Vec<&str>) -> DictionaryArray<Int8Type> {
    DictionaryArray::new(Int8Array::from(keys), Arc::new(StringArray::from(values)))
}

#[test]
fn dictionaries_come_and_go() {
    let sent = category(vec![Some(2), None, Some(0)], vec!["x", "unused", "z"]);
    becomes(
        sent.clone(),
        LargeStringArray::from(vec![Some("z"), None, Some("x")]),
    );
    let keys = Int32Array::from(vec![Some(2), None, Some(0)]);
    let values = StringViewArray::from(vec!["x", "unused", "z"]);
    let wide = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
    becomes(sent, wide);
    let text = StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]);
    let fitted = append(
        Arc::new(text),
        &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8)),
    )
    .unwrap();
    let fitted = fitted.as_dictionary::<Int8Type>();
    assert_eq!(
        fitted.keys(),
        &Int8Array::from(vec![Some(0), None, Some(1), Some(0)])
    );
    let expected: ArrayRef = Arc::new(LargeStringArray::from(vec!["b", "a"]));
    assert_eq!(fitted.values(), &expected);
    refused(
        category(vec![Some(0)], vec!["x"]),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64)),
    );
}

#[test]
fn more_values_than_keys_can_tell_apart_are_refused_unless_unused() {
    let values: Vec<String> = (0..200).map(|value| value.to_string()).collect();
    let key = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let text: ArrayRef = Arc::new(StringArray::from(values.clone()));
    let many =
        DictionaryArray::<Int32Type>::new(Int32Array::from_iter_values(0..200), Arc::clone(&text));
    for array in [Arc::new(many.clone()) as ArrayRef, text] {
        let error = append(array, &key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        assert!(error.to_string().contains("128"), "{error}");
    }
    let few = append(Arc::new(many.slice(150, 3)), &key).unwrap();
    let plain = cast(&few, &DataType::Utf8).unwrap();
    assert_eq!(
        plain.as_string::<i32>(),
        &StringArray::from(vec!["150", "151", "152"])
    );
}

#[test]
fn lists_change_their_encoding_and_their_items() {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let lists = || {
        let rows = vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(3)]),
        ];
        ListArray::from_iter_primitive::<Int8Type, _, _>(rows)
    };
    for to in [
        DataType::LargeList(item(DataType::Int64)),
        DataType::ListView(item(DataType::Int64)),
        DataType::LargeListView(item(DataType::Int64)),
        DataType::List(Arc::new(Field::new("other name", DataType::Int64, true))),
    ] {
        let fitted = append(Arc::new(lists()), &to).unwrap();
        let back = cast(&fitted, &DataType::List(item(DataType::Int8))).unwrap();
        assert_eq!(&back, &(Arc::new(lists()) as ArrayRef), "{to}");
        let slice = append(Arc::new(lists().slice(2, 2)), &to).unwrap();
        let back = cast(&slice, &DataType::List(item(DataType::Int8))).unwrap();
        assert_eq!(&back, &(Arc::new(lists().slice(2, 2)) as ArrayRef), "{to}");
    }
    let pairs: ArrayRef = Arc::new(arrow_array::FixedSizeListArray::from_iter_primitive::<
        Int8Type,
        _,
        _,
    >(vec![Some(vec![Some(1), Some(2)]), None], 2));
    let fitted = append(
        Arc::clone(&pairs),
        &DataType::LargeList(item(DataType::Int16)),
    )
    .unwrap();
    assert_eq!(fitted.len(), 2);
    assert!(fitted.is_null(1));
    let same_size = append(pairs, &DataType::FixedSizeList(item(DataType::Int16), 2)).unwrap();
    assert_eq!(same_size.as_fixed_size_list().values().len(), 4);
    refused(lists(), DataType::FixedSizeList(item(DataType::Int8), 2));
    refused(lists(), DataType::List(item(DataType::Utf8)));
    refused(lists(), DataType::Int8);
}

#[test]
fn structs_match_by_field_names() {
    let pair = |names: [&str; 2], types: [DataType; 2]| {
        let fields = names
            .iter()
            .zip(types)
            .map(|(name, data_type)| Field::new(*name, data_type, true));
        DataType::Struct(fields.collect())
    };
    let from = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int8, true)),
            Arc::new(Int8Array::from(vec![1, 2])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef,
        ),
    ]);
    let to = pair(["b", "a"], [DataType::LargeUtf8, DataType::Int64]);
    let fitted = append(Arc::new(from.clone()), &to).unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    assert_eq!(fitted.as_struct().column(1), &numbers);
    refused(
        from.clone(),
        pair(["a", "c"], [DataType::Int8, DataType::Utf8]),
    );
    refused(
        from,
        DataType::Struct(vec![Field::new("a", DataType::Int8, true)].into()),
    );
}

#[test]
fn children_of_another_type_fit_while_they_are_null() {
    let from = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int8, true)),
            Arc::new(Int8Array::from(vec![1, 2])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            new_null_array(&DataType::Utf8, 2),
        ),
    ]);
    let to = DataType::Struct(Fields::from(vec![
        Field::new("a", DataType::Int8, true),
        Field::new("b", DataType::Float64, true),
    ]));
    let fitted = append(Arc::new(from), &to).unwrap();
    assert_eq!(fitted.null_count(), 0);
    assert_eq!(fitted.as_struct().column(1).null_count(), 2);
}

#[test]
fn a_column_of_nulls_fits_every_type() {
    for data_type in [
        DataType::Int8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::List(Arc::new(Field::new("item", DataType::Int8, false))),
        DataType::Struct(vec![Field::new("a", DataType::Int8, false)].into()),
    ] {
        let fitted = append(Arc::new(NullArray::new(2)), &data_type).unwrap();
        assert_eq!(fitted.null_count(), 2);
    }
    refused(Int8Array::from(vec![1, 2]), DataType::Null);
}

#[test]
fn columns_match_by_name_and_metadata_is_the_frames() {
    let mark = |value: &str| HashMap::from([("mark".to_owned(), value.to_owned())]);
    let frame = Arc::new(Schema::new_with_metadata(
        vec![
            Field::new("a", DataType::Int64, false).with_metadata(mark("frame a")),
            Field::new("b", DataType::Utf8, false),
        ],
        mark("frame"),
    ));
    let incoming = Arc::new(Schema::new_with_metadata(
        vec![
            Field::new("b", DataType::Utf8, false).with_metadata(mark("rows b")),
            Field::new("a", DataType::Int8, true),
        ],
        mark("rows"),
    ));
    let conform = Conform::plan("f", &incoming, &frame).unwrap();
    let schema = conform.frame_schema();
    assert_eq!(schema.metadata(), frame.metadata());
    assert_eq!(schema.field(0).metadata(), frame.field(0).metadata());
    assert!(schema.field(0).is_nullable());
    assert_eq!(schema.field(1), frame.field(1));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["x"])),
        Arc::new(Int8Array::from(vec![None])),
    ];
    let fitted = conform
        .apply(&RecordBatch::try_new(incoming, columns).unwrap(), 0)
        .unwrap();
    assert!(fitted.column(0).is_null(0));
    assert_eq!(fitted.column(1).as_string::<i32>().value(0), "x");
}

#[test]
fn the_schema_of_equal_rows_is_the_frames_own() {
    let frame = frame_of(DataType::Int8);
    let conform = Conform::plan("f", &frame, &frame).unwrap();
    assert!(Arc::ptr_eq(&conform.frame_schema(), &frame));
}

#[test]
fn nullability_spreads_to_every_depth() {
    let nested = |nullable: bool| {
        let item = Field::new("item", DataType::Int8, nullable);
        let list = Field::new("list", DataType::List(Arc::new(item)), nullable);
        let entries = Field::new_struct(
            "entries",
            vec![
                Field::new("keys", DataType::Utf8, false),
                Field::new("values", DataType::Int8, nullable),
            ],
            false,
        );
        let map = Field::new("map", DataType::Map(Arc::new(entries), false), nullable);
        DataType::Struct(vec![list, map].into())
    };
    let schema = |nullable| Schema::new(vec![Field::new("c", nested(nullable), nullable)]);
    let frame = Arc::new(schema(false));
    let conform = Conform::plan("f", &schema(true), &frame).unwrap();
    assert_eq!(*conform.frame_schema(), schema(true));
    let back = Conform::plan("f", &schema(false), &Arc::new(schema(true))).unwrap();
    assert_eq!(*back.frame_schema(), schema(true));
}

#[test]
fn a_refusal_lists_every_column_with_both_types() {
    let frame = Arc::new(Schema::new(vec![
        Field::new("number", DataType::Int8, true),
        Field::new("gone", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("fine", DataType::Int64, true),
    ]));
    let rows = Schema::new(vec![
        Field::new("number", DataType::Float64, true),
        Field::new("text", DataType::Boolean, false),
        Field::new("fine", DataType::Int8, true),
        Field::new("new", DataType::Date32, true),
    ]);
    let error = Conform::plan("bucket/f", &rows, &frame).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    let told = error.to_string();
    for part in [
        "bucket/f",
        "`number` is double, the frame has int8",
        "`gone` (string) is missing",
        "`text` is bool, the frame has string",
        "`new` (date32[day]) is not in the frame",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("fine"), "{told}");

    // Types alone do not refuse before it is known that values are not null; then all columns are told.
    let frame = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int8, true),
        Field::new("b", DataType::Utf8, true),
    ]));
    let rows = RecordBatch::try_from_iter_with_nullable([
        (
            "a",
            Arc::new(StringArray::from(vec!["1"])) as ArrayRef,
            true,
        ),
        ("b", Arc::new(Int8Array::from(vec![1])) as ArrayRef, true),
    ])
    .unwrap();
    let conform = Conform::plan("f", &rows.schema(), &frame).unwrap();
    let told = conform.apply(&rows, 0).unwrap_err().to_string();
    assert!(
        told.contains("`a` is string") && told.contains("`b` is int8"),
        "{told}"
    );
}
