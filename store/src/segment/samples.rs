//! Arrays of every type for tests (awkward values, any mix of nulls, always the same for the same seed), and segments
//! of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, LargeListArray,
    LargeListViewArray, ListArray, ListViewArray, MapArray, NullArray, RecordBatch, StringArray,
    StructArray, UInt64Array, make_array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::StreamExt;
use futures::executor::block_on;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{EncodedSegment, Limits, ObjectReader, Origin, Packing, Rows, SegmentEncoder, read};

/// Which rows are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    None,
    Some,
    All,
}

/// Numbers that look random and are the same every time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    pub(super) fn roll(&mut self) -> u64 {
        // SplitMix64, by Sebastiano Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

pub(super) fn dictionary(key: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(values))
}

/// Every type without children that can be stored, dictionaries left out.
pub(super) fn leaf_types() -> Vec<DataType> {
    use DataType::*;
    let mut types = vec![
        Null,
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
        Date32,
        Date64,
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(1),
        FixedSizeBinary(16),
        Time32(TimeUnit::Second),
        Time32(TimeUnit::Millisecond),
        Time64(TimeUnit::Microsecond),
        Time64(TimeUnit::Nanosecond),
        Interval(IntervalUnit::YearMonth),
        Interval(IntervalUnit::DayTime),
        Decimal32(1, 0),
        Decimal32(1, 1),
        Decimal32(9, 2),
        Decimal32(2, -3),
        Decimal32(3, 5),
        Decimal64(1, 0),
        Decimal64(18, 4),
        Decimal64(5, -2),
        Decimal64(2, 18),
        Decimal128(1, 0),
        Decimal128(9, 9),
        Decimal128(10, 3),
        Decimal128(38, 10),
        Decimal128(38, -10),
        Decimal128(10, -5),
        Decimal128(3, 30),
        Decimal256(1, 1),
        Decimal256(9, 3),
        Decimal256(18, 2),
        Decimal256(38, 5),
        Decimal256(39, 5),
        Decimal256(76, 20),
        Decimal256(70, -6),
    ];
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ] {
        types.push(Duration(unit));
        for zone in [None, Some("UTC"), Some("+02:00"), Some("Europe/Berlin")] {
            types.push(Timestamp(unit, zone.map(Into::into)));
        }
    }
    types
}

/// Dictionaries of every type of values, with every type of keys.
pub(super) fn dictionary_types() -> Vec<DataType> {
    use DataType::*;
    let keys = [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64];
    let mut types: Vec<DataType> = keys
        .iter()
        .map(|key| dictionary(key.clone(), Utf8))
        .collect();
    types.extend(
        leaf_types()
            .into_iter()
            .map(|values| dictionary(Int8, values)),
    );
    types
}

/// Nested types around `leaf`, nullable and not at each level.
pub(super) fn nested_types(leaf: &DataType) -> Vec<DataType> {
    let mut types = Vec::new();
    for nullable in [false, true] {
        if leaf.is_null() && !nullable {
            continue;
        }
        let item = Arc::new(Field::new("item", leaf.clone(), nullable));
        let named = Arc::new(
            Field::new("odd name", leaf.clone(), nullable)
                .with_metadata(HashMap::from([("unit".to_owned(), "m".to_owned())])),
        );
        let pair = Fields::from(vec![
            Field::new("a", leaf.clone(), nullable),
            Field::new("b", DataType::Int16, !nullable),
        ]);
        let entries = |key: &str, value: &str| {
            Arc::new(Field::new_struct(
                "entries",
                vec![
                    Field::new(key, DataType::Utf8, false),
                    Field::new(value, leaf.clone(), nullable),
                ],
                false,
            ))
        };
        let list_of = |data_type: DataType| {
            DataType::List(Arc::new(Field::new("item", data_type, !nullable)))
        };
        types.extend([
            DataType::List(Arc::clone(&item)),
            DataType::LargeList(Arc::clone(&named)),
            DataType::ListView(Arc::clone(&item)),
            DataType::LargeListView(Arc::clone(&named)),
            DataType::FixedSizeList(Arc::clone(&item), 3),
            DataType::Struct(pair.clone()),
            DataType::Map(entries("keys", "values"), false),
            DataType::Map(entries("key", "value"), true),
            list_of(DataType::Struct(pair)),
            list_of(DataType::List(Arc::clone(&item))),
            list_of(DataType::FixedSizeList(item, 2)),
            DataType::Struct(Fields::from(vec![Field::new(
                "inner",
                DataType::Map(entries("k", "v"), false),
                nullable,
            )])),
        ]);
    }
    types
}

