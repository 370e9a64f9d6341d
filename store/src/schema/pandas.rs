//! The metadata that pandas keeps in a schema, when columns are left out.
//!
//! Under the key `pandas` a schema says how the table was a `DataFrame`: which columns were its index, and how each
//! column was typed. When only some columns are read, or a query makes new ones, that description would name columns
//! that are not there, and pyarrow's `to_pandas` fails on some of those (an index column that is missing, an
//! extension type whose column has become something else). So [`reduce`] keeps what is still true:
//!
//! - of `columns` those that the schema still has, under a type of the same kind;
//! - of `index_columns` those that the schema still has. A range index is described by its start, stop and step and
//!   has no column; it stays, because pyarrow ignores it when its length is not that of the table.
//!
//! Everything else in the description, and a description that is not understood, stays as it is.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

/// The key of the description in a schema's metadata.
const KEY: &str = "pandas";

/// `schema` with its pandas description reduced to the columns that it has.
///
/// ```
/// use std::collections::HashMap;
/// use arrow_schema::{DataType, Field, Schema};
///
/// let described = r#"{"index_columns": ["day"], "columns": [
///     {"name": "day", "field_name": "day", "pandas_type": "date"},
///     {"name": "price", "field_name": "price", "pandas_type": "float64"}]}"#;
/// let schema = Schema::new_with_metadata(
///     vec![Field::new("price", DataType::Float64, true)],
///     HashMap::from([("pandas".to_owned(), described.to_owned())]),
/// );
/// let reduced = shoots_store::pandas::reduce(&schema);
/// assert_eq!(
///     reduced.metadata()["pandas"],
///     r#"{"columns":[{"field_name":"price","name":"price","pandas_type":"float64"}],"index_columns":[]}"#
/// );
/// ```
#[must_use]
pub fn reduce(schema: &Schema) -> Schema {
    let reduced = schema
        .metadata()
        .get(KEY)
        .and_then(|description| reduce_description(description, schema));
    let mut metadata = schema.metadata().clone();
    if let Some(description) = reduced {
        metadata.insert(KEY.to_owned(), description);
    }
    Schema::new_with_metadata(schema.fields().clone(), metadata)
}

fn reduce_description(description: &str, schema: &Schema) -> Option<String> {
    let mut description: Value = serde_json::from_str(description).ok()?;
    let columns = description.get_mut("columns")?.as_array_mut()?;
    let described = columns.len();
    columns.retain(|column| still_there(column, schema));
    let mut changed = columns.len() < described;
    if let Some(index) = description
        .get_mut("index_columns")
        .and_then(Value::as_array_mut)
    {
        let names: HashSet<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let levels = index.len();
        index.retain(|level| level.as_str().is_none_or(|name| names.contains(name)));
        changed |= index.len() < levels;
    }
    changed.then(|| description.to_string())
}

/// Whether the schema has the column that an entry of `columns` describes.
fn still_there(column: &Value, schema: &Schema) -> bool {
    // Descriptions older than `field_name` have the column's name under `name`.
    let name = column
        .get("field_name")
        .filter(|name| !name.is_null())
        .or_else(|| column.get("name"))
        .and_then(Value::as_str);
    let Some(field) = name.and_then(|name| schema.field_with_name(name).ok()) else {
        return false;
    };
    let described = column.get("pandas_type").and_then(Value::as_str);
    described.is_none_or(|described| same_kind(described, field))
}

/// Whether a column of pandas' type `described` may have become `field` without a computation in between.
///
/// Names that are not in the list here are not judged.
fn same_kind(described: &str, field: &Field) -> bool {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) if described != "categorical" => values,
        other => other,
    };
    match described {
        "bool" => matches!(data_type, DataType::Boolean),
        "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => {
            data_type.is_integer()
        }
        "float16" | "float32" | "float64" => data_type.is_floating(),
        "datetime" | "datetimetz" => matches!(
            data_type,
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64
        ),
        "unicode" => {
            matches!(
                data_type,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        }
        "categorical" => matches!(data_type, DataType::Dictionary(_, _)),
        _ => true,
    }
}
