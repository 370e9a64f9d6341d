//! How much a short statement may become.
//!
//! The planner puts a `WITH` query in the place of each of its names, so that twenty of them, each of which names the one
//! before twice, become a million; and it makes a list of all the sets that a `CUBE` groups by, which are twice as many with
//! each column. It does so without asking anybody for memory, and in one go. So what a statement becomes is counted when it is
//! parsed, before it is planned.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, GroupByWithModifier, ObjectName, Query, Select, Visit, Visitor,
};

/// By how many parts (expressions, tables, queries) a statement may become longer when `WITH` queries are put where they are
/// named.
const MOST_ADDED: u64 = 20_000;

/// Sets of columns that one `GROUP BY` may group by.
const MOST_SETS: u64 = 4_096;

/// Items of one `SELECT`, for each of which there may be an error that lists all columns.
const MOST_ITEMS: usize = 10_000;

/// Refuses a statement that becomes too much.
pub(super) fn check(statement: &impl Visit) -> Result<()> {
    let mut breadth = Breadth::default();
    match statement.visit(&mut breadth) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => plan_err!("{problem}"),
    }
}

#[derive(Debug, Default)]
struct Breadth {
    /// Of the queries that are being looked at, the innermost last.
    scopes: Vec<Scope>,
    /// Parts of the statement so far, as it is written.
    written: u64,
}

/// One query.
#[derive(Debug, Default)]
struct Scope {
    /// Which `WITH` query of the query around it this is.
    name: Option<String>,
    /// How many parts it has once `WITH` queries stand where they are named.
    parts: u64,
    /// The same of its `WITH` queries, as far as they have been looked at.
    named: HashMap<String, u64>,
    /// Its `WITH` queries, by where they lie, which tells them from other queries in it.
    places: HashMap<*const Query, String>,
}

impl Breadth {
    /// How much a name stands for: a table for itself.
    fn stands_for(&self, name: &ObjectName) -> u64 {
        let [part] = name.0.as_slice() else {
            return 1;
        };
        let Some(ident) = part.as_ident() else {
            return 1;
        };
        // Names are told apart as written elsewhere; here the larger of those that differ in case is on the safe side.
        let name = ident.value.to_lowercase();
        let mut scopes = self.scopes.iter().rev();
        scopes
            .find_map(|scope| scope.named.get(&name))
            .copied()
            .unwrap_or(1)
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
        scope.parts = scope.parts.saturating_add(parts);
        if scope.parts <= self.written + MOST_ADDED {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(format!(
            "the statement becomes longer by more than {MOST_ADDED} expressions and tables when its WITH queries are put where they are named; name each fewer times, or use several statements and a frame for what is between"
        ))
    }
}

impl Visitor for Breadth {
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
            parts: 0,
            named: HashMap::new(),
            places: places.collect(),
        };
        self.scopes.push(scope);
        self.take(1)
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
        let Some(Scope { name, parts, .. }) = self.scopes.pop() else {
            return ControlFlow::Continue(());
        };
        match (name, self.scopes.last_mut()) {
            (Some(name), Some(around)) => {
                let known = around.named.entry(name).or_default();
                *known = parts.max(*known);
                ControlFlow::Continue(())
            }
            _ => self.add(parts),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let parts = self.stands_for(relation);
        self.take(parts)
    }

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<String> {
        self.take(1)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        let items = select.projection.len();
        if items > MOST_ITEMS {
            return ControlFlow::Break(format!(
                "SELECT has {items} items, more than {MOST_ITEMS}; use * or several statements"
            ));
        }
        if grouping_sets(&select.group_by) > MOST_SETS {
            return ControlFlow::Break(format!(
                "GROUP BY makes more than {MOST_SETS} sets of columns to group by; name fewer columns in CUBE, ROLLUP and GROUPING SETS, or list the sets"
            ));
        }
        self.take(1)
    }
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
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn checked(sql: &str) -> Result<()> {
        let parsed = Parser::parse_sql(&GenericDialect {}, sql);
        check(&parsed.unwrap())
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
            assert!(
                told.contains("more than 20000 expressions and tables"),
                "{told}"
            );
        }
        checked(&doubling(8, "cross join")).unwrap();
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
    }
}
