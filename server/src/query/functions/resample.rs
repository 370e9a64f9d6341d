//! `resample('frame', 'rule', 'function')`: a frame's rows gathered into bins of time.

use std::sync::Arc;

use serde_json::{Number, Value};
use shoots_proto::IndexValue;
use shoots_proto::action::{Aggregations, BinEnd, Resampling};

use super::Arguments;
use super::call::Constant;
use crate::query::catalog::{Frames, Table};
use crate::resample::{Range, Request, Resample, ResampleTable};
use crate::status::Failure;

/// The bins of a frame.
pub(super) async fn resample(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let name = arguments.text("frame")?;
    let rule = arguments.text("rule")?;
    let Some(functions) = arguments.take("aggregation_func")? else {
        return Ok(arguments.wrong("aggregation_func is missing")?);
    };
    let Some(functions) = aggregations(&functions) else {
        return Ok(arguments.wrong(
            "aggregation_func must be a function in single quotes, a list of them, or a list of lists, each with a \
             column and its functions",
        )?);
    };
    let resampling = Resampling {
        time_col: arguments.text_or_none("time_col")?,
        by: arguments.texts_or_none("by")?.unwrap_or_default(),
        columns: arguments.texts_or_none("columns")?,
        closed: end(&mut arguments, "closed")?,
        label: end(&mut arguments, "label")?,
        origin: arguments.text_or_none("origin")?,
        offset: arguments.text_or_none("offset")?,
        time_zone: arguments.text_or_none("time_zone")?,
        fill: arguments.value_or_none("fill")?,
        numeric_only: arguments.truth_or_none("numeric_only")?.unwrap_or_default(),
        quantile: quantile(&mut arguments)?,
        ..Resampling::new(rule, functions)
    };
    let range = Range {
        start: arguments.value_or_none("start")?.map(Value::from),
        stop: arguments.value_or_none("stop")?.map(Value::from),
        ..Range::default()
    };
    let snapshot = frames.state(&name).await?;
    let request = Request {
        snapshot,
        resampling,
        range,
    };
    match Resample::new(request) {
        Ok(resample) => {
            arguments.end()?;
            Ok(Table::Made(Arc::new(ResampleTable::new(resample))))
        }
        Err(problem) => Ok(arguments.wrong(problem)?),
    }
}

fn aggregations(given: &Constant) -> Option<Aggregations> {
    match given {
        Constant::Text(function) => Some(Aggregations::One(function.clone())),
        Constant::List(list) if list.is_empty() => None,
        Constant::List(list) if list.iter().all(|one| matches!(one, Constant::Text(_))) => {
            texts(list).map(Aggregations::Several)
        }
        Constant::List(list) => {
            let columns = list.iter().map(|column| match column {
                Constant::List(words) => match texts(words)?.as_slice() {
                    [] | [_] => None,
                    [column, function] => {
                        Some((column.clone(), Aggregations::One(function.clone())))
                    }
                    [column, functions @ ..] => {
                        Some((column.clone(), Aggregations::Several(functions.to_vec())))
                    }
                },
                _ => None,
            });
            columns.collect::<Option<_>>().map(Aggregations::ByColumn)
        }
        _ => None,
    }
}

fn texts(list: &[Constant]) -> Option<Vec<String>> {
    let texts = list.iter().map(|one| match one {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn end(arguments: &mut Arguments, name: &str) -> Result<Option<BinEnd>, Failure> {
    let Some(text) = arguments.text_or_none(name)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(end) => Ok(Some(end)),
        Err(problem) => Ok(arguments.wrong(format_args!("{name} {problem}"))?),
    }
}

fn quantile(arguments: &mut Arguments) -> Result<Option<Number>, Failure> {
    match arguments.value_or_none("quantile")? {
        None => Ok(None),
        Some(IndexValue::Number(share))
            if share
                .as_f64()
                .is_some_and(|share| (0.0..=1.0).contains(&share)) =>
        {
            Ok(Some(share))
        }
        Some(other) => Ok(arguments.wrong(format_args!("quantile must be 0 to 1 (got {other})"))?),
    }
}
