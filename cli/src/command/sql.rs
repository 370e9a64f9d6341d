//! `sql`: a query, a file of them, or one after the other on a terminal.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

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
        return ask(context, query, &args.rows).await;
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

/// Asks one query.
pub(crate) async fn ask(context: &Context, query: &str, rows: &RowsArgs) -> Result<(), Failure> {
    let target = rows.target(&context.output)?;
    let mut request = context.client.query(query);
    if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    let progress = context.output.progress("asking", None);
    let batches = request.stream().await?;
    progress.end();
    target.take(&context.output, batches, None).await
}
