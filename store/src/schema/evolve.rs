//! A frame's schema, changed without rewriting a row: columns are added, dropped, renamed and widened.
//!
//! Rows that were written under an earlier schema are adapted when they are read ([`super::identity`]).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::identity::{identity, with_identity};
use super::{check, pandas, type_name};
use crate::error::{Error, Result};

/// A column to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// Its type, as people write it: `int64`, `timestamp[ns, UTC]`, `decimal128(10, 2)`, `list<string>`.
    pub data_type: String,
}

/// What is to be done to the columns of a frame, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnEdit {
    /// Columns that go.
    pub drop: Vec<String>,
    /// Columns that get another name: old to new.
    pub rename: BTreeMap<String, String>,
    /// Columns (by their new names) that get a type that holds all their values: name to type. The type `null` makes
    /// no sense; `nullable` keeps the type and lets the column be null.
    pub widen: BTreeMap<String, String>,
    /// Columns that come, null in all rows that there are.
    pub add: Vec<NewColumn>,
}

/// The frame's schema when rows with the columns of `rows` are in it: columns that they have and the frame has not
/// are added, and those that they leave out may be null. `None` if a column has another type. `by` tells what brings new
/// columns: see [`bringer`].
pub(crate) fn with_columns_of(present: &SchemaRef, rows: &Schema, by: &str) -> Option<SchemaRef> {
    let mut fields = Vec::with_capacity(present.fields().len());
    for field in present.fields() {
        let nullable = match rows.field_with_name(field.name()) {
            Ok(found) if found.data_type() != field.data_type() => return None,
            Ok(found) => found.is_nullable() || field.is_nullable(),
            Err(_) => true,
        };
        fields.push(field.as_ref().clone().with_nullable(nullable));
    }
    for field in rows.fields() {
        if present.index_of(field.name()).is_err() {
            fields.push(added(field, by));
        }
    }
    let schema = Schema::new_with_metadata(fields, present.metadata().clone());
    Some(if schema == **present {
        Arc::clone(present)
    } else {
        Arc::new(schema)
    })
}

/// A column that a frame gets: rows that are there already are null in it, and no older column is taken for it.
fn added(field: &Field, by: &str) -> Field {
    let identity = format!("{}@{by}", field.name());
    with_identity(&field.clone().with_nullable(true), &identity)
}

/// What tells the columns that a change brings from all others, also from those of the same version of another store:
/// histories that went apart may be merged.
pub(crate) fn bringer(version: u64, unique: &str) -> String {
    format!("{version}:{unique}")
}

/// The version that brought a column to a frame which had others already, if its identity says so.
pub(crate) fn brought_by(field: &Field) -> Option<u64> {
    let (_, version) = identity(field).rsplit_once('@')?;
    let version = version
        .split_once(':')
        .map_or(version, |(version, _)| version);
    version
        .parse()
        .ok()
        .filter(|_| identity(field) != field.name())
}

/// The columns that a version brought to a frame which had others already.
pub(crate) fn brought_by_version(schema: &Schema, version: u64) -> Vec<String> {
    let brought = |field: &&FieldRef| brought_by(field) == Some(version);
    names(schema.fields().iter().filter(brought))
}

/// The columns of `after` that `before` has not.
pub(crate) fn added_columns(before: &Schema, after: &Schema) -> Vec<String> {
    let new = |field: &&FieldRef| before.index_of(field.name()).is_err();
    names(after.fields().iter().filter(new))
}

fn names<'a>(fields: impl Iterator<Item = &'a FieldRef>) -> Vec<String> {
    fields.map(|field| field.name().clone()).collect()
}

/// Whether rows with the columns of `rows` have those of `target` and no others, in the same order.
pub(crate) fn has_columns_of(rows: &Schema, target: &Schema) -> bool {
    names(rows.fields().iter()) == names(target.fields().iter())
}

/// The columns of `target` that `given` has not.
pub(crate) fn columns_beyond(target: &Schema, given: &Schema) -> SchemaRef {
    let beyond = target.fields().iter().cloned();
    let beyond = beyond.filter(|field| given.index_of(field.name()).is_err());
    Arc::new(Schema::new(beyond.collect::<Vec<_>>()))
}

