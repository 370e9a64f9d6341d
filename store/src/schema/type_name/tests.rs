//! Every name that is read or written, and what is said about those that are not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Fields, Schema};

use super::*;
use crate::error::ErrorKind;

fn read(text: &str) -> DataType {
    parse("type", text).unwrap()
}

fn refusal(text: &str) -> String {
    let error = parse("type", text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    error.to_string()
}

fn dictionary(indices: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(indices), Box::new(values))
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn record(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

fn map(pair: Vec<Field>, sorted: bool) -> DataType {
    DataType::Map(Arc::new(Field::new("entries", record(pair), false)), sorted)
}

fn zoned(unit: TimeUnit, zone: &str) -> DataType {
    DataType::Timestamp(unit, Some(zone.into()))
}

/// Types and what `str()` gives for them in pyarrow 26.
fn as_pyarrow_spells_them() -> Vec<(DataType, &'static str)> {
    use DataType::*;
    use TimeUnit::*;
    let key = || Field::new("key", Utf8, false);
    vec![
        (Null, "null"),
        (Boolean, "bool"),
        (Int8, "int8"),
        (Int16, "int16"),
        (Int32, "int32"),
        (Int64, "int64"),
        (UInt8, "uint8"),
        (UInt16, "uint16"),
        (UInt32, "uint32"),
        (UInt64, "uint64"),
        (Float16, "halffloat"),
        (Float32, "float"),
        (Float64, "double"),
        (Utf8, "string"),
        (LargeUtf8, "large_string"),
        (Utf8View, "string_view"),
        (Binary, "binary"),
        (LargeBinary, "large_binary"),
        (BinaryView, "binary_view"),
        (FixedSizeBinary(16), "fixed_size_binary[16]"),
        (Date32, "date32[day]"),
        (Date64, "date64[ms]"),
        (Time32(Second), "time32[s]"),
        (Time32(Millisecond), "time32[ms]"),
        (Time64(Microsecond), "time64[us]"),
        (Time64(Nanosecond), "time64[ns]"),
        (Timestamp(Second, None), "timestamp[s]"),
        (Timestamp(Nanosecond, None), "timestamp[ns]"),
        (
            zoned(Microsecond, "Europe/Berlin"),
            "timestamp[us, tz=Europe/Berlin]",
        ),
        (zoned(Millisecond, "+02:00"), "timestamp[ms, tz=+02:00]"),
        (zoned(Second, "Etc/GMT-3"), "timestamp[s, tz=Etc/GMT-3]"),
        (Duration(Millisecond), "duration[ms]"),
        (Interval(IntervalUnit::YearMonth), "month_interval"),
        (Interval(IntervalUnit::DayTime), "day_time_interval"),
        (
            Interval(IntervalUnit::MonthDayNano),
            "month_day_nano_interval",
        ),
        (Decimal32(5, 2), "decimal32(5, 2)"),
        (Decimal64(10, 0), "decimal64(10, 0)"),
        (Decimal128(38, -2), "decimal128(38, -2)"),
        (Decimal256(76, 10), "decimal256(76, 10)"),
        (
            dictionary(Int8, Utf8),
            "dictionary<values=string, indices=int8, ordered=0>",
        ),
        (
            dictionary(UInt16, zoned(Nanosecond, "UTC")),
            "dictionary<values=timestamp[ns, tz=UTC], indices=uint16, ordered=0>",
        ),
        (DataType::new_list(Int8, true), "list<item: int8>"),
        (DataType::new_list(Int8, false), "list<item: int8 not null>"),
        (
            List(Arc::new(field("element", Boolean))),
            "list<element: bool>",
        ),
        (
            DataType::new_large_list(DataType::new_list(Utf8, true), true),
            "large_list<item: list<item: string>>",
        ),
        (
            ListView(Arc::new(field("item", Int8))),
            "list_view<item: int8>",
        ),
        (
            LargeListView(Arc::new(field("item", Int8))),
            "large_list_view<item: int8>",
        ),
        (
            DataType::new_fixed_size_list(Float32, 3, true),
            "fixed_size_list<item: float>[3]",
        ),
        (
            record(vec![
                Field::new("a", Int64, false),
                field("Wind Süd (m/s)", DataType::new_list(Float64, true)),
                field("not null", Null),
            ]),
            "struct<a: int64 not null, Wind Süd (m/s): list<item: double>, not null: null>",
        ),
        (
            map(vec![key(), field("value", Int8)], false),
            "map<string, int8>",
        ),
        (
            map(
                vec![key(), field("value", record(vec![field("x", Int8)]))],
                true,
            ),
            "map<string, struct<x: int8>, keys_sorted>",
        ),
    ]
}

#[test]
fn a_type_is_named_as_pyarrow_names_it_and_read_back_the_same() {
    for (data_type, spelled) in as_pyarrow_spells_them() {
        assert_eq!(name(&data_type), spelled);
        assert_eq!(read(spelled), data_type, "{spelled}");
    }
}

#[test]
fn the_spelling_of_rusts_arrow_is_read_too() {
    for (data_type, _) in as_pyarrow_spells_them() {
        let spelled = data_type.to_string();
        assert_eq!(read(&spelled), data_type, "{spelled}");
    }
    let zone = r#"Timestamp(Nanosecond, Some("UTC"))"#;
    assert_eq!(read(zone), zoned(TimeUnit::Nanosecond, "UTC"));
    assert_eq!(
        read("Timestamp(Nanosecond, None)"),
        DataType::Timestamp(TimeUnit::Nanosecond, None)
    );
}

#[test]
fn words_of_pandas_numpy_and_polars_are_read() {
    use DataType::*;
    use TimeUnit::*;
    let utc = || zoned(Nanosecond, "UTC");
    for (text, expected) in [
        ("Int64", Int64),
        ("int", Int64),
        ("UInt8", UInt8),
        ("bool_", Boolean),
        ("boolean", Boolean),
        ("half", Float16),
        ("Float64", Float64),
        ("f64", Float64),
        ("u16", UInt16),
        ("str", Utf8),
        ("UTF8", Utf8),
        ("LargeUtf8", LargeUtf8),
        ("large_utf8", LargeUtf8),
        ("string[pyarrow]", Utf8),
        ("timestamp[ns, tz=UTC][pyarrow]", utc()),
        ("datetime64[ns]", Timestamp(Nanosecond, None)),
        ("datetime64[ns, UTC]", utc()),
        ("timestamp('ns', tz='UTC')", utc()),
        ("Datetime(time_unit='ns', time_zone='UTC')", utc()),
        (
            "Datetime(time_unit='us', time_zone=None)",
            Timestamp(Microsecond, None),
        ),
        ("datetime[\u{3bc}s]", Timestamp(Microsecond, None)),
        ("datetime[\u{b5}s]", Timestamp(Microsecond, None)),
        ("timedelta64[ns]", Duration(Nanosecond)),
        ("Duration(time_unit='ms')", Duration(Millisecond)),
        ("Date", Date32),
        ("date32", Date32),
        ("date64", Date64),
        ("Time", Time64(Nanosecond)),
        ("category", dictionary(Int32, Utf8)),
        ("Categorical", dictionary(Int32, Utf8)),
        (
            "dictionary(int8, large_string)",
            dictionary(Int8, LargeUtf8),
        ),
        (
            "dictionary<values=string, indices=int32>",
            dictionary(Int32, Utf8),
        ),
        ("decimal[10,2]", Decimal128(10, 2)),
        ("Decimal(precision=10, scale=2)", Decimal128(10, 2)),
        ("decimal128(10)", Decimal128(10, 0)),
        ("binary[16]", FixedSizeBinary(16)),
        ("list<double>", DataType::new_list(Float64, true)),
        ("list[i64]", DataType::new_list(Int64, true)),
        ("List(Int64)", DataType::new_list(Int64, true)),
        (
            "array[i64, 3]",
            DataType::new_fixed_size_list(Int64, 3, true),
        ),
        ("struct<>", record(vec![])),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn letters_may_be_large_and_spaces_anywhere_between_the_parts() {
    let expected =
        read("struct<A b: list<item: timestamp[us, tz=Europe/Berlin] not null>, c: int8>");
    let loose =
        "  STRUCT < A b :LIST<item:  TimeStamp [ US ,TZ = Europe/Berlin ]NOT  Null > , c:INT8 >\n";
    assert_eq!(read(loose), expected);
}

#[test]
fn quotes_allow_names_with_any_mark() {
    let expected = record(vec![field("a, b: <c>", DataType::Int8)]);
    assert_eq!(read("struct<'a, b: <c>': int8>"), expected);
}

#[test]
fn a_type_that_pyarrows_spelling_does_not_tell_in_full_is_named_in_another() {
    let tagged = field("item", DataType::Int8)
        .with_metadata(HashMap::from([("unit".to_owned(), "m".to_owned())]));
    let pair = |value: &str, nullable| {
        vec![
            Field::new("key", DataType::Utf8, false),
            Field::new(value, DataType::Int8, nullable),
        ]
    };
    for (data_type, expected) in [
        (
            record(vec![field("a, b", DataType::Int8)]),
            r#"Struct("a, b": Int8)"#,
        ),
        (
            record(vec![field("a: int8, b", DataType::Int8)]),
            r#"Struct("a: int8, b": Int8)"#,
        ),
        (
            record(vec![field(" a", DataType::Int8)]),
            r#"Struct(" a": Int8)"#,
        ),
        (
            record(vec![field("'a'", DataType::Int8)]),
            r#"Struct("'a'": Int8)"#,
        ),
        (
            record(vec![field("", DataType::Int8)]),
            r#"Struct("": Int8)"#,
        ),
        (zoned(TimeUnit::Second, "None"), r#"Timestamp(s, "None")"#),
        (zoned(TimeUnit::Second, "a]"), r#"Timestamp(s, "a]")"#),
        (
            map(pair("v", true), false),
            r#"Map("entries": non-null Struct("key": non-null Utf8, "v": Int8), unsorted)"#,
        ),
        (
            map(pair("value", false), true),
            r#"Map("entries": non-null Struct("key": non-null Utf8, "value": non-null Int8), sorted)"#,
        ),
    ] {
        assert_eq!(name(&data_type), expected);
        assert_eq!(read(expected), data_type, "{expected}");
    }
    let tagged = DataType::List(Arc::new(tagged));
    assert_eq!(name(&tagged), r#"List(Int8, metadata: {"unit": "m"})"#);
}

#[test]
fn texts_that_name_no_type_are_refused_with_the_reason_and_examples() {
    for (text, reason) in [
        ("", "a type was expected at its end"),
        ("flaot64", "there is no `flaot64`"),
        ("i8", "int8 or int64"),
        ("u8", "uint8 or uint64"),
        ("object", "name what they are"),
        ("timestamp", "it needs a unit"),
        ("duration", "it needs a unit"),
        ("timestamp[us", "`]` was expected at its end"),
        ("timestamp[us)", "`]` was expected at `)`"),
        ("timestamp[h]", "`h` is not a unit"),
        ("timestamp[us, '']", "its time zone is empty"),
        ("timestamp[us, zone=UTC]", "tz= or time_zone= was expected"),
        ("date32[ms]", "can only be day"),
        ("time32[us]", "time32 counts seconds or milliseconds"),
        ("list<time64[s]>", "time64 counts microseconds"),
        ("decimal128", "it needs its digits"),
        ("decimal128(39, 2)", "1 to 38 digits, not 39"),
        ("decimal256(77)", "1 to 76 digits, not 77"),
        ("decimal32(0, 0)", "1 to 9 digits, not 0"),
        (
            "decimal128(300, 2)",
            "a number that fits was expected at `300, 2)`",
        ),
        ("Struct(\"a\": Time64(s))", "time64 counts"),
        (
            "dictionary<values=string, indices=double>",
            "are integers, not double",
        ),
        (
            "dictionary<values=string, indices=int8, ordered=1>",
            "ordered",
        ),
        ("list", "an opening bracket was expected at its end"),
        ("list<int8 maybe>", "only `not null`"),
        ("struct<int64, string>", "a name, a colon and a type"),
        ("struct<a, b: int64>", "a name, a colon and a type"),
        ("struct<a: int64,>", "a name, a colon and a type"),
        ("map<string>", "`,` was expected at `>`"),
        ("map<string, int8, sorted>", "keys_sorted"),
        ("struct<'a: int8>", "an end of the quotes"),
        (r#"Struct("a\"b": Int8)"#, "quotes without a backslash"),
        ("int64 int64", "nothing more was expected at `int64`"),
        ("int64[ns]", "nothing more was expected at `[ns]`"),
        ("é", "a type was expected at `é`"),
    ] {
        let message = refusal(text);
        assert!(message.contains(reason), "{text}: {message}");
        assert!(message.starts_with(&format!("type: `{text}`")), "{message}");
        assert!(message.contains("timestamp[us, tz=UTC]"), "{message}");
    }
}

#[test]
fn texts_without_an_end_are_refused_in_short_words() {
    for start in [
        "list<",
        "List(",
        "Struct(\")\": ",
        "map<",
        "é",
        "Dictionary(Int8, ",
    ] {
        let message = refusal(&start.repeat(100_000));
        assert!(message.len() < 600, "{message}");
    }
}

#[test]
fn what_can_be_stored_can_be_named_as_deep_as_it_goes() {
    let mut data_type = DataType::Int8;
    let deepest = loop {
        let deeper = DataType::new_list(data_type.clone(), true);
        let schema = Schema::new(vec![field("a", deeper.clone())]);
        if crate::schema::check(&schema).is_err() {
            break data_type;
        }
        data_type = deeper;
    };
    assert_eq!(read(&name(&deepest)), deepest);
    assert!(name(&deepest).starts_with("list<item: list<item: "));
}