/// `rows` values for a field.
pub(super) fn sample(field: &Field, rows: usize, nulls: Nulls, dice: &mut Dice) -> ArrayRef {
    let mask = match nulls {
        _ if !field.is_nullable() => None,
        Nulls::None => None,
        Nulls::Some => Some((0..rows).map(|_| dice.below(3) > 0).collect::<Vec<bool>>()),
        Nulls::All => Some(vec![false; rows]),
    };
    let mask = mask.map(NullBuffer::from);
    match field.data_type() {
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|field| sample(field, rows, inner(nulls), dice))
                .collect();
            Arc::new(StructArray::new(fields.clone(), columns, mask))
        }
        DataType::List(item) => {
            let offsets = offsets(rows, dice);
            let values = items(item, &offsets, nulls, dice);
            let offsets = OffsetBuffer::new(offsets.into());
            Arc::new(ListArray::new(Arc::clone(item), offsets, values, mask))
        }
        DataType::LargeList(item) => {
            let offsets = offsets(rows, dice);
            let values = items(item, &offsets, nulls, dice);
            let offsets: Vec<i64> = offsets.into_iter().map(i64::from).collect();
            let offsets = OffsetBuffer::new(offsets.into());
            Arc::new(LargeListArray::new(Arc::clone(item), offsets, values, mask))
        }
        DataType::ListView(item) => {
            let offsets = offsets(rows, dice);
            let values = items(item, &offsets, nulls, dice);
            let (starts, sizes) = view_of(&offsets);
            Arc::new(ListViewArray::new(
                Arc::clone(item),
                ScalarBuffer::from(starts),
                ScalarBuffer::from(sizes),
                values,
                mask,
            ))
        }
        DataType::LargeListView(item) => {
            let offsets = offsets(rows, dice);
            let values = items(item, &offsets, nulls, dice);
            let (starts, sizes) = view_of(&offsets);
            let wide = |narrow: Vec<i32>| narrow.into_iter().map(i64::from).collect::<Vec<_>>();
            Arc::new(LargeListViewArray::new(
                Arc::clone(item),
                ScalarBuffer::from(wide(starts)),
                ScalarBuffer::from(wide(sizes)),
                values,
                mask,
            ))
        }
        DataType::FixedSizeList(item, size) => {
            let values = sample(item, rows * *size as usize, inner(nulls), dice);
            Arc::new(FixedSizeListArray::new(
                Arc::clone(item),
                *size,
                values,
                mask,
            ))
        }
        DataType::Map(entries, sorted) => {
            let offsets = offsets(rows, dice);
            let count = offsets[rows] as usize;
            let DataType::Struct(pair) = entries.data_type() else {
                panic!("{entries}")
            };
            let keys: ArrayRef = Arc::new(StringArray::from_iter_values(
                (0..count).map(|n| format!("key {n}")),
            ));
            let values = sample(&pair[1], count, inner(nulls), dice);
            let pairs = StructArray::new(pair.clone(), vec![keys, values], None);
            let offsets = OffsetBuffer::new(offsets.into());
            Arc::new(MapArray::new(
                Arc::clone(entries),
                offsets,
                pairs,
                mask,
                *sorted,
            ))
        }
        DataType::Dictionary(key, values) => {
            let values = distinct(values, dice);
            let codes: Vec<u64> = (0..rows)
                // The last value is one that no row uses.
                .map(|_| dice.below(values.len().max(2) as u64 - 1))
                .collect();
            let codes = arrow_cast::cast(&UInt64Array::from(codes), key).unwrap();
            let data = codes.to_data().into_builder().nulls(mask);
            let data = data
                .data_type(field.data_type().clone())
                .add_child_data(values.to_data());
            make_array(data.build().unwrap())
        }
        leaf => with_nulls(&leaf_values(leaf, rows, dice), mask),
    }
}

