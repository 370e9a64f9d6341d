//! What goes in comes out: every type that can be stored, in every shape in which batches arrive.

use std::collections::HashMap;
use std::sync::Arc;

use super::samples::{
    Dice, Nulls, dictionary, dictionary_types, encode, everything, leaf_types, nested_types,
    one_column, read_segment, sample,
};
use super::*;
use crate::schema::check;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int8Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

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
            let batches = read_segment(segment, schema, everything(batch_rows));
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
                    for (max_rows, batch_rows) in [(1_000, 1_000), (16, 7)] {
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

/// What pandas sends for a categorical: a small key, an order, values that no row uses.
#[test]
fn categories_keep_their_order_and_what_no_row_uses() {
    let grades = Field::new("grade", dictionary(DataType::Int8, DataType::Utf8), true)
        .with_dict_is_ordered(true);
    let schema = Arc::new(Schema::new(vec![grades]));
    let values: ArrayRef = Arc::new(StringArray::from(vec!["low", "unused", "high", "middle"]));
    let keys = Int8Array::from(vec![Some(3), None, Some(0), Some(2), Some(2)]);
    let array = DictionaryArray::new(keys.clone(), Arc::clone(&values));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap();
    for batches in [
        vec![batch.clone()],
        vec![batch.slice(0, 2), batch.slice(2, 3)],
    ] {
        let back = round_trip(&schema, &batches, 100, 100);
        let column = back[0].column(0).as_dictionary::<Int8Type>();
        assert_eq!(column.values(), &values);
        assert_eq!(column.keys(), &keys);
        assert_eq!(back[0].schema().field(0).dict_is_ordered(), Some(true));
    }
}

#[test]
fn values_of_later_batches_follow_those_of_the_first() {
    let category = |values: Vec<&str>, keys: Vec<i8>| {
        let values = Arc::new(StringArray::from(values));
        let array = DictionaryArray::new(Int8Array::from(keys), values);
        RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap()
    };
    let batches = [
        category(vec!["b", "a"], vec![0, 1]),
        category(vec!["c", "a", "d"], vec![0, 1]),
    ];
    let back = round_trip(&batches[0].schema(), &batches, 100, 100);
    let column = back[0].column(0).as_dictionary::<Int8Type>();
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "c", "d"]));
    assert_eq!(column.values(), &expected);
    assert_eq!(column.keys(), &Int8Array::from(vec![0, 1, 2, 1]));
}

#[test]
fn doubled_values_and_nulls_in_a_dictionary_keep_what_rows_mean() {
    let values = StringArray::from(vec![Some("x"), None, Some("x"), Some("y")]);
    let keys = Int8Array::from(vec![Some(2), Some(1), Some(3), None, Some(0)]);
    let array: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(values)));
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    let back = round_trip(&batch.schema(), &[batch], 100, 100);
    let plain = arrow_cast::cast(back[0].column(0), &DataType::Utf8).unwrap();
    let expected = StringArray::from(vec![Some("x"), None, Some("y"), None, Some("x")]);
    assert_eq!(plain.as_string::<i32>(), &expected);
}

#[test]
fn every_bit_of_a_float_survives() {
    let bits = [
        0.0_f64.to_bits(),
        (-0.0_f64).to_bits(),
        f64::NAN.to_bits(),
        0x7ff0_0000_0000_0001,
        0xfff8_dead_beef_0001,
        f64::INFINITY.to_bits(),
        1,
    ];
    let floats: Float64Array = bits
        .iter()
        .cycle()
        .take(1000)
        .map(|bits| Some(f64::from_bits(*bits)))
        .collect();
    let batch = RecordBatch::try_from_iter([("f", Arc::new(floats.clone()) as ArrayRef)]).unwrap();
    let back = round_trip(&batch.schema(), &[batch], 10_000, 10_000);
    let found = back[0].column(0).as_primitive::<Float64Type>();
    for (sent, received) in floats.values().iter().zip(found.values()) {
        assert_eq!(sent.to_bits(), received.to_bits());
    }
    // The comparison that the matrix uses sees such differences, too.
    assert_ne!(
        Float64Array::from(vec![0.0]),
        Float64Array::from(vec![-0.0])
    );
}

