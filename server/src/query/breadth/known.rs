//! What is known of the names in a statement before it is planned.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use arrow_schema::{DataType, Field, Fields, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, Select, visit_expressions};

use crate::query::names::Mentions;

/// The tables that a statement names, and its own names.
#[derive(Debug)]
pub(in crate::query) struct Known<'m> {
    mentions: &'m Mentions,
    /// By name, without its bucket.
    tables: HashMap<String, SchemaRef>,
}

impl<'m> Known<'m> {
    pub(in crate::query) fn new<'t>(
        mentions: &'m Mentions,
        tables: impl IntoIterator<Item = (&'t [String], SchemaRef)>,
    ) -> Self {
        let mut known = Self {
            mentions,
            tables: HashMap::new(),
        };
        for (path, schema) in tables {
            let name = path.last().cloned().unwrap_or_default();
            let widest = known.tables.entry(name).or_insert_with(|| schema.clone());
            if schema.fields().len() > widest.fields().len() {
                *widest = schema;
            }
        }
        known
    }

    pub(super) fn columns_of(&self, table: &str) -> u64 {
        let schema = self.tables.get(table);
        schema.map_or(1, |schema| schema.fields().len() as u64)
    }

    /// How many of the columns that are named are not there.
    pub(super) fn missing(&self, select: &Select) -> u64 {
        let mut names = HashSet::new();
        for schema in self.tables.values() {
            add_names(schema.fields(), &mut names);
        }
        let mut missing = 0;
        let _ = visit_expressions(&select.projection, |part| {
            let name = match part {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            let is_missing = |name: &str| !names.contains(name) && !self.mentions.gives(name);
            missing += u64::from(name.is_some_and(|name| is_missing(&name.value)));
            ControlFlow::<()>::Continue(())
        });
        missing
    }
}

fn add_names<'f>(fields: &'f Fields, names: &mut HashSet<&'f str>) {
    fields.iter().for_each(|field| add_field(field, names));
}

fn add_field<'f>(field: &'f Field, names: &mut HashSet<&'f str>) {
    names.insert(field.name());
    if let DataType::Struct(fields) = field.data_type() {
        add_names(fields, names);
    }
}
