//! Key columns of every orderable type for tests, with few distinct values so that keys meet, and indexes over them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal256Array, FixedSizeBinaryArray,
    Float64Array, Int8Array, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;

use super::Index;

fn dictionary(key: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(values))
}

/// Types that rows can be sorted by.
pub(super) fn key_types() -> Vec<DataType> {
    use DataType::*;
    use TimeUnit::*;
    let mut types = vec![
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(2),
        Date32,
        Date64,
        Time32(Second),
        Time32(Millisecond),
        Time64(Microsecond),
        Time64(Nanosecond),
        Decimal32(9, 2),
        Decimal64(18, 2),
        Decimal128(38, 5),
        Decimal128(5, -2),
        Decimal256(76, 3),
        dictionary(Int8, Utf8),
        dictionary(Int32, LargeUtf8),
        dictionary(UInt16, Utf8View),
        dictionary(Int32, Int64),
        dictionary(Int32, Float64),
        dictionary(Int8, Decimal128(38, 5)),
        dictionary(Int32, Binary),
    ];
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        types.push(Timestamp(unit, None));
        types.push(Timestamp(unit, Some("Europe/Berlin".into())));
        types.push(Duration(unit));
    }
    types
}

/// A few values of a type, extremes among them, in no order.
pub(super) fn pool(data_type: &DataType) -> ArrayRef {
    use DataType::*;
    let small = || Arc::new(Int8Array::from(vec![3, -1, 0, 1, 127, -128, 5])) as ArrayRef;
    let floats = || {
        let tiny = f64::from(f32::MIN_POSITIVE);
        let values = vec![
            0.0,
            -0.0,
            1.5,
            -2.25,
            f64::INFINITY,
            f64::NEG_INFINITY,
            tiny,
            0.1,
        ];
        Arc::new(Float64Array::from(values)) as ArrayRef
    };
    let to = |array: ArrayRef| cast(&array, data_type).unwrap();
    match data_type {
        Boolean => Arc::new(BooleanArray::from(vec![true, false])),
        UInt8 | UInt16 | UInt32 => to(Arc::new(Int64Array::from(vec![3, 0, 255, 1, 128]))),
        UInt64 => Arc::new(UInt64Array::from(vec![3, 0, u64::MAX, 1 << 63, 7])),
        Int64 => Arc::new(Int64Array::from(vec![3, -1, i64::MIN, i64::MAX, 0])),
        Time32(_) | Time64(_) => {
            let counts: ArrayRef = Arc::new(Int64Array::from(vec![3, 0, 86_399, 1, 43_200]));
            let width = if matches!(data_type, Time32(_)) {
                Int32
            } else {
                Int64
            };
            to(cast(&counts, &width).unwrap())
        }
        Date32 => to(cast(&small(), &Int32).unwrap()),
        Date64 => {
            let days = small();
            to(cast(&cast(&days, &Int32).unwrap(), &Date32).unwrap())
        }
        Timestamp(_, _) | Duration(_) => {
            let counts = vec![3, -1, 0, 1_700_000_000_123_456_789, -86_400, 1_700_000_000];
            to(Arc::new(Int64Array::from(counts)))
        }
        Float16 | Float32 | Float64 => to(floats()),
        Utf8 | LargeUtf8 | Utf8View => {
            let long = "long text, ".repeat(9);
            let longer = format!("{long}é");
            to(Arc::new(StringArray::from(vec![
                "b",
                "",
                "a",
                "ä",
                "\u{10ffff}",
                "\u{e000}",
                &long,
                &longer,
                "longer than twelve",
            ])))
        }
        Binary | LargeBinary | BinaryView => {
            let (long, high) = ([7; 80], [255; 70]);
            let values: Vec<&[u8]> = vec![b"b", b"", b"\0", b"\xff", &long, &high];
            to(Arc::new(BinaryArray::from_vec(values)))
        }
        FixedSizeBinary(_) => {
            let values = [[1, 2], [0, 0], [255, 0], [1, 3]];
            Arc::new(FixedSizeBinaryArray::try_from_iter(values.iter()).unwrap())
        }
        Decimal256(precision, scale) => {
            let big = i256::from_i128(i128::MAX);
            let wide = big.wrapping_mul(i256::from(1_000_000_i64));
            let values = [wide, big, i256::MINUS_ONE, i256::ZERO, wide.wrapping_neg()];
            let array = Decimal256Array::from_iter_values(values);
            Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
        }
        Dictionary(_, values) => to(pool(values)),
        _ => to(small()),
    }
}

/// `rows` many picks from the pool of a type.
pub(super) fn pick(data_type: &DataType, picks: &[u32]) -> ArrayRef {
    let pool = pool(data_type);
    let len = u32::try_from(pool.len()).unwrap();
    let picks: UInt32Array = picks.iter().map(|pick| pick % len).collect();
    arrow_select::take::take(&pool, &picks, None).unwrap()
}

/// A key column of any type.
pub(super) fn any_column(rows: Range<usize>) -> impl Strategy<Value = ArrayRef> {
    let picks = proptest::collection::vec(any::<u32>(), rows);
    (proptest::sample::select(key_types()), picks)
        .prop_map(|(data_type, picks)| pick(&data_type, &picks))
}

/// An index on the only column of a batch.
pub(super) fn single(column: &ArrayRef) -> (Index, RecordBatch) {
    let batch = RecordBatch::try_from_iter([("key", Arc::clone(column))]).unwrap();
    let index = Index::new(&batch.schema(), &["key".to_owned()]).unwrap();
    (index, batch)
}

/// Batches with one to three key columns of any types, called `k0` and so on, and the number of each row, counted
/// over all batches, in column `row`; and an index on the keys.
pub(super) fn any_batches(
    batches: Range<usize>,
    rows: Range<usize>,
) -> impl Strategy<Value = (Index, Vec<RecordBatch>)> {
    let types = proptest::collection::vec(proptest::sample::select(key_types()), 1..4);
    let picks = proptest::collection::vec(any::<[u32; 3]>(), rows);
    (types, proptest::collection::vec(picks, batches)).prop_map(|(types, picks)| {
        let mut first = 0;
        let mut batches = Vec::new();
        for picks in picks {
            let mut columns = Vec::new();
            for (number, data_type) in types.iter().enumerate() {
                let picks: Vec<u32> = picks.iter().map(|picks| picks[number]).collect();
                columns.push((format!("k{number}"), pick(data_type, &picks)));
            }
            let numbers: Vec<u64> = (first..).take(picks.len()).collect();
            first += picks.len() as u64;
            columns.push((
                "row".to_owned(),
                Arc::new(UInt64Array::from(numbers)) as ArrayRef,
            ));
            batches.push(RecordBatch::try_from_iter(columns).unwrap());
        }
        let names: Vec<String> = (0..types.len())
            .map(|number| format!("k{number}"))
            .collect();
        let index = Index::new(&batches[0].schema(), &names).unwrap();
        (index, batches)
    })
}

/// The numbers in column `row`.
pub(super) fn row_numbers(batches: &[RecordBatch]) -> Vec<u64> {
    batches
        .iter()
        .flat_map(|batch| {
            let rows = batch.column_by_name("row").unwrap();
            let rows = rows.as_any().downcast_ref::<UInt64Array>().unwrap();
            rows.values().to_vec()
        })
        .collect()
}
