//! Calls of table functions in a statement: finding them, reading their arguments, and putting tables in their place.
//!
//! A call is known by its name without quotes, in any case. Its arguments are constants: numbers, texts, truth values,
//! nulls, and lists of these. Some may be named (`fill => 'forward'`); those stand behind the others.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{
    Array, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Statement, TableAlias,
    TableFactor, TableFunctionArgs, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{CALLS, Function};
use crate::query::relation::{Part, Relation};

/// A call of one of the functions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) function: Function,
    /// The values by position.
    pub(crate) values: Vec<Constant>,
    /// The values by name, which is in lower case.
    pub(crate) named: Vec<(String, Constant)>,
}

/// A value that stands in a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Null,
    Boolean(bool),
    /// The digits, with their sign.
    Number(String),
    Text(String),
    List(Vec<Constant>),
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
        let Some(function) = plain_name(name).and_then(|name| Function::of(&name)) else {
            return Ok(None);
        };
        let mut call = Self {
            function,
            values: Vec::new(),
            named: Vec::new(),
        };
        for argument in args {
            call.take(argument)?;
        }
        Ok(Some(call))
    }

    fn take(&mut self, argument: &FunctionArg) -> Result<()> {
        let (name, value) = match argument {
            FunctionArg::Unnamed(value) => (None, value),
            FunctionArg::Named { name, arg, .. } => (Some(name.value.to_lowercase()), arg),
            FunctionArg::ExprNamed { .. } => return self.misused(argument),
        };
        let FunctionArgExpr::Expr(value) = value else {
            return self.misused(argument);
        };
        let Some(value) = Constant::of(value) else {
            return self.misused(argument);
        };
        match name {
            None if self.named.is_empty() => self.values.push(value),
            None => {
                return plan_err!(
                    "{}: {argument} has no name, but stands behind arguments that have one",
                    self.function.name()
                );
            }
            Some(name) if self.named.iter().any(|(known, _)| *known == name) => {
                return plan_err!("{}: {name} is given twice", self.function.name());
            }
            Some(name) => self.named.push((name, value)),
        }
        Ok(())
    }

    fn misused<T>(&self, argument: &FunctionArg) -> Result<T> {
        plan_err!(
            "{} takes constants (texts stand in single quotes), not {argument}; it is used as {}",
            self.function.name(),
            self.function.usage()
        )
    }

    /// The name of the table that takes its place.
    pub(super) fn path(&self) -> [String; 2] {
        [CALLS.to_owned(), self.to_string()]
    }

    pub(super) fn relation(&self) -> Relation {
        Relation(self.path().map(|text| Part { text, quoted: true }).into())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().map(Constant::to_string);
        let named = self.named.iter();
        let named = named.map(|(name, value)| format!("{name} => {value}"));
        let all: Vec<String> = values.chain(named).collect();
        write!(f, "{}({})", self.function.name(), all.join(", "))
    }
}

impl Constant {
    fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Null => Some(Self::Null),
                Value::Boolean(value) => Some(Self::Boolean(*value)),
                Value::Number(digits, _) => Some(Self::Number(digits.clone())),
                Value::SingleQuotedString(text) => Some(Self::Text(text.clone())),
                _ => None,
            },
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => match Self::of(expr)? {
                Self::Number(digits) => Some(Self::Number(format!("-{digits}"))),
                _ => None,
            },
            Expr::Array(Array { elem, .. }) => {
                let values = elem.iter().map(Self::of);
                values.collect::<Option<_>>().map(Self::List)
            }
            _ => None,
        }
    }
}

/// As it could stand in a statement.
impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
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

/// The calls in a statement, each once.
pub(super) fn find(statement: &Statement) -> Result<Vec<Call>> {
    let mut calls = Calls::default();
    match Visit::visit(statement, &mut calls) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(calls.0),
    }
}

/// Writes into a statement the names of the tables that its calls become.
pub(super) fn replace(statement: &mut Statement) {
    let _ = VisitMut::visit(statement, &mut Replacing);
}

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
                name: Ident::new(call.function.name()),
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
        let calls = find(&statement)?;
        replace(&mut statement);
        let replaced = statement.to_string();
        for call in &calls {
            let path = format!("\"//\".\"{call}\"");
            assert!(replaced.contains(&path), "{replaced}");
        }
        Ok(calls)
    }

    fn shown(sql: &str) -> Vec<String> {
        calls(sql).unwrap().iter().map(Call::to_string).collect()
    }

    #[test]
    fn calls_are_found_wherever_tables_stand() {
        let sql = "select * from AS_OF('Nyc.Weather', -2) as w join history('a') using (n) \
                   where n in (select rows from segments('a')) and m in (select m from as_of('a', 'it''s'))";
        let mut found = shown(sql);
        found.sort();
        let expected = [
            "as_of('Nyc.Weather', -2)",
            "as_of('a', 'it''s')",
            "history('a')",
            "segments('a')",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn constants_of_all_kinds_and_names_are_read() {
        let sql = "select * from as_of('a', [1, 'b', null], true, Fill => -1.5)";
        assert_eq!(
            shown(sql),
            ["as_of('a', [1, 'b', NULL], true, fill => -1.5)"]
        );
    }

    #[test]
    fn frames_and_other_functions_of_such_names_stay() {
        for sql in [
            "select * from history",
            "select * from \"history\"('a')",
            "select * from generate_series(1, 3)",
            "select segments from a where as_of > history(1)",
        ] {
            assert_eq!(shown(sql), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_no_constant_is_refused_with_how_it_is_used() {
        for (sql, words) in [
            (
                "select * from history(a)",
                "not a; it is used as history('frame')",
            ),
            ("select * from as_of('a', n + 1)", "not n + 1"),
            ("select * from as_of('a', *)", "not *"),
            ("select * from as_of(state => 1, 'a')", "'a' has no name"),
            (
                "select * from as_of('a', x => 1, X => 2)",
                "x is given twice",
            ),
        ] {
            let error = calls(sql).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
