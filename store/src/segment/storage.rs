//! The form in which Parquet holds a column exactly, and the way there and back.
//!
//! Most types are their own storage form. The others differ in ways that lose nothing:
//!
//! | logical | stored as |
//! |---|---|
//! | names of list items, map entries, keys and values | the names the Parquet specification gives them |
//! | field metadata | nothing: the frame's schema has it |
//! | dictionary of strings or binary | the values, which Parquet encodes as a dictionary; see [`categories`] |
//! | any other dictionary | the values |
//! | `Date64` | a timestamp in milliseconds, which other readers understand |
//! | decimal with a scale below zero or above its precision, or of one digit in 32 bits | the same numbers as a decimal that Parquet allows |
//! | a non-nullable column of type `Null` | a nullable one |
//!
//! Parquet has no seconds and no durations: those are integers to readers that do not look at the embedded schema.
//!
//! [`form`] says what a type is stored as, [`store`] takes an array there and [`restore`] brings it back. Neither
//! copies rows where only names or nullability change.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, make_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};

use super::categories::{self, Recorded};
use crate::schema::nested::{Child, child_arrays, children, dictionary_count, rebuild};

/// The names that the Parquet specification prescribes.
const ITEM: &str = "element";
const ENTRIES: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";

/// The field that Parquet is given for `field`.
pub(crate) fn form(field: &Field) -> Field {
    form_as(field.name(), field)
}

fn form_as(name: &str, field: &Field) -> Field {
    let data_type = form_of(field.data_type());
    let nullable = field.is_nullable() || data_type.is_null();
    Field::new(name, data_type, nullable)
}

fn form_of(data_type: &DataType) -> DataType {
    let item = |field: &Field| Arc::new(form_as(ITEM, field));
    match data_type {
        DataType::Dictionary(key, values) => match byte_values(values) {
            Some(values) => DataType::Dictionary(key.clone(), Box::new(values)),
            None => form_of(values),
        },
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => decimal_form(data_type),
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::ListView(field) => DataType::ListView(item(field)),
        DataType::LargeListView(field) => DataType::LargeListView(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| form(f)).collect()),
        DataType::Map(entries, sorted) => {
            let pair = children(entries.data_type());
            let fields: Fields = pair
                .iter()
                .zip([KEY, VALUE])
                .map(|(field, name)| {
                    let field = form_as(name, field);
                    if name == KEY {
                        field.with_nullable(false)
                    } else {
                        field
                    }
                })
                .collect();
            DataType::Map(Arc::new(Field::new_struct(ENTRIES, fields, false)), *sorted)
        }
        other => other.clone(),
    }
}

/// The type in which Parquet's reader can hand out a dictionary of `values` as a dictionary, if it can.
fn byte_values(values: &DataType) -> Option<DataType> {
    match values {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            Some(values.clone())
        }
        DataType::Utf8View => Some(DataType::LargeUtf8),
        DataType::BinaryView => Some(DataType::LargeBinary),
        _ => None,
    }
}

fn decimal_form(data_type: &DataType) -> DataType {
    match *data_type {
        // Parquet's writer takes one digit in 32 bits for a 64 bit number; a second digit costs nothing.
        DataType::Decimal32(1, scale @ 0..=2) => DataType::Decimal32(2, scale),
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale)
            if scale < 0 || scale.unsigned_abs() > digits =>
        {
            let (digits, scale) = if scale < 0 {
                (digits.saturating_add(scale.unsigned_abs()), 0)
            } else {
                (scale.unsigned_abs(), scale)
            };
            if digits > 38 {
                DataType::Decimal256(digits, scale)
            } else {
                DataType::Decimal128(digits, scale)
            }
        }
        _ => data_type.clone(),
    }
}

/// The type to ask Parquet's reader for, so that a column `found` in a file can become `logical`.
///
/// Names and nullability are the file's; the types are those that `logical` is stored as. Where the two do not have
/// the same shape, what was found stays, and [`restore`] tells the difference.
pub(crate) fn hint(logical: &DataType, found: &Field) -> Field {
    let data_type = hint_type(&form_of(logical), found.data_type());
    Field::new(found.name(), data_type, found.is_nullable())
}

