//! Which column of one state is which of the other, and rows of both under one schema.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use shoots_proto::action::{ColumnChange, ColumnRename, ColumnType};

use super::Kind;
use crate::error::{Error, Result};
use crate::read::{BATCH_ROWS, Batches, Piece};
use crate::schema::evolve::{brought_by, widens};
use crate::schema::identity::{identity, public, with_identity};
use crate::schema::type_name;

/// The column that says to which state a row belongs.
const CHANGE: &str = "_change";

/// How the columns of two states differ, in words.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) added: Vec<ColumnType>,
    pub(super) dropped: Vec<ColumnType>,
    pub(super) renamed: Vec<ColumnRename>,
    pub(super) changed: Vec<ColumnChange>,
}

/// The columns of two states under one schema.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) told: Told,
    /// The columns of `to`, in the wider type where two differ, then those that only `from` has.
    pub(super) output: SchemaRef,
    from: Side,
    to: Side,
    /// Names in `from` and in `to` of columns of one type that both have.
    same: Vec<(String, String)>,
    /// A column that has two types which have nothing to do with each other, under its name in `to`.
    unrelated: Option<String>,
}

/// One state's columns.
#[derive(Debug)]
pub(super) struct Side {
    /// Those that it has, as its segments know them, with names and types of the output.
    pub(super) read: SchemaRef,
    /// For each column of the output, which of these it is.
    places: Vec<Option<usize>>,
}

impl Columns {
    /// Columns of one name are taken for one if neither is the same as another and the states are `unrelated`, with
    /// these versions in between: one that was brought to the frame in one of them is none of the earlier state.
    pub(super) fn new(from: &Schema, to: &Schema, unrelated: Option<Range<u64>>) -> Self {
        let columns = united(from, to, unrelated.as_ref());
        let mut told = Told::default();
        let mut same = Vec::new();
        for Column { field, from, to } in &columns {
            match (from, to) {
                (None, _) => told.added.push(described(field.name(), field)),
                (Some(old), None) => told.dropped.push(described(old.name(), field)),
                (Some(old), Some(new)) => {
                    told.compare(old, new);
                    if old.data_type() == new.data_type() {
                        same.push((old.name().clone(), new.name().clone()));
                    }
                }
            }
        }
        let unrelated = columns.iter().find(|column| column.is_unrelated());
        let unrelated = unrelated.map(|column| column.field.name().clone());
        let from = Side::new(columns.iter().map(|column| (&column.field, column.from)));
        let to = Side::new(columns.iter().map(|column| (&column.field, column.to)));
        let fields: Vec<Field> = columns.into_iter().map(|column| column.field).collect();
        Self {
            told,
            output: public(&Arc::new(Schema::new(fields))),
            from,
            to,
            same,
            unrelated,
        }
    }

    /// Whether rows of the two states can be told to be equal.
    pub(super) fn comparable(&self) -> bool {
        self.unrelated.is_none() && !self.compared().is_empty()
    }

    /// The places of the columns that both states have.
    pub(super) fn compared(&self) -> Vec<usize> {
        let places = self.from.places.iter().zip(&self.to.places).enumerate();
        places
            .filter(|(_, (from, to))| from.is_some() && to.is_some())
            .map(|(place, _)| place)
            .collect()
    }

    /// Whether a column of `from` is this one of `to`, with the same type.
    pub(super) fn is_same(&self, from: &str, to: &str) -> bool {
        self.same.iter().any(|(a, b)| a == from && b == to)
    }

    pub(super) fn side(&self, kind: Kind) -> &Side {
        match kind {
            Kind::Removed => &self.from,
            Kind::Added => &self.to,
        }
    }

