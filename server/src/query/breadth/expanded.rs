//! How large expressions become when what columns stand for is put in their places.
//!
//! The optimizer does so with conditions, which it moves below the queries that compute the columns: `x + x` of a column
//! that is itself `x + x` becomes twice as long with each query between.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, Visit, visit_expressions};

/// Parts that what a `SELECT` computes may have in the end.
pub(super) const MOST_EXPANDED: u64 = 100_000;

/// How many parts the columns of a query have, once what they stand for is in their places.
#[derive(Debug, Clone)]
pub(super) struct Expanded {
    /// By name, of those that are computed.
    named: HashMap<String, u64>,
    /// Of those whose names the planner makes up.
    unnamed: u64,
    /// Of all others.
    others: u64,
}

impl Default for Expanded {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
            unnamed: 1,
            others: 1,
        }
    }
}

impl Expanded {
    /// What a `SELECT` makes of these columns.
    pub(super) fn made_by(select: &Select, of: &Self) -> Self {
        let mut made = Self::default();
        for item in &select.projection {
            let (expr, names): (_, &[Ident]) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, &[]),
                SelectItem::ExprWithAlias { expr, alias } => (expr, std::slice::from_ref(alias)),
                SelectItem::ExprWithAliases { expr, aliases } => (expr, aliases),
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    made.add_all(of);
                    continue;
                }
            };
            let parts = of.parts_of(expr);
            match (expr, names) {
                (Expr::Identifier(name), []) => made.add(&name.value, parts),
                (Expr::CompoundIdentifier(names), []) => {
                    let name = names.last().map_or("", |name| &name.value);
                    made.add(name, parts);
                }
                (_, []) => made.unnamed = parts.max(made.unnamed),
                _ => names.iter().for_each(|name| made.add(&name.value, parts)),
            }
        }
        made
    }

    /// How many parts all expressions in something have together.
    fn parts_of(&self, of: &impl Visit) -> u64 {
        self.sum(of, |parts| parts)
    }

    /// By how many parts something becomes longer.
    pub(super) fn added_to(&self, of: &impl Visit) -> u64 {
        self.sum(of, |parts| parts - 1)
    }

    fn sum(&self, of: &impl Visit, count: impl Fn(u64) -> u64) -> u64 {
        let mut sum = 0_u64;
        let _ = visit_expressions(of, |expr| {
            let name = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            let parts = name.map_or(1, |name| self.parts_of_column(name));
            sum = sum.saturating_add(count(parts));
            ControlFlow::<()>::Continue(())
        });
        sum
    }

    fn parts_of_column(&self, name: &Ident) -> u64 {
        // Names are told apart as written elsewhere; what differs in case only is one here.
        match self.named.get(&name.value.to_lowercase()) {
            Some(parts) => *parts,
            None if name.quote_style.is_some() => self.unnamed.max(self.others),
            None => self.others,
        }
    }

    fn add(&mut self, name: &str, parts: u64) {
        let known = self.named.entry(name.to_lowercase()).or_insert(parts);
        *known = parts.max(*known);
    }

    /// The same with the columns of another source beside them.
    pub(super) fn add_all(&mut self, of: &Self) {
        for (name, parts) in &of.named {
            self.add(name, *parts);
        }
        self.unnamed = self.unnamed.max(of.unnamed);
        self.others = self.others.max(of.others);
    }

    /// Either of two, whose columns are the same by their places, and named by one of them.
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.others = self.most().max(other.most());
        self.named.clear();
        self
    }

    /// The same under other names.
    pub(super) fn renamed(mut self, names: &[String]) -> Self {
        if !names.is_empty() {
            self.others = self.most();
            self.named.clear();
        }
        self
    }

    fn most(&self) -> u64 {
        let named = self.named.values().copied().max();
        named.unwrap_or(1).max(self.unnamed).max(self.others)
    }
}
