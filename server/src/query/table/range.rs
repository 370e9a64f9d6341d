//! From the conditions of a query to a range of an index.
//!
//! A frame's rows are sorted by its index, so conditions that compare the first index column with a literal tell
//! which segments and pages cannot hold a row of the result. Where the range says all that a condition says, the
//! condition needs no other look at the rows.

use std::cmp::Ordering;
use std::fmt;

use arrow_schema::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use serde_json::{Number, Value};
use shoots_proto::Closed;
use shoots_store::time_bound;

/// A range of the first column of an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyRange {
    /// `None` if there is no index.
    column: Option<(String, DataType)>,
    start: Option<Bound>,
    stop: Option<Bound>,
}

/// Where a range begins or ends.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    value: ScalarValue,
    /// Whether the value itself is in the range.
    inclusive: bool,
}

impl KeyRange {
    /// All of an index whose first column this is.
    pub(crate) fn of(column: &Field) -> Self {
        let of = match column.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        Self {
            column: Some((column.name().clone(), of)),
            ..Self::none()
        }
    }

    /// The range where there is no index.
    pub(crate) fn none() -> Self {
        Self {
            column: None,
            start: None,
            stop: None,
        }
    }

    /// Whether it leaves everything.
    pub(crate) fn is_all(&self) -> bool {
        self.start.is_none() && self.stop.is_none()
    }

    /// Whether it leaves nothing for sure.
    pub(in crate::query) fn is_empty(&self) -> bool {
        let (Some(start), Some(stop)) = (&self.start, &self.stop) else {
            return false;
        };
        start.value.partial_cmp(&stop.value) == Some(Ordering::Greater)
    }

    /// Where it starts, in the words of the store.
    pub(crate) fn start(&self) -> Option<Value> {
        self.start.as_ref().and_then(|bound| literal(&bound.value))
    }

    /// Where it stops.
    pub(crate) fn stop(&self) -> Option<Value> {
        self.stop.as_ref().and_then(|bound| literal(&bound.value))
    }

    /// Which of its ends belong to it.
    pub(crate) fn closed(&self) -> Closed {
        let inclusive = |bound: &Option<Bound>| bound.as_ref().is_none_or(|b| b.inclusive);
        match (inclusive(&self.start), inclusive(&self.stop)) {
            (true, true) => Closed::Both,
            (true, false) => Closed::Left,
            (false, true) => Closed::Right,
            (false, false) => Closed::Neither,
        }
    }

