//! Types whose values are large whatever is in them.
//!
//! A null of a list of a hundred million numbers takes as much as the numbers: a type says what is made, and a type
//! takes few bytes to write. So what such a type takes is looked at before anything is worked out, and batches are smaller
//! where columns have one.

use std::str::FromStr;

use arrow_schema::{DataType, Fields};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The largest value that a type may stand for, in bytes.
const LARGEST: usize = 16 << 20;

/// Functions that are told a type in words, as their second argument.
const TOLD_IN_WORDS: [&str; 2] = ["arrow_cast", "arrow_try_cast"];

/// Refuses a plan that casts to a type of which a single value is too large.
pub(in crate::query) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| check_cast(expr).map(|()| TreeNodeRecursion::Continue))
        })
    })?;
    Ok(())
}

/// Refuses an expression that does.
pub(in crate::query) fn check_cast(expr: &Expr) -> Result<()> {
    let width = cast_width(expr);
    if width > LARGEST {
        return exec_err!(
            "each value of a type that the statement casts to takes {width} bytes, and at most {LARGEST} are made; use a \
             list without a fixed length, or a shorter one"
        );
    }
    Ok(())
}

/// What a value takes because of the type that an expression casts to, if it does.
fn cast_width(expr: &Expr) -> usize {
    match expr {
        Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => {
            width(field.data_type())
        }
        Expr::ScalarFunction(call) if TOLD_IN_WORDS.contains(&call.name()) => {
            let told = match call.args.get(1) {
                Some(Expr::Literal(told, _)) => ScalarValue::try_as_str(told).flatten(),
                _ => None,
            };
            let told = told.and_then(|told| DataType::from_str(told).ok());
            told.map_or(0, |kind| width(&kind))
        }
        _ => 0,
    }
}

/// What a row of the widest node of a plan takes because of its types.
pub(in crate::query) fn widest(plan: &LogicalPlan) -> Result<usize> {
    let mut widest = 0;
    plan.apply_with_subqueries(|node| {
        let mut made = all(node.schema().as_arrow().fields());
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                made = made.saturating_add(cast_width(expr));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        widest = widest.max(made);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(widest)
}

fn all(fields: &Fields) -> usize {
    let widths = fields.iter().map(|field| width(field.data_type()));
    widths.fold(0, usize::saturating_add)
}

/// What a value of a type takes, whatever it is; of types with values of any length, nothing.
fn width(kind: &DataType) -> usize {
    match kind {
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).unwrap_or(0),
        DataType::FixedSizeList(item, length) => {
            let item = match item.data_type().primitive_width() {
                Some(bytes) => bytes,
                None => width(item.data_type()).max(1),
            };
            item.saturating_mul(usize::try_from(*length).unwrap_or(0))
        }
        DataType::Struct(fields) => all(fields),
        _ => 0,
    }
}