fn inner(nulls: Nulls) -> Nulls {
    match nulls {
        Nulls::None => Nulls::None,
        Nulls::Some | Nulls::All => Nulls::Some,
    }
}

fn offsets(rows: usize, dice: &mut Dice) -> Vec<i32> {
    let mut offsets = vec![0];
    for row in 0..rows {
        offsets.push(offsets[row] + dice.below(4) as i32);
    }
    offsets
}

fn items(item: &FieldRef, offsets: &[i32], nulls: Nulls, dice: &mut Dice) -> ArrayRef {
    let count = *offsets.last().unwrap() as usize;
    sample(item, count, inner(nulls), dice)
}

/// Views over the same items as lists with these offsets, but listed back to front.
fn view_of(offsets: &[i32]) -> (Vec<i32>, Vec<i32>) {
    let starts: Vec<i32> = offsets[..offsets.len() - 1].iter().rev().copied().collect();
    let sizes = offsets
        .windows(2)
        .rev()
        .map(|pair| pair[1] - pair[0])
        .collect();
    (starts, sizes)
}

fn with_nulls(array: &ArrayRef, mask: Option<NullBuffer>) -> ArrayRef {
    make_array(array.to_data().into_builder().nulls(mask).build().unwrap())
}

fn distinct(values: &DataType, dice: &mut Dice) -> ArrayRef {
    match values {
        DataType::Null => Arc::new(NullArray::new(3)),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![true, false])),
        DataType::FixedSizeBinary(1) => {
            let bytes = Buffer::from([7_u8, 0, 255, 3].as_slice());
            make_array(build(values, 4, bytes))
        }
        _ if values.is_decimal() && decimal_digits(values) == 1 => {
            let codes = arrow_array::Int64Array::from(vec![7, -9, 0, 3]);
            let plain = match values {
                DataType::Decimal32(_, _) => DataType::Decimal32(2, 0),
                DataType::Decimal64(_, _) => DataType::Decimal64(2, 0),
                DataType::Decimal128(_, _) => DataType::Decimal128(2, 0),
                _ => DataType::Decimal256(2, 0),
            };
            let array = arrow_cast::cast(&codes, &plain).unwrap();
            make_array(
                array
                    .to_data()
                    .into_builder()
                    .data_type(values.clone())
                    .build()
                    .unwrap(),
            )
        }
        _ => {
            let some = leaf_values(values, 20, dice);
            let mut seen = std::collections::HashSet::new();
            let rows: Vec<u64> = (0..some.len())
                .filter(|at| seen.insert(format!("{:?}", some.slice(*at, 1).to_data())))
                .map(|at| at as u64)
                .collect();
            arrow_select::take::take(&some, &UInt64Array::from(rows), None).unwrap()
        }
    }
}

fn decimal_digits(data_type: &DataType) -> u8 {
    match *data_type {
        DataType::Decimal32(digits, _)
        | DataType::Decimal64(digits, _)
        | DataType::Decimal128(digits, _)
        | DataType::Decimal256(digits, _) => digits,
        _ => panic!("{data_type} is no decimal"),
    }
}

fn build(data_type: &DataType, rows: usize, buffer: Buffer) -> ArrayData {
    ArrayData::builder(data_type.clone())
        .len(rows)
        .add_buffer(buffer)
        .build()
        .unwrap()
}

