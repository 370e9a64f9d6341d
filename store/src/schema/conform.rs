//! Rows of one schema, fitted to a frame of another.
//!
//! An append need not have the frame's exact types. What loses nothing is converted; whatever would lose something
//! is refused, and the refusal names every column with both types:
//!
//! - Columns match by name, in any order. A missing or an additional one is refused.
//! - Metadata never refuses: the frame keeps its own. Nullability never refuses: a column that may be null in the
//!   rows may be null in the frame from then on, at every depth ([`Conform::frame_schema`]).
//! - The same values in another encoding fit: text as string, large string, view or dictionary; binary likewise, of
//!   fixed size too; lists as list, large list or view; fixed size lists as lists; structs with their fields in
//!   another order.
//! - Wider types take narrower ones: integers, floats, dates, times and durations of a finer unit, decimals with more
//!   digits, integers as decimals. Time zones must be the same; a day is midnight where times have no zone.
//! - Floats take whole numbers, each as long as it is held exactly.
//! - A column of another type fits as long as all its values are null, which is seen batch by batch.
//!
//! Types decide, not values, but for nulls and for limits that only values show: a time that a finer unit cannot
//! hold, a whole number with more digits than a float tells, more distinct values than the frame's dictionary keys can
//! tell apart. Such a value is told with its row, and the put changes nothing.

mod fit;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use self::fit::{Misfit, fit, fits, list_item, pair};
use super::identity::{identity, with_identity};
use super::type_name;
use crate::error::{Cause, Error, Result};

/// How rows of one schema become rows of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Conform {
    frame: String,
    schema: SchemaRef,
    /// For each column of the frame its place in the rows.
    places: Vec<usize>,
}

impl Conform {
    /// Decides from the schemas whether rows can be appended to a frame, whose name is for the error.
    pub(crate) fn plan(frame: &str, incoming: &Schema, schema: &SchemaRef) -> Result<Self> {
        let mut problems = Vec::new();
        let mut hopeless = false;
        let mut places = Vec::with_capacity(schema.fields().len());
        let mut fields = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            match incoming.index_of(field.name()) {
                Ok(place) => {
                    let found = incoming.field(place);
                    if !fits(found.data_type(), field.data_type()) {
                        problems.push(misfit(found, field));
                        hopeless |= !found.is_nullable();
                    }
                    places.push(place);
                    fields.push(loosened(field, found));
                }
                Err(_) => {
                    problems.push(format!(
                        "`{}` ({}) is missing",
                        field.name(),
                        type_name::name(field.data_type())
                    ));
                    hopeless = true;
                }
            }
        }
        let known: HashSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
        for field in incoming.fields() {
            if !known.contains(field.name()) {
                problems.push(format!(
                    "`{}` ({}) is not in the frame",
                    field.name(),
                    type_name::name(field.data_type())
                ));
                hopeless = true;
            }
        }
        if hopeless {
            return Err(refusal(frame, problems));
        }
        let loosened = Schema::new_with_metadata(fields, schema.metadata().clone());
        Ok(Self {
            frame: frame.to_owned(),
            schema: if loosened == **schema {
                Arc::clone(schema)
            } else {
                Arc::new(loosened)
            },
            places,
        })
    }

    /// The same for rows that may have only some of the frame's columns, and others that the frame has not.
    pub(crate) fn plan_some(frame: &str, incoming: &Schema, schema: &SchemaRef) -> Result<Self> {
        let given = |field: &&FieldRef| incoming.index_of(field.name()).is_ok();
        let known = schema.fields().iter().filter(given).cloned();
        let new = incoming.fields().iter();
        let new = new.filter(|field| schema.index_of(field.name()).is_err());
        let new = new.map(|field| unlike(field, schema));
        let fields: Vec<FieldRef> = known.chain(new).collect();
        let some = Schema::new_with_metadata(fields, schema.metadata().clone());
        let some = if some == **schema {
            Arc::clone(schema)
        } else {
            Arc::new(some)
        };
        Self::plan(frame, incoming, &some)
    }

    /// The frame's schema once the rows are in: its own, with the nullability of both.
    pub(crate) fn frame_schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The rows of `batch`, which has the schema that was planned for, in the frame's schema. So many rows of the put
    /// came `before` them.
    pub(crate) fn apply(&self, batch: &RecordBatch, before: u64) -> Result<RecordBatch> {
        let mut problems = Vec::new();
        let mut columns = Vec::with_capacity(self.places.len());
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            let Some(column) = batch.columns().get(*place) else {
                problems.push(format!("`{}` is missing", field.name()));
                continue;
            };
            match fit(column, field) {
                Ok(column) => columns.push(column),
                Err(Misfit::Type) => {
                    problems.push(misfit(batch.schema_ref().field(*place), field));
                }
                Err(Misfit::Value { row, problem }) => {
                    let found = batch.schema_ref().field(*place);
                    let place = row.map_or_else(String::new, |row| {
                        let row = before + row as u64;
                        format!(" in row {row} of the put, counting from 0")
                    });
                    problems.push(format!("{}: {problem}{place}", misfit(found, field)));
                }
            }
        }
        if !problems.is_empty() {
            return Err(refusal(&self.frame, problems));
        }
        RecordBatch::try_new(self.frame_schema(), columns)
            .map_err(|problem| refusal(&self.frame, vec![problem.to_string()]))
    }
}

