//! The names of types, as people who work with dataframes write and expect them.
//!
//! pyarrow's spelling leads: `int64`, `double`, `timestamp[us, tz=Europe/Berlin]`, `list<item: string>`. It is what
//! [`name`] writes and what [`parse`] reads first, in any case and with spaces anywhere between its parts. [`parse`]
//! also knows the words of pandas, NumPy and Polars (`str`, `datetime64[ns]`, `category`, `f64`, `list[i64]`), and the
//! spelling of Rust's Arrow (`Timestamp(ns, "UTC")`, `List(non-null Int64)`).
//!
//! Where the libraries mean different things by one word, pyarrow decides: `float` has 32 bits and `double` has 64.
//! Words that would be misread are refused, with the words to use instead: `i8` has 8 bits in Polars and 8 bytes in
//! NumPy.
//!
//! A name describes a [`DataType`] and nothing around it. Whether such a column can be stored is for
//! [`check`](super::check) to say. The order of a dictionary's values belongs to a field, so names say `ordered=0`.

mod reader;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use crate::error::{Error, Result};
use reader::Reader;

/// The most brackets that a text in Rust's spelling may open: its parser recurses without a limit of its own.
const MAX_BRACKETS: usize = 64;

/// How much of a text that was not understood is repeated to its sender, in characters.
const MAX_REPEATED: usize = 80;

/// The type that `text` names, which came in the request's `field`.
///
/// What is wrong with a text that [`Reader`] does not understand, nor Rust's Arrow, is an
/// [invalid request](crate::ErrorKind::InvalidRequest).
pub(crate) fn parse(field: &'static str, text: &str) -> Result<DataType> {
    Reader::read(text)
        .or_else(|reason| read_rust(text).ok_or(reason))
        .and_then(|data_type| match impossible(&data_type) {
            Some(reason) => Err(reason),
            None => Ok(data_type),
        })
        .map_err(|reason| {
            let repeated: String = text.chars().take(MAX_REPEATED).collect();
            Error::invalid(
                field,
                format!(
                    "`{repeated}` does not name a type: {reason}; name it as pyarrow does, for example int64, double, \
                     string, timestamp[us, tz=UTC], decimal128(10, 2), list<double> or struct<a: int64, b: string>"
                ),
            )
        })
}

/// The type that a name stands for, as pyarrow, pandas, Polars or Rust's Arrow spell it.
///
/// ```
/// use arrow_schema::{DataType, TimeUnit};
/// use shoots_store::type_named;
///
/// assert_eq!(type_named("double")?, DataType::Float64);
/// assert_eq!(type_named("timestamp[us]")?, DataType::Timestamp(TimeUnit::Microsecond, None));
/// assert!(type_named("strng").is_err());
/// # Ok::<_, shoots_store::Error>(())
/// ```
///
/// # Errors
/// If it names none.
pub fn named(text: &str) -> Result<DataType> {
    parse("type", text)
}

/// A type's name, as pyarrow spells it.
///
/// Some types have more to them than pyarrow's spelling shows, such as a map with names of its own for keys and
/// values, and some pyarrow does not have. These are named as Rust's Arrow does it, so that types with the same name
/// are the same.
///
/// ```
/// use arrow_schema::{DataType, TimeUnit};
/// use shoots_store::type_name;
///
/// assert_eq!(type_name(&DataType::Float64), "double");
/// let local = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
/// assert_eq!(type_name(&local), "timestamp[us, tz=Europe/Berlin]");
/// let scores = DataType::new_list(DataType::Int8, false);
/// assert_eq!(type_name(&scores), "list<item: int8 not null>");
/// ```
#[must_use]
pub fn name(data_type: &DataType) -> String {
    spell(data_type)
        .filter(|spelled| Reader::read(spelled).as_ref() == Ok(data_type))
        .unwrap_or_else(|| data_type.to_string())
}

/// The type whose name is `text` in Rust's Arrow.
///
/// It writes the quotes in a field's name with backslashes before them, and would read these as part of the name.
fn read_rust(text: &str) -> Option<DataType> {
    let brackets = text.matches(['(', '[', '<']).count();
    (brackets <= MAX_BRACKETS && !text.contains('\\'))
        .then(|| DataType::from_str(text.trim()).ok())
        .flatten()
}

