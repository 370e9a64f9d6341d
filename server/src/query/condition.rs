//! A condition on rows, in SQL: which rows a deletion means.
//!
//! It is an expression over the columns of one frame, with the names of a query's `where`: as they are, else
//! without regard to case. It looks at one row at a time, so it has no subqueries, aggregates or window functions.
//! The store asks for it batch by batch while it works on the frame, each time on the threads for queries, which
//! have the stack for it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference, plan_err};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{self, Query, Visit, VisitMut, Visitor, VisitorMut};
use shoots_proto::{ErrorKind, FrameId, FrameName, action};
use shoots_store::{Condition, Conditions, type_name};
use tokio::time::Instant;

use super::clauses;
use super::limits::Limits;
use super::limits::interrupt::Interrupt;
use super::limits::patterns::BoundedPatterns;
use super::limits::widths;
use super::mismatch::{self, Mismatch};
use super::names::{Mentions, Spelling};
use super::relation::Relation;
use super::session::Engine;
use super::threads::QueryThreads;
use super::{Queries, depth, moment};
use crate::status::Failure;

impl Queries {
    /// A condition on the rows of a frame. Whether it makes sense shows when it meets the frame's columns.
    pub(crate) fn condition(&self, frame: &FrameId, sql: &str) -> Result<SqlCondition, Failure> {
        depth::check(action::DELETE_ROWS, "where", sql)?;
        Ok(SqlCondition {
            sql: sql.to_owned(),
            frame: frame.clone(),
            engine: Arc::clone(&self.engine),
            threads: Arc::clone(&self.threads),
            limits: self.limits.clone(),
            moment: Some(Utc::now()),
            deadline: Instant::now() + self.limits.time,
            planned: Mutex::default(),
            kept: OnceLock::new(),
            failure: OnceLock::new(),
        })
    }

    /// What reads conditions that were kept with commits.
    pub(crate) fn conditions(&self) -> Arc<dyn Conditions> {
        Arc::new(SqlConditions {
            engine: Arc::clone(&self.engine),
            threads: Arc::clone(&self.threads),
            limits: self.limits.clone(),
        })
    }
}

/// Reads conditions that stand in histories, when these are merged. They name columns alone: what the frame was called
/// where a condition was made, nobody knows.
#[derive(Debug)]
struct SqlConditions {
    engine: Arc<Engine>,
    threads: Arc<QueryThreads>,
    limits: Limits,
}

impl Conditions for SqlConditions {
    fn parse(&self, text: &str) -> Result<Arc<dyn Condition>, String> {
        depth::check(action::MERGE, "where", text).map_err(|refused| refused.to_string())?;
        let frame = FrameName::parse("frame").map_err(|refused| refused.to_string())?;
        Ok(Arc::new(SqlCondition {
            sql: text.to_owned(),
            frame: FrameId::new(None, frame),
            engine: Arc::clone(&self.engine),
            threads: Arc::clone(&self.threads),
            limits: self.limits.clone(),
            moment: None,
            deadline: Instant::now() + self.limits.time,
            planned: Mutex::default(),
            kept: OnceLock::new(),
            failure: OnceLock::new(),
        }))
    }
}

/// A condition in SQL on the rows of a frame.
#[derive(Debug)]
pub(crate) struct SqlCondition {
    sql: String,
    frame: FrameId,
    engine: Arc<Engine>,
    threads: Arc<QueryThreads>,
    limits: Limits,
    /// What `now()` means; none: it is asked anew, long after.
    moment: Option<DateTime<Utc>>,
    deadline: Instant,
    /// The condition for the columns that it met last.
    planned: Mutex<Option<Planned>>,
    /// The condition as it is kept, if that is not what was written: without the frame's name, since frames are renamed
    /// and travel while conditions stay, and with the time for `now()`.
    kept: OnceLock<String>,
    failure: OnceLock<Failure>,
}

#[derive(Debug, Clone)]
struct Planned {
    schema: SchemaRef,
    physical: Arc<dyn PhysicalExpr>,
    /// What may be wrong with it where values are cast.
    mismatch: Option<Mismatch>,
}

