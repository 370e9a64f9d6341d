//! Spans against filters row by row, and the errors that people see.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampSecondArray};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use serde_json::json;

use super::super::samples::{any_column, pool, single};
use super::*;

const ALL: [Closed; 4] = [Closed::Left, Closed::Right, Closed::Both, Closed::Neither];

fn seconds() -> Field {
    Field::new("time", DataType::Timestamp(TimeUnit::Second, None), false)
}

#[test]
fn bounds_between_two_values_select_what_lies_between_them() {
    let times = TimestampSecondArray::from(vec![0, 1, 2, 3]);
    let (start, stop) = (
        json!("1970-01-01 00:00:00.5"),
        json!("1970-01-01 00:00:02.5"),
    );
    for closed in ALL {
        let span = Span::parse(&seconds(), Some(&start), Some(&stop), closed).unwrap();
        assert_eq!(span.rows(&times).unwrap(), 1..3, "{closed:?}");
    }
}

#[test]
fn bounds_that_are_values_belong_to_the_range_if_it_is_closed_there() {
    let times = TimestampSecondArray::from(vec![0, 1, 1, 2, 2, 3]);
    let (start, stop) = (json!("1970-01-01 00:00:01"), json!("1970-01-01T00:00:02"));
    for (closed, expected) in ALL.into_iter().zip([1..3, 3..5, 1..5, 3..3]) {
        let span = Span::parse(&seconds(), Some(&start), Some(&stop), closed).unwrap();
        assert_eq!(span.rows(&times).unwrap(), expected, "{closed:?}");
    }
}

#[test]
fn bounds_beyond_the_type_select_everything_or_nothing() {
    let field = Field::new("n", DataType::Int64, false);
    let numbers = Int64Array::from(vec![i64::MIN, 0, i64::MAX]);
    let rows = |start: Option<&Value>, stop: Option<&Value>| {
        let span = Span::parse(&field, start, stop, Closed::Left).unwrap();
        span.rows(&numbers).unwrap()
    };
    let (low, high) = (json!("-1e60"), json!("1e600"));
    assert_eq!(rows(Some(&low), Some(&high)), 0..3);
    assert_eq!(rows(Some(&high), None), 3..3);
    assert_eq!(rows(None, Some(&low)), 0..0);
    assert_eq!(rows(None, None), 0..3);
}

#[test]
fn an_empty_gap_between_two_values_selects_nothing() {
    let times = TimestampSecondArray::from(vec![0, 1, 2]);
    let (start, stop) = (
        json!("1970-01-01 00:00:01.2"),
        json!("1970-01-01 00:00:01.7"),
    );
    for closed in ALL {
        let span = Span::parse(&seconds(), Some(&start), Some(&stop), closed).unwrap();
        assert!(span.rows(&times).unwrap().is_empty(), "{closed:?}");
    }
}

#[test]
fn a_stop_before_the_start_is_refused() {
    let refusal = |start: Value, stop: Value| {
        let span = Span::parse(&seconds(), Some(&start), Some(&stop), Closed::Both);
        span.unwrap_err().to_string()
    };
    let refused = refusal(json!("2024-01-31"), json!("2024-01-30"));
    assert!(refused.starts_with("stop: "), "{refused}");
    let finer = refusal(
        json!("1970-01-01 00:00:01.7"),
        json!("1970-01-01 00:00:01.2"),
    );
    assert!(finer.starts_with("stop: "), "{finer}");
}

#[test]
fn a_bound_of_another_type_is_refused_with_the_column_and_an_example() {
    let value = json!("soon");
    for (start, stop, name) in [
        (Some(&value), None, "start: "),
        (None, Some(&value), "stop: "),
    ] {
        let refused = Span::parse(&seconds(), start, stop, Closed::Left);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with(name), "{refused}");
        for part in ["soon", "column time", "timestamp[s", "2024-01-31T12:00:00"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}

#[test]
fn a_null_among_sorted_values_is_an_error() {
    let span = Span::of_closed(KeyValue::int(0), KeyValue::int(1));
    assert!(
        span.before_start(&Int64Array::from(vec![None::<i64>]))
            .is_err()
    );
}

#[test]
fn the_stored_form_of_a_dictionary_answers_alike() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let field = Field::new("name", dictionary.clone(), false);
    let start = json!("a");
    let span = Span::parse(&field, Some(&start), None, Closed::Right).unwrap();
    let (index, batch) = single(&pool(&dictionary));
    let sorted = index.sort(vec![batch], 100).unwrap().remove(0);
    let plain = arrow_cast::cast(sorted.column(0), &DataType::Utf8).unwrap();
    let rows = span.rows(sorted.column(0).as_ref()).unwrap();
    assert_eq!(span.rows(plain.as_ref()).unwrap(), rows);
    assert_eq!(rows, 2..plain.len());
}

proptest! {
    #[test]
    fn spans_select_what_a_filter_would(
        column in any_column(3..30),
        closed in proptest::sample::select(ALL.to_vec()),
        has_start: bool,
        has_stop: bool,
    ) {
        // The first two values become the bounds.
        let value = |row| KeyValue::of(column.as_ref(), row).unwrap();
        let (one, other) = (value(0), value(1));
        let (start, stop) = if one.compare(&other).is_le() { (one, other) } else { (other, one) };
        let [shown_start, shown_stop] = [&start, &stop].map(|value| value.to_json(column.data_type()));
        let field = Field::new("key", column.data_type().clone(), false);
        let span = Span::parse(
            &field,
            has_start.then_some(&shown_start),
            has_stop.then_some(&shown_stop),
            closed,
        )
        .unwrap();

        let (index, batch) = single(&column.slice(2, column.len() - 2));
        let sorted = index.sort(vec![batch], 100).unwrap().remove(0);
        let array: ArrayRef = Arc::clone(sorted.column(0));
        let within = |row: usize| {
            let value = KeyValue::of(array.as_ref(), row).unwrap();
            let after_start = match value.compare(&start) {
                Ordering::Less => !has_start,
                Ordering::Equal => !has_start || matches!(closed, Closed::Left | Closed::Both),
                Ordering::Greater => true,
            };
            let before_stop = match value.compare(&stop) {
                Ordering::Less => true,
                Ordering::Equal => !has_stop || matches!(closed, Closed::Right | Closed::Both),
                Ordering::Greater => !has_stop,
            };
            after_start && before_stop
        };
        let expected: Vec<usize> = (0..array.len()).filter(|row| within(*row)).collect();
        let found: Vec<usize> = span.rows(array.as_ref()).unwrap().collect();
        prop_assert_eq!(&found, &expected);

        let range = index.range_of(&sorted, &sorted).unwrap();
        if span.excludes(&range) {
            prop_assert!(expected.is_empty());
        }
        if span.covers(&range) {
            prop_assert_eq!(expected.len(), array.len());
        }
        let is_exact = !range.min[0].is_inexact() && !range.max[0].is_inexact();
        if is_exact {
            prop_assert_eq!(span.covers(&range), expected.len() == array.len());
        }
    }
}