fn leaf_values(leaf: &DataType, rows: usize, dice: &mut Dice) -> ArrayRef {
    match leaf {
        DataType::Boolean => Arc::new(BooleanArray::from_iter(
            (0..rows).map(|_| Some(dice.below(2) == 0)),
        )),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = (0..rows).map(|_| text(dice));
            arrow_cast::cast(&StringArray::from_iter_values(texts), leaf).unwrap()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let blobs = (0..rows).map(|_| blob(dice));
            arrow_cast::cast(&BinaryArray::from_iter_values(blobs), leaf).unwrap()
        }
        DataType::FixedSizeBinary(width) => {
            let bytes: Vec<u8> = (0..rows * *width as usize)
                .map(|_| dice.roll() as u8)
                .collect();
            make_array(build(leaf, rows, Buffer::from(bytes.as_slice())))
        }
        decimal if decimal.is_decimal() => {
            let digits = decimal_digits(decimal);
            let bound = (0..digits).fold(i256::ONE, |power, _| power * i256::from_i128(10));
            let numbers: Vec<i256> = (0..rows)
                .map(|_| match dice.below(4) {
                    0 => bound - i256::ONE,
                    1 => i256::ONE - bound,
                    2 => i256::ZERO,
                    _ => {
                        let parts = [dice.roll(), dice.roll(), dice.roll(), dice.roll() >> 2];
                        let mut bytes = [0; 32];
                        for (at, part) in parts.iter().enumerate() {
                            bytes[at * 8..at * 8 + 8].copy_from_slice(&part.to_le_bytes());
                        }
                        i256::from_le_bytes(bytes) % bound
                    }
                })
                .collect();
            let width = decimal.primitive_width().unwrap();
            let bytes: Vec<u8> = numbers
                .iter()
                .flat_map(|number| number.to_le_bytes()[..width].to_vec())
                .collect();
            make_array(build(leaf, rows, Buffer::from(bytes.as_slice())))
        }
        fixed => {
            let width = fixed.primitive_width().unwrap();
            let bytes: Vec<u8> = (0..rows).flat_map(|_| pattern(width, dice)).collect();
            make_array(build(leaf, rows, Buffer::from(bytes.as_slice())))
        }
    }
}

/// Bits of a number: the extremes of integers, and zeros, infinities and NaNs of floats, among others.
fn pattern(width: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = match dice.below(6) {
        0 => vec![0; width],
        1 => vec![0xff; width],
        _ => dice.roll().to_le_bytes()[..width].to_vec(),
    };
    match dice.below(4) {
        // A sign bit alone: the smallest integer, the negative zero.
        0 => {
            bytes.fill(0);
            bytes[width - 1] = 0x80;
        }
        // A not-a-number with a payload.
        1 if width > 1 => {
            bytes[width - 1] = 0x7f;
            bytes[width - 2] |= 0xf0;
        }
        _ => {}
    }
    bytes
}

fn text(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => String::new(),
        1 => "é".to_owned(),
        2 => "\0".to_owned(),
        3 => "just twelve!".to_owned(),
        _ => format!("a text of more than twelve bytes, {}", dice.below(50)),
    }
}

fn blob(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(20)).map(|_| dice.roll() as u8).collect()
}

/// A batch with one column.
pub(super) fn one_column(field: Field, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

/// The segments that batches become.
pub(super) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    limits: Limits,
) -> Vec<EncodedSegment> {
    let mut encoder = SegmentEncoder::new(Arc::clone(schema), limits, Packing::default()).unwrap();
    let mut segments = Vec::new();
    for batch in batches {
        segments.extend(encoder.push(batch).unwrap());
    }
    segments.extend(encoder.finish().unwrap());
    segments
}

/// A reader of a file with these bytes, which nothing is known of.
pub(super) fn open(bytes: &Bytes) -> ObjectReader {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("frame/segments/one.parquet");
    block_on(store.put(&path, bytes.clone().into())).unwrap();
    ObjectReader::new(store, path, bytes.len() as u64)
}

/// A reader of a segment that checks what it reads.
pub(super) fn open_segment(segment: &EncodedSegment) -> ObjectReader {
    open(&segment.bytes).checked(Some(&segment.footer))
}

/// All of a file.
pub(super) fn everything(batch_rows: usize) -> Rows {
    Rows {
        columns: None,
        offset: 0,
        limit: None,
        hidden: None,
        batch_rows,
    }
}

/// Rows of a segment whose commit does not say how to check it.
pub(super) fn read_part(bytes: &Bytes, schema: &SchemaRef, rows: Rows) -> Vec<RecordBatch> {
    read_whole(open(bytes), schema, rows)
}

/// Rows of a segment.
pub(super) fn read_segment(
    segment: &EncodedSegment,
    schema: &SchemaRef,
    rows: Rows,
) -> Vec<RecordBatch> {
    read_whole(open_segment(segment), schema, rows)
}

fn read_whole(file: ObjectReader, schema: &SchemaRef, rows: Rows) -> Vec<RecordBatch> {
    block_on(async {
        let stream = read(file, Origin::Segment, schema, rows).await.unwrap();
        stream.map(Result::unwrap).collect().await
    })
}