    /// Leaves out what a condition cannot want. Says whether the condition wants all that is left of it.
    pub(crate) fn narrow(&mut self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => {
                let left = self.narrow(left);
                self.narrow(right) && left
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
                (Expr::Column(named), Expr::Literal(value, _)) => {
                    self.compare(&named.name, Some(*op), value)
                }
                (Expr::Literal(value, _), Expr::Column(named)) => {
                    self.compare(&named.name, op.swap(), value)
                }
                _ => false,
            },
            Expr::Between(between) if !between.negated => {
                match (&*between.expr, &*between.low, &*between.high) {
                    (Expr::Column(named), Expr::Literal(low, _), Expr::Literal(high, _)) => {
                        let low = self.compare(&named.name, Some(Operator::GtEq), low);
                        self.compare(&named.name, Some(Operator::LtEq), high) && low
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn compare(&mut self, name: &str, op: Option<Operator>, value: &ScalarValue) -> bool {
        let Some((_, of)) = self.column.as_ref().filter(|(column, _)| column == name) else {
            return false;
        };
        if literal(value).is_none() || !is_of(value, of) {
            return false;
        }
        // Both zeros of floats are one value to an index, and two to a query.
        let exact = !of.is_floating();
        let bound = |inclusive| Bound {
            value: value.clone(),
            inclusive: inclusive || !exact,
        };
        match op {
            Some(Operator::Eq) => {
                tighten(&mut self.start, bound(true), Ordering::Greater);
                tighten(&mut self.stop, bound(true), Ordering::Less);
            }
            Some(op @ (Operator::Gt | Operator::GtEq)) => {
                let bound = bound(op == Operator::GtEq);
                tighten(&mut self.start, bound, Ordering::Greater);
            }
            Some(op @ (Operator::Lt | Operator::LtEq)) => {
                let bound = bound(op == Operator::LtEq);
                tighten(&mut self.stop, bound, Ordering::Less);
            }
            _ => return false,
        }
        exact
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start.as_ref();
        let stop = self.stop.as_ref();
        let open = start.map_or("(", |bound| if bound.inclusive { "[" } else { "(" });
        let close = stop.map_or(")", |bound| if bound.inclusive { "]" } else { ")" });
        let value = |bound: Option<&Bound>, none: &str| {
            bound.map_or_else(|| none.to_owned(), |bound| bound.value.to_string())
        };
        write!(
            f,
            "{open}{}, {}{close}",
            value(start, "-∞"),
            value(stop, "∞")
        )
    }
}

/// Whether a value is of a column's type, as far as the meaning of its number goes.
fn is_of(value: &ScalarValue, column: &DataType) -> bool {
    let of = match value {
        ScalarValue::Dictionary(_, value) => value.data_type(),
        other => other.data_type(),
    };
    match (&of, column) {
        (DataType::Timestamp(one, _), DataType::Timestamp(other, _)) => one == other,
        (
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
        ) => true,
        (of, column) => of == column,
    }
}

/// Takes a bound if it leaves less than the one before it.
fn tighten(bound: &mut Option<Bound>, new: Bound, tighter: Ordering) {
    let better = match bound {
        None => true,
        Some(bound) => match new.value.partial_cmp(&bound.value) {
            Some(Ordering::Equal) => bound.inclusive && !new.inclusive,
            order => order == Some(tighter),
        },
    };
    if better {
        *bound = Some(new);
    }
}

/// A value as the store reads bounds: a number, a text, or a time in the column's unit.
pub(crate) fn literal(value: &ScalarValue) -> Option<Value> {
    let number = match value {
        ScalarValue::Int8(Some(n)) => Number::from(*n),
        ScalarValue::Int16(Some(n)) => Number::from(*n),
        ScalarValue::Int32(Some(n)) => Number::from(*n),
        ScalarValue::Int64(Some(n)) => Number::from(*n),
        ScalarValue::Date32(Some(n)) => return Some(time_bound(i64::from(*n))),
        ScalarValue::Date64(Some(n))
        | ScalarValue::TimestampSecond(Some(n), _)
        | ScalarValue::TimestampMillisecond(Some(n), _)
        | ScalarValue::TimestampMicrosecond(Some(n), _)
        | ScalarValue::TimestampNanosecond(Some(n), _) => return Some(time_bound(*n)),
        ScalarValue::UInt8(Some(n)) => Number::from(*n),
        ScalarValue::UInt16(Some(n)) => Number::from(*n),
        ScalarValue::UInt32(Some(n)) => Number::from(*n),
        ScalarValue::UInt64(Some(n)) => Number::from(*n),
        ScalarValue::Float32(Some(x)) => Number::from_f64(f64::from(*x))?,
        ScalarValue::Float64(Some(x)) => Number::from_f64(*x)?,
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => return Some(Value::from(text.as_str())),
        ScalarValue::Dictionary(_, value) => return literal(value),
        _ => return None,
    };
    Some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn range(of: DataType, conditions: &[Expr]) -> (KeyRange, bool) {
        let mut range = KeyRange::of(&Field::new("t", of, true));
        let mut all = true;
        for condition in conditions {
            all &= range.narrow(condition);
        }
        (range, all)
    }

    fn shown(conditions: &[Expr]) -> String {
        let (range, all) = range(DataType::Int64, conditions);
        assert!(all);
        range.to_string()
    }

    #[test]
    fn comparisons_with_literals_bound_the_range() {
        assert_eq!(shown(&[col("t").gt(lit(3_i64))]), "(3, ∞)");
        assert_eq!(shown(&[lit(3_i64).gt_eq(col("t"))]), "(-∞, 3]");
        assert_eq!(shown(&[col("t").eq(lit(3_i64))]), "[3, 3]");
        let between = col("t").between(lit(1_i64), lit(9_i64));
        assert_eq!(shown(&[between, col("t").gt_eq(lit(4_i64))]), "[4, 9]");
        let both = col("t").lt(lit(7_i64)).and(col("t").lt_eq(lit(5_i64)));
        assert_eq!(shown(&[both]), "(-∞, 5]");
        let same = [col("t").lt_eq(lit(5_i64)), col("t").lt(lit(5_i64))];
        assert_eq!(shown(&same), "(-∞, 5)");
        let time = ScalarValue::TimestampNanosecond(Some(17), None);
        let of = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let (range, all) = range(of, &[col("t").gt_eq(lit(time))]);
        assert_eq!((range.start(), all), (Some(time_bound(17)), true));
        assert_eq!(range.closed(), Closed::Both);
    }

    #[test]
    fn conditions_that_exclude_each_other_leave_nothing() {
        let conditions = [col("t").gt(lit(7_i64)), col("t").lt(lit(5_i64))];
        assert!(range(DataType::Int64, &conditions).0.is_empty());
        assert!(!range(DataType::Int64, &conditions[..1]).0.is_empty());
    }

    #[test]
    fn floats_only_narrow_the_range_and_keep_their_bounds() {
        let (range, all) = range(DataType::Float64, &[col("t").gt(lit(0.0))]);
        assert_eq!((range.to_string().as_str(), all), ("[0, ∞)", false));
    }

    #[test]
    fn everything_else_leaves_the_range_open() {
        for condition in [
            col("u").gt(lit(3_i64)),
            col("t").gt(col("u")),
            col("t").not_eq(lit(3_i64)),
            col("t").gt(lit(3_i64)).or(col("u").is_null()),
            col("t").not_between(lit(1_i64), lit(2_i64)),
            col("t").gt(lit(ScalarValue::Int64(None))),
            col("t").gt(lit(3_i32)),
        ] {
            let (range, all) = range(DataType::Int64, std::slice::from_ref(&condition));
            assert!(range.is_all() && !all, "{condition}");
        }
        let (range, all) = range(DataType::Float64, &[col("t").lt(lit(f64::NAN))]);
        assert!(range.is_all() && !all);
    }
}