/// A condition as it is planned.
struct Logical {
    state: SessionState,
    patterns: [BoundedPatterns; 2],
    columns: DFSchema,
    expr: Expr,
    /// Its text as it is kept, if that is another one.
    kept: Option<String>,
}

impl SqlCondition {
    /// What it failed with, if it did. The store knows only the words.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    /// Does some of its work on the threads for queries, while the calling thread waits.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let done = match self.threads.wait_for(self.deadline, work) {
            Some(done) => {
                let done = done.and_then(|result| result);
                done.map_err(|error| self.limits.failure(error))
            }
            None => Err(self.limits.too_long()),
        };
        done.map_err(|failure| {
            let failure = about_where(failure);
            let words = failure.to_string();
            // The first failure ends the deletion.
            self.failure.get_or_init(|| failure);
            words
        })
    }

    fn logical(&self, schema: &SchemaRef) -> impl FnOnce() -> Result<Logical> + use<> {
        let (engine, frame) = (Arc::clone(&self.engine), self.frame.clone());
        let interrupt = Interrupt::default();
        interrupt.request_at(self.deadline);
        let (sql, schema, moment) = (self.sql.clone(), Arc::clone(schema), self.moment);
        move || {
            let state = engine.state(frame.bucket.as_ref(), &interrupt)?;
            let columns = columns(&frame, &schema)?;
            let (expr, kept) = logical(&state, &frame, &sql, moment, &schema, &columns)?;
            let patterns = engine.patterns(&interrupt);
            Ok(Logical {
                patterns,
                state,
                columns,
                expr,
                kept,
            })
        }
    }

    fn planned(&self, schema: &SchemaRef) -> Result<Planned, String> {
        let planned = self
            .planned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(planned) = planned.filter(|planned| planned.schema == *schema) {
            return Ok(planned);
        }
        let logical = self.logical(schema);
        let arrow = Arc::clone(schema);
        let (physical, mismatch) = self.work(move || {
            let Logical {
                state,
                patterns,
                columns,
                expr,
                ..
            } = logical()?;
            let mismatch = Mismatch::in_expression(&expr, &[&columns]);
            let expr = simplified(&state, &patterns, &columns, expr)
                .map_err(|error| mismatch::told(error, || mismatch.clone()))?;
            let physical = state.create_physical_expr(expr, &columns)?;
            match physical.data_type(&arrow)? {
                DataType::Boolean | DataType::Null => Ok((physical, mismatch)),
                other => {
                    let other = type_name(&other);
                    plan_err!("the condition gives {other}, and should give true or false")
                }
            }
        })?;
        let planned = Planned {
            schema: Arc::clone(schema),
            physical,
            mismatch,
        };
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(planned.clone());
        Ok(planned)
    }
}

/// The query engine does not know which field of the request it was given.
fn about_where(failure: Failure) -> Failure {
    match failure {
        Failure::Domain(body) if body.kind == ErrorKind::DataFusionError => {
            let message = format!("{}: where: {}", action::DELETE_ROWS, body.message);
            Failure::new(body.kind, message)
        }
        other => other,
    }
}

impl Condition for SqlCondition {
    fn text(&self) -> &str {
        &self.sql
    }

    fn kept(&self) -> &str {
        self.kept.get().unwrap_or(&self.sql)
    }

    fn columns(&self, schema: &Schema) -> Result<Vec<String>, String> {
        let schema = Arc::new(schema.clone());
        // What is wrong with it should show even if there is no row to ask it about.
        self.planned(&schema)?;
        let logical = self.logical(&schema);
        let (used, kept) = self.work(move || {
            let Logical {
                columns,
                expr,
                kept,
                ..
            } = logical()?;
            let used = expr.column_refs();
            let used: BTreeSet<&str> = used.iter().map(|column| column.name()).collect();
            let fields = columns.fields().iter().map(|field| field.name());
            let used = fields.filter(|name| used.contains(name.as_str()));
            Ok((used.cloned().collect(), kept))
        })?;
        if let Some(kept) = kept {
            self.kept.get_or_init(|| kept);
        }
        Ok(used)
    }

