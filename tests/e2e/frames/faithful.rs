//! What went in comes out: types, nulls, metadata, and dictionaries that change under way.

use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeListBuilder, Int32Builder, LargeListBuilder, ListBuilder, MapBuilder, StringBuilder,
    StringDictionaryBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    DictionaryArray, DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int32Array,
    LargeBinaryArray, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
    StructArray, Time64NanosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use serde_json::{Value, json};
use shoots_client::PutMode;

use crate::rows::{get, put};
use crate::server::Server;

/// A category, null, another one and the first again, in a dictionary that holds one more than is used.
fn categories() -> DictionaryArray<Int8Type> {
    let mut builder = StringDictionaryBuilder::<Int8Type>::new();
    builder.append_value("small");
    builder.append_null();
    builder.append_value("large");
    builder.append_value("small");
    let used = builder.finish();
    let values = StringArray::from(vec!["small", "large", "never used"]);
    used.with_values(Arc::new(values))
}

fn lists() -> Vec<ArrayRef> {
    let mut list = ListBuilder::new(Int32Builder::new());
    let mut large = LargeListBuilder::new(StringBuilder::new());
    let mut fixed = FixedSizeListBuilder::new(Int32Builder::new(), 2);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..4 {
        for item in 0..row {
            list.values().append_option((item != 1).then_some(item));
            large
                .values()
                .append_option((item != 1).then(|| format!("item {item}")));
            map.keys().append_value(format!("key {item}"));
            map.values().append_option((item != 1).then_some(item));
        }
        list.append(row != 2);
        large.append(row != 2);
        map.append(row != 2).unwrap();
        fixed.values().append_value(row);
        fixed.values().append_null();
        fixed.append(row != 2);
    }
    vec![
        Arc::new(list.finish()),
        Arc::new(large.finish()),
        Arc::new(fixed.finish()),
        Arc::new(map.finish()),
    ]
}

/// A struct of a number and a struct of a category and a large list.
fn nested() -> ArrayRef {
    let inner: Vec<(FieldRef, ArrayRef)> = [
        ("category", Arc::new(categories()) as ArrayRef),
        ("list", lists().remove(1)),
    ]
    .map(|(name, array)| (field(name, &array), array))
    .to_vec();
    let inner: ArrayRef = Arc::new(StructArray::from(inner));
    let number: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]));
    let outer = vec![
        (field("number", &number), number),
        (field("inner", &inner), inner),
    ];
    Arc::new(StructArray::from(outer))
}

fn field(name: &str, array: &ArrayRef) -> FieldRef {
    Arc::new(Field::new(name, array.data_type().clone(), true))
}

/// Four rows of every kind of column that users have.
fn columns() -> Vec<ArrayRef> {
    let texts = vec![
        Some("a"),
        None,
        Some(""),
        Some("a text of more than twelve bytes: ünïcode"),
    ];
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"\0\xff"), None, Some(b""), Some(b"thirteen bytes")];
    let times = vec![
        Some(i64::MIN),
        None,
        Some(-1),
        Some(1_700_000_000_123_456_789),
    ];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![
            Some(true),
            None,
            Some(false),
            Some(true),
        ])),
        Arc::new(Int8Array::from(vec![
            Some(i8::MIN),
            None,
            Some(0),
            Some(i8::MAX),
        ])),
        Arc::new(UInt64Array::from(vec![
            Some(u64::MAX),
            None,
            Some(0),
            Some(1 << 63),
        ])),
        Arc::new(Float32Array::from(vec![
            Some(f32::NAN),
            None,
            Some(-0.0),
            Some(f32::MIN_POSITIVE),
        ])),
        Arc::new(Float64Array::from(vec![
            Some(f64::NAN),
            None,
            Some(-0.0),
            Some(f64::INFINITY),
        ])),
        Arc::new(StringArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts.clone())),
        Arc::new(StringViewArray::from(texts)),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(LargeBinaryArray::from(bytes.clone())),
        Arc::new(BinaryViewArray::from(bytes)),
        Arc::new(categories()),
        Arc::new(TimestampNanosecondArray::from(times.clone())),
        Arc::new(TimestampNanosecondArray::from(times.clone()).with_timezone("Europe/Rome")),
        Arc::new(TimestampSecondArray::from(times.clone()).with_timezone("+05:30")),
        Arc::new(DurationMillisecondArray::from(times)),
        Arc::new(Date32Array::from(vec![
            Some(i32::MIN),
            None,
            Some(0),
            Some(i32::MAX),
        ])),
        Arc::new(Time64NanosecondArray::from(vec![
            Some(0),
            None,
            Some(1),
            Some(86_399_999_999_999),
        ])),
        Arc::new(
            Decimal128Array::from(vec![Some(-12_345), None, Some(0), Some(i128::pow(10, 20))])
                .with_precision_and_scale(30, 4)
                .unwrap(),
        ),
        Arc::new(NullArray::new(4)),
        nested(),
    ];
    columns.extend(lists());
    columns
}

