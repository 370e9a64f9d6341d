//! Names in SQL, read the way their users wrote them.
//!
//! DataFusion folds every unquoted name to lower case, so that `select DepDelay from Flights` finds neither
//! the frame nor the column. Here folding is off, and names are matched to what is really there: first as
//! written, then without regard to case where that leaves one candidate. A quoted name is only ever taken as
//! written. What has no candidate is left as it stands, for DataFusion to report.
//!
//! It works in two steps around the look-up of the frames: [`Mentions::of`] says what a statement names, and
//! [`Spelling::apply`] writes the names that were found into the statement.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use arrow_schema::{DataType, Fields, SchemaRef};
use datafusion::common::Span;
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, IdentWithAlias, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, Query, RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind,
    Spanned, TableAlias, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions,
};

use super::relation::Relation;

/// Everything that a statement names.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    /// Tables, without table functions; names of common table expressions may be among them.
    pub(crate) relations: BTreeSet<Relation>,
    /// Names of common table expressions.
    pub(crate) ctes: BTreeSet<String>,
    /// Names that the statement gives to columns and tables itself.
    given: BTreeSet<String>,
    /// Under which alias a table is known.
    aliases: Vec<(Relation, String)>,
    /// Where in the statement a table is named first.
    places: HashMap<Relation, Span>,
}

impl Mentions {
    /// Collects the names of a statement, or of an expression.
    pub(crate) fn of(sql: &impl Visit) -> Self {
        let mut mentions = Self::default();
        let _ = sql.visit(&mut mentions);
        mentions
    }

    /// Where in the statement a table is named first.
    pub(crate) fn place(&self, relation: &Relation) -> Option<Span> {
        self.places.get(relation).copied()
    }

    /// Whether this is the name of a common table expression, as written or but for its case.
    pub(crate) fn cte(&self, relation: &Relation) -> Option<&str> {
        let [part] = relation.0.as_slice() else {
            return None;
        };
        if let Some(name) = self.ctes.get(&part.text) {
            return Some(name);
        }
        let folded = part.text.to_lowercase();
        let mut alike = self.ctes.iter().filter(|cte| cte.to_lowercase() == folded);
        match (part.quoted, alike.next(), alike.next()) {
            (false, Some(name), None) => Some(name),
            _ => None,
        }
    }

    /// Whether the statement gives this name itself.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    fn give(&mut self, ident: &Ident) {
        self.given.insert(ident.value.clone());
    }

    fn give_alias(&mut self, alias: &TableAlias) {
        self.give(&alias.name);
        for column in &alias.columns {
            self.give(&column.name);
        }
    }
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.clone());
            self.give_alias(&cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.give(alias),
                SelectItem::ExprWithAliases { aliases, .. } => {
                    for alias in aliases {
                        self.give(alias);
                    }
                }
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                    for renamed in renamed(options) {
                        self.give(&renamed.alias);
                    }
                }
                SelectItem::UnnamedExpr(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                if let Some(relation) = Relation::of(name) {
                    if let Some(alias) = alias {
                        let known_as = alias.name.value.clone();
                        self.aliases.push((relation.clone(), known_as));
                    }
                    if let Some(place) = Span::try_from_sqlparser_span(name.span()) {
                        self.places.entry(relation.clone()).or_insert(place);
                    }
                    self.relations.insert(relation);
                }
                alias
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias,
            _ => &None,
        };
        if let Some(alias) = alias {
            self.give_alias(alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Lambda(lambda) = expr {
            for parameter in &lambda.params {
                // DataFusion folds the names of parameters where they are declared, whatever the setting.
                self.given.insert(parameter.name.value.to_lowercase());
            }
        }
        ControlFlow::Continue(())
    }
}

/// How the names in a statement are to be spelt.
#[derive(Debug)]
pub(crate) struct Spelling<'a> {
    mentions: &'a Mentions,
    tables: HashMap<&'a Relation, &'a [String]>,
    everything: Known,
    by_qualifier: HashMap<String, Known>,
}

impl<'a> Spelling<'a> {
    /// The statement's names, and for each table that was found its path and its columns.
    pub(crate) fn new(
        mentions: &'a Mentions,
        found: impl IntoIterator<Item = (&'a Relation, &'a [String], SchemaRef)>,
    ) -> Self {
        let mut spelling = Self {
            mentions,
            tables: HashMap::new(),
            everything: Known::default(),
            by_qualifier: HashMap::new(),
        };
        for name in &mentions.given {
            spelling.everything.add(name);
        }
        for (relation, path, schema) in found {
            spelling.everything.add_columns(schema.fields());
            for name in path {
                spelling.everything.add(name);
            }
            let aliases = mentions.aliases.iter().filter(|(of, _)| of == relation);
            for qualifier in aliases.map(|(_, alias)| alias).chain(path.last()) {
                let columns = spelling.by_qualifier.entry(qualifier.clone()).or_default();
                columns.add_columns(schema.fields());
            }
            spelling.tables.insert(relation, path);
        }
        spelling
    }

