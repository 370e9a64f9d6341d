//! Conditions of a query on a combination, as ranges of the index of one of its frames.

use datafusion::logical_expr::Expr;

use super::source::{Range, Source};
use crate::query::KeyRange;

/// Which part of a frame conditions on a combination leave.
#[derive(Debug)]
pub(super) struct Narrowing(KeyRange);

impl Narrowing {
    /// For a frame whose columns are found in the result: by what name there, and by what name in the frame. They must
    /// be unchanged, and rows that a condition on them leaves out must not be missed elsewhere.
    pub(super) fn new<'a>(
        source: &Source,
        columns: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let first = source.snapshot.index().first();
        let mut columns = columns.into_iter();
        let column = first.and_then(|first| {
            let (result, _) = columns.find(|(_, name)| name == first)?;
            let stored = source.schema.field_with_name(first).ok()?;
            Some(stored.clone().with_name(result))
        });
        Self(column.as_ref().map_or_else(KeyRange::none, KeyRange::of))
    }

    pub(super) fn narrows(mut self, condition: &Expr) -> bool {
        self.0.narrow(condition);
        !self.0.is_all()
    }

    pub(super) fn range(self, conditions: &[Expr]) -> Range {
        let mut range = self.0;
        for condition in conditions {
            range.narrow(condition);
        }
        Range {
            start: range.start(),
            stop: range.stop(),
            closed: range.closed(),
        }
    }
}