fn hint_type(stored: &DataType, found: &DataType) -> DataType {
    let item = |stored: &FieldRef, found: &FieldRef| {
        let data_type = hint_type(stored.data_type(), found.data_type());
        Arc::new(Field::new(found.name(), data_type, found.is_nullable()))
    };
    let items = |stored: &Fields, found: &Fields| {
        let pairs = stored.iter().zip(found);
        pairs
            .map(|(stored, found)| item(stored, found))
            .collect::<Fields>()
    };
    match (stored, found) {
        (DataType::Dictionary(_, values), _) => {
            DataType::Dictionary(Box::new(DataType::Int32), values.clone())
        }
        (DataType::List(stored), DataType::List(found)) => DataType::List(item(stored, found)),
        (DataType::LargeList(stored), DataType::List(found)) => {
            DataType::LargeList(item(stored, found))
        }
        (DataType::ListView(stored), DataType::List(found)) => {
            DataType::ListView(item(stored, found))
        }
        (DataType::LargeListView(stored), DataType::List(found)) => {
            DataType::LargeListView(item(stored, found))
        }
        (DataType::FixedSizeList(stored, size), DataType::List(found)) => {
            DataType::FixedSizeList(item(stored, found), *size)
        }
        (DataType::Struct(stored), DataType::Struct(found)) if stored.len() == found.len() => {
            DataType::Struct(items(stored, found))
        }
        (DataType::Map(stored, sorted), DataType::Map(found, _)) => {
            match (stored.data_type(), found.data_type()) {
                (DataType::Struct(stored), DataType::Struct(fields)) => {
                    let entries = Field::new_struct(found.name(), items(stored, fields), false);
                    DataType::Map(Arc::new(entries), *sorted)
                }
                (_, found) => found.clone(),
            }
        }
        (stored, _) if children(stored).is_empty() => stored.clone(),
        (_, found) => found.clone(),
    }
}

