//! What is made of a frame and put into another: `resample`.

use std::sync::Arc;

use shoots_proto::PutMode;
use shoots_proto::action::{ResampleRequest, ResampleResult};
use shoots_store::{ErrorKind, PutOptions};

use crate::query::{Parameters, Part, Question, Scope};
use crate::resample::{Problem, ResampleTable};
use crate::service::{Shared, follow, target};
use crate::status::Failure;

/// Puts into the target what a query, or bins of time, make of the source.
pub(super) async fn resample(
    shared: Arc<Shared>,
    request: ResampleRequest,
) -> Result<ResampleResult, Failure> {
    shared.check_writable("to resample into a frame")?;
    match request.sql.clone() {
        Some(sql) => by_sql(&shared, request, sql).await,
        None => by_time(&shared, request).await,
    }
}

async fn by_sql(
    shared: &Arc<Shared>,
    request: ResampleRequest,
    sql: String,
) -> Result<ResampleResult, Failure> {
    let source = shared.store.read(&request.source())?.snapshot(None).await?;
    let question = Question {
        sql,
        scope: Scope::of(&source, None),
        parameters: Parameters::default(),
        columns: None,
        offset: None,
        limit: None,
    };
    let plan = shared.queries.plan(&shared.store, question).await?;
    let put = target::put_rows(shared, &request.target(), plan, options(&request, &[])).await?;
    Ok(ResampleResult {
        source_rows: None,
        target_rows: put.rows,
        version: put.version,
        commit: put.commit.to_string(),
    })
}

async fn by_time(
    shared: &Arc<Shared>,
    request: ResampleRequest,
) -> Result<ResampleResult, Failure> {
    let source = shared.store.read(&request.source())?.snapshot(None).await?;
    let resample = follow::resampled(&source, &request)?;
    if request.continuous {
        follow::declare(shared, &request, &resample.index()).await?;
    }
    let table = Arc::new(ResampleTable::new(resample.clone()));
    let plan = shared.queries.plan_table(table, Part::default()).await?;
    let target = request.target();
    let options = if request.continuous {
        let grid = follow::grid_of(&resample).await?;
        let declaration = follow::Declaration::new(&request, &source, grid)?;
        let options = options(&request, &resample.index());
        PutOptions {
            mode: match request.mode {
                PutMode::Error => PutMode::Error,
                _ => PutMode::Replace,
            },
            note: declaration.noted(options.note)?,
            ..options
        }
    } else {
        let usual = usual_index(shared, &request, resample.index()).await?;
        options(&request, &usual)
    };
    let put = target::put_rows(shared, &target, plan, options).await?;
    if request.continuous {
        shared
            .followers
            .note(&shared.store.read(&target)?.snapshot(None).await?);
    }
    Ok(ResampleResult {
        source_rows: Some(resample.rows_read()),
        target_rows: put.rows,
        version: put.version,
        commit: put.commit.to_string(),
    })
}

/// What is wrong with how to resample, which stands in `inside` of a message.
pub(in crate::service) fn wrong(what: &str, inside: Option<&str>, problem: Problem) -> Failure {
    let field = match inside {
        Some(inside) => format!("{inside}.{}", problem.field),
        None => problem.field.to_owned(),
    };
    Failure::invalid(what, Some(&field), problem.text)
}

/// The index of the result, unless the target is there and keeps its own.
async fn usual_index(
    shared: &Shared,
    request: &ResampleRequest,
    index: Vec<String>,
) -> Result<Vec<String>, Failure> {
    if matches!(request.mode, PutMode::Error | PutMode::Replace) {
        return Ok(index);
    }
    match shared.store.read(&request.target())?.snapshot(None).await {
        Ok(target) => Ok(target.index().to_vec()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(index),
        Err(error) => Err(error.into()),
    }
}

/// A request in the words of the store; the index that is `usual` is for frames that have none so far.
fn options(request: &ResampleRequest, usual: &[String]) -> PutOptions {
    PutOptions {
        mode: request.mode,
        note: request.note(),
        index: request.index.clone().unwrap_or_else(|| usual.to_vec()),
        request_id: request.request_id.clone(),
        ..PutOptions::default()
    }
}
