//! An array of every arrow type, with nulls where the type allows it, and every way to nest
//! one array in another.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit, UnionFields};

/// Rows of every sample; not a multiple of eight, so that bitmaps end within a byte.
pub(crate) const ROWS: usize = 43;

fn ints<T>() -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let value = |row: usize| T::Native::try_from(row as i64 * 3 % 127).ok();
    let array: PrimitiveArray<T> = (0..ROWS)
        .map(|row| (row % 5 != 3).then(|| value(row)).flatten())
        .collect();
    Arc::new(array)
}

fn text(row: usize) -> Option<String> {
    match row % 4 {
        0 => Some(String::new()),
        1 => Some(format!("r{row}")),
        2 => Some(format!(
            "a text of more than twelve bytes, row {row} – ünïcode"
        )),
        _ => None,
    }
}

fn retyped(array: ArrayRef, data_type: DataType) -> ArrayRef {
    make_array(
        array
            .to_data()
            .into_builder()
            .data_type(data_type)
            .build()
            .unwrap(),
    )
}

/// Every type that is not made of others.
pub(crate) fn plain() -> Vec<(String, ArrayRef)> {
    let texts: Vec<Option<String>> = (0..ROWS).map(text).collect();
    let strings: ArrayRef = Arc::new(StringArray::from(texts.clone()));
    let large: ArrayRef = Arc::new(LargeStringArray::from(texts.clone()));
    let mut view = StringViewBuilder::new().with_fixed_block_size(64);
    let mut binary_view = BinaryViewBuilder::new().with_fixed_block_size(64);
    for value in &texts {
        view.append_option(value.as_deref());
        binary_view.append_option(value.as_deref());
    }
    let floats = |row: usize| match row % 6 {
        0 => Some(f64::NAN),
        1 => Some(-0.0),
        2 => Some(f64::INFINITY),
        3 => None,
        _ => Some(row as f64 / 7.0),
    };
    let f16: Float16Array = (0..ROWS)
        .map(|row| floats(row).map(<Float16Type as ArrowPrimitiveType>::Native::from_f64))
        .collect();
    let f32: Float32Array = (0..ROWS).map(|row| floats(row).map(|v| v as f32)).collect();
    let f64: Float64Array = (0..ROWS).map(floats).collect();
    let decimal256: Decimal256Array = (0..ROWS)
        .map(|row| {
            (row % 3 != 0).then(|| i256::from_i128(i128::MAX / row as i128) * i256::from_i128(-10))
        })
        .collect();
    let bits: BooleanArray = (0..ROWS)
        .map(|row| (row % 3 != 1).then_some(row % 2 == 0))
        .collect();
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        (0..ROWS).map(|row| (row % 3 != 1).then_some([row as u8; 5])),
        5,
    );
    let day_time: IntervalDayTimeArray = (0..ROWS)
        .map(|row| (row % 3 != 1).then(|| IntervalDayTimeType::make_value(row as i32, -7)))
        .collect();
    let month_day_nano: IntervalMonthDayNanoArray = (0..ROWS)
        .map(|row| (row % 3 != 1).then(|| IntervalMonthDayNanoType::make_value(row as i32, -7, 9)))
        .collect();

    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(ROWS)),
        Arc::new(bits),
        ints::<Int8Type>(),
        ints::<Int16Type>(),
        ints::<Int32Type>(),
        ints::<Int64Type>(),
        ints::<UInt8Type>(),
        ints::<UInt16Type>(),
        ints::<UInt32Type>(),
        ints::<UInt64Type>(),
        Arc::new(f16),
        Arc::new(f32),
        Arc::new(f64),
        retyped(strings.clone(), DataType::Binary),
        retyped(large.clone(), DataType::LargeBinary),
        strings,
        large,
        Arc::new(view.finish()),
        Arc::new(binary_view.finish()),
        Arc::new(fixed.unwrap()),
        ints::<Date32Type>(),
        ints::<Date64Type>(),
        ints::<Time32SecondType>(),
        ints::<Time32MillisecondType>(),
        ints::<Time64MicrosecondType>(),
        ints::<Time64NanosecondType>(),
        ints::<IntervalYearMonthType>(),
        Arc::new(day_time),
        Arc::new(month_day_nano),
        retyped(ints::<Int32Type>(), DataType::Decimal32(9, 2)),
        retyped(ints::<Int64Type>(), DataType::Decimal64(18, -2)),
        retyped(ints::<Decimal128Type>(), DataType::Decimal128(38, 10)),
        retyped(Arc::new(decimal256), DataType::Decimal256(76, 0)),
    ];
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ] {
        let zone = Some("Europe/Berlin".into());
        arrays.push(retyped(
            ints::<Int64Type>(),
            DataType::Timestamp(unit, None),
        ));
        arrays.push(retyped(
            ints::<Int64Type>(),
            DataType::Timestamp(unit, zone),
        ));
        arrays.push(retyped(ints::<Int64Type>(), DataType::Duration(unit)));
    }
    assert!(
        arrays
            .iter()
            .any(|a| *a.data_type() == DataType::Interval(IntervalUnit::MonthDayNano))
    );
    arrays
        .into_iter()
        .map(|array| (array.data_type().to_string(), array))
        .collect()
}

fn item(array: &ArrayRef) -> FieldRef {
    let metadata = [("unit".to_string(), "mm".to_string())];
    let field = Field::new("element", array.data_type().clone(), true);
    Arc::new(field.with_metadata(metadata.into()))
}

