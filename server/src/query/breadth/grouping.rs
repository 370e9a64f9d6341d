//! How many sets of columns a `GROUP BY` makes.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, GroupByWithModifier};

/// How many sets of columns a clause groups by: each combination of what its items say.
pub(super) fn grouping_sets(group_by: &GroupByExpr) -> u64 {
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
