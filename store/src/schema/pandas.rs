//! The metadata that pandas keeps in a schema, when columns are left out or renamed.
//!
//! Under the key `pandas` a schema says how the table was a `DataFrame`: which columns were its index, and how each
//! column was typed. When only some columns are read, or a query makes new ones, that description would name columns
//! that are not there, and pyarrow's `to_pandas` fails when a column described as one of pandas' own
//! types (a nullable `Int64`, say) has become something else. So [`reduce`] keeps what is still true:
//!
//! - of `columns` those that the schema still has, under a type of the same kind;
//! - of `index_columns` those that the schema still has. A range index is described by its start, stop and step and
//!   has no column; it stays, because pyarrow ignores it when its length is not that of the table.
//!
//! And when columns are renamed, the description speaks of them by their new names.
//!
//! Everything else in the description, and a description that is not understood, stays as it is.

use std::collections::{BTreeMap, HashSet};

use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

/// The key of the description in a schema's metadata.
pub(crate) const KEY: &str = "pandas";

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
    redescribe(schema, |description| {
        reduce_description(description, schema)
    })
}

/// `schema`, whose columns have been renamed from the keys of `renamed` to its values, with a pandas description that
/// follows them.
///
/// A column's label follows its name where the two were the same. An index without a label keeps none, whatever
/// its column is called.
pub(crate) fn rename(schema: &Schema, renamed: &BTreeMap<String, String>) -> Schema {
    redescribe(schema, |description| {
        rename_description(description, renamed)
    })
}

/// `schema` with what `change` makes of its description; unchanged if that is nothing.
fn redescribe(schema: &Schema, change: impl FnOnce(Value) -> Option<Value>) -> Schema {
    let mut metadata = schema.metadata().clone();
    let changed = metadata
        .get(KEY)
        .and_then(|description| serde_json::from_str(description).ok())
        .and_then(change);
    if let Some(description) = changed {
        metadata.insert(KEY.to_owned(), description.to_string());
    }
    Schema::new_with_metadata(schema.fields().clone(), metadata)
}

fn reduce_description(mut description: Value, schema: &Schema) -> Option<Value> {
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
    changed.then_some(description)
}

fn rename_description(mut description: Value, renamed: &BTreeMap<String, String>) -> Option<Value> {
    let columns = description.get_mut("columns")?.as_array_mut()?;
    let mut followed = HashSet::new();
    for column in columns {
        let Some((old, new)) = column_name(column).and_then(|old| renamed.get_key_value(old))
        else {
            continue;
        };
        followed.insert(old.as_str());
        for key in ["name", "field_name"] {
            if let Some(name) = column.get_mut(key).filter(|name| *name == old) {
                *name = Value::from(new.as_str());
            }
        }
    }
    let mut changed = !followed.is_empty();
    if let Some(index) = description
        .get_mut("index_columns")
        .and_then(Value::as_array_mut)
    {
        for level in index {
            if let Some((old, new)) = level.as_str().and_then(|old| renamed.get_key_value(old)) {
                followed.remove(old.as_str());
                *level = Value::from(new.as_str());
                changed = true;
            }
        }
    }
    if !followed.is_empty() {
        label_with_text(&mut description);
    }
    changed.then_some(description)
}

/// Takes the type of the columns' labels out of a description, unless it is text.
///
/// pyarrow makes the labels of columns what they were, numbers, say, or tuples, and fails when a column has been
/// given a name that is none. Labels without a type are text.
fn label_with_text(description: &mut Value) {
    let Some(levels) = description
        .get_mut("column_indexes")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let is_text =
        |level: &Value| matches!(level["pandas_type"].as_str(), Some("unicode" | "string"));
    if levels.len() > 1 || !levels.iter().all(is_text) {
        levels.clear();
    }
}

/// Whether the schema has the column that an entry of `columns` describes.
fn still_there(column: &Value, schema: &Schema) -> bool {
    let Some(field) = column_name(column).and_then(|name| schema.field_with_name(name).ok()) else {
        return false;
    };
    let described = column.get("pandas_type").and_then(Value::as_str);
    described.is_none_or(|described| same_kind(described, field))
}