/// `field` with dictionary keys of at least 32 bits, at every depth.
pub(crate) fn with_wide_keys(field: &Field) -> Field {
    let wide = |field: &FieldRef| Arc::new(with_wide_keys(field));
    let data_type = match field.data_type() {
        DataType::Dictionary(key, values) if key.primitive_width() < Some(4) => {
            DataType::Dictionary(Box::new(DataType::Int32), values.clone())
        }
        DataType::List(item) => DataType::List(wide(item)),
        DataType::LargeList(item) => DataType::LargeList(wide(item)),
        DataType::ListView(item) => DataType::ListView(wide(item)),
        DataType::LargeListView(item) => DataType::LargeListView(wide(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(wide(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wide).collect()),
        DataType::Map(entries, sorted) => DataType::Map(wide(entries), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// How many Parquet columns a column of this type has.
pub(crate) fn leaf_count(stored: &DataType) -> usize {
    match children(stored) {
        [] => 1,
        children => children
            .iter()
            .map(|child| leaf_count(child.data_type()))
            .sum(),
    }
}

/// For each Parquet column of stored fields whether it is a dictionary type.
pub(crate) fn leaf_categories(fields: &[FieldRef]) -> Vec<bool> {
    fields
        .iter()
        .flat_map(|field| match children(field.data_type()) {
            [] => vec![matches!(field.data_type(), DataType::Dictionary(_, _))],
            children => leaf_categories(children),
        })
        .collect()
}

/// The dictionary arrays of a column, in the order in which [`restore`] asks for their records.
pub(crate) fn dictionaries(array: &ArrayRef, found: &mut Vec<ArrayRef>) {
    match array.data_type() {
        DataType::Dictionary(_, _) => found.push(Arc::clone(array)),
        data_type if dictionary_count(data_type) == 0 => {}
        _ => {
            for child in child_arrays(array) {
                dictionaries(&child, found);
            }
        }
    }
}

/// `array` in the form `stored`, which [`form`] gave for its field.
pub(crate) fn store(array: &ArrayRef, stored: &Field) -> Result<ArrayRef, ArrowError> {
    let data_type = stored.data_type();
    match (array.data_type(), data_type) {
        (DataType::Dictionary(_, _), _) => {
            let dictionary = array.as_any_dictionary();
            // A null among the values is easily overlooked, by Parquet's writer too.
            if !stored.is_nullable() && array.logical_null_count() > array.null_count() {
                return Err(ArrowError::InvalidArgumentError(
                    "a value is null, though the schema says that none is".to_owned(),
                ));
            }
            match data_type {
                DataType::Dictionary(_, values) => {
                    Ok(dictionary.with_values(cast(dictionary.values(), values)?))
                }
                _ => {
                    let values =
                        arrow_select::take::take(dictionary.values(), dictionary.keys(), None)?;
                    store(&values, stored)
                }
            }
        }
        (from, to) if from.is_decimal() && to.is_decimal() => {
            check_digits(array)?;
            convert_decimal(array, data_type)
        }
        _ => convert(array, data_type, &mut |child, stored| store(child, stored)),
    }
}

/// A stored `array` as the `logical` type again. `records` are the dictionaries recorded for the column, one for
/// each that [`dictionaries`] finds, in its order.
pub(crate) fn restore(
    array: &ArrayRef,
    logical: &DataType,
    records: &mut dyn Iterator<Item = Option<&Recorded>>,
) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), logical) {
        (_, DataType::Dictionary(key, values)) => match records.next().flatten() {
            Some(recorded) => recorded.recode(array, key, |array| restore_values(array, values)),
            None => categories::encode(array, key, |array| restore_values(array, values)),
        },
        (from, to) if from == to => Ok(Arc::clone(array)),
        _ => convert(array, logical, &mut |child, field| {
            restore(child, field.data_type(), records)
        }),
    }
}

/// Values of a dictionary, stored, as the type the dictionary is of.
fn restore_values(array: &ArrayRef, values: &DataType) -> Result<ArrayRef, ArrowError> {
    if byte_values(values).is_some_and(|stored| &stored != values) {
        return cast(array, values);
    }
    restore(array, values, &mut std::iter::empty())
}

/// What storing and restoring have in common: the types that Parquet lacks, and nested ones through `child`.
fn convert(array: &ArrayRef, to: &DataType, child: Child<'_>) -> Result<ArrayRef, ArrowError> {
    Ok(match (array.data_type(), to) {
        (DataType::Date64, DataType::Timestamp(TimeUnit::Millisecond, None)) => Arc::new(
            array
                .as_primitive::<Date64Type>()
                .reinterpret_cast::<TimestampMillisecondType>(),
        ),
        (DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Date64) => Arc::new(
            array
                .as_primitive::<TimestampMillisecondType>()
                .reinterpret_cast::<Date64Type>(),
        ),
        (from, to) if from.is_decimal() && to.is_decimal() => convert_decimal(array, to)?,
        _ => rebuild(array, to, child)?,
    })
}

/// Parquet keeps a decimal in as many bytes as its precision needs, so numbers with more digits than that would
/// silently lose the leading ones.
fn check_digits(array: &ArrayRef) -> Result<(), ArrowError> {
    fn check<T: DecimalType>(array: &ArrayRef, digits: u8) -> Result<(), ArrowError> {
        let numbers = array.as_primitive::<T>();
        let fits = numbers
            .iter()
            .flatten()
            .all(|number| T::is_valid_decimal_precision(number, digits));
        if fits {
            return Ok(());
        }
        Err(ArrowError::InvalidArgumentError(format!(
            "a number has more than the {digits} digits of {}",
            array.data_type()
        )))
    }
    match *array.data_type() {
        DataType::Decimal32(digits, _) => check::<Decimal32Type>(array, digits),
        DataType::Decimal64(digits, _) => check::<Decimal64Type>(array, digits),
        DataType::Decimal128(digits, _) => check::<Decimal128Type>(array, digits),
        DataType::Decimal256(digits, _) => check::<Decimal256Type>(array, digits),
        _ => Ok(()),
    }
}

fn convert_decimal(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    let (from_scale, to_scale) = (decimal_scale(from), decimal_scale(to));
    if from_scale == to_scale && from.primitive_width() == to.primitive_width() {
        let data = array
            .to_data()
            .into_builder()
            .data_type(to.clone())
            .build()?;
        return Ok(make_array(data));
    }
    if from_scale == to_scale {
        // Only the width changes. The cast kernels refuse scales above the precision, so they get another name for
        // the same numbers and the result is named properly afterwards.
        let wide = renamed(array, 0)?;
        let width = with_scale(to, 0);
        return renamed(&cast(&wide, &width)?, to_scale)
            .and_then(|array| convert_decimal(&array, to));
    }
    cast(array, to)
}

fn decimal_scale(data_type: &DataType) -> i8 {
    match *data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => scale,
        _ => 0,
    }
}

fn with_scale(data_type: &DataType, scale: i8) -> DataType {
    match *data_type {
        DataType::Decimal32(digits, _) => DataType::Decimal32(digits, scale),
        DataType::Decimal64(digits, _) => DataType::Decimal64(digits, scale),
        DataType::Decimal128(digits, _) => DataType::Decimal128(digits, scale),
        DataType::Decimal256(digits, _) => DataType::Decimal256(digits, scale),
        _ => data_type.clone(),
    }
}

fn renamed(array: &ArrayRef, scale: i8) -> Result<ArrayRef, ArrowError> {
    let named = with_scale(array.data_type(), scale);
    Ok(make_array(
        array.to_data().into_builder().data_type(named).build()?,
    ))
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let exact = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &exact)
}
