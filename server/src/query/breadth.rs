//! How much a short statement may become.
//!
//! The planner puts a `WITH` query in the place of each of its names, so that twenty of them, each of which names the one
//! before twice, become a million; it makes a list of all the sets that a `CUBE` groups by, which are twice as many with each
//! column. And it takes longer with what it plans than in proportion: with the cube of how many tables are joined, with the
//! square of how many columns a `SELECT` makes. It does so without asking anybody for memory, and much of it in one go, in
//! which it cannot be interrupted. So what a statement becomes is counted before it is planned.

mod expanded;
mod grouping;
mod known;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Function, FunctionArguments, GroupByExpr, NamedWindowDefinition,
    NamedWindowExpr, ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator,
    TableAlias, TableFactor, Visit, Visitor, WindowSpec, WindowType,
};

use self::expanded::{Expanded, MOST_EXPANDED};
use self::grouping::grouping_sets;
pub(super) use self::known::Known;

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

/// Columns of all tables that a statement reads, each as often as it is read.
const MOST_READ: u64 = 1_000_000;

/// Arguments of one call of a function.
const MOST_ARGUMENTS: usize = 2_000;

/// Sets that a `GROUP BY` makes, times the expressions that it makes them of.
const MOST_SET_KEYS: u64 = 1 << 16;

/// How many names of columns that are not there, times the columns that are: the error for each lists them all.
const MOST_MEANT: u64 = 1_000_000;

/// Refuses a statement that becomes too much.
pub(super) fn check(statement: &impl Visit, known: &Known<'_>) -> Result<()> {
    let mut breadth = Breadth {
        known,
        scopes: Vec::new(),
        written: 0,
        read: 0,
        squares: 0,
    };
    match statement.visit(&mut breadth) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => plan_err!("{problem}"),
    }
}

#[derive(Debug)]
struct Breadth<'k> {
    known: &'k Known<'k>,
    /// Of the queries that are being looked at, the innermost last.
    scopes: Vec<Scope>,
    /// Parts of the statement so far, as it is written.
    written: u64,
    /// Columns of all tables that are read.
    read: u64,
    /// Of the columns that each `SELECT` makes.
    squares: u64,
}

/// One query.
#[derive(Debug, Default)]
struct Scope {
    alias: Alias,
    size: Size,
    /// Windows that it is ordered by.
    windows: HashSet<String>,
    /// The `SELECT` of it that is being looked at.
    select: Option<Sources>,
    /// How large its `WITH` queries are, as far as they have been looked at.
    named: HashMap<String, Size>,
    /// What queries in it are called, by where they lie.
    aliases: HashMap<*const Query, Alias>,
}

/// How large a query is.
#[derive(Debug, Clone, Default)]
struct Size {
    /// Parts that it has once `WITH` queries stand where they are named.
    parts: u64,
    /// What the one of its `SELECT`s joins that joins most.
    joined: u64,
    /// Columns that it makes.
    columns: u64,
    /// How large they are that are computed.
    expanded: Expanded,
}

impl Size {
    fn or(self, other: Self) -> Self {
        Self {
            parts: self.parts.max(other.parts),
            joined: self.joined.max(other.joined),
            columns: self.columns.max(other.columns),
            expanded: match self.columns {
                0 => other.expanded,
                _ => self.expanded.or(&other.expanded),
            },
        }
    }
}

/// What a query is called where it stands.
#[derive(Debug, Default)]
struct Alias {
    /// Which `WITH` query of the query around it this is.
    with: Option<String>,
    /// Other names of its columns.
    columns: Vec<String>,
}

impl Alias {
    fn new(with: Option<String>, alias: &TableAlias) -> Self {
        let columns = alias.columns.iter();
        Self {
            with,
            columns: columns.map(|column| column.name.value.clone()).collect(),
        }
    }
}

/// What a `SELECT` makes rows of.
#[derive(Debug, Default)]
struct Sources {
    joined: u64,
    columns: u64,
    expanded: Expanded,
    windows: HashSet<String>,
}