    /// A batch of one state's own columns as one of the output.
    pub(super) fn align(&self, kind: Kind, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let fields = self.output.fields().iter().zip(&self.side(kind).places);
        let columns: Vec<ArrayRef> = fields
            .map(|(field, place)| match place {
                Some(place) => Arc::clone(batch.column(*place)),
                None => new_null_array(field.data_type(), rows),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)
            .map_err(super::failed)
    }

    /// The rows of a piece of one state, under the output's schema.
    pub(super) fn read(self: &Arc<Self>, kind: Kind, piece: Piece) -> Batches {
        let columns = Arc::clone(self);
        let batches = piece.read(&self.side(kind).read, BATCH_ROWS);
        batches
            .map(move |batch| columns.align(kind, &batch?))
            .boxed()
    }

    /// The schema of rows that differ, with the column that says how.
    pub(super) fn marked(&self) -> Result<SchemaRef> {
        if let Some(name) = &self.unrelated {
            let problem = format!(
                "column `{name}` has types in the two states that no column can hold together: read the states one by one"
            );
            return Err(Error::invalid("diff", problem));
        }
        if self.output.column_with_name(CHANGE).is_some() {
            let problem = format!(
                "the frame has a column `{CHANGE}`, which is to say how rows differ: rename it first"
            );
            return Err(Error::invalid("diff", problem));
        }
        let change = Arc::new(Field::new(CHANGE, DataType::Utf8, false));
        let fields = self.output.fields().iter().cloned();
        let fields: Vec<_> = fields.chain([change]).collect();
        Ok(Arc::new(Schema::new(fields)))
    }
}

impl Told {
    /// Notes how a column that both states have differs.
    fn compare(&mut self, old: &Field, new: &Field) {
        if old.name() != new.name() {
            self.renamed.push(ColumnRename {
                from: old.name().clone(),
                to: new.name().clone(),
            });
        }
        if old.data_type() != new.data_type() {
            self.changed.push(ColumnChange {
                name: new.name().clone(),
                from: type_name::name(old.data_type()),
                to: type_name::name(new.data_type()),
            });
        }
    }
}

impl Side {
    /// From the columns of the output, and what they are in this state.
    fn new<'a>(columns: impl Iterator<Item = (&'a Field, Option<&'a Field>)>) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        let places = columns
            .map(|(field, own)| {
                fields.push(with_identity(field, identity(own?)));
                Some(fields.len() - 1)
            })
            .collect();
        Self {
            places,
            read: Arc::new(Schema::new(fields)),
        }
    }
}

/// A column of the output, and what it is in either state.
struct Column<'a> {
    field: Field,
    from: Option<&'a Field>,
    to: Option<&'a Field>,
}

impl<'a> Column<'a> {
    fn both(old: &'a Field, new: &'a Field) -> Self {
        let wider = common(old.data_type(), new.data_type());
        let nullable = old.is_nullable() || new.is_nullable();
        let field = new.clone().with_nullable(nullable);
        Self {
            field: match wider {
                Some(data_type) => field.with_data_type(data_type),
                None => field,
            },
            from: Some(old),
            to: Some(new),
        }
    }

    fn is_unrelated(&self) -> bool {
        let types = self.from.zip(self.to);
        types.is_some_and(|(old, new)| common(old.data_type(), new.data_type()).is_none())
    }
}

/// The columns of `to`, then those that only `from` has, under names that are free.
fn united<'a>(from: &'a Schema, to: &'a Schema, unrelated: Option<&Range<u64>>) -> Vec<Column<'a>> {
    let pairs = pairs(from, to, unrelated);
    let new = to.fields().iter().zip(&pairs);
    let mut columns: Vec<Column<'a>> = new
        .map(|(field, pair)| match pair {
            Some(old) => Column::both(from.field(*old), field),
            None => Column {
                field: field.as_ref().clone().with_nullable(true),
                from: None,
                to: Some(field),
            },
        })
        .collect();
    for (place, old) in from.fields().iter().enumerate() {
        if pairs.contains(&Some(place)) {
            continue;
        }
        let mut name = old.name().clone();
        while columns.iter().any(|column| *column.field.name() == name) {
            name.push_str(" (dropped)");
        }
        columns.push(Column {
            field: old.as_ref().clone().with_name(name).with_nullable(true),
            from: Some(old),
            to: None,
        });
    }
    columns
}

/// For each column of `to` the place of the same one in `from`.
fn pairs(from: &Schema, to: &Schema, unrelated: Option<&Range<u64>>) -> Vec<Option<usize>> {
    let place = |same: &dyn Fn(&Field) -> bool| from.fields().iter().position(|old| same(old));
    let mut pairs: Vec<Option<usize>> = to
        .fields()
        .iter()
        .map(|field| place(&|old| identity(old) == identity(field)))
        .collect();
    if let Some(between) = unrelated {
        let brought = |field: &Field| brought_by(field).is_some_and(|by| between.contains(&by));
        for (number, field) in to.fields().iter().enumerate() {
            let named =
                |old: &Field| old.name() == field.name() && !brought(old) && !brought(field);
            let named = place(&named);
            if pairs[number].is_none() && !pairs.contains(&named) {
                pairs[number] = named;
            }
        }
    }
    pairs
}

