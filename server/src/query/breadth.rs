//! How much a short statement may become.
//!
//! The planner puts a `WITH` query in the place of each of its names, so that twenty of them, each of which names the one
//! before twice, become a million; it makes a list of all the sets that a `CUBE` groups by, which are twice as many with each
//! column. And it takes longer with what it plans than in proportion: with the cube of how many tables are joined, with the
//! square of how many columns a `SELECT` makes. It does so without asking anybody for memory, and much of it in one go, in
//! which it cannot be interrupted. So what a statement becomes is counted before it is planned.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use arrow_schema::{DataType, Field, Fields, SchemaRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, GroupByWithModifier, ObjectName, OrderByKind, Query, Select,
    SelectItem, Visit, Visitor, WindowType, visit_expressions,
};

use super::names::Mentions;

/// By how many parts (expressions, tables, queries) a statement may become longer when `WITH` queries are put where they are
/// named.
const MOST_ADDED: u64 = 20_000;

/// Sets of columns that one `GROUP BY` may group by.
const MOST_SETS: u64 = 4_096;

/// Items of one `SELECT`.
const MOST_ITEMS: usize = 10_000;

/// Those of them that are computed. The planner compares each with each, which takes longer than with columns.
const MOST_COMPUTED: usize = 5_000;

/// Branches of one `CASE`.
const MOST_BRANCHES: usize = 10_000;

/// Expressions that rows are ordered or grouped by, in one place.
const MOST_KEYS: usize = 1_000;

/// What one `SELECT` may join: tables, subqueries, and windows that differ, each of which is done upon the one before.
const MOST_JOINED: u64 = 200;

/// How many that are joined, times the columns of all of them: each join has the columns of those before.
const MOST_JOINED_COLUMNS: u64 = 1_000_000;

/// The same times the columns that are made of them, which each join must have to the end.
const MOST_CARRIED_COLUMNS: u64 = 200_000;

/// Columns that one `SELECT` may make. Of several, the squares are added, as the planner compares each with each.
const MOST_COLUMNS: u64 = 12_000;

/// How many names of columns that are not there, times the columns that are: the error for each lists them all.
const MOST_MEANT: u64 = 1_000_000;

/// Refuses a statement that becomes too much.
pub(super) fn check(statement: &impl Visit, known: &Known<'_>) -> Result<()> {
    let mut breadth = Breadth {
        known,
        scopes: Vec::new(),
        written: 0,
        squares: 0,
    };
    match statement.visit(&mut breadth) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => plan_err!("{problem}"),
    }
}

/// The tables that a statement names, and its own names.
#[derive(Debug)]
pub(super) struct Known<'m> {
    mentions: &'m Mentions,
    /// By name, without its bucket.
    tables: HashMap<String, SchemaRef>,
}

impl<'m> Known<'m> {
    pub(super) fn new<'t>(
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

    fn columns_of(&self, table: &str) -> u64 {
        let schema = self.tables.get(table);
        schema.map_or(1, |schema| schema.fields().len() as u64)
    }

    /// How many of the columns that are named are not there.
    fn missing(&self, select: &Select) -> u64 {
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

#[derive(Debug)]
struct Breadth<'k> {
    known: &'k Known<'k>,
    /// Of the queries that are being looked at, the innermost last.
    scopes: Vec<Scope>,
    /// Parts of the statement so far, as it is written.
    written: u64,
    /// Of the columns that each `SELECT` makes.
    squares: u64,
}

/// One query.
#[derive(Debug, Default)]
struct Scope {
    /// Which `WITH` query of the query around it this is.
    name: Option<String>,
    size: Size,
    /// The `SELECT` of it that is being looked at.
    select: Option<Sources>,
    /// How large its `WITH` queries are, as far as they have been looked at.
    named: HashMap<String, Size>,
    /// Its `WITH` queries, by where they lie, which tells them from other queries in it.
    places: HashMap<*const Query, String>,
}

/// How large a query is.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Parts that it has once `WITH` queries stand where they are named.
    parts: u64,
    /// What the one of its `SELECT`s joins that joins most.
    joined: u64,
    /// Columns that it makes.
    columns: u64,
}

