//! What goes in comes out: every type that can be stored, in every shape in which batches arrive.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int8Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use futures::StreamExt;
use futures::executor::block_on;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::samples::{
    Dice, Nulls, dictionary, dictionary_types, leaf_types, nested_types, one_column, sample,
};
use super::*;
use crate::schema::check;

pub(super) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    limits: Limits,
) -> Vec<EncodedSegment> {
    let mut encoder = SegmentEncoder::new(Arc::clone(schema), limits).unwrap();
    let mut segments = Vec::new();
    for batch in batches {
        segments.extend(encoder.push(batch).unwrap());
    }
    segments.extend(encoder.finish().unwrap());
    segments
}

pub(super) fn open(bytes: &bytes::Bytes) -> ObjectReader {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("frame/segments/one.parquet");
    block_on(store.put(&path, bytes.clone().into())).unwrap();
    ObjectReader::new(store, path, bytes.len() as u64)
}

pub(super) fn everything(batch_rows: usize) -> Rows {
    Rows {
        columns: None,
        offset: 0,
        limit: None,
        batch_rows,
    }
}

pub(super) fn read_part(bytes: &bytes::Bytes, schema: &SchemaRef, rows: Rows) -> Vec<RecordBatch> {
    let file = open(bytes);
    block_on(async {
        let stream = read(file, Origin::Segment, schema, rows).await.unwrap();
        stream.map(Result::unwrap).collect().await
    })
}

/// The batches as they come back from segments of at most `max_rows`.
fn round_trip(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    max_rows: usize,
    batch_rows: usize,
) -> Vec<RecordBatch> {
    let limits = Limits {
        max_rows,
        ..Limits::default()
    };
    encode(schema, batches, limits)
        .iter()
        .flat_map(|segment| {
            let batches = read_part(&segment.bytes, schema, everything(batch_rows));
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows as u64, segment.rows);
            batches
        })
        .collect()
}

fn ordered_flags(fields: &Fields) -> Vec<bool> {
    fields
        .iter()
        .flat_map(|field| {
            let mut flags: Vec<bool> = field.dict_is_ordered().into_iter().collect();
            match field.data_type() {
                DataType::Struct(fields) => flags.extend(ordered_flags(fields)),
                DataType::List(item) => {
                    flags.extend(ordered_flags(&Fields::from(vec![Arc::clone(item)])))
                }
                _ => {}
            }
            flags
        })
        .collect()
}

fn assert_same(schema: &SchemaRef, sent: &[RecordBatch], received: &[RecordBatch]) {
    let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(count(sent), count(received));
    for batch in received {
        assert_eq!(batch.schema(), *schema);
        assert_eq!(
            ordered_flags(batch.schema().fields()),
            ordered_flags(schema.fields())
        );
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            assert_eq!(column.data_type(), field.data_type());
            column.to_data().validate_full().unwrap();
        }
    }
    let received = rows_of(received);
    for (row, sent) in rows_of(sent) {
        for (start, received) in &received {
            let from = row.max(*start);
            let to = (row + sent.num_rows()).min(start + received.num_rows());
            if from < to {
                let sent = sent.slice(from - row, to - from);
                let received = received.slice(from - start, to - from);
                for (sent, received) in sent.columns().iter().zip(received.columns()) {
                    assert_eq!(sent.logical_null_count(), received.logical_null_count());
                    // Whether a row is null itself or points to a null makes no difference.
                    if !is_null_dictionary(sent.data_type()) {
                        assert_eq!(sent, received);
                    }
                }
            }
        }
    }
}

fn is_null_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(_, values) if values.is_null())
}

/// Batches, each with the number of its first row.
fn rows_of(batches: &[RecordBatch]) -> Vec<(usize, &RecordBatch)> {
    let mut row = 0;
    let mut rows = Vec::new();
    for batch in batches {
        rows.push((row, batch));
        row += batch.num_rows();
    }
    rows
}

/// One type against every mix of nulls and every shape of batches.
fn check_type(data_type: &DataType, failures: &mut Vec<String>) {
    for nullable in [false, true] {
        if !nullable && is_null_dictionary(data_type) {
            continue;
        }
        let mixes: &[Nulls] = match nullable {
            false => &[Nulls::None],
            true => &[Nulls::None, Nulls::Some, Nulls::All],
        };
        for nulls in mixes {
            let field = Field::new("value", data_type.clone(), nullable);
            let schema = Arc::new(Schema::new(vec![field.clone()]));
            check(&schema).unwrap();
            let mut dice = Dice::new(7);
            let mut batch =
                |rows: usize| one_column(field.clone(), sample(&field, rows, *nulls, &mut dice));
            let plain = vec![batch(50)];
            let sliced = vec![batch(60).slice(7, 40), batch(20).slice(0, 3)];
            let several = vec![batch(20), batch(1), batch(30)];
            let with_empty = vec![batch(0), batch(9), batch(0), batch(9), batch(0)];
            for (shape, batches) in [
                ("plain", plain),
                ("sliced", sliced),
                ("several", several),
                ("empty between", with_empty),
            ] {
                let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    for (max_rows, batch_rows) in [(1_000, 1_000), (1_000, 7), (16, 11)] {
                        let back = round_trip(&schema, &batches, max_rows, batch_rows);
                        assert_same(&schema, &batches, &back);
                    }
                }));
                if run.is_err() {
                    failures.push(format!(
                        "{data_type}, {shape}, nulls: {nulls:?}, nullable: {nullable}"
                    ));
                }
            }
            assert!(encode(&schema, &[batch(0)], Limits::default()).is_empty());
        }
    }
}

fn check_types(types: impl IntoIterator<Item = DataType>) {
    let mut failures = Vec::new();
    for data_type in types {
        check_type(&data_type, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_leaf_type_survives() {
    check_types(leaf_types());
}

#[test]
fn every_dictionary_type_survives() {
    check_types(dictionary_types());
}

#[test]
fn every_nesting_of_leaf_types_survives() {
    let leaves = [
        DataType::Null,
        DataType::Boolean,
        DataType::UInt8,
        DataType::Float64,
        DataType::Date64,
        DataType::Decimal128(10, -5),
        DataType::Decimal256(76, 20),
        DataType::Utf8View,
        DataType::LargeBinary,
        DataType::FixedSizeBinary(16),
        dictionary(DataType::Int8, DataType::Utf8),
        dictionary(DataType::UInt16, DataType::Utf8View),
        dictionary(DataType::Int8, DataType::Float32),
    ];
    check_types(leaves.iter().flat_map(nested_types));
}