/// The frame's schema and index after an edit. `by` tells what brings new columns: see [`bringer`].
pub(crate) fn edited(
    present: &SchemaRef,
    index: &[String],
    edit: &ColumnEdit,
    by: &str,
) -> Result<(SchemaRef, Vec<String>)> {
    let mut fields: Vec<Field> = present
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    for name in &edit.drop {
        let place = place(&fields, "drop", name)?;
        if index.contains(name) {
            let problem = format!("`{name}` is a column of the index: the rows are sorted by it");
            return Err(Error::invalid("drop", problem));
        }
        fields.remove(place);
    }
    let unnamed = |field| Error::invalid(field, "a column needs a name");
    if edit.rename.values().any(String::is_empty) {
        return Err(unnamed("rename"));
    }
    if edit.add.iter().any(|column| column.name.is_empty()) {
        return Err(unnamed("add"));
    }
    rename(&mut fields, &edit.rename)?;
    let index: Vec<String> = index
        .iter()
        .map(|name| edit.rename.get(name).unwrap_or(name).clone())
        .collect();
    for (name, wider) in &edit.widen {
        let place = place(&fields, "widen", name)?;
        fields[place] = widen(&fields[place], wider, index.contains(name))?;
    }
    for column in &edit.add {
        let data_type = type_name::parse("add", &column.data_type)?;
        fields.push(added(&Field::new(&column.name, data_type, true), by));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name())) {
        let problem = format!("there would be two columns `{}`", twice.name());
        let field = if edit.rename.is_empty() {
            "add"
        } else {
            "rename"
        };
        return Err(Error::invalid(field, problem));
    }
    if fields.is_empty() {
        return Err(Error::invalid("drop", "a frame needs at least one column"));
    }
    let schema = Schema::new_with_metadata(fields, present.metadata().clone());
    let schema = pandas::reduce(&pandas::rename(&schema, &edit.rename));
    check(&schema)?;
    Ok((Arc::new(schema), index))
}

fn place(fields: &[Field], what: &'static str, name: &str) -> Result<usize> {
    let place = fields.iter().position(|field| field.name() == name);
    place.ok_or_else(|| {
        let known: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let known = known.join(", ");
        let problem = format!("there is no column `{name}`; the columns are {known}");
        Error::invalid(what, problem)
    })
}

/// All at once, so that columns can swap their names.
fn rename(fields: &mut [Field], names: &BTreeMap<String, String>) -> Result<()> {
    for old in names.keys() {
        place(fields, "rename", old)?;
    }
    for field in fields {
        if let Some(new) = names.get(field.name()) {
            let identity = identity(field).to_owned();
            *field = with_identity(&field.clone().with_name(new), &identity);
        }
    }
    Ok(())
}

fn widen(field: &Field, wider: &str, indexed: bool) -> Result<Field> {
    if wider == "nullable" {
        return if indexed {
            let problem = format!(
                "`{}` is a column of the index, which is never null",
                field.name()
            );
            Err(Error::invalid("widen", problem))
        } else {
            Ok(field.clone().with_nullable(true))
        };
    }
    let data_type = type_name::parse("widen", wider)?;
    if indexed {
        let problem = format!(
            "`{}` is a column of the index, and keeps its type: put the frame anew to change it",
            field.name()
        );
        return Err(Error::invalid("widen", problem));
    }
    if !widens(field.data_type(), &data_type) {
        let mut problem = format!(
            "`{}` is {}, and {} does not hold all of its values",
            field.name(),
            type_name::name(field.data_type()),
            type_name::name(&data_type)
        );
        if is_other_unit(field.data_type(), &data_type) {
            problem += ": the finer the unit, the shorter the time that it can span (nanoseconds: the years 1677 to 2262). If these values are within it, put the frame anew in mode `replace` with the other type";
        }
        return Err(Error::invalid("widen", problem));
    }
    Ok(field.clone().with_data_type(data_type))
}

/// Whether the types are of the same kind, and differ in the unit of time that they count.
fn is_other_unit(from: &DataType, to: &DataType) -> bool {
    use DataType::{Duration, Timestamp};
    match (from, to) {
        (Timestamp(_, zone), Timestamp(_, other)) => zone == other,
        (Duration(_), Duration(_)) => true,
        _ => false,
    }
}