#[test]
fn metadata_of_schema_fields_and_children_survives() {
    let tagged = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
    let item = Field::new("item", DataType::FixedSizeBinary(16), true)
        .with_metadata(tagged("ARROW:extension:name", "arrow.uuid"));
    let ids = Field::new("ids", DataType::List(Arc::new(item)), true)
        .with_metadata(tagged("PARQUET:field_id", "7"));
    let json = Field::new("json", DataType::Utf8, false)
        .with_metadata(tagged("ARROW:extension:name", "arrow.json"));
    let metadata = HashMap::from([
        ("pandas".to_owned(), "{\"columns\": []}".to_owned()),
        ("ARROW:schema".to_owned(), "not ours".to_owned()),
        (
            "shoots.dictionaries".to_owned(),
            "of another file".to_owned(),
        ),
        (String::new(), "no key".to_owned()),
    ]);
    let category = Field::new("category", dictionary(DataType::Int8, DataType::Utf8), true);
    let fields = vec![ids.clone(), json.clone(), category.clone()];
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let mut dice = Dice::new(3);
    let columns = vec![
        sample(&ids, 20, Nulls::Some, &mut dice),
        sample(&json, 20, Nulls::None, &mut dice),
        sample(&category, 20, Nulls::Some, &mut dice),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    assert_same(
        &schema,
        std::slice::from_ref(&batch),
        &round_trip(&schema, std::slice::from_ref(&batch), 100, 7),
    );
}

#[test]
fn odd_names_survive() {
    let names = [
        "", " ", "a.b", "ü", "\"", "a\0b", "list", "element", "_tuple", "array",
    ];
    let fields: Vec<Field> = names
        .iter()
        .map(|name| {
            let item = Field::new(*name, DataType::Int32, true);
            Field::new(*name, DataType::List(Arc::new(item)), true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut dice = Dice::new(5);
    let columns = schema
        .fields()
        .iter()
        .map(|field| sample(field, 30, Nulls::Some, &mut dice))
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    assert_same(
        &schema,
        std::slice::from_ref(&batch),
        &round_trip(&schema, std::slice::from_ref(&batch), 100, 7),
    );
}

#[test]
fn what_cannot_be_stored_is_refused_column_by_column() {
    let union = DataType::Union(
        arrow_schema::UnionFields::from_fields(vec![Field::new("a", DataType::Int8, true)]),
        arrow_schema::UnionMode::Dense,
    );
    let ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
    let runs = DataType::RunEndEncoded(ends, Arc::new(Field::new("values", DataType::Utf8, true)));
    let list_of = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    let twice = Fields::from(vec![
        Field::new("x", DataType::Int8, true),
        Field::new("x", DataType::Int8, true),
    ]);
    let refused = [
        ("union", union.clone(), "union"),
        ("runs", runs, "run-end"),
        (
            "interval",
            DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano),
            "interval",
        ),
        ("empty", DataType::Struct(Fields::empty()), "without fields"),
        ("list", list_of(union), "list.item"),
        ("pair", DataType::Struct(twice), "pair.x"),
        ("none", DataType::FixedSizeBinary(0), "size 0"),
        (
            "no items",
            DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int8, true)), 0),
            "size 0",
        ),
        (
            "nested",
            dictionary(DataType::Int8, list_of(DataType::Int8)),
            "dictionary of",
        ),
        (
            "twofold",
            dictionary(DataType::Int8, dictionary(DataType::Int8, DataType::Utf8)),
            "dictionary of",
        ),
        (
            "time",
            DataType::Time32(arrow_schema::TimeUnit::Nanosecond),
            "not a valid type",
        ),
        (
            "zone",
            DataType::Timestamp(arrow_schema::TimeUnit::Second, Some("".into())),
            "time zone",
        ),
        ("digits", DataType::Decimal256(76, -10), "86 digits"),
        (
            "deep",
            (0..40).fold(DataType::Int8, |inner, _| list_of(inner)),
            "deep",
        ),
    ];
    let mut fields: Vec<Field> = refused
        .iter()
        .map(|(name, data_type, _)| Field::new(*name, data_type.clone(), true))
        .collect();
    fields.push(Field::new("fine", DataType::Int8, true));
    fields.push(Field::new(
        "nulls",
        dictionary(DataType::Int8, DataType::Null),
        false,
    ));
    fields.extend([
        Field::new("same", DataType::Int8, true),
        Field::new("same", DataType::Utf8, true),
    ]);
    let error = check(&Schema::new(fields)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Schema);
    let told = error.to_string();
    for (name, _, reason) in refused {
        assert!(told.contains(&format!("column {name}")), "{name}: {told}");
        assert!(told.contains(reason), "{reason}: {told}");
    }
    assert!(
        told.contains("column nulls: ") && told.contains("column same: "),
        "{told}"
    );
    assert!(!told.contains("column fine"), "{told}");
    assert!(
        check(&Schema::empty())
            .unwrap_err()
            .to_string()
            .contains("at least one column")
    );
}
