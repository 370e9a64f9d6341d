//! Which column of a segment is which column of the frame, whatever they are called.
//!
//! A segment is never rewritten because a column got another name. So a column has an identity: the name it was
//! put under, until that would be ambiguous. It is recorded in the metadata of the field, in the frame's stored
//! schema, once it is not simply the name: after a rename, and for a column that gets a name which another one had
//! before. Users never see it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{Field, Schema, SchemaRef};

use crate::error::{Error, Result};

const KEY: &str = "shoots.column";

/// What a column is, whatever its name.
pub(crate) fn identity(field: &Field) -> &str {
    field
        .metadata()
        .get(KEY)
        .map_or(field.name(), String::as_str)
}

/// The field, as the column with this identity.
pub(crate) fn with_identity(field: &Field, identity: &str) -> Field {
    let mut metadata = field.metadata().clone();
    if identity == field.name() {
        metadata.remove(KEY);
    } else {
        metadata.insert(KEY.to_owned(), identity.to_owned());
    }
    field.clone().with_metadata(metadata)
}

/// The schema as users see it.
pub(crate) fn public(schema: &SchemaRef) -> SchemaRef {
    let marked = |field: &Field| field.metadata().contains_key(KEY);
    if !schema.fields().iter().any(|field| marked(field)) {
        return Arc::clone(schema);
    }
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| with_identity(field, field.name()))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// How rows that were written under one schema become rows of a later one.
#[derive(Debug, Clone)]
pub(crate) struct Adapt {
    /// The columns of the written rows that are needed.
    columns: Vec<usize>,
    sources: Vec<Source>,
    output: SchemaRef,
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// From this one of the needed columns.
    Column(usize),
    /// The rows were written before the column was added.
    Null,
}

impl Adapt {
    /// From rows of the schema `written` to rows of `wanted`, which has some columns of a later schema of the frame.
    pub(crate) fn new(written: &Schema, wanted: &SchemaRef) -> Self {
        let mut columns = Vec::new();
        let sources = wanted
            .fields()
            .iter()
            .map(|field| {
                let same = |other: &Arc<Field>| identity(other) == identity(field);
                match written.fields().iter().position(same) {
                    Some(place) => {
                        columns.push(place);
                        Source::Column(columns.len() - 1)
                    }
                    None => Source::Null,
                }
            })
            .collect();
        Self {
            columns,
            sources,
            output: Arc::clone(wanted),
        }
    }

    /// The columns to read, by their places in the written schema.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Adapts a batch that has just the needed columns.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self
            .output
            .fields()
            .iter()
            .zip(&self.sources)
            .map(|(field, source)| match source {
                Source::Column(place) => widened(batch.column(*place), field),
                Source::Null => Ok(new_null_array(field.data_type(), rows)),
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)
            .map_err(|error| Error::io("reading rows of an earlier schema", error))
    }
}

fn widened(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, field.data_type(), &options)
        .map_err(|error| Error::io(format!("widening column {}", field.name()), error))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, Int64Array, StringArray};
    use arrow_schema::DataType;

    use super::*;

    #[test]
    fn columns_are_found_by_identity_and_widened() {
        let written = Schema::new(vec![
            Field::new("a", DataType::Int32, false),
            Field::new("b", DataType::Utf8, false),
        ]);
        let wanted = Arc::new(Schema::new(vec![
            with_identity(&Field::new("a", DataType::Utf8, true), "a'"),
            Field::new("b", DataType::Utf8, true),
            with_identity(&Field::new("x", DataType::Int64, true), "a"),
        ]));
        let adapt = Adapt::new(&written, &wanted);
        assert_eq!(adapt.columns(), [1, 0]);
        let batch = RecordBatch::try_from_iter([
            ("b", Arc::new(StringArray::from(vec!["t"])) as ArrayRef),
            ("a", Arc::new(Int32Array::from(vec![7])) as ArrayRef),
        ])
        .unwrap();
        let adapted = adapt.apply(&batch).unwrap();
        assert!(adapted.column(0).is_null(0));
        let sevens: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        assert_eq!(adapted.column(2), &sevens);
        let public = public(&wanted);
        assert!(
            public
                .fields()
                .iter()
                .all(|field| field.metadata().is_empty())
        );
    }
}