/// The name of the column that an entry of `columns` describes.
fn column_name(column: &Value) -> Option<&str> {
    // Descriptions older than `field_name` have the column's name under `name`.
    column
        .get("field_name")
        .filter(|name| !name.is_null())
        .or_else(|| column.get("name"))
        .and_then(Value::as_str)
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    /// As pandas 3.1 and pyarrow 26 describe a frame with a text index and a categorical, shortened.
    const DESCRIPTION: &str = r#"{"index_columns": ["__index_level_0__", {"kind": "range", "name": null, "start": 0,
        "stop": 3, "step": 1}], "column_indexes": [{"name": null, "field_name": null}], "columns": [
        {"name": "a", "field_name": "a", "pandas_type": "int64", "numpy_type": "Int64"},
        {"name": "b", "pandas_type": "unicode", "numpy_type": "object"},
        {"name": "c", "field_name": "c", "pandas_type": "categorical", "metadata": {"ordered": true}},
        {"name": null, "field_name": "__index_level_0__", "pandas_type": "unicode"}],
        "creator": {"library": "pyarrow"}, "pandas_version": "3.1.1"}"#;

    fn reduced(description: &str, fields: Vec<Field>) -> Value {
        let metadata = HashMap::from([(KEY.to_owned(), description.to_owned())]);
        let schema = Schema::new_with_metadata(fields, metadata);
        let reduced = reduce(&schema);
        assert_eq!(reduced.fields(), schema.fields());
        serde_json::from_str(&reduced.metadata()[KEY]).unwrap()
    }

    fn names(description: &Value) -> Vec<&str> {
        let columns = description["columns"].as_array().unwrap();
        columns
            .iter()
            .map(|column| column["name"].as_str().unwrap_or("-"))
            .collect()
    }

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn category() -> DataType {
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
    }

    #[test]
    fn columns_and_index_that_are_left_out_are_no_longer_described() {
        let description = reduced(
            DESCRIPTION,
            vec![field("b", DataType::Utf8), field("c", category())],
        );
        assert_eq!(names(&description), ["b", "c"]);
        let index = description["index_columns"].as_array().unwrap();
        assert_eq!(index.len(), 1);
        assert_eq!(index[0]["kind"], "range");
        assert_eq!(description["creator"]["library"], "pyarrow");
        assert_eq!(description["columns"][1]["metadata"]["ordered"], true);
    }

    #[test]
    fn a_whole_table_keeps_its_description_to_the_letter() {
        let fields = vec![
            field("a", DataType::Int64),
            field("b", DataType::LargeUtf8),
            field("c", category()),
            field("__index_level_0__", DataType::Utf8View),
        ];
        let metadata = HashMap::from([(KEY.to_owned(), DESCRIPTION.to_owned())]);
        let schema = Schema::new_with_metadata(fields, metadata);
        assert_eq!(reduce(&schema), schema);
    }

    #[test]
    fn a_column_that_a_query_made_anew_is_not_described_as_the_old_one() {
        let fields = vec![
            field("a", DataType::Float64),
            field("b", DataType::Int64),
            field("c", DataType::Utf8),
        ];
        assert!(names(&reduced(DESCRIPTION, fields)).is_empty());
        let ints = vec![field("a", DataType::Int32)];
        assert_eq!(names(&reduced(DESCRIPTION, ints)), ["a"]);
    }

    #[test]
    fn descriptions_that_are_not_understood_stay() {
        for strange in ["", "null", "[]", "{\"columns\": 3}", "not json"] {
            let metadata = HashMap::from([(KEY.to_owned(), strange.to_owned())]);
            let schema = Schema::new_with_metadata(vec![field("a", DataType::Int8)], metadata);
            assert_eq!(reduce(&schema), schema);
        }
        let item = Arc::new(field("item", DataType::Int8));
        let plain = Schema::new(vec![field("a", DataType::List(item))]);
        assert_eq!(reduce(&plain), plain);
    }

    fn renamed(description: &Value, names: &[(&str, &str)]) -> Value {
        let metadata = HashMap::from([(KEY.to_owned(), description.to_string())]);
        let schema = Schema::new_with_metadata(vec![field("a", DataType::Int8)], metadata);
        let names = names
            .iter()
            .map(|(old, new)| ((*old).into(), (*new).into()));
        let renamed = rename(&schema, &names.collect());
        assert_eq!(renamed.fields(), schema.fields());
        serde_json::from_str(&renamed.metadata()[KEY]).unwrap()
    }

    #[test]
    fn a_description_follows_its_columns_to_their_new_names_and_else_stays() {
        let mut expected: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let description = renamed(
            &expected,
            &[
                ("a", "b"),
                ("b", "a"),
                ("__index_level_0__", "day"),
                ("x", "y"),
            ],
        );
        expected["columns"][0]["name"] = "b".into();
        expected["columns"][0]["field_name"] = "b".into();
        expected["columns"][1]["name"] = "a".into();
        expected["columns"][3]["field_name"] = "day".into();
        expected["index_columns"][0] = "day".into();
        // Its labels have no type there, so they cannot be known to be text.
        expected["column_indexes"] = json!([]);
        assert_eq!(description, expected);
    }

    #[test]
    fn a_label_that_is_not_the_name_of_its_column_stays() {
        let labelled = json!({"index_columns": ["__index_level_0__"], "columns": [
            {"name": "a", "field_name": "a"}, {"name": "a", "field_name": "__index_level_0__"}]});
        let mut expected = labelled.clone();
        expected["columns"][0] = json!({"name": "c", "field_name": "c"});
        assert_eq!(renamed(&labelled, &[("a", "c")]), expected);
    }

    #[test]
    fn labels_become_text_when_a_column_that_is_no_index_is_renamed() {
        let described = |levels: Value| {
            json!({"index_columns": ["day"], "column_indexes": levels, "columns": [
                {"name": "1", "field_name": "1"}, {"name": "day", "field_name": "day"}]})
        };
        let numbers = json!([{"name": null, "pandas_type": "int64"}]);
        let text = json!([{"name": "kind", "pandas_type": "unicode"}]);
        let tuples = json!([{"pandas_type": "unicode"}, {"pandas_type": "unicode"}]);
        for (levels, old, expected) in [
            (&numbers, "1", &json!([])),
            (&tuples, "1", &json!([])),
            (&text, "1", &text),
            (&numbers, "day", &numbers),
            (&numbers, "2", &numbers),
        ] {
            let description = renamed(&described(levels.clone()), &[(old, "new")]);
            assert_eq!(description["column_indexes"], *expected, "{levels} {old}");
        }
    }

    #[test]
    fn names_that_are_not_described_leave_the_description_to_the_letter() {
        let names = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
        for description in [DESCRIPTION, "null", "not json", "{\"columns\": 3}"] {
            let metadata = HashMap::from([(KEY.to_owned(), description.to_owned())]);
            let schema = Schema::new_with_metadata(vec![field("y", DataType::Int8)], metadata);
            assert_eq!(rename(&schema, &names), schema);
        }
    }
}