/// What keeps a type, or one inside of it, from existing, although it can be written down.
fn impossible(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond) => {
            Some("time32 counts seconds or milliseconds, as in time32[ms]".to_owned())
        }
        DataType::Time64(TimeUnit::Second | TimeUnit::Millisecond) => {
            Some("time64 counts microseconds or nanoseconds, as in time64[us]".to_owned())
        }
        DataType::Decimal32(digits, _) => too_many_digits(*digits, 9, "decimal32"),
        DataType::Decimal64(digits, _) => too_many_digits(*digits, 18, "decimal64"),
        DataType::Decimal128(digits, _) => too_many_digits(*digits, 38, "decimal128"),
        DataType::Decimal256(digits, _) => too_many_digits(*digits, 76, "decimal256"),
        DataType::Dictionary(indices, _) if !indices.is_integer() => Some(format!(
            "the indices of a dictionary are integers, not {}",
            name(indices)
        )),
        DataType::Dictionary(_, values) => impossible(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => impossible(item.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .find_map(|field| impossible(field.data_type())),
        _ => None,
    }
}

fn too_many_digits(digits: u8, most: u8, word: &str) -> Option<String> {
    (digits == 0 || digits > most).then(|| format!("a {word} has 1 to {most} digits, not {digits}"))
}

/// A type in pyarrow's spelling, if pyarrow has one for it; some of what the type says may be lost.
fn spell(data_type: &DataType) -> Option<String> {
    let spelled = match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Int8 => "int8".to_owned(),
        DataType::Int16 => "int16".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::UInt8 => "uint8".to_owned(),
        DataType::UInt16 => "uint16".to_owned(),
        DataType::UInt32 => "uint32".to_owned(),
        DataType::UInt64 => "uint64".to_owned(),
        DataType::Float16 => "halffloat".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::LargeUtf8 => "large_string".to_owned(),
        DataType::Utf8View => "string_view".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::LargeBinary => "large_binary".to_owned(),
        DataType::BinaryView => "binary_view".to_owned(),
        DataType::FixedSizeBinary(size) => format!("fixed_size_binary[{size}]"),
        DataType::Date32 => "date32[day]".to_owned(),
        DataType::Date64 => "date64[ms]".to_owned(),
        DataType::Time32(unit) => format!("time32[{}]", unit_name(unit)),
        DataType::Time64(unit) => format!("time64[{}]", unit_name(unit)),
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_name(unit)),
        DataType::Timestamp(unit, Some(zone)) => {
            format!("timestamp[{}, tz={zone}]", unit_name(unit))
        }
        DataType::Duration(unit) => format!("duration[{}]", unit_name(unit)),
        DataType::Interval(IntervalUnit::YearMonth) => "month_interval".to_owned(),
        DataType::Interval(IntervalUnit::DayTime) => "day_time_interval".to_owned(),
        DataType::Interval(IntervalUnit::MonthDayNano) => "month_day_nano_interval".to_owned(),
        DataType::Decimal32(digits, scale) => format!("decimal32({digits}, {scale})"),
        DataType::Decimal64(digits, scale) => format!("decimal64({digits}, {scale})"),
        DataType::Decimal128(digits, scale) => format!("decimal128({digits}, {scale})"),
        DataType::Decimal256(digits, scale) => format!("decimal256({digits}, {scale})"),
        DataType::Dictionary(indices, values) => format!(
            "dictionary<values={}, indices={}, ordered=0>",
            spell(values)?,
            spell(indices)?
        ),
        DataType::List(item) => format!("list<{}>", spell_field(item)?),
        DataType::LargeList(item) => format!("large_list<{}>", spell_field(item)?),
        DataType::ListView(item) => format!("list_view<{}>", spell_field(item)?),
        DataType::LargeListView(item) => format!("large_list_view<{}>", spell_field(item)?),
        DataType::FixedSizeList(item, size) => {
            format!("fixed_size_list<{}>[{size}]", spell_field(item)?)
        }
        DataType::Struct(fields) => {
            let fields: Option<Vec<String>> =
                fields.iter().map(|field| spell_field(field)).collect();
            format!("struct<{}>", fields?.join(", "))
        }
        DataType::Map(entries, sorted) => spell_map(entries, *sorted)?,
        DataType::Union(_, _) | DataType::RunEndEncoded(_, _) => return None,
    };
    Some(spelled)
}

fn spell_field(field: &Field) -> Option<String> {
    let not_null = if field.is_nullable() { "" } else { " not null" };
    let data_type = spell(field.data_type())?;
    Some(format!("{}: {data_type}{not_null}", field.name()))
}

fn spell_map(entries: &Field, sorted: bool) -> Option<String> {
    let DataType::Struct(pair) = entries.data_type() else {
        return None;
    };
    let [key, value] = pair.as_ref() else {
        return None;
    };
    let keys_sorted = if sorted { ", keys_sorted" } else { "" };
    let (key, value) = (spell(key.data_type())?, spell(value.data_type())?);
    Some(format!("map<{key}, {value}{keys_sorted}>"))
}

fn unit_name(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
