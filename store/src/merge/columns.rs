//! The columns of a frame while histories are replayed: what each commit did to the columns, done to others.
//!
//! A column is known by its identity ([`crate::schema::identity`]), whatever it is called. That holds for all commits
//! since the rows and columns were last replaced as a whole: they are of one **epoch**. A commit that was made in
//! another epoch, because the other side replaced the frame meanwhile, means columns by their names.
//!
//! Columns of one name and type that both sides added are one. Its identity is that of the first; the other one's
//! is an **alias**, and segments that were written under it get a schema that says so. A column that one side dropped
//! stays dropped, whatever rows the other side wrote into it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::conflict::{Stop, index, types};
use crate::schema::evolve::widens;
use crate::schema::identity::{identity, with_identity};
use crate::schema::{loosest, pandas, type_name};

/// The columns of the frame, as far as they are replayed.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    schema: SchemaRef,
    index: Vec<String>,
    /// The identities of this epoch's columns, dropped ones too, and under which of them they are in the schema.
    known: HashMap<String, String>,
}

/// How a commit's line had the columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Before it.
    pub(super) before: &'a Schema,
    /// After it.
    pub(super) after: &'a Schema,
    /// The names of the index after it.
    pub(super) index: &'a [String],
    /// Whether it speaks of the columns of this epoch, so that identities count, and not names.
    pub(super) same_epoch: bool,
    /// Tells it from other commits.
    pub(super) commit: &'a str,
}

/// What a column of a commit's line is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The column at this place.
    Here(usize),
    /// One that was dropped.
    Dropped,
    Unknown,
}

impl Columns {
    /// The columns at the beginning of an epoch.
    pub(super) fn new(schema: SchemaRef, index: Vec<String>) -> Self {
        let known = schema.fields().iter();
        let known = known.map(|field| (identity(field).to_owned(), identity(field).to_owned()));
        Self {
            known: known.collect(),
            schema,
            index,
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn index(&self) -> &[String] {
        &self.index
    }

    /// Makes them what they were after a commit of this epoch, before which they were what they are.
    pub(super) fn set(&mut self, after: SchemaRef, index: Vec<String>) {
        let own = after
            .fields()
            .iter()
            .map(|field| identity(field).to_owned());
        for identity in own {
            self.known.entry(identity.clone()).or_insert(identity);
        }
        self.schema = after;
        self.index = index;
    }

    fn find(&self, field: &Field, same_epoch: bool) -> Found {
        let canonical = self.known.get(identity(field)).filter(|_| same_epoch);
        let fields = self.schema.fields();
        match canonical {
            Some(canonical) => {
                let place = fields.iter().position(|own| identity(own) == canonical);
                place.map_or(Found::Dropped, Found::Here)
            }
            None => {
                let place = fields.iter().position(|own| own.name() == field.name());
                place.map_or(Found::Unknown, Found::Here)
            }
        }
    }

    /// Does to the columns what a commit did to those of its line.
    pub(super) fn follow(&mut self, view: &View<'_>) -> Result<(), Stop> {
        let (before, after) = (view.before, view.after);
        if before == after {
            return Ok(());
        }
        let old: HashMap<&str, &Field> = before
            .fields()
            .iter()
            .map(|field| (identity(field), field.as_ref()))
            .collect();
        let kept: HashSet<&str> = after.fields().iter().map(|field| identity(field)).collect();
        let mut fields: Vec<Option<Field>> = self
            .schema
            .fields()
            .iter()
            .map(|field| Some(field.as_ref().clone()))
            .collect();
        for field in before.fields() {
            if let (false, Found::Here(place)) = (
                kept.contains(identity(field)),
                self.find(field, view.same_epoch),
            ) {
                self.check_droppable(place)?;
                fields[place] = None;
            }
        }
        let mut renamed = Vec::new();
        let mut added = Vec::new();
        for field in after.fields() {
            let Some(was) = old.get(identity(field)) else {
                added.push(field.as_ref());
                continue;
            };
            let Found::Here(place) = self.find(was, view.same_epoch) else {
                continue;
            };
            if let Some(own) = &mut fields[place] {
                let in_index = self.index.contains(self.schema.field(place).name());
                *own = changed(own, was, field, in_index)?;
                if was.name() != field.name() {
                    renamed.push((
                        self.schema.field(place).name().clone(),
                        field.name().clone(),
                    ));
                }
            }
        }
        self.rebuild(fields.into_iter().flatten().collect(), view, renamed)?;
        for field in added {
            self.add(field, view)?;
        }
        Ok(())
    }

    fn check_droppable(&self, place: usize) -> Result<(), Stop> {
        let name = self.schema.field(place).name();
        if self.index.contains(name) {
            let problem =
                format!("one side drops column `{name}`, by which the other sorts the rows");
            return Err(index(problem));
        }
        Ok(())
    }

    fn rebuild(
        &mut self,
        fields: Vec<Field>,
        view: &View<'_>,
        renamed: Vec<(String, String)>,
    ) -> Result<(), Stop> {
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name())) {
            let problem = format!("there would be two columns `{}`", twice.name());
            return Err(types(problem));
        }
        if fields.is_empty() {
            return Err(types("together the two sides drop all columns"));
        }
        let mut metadata = self.schema.metadata().clone();
        let (before, after) = (view.before.metadata(), view.after.metadata());
        for (key, value) in after {
            if before.get(key) != Some(value) && key != pandas::KEY {
                metadata.insert(key.clone(), value.clone());
            }
        }
        metadata.retain(|key, _| after.contains_key(key) || !before.contains_key(key));
        let renamed = renamed.into_iter().collect();
        let schema = Schema::new_with_metadata(fields, metadata);
        self.schema = Arc::new(pandas::reduce(&pandas::rename(&schema, &renamed)));
        for name in &mut self.index {
            if let Some(new) = renamed.get(name) {
                name.clone_from(new);
            }
        }
        Ok(())
    }

