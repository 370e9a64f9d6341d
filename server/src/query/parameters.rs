//! Parameters: the places that a query leaves open, and the values for them.
//!
//! A place is `$1`, `$2`, …, or `?` (each the next one), or `$name`. Values come by position or by name, as Arrow
//! scalars with their types, and take the places in the plan, so a value is never read as SQL. Where a value meets a
//! column it is coerced as a constant would be: a text becomes the time that it is compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::plan_err;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use shoots_proto::{ParameterValue, QueryParameters};

/// What the names of places begin with.
const MARK: char = '$';

/// Values for the places of a query.
#[derive(Debug, Clone)]
pub(crate) enum Parameters {
    /// By position.
    Positional(Vec<ScalarValue>),
    /// By name.
    Named(Vec<(String, ScalarValue)>),
    /// A row with names that say something only if the query has names.
    Row(Vec<(String, ScalarValue)>),
    /// To be told later: the query is looked at and not run.
    Open,
}

impl Default for Parameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl From<&QueryParameters> for Parameters {
    fn from(values: &QueryParameters) -> Self {
        match values {
            QueryParameters::Positional(values) => {
                Self::Positional(values.iter().map(scalar).collect())
            }
            QueryParameters::Named(values) => {
                let values = values.iter();
                Self::Named(
                    values
                        .map(|(n, value)| (n.clone(), scalar(value)))
                        .collect(),
                )
            }
        }
    }
}

fn scalar(value: &ParameterValue) -> ScalarValue {
    match value {
        ParameterValue::Null => ScalarValue::Null,
        ParameterValue::Bool(value) => ScalarValue::from(*value),
        ParameterValue::Text(text) => ScalarValue::from(text.as_str()),
        ParameterValue::Number(number) => {
            let signed = number.as_i64().map(ScalarValue::from);
            let integer = signed.or_else(|| number.as_u64().map(ScalarValue::from));
            integer.unwrap_or_else(|| ScalarValue::Float64(number.as_f64()))
        }
    }
}

/// The tokens of a statement, in which every `?` has its number.
pub(super) fn tokens(dialect: &dyn Dialect, sql: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location();
    let mut tokens = tokens.map_err(ParserError::from)?;
    let mut marks = 0_usize;
    let mut written = None;
    for token in &mut tokens {
        match &mut token.token {
            Token::Placeholder(name) if name == "?" => {
                marks += 1;
                *name = format!("{MARK}{marks}");
            }
            Token::Placeholder(name) => written = Some(name.clone()),
            _ => {}
        }
    }
    match written {
        Some(name) if name.starts_with('?') => {
            plan_err!("{name} is no parameter; write ? or {MARK}{}", &name[1..])
        }
        Some(name) if marks > 0 => {
            plan_err!("the query has both ? and {name}; write all of its parameters in one way")
        }
        _ => Ok(tokens),
    }
}

/// The places of a plan, in order.
#[derive(Debug)]
pub(super) struct Places {
    positional: bool,
    /// With a type where the query tells one, else with that of nulls.
    fields: Vec<Field>,
}

