//! Which columns can be stored, decided from the schema alone, before any row is read.
//!
//! The list is the reverse of the fidelity tests of [`crate::segment`]: what passes here comes back from a segment
//! exactly as it went in, and what cannot is refused with every offending column named by its path, so that the
//! sender corrects all of them at once.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit};

use super::type_name;
use crate::error::{Cause, Result};

/// Parquet's levels are 16 bits wide and both our code and Parquet's recurse, so nesting must end somewhere.
const MAX_DEPTH: usize = 32;

/// The most digits an Arrow decimal can have.
const MAX_DIGITS: i16 = 76;

/// Accepts a schema whose every column can be stored and read back exactly, and lists what is wrong with any other.
pub(crate) fn check(schema: &Schema) -> Result<()> {
    let mut problems = Vec::new();
    if schema.fields().is_empty() {
        problems.push("a frame needs at least one column".to_owned());
    }
    check_fields(schema.fields(), &mut Vec::new(), &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Cause::Unsupported(problems.join("; ")).into())
    }
}

fn check_fields<'a>(fields: &'a Fields, path: &mut Vec<&'a str>, problems: &mut Vec<String>) {
    let mut names = HashSet::new();
    let mut reported = HashSet::new();
    for field in fields {
        path.push(field.name());
        if !names.insert(field.name()) && reported.insert(field.name()) {
            problems.push(describe(path, "the name occurs more than once"));
        }
        check_type(field, field.data_type(), path, problems);
        path.pop();
    }
}

fn check_child<'a>(child: &'a Field, path: &mut Vec<&'a str>, problems: &mut Vec<String>) {
    path.push(child.name());
    check_type(child, child.data_type(), path, problems);
    path.pop();
}

fn check_type<'a>(
    field: &'a Field,
    data_type: &'a DataType,
    path: &mut Vec<&'a str>,
    problems: &mut Vec<String>,
) {
    if path.len() > MAX_DEPTH {
        problems.push(describe(
            &path[..3],
            &format!("types are nested more than {MAX_DEPTH} deep"),
        ));
        return;
    }
    match data_type {
        DataType::Struct(children) if children.is_empty() => problems.push(describe(
            path,
            "a struct without fields cannot be stored in Parquet",
        )),
        DataType::Struct(children) => check_fields(children, path, problems),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => check_child(item, path, problems),
        DataType::FixedSizeList(item, size) => {
            if *size <= 0 {
                problems.push(describe(
                    path,
                    &format!("a fixed size list of size {size} cannot be stored in Parquet"),
                ));
            }
            check_child(item, path, problems);
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                for child in pair {
                    check_child(child, path, problems);
                }
            }
            other => problems.push(describe(
                path,
                &format!(
                    "a map needs entries of a key and a value, not {}",
                    type_name::name(other)
                ),
            )),
        },
        DataType::Dictionary(_, values) if values.is_nested() || is_dictionary(values) => {
            problems.push(describe(
                path,
                &format!(
                    "a dictionary of {} cannot be stored, only one of plain values",
                    type_name::name(values)
                ),
            ));
        }
        DataType::Dictionary(_, values) if values.is_null() && !field.is_nullable() => {
            problems.push(describe(path, "a dictionary of nulls has to be nullable"))
        }
        DataType::Dictionary(_, values) => check_type(field, values, path, problems),
        leaf => {
            if let Some(problem) = leaf_problem(leaf) {
                problems.push(describe(path, &problem));
            }
        }
    }
}

fn is_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(_, _))
}

/// What keeps a type without children from being stored, if anything does.
fn leaf_problem(leaf: &DataType) -> Option<String> {
    match leaf {
        DataType::Union(_, _) => Some("a union cannot be stored in Parquet".to_owned()),
        DataType::RunEndEncoded(_, values) => Some(format!(
            "run-end encoding cannot be stored in Parquet: send it decoded, as {}",
            type_name::name(values.data_type())
        )),
        DataType::Interval(IntervalUnit::MonthDayNano) => Some(
            "an interval of months, days and nanoseconds cannot be stored in Parquet: \
             send a duration, or months, days and nanoseconds as columns"
                .to_owned(),
        ),
        DataType::Timestamp(_, Some(zone)) if zone.is_empty() => {
            Some("its time zone is empty: leave the time zone out, or name one".to_owned())
        }
        DataType::FixedSizeBinary(size) if *size <= 0 => Some(format!(
            "fixed size binary of size {size} cannot be stored in Parquet"
        )),
        DataType::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | DataType::Time64(TimeUnit::Second | TimeUnit::Millisecond) => {
            Some(format!("{} is not a valid type", type_name::name(leaf)))
        }
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => {
            let (digits, scale) = (i16::from(*digits), i16::from(*scale));
            let stored = if scale < 0 {
                digits - scale
            } else {
                digits.max(scale)
            };
            (digits == 0 || stored > MAX_DIGITS).then(|| {
                let leaf = type_name::name(leaf);
                format!("{leaf} needs {stored} digits, Parquet decimals hold 1 to {MAX_DIGITS}")
            })
        }
        _ => None,
    }
}

/// `path` written the way a person would, then what is wrong there.
fn describe(path: &[&str], problem: &str) -> String {
    format!("column {}: {problem}", path.join("."))
}