impl Size {
    fn or(self, other: Self) -> Self {
        Self {
            parts: self.parts.max(other.parts),
            joined: self.joined.max(other.joined),
            columns: self.columns.max(other.columns),
        }
    }
}

/// What a `SELECT` makes rows of.
#[derive(Debug, Default)]
struct Sources {
    joined: u64,
    columns: u64,
    windows: HashSet<String>,
}

impl Sources {
    fn add(&mut self, size: Size) {
        self.joined = self.joined.saturating_add(size.joined.max(1));
        self.columns = self.columns.saturating_add(size.columns);
    }
}

impl Breadth<'_> {
    /// How much a name stands for: a table for itself.
    fn stands_for(&self, name: &ObjectName) -> Size {
        let last = name.0.last().and_then(|part| part.as_ident());
        let table = last.map_or("", |ident| ident.value.as_str());
        // Names are told apart as written elsewhere; here the larger of those that differ in case is on the safe side.
        let folded = table.to_lowercase();
        let mut scopes = self.scopes.iter().rev();
        let named = scopes.find_map(|scope| scope.named.get(&folded));
        match named.filter(|_| name.0.len() == 1) {
            Some(size) => *size,
            None => Size {
                parts: 1,
                joined: 1,
                columns: self.known.columns_of(table),
            },
        }
    }

    fn select(&mut self) -> Option<&mut Sources> {
        self.scopes.last_mut()?.select.as_mut()
    }

    /// One more part, which stands for so many.
    fn take(&mut self, parts: u64) -> ControlFlow<String> {
        self.written += 1;
        self.add(parts)
    }

    fn add(&mut self, parts: u64) -> ControlFlow<String> {
        let Some(scope) = self.scopes.last_mut() else {
            return ControlFlow::Continue(());
        };
        scope.size.parts = scope.size.parts.saturating_add(parts);
        if scope.size.parts <= self.written + MOST_ADDED {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(format!(
            "the statement becomes longer by more than {MOST_ADDED} expressions and tables when its WITH queries are put where they are named; name each fewer times, or use several statements and a frame for what is between"
        ))
    }

    /// Looks at the columns that a `SELECT` makes.
    fn check_columns(&mut self, columns: u64) -> ControlFlow<String> {
        let square = columns.saturating_mul(columns);
        self.squares = self.squares.saturating_add(square);
        most(self.squares <= MOST_COLUMNS * MOST_COLUMNS, || {
            format!(
                "SELECT makes {columns} columns, more than a statement may ({MOST_COLUMNS}, fewer if several make many); name those that you need, or get the frame without SQL"
            )
        })
    }
}