    /// A column that a commit's line got comes, unless the other side has it already.
    fn add(&mut self, field: &Field, view: &View<'_>) -> Result<(), Stop> {
        let name = field.name();
        if let (true, Found::Here(place)) = (view.same_epoch, self.find(field, true))
            && self.schema.field(place).name() != name
        {
            let other = self.schema.field(place).name();
            let problem = format!("columns `{name}` and `{other}` cannot be told apart");
            return Err(types(problem));
        }
        let Some(place) = self.place(name) else {
            self.push(field, view);
            return Ok(());
        };
        let has = |known: &Field| self.find(known, view.same_epoch) == Found::Here(place);
        if view.before.fields().iter().any(|known| has(known)) {
            return Err(types(format!("there would be two columns `{name}`")));
        }
        self.take(place, field)?;
        let own = identity(self.schema.field(place)).to_owned();
        self.alias(field, view, own);
        Ok(())
    }

    /// A column that all earlier rows have nothing in.
    fn push(&mut self, field: &Field, view: &View<'_>) {
        let mut own = identity(field).to_owned();
        if !view.same_epoch || self.known.contains_key(&own) {
            own = foreign(field, view.commit);
        }
        self.known.insert(own.clone(), own.clone());
        let field = with_identity(&field.clone().with_nullable(true), &own);
        let mut fields = self.fields();
        fields.push(field);
        self.set_fields(fields);
    }

    /// Remembers under which identity other commits may speak of a column that is here under another one.
    fn alias(&mut self, field: &Field, view: &View<'_>, own: String) {
        let identity = match view.same_epoch {
            true => identity(field).to_owned(),
            false => foreign(field, view.commit),
        };
        self.known.entry(identity).or_insert(own);
    }

    /// The schema that says of a commit's segments what their columns are here. Columns that are missing are added,
    /// types and nullability become what holds the rows of both. Without `given`, all columns of the commit's line
    /// have values in the rows, otherwise only these.
    pub(super) fn admit(
        &mut self,
        view: &View<'_>,
        given: Option<&[String]>,
    ) -> Result<SchemaRef, Stop> {
        let mut fields = Vec::with_capacity(view.after.fields().len());
        let mut filled = vec![false; self.schema.fields().len()];
        for field in view.after.fields() {
            if given.is_some_and(|given| !given.contains(field.name())) {
                fields.push(with_identity(field, &format!("{}@:none", field.name())));
                continue;
            }
            match self.find(field, view.same_epoch) {
                Found::Dropped => fields.push(field.as_ref().clone()),
                Found::Here(place) if filled[place] => {
                    let name = self.schema.field(place).name();
                    let problem = format!("two columns of one side are `{name}` on the other");
                    return Err(types(problem));
                }
                Found::Here(place) => {
                    self.take(place, field)?;
                    filled[place] = true;
                    let own = identity(self.schema.field(place)).to_owned();
                    fields.push(with_identity(field, &own));
                    self.alias(field, view, own);
                }
                Found::Unknown => {
                    self.push(field, view);
                    filled.push(true);
                    let own = self.schema.fields().last();
                    let own = own.map_or(field.name().as_str(), |own| identity(own));
                    fields.push(with_identity(field, own));
                }
            }
        }
        for (place, _) in filled.iter().enumerate().filter(|(_, filled)| !**filled) {
            let nullable = self.schema.field(place).clone().with_nullable(true);
            self.replace(place, nullable);
        }
        Ok(Arc::new(Schema::new_with_metadata(
            fields,
            view.after.metadata().clone(),
        )))
    }

