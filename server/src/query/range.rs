//! From the conditions of a query to a range of an index.
//!
//! A frame's rows are sorted by its index, so conditions that compare the first index column with a literal tell
//! which segments and pages cannot hold a row of the result. The range only leaves out what cannot match; the query
//! still looks at every row that is read.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use serde_json::{Number, Value};

/// What the index column lies between; both ends belong to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct KeyRange {
    start: Option<ScalarValue>,
    stop: Option<ScalarValue>,
}

impl KeyRange {
    /// The range that all of these conditions leave of a column.
    pub(crate) fn of<'a>(column: &str, conditions: impl IntoIterator<Item = &'a Expr>) -> Self {
        let mut range = Self::default();
        for condition in conditions {
            range.narrow(column, condition);
        }
        range
    }

    /// Whether it leaves everything.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Where it starts, in the words of the store.
    pub(crate) fn start(&self) -> Option<Value> {
        self.start.as_ref().and_then(literal)
    }

    /// Where it stops.
    pub(crate) fn stop(&self) -> Option<Value> {
        self.stop.as_ref().and_then(literal)
    }

    fn narrow(&mut self, column: &str, condition: &Expr) {
        match condition {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => {
                self.narrow(column, left);
                self.narrow(column, right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (op, value) = match (&**left, &**right) {
                    (Expr::Column(named), Expr::Literal(value, _)) if named.name == column => {
                        (Some(*op), value)
                    }
                    (Expr::Literal(value, _), Expr::Column(named)) if named.name == column => {
                        (op.swap(), value)
                    }
                    _ => return,
                };
                match op {
                    Some(Operator::Eq) => {
                        self.start_at(value);
                        self.stop_at(value);
                    }
                    Some(Operator::Gt | Operator::GtEq) => self.start_at(value),
                    Some(Operator::Lt | Operator::LtEq) => self.stop_at(value),
                    _ => {}
                }
            }
            Expr::Between(between) if !between.negated => {
                if let (Expr::Column(named), Expr::Literal(low, _), Expr::Literal(high, _)) =
                    (&*between.expr, &*between.low, &*between.high)
                    && named.name == column
                {
                    self.start_at(low);
                    self.stop_at(high);
                }
            }
            _ => {}
        }
    }

    fn start_at(&mut self, value: &ScalarValue) {
        tighten(&mut self.start, value, Ordering::Greater);
    }

    fn stop_at(&mut self, value: &ScalarValue) {
        tighten(&mut self.stop, value, Ordering::Less);
    }
}

/// Takes a bound that the store understands, if it leaves less than the one before it.
fn tighten(bound: &mut Option<ScalarValue>, value: &ScalarValue, tighter: Ordering) {
    if literal(value).is_none() {
        return;
    }
    let better = match bound {
        None => true,
        Some(bound) => value.partial_cmp(bound) == Some(tighter),
    };
    if better {
        *bound = Some(value.clone());
    }
}

/// A value as the store reads bounds: numbers in the column's unit, or text.
pub(crate) fn literal(value: &ScalarValue) -> Option<Value> {
    let number = match value {
        ScalarValue::Int8(Some(n)) => Number::from(*n),
        ScalarValue::Int16(Some(n)) => Number::from(*n),
        ScalarValue::Int32(Some(n)) | ScalarValue::Date32(Some(n)) => Number::from(*n),
        ScalarValue::Int64(Some(n))
        | ScalarValue::Date64(Some(n))
        | ScalarValue::TimestampSecond(Some(n), _)
        | ScalarValue::TimestampMillisecond(Some(n), _)
        | ScalarValue::TimestampMicrosecond(Some(n), _)
        | ScalarValue::TimestampNanosecond(Some(n), _) => Number::from(*n),
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
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn bounds(conditions: &[Expr]) -> (Option<Value>, Option<Value>) {
        let range = KeyRange::of("t", conditions);
        (range.start(), range.stop())
    }

    #[test]
    fn comparisons_with_literals_bound_the_range() {
        let some = |n: i64| Some(Value::from(n));
        assert_eq!(bounds(&[col("t").gt(lit(3_i64))]), (some(3), None));
        assert_eq!(bounds(&[lit(3_i64).gt(col("t"))]), (None, some(3)));
        assert_eq!(bounds(&[col("t").eq(lit(3_i64))]), (some(3), some(3)));
        let between = col("t").between(lit(1_i64), lit(9_i64));
        assert_eq!(
            bounds(&[between, col("t").gt_eq(lit(4_i64))]),
            (some(4), some(9))
        );
        let both = col("t").lt(lit(7_i64)).and(col("t").lt_eq(lit(5_i64)));
        assert_eq!(bounds(&[both]), (None, some(5)));
        let time = ScalarValue::TimestampNanosecond(Some(17), None);
        assert_eq!(bounds(&[col("t").gt_eq(lit(time))]), (some(17), None));
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
            col("t").lt(lit(f64::NAN)),
        ] {
            assert!(KeyRange::of("t", [&condition]).is_all(), "{condition}");
        }
    }
}