/// Whether every value of one type is a value of the other, under the same meaning.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    };
    let targets: &[DataType] = match from {
        Int8 => &[Int16, Int32, Int64, Float32, Float64],
        Int16 => &[Int32, Int64, Float32, Float64],
        Int32 => &[Int64, Float64],
        UInt8 => &[
            UInt16, UInt32, UInt64, Int16, Int32, Int64, Float32, Float64,
        ],
        UInt16 => &[UInt32, UInt64, Int32, Int64, Float32, Float64],
        UInt32 => &[UInt64, Int64, Float64],
        Float16 => &[Float32, Float64],
        Float32 => &[Float64],
        DataType::Utf8 => &[DataType::LargeUtf8, DataType::Utf8View],
        DataType::Binary => &[DataType::LargeBinary, DataType::BinaryView],
        _ => &[],
    };
    from == to || targets.contains(to)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn present() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("t", DataType::Int64, false),
            Field::new("a", DataType::Int32, false),
            Field::new("b", DataType::Utf8, true),
        ]))
    }

    fn index() -> Vec<String> {
        vec!["t".to_owned()]
    }

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect()
    }

    #[test]
    fn columns_of_one_version_of_two_stores_are_told_apart_and_tell_the_version() {
        let field = Field::new("x", DataType::Int64, true);
        let (ours, theirs) = (
            added(&field, &bringer(5, "ab")),
            added(&field, &bringer(5, "cd")),
        );
        assert_ne!(identity(&ours), identity(&theirs));
        assert_eq!((brought_by(&ours), brought_by(&theirs)), (Some(5), Some(5)));
        let schema = Schema::new(vec![field.with_name("old"), ours]);
        assert_eq!(brought_by_version(&schema, 5), ["x"]);
        assert!(brought_by_version(&schema, 4).is_empty());
    }

    #[test]
    fn an_edit_keeps_identities_and_follows_the_index() {
        let edit = ColumnEdit {
            drop: vec!["b".into()],
            rename: texts(&[("t", "time"), ("a", "b")]),
            widen: texts(&[("b", "float64")]),
            add: vec![NewColumn {
                name: "a".into(),
                data_type: "string".into(),
            }],
        };
        let (schema, index) = edited(&present(), &index(), &edit, "7").unwrap();
        assert_eq!(index, ["time"]);
        let told: Vec<(&str, &str)> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), identity(field)))
            .collect();
        assert_eq!(told, [("time", "t"), ("b", "a"), ("a", "a@7")]);
        assert_eq!(schema.field(1).data_type(), &DataType::Float64);
    }

    #[test]
    fn columns_swap_their_names_and_pass_them_on() {
        let edit = ColumnEdit {
            rename: texts(&[("a", "b"), ("b", "t"), ("t", "a")]),
            ..ColumnEdit::default()
        };
        let (schema, index) = edited(&present(), &index(), &edit, "7").unwrap();
        assert_eq!(index, ["a"]);
        let told: Vec<(&str, &str)> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), identity(field)))
            .collect();
        assert_eq!(told, [("a", "t"), ("b", "a"), ("t", "b")]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_field() {
        let edit = |edit: ColumnEdit| {
            edited(&present(), &index(), &edit, "2")
                .unwrap_err()
                .to_string()
        };
        let told = edit(ColumnEdit {
            drop: vec!["t".into()],
            ..ColumnEdit::default()
        });
        assert!(
            told.starts_with("drop: `t` is a column of the index"),
            "{told}"
        );
        let told = edit(ColumnEdit {
            widen: texts(&[("a", "int16")]),
            ..ColumnEdit::default()
        });
        assert!(told.contains("does not hold all of its values"), "{told}");
        let told = edit(ColumnEdit {
            rename: texts(&[("a", "b")]),
            ..ColumnEdit::default()
        });
        assert!(told.contains("two columns `b`"), "{told}");
        let seconds = Field::new("t", DataType::Timestamp(TimeUnit::Second, None), false);
        let told = widen(&seconds, "timestamp[ns]", false).unwrap_err();
        for part in [
            "`t` is timestamp[s]",
            "and timestamp[ns] does not",
            "1677 to 2262",
            "mode `replace`",
        ] {
            assert!(told.to_string().contains(part), "{told}");
        }
        let told = edit(ColumnEdit {
            rename: texts(&[("a", "")]),
            ..ColumnEdit::default()
        });
        assert_eq!(told, "rename: a column needs a name");
        let told = edit(ColumnEdit {
            add: vec![NewColumn {
                name: String::new(),
                data_type: "string".into(),
            }],
            ..ColumnEdit::default()
        });
        assert_eq!(told, "add: a column needs a name");
        let told = edit(ColumnEdit {
            drop: vec!["x".into()],
            ..ColumnEdit::default()
        });
        assert!(told.contains("no column `x`"), "{told}");
    }

    #[test]
    fn rows_with_fewer_and_other_columns_join_a_frame() {
        let rows = Schema::new(vec![
            Field::new("t", DataType::Int64, false),
            Field::new("new", DataType::Utf8, false),
        ]);
        let schema = with_columns_of(&present(), &rows, "3").unwrap();
        assert!(!schema.field(0).is_nullable());
        assert!(schema.field(1).is_nullable());
        assert_eq!(identity(schema.field(3)), "new@3");
        assert!(!has_columns_of(&rows, &schema));
        assert_eq!(columns_beyond(&schema, &rows).fields().len(), 2);
        let other = Schema::new(vec![Field::new("a", DataType::Utf8, false)]);
        assert!(with_columns_of(&present(), &other, "3").is_none());
    }
}
