//! `||` and calls that only DataFusion writes, bounded like the functions of [`super::sizes`].
//!
//! Not every call in a plan is one that a statement names: `a || b` of texts is an operator, and that of lists becomes a
//! call of a function that no session can replace. A text that is joined with itself forty times is larger than any
//! memory. So before the optimizer works out constants, its first rule puts bounded functions in the place of both.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::expressions::BinaryExpr as PhysicalBinary;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;

use super::sizes;

/// The name of the operator as a function. No statement can call it.
pub(in crate::query) const JOINED: &str = "||";

/// The rule that puts bounded functions in place.
#[derive(Debug)]
pub(in crate::query) struct BoundedCalls(HashMap<String, Arc<ScalarUDF>>);

impl BoundedCalls {
    /// The functions of a session, of which some are bounded.
    pub(in crate::query) fn new(functions: &[Arc<ScalarUDF>]) -> Self {
        let bounded = functions
            .iter()
            .filter(|function| sizes::is_bounded(function));
        let named = |function: &Arc<ScalarUDF>| (function.name().to_owned(), Arc::clone(function));
        Self(bounded.map(named).collect())
    }

    fn bounded(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(call) => match self.0.get(call.func.name()) {
                Some(function) if !Arc::ptr_eq(call.func.inner(), function.inner()) => {
                    let call = ScalarFunction::new_udf(Arc::clone(function), call.args);
                    Ok(Transformed::yes(Expr::ScalarFunction(call)))
                }
                _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            Expr::BinaryExpr(binary) if self.joins_texts(&binary, schema) => {
                let BinaryExpr { left, right, .. } = binary;
                let Some(function) = self.0.get(JOINED) else {
                    return internal_err!("there is no function {JOINED}");
                };
                let call = ScalarFunction::new_udf(Arc::clone(function), vec![*left, *right]);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn joins_texts(&self, binary: &BinaryExpr, schema: &DFSchema) -> bool {
        let types = || {
            let left = binary.left.get_type(schema).ok()?;
            Some((left, binary.right.get_type(schema).ok()?))
        };
        binary.op == Operator::StringConcat
            && types().is_some_and(|(left, right)| left == right && left.is_string())
    }
}

impl OptimizerRule for BoundedCalls {
    fn name(&self) -> &'static str {
        "bounded_calls"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|node| {
            let mut schema = DFSchema::empty();
            for input in node.inputs() {
                schema.merge(input.schema());
            }
            node.map_expressions(|expr| expr.transform_up(|expr| self.bounded(expr, &schema)))
        })
    }
}

/// `||` of two texts of one type, as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct Joined(Signature);

impl Joined {
    pub(in crate::query) fn new() -> Self {
        Self(Signature::any(2, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &'static str {
        JOINED
    }

    /// As the operator's columns are called.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(names.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [left, _] => Ok(left.clone()),
            _ => internal_err!("{JOINED} takes two texts"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let field = Field::new(JOINED, self.return_type(&types)?, nullable);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let is_constant = args.args.iter().all(constant);
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let fields = args.arg_fields.iter().enumerate();
        let fields: Vec<Field> = fields
            .map(|(place, field)| Field::new(place.to_string(), field.data_type().clone(), true))
            .collect();
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let batch = arrow_array::RecordBatch::try_new(schema, arrays)?;
        let column = |place: usize| Arc::new(Column::new(&place.to_string(), place)) as _;
        let operator = PhysicalBinary::new(column(0), Operator::StringConcat, column(1));
        let joined = operator.evaluate(&batch)?.into_array(batch.num_rows())?;
        if is_constant {
            let value = ScalarValue::try_from_array(&joined, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(joined))
    }
}
