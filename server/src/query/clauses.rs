//! Clauses that are parsed but not planned.
//!
//! The parser accepts what any dialect of SQL has, and DataFusion's planner passes over much of it without a word: a
//! query with `PREWHERE` would come back with rows that the clause excludes. So whatever the planner would pass over is
//! refused, with its name and its place. What only hints at how to do the same thing is let through.

use std::ops::ControlFlow;

use datafusion::common::{Diagnostic, Span, not_impl_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, ForClause, Function, FunctionArg, FunctionArgumentClause, FunctionArguments, GroupByExpr,
    GroupByWithModifier, Join, PipeOperator, Query, Select, SelectFlavor, Spanned, TableAlias,
    TableFactor, TableSampleKind, TableSampleModifier, TableVersion, ValueTableMode, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan, Tokenizer};

/// Refuses a statement, or an expression, with a clause that would have no effect.
pub(super) fn check(state: &SessionState, sql: &str, statement: &impl Visit) -> Result<()> {
    let mut check = Check {
        computes: &|name| {
            state.scalar_functions().contains_key(name)
                || state.higher_order_functions().contains_key(name)
        },
    };
    match statement.visit(&mut check) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(ignored) => Err(ignored.refused(sql)),
    }
}

/// A clause that would have no effect.
#[derive(Debug)]
struct Ignored {
    /// Its keywords, with which it begins.
    clause: String,
    /// What more there is to say.
    about: String,
    /// Something that stands before it, as near as it is known.
    near: TokenSpan,
}

impl Ignored {
    fn new(clause: impl Into<String>, near: TokenSpan) -> Self {
        Self {
            clause: clause.into(),
            about: String::new(),
            near,
        }
    }

    fn refused(self, sql: &str) -> DataFusionError {
        let Self { clause, about, .. } = &self;
        let error = not_impl_datafusion_err!("{clause} is not supported{about}");
        placed(error, Span::try_from_sqlparser_span(self.place(sql)))
    }

    /// Where its keywords stand first at or behind what it is near to; or else that.
    fn place(&self, sql: &str) -> TokenSpan {
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
        let mut tokens = tokens.unwrap_or_default();
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        let words: Vec<&str> = self.clause.split(' ').collect();
        let behind = |token: &TokenWithSpan| token.span.start >= self.near.start;
        let mut places = tokens.windows(words.len());
        let place = places.find(|found| {
            let alike = |(token, word): (&TokenWithSpan, &&str)| is_word(&token.token, word);
            found.first().is_some_and(behind) && found.iter().zip(&words).all(alike)
        });
        place.map_or(self.near, |found| found[0].span)
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// An error that says where in the statement it is.
pub(super) fn placed(error: DataFusionError, place: Option<Span>) -> DataFusionError {
    match place {
        Some(place) => {
            let told = Diagnostic::new_error(error.strip_backtrace(), Some(place));
            error.with_diagnostic(told)
        }
        None => error,
    }
}

struct Check<'a> {
    /// Whether a name is that of a function that makes a value of each row.
    computes: &'a dyn Fn(&str) -> bool,
}

type Checked = ControlFlow<Ignored>;

/// The clause, if it is there.
fn ignored(is_there: bool, clause: &str, near: TokenSpan) -> Checked {
    if is_there {
        return ControlFlow::Break(Ignored::new(clause, near));
    }
    ControlFlow::Continue(())
}

impl Visitor for Check<'_> {
    type Break = Ignored;

