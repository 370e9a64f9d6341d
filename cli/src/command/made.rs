//! `resample`, `following`, `combine`: frames that are made of others.

use clap::{Args, ValueEnum};
use shoots_client::{
    Aggregations, AsOf, AsofDirection, BinEnd, CombineHow, CombineSource, FrameId, PutMode,
    Resampling,
};

use super::Context;
use super::history::short;
use super::note::{NoteArgs, noted};
use super::state::{AsOfArgs, as_of, in_any_case};
use crate::failure::Failure;
use crate::output::{Listing, RowsArgs, several};

/// How to resample a frame.
#[derive(Args, Debug)]
pub(crate) struct ResampleArgs {
    /// The frame to read, as `name` or `bucket/name`
    source: String,
    /// The frame to put into; without it, the rows are shown
    target: Option<String>,
    /// How long a bin is, as in pandas: 5min, 1h, D, W-FRI, ME
    #[arg(long, required_unless_present = "sql")]
    rule: Option<String>,
    /// What is made of a bin: a function of every column, or COLUMN=FUNCTION; several with commas between them
    #[arg(
        long = "func",
        value_name = "FUNCTION,…",
        value_delimiter = ',',
        required_unless_present = "sql"
    )]
    functions: Vec<String>,
    /// A query whose rows are put, in place of bins of time; it names the source by its name
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["rule", "functions"], requires = "target")]
    sql: Option<String>,
    /// What happens to rows that the target has: error, append, replace, update, upsert
    #[arg(long, value_name = "MODE", default_value = "append")]
    #[arg(value_parser = in_any_case::<PutMode>)]
    mode: PutMode,
    /// Columns that the target is sorted by, if this creates or replaces it
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    index: Vec<String>,
    /// The column of times [default: the first of the index]
    #[arg(long, value_name = "COLUMN")]
    time_col: Option<String>,
    /// The columns that functions are applied to [default: all]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Columns whose values are resampled each on their own
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Only rows whose time is not before this
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Only rows whose time is before this
    #[arg(long, value_name = "TIME")]
    stop: Option<String>,
    /// Which end belongs to a bin
    #[arg(long, value_name = "END")]
    closed: Option<End>,
    /// Which end a bin is named after
    #[arg(long, value_name = "END")]
    label: Option<End>,
    /// From where bins are counted: epoch, start, start_day, end, end_day or a time
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// How far bins are moved, such as 15min
    #[arg(long, value_name = "OFFSET")]
    offset: Option<String>,
    /// The zone in whose days and hours bins are counted, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What stands in bins without rows: drop, forward, backward, linear or a value
    #[arg(long, value_name = "FILL")]
    fill: Option<String>,
    /// Leave out columns that a function cannot take
    #[arg(long)]
    numeric_only: bool,
    /// Which quantile the function `quantile` gives, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    quantile: Option<f64>,
    /// Let the target follow the source from now on
    #[arg(long, requires = "target")]
    continuous: bool,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    rows: RowsArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum End {
    Left,
    Right,
}

impl From<End> for BinEnd {
    fn from(end: End) -> Self {
        match end {
            End::Left => Self::Left,
            End::Right => Self::Right,
        }
    }
}

/// Which frames that follow others.
#[derive(Args, Debug)]
pub(crate) struct FollowingArgs {
    /// The frame that is to follow no more; without it, those that follow are listed
    #[arg(long, value_name = "FRAME")]
    stop: Option<String>,
}

/// How to combine frames.
#[derive(Args, Debug)]
pub(crate) struct CombineArgs {
    /// How: concat, inner, left, right, outer, asof
    how: CombineHow,
    /// The frames to read, as `name`, `bucket/name` or `name@STATE`
    #[arg(required = true)]
    sources: Vec<String>,
    /// The frame to put into
    #[arg(long = "into", value_name = "FRAME", required = true)]
    target: String,
    /// What happens to rows that the target has: error, append, replace, update, upsert
    #[arg(long, value_name = "MODE", default_value = "error")]
    #[arg(value_parser = in_any_case::<PutMode>)]
    mode: PutMode,
    /// Columns that the target is sorted by, if this creates or replaces it
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    index: Vec<String>,
    /// Columns that are compared, as COLUMN or LEFT=RIGHT; one for an as-of join
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    on: Vec<String>,
    /// Columns that have to be equal too, in an as-of join
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    by: Vec<String>,
    /// How far apart two rows of an as-of join may be: a number, or 5min
    #[arg(long, value_name = "DISTANCE")]
    tolerance: Option<String>,
    /// On which side an as-of join looks for a partner: backward, forward, nearest
    #[arg(long, value_name = "SIDE", value_parser = in_any_case::<AsofDirection>)]
    direction: Option<AsofDirection>,
    /// In an as-of join, a row at the very same place is no partner
    #[arg(long)]
    no_exact_matches: bool,
    /// What is appended to names that both frames have [default: _x,_y]
    #[arg(long, value_name = "LEFT,RIGHT", value_parser = suffixes)]
    suffixes: Option<(String, String)>,
    /// Concatenate in the order of the index that the frames share
    #[arg(long)]
    sorted: bool,
    /// An id that makes it safe to repeat this: the server applies it once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
}