    fn meant(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let Planned {
            physical, mismatch, ..
        } = self.planned(&batch.schema())?;
        let batch = batch.clone();
        self.work(move || {
            let rows = batch.num_rows();
            let answers = physical.evaluate(&batch);
            let answers = answers.map_err(|error| mismatch::told(error, || mismatch))?;
            let answers = answers.into_array(rows)?;
            match answers.as_boolean_opt() {
                Some(answers) => Ok(answers.clone()),
                None => Ok(BooleanArray::new_null(rows)),
            }
        })
    }
}

/// The columns that an expression can name, alone or after the frame's name.
fn columns(frame: &FrameId, schema: &SchemaRef) -> Result<DFSchema> {
    let table = TableReference::bare(frame.name.as_str());
    DFSchema::try_from_qualified_schema(table, schema)
}

fn logical(
    state: &SessionState,
    frame: &FrameId,
    sql: &str,
    moment: Option<DateTime<Utc>>,
    schema: &SchemaRef,
    columns: &DFSchema,
) -> Result<(Expr, Option<String>)> {
    let dialect = state.config_options().sql_parser.dialect;
    let mut parsed = state.sql_to_expr_with_alias(sql, &dialect)?;
    if let Some(alias) = &parsed.alias {
        return plan_err!("a condition has no name, but this one is called {alias}");
    }
    if parsed.expr.visit(&mut NoQueries).is_break() {
        return plan_err!("a condition looks at one row at a time and cannot hold a query");
    }
    clauses::check(state, sql, &parsed.expr)?;
    let mentions = Mentions::of(&parsed.expr);
    let relation = Relation::exact(frame.name.as_str());
    let path = [frame.name.to_string()];
    let table = (&relation, path.as_slice(), Arc::clone(schema));
    Spelling::new(&mentions, [table]).apply(&mut parsed.expr);
    let fixed = match moment {
        Some(moment) => moment::fix(state, moment, &mut parsed.expr)?,
        None => false,
    };
    let unqualified = unqualified(frame, schema, &parsed.expr);
    let kept = unqualified.or_else(|| fixed.then(|| parsed.expr.to_string()));
    let expr = state.create_logical_expr_from_sql_expr(parsed, columns)?;
    if expr.exists(|expr| Ok(looks_beyond_a_row(expr)))? {
        return plan_err!(
            "a condition looks at one row at a time: no aggregates, window functions or parameters"
        );
    }
    if moment.is_none() {
        moment::check_lasting(&expr)?;
    }
    Ok((expr, kept))
}

/// The text of a condition in which columns are spelled as they are, without the frame's name before them; nothing if it
/// names columns alone, or if there is a column of the frame's name that it could mean as well.
fn unqualified(frame: &FrameId, schema: &Schema, condition: &ast::Expr) -> Option<String> {
    let name = frame.name.as_str();
    if schema.field_with_name(name).is_ok() {
        return None;
    }
    let mut condition = condition.clone();
    let mut unqualify = Unqualify {
        frame: name,
        any: false,
    };
    let _ = VisitMut::visit(&mut condition, &mut unqualify);
    unqualify.any.then(|| condition.to_string())
}

/// Takes the name of a frame away from before its columns.
struct Unqualify<'a> {
    frame: &'a str,
    any: bool,
}

impl VisitorMut for Unqualify<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && parts.first().is_some_and(|first| first.value == self.frame)
        {
            parts.remove(0);
            self.any = true;
            if let [column] = parts.as_slice() {
                *expr = ast::Expr::Identifier(column.clone());
            }
        }
        ControlFlow::Continue(())
    }
}

/// The same condition, without what only the optimizer of queries gives a meaning: functions such as `coalesce`.
fn simplified(
    state: &SessionState,
    [first, last]: &[BoundedPatterns; 2],
    columns: &DFSchema,
    expr: Expr,
) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(columns.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expr, columns)?;
    coerced.apply(|expr| widths::check_cast(expr).map(|()| TreeNodeRecursion::Continue))?;
    let simplified = simplifier.simplify(first.expression(coerced)?.data)?;
    Ok(last.expression(simplified)?.data)
}