    fn pre_visit_query(&mut self, query: &Query) -> Checked {
        let near = query.span();
        if let Some(lock) = query.locks.first() {
            ignored(true, &format!("FOR {}", lock.lock_type), near)?;
        }
        if let Some(clause) = &query.for_clause {
            let name = match clause {
                ForClause::Browse => "FOR BROWSE",
                ForClause::Json { .. } => "FOR JSON",
                ForClause::Xml { .. } => "FOR XML",
            };
            ignored(true, name, near)?;
        }
        ignored(query.settings.is_some(), "SETTINGS", near)?;
        ignored(query.format_clause.is_some(), "FORMAT", near)?;
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            ignored(cte.from.is_some(), "FROM", cte.closing_paren_token.0.span)?;
            alias(Some(&cte.alias))?;
        }
        query.pipe_operators.iter().try_for_each(pipe)
    }

    fn pre_visit_select(&mut self, select: &Select) -> Checked {
        let near = select.select_token.0.span;
        if matches!(select.flavor, SelectFlavor::FromFirstNoSelect) {
            let about = "; write SELECT * FROM".to_owned();
            return ControlFlow::Break(Ignored {
                about,
                ..Ignored::new("FROM without SELECT", near)
            });
        }
        if let Some(mode) = &select.value_table_mode {
            let clause = match mode {
                ValueTableMode::AsStruct | ValueTableMode::DistinctAsStruct => "AS STRUCT",
                ValueTableMode::AsValue | ValueTableMode::DistinctAsValue => "AS VALUE",
            };
            ignored(true, clause, near)?;
        }
        if let Some(modifiers) = &select.select_modifiers {
            let words = modifiers.to_string();
            ignored(!words.trim().is_empty(), words.trim(), near)?;
        }
        ignored(select.exclude.is_some(), "EXCLUDE", near)?;
        ignored(select.prewhere.is_some(), "PREWHERE", near)?;
        if let Some(connected) = select.connect_by.first() {
            let text = connected.to_string().to_uppercase();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            ignored(true, &words.join(" "), near)?;
        }
        let modifiers = match &select.group_by {
            GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
        };
        if let Some(modifier) = modifiers.first() {
            let clause = match modifier {
                GroupByWithModifier::Rollup => "WITH ROLLUP",
                GroupByWithModifier::Cube => "WITH CUBE",
                GroupByWithModifier::Totals => "WITH TOTALS",
                GroupByWithModifier::GroupingSets(_) => "GROUPING SETS",
            };
            let about = match modifier {
                GroupByWithModifier::Rollup => "; write GROUP BY ROLLUP (…)",
                GroupByWithModifier::Cube => "; write GROUP BY CUBE (…)",
                GroupByWithModifier::GroupingSets(_) => " behind other columns",
                GroupByWithModifier::Totals => "; write GROUP BY GROUPING SETS (…)",
            };
            return ControlFlow::Break(Ignored {
                about: about.to_owned(),
                ..Ignored::new(clause, near)
            });
        }
        let joins = select.from.iter().flat_map(|table| &table.joins);
        joins.into_iter().try_for_each(join)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Checked {
        table(factor)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Checked {
        match expr {
            Expr::Function(function) => self.function(function),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn pipe(operator: &PipeOperator) -> Checked {
    match operator {
        PipeOperator::Aggregate {
            full_table_exprs,
            group_by_expr,
        } => {
            let mut exprs = full_table_exprs.iter().chain(group_by_expr);
            let ordered = exprs
                .any(|expr| expr.order_by.asc.is_some() || expr.order_by.nulls_first.is_some());
            ignored(ordered, "an order in AGGREGATE", TokenSpan::empty())
        }
        PipeOperator::Join(joined) => join(joined),
        _ => ControlFlow::Continue(()),
    }
}

fn join(join: &Join) -> Checked {
    ignored(join.global, "GLOBAL", TokenSpan::empty())
}

fn table(factor: &TableFactor) -> Checked {
    let near = factor.span();
    match factor {
        TableFactor::Table {
            name,
            alias: known_as,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            let near = name.span();
            sampled(sample.as_ref(), near)?;
            if let Some(version) = version {
                let clause = match version {
                    TableVersion::ForSystemTimeAsOf(_) => "FOR SYSTEM_TIME AS OF",
                    TableVersion::TimestampAsOf(_) => "TIMESTAMP AS OF",
                    TableVersion::VersionAsOf(_) => "VERSION AS OF",
                    _ => "a version behind a table",
                };
                return ControlFlow::Break(Ignored {
                    about: "; write as_of('frame', …)".to_owned(),
                    ..Ignored::new(clause, near)
                });
            }
            ignored(*with_ordinality, "WITH ORDINALITY", near)?;
            ignored(!partitions.is_empty(), "PARTITION", near)?;
            ignored(!with_hints.is_empty(), "WITH", near)?;
            if let Some(hint) = index_hints.first() {
                let text = hint.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                ignored(true, &words.join(" "), near)?;
            }
            ignored(json_path.is_some(), "a path behind a table", near)?;
            let settings = args.as_ref().is_some_and(|args| args.settings.is_some());
            ignored(settings, "SETTINGS", near)?;
            if args.is_some() && name.0.len() > 1 {
                ignored(true, &format!("{name}(…)"), near)?;
            }
            alias(known_as.as_ref())
        }
        TableFactor::Derived {
            sample,
            alias: known_as,
            ..
        } => {
            sampled(sample.as_ref(), near)?;
            alias(known_as.as_ref())
        }
        TableFactor::Function {
            name,
            args,
            with_ordinality,
            alias: known_as,
            ..
        } => {
            ignored(*with_ordinality, "WITH ORDINALITY", near)?;
            let named = |arg: &FunctionArg| !matches!(arg, FunctionArg::Unnamed(_));
            let clause = format!("{name}(…) with names before its arguments");
            ignored(args.iter().any(named), &clause, near)?;
            ignored(name.0.len() > 1, &format!("{name}(…)"), near)?;
            alias(known_as.as_ref())
        }
        TableFactor::NestedJoin {
            table_with_joins,
            alias: known_as,
        } => {
            table_with_joins.joins.iter().try_for_each(join)?;
            alias(known_as.as_ref())
        }
        TableFactor::UNNEST {
            alias: known_as, ..
        } => alias(known_as.as_ref()),
        // The planner refuses all others.
        _ => ControlFlow::Continue(()),
    }
}

fn sampled(sample: Option<&TableSampleKind>, near: TokenSpan) -> Checked {
    let sample = match sample {
        Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) => sample,
        None => return ControlFlow::Continue(()),
    };
    let clause = match sample.modifier {
        TableSampleModifier::Sample => "SAMPLE",
        TableSampleModifier::TableSample => "TABLESAMPLE",
    };
    ignored(true, clause, near)
}

fn alias(alias: Option<&TableAlias>) -> Checked {
    let Some(alias) = alias else {
        return ControlFlow::Continue(());
    };
    let name = &alias.name;
    let plain = !alias.explicit && name.quote_style.is_none();
    if plain && name.value.eq_ignore_ascii_case("FINAL") {
        return ControlFlow::Break(Ignored {
            about: "; write AS before a name".to_owned(),
            ..Ignored::new("FINAL", name.span)
        });
    }
    ignored(alias.at.is_some(), "AT", name.span)?;
    let typed = alias
        .columns
        .iter()
        .any(|column| column.data_type.is_some());
    ignored(typed, "a type in the names of columns", name.span)
}

impl Check<'_> {
    fn function(&self, function: &Function) -> Checked {
        let (name, near) = (&function.name, function.name.span());
        if !matches!(function.parameters, FunctionArguments::None) {
            ignored(true, &format!("{name}(…)(…)"), near)?;
        }
        if matches!(function.args, FunctionArguments::Subquery(_)) {
            ignored(true, &format!("{name}(SELECT …)"), near)?;
        }
        let [part] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let Some(ident) = part.as_ident() else {
            return ControlFlow::Continue(());
        };
        let called = match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_ascii_lowercase(),
        };
        if !(self.computes)(&called) {
            return ControlFlow::Continue(());
        }
        let of = format!(" for {called}, which computes a value from each row");
        let refuse = |clause: &str| -> Checked {
            ControlFlow::Break(Ignored {
                about: of.clone(),
                ..Ignored::new(clause, near)
            })
        };
        if function.over.is_some() {
            refuse("OVER")?;
        }
        if function.filter.is_some() {
            refuse("FILTER")?;
        }
        if !function.within_group.is_empty() {
            refuse("WITHIN GROUP")?;
        }
        if let Some(nulls) = &function.null_treatment {
            refuse(&nulls.to_string())?;
        }
        let FunctionArguments::List(list) = &function.args else {
            return ControlFlow::Continue(());
        };
        if let Some(treatment) = &list.duplicate_treatment {
            refuse(&treatment.to_string())?;
        }
        list.clauses.iter().try_for_each(|clause| match clause {
            FunctionArgumentClause::OrderBy(_) => refuse("ORDER BY"),
            FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => refuse(&nulls.to_string()),
            _ => ControlFlow::Continue(()),
        })
    }
}