impl Sources {
    fn add(&mut self, size: &Size) {
        self.expanded.add_all(&size.expanded);
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
            Some(size) => size.clone(),
            None => Size {
                parts: 1,
                joined: 1,
                columns: self.known.columns_of(table),
                expanded: Expanded::default(),
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

    fn take_window(&mut self, over: &WindowType) -> ControlFlow<String> {
        if let WindowType::WindowSpec(window) = over {
            check_window(window)?;
        }
        if let Some(scope) = self.scopes.last_mut() {
            let windows = match &mut scope.select {
                Some(select) => &mut select.windows,
                None => &mut scope.windows,
            };
            windows.insert(over.to_string());
        }
        ControlFlow::Continue(())
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
        let around = self.scopes.last_mut();
        let alias = around.and_then(|around| around.aliases.remove(&place));
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let aliases = tables.map(|cte| {
            let name = cte.alias.name.value.to_lowercase();
            let alias = Alias::new(Some(name), &cte.alias);
            (std::ptr::from_ref(&*cte.query), alias)
        });
        let columns = columns_of_values(&query.body);
        let scope = Scope {
            alias: alias.unwrap_or_default(),
            size: Size {
                columns,
                ..Size::default()
            },
            aliases: aliases.collect(),
            ..Scope::default()
        };
        self.scopes.push(scope);
        self.check_columns(columns)?;
        if let Some(OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|by| &by.kind) {
            keys_of("ORDER BY", keys.len())?;
        }
        self.take(1)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let Some(scope) = self.scopes.pop() else {
            return ControlFlow::Continue(());
        };
        let (alias, mut size) = (scope.alias, scope.size);
        let compared = compared_with(&query.body);
        size.joined = (size.joined + scope.windows.len() as u64).max(compared);
        joins(
            size.joined,
            size.columns,
            "and makes of them",
            MOST_CARRIED_COLUMNS,
        )?;
        size.expanded = size.expanded.renamed(&alias.columns);
        let Some(around) = self.scopes.last_mut() else {
            return ControlFlow::Continue(());
        };
        if let Some(name) = alias.with {
            let known = around.named.entry(name).or_default();
            *known = std::mem::take(known).or(size);
            return ControlFlow::Continue(());
        }
        let parts = size.parts;
        match &mut around.select {
            Some(select) => select.add(&size),
            // One of those that a set operation is of.
            None => {
                around.size = std::mem::take(&mut around.size).or(Size { parts: 0, ..size });
            }
        }
        self.add(parts)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let size = self.stands_for(relation);
        self.read = self.read.saturating_add(size.columns);
        most(self.read <= MOST_READ, || {
            format!(
                "the statement reads {} columns of all its tables, more than {MOST_READ}; name those that you need in fewer places",
                self.read
            )
        })?;
        if let Some(select) = self.select() {
            select.add(&size);
        }
        self.take(size.parts)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        if let TableFactor::Derived {
            subquery,
            alias: Some(alias),
            ..
        } = factor
            && let Some(scope) = self.scopes.last_mut()
        {
            let place = std::ptr::from_ref(&**subquery);
            scope.aliases.insert(place, Alias::new(None, alias));
        }
        ControlFlow::Continue(())
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
            Expr::Function(Function { over, args, .. }) => {
                let args = match args {
                    FunctionArguments::List(list) => list.args.len(),
                    _ => 0,
                };
                most(args <= MOST_ARGUMENTS, || {
                    format!(
                        "a function is given {args} arguments, more than {MOST_ARGUMENTS}; use a list, or frames"
                    )
                })?;
                if let Some(over) = over {
                    self.take_window(over)?;
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
        if let Some(Distinct::On(keys)) = &select.distinct {
            keys_of("DISTINCT ON", keys.len())?;
        }
        for NamedWindowDefinition(_, window) in &select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = window {
                check_window(window)?;
            }
        }
        let sets = grouping_sets(&select.group_by);
        most(sets <= MOST_SETS, || {
            format!(
                "GROUP BY makes more than {MOST_SETS} sets of columns to group by; name fewer columns in CUBE, ROLLUP and GROUPING SETS, or list the sets"
            )
        })?;
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            let keys = keys.len();
            keys_of("GROUP BY", keys)?;
            most(
                sets == 1 || sets.saturating_mul(keys as u64) <= MOST_SET_KEYS,
                || {
                    format!(
                        "GROUP BY makes {sets} sets of columns out of {keys} expressions: the one times the other is more than {MOST_SET_KEYS}; name fewer"
                    )
                },
            )?;
        }
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
        let added = sources.expanded.added_to(select);
        scope.size = std::mem::take(&mut scope.size).or(Size {
            parts: 0,
            joined,
            columns,
            expanded: Expanded::made_by(select, &sources.expanded),
        });
        most(added <= MOST_EXPANDED, || {
            format!(
                "what SELECT computes becomes longer by more than {MOST_EXPANDED} expressions when the columns of its subqueries and WITH queries are put where they are named; use several statements and a frame for what is between"
            )
        })?;
        if matches!(select.group_by, GroupByExpr::All(_)) {
            keys_of(
                "GROUP BY ALL",
                usize::try_from(columns).unwrap_or(usize::MAX),
            )?;
        }
        joins(joined, sources.columns, "that have", MOST_JOINED_COLUMNS)?;
        joins(joined, columns, "and makes of them", MOST_CARRIED_COLUMNS)?;
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

/// Looks at how many are joined that have so many columns.
fn joins(joined: u64, columns: u64, of: &str, limit: u64) -> ControlFlow<String> {
    most(joined <= MOST_JOINED, || {
        format!(
            "SELECT joins {joined} tables, subqueries and windows, more than {MOST_JOINED}; use several statements and a frame for what is between"
        )
    })?;
    most(joined.saturating_mul(columns) <= limit, || {
        format!(
            "SELECT joins {joined} tables, subqueries and windows {of} {columns} columns: the one times the other is more than {limit}; join subqueries that name the columns you need"
        )
    })
}

/// How many queries are compared with each other, row by row, which is a join.
fn compared_with(body: &SetExpr) -> u64 {
    let mut compared = 0;
    let mut rest = vec![body];
    while let Some(part) = rest.pop() {
        if let SetExpr::SetOperation {
            left, op, right, ..
        } = part
        {
            compared += u64::from(*op != SetOperator::Union);
            rest.extend([&**left, &**right]);
        }
    }
    compared
}

/// How many columns a query makes that lists its rows.
fn columns_of_values(body: &SetExpr) -> u64 {
    match body {
        SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.len() as u64),
        _ => 0,
    }
}

fn check_window(window: &WindowSpec) -> ControlFlow<String> {
    keys_of("PARTITION BY", window.partition_by.len())?;
    keys_of("ORDER BY", window.order_by.len())
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

#[cfg(test)]
mod tests;