impl Places {
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self> {
        let found = find(plan)?;
        let numbers = found.keys().map(|name| name.parse::<usize>());
        let numbers: std::result::Result<Vec<usize>, _> = numbers.collect();
        let field = |(name, of): (&String, &Option<DataType>)| {
            let of = of.clone().unwrap_or(DataType::Null);
            Field::new(format!("{MARK}{name}"), of, true)
        };
        match numbers {
            Err(_) if found.keys().any(|name| name.parse::<usize>().is_ok()) => plan_err!(
                "the query has parameters with numbers and with names ({}); write all of them in one way",
                listed(found.keys())
            ),
            Err(_) => Ok(Self {
                positional: false,
                fields: found.iter().map(field).collect(),
            }),
            Ok(mut numbers) => {
                numbers.sort_unstable();
                if numbers.last().is_some_and(|last| *last != numbers.len()) {
                    return plan_err!(
                        "the query has the parameters {}; number them from {MARK}1 on, without gaps",
                        listed(numbers.iter())
                    );
                }
                let names: Vec<String> = numbers.iter().map(usize::to_string).collect();
                let fields = names
                    .iter()
                    .map(|name| field((name, found.get(name).unwrap_or(&None))));
                Ok(Self {
                    positional: true,
                    fields: fields.collect(),
                })
            }
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The plan with values in its places: one for each, and none besides.
    pub(super) fn fill(&self, plan: LogicalPlan, values: Parameters) -> Result<LogicalPlan> {
        match values {
            Parameters::Positional(values) => self.fill_in_order(plan, values),
            Parameters::Row(values) if self.positional => {
                let values = values.into_iter().map(|(_, value)| value);
                self.fill_in_order(plan, values.collect())
            }
            Parameters::Named(values) | Parameters::Row(values) => self.fill_by_name(plan, values),
            Parameters::Open => self.fill_with_nulls(plan),
        }
    }

    fn fill_in_order(&self, plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
        if !self.positional {
            return plan_err!(
                "the parameters of the query have names ({}); give their values by name",
                self.names()
            );
        }
        if values.len() != self.fields.len() {
            let names = self.names();
            return plan_err!(
                "the query has {}{}, and {}; give one value for each",
                counted(self.fields.len(), "parameter"),
                if names.is_empty() {
                    names
                } else {
                    format!(" ({names})")
                },
                match values.len() {
                    0 => "no value was given".to_owned(),
                    1 => "1 value was given".to_owned(),
                    n => format!("{n} values were given"),
                }
            );
        }
        self.replace(plan, values)
    }

    fn fill_by_name(
        &self,
        plan: LogicalPlan,
        values: Vec<(String, ScalarValue)>,
    ) -> Result<LogicalPlan> {
        if self.positional && !self.is_empty() {
            return plan_err!(
                "the parameters of the query have numbers ({}); give their values as a list",
                self.names()
            );
        }
        let mut given = BTreeMap::new();
        for (name, value) in values {
            let name = name.strip_prefix(MARK).unwrap_or(&name).to_owned();
            if given.insert(name.clone(), value).is_some() {
                return plan_err!("the parameter {MARK}{name} is given twice");
            }
        }
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            match given.remove(field.name().trim_start_matches(MARK)) {
                Some(value) => values.push(value),
                None => return plan_err!("the parameter {} has no value", field.name()),
            }
        }
        if let Some(name) = given.keys().next() {
            return plan_err!(
                "a value was given for {MARK}{name}, which is no parameter of the query; it has {}",
                if self.is_empty() {
                    "none".to_owned()
                } else {
                    self.names()
                }
            );
        }
        self.replace(plan, values)
    }

    fn fill_with_nulls(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let nulls = self.fields.iter();
        let nulls = nulls.map(|field| ScalarValue::try_from(field.data_type()));
        self.replace(plan, nulls.collect::<Result<_>>()?)
    }

    fn replace(&self, plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
        if self.is_empty() {
            return Ok(plan);
        }
        if self.positional {
            return plan.with_param_values(values);
        }
        let names = self
            .fields
            .iter()
            .map(|field| field.name().trim_start_matches(MARK));
        plan.with_param_values(names.zip(values).collect::<Vec<_>>())
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self
            .fields
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        names.join(", ")
    }
}

fn listed(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = names.map(|name| format!("{MARK}{name}")).collect();
    names.join(", ")
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// The places of a plan by their names without the mark, each with the type that the query tells first.
fn find(plan: &LogicalPlan) -> Result<BTreeMap<String, Option<DataType>>> {
    let mut found: BTreeMap<String, Option<DataType>> = BTreeMap::new();
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(place) = expr {
                    let name = place.id.trim_start_matches(MARK).to_owned();
                    let told = place.field.as_ref().map(|field| field.data_type().clone());
                    let known = found.entry(name).or_default();
                    *known = known.take().or(told);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;

    use super::*;

    fn written(sql: &str) -> Result<String> {
        let tokens = tokens(&GenericDialect {}, sql)?;
        Ok(tokens.iter().map(|token| token.token.to_string()).collect())
    }

    #[test]
    fn question_marks_are_numbered_where_they_are_places() {
        for (sql, expected) in [
            ("select ?, '?', \"?\" -- ?", "select $1, '?', \"?\" -- ?"),
            ("select ?-1, ?||?", "select $1-1, $2||$3"),
            ("x in (?,?)and y=?", "x in ($1,$2)and y=$3"),
            ("select $2, $of", "select $2, $of"),
        ] {
            assert_eq!(written(sql).unwrap().trim_end(), expected);
        }
        for (sql, told) in [
            ("select ?, $1", "both ? and $1"),
            ("select $of, ?", "both ? and $of"),
            ("select ?7", "write ? or $7"),
        ] {
            let refused = written(sql).unwrap_err();
            assert!(refused.to_string().contains(told), "{refused}");
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        for (json, expected) in [
            ("-3", ScalarValue::from(-3_i64)),
            ("18446744073709551615", ScalarValue::from(u64::MAX)),
            ("3.0", ScalarValue::from(3.0_f64)),
            ("\"3\"", ScalarValue::from("3")),
            ("null", ScalarValue::Null),
        ] {
            assert_eq!(scalar(&serde_json::from_str(json).unwrap()), expected);
        }
    }
}
