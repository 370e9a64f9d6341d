//! Conditions of a query on a combination, as ranges of the index of one of its frames.

use datafusion::logical_expr::Expr;
use shoots_proto::Closed;

use super::source::{Range, Source};
use crate::query::KeyRange;

/// Which part of a frame conditions on a combination leave.
#[derive(Debug)]
pub(super) struct Narrowing<'a>(Option<&'a str>);

impl<'a> Narrowing<'a> {
    /// For a frame whose columns are found in the result: by what name there, and by what name in the frame. They must
    /// be unchanged, and rows that a condition on them leaves out must not be missed elsewhere.
    pub(super) fn new(
        source: &'a Source,
        columns: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let first = source.snapshot.index().first();
        let mut columns = columns.into_iter();
        let column = first.and_then(|first| columns.find(|(_, name)| name == first));
        Self(column.map(|(result, _)| result))
    }

    pub(super) fn narrows(&self, condition: &Expr) -> bool {
        let range = self.0.map(|column| KeyRange::of(column, [condition]));
        range.is_some_and(|range| !range.is_all())
    }

    pub(super) fn range(&self, conditions: &[Expr]) -> Range {
        let range = self.0.map(|column| KeyRange::of(column, conditions));
        let range = range.unwrap_or_default();
        Range {
            start: range.start(),
            stop: range.stop(),
            closed: Closed::Both,
        }
    }
}