/// Row lengths 0, 1, 2, 0, 1, 2, …, with every seventh row null.
fn lengths() -> (Vec<usize>, NullBuffer) {
    let lengths = (0..ROWS).map(|row| row % 3).collect();
    (lengths, (0..ROWS).map(|row| row % 7 != 5).collect())
}

/// A child of as many elements as [`lengths`] need, made from `array` from its end.
fn elements(array: &ArrayRef) -> ArrayRef {
    let total: usize = lengths().0.iter().sum();
    assert!(total <= array.len());
    array.slice(array.len() - total, total)
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> ArrayRef {
    let (lengths, nulls) = lengths();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(GenericListArray::<O>::new(
        item(array),
        offsets_as(&offsets),
        elements(array),
        Some(nulls),
    ))
}

fn offsets_as<O: OffsetSizeTrait>(offsets: &OffsetBuffer<i32>) -> OffsetBuffer<O> {
    OffsetBuffer::new(offsets.iter().map(|o| O::usize_as(*o as usize)).collect())
}

fn list_view<O: OffsetSizeTrait>(array: &ArrayRef, scattered: bool) -> ArrayRef {
    let rows = 0..ROWS;
    // Scattered views refer to a tenth of the child; the others overlap and run backwards.
    let offset = |row: usize| {
        if scattered {
            row / 10 * 10
        } else {
            ROWS - 1 - row
        }
    };
    let size = |row: usize| usize::from(!scattered || row.is_multiple_of(10));
    Arc::new(GenericListViewArray::<O>::new(
        item(array),
        rows.clone().map(|row| O::usize_as(offset(row))).collect(),
        rows.clone().map(|row| O::usize_as(size(row))).collect(),
        array.clone(),
        Some(rows.map(|row| row % 7 != 5).collect()),
    ))
}

fn structure(array: &ArrayRef) -> ArrayRef {
    let fields: Fields = vec![
        item(array),
        Arc::new(Field::new("n", DataType::Int32, true)),
    ]
    .into();
    let columns = vec![array.clone(), ints::<Int32Type>()];
    let nulls: NullBuffer = (0..ROWS).map(|row| row % 7 != 5).collect();
    Arc::new(StructArray::new(fields, columns, Some(nulls)))
}

fn map(array: &ArrayRef) -> ArrayRef {
    let (lengths, nulls) = lengths();
    let values = elements(array);
    let keys: StringArray = (0..values.len()).map(|k| Some(format!("k{k}"))).collect();
    let fields: Fields = vec![
        Arc::new(Field::new("keys", DataType::Utf8, false)),
        item(array),
    ]
    .into();
    let entries = StructArray::new(fields.clone(), vec![Arc::new(keys), values], None);
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(MapArray::new(field, offsets, entries, Some(nulls), true))
}

fn fixed_size_list(array: &ArrayRef) -> ArrayRef {
    let rows = ROWS / 2;
    let nulls: NullBuffer = (0..rows).map(|row| row % 7 != 5).collect();
    let values = array.slice(1, rows * 2);
    Arc::new(FixedSizeListArray::new(item(array), 2, values, Some(nulls)))
}

fn union(array: &ArrayRef, dense: bool) -> ArrayRef {
    let fields = UnionFields::try_new(
        [2, 7],
        [
            item(array).as_ref().clone(),
            Field::new("n", DataType::Int32, true),
        ],
    )
    .unwrap();
    let ids: ScalarBuffer<i8> = (0..ROWS)
        .map(|row| if row % 3 == 0 { 2 } else { 7 })
        .collect();
    let offsets: ScalarBuffer<i32> = (0..ROWS as i32).collect();
    let children = vec![array.clone(), ints::<Int32Type>()];
    Arc::new(UnionArray::try_new(fields, ids, dense.then_some(offsets), children).unwrap())
}

fn runs(array: &ArrayRef) -> ArrayRef {
    let ends: Int32Array = (0..ROWS as i32).map(|run| Some((run + 1) * 2)).collect();
    Arc::new(RunArray::try_new(&ends, array.as_ref()).unwrap())
}

fn dictionary(array: &ArrayRef) -> ArrayRef {
    let keys: UInt8Array = (0..ROWS)
        .map(|row| (row % 6 != 2).then_some((ROWS - 1 - row / 2) as u8))
        .collect();
    Arc::new(DictionaryArray::try_new(keys, array.clone()).unwrap())
}

/// Every array that is made of `array`, by the name of the way it is.
pub(crate) fn nested(array: &ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let mut all = vec![
        ("list", list::<i32>(array)),
        ("large list", list::<i64>(array)),
        ("list view", list_view::<i32>(array, false)),
        ("large list view", list_view::<i64>(array, false)),
        ("scattered list view", list_view::<i64>(array, true)),
        ("fixed-size list", fixed_size_list(array)),
        ("struct", structure(array)),
        ("map", map(array)),
        ("sparse union", union(array, false)),
        ("dense union", union(array, true)),
    ];
    if !matches!(
        array.data_type(),
        DataType::Null | DataType::Union(_, _) | DataType::RunEndEncoded(_, _)
    ) {
        all.push(("run ends", runs(array)));
    }
    if !matches!(array.data_type(), DataType::Dictionary(_, _)) {
        all.push(("dictionary", dictionary(array)));
    }
    all
}
