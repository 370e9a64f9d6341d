//! Literals of every type: what they mean, what is refused, and that what is shown is read back.

use arrow_schema::TimeUnit;
use proptest::prelude::*;
use serde_json::json;

use super::super::samples::any_column;
use super::*;

fn read(value: impl Into<Value>, data_type: &DataType) -> (i256, String) {
    let value = value.into();
    match Literal::read(&value, data_type) {
        Some(Literal::Count { floor, beyond }) => (floor, beyond),
        other => panic!("{value} for {data_type}: {other:?}"),
    }
}

fn count(floor: i64, beyond: &str) -> (i256, String) {
    (i256::from(floor), beyond.to_owned())
}

fn timestamp(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

#[test]
fn times_are_read_with_and_without_parts_and_zones() {
    let noon = 1_706_702_400;
    for (text, seconds) in [
        ("2024-01-31", noon - 43_200),
        ("2024-01-31 12:00", noon),
        ("2024-01-31T12:00:00", noon),
        ("2024-01-31t12:00:00z", noon),
        ("2024-01-31T12:00:00Z", noon),
        ("2024-01-31 12:00:00+00:00", noon),
        ("2024-01-31T12:00:00+02:00", noon - 7_200),
        ("2024-01-31T12:00-0530", noon + 19_800),
        ("2024-01-31 24:00", noon + 43_200),
        ("1969-12-31T23:59:59Z", -1),
    ] {
        assert_eq!(
            read(text, &timestamp(TimeUnit::Second)),
            count(seconds, ""),
            "{text}"
        );
        let naive = DataType::Timestamp(TimeUnit::Second, None);
        assert_eq!(read(text, &naive), count(seconds, ""), "{text}");
    }
}

#[test]
fn what_is_finer_than_the_unit_is_kept_beside_it() {
    for (text, unit, expected) in [
        ("1970-01-01T00:00:01.5Z", TimeUnit::Second, count(1, "5")),
        ("1969-12-31T23:59:58.5Z", TimeUnit::Second, count(-2, "5")),
        (
            "1970-01-01T00:00:00.0015",
            TimeUnit::Millisecond,
            count(1, "5"),
        ),
        (
            "1970-01-01T00:00:00.00000000150",
            TimeUnit::Nanosecond,
            count(1, "5"),
        ),
        (
            "1970-01-01T00:00:00.000000001",
            TimeUnit::Nanosecond,
            count(1, ""),
        ),
    ] {
        assert_eq!(read(text, &timestamp(unit)), expected, "{text}");
    }
    assert_eq!(read("1970-01-02", &DataType::Date32), count(1, ""));
    let (floor, beyond) = read("1970-01-02 00:00:01", &DataType::Date32);
    assert!(floor == i256::ONE && !beyond.is_empty());
    assert_eq!(read("1970-01-02", &DataType::Date64), count(86_400_000, ""));
    assert_eq!(
        read("00:00:01.25", &DataType::Time32(TimeUnit::Second)),
        count(1, "25")
    );
    assert_eq!(
        read("1500ms", &DataType::Duration(TimeUnit::Second)),
        count(1, "5")
    );
    assert_eq!(
        read("-90 s", &DataType::Duration(TimeUnit::Second)),
        count(-90, "")
    );
}

#[test]
fn numbers_are_counts_of_the_unit() {
    assert_eq!(
        read(17, &DataType::Duration(TimeUnit::Millisecond)),
        count(17, "")
    );
    assert_eq!(
        read(time_bound(17), &timestamp(TimeUnit::Millisecond)),
        count(17, "")
    );
    assert_eq!(read(-1.5, &DataType::Int8), count(-2, "5"));
    assert_eq!(read("-0.001", &DataType::Int8), count(-1, "999"));
    assert_eq!(read(" +1e3 ", &DataType::UInt8), count(1000, ""));
    assert_eq!(read("12.30", &DataType::Decimal128(9, 2)), count(1230, ""));
    assert_eq!(read("1.999", &DataType::Decimal128(9, 2)), count(199, "9"));
    assert_eq!(read(1250, &DataType::Decimal128(9, -2)), count(12, "5"));
    assert_eq!(read("0e999999999", &DataType::Int64), count(0, ""));
    assert_eq!(read(true, &DataType::Boolean), count(1, ""));
    assert_eq!(
        read(u64::MAX, &DataType::UInt64).0,
        i256::from_i128(u64::MAX.into())
    );
}

#[test]
fn numbers_beyond_every_column_are_the_ends() {
    assert_eq!(read("1e999999999999", &DataType::Int64).0, i256::MAX);
    assert_eq!(read("-1e500", &DataType::Int64).0, i256::MIN);
    assert_eq!(read("1e-999999999999", &DataType::Int64).0, i256::ZERO);
    let far = read("9999-12-31", &timestamp(TimeUnit::Nanosecond)).0;
    assert!(far > i256::from(i64::MAX));
}

#[test]
fn narrow_floats_are_found_by_the_digits_that_are_shown() {
    let float = |value: Value, data_type: &DataType| Literal::read(&value, data_type);
    let expected = |value: f64| Some(Literal::Value(KeyValue::float(value)));
    assert_eq!(
        float(json!(0.1), &DataType::Float32),
        expected(f64::from(0.1_f32))
    );
    assert_eq!(float(json!("0.1"), &DataType::Float64), expected(0.1));
    assert_eq!(
        float(json!(16_777_217), &DataType::Float32),
        expected(16_777_217.0)
    );
    assert_eq!(
        float(json!("-inf"), &DataType::Float16),
        expected(f64::NEG_INFINITY)
    );
    assert_eq!(float(json!("-0"), &DataType::Float32), expected(0.0));
    assert_eq!(float(json!("nan"), &DataType::Float64), None);
}

#[test]
fn what_makes_no_sense_for_the_type_is_refused() {
    let second = timestamp(TimeUnit::Second);
    let time = DataType::Time32(TimeUnit::Second);
    let duration = DataType::Duration(TimeUnit::Second);
    for (value, data_type) in [
        (json!("yesterday"), &second),
        (json!("2024-02-30"), &second),
        (json!("2024-01-31T"), &second),
        (json!("2024-01-31T25:00"), &second),
        (json!("2024-01-31T12:00:00."), &second),
        (json!("2024-01-31T12:00:00+1"), &second),
        (json!("2024-01-31T12:00:00.5é"), &second),
        (json!("2024-01-31T12:00:00Zé"), &second),
        (json!("20240131"), &second),
        (json!(20_240_131), &second),
        (json!(17.5), &second),
        (json!(19_700), &DataType::Date32),
        (json!(43_200), &time),
        (json!(true), &second),
        (json!([1]), &second),
        (json!("1:00"), &time),
        (json!("+1:00"), &time),
        (json!("12"), &time),
        (json!("5 parsecs"), &duration),
        (json!("1.5s"), &duration),
        (json!("abc"), &DataType::Int64),
        (json!(""), &DataType::Int64),
        (json!("-"), &DataType::Int64),
        (json!("1e"), &DataType::Int64),
        (json!("--1"), &DataType::Int64),
        (json!(null), &DataType::Int64),
        (json!(2), &DataType::Boolean),
        (json!(1), &DataType::Utf8),
        (json!("abc"), &DataType::Binary),
    ] {
        assert_eq!(
            Literal::read(&value, data_type),
            None,
            "{value} for {data_type}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(column in any_column(1..10)) {
        for row in 0..column.len() {
            let value = KeyValue::of(column.as_ref(), row).unwrap();
            let shown = value.to_json(column.data_type());
            let literal = Literal::read(&shown, column.data_type()).unwrap();
            for above in [true, false] {
                prop_assert_eq!(&literal.clone().into_value(above), &value, "{}", shown);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text: String, digits in "[-+0-9.:TZe ]{0,40}", column in any_column(1..2)) {
        for text in [text, digits.clone(), format!("2024-01-31T{digits}"), format!("2024-01-31T12:{digits}")] {
            Literal::read(&text.into(), column.data_type());
        }
    }

    #[test]
    fn decimals_compare_like_the_numbers(one in -99_999_i64..99_999, other in -99_999_i64..99_999, scale in -2_i8..6) {
        let literal = |thousandths: i64| {
            let sign = if thousandths < 0 { "-" } else { "" };
            let (whole, rest) = (thousandths.abs() / 1_000, thousandths.abs() % 1_000);
            let text = format!("{sign}{whole}.{rest:03}");
            Literal::read(&text.into(), &DataType::Decimal128(38, scale)).unwrap()
        };
        prop_assert_eq!(literal(one).compare(&literal(other)), one.cmp(&other));
    }
}
