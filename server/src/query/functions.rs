//! Table functions over the history of frames: `as_of('frame', version)`, `history('frame')`, `segments('frame')`.
//!
//! DataFusion calls a table function while it plans, when nothing can be read. So the calls are taken out of a
//! statement before: each is found and read here, and what stands in the statement then is a table, which is called
//! as the function is unless the query gives it another name. Frames are found by the names that queries use.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::{plan_datafusion_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Statement, TableAlias, TableFactor,
    TableFunctionArgs, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use shoots_proto::AsOf;
use shoots_store::{Snapshot, Store};

use super::catalog::{self, Found, Table};
use super::names::{Part, Relation};
use super::records;
use crate::status::Failure;

/// Where the tables are that calls become. No bucket can be called that.
pub(super) const CALLS: &str = "//";

/// A call of one of the functions.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    function: Function,
    /// The frame's name as the query gives it.
    frame: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Function {
    /// The frame's rows at a state.
    AsOf(AsOf),
    /// One row for each of its commits, newest first.
    History,
    /// One row for each of the segments of the state that the query reads.
    Segments,
}

/// Replaces the calls in a statement by tables, and says what these are.
pub(super) async fn replace(
    store: &Store,
    frame: &Snapshot,
    as_of: Option<&AsOf>,
    statement: &mut Statement,
) -> Result<Vec<Found>, Failure> {
    let mut calls = Calls::default();
    if let ControlFlow::Break(error) = Visit::visit(&*statement, &mut calls) {
        return Err(error.into());
    }
    let mut found = Vec::new();
    for call in calls.0 {
        found.push(Found {
            relation: Relation(call.path().map(|text| Part { text, quoted: true }).into()),
            path: call.path().into(),
            table: call.table(store, frame, as_of).await?,
        });
    }
    let _ = VisitMut::visit(statement, &mut Replacing);
    Ok(found)
}

impl Call {
    /// The call that a table of a statement is, if it is one.
    fn of(factor: &TableFactor) -> Result<Option<Self>> {
        let TableFactor::Table {
            name,
            args: Some(TableFunctionArgs { args, .. }),
            ..
        } = factor
        else {
            return Ok(None);
        };
        let Some(name) = plain_name(name) else {
            return Ok(None);
        };
        let (function, frame) = match (name.as_str(), args.as_slice()) {
            ("as_of", [frame, state]) => (Function::AsOf(self::state(state)?), frame),
            ("history", [frame]) => (Function::History, frame),
            ("segments", [frame]) => (Function::Segments, frame),
            ("as_of", _) => {
                return plan_err!("as_of takes two things: as_of('frame', version, time or tag)");
            }
            ("history" | "segments", _) => {
                return plan_err!("{name} takes one thing: {name}('frame')");
            }
            _ => return Ok(None),
        };
        let frame = match constant(frame) {
            Some(Value::SingleQuotedString(frame)) => frame.clone(),
            _ => {
                return plan_err!(
                    "{name} takes the frame's name as text in single quotes, such as {name}('weather'), not {frame}"
                );
            }
        };
        Ok(Some(Self { function, frame }))
    }

    fn name(&self) -> &'static str {
        match self.function {
            Function::AsOf(_) => "as_of",
            Function::History => "history",
            Function::Segments => "segments",
        }
    }

    /// The name of the table that takes its place.
    fn path(&self) -> [String; 2] {
        [CALLS.to_owned(), self.to_string()]
    }

    async fn table(
        &self,
        store: &Store,
        frame: &Snapshot,
        as_of: Option<&AsOf>,
    ) -> Result<Table, Failure> {
        let parts = self.frame.split('.').map(|part| Part {
            text: part.to_owned(),
            quoted: false,
        });
        let relation = Relation(parts.collect());
        let named = catalog::named(store, frame, as_of, &relation).await?;
        Ok(match &self.function {
            Function::AsOf(state) => {
                let frame = store.frame(named.frame());
                Table::Frame(frame.snapshot(Some(state)).await?)
            }
            Function::History => {
                let frame = store.frame(named.frame());
                Table::Records(Arc::new(records::HistoryTable::new(frame)))
            }
            Function::Segments => {
                let state = named.state(store).await?;
                let frame = store.frame(state.frame());
                Table::Records(Arc::new(records::segments(&frame, &state).await?))
            }
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.name(), self.frame)?;
        match &self.function {
            Function::AsOf(AsOf::Short(state)) => write!(f, ", '{state}')"),
            Function::AsOf(AsOf::Version(version)) => write!(f, ", {version})"),
            Function::AsOf(state) => write!(f, ", {state:?})"),
            Function::History | Function::Segments => write!(f, ")"),
        }
    }
}