    /// Makes the column at `place` hold values of `field`.
    fn take(&mut self, place: usize, field: &Field) -> Result<(), Stop> {
        let own = self.schema.field(place);
        let in_index = self.index.contains(own.name());
        let data_type = common(own.data_type(), field.data_type());
        let data_type = data_type.filter(|common| !in_index || common == own.data_type());
        let Some(data_type) = data_type else {
            return Err(differ(own.name(), own.data_type(), field.data_type()));
        };
        let nullable = own.is_nullable() || field.is_nullable();
        let own = own.clone().with_nullable(nullable);
        self.replace(place, own.with_data_type(data_type));
        Ok(())
    }

    /// Refuses rows of a line that are sorted by something else.
    pub(super) fn expect_index(&self, view: &View<'_>) -> Result<(), Stop> {
        let here = |name: &String| {
            let field = view.after.field_with_name(name).ok()?;
            match self.find(field, view.same_epoch) {
                Found::Here(place) => Some((field, self.schema.field(place))),
                _ => None,
            }
        };
        let found: Option<Vec<_>> = view.index.iter().map(here).collect();
        let own = found.as_ref().map(|found| {
            let names = found.iter().map(|(_, own)| own.name().as_str());
            names.collect::<Vec<_>>()
        });
        if own.is_none_or(|own| own != self.index) {
            let told = |index: &[String]| match index {
                [] => "no index".to_owned(),
                index => format!("the index {}", index.join(", ")),
            };
            let (ours, theirs) = (told(&self.index), told(view.index));
            let problem = format!("the frame has {ours} on one side and {theirs} on the other");
            return Err(index(problem));
        }
        for (field, own) in found.into_iter().flatten() {
            if field.data_type() != own.data_type() {
                let (one, other) = told_apart(own.data_type(), field.data_type());
                let name = own.name();
                let problem = format!("column `{name}` of the index is {one} and {other}");
                return Err(index(problem));
            }
        }
        Ok(())
    }

    /// The columns that a commit's line called so, as they are stored here, under the names that the line had for them.
    pub(super) fn seen_by(&self, view: &View<'_>) -> Schema {
        let fields = view.after.fields().iter().filter_map(|field| {
            let Found::Here(place) = self.find(field, view.same_epoch) else {
                return None;
            };
            let own = self.schema.field(place);
            let seen = own.clone().with_name(field.name());
            Some(with_identity(&seen, identity(own)))
        });
        Schema::new_with_metadata(fields.collect::<Vec<_>>(), view.after.metadata().clone())
    }

    /// Those columns that rows written under `written` have values in.
    pub(super) fn held_by(&self, written: &Schema) -> SchemaRef {
        let held: HashSet<&str> = written.fields().iter().map(|f| identity(f)).collect();
        let own = self.schema.fields().iter();
        let own = own.filter(|own| held.contains(identity(own))).cloned();
        Arc::new(Schema::new(own.collect::<Vec<_>>()))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.schema
            .fields()
            .iter()
            .position(|own| own.name() == name)
    }

    fn fields(&self) -> Vec<Field> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.as_ref().clone()).collect()
    }

    fn replace(&mut self, place: usize, field: Field) {
        if self.schema.field(place) != &field {
            let mut fields = self.fields();
            fields[place] = field;
            self.set_fields(fields);
        }
    }

    fn set_fields(&mut self, fields: Vec<Field>) {
        let metadata = self.schema.metadata().clone();
        self.schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    }
}

/// A column that became `field` in a line where it was `was`.
fn changed(own: &Field, was: &Field, field: &Field, in_index: bool) -> Result<Field, Stop> {
    let mut changed = own.clone();
    if was.data_type() != field.data_type() {
        let wider = common(own.data_type(), field.data_type());
        let wider = wider.filter(|wider| !in_index || wider == own.data_type());
        let Some(wider) = wider else {
            return Err(differ(own.name(), own.data_type(), field.data_type()));
        };
        changed = changed.with_data_type(wider);
    }
    if field.is_nullable() && !was.is_nullable() {
        changed = changed.with_nullable(true);
    }
    if was.name() != field.name() {
        changed = with_identity(&changed.with_name(field.name()), identity(own));
    }
    Ok(changed)
}

/// An identity for a column that came by its name from another epoch: the same wherever the commit is replayed.
fn foreign(field: &Field, commit: &str) -> String {
    format!("{}@:{commit}", field.name())
}

/// The type that holds all values of both.
fn common(one: &DataType, other: &DataType) -> Option<DataType> {
    if widens(other, one) {
        Some(one.clone())
    } else if widens(one, other) {
        Some(other.clone())
    } else {
        loosest(one, other)
    }
}

fn differ(name: &str, one: &DataType, other: &DataType) -> Stop {
    let (one, other) = told_apart(one, other);
    types(format!(
        "column `{name}` is {one} on one side and {other} on the other"
    ))
}

/// Two types that differ, as users name them.
fn told_apart(one: &DataType, other: &DataType) -> (String, String) {
    (type_name::name(one), type_name::name(other))
}

#[cfg(test)]
mod tests;