impl Visitor for Breadth<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let place = std::ptr::from_ref(query);
        let name = self.scopes.last_mut();
        let name = name.and_then(|around| around.places.remove(&place));
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let places = tables.map(|cte| {
            let name = cte.alias.name.value.to_lowercase();
            (std::ptr::from_ref(&*cte.query), name)
        });
        let scope = Scope {
            name,
            places: places.collect(),
            ..Scope::default()
        };
        self.scopes.push(scope);
        if let Some(OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|by| &by.kind) {
            keys_of("ORDER BY", keys.len())?;
        }
        self.take(1)
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
        let Some(Scope { name, size, .. }) = self.scopes.pop() else {
            return ControlFlow::Continue(());
        };
        let Some(around) = self.scopes.last_mut() else {
            return ControlFlow::Continue(());
        };
        if let Some(name) = name {
            let known = around.named.entry(name).or_default();
            *known = known.or(size);
            return ControlFlow::Continue(());
        }
        match &mut around.select {
            Some(select) => select.add(size),
            // One of those that a set operation is of.
            None => around.size = around.size.or(Size { parts: 0, ..size }),
        }
        self.add(size.parts)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let size = self.stands_for(relation);
        if let Some(select) = self.select() {
            select.add(size);
        }
        self.take(size.parts)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Case { conditions, .. } => {
                let branches = conditions.len();
                most(branches <= MOST_BRANCHES, || {
                    format!(
                        "CASE has {branches} branches, more than {MOST_BRANCHES}; join a frame that has the values"
                    )
                })?;
            }
            Expr::Function(Function {
                over: Some(over), ..
            }) => {
                if let WindowType::WindowSpec(window) = over {
                    keys_of("PARTITION BY", window.partition_by.len())?;
                    keys_of("ORDER BY", window.order_by.len())?;
                }
                if let Some(select) = self.select() {
                    select.windows.insert(over.to_string());
                }
            }
            _ => {}
        }
        self.take(1)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        let items = select.projection.len();
        most(items <= MOST_ITEMS, || {
            format!("SELECT has {items} items, more than {MOST_ITEMS}; use * or several statements")
        })?;
        let computed = select.projection.iter().filter(|item| is_computed(item));
        let computed = computed.count();
        most(computed <= MOST_COMPUTED, || {
            format!(
                "SELECT computes {computed} of its items, more than {MOST_COMPUTED}; use several statements"
            )
        })?;
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            keys_of("GROUP BY", keys.len())?;
        }
        most(grouping_sets(&select.group_by) <= MOST_SETS, || {
            format!(
                "GROUP BY makes more than {MOST_SETS} sets of columns to group by; name fewer columns in CUBE, ROLLUP and GROUPING SETS, or list the sets"
            )
        })?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.select = Some(Sources::default());
        }
        self.take(1)
    }

    fn post_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        let Some(scope) = self.scopes.last_mut() else {
            return ControlFlow::Continue(());
        };
        let sources = scope.select.take().unwrap_or_default();
        let joined = sources.joined + sources.windows.len() as u64;
        let columns = columns_made(select, sources.columns);
        scope.size = scope.size.or(Size {
            parts: 0,
            joined,
            columns,
        });
        most(joined <= MOST_JOINED, || {
            format!(
                "SELECT joins {joined} tables, subqueries and windows, more than {MOST_JOINED}; use several statements and a frame for what is between"
            )
        })?;
        for (of, columns, limit) in [
            ("that have", sources.columns, MOST_JOINED_COLUMNS),
            ("and makes of them", columns, MOST_CARRIED_COLUMNS),
        ] {
            most(joined.saturating_mul(columns) <= limit, || {
                format!(
                    "SELECT joins {joined} tables, subqueries and windows {of} {columns} columns: the one times the other is more than {limit}; join subqueries that name the columns you need"
                )
            })?;
        }
        let items = select.projection.len() as u64;
        if items.saturating_mul(sources.columns) > MOST_MEANT {
            let missing = self.known.missing(select);
            most(
                missing.saturating_mul(sources.columns) <= MOST_MEANT,
                || {
                    format!(
                        "SELECT names {missing} columns that are in none of the tables it reads; see what they have with DESCRIBE"
                    )
                },
            )?;
        }
        self.check_columns(columns)
    }
}

/// Goes on if it holds that something is not too much, and says what it is if not.
fn most(holds: bool, problem: impl FnOnce() -> String) -> ControlFlow<String> {
    match holds {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(problem()),
    }
}

fn keys_of(clause: &str, keys: usize) -> ControlFlow<String> {
    most(keys <= MOST_KEYS, || {
        format!(
            "{clause} has {keys} expressions, more than {MOST_KEYS}; name those that tell rows apart"
        )
    })
}

fn is_computed(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr)
        | SelectItem::ExprWithAlias { expr, .. }
        | SelectItem::ExprWithAliases { expr, .. } => {
            !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => false,
    }
}

/// How many columns a `SELECT` makes of so many.
fn columns_made(select: &Select, of: u64) -> u64 {
    if select.projection.is_empty() {
        return of;
    }
    let mut single = 0;
    let mut all = 0;
    let mut all_of = HashMap::new();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => all += 1,
            SelectItem::QualifiedWildcard(table, _) => {
                *all_of.entry(table.to_string()).or_insert(0) += 1;
            }
            _ => single += 1,
        }
    }
    // All columns of each table are together those of all tables.
    all += all_of.into_values().max().unwrap_or(0);
    of.saturating_mul(all).saturating_add(single)
}