    /// Spells the names as they really are.
    pub(crate) fn apply(mut self, sql: &mut impl VisitMut) {
        let _ = sql.visit(&mut self);
    }

    fn spell_parts<'i>(&self, parts: impl IntoIterator<Item = &'i mut Ident>) {
        let mut qualifier: Option<String> = None;
        for ident in parts {
            let columns = qualifier.and_then(|q| self.by_qualifier.get(&q));
            if !columns.is_some_and(|columns| columns.spell(ident)) {
                self.everything.spell(ident);
            }
            qualifier = Some(ident.value.clone());
        }
    }

    fn spell_name(&self, name: &mut ObjectName) {
        self.spell_parts(name.0.iter_mut().filter_map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident),
            ObjectNamePart::Function(_) => None,
        }));
    }

    fn spell_options(&self, options: &mut WildcardAdditionalOptions) {
        match &mut options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => self.spell_name(name),
            Some(ExcludeSelectItem::Multiple(names)) => {
                for name in names {
                    self.spell_name(name);
                }
            }
            None => {}
        }
        if let Some(except) = &mut options.opt_except {
            self.everything.spell(&mut except.first_element);
            for ident in &mut except.additional_elements {
                self.everything.spell(ident);
            }
        }
        if let Some(replace) = &mut options.opt_replace {
            for item in &mut replace.items {
                self.everything.spell(&mut item.column_name);
            }
        }
        match &mut options.opt_rename {
            Some(RenameSelectItem::Single(renamed)) => {
                self.everything.spell(&mut renamed.ident);
            }
            Some(RenameSelectItem::Multiple(all)) => {
                for renamed in all {
                    self.everything.spell(&mut renamed.ident);
                }
            }
            None => {}
        }
    }
}