fn looks_beyond_a_row(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::ScalarSubquery(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Placeholder(_)
            | Expr::Unnest(_)
    )
}

struct NoQueries;

impl Visitor for NoQueries {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray};
    use shoots_proto::FrameName;

    use super::*;
    use crate::config::Config;

    fn rows() -> RecordBatch {
        let n = Int64Array::from(vec![Some(1), Some(2), None, Some(4)]);
        let name = StringArray::from(vec!["a", "b", "c", "d"]);
        RecordBatch::try_from_iter([("N", Arc::new(n) as _), ("Full Name", Arc::new(name) as _)])
            .unwrap()
    }

    fn condition(sql: &str) -> Result<SqlCondition, Failure> {
        let frame = FrameId::new(None, FrameName::parse("Some").unwrap());
        Queries::new(&Config::default())
            .unwrap()
            .condition(&frame, sql)
    }

    fn asked(sql: &str) -> Result<(Vec<String>, Vec<Option<bool>>), Failure> {
        let condition = condition(sql)?;
        let ask = || {
            let columns = condition.columns(&rows().schema())?;
            let places = columns
                .iter()
                .map(|name| rows().schema().index_of(name).unwrap());
            let batch = rows().project(&places.collect::<Vec<_>>()).unwrap();
            let meant = condition.meant(&batch)?;
            Ok::<_, String>((columns, meant.iter().collect()))
        };
        ask().map_err(|words| {
            let failure = condition.failure().unwrap();
            assert_eq!(failure.to_string(), words);
            failure
        })
    }

    #[test]
    fn clauses_that_would_be_ignored_are_refused() {
        for sql in ["abs(n) over () > 1", "abs(n) filter (where n > 2) > 1"] {
            let error = asked(sql).unwrap_err().to_string();
            assert!(error.contains("is not supported"), "{sql}: {error}");
        }
    }

    #[test]
    fn conditions_are_asked_of_the_columns_that_they_name() {
        let (yes, no) = (Some(true), Some(false));
        for (sql, columns, meant) in [
            ("n > 1", vec!["N"], vec![no, yes, None, yes]),
            ("some.n is null", vec!["N"], vec![no, no, yes, no]),
            (
                "upper(\"Full Name\") in ('A', 'D')",
                vec!["Full Name"],
                vec![yes, no, no, yes],
            ),
            (
                "coalesce(N, 9) between 2 and 9 and \"Full Name\" <> 'b'",
                vec!["N", "Full Name"],
                vec![no, no, yes, yes],
            ),
            ("true", vec![], vec![yes; 4]),
            (
                "now() < timestamp '2001-01-01' and n > 0",
                vec!["N"],
                vec![no, no, no, no],
            ),
            ("null", vec![], vec![None; 4]),
        ] {
            let asked = asked(sql).unwrap();
            assert_eq!(
                asked,
                (columns.into_iter().map(String::from).collect(), meant),
                "{sql}"
            );
        }
    }

    #[test]
    fn a_condition_is_kept_without_the_name_of_the_frame() {
        for (sql, kept) in [
            ("n > 1", "n > 1"),
            (
                "sOME.n < 5 and \"Some\".\"N\" > 1",
                "\"N\" < 5 AND \"N\" > 1",
            ),
            (
                "some.n < 5 and \"some\".N > 1",
                "some.n < 5 and \"some\".N > 1",
            ),
            (
                "upper(some.\"Full Name\") = 'some.A' or other.x = 1",
                "upper(some.\"Full Name\") = 'some.A' or other.x = 1",
            ),
        ] {
            let condition = condition(sql).unwrap();
            let told = condition.columns(&rows().schema());
            assert_eq!(condition.kept(), kept, "{told:?}");
        }
        let condition = condition("upper(some.\"Full Name\") = 'some.A'").unwrap();
        condition.columns(&rows().schema()).unwrap();
        assert_eq!(condition.kept(), "upper(\"Full Name\") = 'some.A'");
        // What was kept can be asked of a frame of any name.
        let queries = Queries::new(&Config::default()).unwrap();
        let anew = queries.conditions().parse(condition.kept()).unwrap();
        assert_eq!(anew.columns(&rows().schema()).unwrap(), ["Full Name"]);
    }

    #[test]
    fn a_condition_is_kept_with_the_time_that_now_meant() {
        let queries = Queries::new(&Config::default()).unwrap();
        for (sql, kind) in [
            ("now() > timestamp '2001-01-01'", "Timestamp(ns"),
            ("CURRENT_TIMESTAMP > timestamp '2001-01-01'", "Timestamp(ns"),
            ("N > 1 and current_date > date '2001-01-01'", "Date32"),
            ("some.N > 1 and Today() > date '2001-01-01'", "Date32"),
            ("current_time() >= time '00:00:00'", "Time64(ns)"),
        ] {
            let condition = condition(sql).unwrap();
            let columns = condition.columns(&rows().schema()).unwrap();
            let meant = condition.meant(&rows()).unwrap();
            let kept = condition.kept();
            let arrow_cast = format!(", '{kind}");
            assert!(kept.contains(&arrow_cast), "{sql}: {kept}");
            assert!(!kept.contains("()") && !kept.contains("some."), "{kept}");
            let anew = queries.conditions().parse(kept).unwrap();
            assert_eq!(anew.columns(&rows().schema()).unwrap(), columns, "{kept}");
            assert_eq!(anew.meant(&rows()).unwrap(), meant, "{kept}");
            assert!(meant.true_count() > 0, "{sql}");
        }
    }

    #[test]
    fn what_gives_something_else_each_time_is_asked_once() {
        let queries = Queries::new(&Config::default()).unwrap();
        for sql in ["random() < 2", "N > 1 or uuid() > 'a'"] {
            let condition = condition(sql).unwrap();
            condition.columns(&rows().schema()).unwrap();
            assert_eq!(condition.kept(), sql);
            let anew = queries.conditions().parse(sql).unwrap();
            let problem = anew.columns(&rows().schema()).unwrap_err();
            assert!(
                problem.contains("() gives something else each time"),
                "{problem}"
            );
        }
        let anew = queries.conditions().parse("now() > timestamp '2001-01-01'");
        let problem = anew.unwrap().columns(&rows().schema()).unwrap_err();
        assert!(
            problem.contains("now() gives something else each time"),
            "{problem}"
        );
    }

    #[test]
    fn what_is_no_condition_is_refused_in_the_words_of_the_query_engine() {
        for (sql, words) in [
            ("m > 1", "No field named m"),
            ("N +", "expression"),
            ("N > 1; select 1", "end of expression"),
            ("N + 1", "gives int64"),
            ("N > (select 1)", "cannot hold a query"),
            ("exists (select 1)", "cannot hold a query"),
            ("N = max(N)", "no aggregates"),
            ("row_number() over () = 1", "no aggregates"),
            ("N = $1", "parameters"),
            ("N > 1 as big", "called big"),
            ("nonsense(N)", "nonsense"),
        ] {
            let failure = asked(sql).unwrap_err();
            let told = failure.to_string();
            assert!(told.contains(words), "{sql}: {failure}");
            assert!(told.contains(": delete_rows: where: "), "{sql}: {failure}");
            assert!(
                matches!(&failure, Failure::Domain(body) if body.kind == shoots_proto::ErrorKind::DataFusionError),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_condition_as_deep_as_is_accepted_leaves_the_thread_alive() {
        let deep = |links: usize| format!("N = 0{}", " or N = 1".repeat(links));
        assert!(asked(&deep(400)).is_ok());
        let failure = condition(&deep(2_000)).unwrap_err();
        assert!(
            failure.to_string().contains("delete_rows: where"),
            "{failure}"
        );
    }
}
