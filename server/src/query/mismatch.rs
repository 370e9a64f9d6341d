//! Comparisons of a column with a value that its type does not have, told by column, type and value.
//!
//! DataFusion finds them when it casts the one to the other, while it plans or in the middle of the rows, and then speaks
//! of casts alone. So a plan is looked through for what may be meant, and that is told in place of a failed cast.

use arrow_schema::{ArrowError, DataType};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, ScalarValue, Span};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use shoots_store::type_name;

use super::clauses::placed;

/// A column and a value that it is compared with, which have no type in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mismatch {
    problem: String,
    place: Option<Span>,
}

impl Mismatch {
    /// The first one of a plan.
    pub(super) fn in_plan(plan: &LogicalPlan) -> Option<Self> {
        let mut found = None;
        // What cannot be walked has none that could be told.
        let _ = plan.apply_with_subqueries(|node| {
            let inputs = node.inputs();
            let schemas: Vec<&DFSchema> = inputs.iter().map(|i| i.schema().as_ref()).collect();
            node.apply_expressions(|expr| {
                found = found.take().or_else(|| Self::in_expression(expr, &schemas));
                Ok(match found {
                    Some(_) => TreeNodeRecursion::Stop,
                    None => TreeNodeRecursion::Continue,
                })
            })
        });
        found
    }

    /// The first one of an expression over columns of these schemas.
    pub(super) fn in_expression(expr: &Expr, schemas: &[&DFSchema]) -> Option<Self> {
        let mut found = None;
        let _ = expr.apply(|part| {
            found = compared(part).into_iter().find_map(|(column, value)| {
                let field = schemas
                    .iter()
                    .find_map(|schema| schema.field_from_column(column).ok())?;
                Self::of(column, field.data_type(), value)
            });
            Ok(match found {
                Some(_) => TreeNodeRecursion::Stop,
                None => TreeNodeRecursion::Continue,
            })
        });
        found
    }

    fn of(column: &Column, data_type: &DataType, value: &ScalarValue) -> Option<Self> {
        let plain = match data_type {
            DataType::Dictionary(_, values) => values,
            other => other,
        };
        let named = type_name(data_type);
        let told = match text(value) {
            Some(_) if plain.is_string() || value.cast_to(plain).is_ok() => return None,
            Some(text) => format!(
                "'{text}' is no such value: compare it with {}",
                example(plain)
            ),
            None if plain.is_string() && value.data_type().is_numeric() && !value.is_null() => {
                format!("{value} is a number: compare it with a text, '{value}'")
            }
            None => return None,
        };
        Some(Self {
            problem: format!("column {} is {named}, and {told}", column.name),
            place: column.spans.first(),
        })
    }
}

/// The error, or in place of a failed cast what was compared.
pub(super) fn told(
    error: DataFusionError,
    mismatch: impl FnOnce() -> Option<Mismatch>,
) -> DataFusionError {
    let cast = match error.find_root() {
        DataFusionError::ArrowError(cause, _) => {
            matches!(
                **cause,
                ArrowError::CastError(_) | ArrowError::ParseError(_)
            )
        }
        _ => false,
    };
    match cast.then(mismatch).flatten() {
        Some(Mismatch { problem, place }) => placed(DataFusionError::Plan(problem), place),
        None => error,
    }
}

/// Columns and the values that an expression compares them with.
fn compared(expr: &Expr) -> Vec<(&Column, &ScalarValue)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            let pairs = [(left, right), (right, left)];
            pairs.into_iter().filter_map(|(a, b)| pair(a, b)).collect()
        }
        Expr::InList(list) => {
            let values = list.list.iter();
            values.filter_map(|value| pair(&list.expr, value)).collect()
        }
        Expr::Between(between) => {
            let ends = [&between.low, &between.high];
            ends.into_iter()
                .filter_map(|end| pair(&between.expr, end))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn pair<'a>(column: &'a Expr, value: &'a Expr) -> Option<(&'a Column, &'a ScalarValue)> {
    match (column, value) {
        (Expr::Column(column), Expr::Literal(value, _)) => Some((column, value)),
        _ => None,
    }
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// What a column of a type is compared with.
fn example(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Timestamp(..) | DataType::Date64 => "a time such as '2024-01-31 12:00:00'",
        DataType::Date32 => "a day such as '2024-01-31'",
        DataType::Time32(_) | DataType::Time64(_) => "a time of day such as '12:00:00'",
        DataType::Boolean => "true or false",
        other if other.is_numeric() => "a number",
        _ => "a value of its type",
    }
}