/// How many sets of columns a clause groups by: each combination of what its items say.
fn grouping_sets(group_by: &GroupByExpr) -> u64 {
    let (items, modifiers) = match group_by {
        GroupByExpr::All(modifiers) => ([].as_slice(), modifiers),
        GroupByExpr::Expressions(items, modifiers) => (items.as_slice(), modifiers),
    };
    let columns = items.len();
    let of_items = items.iter().map(sets_of_item);
    let of_modifiers = modifiers.iter().map(|modifier| match modifier {
        GroupByWithModifier::Cube => cube(columns),
        GroupByWithModifier::Rollup => columns as u64 + 1,
        GroupByWithModifier::GroupingSets(item) => sets_of_item(item),
        GroupByWithModifier::Totals => 2,
    });
    of_items.chain(of_modifiers).fold(1, u64::saturating_mul)
}

fn sets_of_item(item: &Expr) -> u64 {
    match item {
        Expr::Cube(columns) => cube(columns.len()),
        Expr::Rollup(columns) => columns.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len().max(1) as u64,
        _ => 1,
    }
}

fn cube(columns: usize) -> u64 {
    u32::try_from(columns)
        .ok()
        .and_then(|columns| 2_u64.checked_pow(columns))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// Checks a statement over the frame `narrow`, which has the columns `a` and `b`, and frames `wide0` to `wide9`, which
    /// have `c0` to `c4999`.
    fn checked(sql: &str) -> Result<()> {
        let parsed = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        let schema = |names: &[String]| {
            let fields = names
                .iter()
                .map(|name| Field::new(name, DataType::Int8, true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        let wide: Vec<_> = (0..5_000).map(|n| format!("c{n}")).collect();
        let wide = schema(&wide);
        let tables = (0..10).map(|n| (vec![format!("wide{n}")], wide.clone()));
        let narrow = (vec!["narrow".to_owned()], schema(&["a".into(), "b".into()]));
        let tables: Vec<_> = tables.chain([narrow]).collect();
        let tables = tables
            .iter()
            .map(|(path, schema)| (path.as_slice(), schema.clone()));
        check(&parsed, &Known::new(&Mentions::of(&parsed), tables))
    }

    fn refused(sql: &str) -> String {
        checked(sql).unwrap_err().strip_backtrace()
    }

    fn doubling(levels: usize, join: &str) -> String {
        let doubled = (1..levels).map(|n| {
            let before = n - 1;
            format!(", t{n} as (select a.x from t{before} a {join} T{before} b)")
        });
        let doubled: String = doubled.collect();
        let last = levels - 1;
        format!("with t0 as (select 1 as x){doubled} select * from t{last}")
    }

    fn columns(number: usize) -> String {
        let columns: Vec<_> = (0..number).map(|n| format!("c{n}")).collect();
        columns.join(", ")
    }

    #[test]
    fn queries_that_double_are_refused_before_they_are_many() {
        for join in ["cross join", ", ", "join lateral (select 1) l on true join"] {
            let told = refused(&doubling(24, join));
            assert!(told.contains("joins 256 tables"), "{told}");
        }
        let told = refused(&doubling(24, "union all select b.x from"));
        assert!(
            told.contains("more than 20000 expressions and tables"),
            "{told}"
        );
        checked(&doubling(7, "cross join")).unwrap();
        let union = "with a as (select 1 union all select 2), b as (select * from a union all select * from a) select * from b";
        checked(union).unwrap();
    }

    #[test]
    fn a_name_stands_for_what_is_nearest() {
        // The inner `t` is a table of one row, however much the outer one stands for.
        let many = " union all select 1".repeat(900);
        let inner = "select * from (with t as (select 1) select * from t, t b, t c) q";
        checked(&format!("with t as (select 1{many}) {inner}")).unwrap();
        checked("with recursive t as (select 1 as x union all select x + 1 from t where x < 9) select * from t").unwrap();
    }

    #[test]
    fn what_is_written_in_full_may_be_long() {
        let rows = "select count(*) from f";
        checked(&format!(
            "{rows}{}",
            format!(" union all {rows}").repeat(900)
        ))
        .unwrap();
        let list = ", 1".repeat(100_000);
        checked(&format!(
            "with a as (select 1 as x) select * from a where x in (1{list})"
        ))
        .unwrap();
        let told = refused(&format!(
            "with a as (select 1 as x where 1 in (1{list})) select * from a, a b"
        ));
        assert!(told.contains("WITH queries"), "{told}");
    }

    #[test]
    fn grouping_sets_are_counted_together() {
        let few = columns(12);
        let many = columns(13);
        checked(&format!("select 1 from f group by cube({few})")).unwrap();
        checked(&format!("select 1 from f group by rollup({many})")).unwrap();
        checked(&format!("select {many} from f group by {many}")).unwrap();
        let halves = ["grouping sets ((a), (b))"; 13].join(", ");
        for clause in [
            format!("cube({many})"),
            format!("cube({}), rollup(a, b)", columns(11)),
            format!("cube({})", columns(100)),
            halves,
        ] {
            let told = refused(&format!("select 1 from f group by {clause}"));
            assert!(told.contains("more than 4096 sets"), "{told}");
        }
    }

    #[test]
    fn a_select_may_have_many_items_and_not_any_number() {
        checked(&format!("select {} from f", columns(10_000))).unwrap();
        let told = refused(&format!("select {} from f", columns(10_001)));
        assert!(told.contains("10001 items"), "{told}");
        let computed = |number| repeated(number, ", ", |n| format!("a + {n} as b{n}"));
        checked(&format!("select {} from narrow", computed(5_000))).unwrap();
        let told = refused(&format!("select {} from narrow", computed(5_001)));
        assert!(told.contains("computes 5001"), "{told}");
    }

    fn repeated(number: usize, separator: &str, part: impl Fn(usize) -> String) -> String {
        let parts: Vec<_> = (0..number).map(part).collect();
        parts.join(separator)
    }

    #[test]
    fn a_select_joins_so_many_and_not_more() {
        let tables = |number, of: &str| repeated(number, ", ", |n| format!("{of} t{n}"));
        let subqueries = |number| {
            repeated(number, ", ", |n| {
                format!("(select max(a) from narrow n where n.b = o.b + {n})")
            })
        };
        let windows = |number| {
            repeated(number, ", ", |n| {
                format!("sum(a) over (order by b + {n}), max(a) over (order by b + {n})")
            })
        };
        let selects = |number: usize| {
            [
                format!("select 1 from {}", tables(number, "narrow")),
                format!("select 1 from {}", tables(number, "(select 1 as a)")),
                format!(
                    "with t as (select 1 as a) select 1 from {}",
                    tables(number, "t")
                ),
                format!("select {} from narrow o", subqueries(number - 1)),
                format!("select {} from narrow", windows(number - 1)),
                format!(
                    "select 1 from (select 1 from {}) q, {}",
                    tables(number / 2, "narrow"),
                    tables(number - number / 2, "narrow")
                ),
            ]
        };
        for sql in selects(200) {
            checked(&sql).unwrap();
        }
        for sql in selects(201) {
            let told = refused(&sql);
            assert!(
                told.contains("joins 201 tables, subqueries and windows"),
                "{told}"
            );
        }
        // What is not joined with each other may be many.
        let rows = "(select count(*) from narrow a, narrow b)";
        checked(&repeated(300, " union all ", |_| rows.to_owned())).unwrap();
        let derived = repeated(300, " union all ", |_| format!("select * from {rows} q"));
        checked(&format!("select * from ({derived}) q")).unwrap();
    }

    #[test]
    fn columns_of_what_is_joined_are_counted() {
        let wide = |number| repeated(number, ", ", |n| format!("wide{n}"));
        let twice = |number| {
            format!(
                "{}, {}",
                wide(number),
                repeated(number, ", ", |n| format!("wide{n} b{n}"))
            )
        };
        checked(&format!("select 1 from {}", twice(7))).unwrap();
        let told = refused(&format!("select 1 from {}", twice(8)));
        assert!(
            told.contains("joins 16 tables") && told.contains("that have 80000 columns"),
            "{told}"
        );
        let some = repeated(40, ", ", |n| format!("narrow n{n}"));
        let told = refused(&format!("select * from wide0, {some}"));
        assert!(
            told.contains("joins 41 tables") && told.contains("makes of them 5080 columns"),
            "{told}"
        );
        let narrowed = repeated(10, ", ", |n| format!("(select c0, c1 from wide{n}) t{n}"));
        checked(&format!("select * from {narrowed}")).unwrap();
        let inner = repeated(30, ", ", |n| format!("narrow n{n}"));
        let nested = format!("select * from wide0, (select wide1.* from wide1, {inner}) q");
        assert!(refused(&nested).contains("joins 32 tables"));
        assert!(refused(&format!("from wide0, {some}")).contains("makes of them 5080"));
    }

    #[test]
    fn columns_that_are_made_are_counted() {
        let wide = |number| repeated(number, ", ", |n| format!("wide{n}"));
        checked(&format!("select * from {}", wide(2))).unwrap();
        checked("select a.*, b.* from wide0 a, wide1 b").unwrap();
        let again = format!(
            "select {} from wide0 a",
            repeated(5, ", ", |_| "a.*".to_owned())
        );
        assert!(refused(&again).contains("25000 columns"));
        let told = refused(&format!("select * from {}", wide(3)));
        assert!(told.contains("15000 columns"), "{told}");
        let union = repeated(5, " union all ", |_| "select * from wide3".to_owned());
        checked(&union).unwrap();
        assert!(
            refused(&format!("{union} union all select * from wide3")).contains("5000 columns")
        );
        assert!(
            refused("with w as (select * from wide0, wide1) select a.*, b.* from w a, w b")
                .contains("20000 columns")
        );
    }

    #[test]
    fn names_of_columns_that_are_not_there_are_counted_where_they_are_many() {
        checked(&format!(
            "select {} from wide0",
            repeated(5_000, ", ", |n| format!("abs(c{n})"))
        ))
        .unwrap();
        checked(&format!(
            "select {} from wide0",
            repeated(200, ", ", |n| format!("z{n}"))
        ))
        .unwrap();
        for item in ["z", "wide0.z", "1 + z"] {
            let items = repeated(201, ", ", |n| format!("{item}{n}"));
            let told = refused(&format!("select {items} from wide0"));
            assert!(told.contains("names 201 columns"), "{told}");
        }
        let given = repeated(1_000, ", ", |n| format!("g{n}"));
        let named = repeated(1_000, ", ", |n| format!("c{n} as g{n}"));
        checked(&format!(
            "select {given} from (select {named}, * from wide0) q"
        ))
        .unwrap();
    }

    #[test]
    fn branches_and_keys_are_counted() {
        let branches = |number| repeated(number, " ", |n| format!("when a = {n} then b"));
        checked(&format!("select case {} end from narrow", branches(10_000))).unwrap();
        assert!(
            refused(&format!("select case {} end from narrow", branches(10_001)))
                .contains("10001 branches")
        );
        let keys = |number| repeated(number, ", ", |n| format!("a + {n}"));
        for before in [
            "select a from narrow order by ",
            "select 1 from narrow group by ",
            "select sum(a) over (order by ",
            "select sum(a) over (partition by ",
        ] {
            let after = if before.ends_with("over (order by ") || before.ends_with("partition by ")
            {
                ") from narrow"
            } else {
                ""
            };
            checked(&format!("{before}{}{after}", keys(1_000))).unwrap();
            let told = refused(&format!("{before}{}{after}", keys(1_001)));
            assert!(told.contains("1001 expressions"), "{told}");
        }
    }
}
