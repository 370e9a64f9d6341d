//! `sql`: a query, a file of them, or one after the other on a terminal.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;
use shoots_client::proto::{ParameterValue, QueryParameters};

use super::Context;
use crate::failure::Failure;
use crate::output::RowsArgs;
use crate::prompt;

/// What to ask.
#[derive(Args, Debug)]
pub(crate) struct SqlArgs {
    /// The query; frames are named `frame`, `bucket.frame`, or as_of('frame', state)
    query: Option<String>,
    /// A file with queries, each ended by `;`; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// A value for the next parameter of the query (`$1`, `$2`, … or `?`), or, as NAME=VALUE, for `$NAME`; as JSON or text;
    /// may be given several times
    #[arg(short, long = "param", value_name = "VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    rows: RowsArgs,
}

impl SqlArgs {
    /// Whether questions are asked at a prompt.
    pub(crate) fn prompts(&self) -> bool {
        self.query.is_none() && self.file.is_none() && std::io::stdin().is_terminal()
    }
}

/// Asks.
pub(super) async fn sql(context: &Context, args: SqlArgs) -> Result<(), Failure> {
    if let Some(query) = &args.query {
        let parameters = parameters(&args.parameters)?;
        return ask_with(context, query, parameters, &args.rows).await;
    }
    if !args.parameters.is_empty() {
        return Err(Failure::usage("`--param` goes with a query as an argument"));
    }
    if args.prompts() {
        return prompt::run(context, &args.rows).await;
    }
    let stdin = args
        .file
        .as_deref()
        .is_none_or(|path| path.as_os_str() == "-");
    let mut text = String::new();
    let read = match (&args.file, stdin) {
        (Some(path), false) => std::fs::read_to_string(path).map(|read| text = read),
        _ => std::io::stdin().read_to_string(&mut text).map(|_| ()),
    };
    read.map_err(|error| Failure::usage(format!("cannot read the queries: {error}")))?;
    let statements = prompt::statements(&text);
    if statements.is_empty() {
        return Err(Failure::usage("there is no query to ask"));
    }
    for statement in statements {
        ask(context, &statement, &args.rows).await?;
    }
    Ok(())
}

/// The values that were given: all with names, or none.
fn parameters(given: &[String]) -> Result<QueryParameters, Failure> {
    let named: Vec<_> = given.iter().filter_map(|value| named(value)).collect();
    if named.is_empty() {
        return Ok(given.iter().map(|value| parameter(value)).collect());
    }
    if named.len() < given.len() {
        let problem =
            "`--param` has a value without a name and one with; give all of them names, or none";
        return Err(Failure::usage(problem));
    }
    Ok(QueryParameters::from_iter(named))
}

/// `NAME=VALUE`, where the name is one that a query can have.
fn named(text: &str) -> Option<(String, ParameterValue)> {
    let (name, value) = text.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), parameter(value)))
}

fn parameter(text: &str) -> ParameterValue {
    serde_json::from_str(text).unwrap_or_else(|_| ParameterValue::from(text))
}

/// Asks one query.
pub(crate) async fn ask(context: &Context, query: &str, rows: &RowsArgs) -> Result<(), Failure> {
    ask_with(
        context,
        query,
        QueryParameters::Positional(Vec::new()),
        rows,
    )
    .await
}

async fn ask_with(
    context: &Context,
    query: &str,
    parameters: QueryParameters,
    rows: &RowsArgs,
) -> Result<(), Failure> {
    let target = rows.target(&context.output)?;
    let mut request = context.client.query(query);
    request = match parameters {
        QueryParameters::Positional(values) if values.is_empty() => request,
        QueryParameters::Positional(values) => request.parameters(values),
        QueryParameters::Named(values) => request.named_parameters(values),
    };
    if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    let progress = context.output.progress("asking", None);
    let batches = request.stream().await?;
    progress.end();
    target.take(&context.output, batches, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_json_or_text_and_have_all_names_or_none() {
        let of = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|value| (*value).to_owned()).collect();
            parameters(&given)
        };
        let values = [
            1.into(),
            "JFK".into(),
            "2013-01-01".into(),
            ParameterValue::Null,
            "<=1".into(),
        ];
        let given = of(&["1", "JFK", "2013-01-01", "null", "<=1"]).unwrap();
        assert_eq!(given, QueryParameters::from_iter(values));
        let given = of(&["origin=JFK", "far=2000"]).unwrap();
        let values = [("origin", "JFK".into()), ("far", 2000.into())];
        assert_eq!(given, QueryParameters::from_iter(values));
        assert!(of(&["origin=JFK", "2000"]).is_err());
    }
}