/// A type that holds the values of both.
fn common(from: &DataType, to: &DataType) -> Option<DataType> {
    if widens(from, to) {
        return Some(to.clone());
    }
    if widens(to, from) {
        return Some(from.clone());
    }
    match (from, to) {
        (DataType::Dictionary(_, from), DataType::Dictionary(_, to)) => common(from, to),
        (DataType::Dictionary(_, from), to) => common(from, to),
        (from, DataType::Dictionary(_, to)) => common(from, to),
        _ => None,
    }
}

fn described(name: &str, field: &Field) -> ColumnType {
    ColumnType {
        name: name.to_owned(),
        r#type: type_name::name(field.data_type()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, &str, DataType)]) -> Schema {
        let fields = columns.iter().map(|(name, identity, data_type)| {
            with_identity(&Field::new(*name, data_type.clone(), false), identity)
        });
        Schema::new(fields.collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_followed_through_renames_and_kept_apart_from_others_of_their_name() {
        use DataType::{Int32, Int64, Utf8};
        let from = schema(&[("a", "a", Int32), ("b", "b", Utf8), ("c", "c", Utf8)]);
        let to = schema(&[("x", "a", Int64), ("b", "b@7", Utf8), ("c", "c", Utf8)]);
        let columns = Columns::new(&from, &to, None);
        let told = &columns.told;
        assert_eq!((told.added[0].name.as_str(), told.added.len()), ("b", 1));
        assert_eq!(
            (told.dropped[0].name.as_str(), told.dropped.len()),
            ("b", 1)
        );
        assert_eq!(
            (told.renamed[0].from.as_str(), told.renamed[0].to.as_str()),
            ("a", "x")
        );
        let changed = &told.changed[0];
        assert_eq!(
            (changed.from.as_str(), changed.to.as_str()),
            ("int32", "int64")
        );
        let names: Vec<&str> = columns
            .output
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        assert_eq!(names, ["x", "b", "c", "b (dropped)"]);
        let nullable: Vec<bool> = columns
            .output
            .fields()
            .iter()
            .map(|f| f.is_nullable())
            .collect();
        assert_eq!(nullable, [false, true, false, true]);
        assert_eq!(columns.compared(), [0, 2]);
        assert!(columns.is_same("c", "c") && !columns.is_same("a", "x"));
    }

    #[test]
    fn names_match_columns_only_if_asked_and_where_identities_do_not() {
        let from = schema(&[("b", "a", DataType::Utf8), ("c", "c", DataType::Utf8)]);
        let to = schema(&[("b", "b", DataType::Utf8), ("a", "a", DataType::Utf8)]);
        assert_eq!(pairs(&from, &to, None), [None, Some(0)]);
        assert_eq!(pairs(&from, &to, Some(&(2..4))), [None, Some(0)]);
        let to = schema(&[("b", "b", DataType::Utf8)]);
        assert_eq!(pairs(&from, &to, None), [None]);
        assert_eq!(pairs(&from, &to, Some(&(2..4))), [Some(0)]);
        let to = schema(&[("b", "b@3", DataType::Utf8)]);
        assert_eq!(pairs(&from, &to, Some(&(2..4))), [None]);
        assert_eq!(pairs(&from, &to, Some(&(4..6))), [Some(0)]);
    }

    #[test]
    fn types_have_a_common_one_or_rows_are_not_comparable() {
        use DataType::{Float32, Float64, Int8, LargeUtf8, Utf8};
        let category = |key| DataType::Dictionary(Box::new(key), Box::new(Utf8));
        assert_eq!(common(&Float64, &Float32), Some(Float64));
        assert_eq!(
            common(&category(Int8), &category(DataType::Int32)),
            Some(Utf8)
        );
        assert_eq!(common(&LargeUtf8, &category(Int8)), Some(LargeUtf8));
        assert_eq!(common(&Utf8, &Int8), None);
        let columns = Columns::new(
            &schema(&[("a", "a", Utf8)]),
            &schema(&[("a", "a", Int8)]),
            None,
        );
        assert!(!columns.comparable());
        assert!(columns.marked().unwrap_err().to_string().contains("`a`"));
        let apart = Columns::new(
            &schema(&[("a", "a", Utf8)]),
            &schema(&[("b", "b", Utf8)]),
            None,
        );
        assert!(!apart.comparable());
        assert_eq!(apart.marked().unwrap().fields().len(), 3);
    }
}