fn refusal(frame: &str, problems: Vec<String>) -> Error {
    Cause::SchemaMismatch {
        frame: frame.to_owned(),
        columns: problems.join("; "),
    }
    .into()
}

/// The field under an identity that no column of a frame has, though one may have had the field's name once.
fn unlike(field: &FieldRef, schema: &Schema) -> FieldRef {
    let mut own = field.name().clone();
    while schema.fields().iter().any(|other| identity(other) == own) {
        own.push('+');
    }
    Arc::new(with_identity(field, &own))
}

fn misfit(found: &Field, wanted: &Field) -> String {
    format!(
        "`{}` is {}, the frame has {}",
        wanted.name(),
        type_name::name(found.data_type()),
        type_name::name(wanted.data_type())
    )
}

/// `field` of a frame, nullable where `incoming` is, too.
fn loosened(field: &Field, incoming: &Field) -> Field {
    let nullable = field.is_nullable() || incoming.is_nullable() || incoming.data_type().is_null();
    let data_type = loosened_type(field.data_type(), incoming.data_type());
    field
        .clone()
        .with_nullable(nullable)
        .with_data_type(data_type)
}

/// The type of both, if they differ at most in what may be null inside.
pub(crate) fn loosest(one: &DataType, other: &DataType) -> Option<DataType> {
    let loosest = loosened_type(one, other);
    (loosest == loosened_type(other, one)).then_some(loosest)
}

fn loosened_type(frame: &DataType, incoming: &DataType) -> DataType {
    let other = list_item(incoming);
    let item = |field: &FieldRef| match other {
        Some(other) => Arc::new(loosened(field, other)),
        None => Arc::clone(field),
    };
    match (frame, incoming) {
        (DataType::List(field), _) => DataType::List(item(field)),
        (DataType::LargeList(field), _) => DataType::LargeList(item(field)),
        (DataType::ListView(field), _) => DataType::ListView(item(field)),
        (DataType::LargeListView(field), _) => DataType::LargeListView(item(field)),
        (DataType::FixedSizeList(field, size), _) => DataType::FixedSizeList(item(field), *size),
        (DataType::Struct(fields), DataType::Struct(others)) => DataType::Struct(
            fields
                .iter()
                .map(|field| match others.find(field.name()) {
                    Some((_, other)) => Arc::new(loosened(field, other)),
                    None => Arc::clone(field),
                })
                .collect(),
        ),
        (DataType::Map(entries, sorted), DataType::Map(others, _)) => {
            let (Some((key, value)), Some((_, other))) = (pair(entries), pair(others)) else {
                return frame.clone();
            };
            let pair = vec![Arc::clone(key), Arc::new(loosened(value, other))];
            let entries = entries.as_ref().clone();
            let entries = entries.with_data_type(DataType::Struct(pair.into()));
            DataType::Map(Arc::new(entries), *sorted)
        }
        _ => frame.clone(),
    }
}