fn suffixes(text: &str) -> Result<(String, String), String> {
    let (left, right) = text
        .split_once(',')
        .ok_or("must be two, with a comma between them")?;
    Ok((left.to_owned(), right.to_owned()))
}

/// Functions as they were written: all without columns, or all with one.
fn aggregations(written: &[String]) -> Result<Aggregations, Failure> {
    let pairs: Vec<_> = written.iter().map(|one| one.split_once('=')).collect();
    let of_columns = pairs.iter().flatten().count();
    if of_columns == 0 {
        return Ok(match written {
            [one] => Aggregations::One(one.clone()),
            several => Aggregations::Several(several.to_vec()),
        });
    }
    if of_columns < pairs.len() {
        let problem = "--func names a column for some functions only; write COLUMN=FUNCTION for all, or for none";
        return Err(Failure::usage(problem));
    }
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    for (column, function) in pairs.into_iter().flatten() {
        match columns.iter_mut().find(|(known, _)| known == column) {
            Some((_, functions)) => functions.push(function.to_owned()),
            None => columns.push((column.to_owned(), vec![function.to_owned()])),
        }
    }
    let of = |functions: Vec<String>| match <[String; 1]>::try_from(functions) {
        Ok([one]) => Aggregations::One(one),
        Err(several) => Aggregations::Several(several),
    };
    let columns = columns
        .into_iter()
        .map(|(column, functions)| (column, of(functions)));
    Ok(Aggregations::ByColumn(columns.collect()))
}

/// Resamples into a frame, or shows what it would be.
pub(super) async fn resample(context: &Context, args: ResampleArgs) -> Result<(), Failure> {
    let source = context.client.frame(context.frame(&args.source)?);
    let Some(name) = &args.target else {
        return show(context, args).await;
    };
    if args.as_of.as_of.is_some() {
        let problem = "--as-of is for showing rows; a target is made of the newest state";
        return Err(Failure::usage(problem));
    }
    let target = context.frame(name)?;
    let mut request = match (args.sql, args.rule) {
        (Some(sql), _) => source.resample_sql(&target, sql),
        (None, rule) => {
            let mut request = source.resample(
                &target,
                rule.unwrap_or_default(),
                aggregations(&args.functions)?,
            );
            if let Some(column) = args.time_col {
                request = request.time_col(column);
            }
            if !args.columns.is_empty() {
                request = request.columns(args.columns);
            }
            if !args.by.is_empty() {
                request = request.by(args.by);
            }
            if let Some(start) = args.start {
                request = request.start(start);
            }
            if let Some(stop) = args.stop {
                request = request.stop(stop);
            }
            if let Some(end) = args.closed {
                request = request.closed(end.into());
            }
            if let Some(end) = args.label {
                request = request.label(end.into());
            }
            if let Some(origin) = args.origin {
                request = request.origin(origin);
            }
            if let Some(offset) = args.offset {
                request = request.offset(offset);
            }
            if let Some(zone) = args.time_zone {
                request = request.time_zone(zone);
            }
            if let Some(fill) = args.fill {
                request = request.fill(fill);
            }
            if args.numeric_only {
                request = request.numeric_only();
            }
            if let Some(share) = args.quantile {
                request = request.quantile(share);
            }
            if args.continuous {
                request = request.continuous();
            }
            request
        }
    };
    request = request.mode(args.mode);
    if !args.index.is_empty() {
        request = request.index(args.index);
    }
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        let (rows, commit) = (several(done.target_rows, "row"), short(&done.commit));
        let of = match done.source_rows {
            Some(read) => format!(" of {}", several(read, "row")),
            None => String::new(),
        };
        format!(
            "{target}: version {}, {rows} made{of}, commit {commit}",
            done.version
        )
    })
}