/// A name without quotes, folded.
fn plain_name(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else {
        return None;
    };
    let ident = part.as_ident()?;
    let plain = ident.quote_style.is_none();
    plain.then(|| ident.value.to_lowercase())
}

fn constant(argument: &FunctionArg) -> Option<&Value> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => Some(&value.value),
        _ => None,
    }
}

/// The state that is asked for: a number is a version, a text is a tag, a time or the beginning of a commit.
fn state(argument: &FunctionArg) -> Result<AsOf> {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr,
    })) = argument
        && let Expr::Value(value) = &**expr
        && let Value::Number(digits, _) = &value.value
    {
        return version(&format!("-{digits}"));
    }
    match constant(argument) {
        Some(Value::Number(digits, _)) => version(digits),
        Some(Value::SingleQuotedString(text)) => Ok(AsOf::Short(text.clone())),
        _ => plan_err!(
            "as_of takes a version such as 3 or -1, or text in single quotes: a time, a tag or a commit; not {argument}"
        ),
    }
}

fn version(digits: &str) -> Result<AsOf> {
    let version = digits.parse();
    let version = version
        .map_err(|_| plan_datafusion_err!("as_of: {digits} is no version; versions are integers"));
    Ok(AsOf::Version(version?))
}

/// The calls of a statement, each once.
#[derive(Debug, Default)]
struct Calls(Vec<Call>);

impl Visitor for Calls {
    type Break = DataFusionError;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<DataFusionError> {
        match Call::of(factor) {
            Ok(Some(call)) if !self.0.contains(&call) => self.0.push(call),
            Ok(_) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

/// Writes the tables into a statement that the calls become.
struct Replacing;

impl VisitorMut for Replacing {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let Ok(Some(call)) = Call::of(factor) else {
            return ControlFlow::Continue(());
        };
        if let TableFactor::Table {
            name, args, alias, ..
        } = factor
        {
            let parts = call.path().map(|part| Ident::with_quote('"', part));
            *name = ObjectName::from(Vec::from(parts));
            *args = None;
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::new(call.name()),
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn calls(sql: &str) -> Result<Vec<Call>> {
        let mut statement = Parser::parse_sql(&GenericDialect {}, sql)
            .unwrap()
            .remove(0);
        let mut calls = Calls::default();
        if let ControlFlow::Break(error) = Visit::visit(&statement, &mut calls) {
            return Err(error);
        }
        let _ = VisitMut::visit(&mut statement, &mut Replacing);
        for call in &calls.0 {
            assert!(
                statement
                    .to_string()
                    .contains(&format!("\"//\".\"{call}\"")),
                "{statement}"
            );
        }
        Ok(calls.0)
    }

    #[test]
    fn calls_are_found_wherever_tables_stand() {
        let sql = "select * from AS_OF('Nyc.Weather', -2) as w join history('a') using (n) \
                   where n in (select rows from segments('a')) and m in (select m from as_of('a', 'eod'))";
        let call = |function, frame: &str| Call {
            function,
            frame: frame.to_owned(),
        };
        let found = calls(sql).unwrap();
        assert_eq!(found.len(), 4);
        for expected in [
            call(Function::AsOf(AsOf::Version(-2)), "Nyc.Weather"),
            call(Function::AsOf(AsOf::Short("eod".into())), "a"),
            call(Function::History, "a"),
            call(Function::Segments, "a"),
        ] {
            assert!(found.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn frames_and_other_functions_of_such_names_stay() {
        for sql in [
            "select * from history",
            "select * from \"history\"('a')",
            "select * from generate_series(1, 3)",
            "select segments from a where as_of > history(1)",
        ] {
            assert_eq!(calls(sql).unwrap(), []);
        }
    }

    #[test]
    fn what_a_call_lacks_is_said() {
        for (sql, words) in [
            ("select * from as_of('a')", "as_of takes two"),
            ("select * from history()", "history('frame')"),
            ("select * from history(a)", "history('weather')"),
            ("select * from segments('a', 1)", "segments takes one"),
            ("select * from as_of('a', 1.5)", "1.5 is no version"),
            ("select * from as_of('a', n)", "not n"),
        ] {
            let error = calls(sql).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
