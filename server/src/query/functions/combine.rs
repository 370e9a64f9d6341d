//! `asof_join('left', 'right', 'on', …)`, `inner_join('left', 'right', 'on')` and its kin, `concat('a', 'b', …)` and
//! `latest('frame', 'key')`: frames combined, as tables of a query.

use std::sync::Arc;

use shoots_proto::AsofDirection;

use super::Arguments;
use crate::combine::{self, AsofOptions, CombinedTable, JoinKind, Pair, Range, Source, Suffixes};
use crate::query::catalog::{Frames, Table};
use crate::status::Failure;

/// An as-of join of two frames.
pub(super) async fn asof_join(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let (left, right) = (arguments.text("left")?, arguments.text("right")?);
    let on = arguments.names("on")?;
    let by = arguments.names("by")?;
    let tolerance = arguments.value_or_none("tolerance")?;
    let direction = match arguments.text_or_none("direction")? {
        None => AsofDirection::default(),
        Some(word) => match word.parse() {
            Ok(direction) => direction,
            Err(error) => return Ok(arguments.wrong(format_args!("direction {error}"))?),
        },
    };
    let allow_exact_matches = arguments.flag("allow_exact_matches", true)?;
    let suffixes = suffixes(&mut arguments)?;
    let on = pairs(&mut arguments, "on", on)?;
    let by = pairs(&mut arguments, "by", by)?;
    let [on] = on.as_slice() else {
        return Ok(arguments.wrong("on must be one column")?);
    };
    let options = AsofOptions {
        on: on.clone(),
        by,
        direction,
        tolerance,
        allow_exact_matches,
        suffixes,
    };
    arguments.end()?;
    let (left, right) = (source(frames, &left).await?, source(frames, &right).await?);
    Ok(made(combine::asof_join(left, right, options)?))
}

/// A join of two frames on equal keys.
pub(super) async fn join(
    frames: &Frames<'_>,
    mut arguments: Arguments,
    kind: JoinKind,
) -> Result<Table, Failure> {
    let (left, right) = (arguments.text("left")?, arguments.text("right")?);
    let on = arguments.names("on")?;
    let suffixes = suffixes(&mut arguments)?;
    let on = pairs(&mut arguments, "on", on)?;
    arguments.end()?;
    let (left, right) = (source(frames, &left).await?, source(frames, &right).await?);
    Ok(made(combine::join(left, right, kind, on, &suffixes)?))
}

/// The rows of several frames.
pub(super) async fn concat(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let names = arguments.texts()?;
    let sorted = arguments.flag("sorted", false)?;
    arguments.end()?;
    let mut sources = Vec::new();
    for name in &names {
        sources.push(source(frames, name).await?);
    }
    Ok(made(combine::concat(sources, sorted)?))
}

/// The newest row of each key of a frame.
pub(super) async fn latest(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let name = arguments.text("frame")?;
    let keys = arguments.names("keys")?;
    let range = Range {
        start: arguments.value_or_none("start")?.map(Into::into),
        stop: arguments.value_or_none("stop")?.map(Into::into),
        ..Range::default()
    };
    arguments.end()?;
    let source = source(frames, &name).await?;
    Ok(made(combine::latest(source, keys, range)?))
}

async fn source(frames: &Frames<'_>, name: &str) -> Result<Source, Failure> {
    Ok(Source::new(frames.state(name).await?))
}

fn made(table: CombinedTable) -> Table {
    Table::Made(Arc::new(table))
}

/// The columns to compare: `both`, or `left_…` with `right_…`.
fn pairs(
    arguments: &mut Arguments,
    role: &str,
    both: Vec<String>,
) -> datafusion::error::Result<Vec<Pair>> {
    let left = arguments.named_names(&format!("left_{role}"))?;
    let right = arguments.named_names(&format!("right_{role}"))?;
    Pair::all(role, both, left, right)
}

fn suffixes(arguments: &mut Arguments) -> datafusion::error::Result<Suffixes> {
    let given = arguments.named_names("suffixes")?;
    match given.as_slice() {
        [] => Ok(Suffixes::default()),
        [left, right] => Ok(Suffixes {
            left: left.clone(),
            right: right.clone(),
        }),
        _ => arguments.wrong("suffixes must be two texts, such as ['_x', '_y']"),
    }
}