/// The rows that resampling makes.
async fn show(context: &Context, args: ResampleArgs) -> Result<(), Failure> {
    let target = args.rows.target(&context.output)?;
    let functions = aggregations(&args.functions)?;
    let mut how = Resampling::new(args.rule.unwrap_or_default(), functions);
    how.time_col = args.time_col;
    how.columns = Some(args.columns).filter(|columns| !columns.is_empty());
    how.by = args.by;
    how.closed = args.closed.map(Into::into);
    how.label = args.label.map(Into::into);
    how.origin = args.origin;
    how.offset = args.offset;
    how.time_zone = args.time_zone;
    how.fill = args.fill.map(Into::into);
    how.numeric_only = args.numeric_only;
    if let Some(share) = args.quantile {
        let number = Some(share).filter(|share| (0.0..=1.0).contains(share));
        let number = number.and_then(serde_json::Number::from_f64);
        let refused = || Failure::usage(format!("--quantile must be 0 to 1 (got {share})"));
        how.quantile = Some(number.ok_or_else(refused)?);
    }
    let mut request = context
        .client
        .get(context.frame(&args.source)?)
        .resample(how);
    if let Some(start) = args.start {
        request = request.start(start);
    }
    if let Some(stop) = args.stop {
        request = request.stop(stop);
    }
    if let Some(state) = args.as_of.as_of {
        request = request.as_of(state);
    }
    let batches = request.stream().await?;
    target.take(&context.output, batches, None).await
}

/// Lists frames that follow others.
pub(super) async fn following(context: &Context, args: FollowingArgs) -> Result<(), Failure> {
    let told = match &args.stop {
        Some(frame) => {
            context
                .client
                .stop_following(context.frame(frame)?)
                .send()
                .await?
        }
        None => {
            let bucket = context.bucket.as_ref().map(|bucket| bucket.as_str());
            context.client.following(bucket).send().await?
        }
    };
    context.output.list(&told.frames, || {
        let heading = ["frame", "follows", "rule", "made of", "newest", "problem"];
        let mut listing = Listing::new(&heading).right(&[3, 4]);
        for frame in &told.frames {
            let newest = frame.newest_version;
            listing.row([
                FrameId::new(frame.bucket.clone(), frame.name.clone()).to_string(),
                FrameId::new(frame.source_bucket.clone(), frame.source.clone()).to_string(),
                frame.rule.clone(),
                frame.source_version.to_string(),
                newest.map_or_else(|| "-".to_owned(), |newest| newest.to_string()),
                frame.problem.clone().unwrap_or_default(),
            ]);
        }
        listing
    })
}

/// A frame and the state of it: `name@STATE`.
fn source(context: &Context, text: &str) -> Result<CombineSource, Failure> {
    let (name, state) = match text.rsplit_once('@') {
        Some((name, state)) => (name, Some(state)),
        None => (text, None),
    };
    let state: Option<AsOf> = state.map(as_of).transpose().map_err(Failure::usage)?;
    Ok(CombineSource::new(context.frame(name)?, state))
}

/// Combines frames.
pub(super) async fn combine(context: &Context, args: CombineArgs) -> Result<(), Failure> {
    let target = context.frame(&args.target)?;
    let none: [FrameId; 0] = [];
    let mut request = context.client.combine(args.how, none, &target);
    for one in &args.sources {
        let one = source(context, one)?;
        request = request.source(one.frame(), one.as_of().cloned());
    }
    request = request.mode(args.mode);
    if !args.index.is_empty() {
        request = request.index(args.index);
    }
    let pairs = args.on.iter().any(|on| on.contains('='));
    if pairs {
        for on in &args.on {
            let (left, right) = on.split_once('=').unwrap_or((on, on));
            request = request.on_pair(left, right);
        }
    } else if !args.on.is_empty() {
        request = request.on(args.on);
    }
    if !args.by.is_empty() {
        request = request.by(args.by);
    }
    if let Some(tolerance) = args.tolerance {
        request = match tolerance.parse::<i64>() {
            Ok(number) => request.tolerance(number),
            Err(_) => request.tolerance(tolerance),
        };
    }
    if let Some(direction) = args.direction {
        request = request.direction(direction);
    }
    if args.no_exact_matches {
        request = request.allow_exact_matches(false);
    }
    if let Some((left, right)) = args.suffixes {
        request = request.suffixes(left, right);
    }
    if args.sorted {
        request = request.sorted();
    }
    if let Some(id) = args.request_id {
        request = request.request_id(id);
    }
    let done = noted!(request, context, args.note).send().await?;
    context.output.answer(&done, || {
        let (rows, commit) = (several(done.target_rows, "row"), short(&done.commit));
        format!(
            "{target}: version {}, {rows} made, commit {commit}",
            done.version
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &[&str]) -> Result<Aggregations, Failure> {
        let written: Vec<String> = written.iter().map(|&one| one.to_owned()).collect();
        aggregations(&written)
    }

    #[test]
    fn functions_are_for_all_columns_or_for_each() {
        assert_eq!(read(&["mean"]).unwrap(), Aggregations::from("mean"));
        assert_eq!(
            read(&["min", "max"]).unwrap(),
            Aggregations::from(["min", "max"])
        );
        let read_back = read(&["price=first", "size=sum", "price=max"]).unwrap();
        let json = serde_json::to_string(&read_back).unwrap();
        assert_eq!(json, r#"{"price":["first","max"],"size":"sum"}"#);
        assert!(read(&["mean", "size=sum"]).is_err());
    }
}