impl VisitorMut for Spelling<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
            && let Some(relation) = Relation::of(name)
        {
            if let Some(path) = self.tables.get(&relation) {
                let span = name.span();
                let parts = path
                    .iter()
                    .map(|part| Ident::with_quote_and_span('"', span, part));
                *name = ObjectName::from(parts.collect::<Vec<_>>());
            } else if let Some(cte) = self.mentions.cte(&relation) {
                let cte = Ident::with_quote_and_span('"', name.span(), cte);
                *name = ObjectName::from(vec![cte]);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            match item {
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        self.spell_name(name);
                    }
                    self.spell_options(options);
                }
                SelectItem::Wildcard(options) => self.spell_options(options),
                SelectItem::UnnamedExpr(_)
                | SelectItem::ExprWithAlias { .. }
                | SelectItem::ExprWithAliases { .. } => {}
            }
        }
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint(&mut join.join_operator) {
                for column in columns {
                    self.spell_name(column);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.spell_parts([ident]),
            Expr::CompoundIdentifier(parts) => self.spell_parts(parts),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Names that exist somewhere, to match others against.
#[derive(Debug, Default)]
struct Known {
    exact: HashSet<String>,
    /// By lower case; nothing where several names differ in case only.
    folded: HashMap<String, Option<String>>,
}

impl Known {
    fn add(&mut self, name: &str) {
        if !self.exact.insert(name.to_owned()) {
            return;
        }
        match self.folded.entry(name.to_lowercase()) {
            Entry::Vacant(entry) => {
                entry.insert(Some(name.to_owned()));
            }
            Entry::Occupied(mut entry) => {
                entry.insert(None);
            }
        }
    }

    fn add_columns(&mut self, fields: &Fields) {
        for field in fields {
            self.add(field.name());
            match field.data_type() {
                DataType::Struct(inner) => self.add_columns(inner),
                DataType::List(inner)
                | DataType::LargeList(inner)
                | DataType::FixedSizeList(inner, _) => {
                    if let DataType::Struct(inner) = inner.data_type() {
                        self.add_columns(inner);
                    }
                }
                _ => {}
            }
        }
    }

    /// Spells an unquoted name as it is known here; false if it is not known.
    fn spell(&self, ident: &mut Ident) -> bool {
        if self.exact.contains(&ident.value) {
            return true;
        }
        if ident.quote_style.is_some() {
            return false;
        }
        match self.folded.get(&ident.value.to_lowercase()) {
            Some(Some(name)) => {
                *ident = Ident::with_quote_and_span('"', ident.span, name);
                true
            }
            _ => false,
        }
    }
}

fn renamed(options: &WildcardAdditionalOptions) -> &[IdentWithAlias] {
    match &options.opt_rename {
        Some(RenameSelectItem::Single(one)) => std::slice::from_ref(one),
        Some(RenameSelectItem::Multiple(all)) => all,
        None => &[],
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, Schema};
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// Spells a statement over frames `Flights(Carrier, dep_delay, At{Lat})` and `lake.Birds(carrier, Wing)`.
    fn spelt(sql: &str) -> String {
        let mut statement = Parser::parse_sql(&GenericDialect {}, sql)
            .unwrap()
            .remove(0);
        let mentions = Mentions::of(&statement);
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let at = DataType::Struct(vec![text("Lat")].into());
        let flights = Schema::new(vec![
            text("Carrier"),
            text("dep_delay"),
            Field::new("At", at, true),
        ]);
        let birds = Schema::new(vec![text("carrier"), text("Wing")]);
        let frames = [
            (vec!["Flights".to_owned()], Arc::new(flights)),
            (vec!["lake".to_owned(), "Birds".to_owned()], Arc::new(birds)),
        ];
        let found = mentions.relations.iter().filter_map(|relation| {
            let wanted = relation.text().to_lowercase();
            let frame = frames
                .iter()
                .find(|(path, _)| path.join(".").to_lowercase() == wanted);
            frame.map(|(path, schema)| (relation, path.as_slice(), Arc::clone(schema)))
        });
        Spelling::new(&mentions, found).apply(&mut statement);
        statement.to_string().replace('"', "")
    }

    #[test]
    fn names_get_the_spelling_of_what_exists() {
        for (written, expected) in [
            ("SELECT CARRIER FROM flights", "SELECT Carrier FROM Flights"),
            (
                "SELECT f.carrier, F.At.lat FROM FLIGHTS AS f",
                "SELECT f.Carrier, f.At.Lat FROM Flights AS f",
            ),
            (
                "SELECT avg(Dep_Delay) AS Late FROM flights GROUP BY carrier ORDER BY late",
                "SELECT avg(dep_delay) AS Late FROM Flights GROUP BY Carrier ORDER BY Late",
            ),
            (
                "SELECT * EXCLUDE (DEP_DELAY) FROM flights",
                "SELECT * EXCLUDE (dep_delay) FROM Flights",
            ),
            (
                "SELECT FLIGHTS.* FROM Flights",
                "SELECT Flights.* FROM Flights",
            ),
            (
                "SELECT BIRDS.wing FROM LAKE.birds",
                "SELECT Birds.Wing FROM lake.Birds",
            ),
            (
                "WITH Late AS (SELECT 1 AS One FROM flights) SELECT ONE FROM late",
                "WITH Late AS (SELECT 1 AS One FROM Flights) SELECT One FROM Late",
            ),
        ] {
            assert_eq!(spelt(written), expected);
        }
    }

    #[test]
    fn columns_that_differ_in_case_are_told_apart_by_their_table() {
        assert_eq!(
            spelt(
                "SELECT f.CARRIER, b.CARRIER FROM Flights AS f JOIN lake.Birds AS b USING (WING)"
            ),
            "SELECT f.Carrier, b.carrier FROM Flights AS f JOIN lake.Birds AS b USING(Wing)"
        );
        assert_eq!(
            spelt("SELECT CARRIER, carrier, Carrier FROM Flights, lake.Birds"),
            "SELECT CARRIER, carrier, Carrier FROM Flights, lake.Birds"
        );
    }

    #[test]
    fn quoted_and_unknown_names_stay_as_they_are() {
        assert_eq!(
            spelt("SELECT \"CARRIER\", nothing FROM Flights"),
            "SELECT CARRIER, nothing FROM Flights"
        );
        assert_eq!(
            spelt("SELECT value FROM generate_series(1, 3)"),
            "SELECT value FROM generate_series(1, 3)"
        );
    }

    #[test]
    fn an_expression_named_like_a_frame_hides_nothing() {
        let sql = "WITH flights AS (SELECT 1) SELECT * FROM FLIGHTS";
        let statement = Parser::parse_sql(&GenericDialect {}, sql)
            .unwrap()
            .remove(0);
        let mentions = Mentions::of(&statement);
        let relation = mentions.relations.iter().next().unwrap();
        assert_eq!(mentions.cte(relation), Some("flights"));
    }
}