/// The columns with metadata on the schema, as pandas has it, and on every field, as extension types have it.
pub(crate) fn everything() -> RecordBatch {
    let columns = columns();
    let fields = columns.iter().enumerate().map(|(at, column)| {
        let about = [("ARROW:extension:name".to_owned(), format!("example.{at}"))];
        let name = format!("{at} {}", column.data_type());
        Field::new(name, column.data_type().clone(), true).with_metadata(about.into())
    });
    let pandas = r#"{"index_columns":[],"columns":[],"creator":{"library":"example"}}"#;
    let metadata = [
        ("pandas".to_owned(), pandas.to_owned()),
        ("Ключ".to_owned(), String::new()),
    ];
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.into());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[tokio::test]
async fn every_type_and_all_metadata_come_back() {
    let server = Server::start().await;
    let client = server.client().await;
    let batch = everything();
    put(&client, "a", PutMode::Error, batch.clone()).await;
    assert_eq!(client.schema("a").await.unwrap(), batch.schema());
    let got = get(&client, "a").await;
    for (got, put) in got.columns().iter().zip(batch.columns()) {
        assert_eq!(got, put);
    }
    assert_eq!(got, batch);
    // Slices of the arrays, appended: their offsets do not begin at zero.
    put(&client, "a", PutMode::Append, batch.slice(1, 3)).await;
    let more = get(&client, "a").await;
    assert_eq!(more.slice(0, 4), batch);
    assert_eq!(more.slice(4, 3), batch.slice(1, 3));
    let empty = everything().slice(0, 0);
    put(&client, "empty", PutMode::Error, empty.clone()).await;
    assert_eq!(get(&client, "empty").await, empty);
    server.stop().await;
}

#[tokio::test]
async fn what_pandas_says_of_columns_follows_those_that_are_chosen() {
    let server = Server::start().await;
    let client = server.client().await;
    let columns = ["price", "day"].map(|name| json!({"name": name, "field_name": name}));
    let pandas = json!({"index_columns": ["day"], "columns": columns.clone()});
    let metadata = [
        ("pandas".to_owned(), pandas.to_string()),
        ("owner".to_owned(), "somebody".to_owned()),
    ];
    let fields = vec![
        Field::new("price", DataType::Int32, true),
        Field::new("day", DataType::Date32, true),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata.into()));
    let batch = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(Int32Array::from(vec![3, 1])),
            Arc::new(Date32Array::from(vec![1, 2])),
        ],
    );
    let batch = batch.unwrap();
    put(&client, "a", PutMode::Error, batch.clone()).await;
    let prices = client.get("a").columns(["price"]);
    let prices = prices.collect_one().await.unwrap();
    assert_eq!(prices.columns(), &batch.columns()[..1]);
    let schema = prices.schema();
    assert_eq!(schema.metadata()["owner"], "somebody");
    let said: Value = serde_json::from_str(&schema.metadata()["pandas"]).unwrap();
    assert_eq!(
        said,
        json!({"index_columns": [], "columns": [columns[0].clone()]})
    );
    server.stop().await;
}

#[tokio::test]
async fn columns_that_may_not_be_null_stay_so() {
    let server = Server::start().await;
    let client = server.client().await;
    let never = Field::new("item", DataType::Int32, false);
    let mut lists = ListBuilder::new(Int32Builder::new()).with_field(never.clone());
    lists.append_value([Some(1), Some(2)]);
    lists.append_value([]);
    let lists: ArrayRef = Arc::new(lists.finish());
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let fields = vec![
        never,
        Field::new("list", lists.data_type().clone(), false),
        Field::new("maybe", DataType::Int32, true),
    ];
    let columns = vec![Arc::clone(&numbers), lists, numbers];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    put(&client, "a", PutMode::Error, batch.clone()).await;
    assert_eq!(get(&client, "a").await, batch);
    server.stop().await;
}

#[tokio::test]
async fn dictionaries_may_differ_between_batches_and_puts() {
    let server = Server::start().await;
    let client = server.client().await;
    let batch = |texts: [Option<&str>; 3]| {
        let keys: DictionaryArray<Int16Type> = texts.into_iter().collect();
        let keys: ArrayRef = Arc::new(keys);
        RecordBatch::try_from_iter_with_nullable([("kind", keys, true)]).unwrap()
    };
    let texts = [
        [Some("a"), Some("b"), None],
        [Some("c"), Some("a"), Some("c")],
        [None, None, None],
        [Some("b"), Some("d"), Some("e")],
    ];
    let first = [batch(texts[0]), batch(texts[1])];
    client
        .put("a")
        .send(first[0].schema(), first)
        .await
        .unwrap();
    let second = [batch(texts[2]), batch(texts[3])];
    let append = client.put("a").mode(PutMode::Append);
    append.send(second[0].schema(), second).await.unwrap();
    let got = get(&client, "a").await;
    assert_eq!(got.schema(), batch(texts[0]).schema());
    let kinds = got["kind"].as_dictionary::<Int16Type>();
    let kinds = kinds.downcast_dict::<StringArray>().unwrap();
    let kinds: Vec<Option<&str>> = kinds.into_iter().collect();
    assert_eq!(kinds, texts.concat());
    server.stop().await;
}
