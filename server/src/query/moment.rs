//! Conditions that mean the same rows whenever they are asked.
//!
//! A condition is kept with its commit, and asked anew where histories are merged: later, and by several stores. What
//! gives another value each time would lead them to different rows under the same commit. So functions of the moment,
//! such as `now()`, make way for the value that they had when the condition was made, and what depends on chance is not
//! asked a second time.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_schema::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, VisitMut, VisitorMut};

/// Puts values in the place of functions of the moment; tells whether there were some.
pub(super) fn fix(
    state: &SessionState,
    moment: DateTime<Utc>,
    condition: &mut ast::Expr,
) -> Result<bool> {
    let mut fixing = Fixing {
        state,
        moment,
        any: false,
    };
    match VisitMut::visit(condition, &mut fixing) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(fixing.any),
    }
}

/// # Errors
/// If a condition that is asked anew may mean other rows than it did.
pub(super) fn check_lasting(condition: &Expr) -> Result<()> {
    let lasts = |expr: &Expr| match expr {
        Expr::ScalarFunction(ScalarFunction { func, .. })
            if func.signature().volatility != Volatility::Immutable =>
        {
            let name = func.name();
            plan_err!(
                "{name}() gives something else each time, so nobody can tell which rows were meant"
            )
        }
        _ => Ok(false),
    };
    condition.exists(lasts).map(|_| ())
}

struct Fixing<'a> {
    state: &'a SessionState,
    moment: DateTime<Utc>,
    any: bool,
}

impl Fixing<'_> {
    fn is_of_the_moment(&self, function: &ast::Function) -> bool {
        let [ast::ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
            return false;
        };
        let name = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        let function = self.state.scalar_functions().get(&name);
        function.is_some_and(|function| function.signature().volatility == Volatility::Stable)
    }

    /// The value that a call has at the moment, in SQL; none: it is not that simple.
    fn value(&self, call: &ast::Expr) -> Result<Option<ast::Expr>> {
        let call = ExprWithAlias {
            expr: call.clone(),
            alias: None,
        };
        let no_columns = DFSchema::empty();
        let call = self
            .state
            .create_logical_expr_from_sql_expr(call, &no_columns)?;
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(no_columns))
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(Some(self.moment))
            .build();
        let Expr::Literal(value, _) = ExprSimplifier::new(context).simplify(call)? else {
            return Ok(None);
        };
        let kind = value.data_type();
        let text = value.cast_to(&DataType::Utf8)?;
        let dialect = self.state.config_options().sql_parser.dialect;
        let sql = format!("arrow_cast('{text}', '{kind}')");
        self.state.sql_to_expr(&sql, &dialect).map(Some)
    }
}

impl VisitorMut for Fixing<'_> {
    type Break = DataFusionError;

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<DataFusionError> {
        let ast::Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        if !self.is_of_the_moment(function) {
            return ControlFlow::Continue(());
        }
        match self.value(expr) {
            Ok(Some(value)) => {
                *expr = value;
                self.any = true;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
