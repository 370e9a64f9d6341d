//! Operators that look for patterns, as functions, and the rule that puts these in place.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::expr::{Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column, Literal};
use datafusion::physical_plan::PhysicalExpr;

use super::cost::{Search, is_plain};
use super::pieces::{Flags, in_pieces};
use crate::query::limits::interrupt::Interrupt;

/// Which operators a rule replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::query) enum When {
    /// Those that the optimizer could work out, or whose patterns it does not know.
    First,
    /// All that need an automaton.
    Last,
}

/// The rule that puts functions in the place of operators.
#[derive(Debug, Clone)]
pub(in crate::query) struct BoundedPatterns {
    pub(in crate::query) when: When,
    pub(in crate::query) interrupt: Interrupt,
    pub(in crate::query) values: Arc<dyn MemoryPool>,
}

impl OptimizerRule for BoundedPatterns {
    fn name(&self) -> &'static str {
        match self.when {
            When::First => "bounded_patterns",
            When::Last => "bounded_known_patterns",
        }
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(self
                    .expression(expr)?
                    .update_data(|expr| name.restore(expr)))
            })
        })
    }
}

impl BoundedPatterns {
    /// An expression with functions in it for its operators.
    pub(in crate::query) fn expression(&self, expr: Expr) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| Ok(self.replaced(expr)))
    }

    fn replaced(&self, expr: Expr) -> Transformed<Expr> {
        let Some((operator, text, pattern)) = operands(&expr) else {
            return Transformed::no(expr);
        };
        let is_replaced = match (self.when, pattern) {
            (When::First, Expr::Literal(..)) => !text.any_column_refs(),
            (When::First, _) => true,
            (When::Last, pattern) => {
                operator.search != Search::Like || !is_literally_plain(pattern)
            }
        };
        if !is_replaced {
            return Transformed::no(expr);
        }
        let function = ScalarUDF::new_from_impl(Matching {
            operator,
            signature: Signature::any(2, Volatility::Immutable),
            interrupt: self.interrupt.clone(),
            values: Arc::clone(&self.values),
        });
        let args = vec![text.clone(), pattern.clone()];
        let call = ScalarFunction::new_udf(Arc::new(function), args);
        Transformed::yes(Expr::ScalarFunction(call))
    }
}

/// Whether it is known that no automaton is needed.
pub(in crate::query) fn is_known_plain(like: &Like) -> bool {
    !like.case_insensitive && is_literally_plain(&like.pattern)
}

fn is_literally_plain(pattern: &Expr) -> bool {
    match pattern {
        Expr::Literal(value, _) => value.try_as_str().flatten().is_none_or(is_plain),
        _ => false,
    }
}

/// An operator that looks for a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Matcher {
    operator: Operator,
    search: Search,
}

/// What an expression looks for, and in what.
fn operands(expr: &Expr) -> Option<(Matcher, &Expr, &Expr)> {
    let (operator, text, pattern) = match expr {
        Expr::Like(like) => (liking(like)?, &like.expr, &like.pattern),
        Expr::SimilarTo(like) => (resembling(like)?, &like.expr, &like.pattern),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => (*op, left, right),
        _ => return None,
    };
    let search = searching(operator)?;
    Some((Matcher { operator, search }, text, pattern))
}

fn searching(operator: Operator) -> Option<Search> {
    match operator {
        Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch => Some(Search::Regex),
        Operator::LikeMatch | Operator::NotLikeMatch => Some(Search::Like),
        Operator::ILikeMatch | Operator::NotILikeMatch => Some(Search::Ilike),
        _ => None,
    }
}

/// The character that escapes others, if none is said.
const ESCAPE: char = '\\';

/// The operator of `LIKE`; none where DataFusion would say that it does not know the character for escapes.
fn liking(like: &Like) -> Option<Operator> {
    let known = like.escape_char.is_none_or(|escape| escape == ESCAPE);
    known.then_some(match (like.negated, like.case_insensitive) {
        (false, false) => Operator::LikeMatch,
        (false, true) => Operator::ILikeMatch,
        (true, false) => Operator::NotLikeMatch,
        (true, true) => Operator::NotILikeMatch,
    })
}

fn resembling(like: &Like) -> Option<Operator> {
    let known = like.escape_char.is_none();
    known.then_some(match (like.negated, like.case_insensitive) {
        (false, false) => Operator::RegexMatch,
        (false, true) => Operator::RegexIMatch,
        (true, false) => Operator::RegexNotMatch,
        (true, true) => Operator::RegexNotIMatch,
    })
}

/// An operator that looks for a pattern, as a function. No statement can call it.
struct Matching {
    operator: Matcher,
    signature: Signature,
    interrupt: Interrupt,
    values: Arc<dyn MemoryPool>,
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matching").field(&self.operator).finish()
    }
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        self.operator == other.operator
    }
}

impl Eq for Matching {}

impl Hash for Matching {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.operator.hash(state);
    }
}

impl ScalarUDFImpl for Matching {
    fn name(&self) -> &'static str {
        match self.operator.operator {
            Operator::LikeMatch => "LIKE",
            Operator::ILikeMatch => "ILIKE",
            Operator::NotLikeMatch => "NOT LIKE",
            Operator::NotILikeMatch => "NOT ILIKE",
            Operator::RegexIMatch => "~*",
            Operator::RegexNotMatch => "!~",
            Operator::RegexNotIMatch => "!~*",
            _ => "~",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Boolean,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bounds = (&self.interrupt, &self.values);
        let flags = match self.operator.operator {
            Operator::RegexIMatch | Operator::RegexNotIMatch => Flags::Known("i"),
            _ => Flags::Known(""),
        };
        let search = (self.operator.search, flags);
        in_pieces(self.name(), search, args, bounds, |args| {
            evaluated(self.operator.operator, &args)
        })
    }
}

/// What the operator gives for these arguments.
fn evaluated(operator: Operator, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    let mut operands: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for arg in &args.args {
        match arg {
            ColumnarValue::Array(array) => {
                let (place, name) = (columns.len(), columns.len().to_string());
                operands.push(Arc::new(Column::new(&name, place)));
                fields.push(Field::new(name, array.data_type().clone(), true));
                columns.push(Arc::clone(array));
            }
            ColumnarValue::Scalar(value) => operands.push(Arc::new(Literal::new(value.clone()))),
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
    let [text, pattern] = operands.as_slice() else {
        return datafusion::common::internal_err!("{operator} has two operands");
    };
    let matched = PhysicalBinary::new(Arc::clone(text), operator, Arc::clone(pattern));
    let matched = matched.evaluate(&batch)?;
    match (&matched, batch.num_columns()) {
        (ColumnarValue::Array(array), 0) if !array.is_empty() => {
            let value = ScalarValue::try_from_array(array, 0)?;
            Ok(ColumnarValue::Scalar(value))
        }
        _ => Ok(matched),
    }
}
