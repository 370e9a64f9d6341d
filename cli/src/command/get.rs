//! `get`, `head`, `tail`, `columns`: rows as they are.

use clap::Args;
use shoots_client::GetRequest;

use super::Context;
use super::state::{AsOfArgs, RangeArgs};
use crate::failure::Failure;
use crate::output::RowsArgs;

/// Which rows to get, and where to.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// Only these columns, in this order, with commas between them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// At most so many rows
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Without so many rows at the beginning
    #[arg(long, value_name = "N")]
    offset: Option<u64>,
    /// Only so many rows from the end
    #[arg(long, value_name = "N", conflicts_with_all = ["limit", "offset"])]
    tail: Option<u64>,
    /// Take the newest state at hand, if the storage behind the server is away
    #[arg(long)]
    allow_stale: bool,
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    rows: RowsArgs,
}

/// How many rows of an end of a frame to show.
#[derive(Args, Debug)]
pub(crate) struct EndArgs {
    /// The frame, as `name` or `bucket/name`
    frame: String,
    /// How many rows
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    count: u64,
    /// Only these columns, in this order, with commas between them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    rows: RowsArgs,
}

/// Which columns of which frames to get.
#[derive(Args, Debug)]
pub(crate) struct ColumnsArgs {
    /// Columns: `column`, `frame.column`, `bucket.frame.column` or `frame.*`
    #[arg(required = true)]
    columns: Vec<String>,
    /// Only look into these frames, in whose names * stands for any text
    #[arg(long, value_name = "FRAME,…", value_delimiter = ',')]
    frames: Vec<String>,
    /// At most so many rows
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Without so many rows at the beginning
    #[arg(long, value_name = "N")]
    offset: Option<u64>,
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    rows: RowsArgs,
}

/// Gets rows.
pub(super) async fn get(context: &Context, args: GetArgs) -> Result<(), Failure> {
    let target = args.rows.target(&context.output)?;
    let frame = context.frame(&args.frame)?;
    let request = || {
        let mut request = context.client.get(&frame);
        if !args.columns.is_empty() {
            request = request.columns(args.columns.clone());
        }
        if let Some(start) = args.range.start.clone() {
            request = request.start(start);
        }
        if let Some(stop) = args.range.stop.clone() {
            request = request.stop(stop);
        }
        if let Some(closed) = args.range.closed {
            request = request.closed(closed);
        }
        if let Some(rows) = args.limit {
            request = request.limit(rows);
        }
        if let Some(rows) = args.offset {
            request = request.offset(rows);
        }
        if let Some(rows) = args.tail {
            request = request.tail(rows);
        }
        if let Some(state) = args.as_of.as_of.clone() {
            request = request.as_of(state);
        }
        if args.allow_stale {
            request = request.allow_stale();
        }
        request
    };
    let told = request().describe().await?;
    let batches = request().stream().await?;
    if batches.is_stale() {
        let state = told.frame.version;
        let version = state.map_or_else(String::new, |version| format!(", version {version}"));
        context.output.note(&format!(
            "the storage is away; this is the newest state at hand{version}"
        ));
    }
    target.take(&context.output, batches, told.rows).await
}

/// Shows the first rows.
pub(super) async fn head(context: &Context, args: EndArgs) -> Result<(), Failure> {
    let count = args.count;
    end(context, args, |request| request.limit(count)).await
}

/// Shows the last rows.
pub(super) async fn tail(context: &Context, args: EndArgs) -> Result<(), Failure> {
    let count = args.count;
    end(context, args, |request| request.tail(count)).await
}

async fn end(
    context: &Context,
    mut args: EndArgs,
    choose: impl FnOnce(GetRequest) -> GetRequest,
) -> Result<(), Failure> {
    args.rows.show_all();
    let target = args.rows.target(&context.output)?;
    let mut request = choose(context.client.get(context.frame(&args.frame)?));
    if !args.columns.is_empty() {
        request = request.columns(args.columns);
    }
    if let Some(state) = args.as_of.as_of {
        request = request.as_of(state);
    }
    let batches = request.stream().await?;
    target.take(&context.output, batches, None).await
}

/// Gets columns of several frames.
pub(super) async fn columns(context: &Context, args: ColumnsArgs) -> Result<(), Failure> {
    let target = args.rows.target(&context.output)?;
    let mut request = context.client.columns(args.columns);
    if let Some(bucket) = &context.bucket {
        request = request.bucket(bucket.as_str());
    }
    if !args.frames.is_empty() {
        request = request.frames(args.frames);
    }
    if let Some(start) = args.range.start {
        request = request.start(start);
    }
    if let Some(stop) = args.range.stop {
        request = request.stop(stop);
    }
    if let Some(closed) = args.range.closed {
        request = request.closed(closed);
    }
    if let Some(rows) = args.limit {
        request = request.limit(rows);
    }
    if let Some(rows) = args.offset {
        request = request.offset(rows);
    }
    if let Some(state) = args.as_of.as_of {
        request = request.as_of(state);
    }
    let batches = request.stream().await?;
    target.take(&context.output, batches, None).await
}
